//! What a failed request means: whose fault it is, whether it may pass, and the words for it.

use std::time::Duration;

use serde_json::Value;

use super::request::Request;
use super::request_name::excerpt;
use super::retry::{Problem, Retry};
use super::transport::Trouble;
use crate::failure::{Failure, FailureKind, config_error, system_error, transient_error};

/// So much of what an API says of an error is shown.
const EXCERPT_CHARACTERS: usize = 200;

/// Where APIs say what is wrong, as JSON pointers.
const EXPLANATIONS: [&str; 10] = [
    "/message",
    "/error/message",
    "/error_description",
    "/error",
    "/detail",
    "/title",
    "/errors/0/message",
    "/errors/0/detail",
    "/errors/0",
    "/0/message",
];

/// There is no response.
pub(super) fn of_trouble(name: &str, trouble: Trouble) -> Problem {
    let told = trouble.told();
    let (failure, retry) = match trouble {
        Trouble::Interrupted(failure) => (failure, Retry::Never),
        Trouble::Denied => (config_error(format!("{name} {told}.")), Retry::Never),
        Trouble::Untrusted | Trouble::Tls => {
            (config_error(format!("{name} {told}. Check the URL and the server's certificate.")), Retry::Never)
        }
        Trouble::HeadersTooLong => (system_error(format!("{name} {told}.")), Retry::Never),
        Trouble::Unsendable(part) => (system_error(format!("{name} {told}: the {part} is not allowed.")), Retry::Never),
        Trouble::TooMany => {
            let message = format!("{name} {told}. This is a defect of the connector: it drops them too late.");
            (system_error(message), Retry::Never)
        }
        // Nothing has reached the server.
        Trouble::NoSuchHost | Trouble::Refused | Trouble::Unreachable | Trouble::ConnectTimeout => {
            (transient_error(format!("{name} {told}.")), Retry::Always)
        }
        Trouble::ResponseTimeout
        | Trouble::ReadTimeout
        | Trouble::Terminated
        | Trouble::Incomplete
        | Trouble::Malformed => (transient_error(format!("{name} {told}.")), Retry::IfHarmless),
        Trouble::Other(cause) => (transient_error(format!("{name} {told}.")).with_internal(cause), Retry::IfHarmless),
    };
    Problem { failure, retry, retry_after: None, rate_limited: false }
}

/// The sandbox does not let the connector go where the server leads it: nothing that the user has to allow.
pub(super) fn of_lead(name: &str) -> Problem {
    Problem::lasting(system_error(format!(
        "{name} was not sent: a link or a redirect of the server leads to this host, which the connector may not reach. Allow it \
         only where the API is known to use it."
    )))
}

/// The response says that it did not work. `body` is its beginning.
pub(super) fn of_status(
    request: &Request,
    name: &str,
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
) -> Problem {
    // GitHub, for one, says so with 403.
    let rate_limited = status == 429 || matches!(status, 403 | 503) && retry_after.is_some();
    let told = match reason(status) {
        Some(reason) => format!("{name} was answered with {status} ({reason})"),
        None => format!("{name} was answered with {status}"),
    };
    let excerpt = |text: &str| excerpt(request, text, EXCERPT_CHARACTERS);
    let explanation = serde_json::from_slice(body).ok().and_then(|body| explanation(&body).map(excerpt));
    let told = match &explanation {
        Some(explanation) => format!("{told}: {explanation:?}."),
        None => format!("{told}."),
    };
    let mut failure = match rate_limited {
        true => transient_error(told),
        false => Failure::new(kind(status), format!("{told}{}", advice(status))),
    };
    if explanation.is_none() {
        if let Some(text) = plain(body).map(str::trim).filter(|text| !text.is_empty()) {
            failure = failure.with_internal(excerpt(text));
        }
    }
    let retry = match status {
        _ if rate_limited => Retry::Always,
        501 | 505 => Retry::Never,
        408 | 425 | 500..=599 => Retry::IfHarmless,
        _ => Retry::Never,
    };
    Problem { failure, retry, retry_after, rate_limited }
}

fn kind(status: u16) -> FailureKind {
    match status {
        401 | 403 => FailureKind::ConfigError,
        408 | 425 | 429 | 500..=599 => FailureKind::TransientError,
        _ => FailureKind::SystemError,
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => " Check the credentials in the configuration.",
        403 => " Check what the credentials in the configuration may do.",
        _ => "",
    }
}

fn reason(status: u16) -> Option<&'static str> {
    Some(match status {
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        425 => "Too Early",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => return None,
    })
}

fn explanation(body: &Value) -> Option<&str> {
    let found = EXPLANATIONS.iter().filter_map(|pointer| body.pointer(pointer)?.as_str());
    found.map(str::trim).find(|text| !text.is_empty() && !text.contains('\0'))
}

/// The text that the beginning of a body is. In another encoding, such as UTF-16, nobody would recognise a secret.
fn plain(beginning: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&beginning[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    Some(text).filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_explanation_is_found_where_apis_put_it() {
        for body in [
            json!({"message": "no", "error": "other"}),
            json!({"error": {"message": "no"}}),
            json!({"error": "invalid_grant", "error_description": "no"}),
            json!({"errors": [{"detail": "no"}]}),
            json!({"detail": " no "}),
            json!([{"message": "no"}]),
            json!({"message": "", "error": "no"}),
        ] {
            assert_eq!(explanation(&body), Some("no"), "{body}");
        }
        assert_eq!(explanation(&json!({"data": "no", "message": {"x": 1}})), None);
        assert_eq!(explanation(&json!({"message": "h\0u\0s\0h\0"})), None);
    }

    #[test]
    fn only_what_is_text_is_shown() {
        assert_eq!(plain("fine ü".as_bytes()), Some("fine ü"));
        assert_eq!(plain(b"cut \xc3"), Some("cut "));
        assert_eq!(plain(b"latin \xfc and more"), None);
        assert_eq!(plain(b"h\0u\0s\0h\0"), None);
        assert_eq!(plain(b"\0h\0u\0s\0h"), None);
    }
}
