//! What statuses mean where the manifest says nothing of them: the CDK's DEFAULT_ERROR_MAPPING.

use airlock_sdk::FailureKind;

use super::{Action, Resolution};
use crate::requester::HttpResponse;

/// None for a status that has no meaning of its own.
pub fn of_status(status: u16) -> Option<Resolution> {
    use Action::{Fail, RateLimited, Retry};
    use FailureKind::{ConfigError, SystemError, TransientError};
    let (action, kind, message) = match status {
        400 => (Fail, SystemError, "Bad request. Please check your request parameters."),
        401 => (Fail, ConfigError, "Unauthorized. Please ensure you are authenticated correctly."),
        403 => (Fail, ConfigError, "Forbidden. You don't have permission to access this resource."),
        404 => (Fail, SystemError, "Not found. The requested resource was not found on the server."),
        405 => (Fail, SystemError, "Method not allowed. Please check your request method."),
        408 => (Retry, TransientError, "Request timeout."),
        429 => (RateLimited, TransientError, "Too many requests."),
        500 => (Retry, TransientError, "Internal server error."),
        502 => (Retry, TransientError, "Bad gateway."),
        503 => (Retry, TransientError, "Service unavailable."),
        504 => (Retry, TransientError, "Gateway timeout."),
        _ => return None,
    };
    Some(Resolution { action, kind, message: format!("HTTP Status Code: {status}. Error: {message}") })
}

/// As Python's `requests` tells of a status: `422 Client Error: Unprocessable Entity for url: https://…`.
pub fn status_error(response: &HttpResponse) -> String {
    let status = response.status;
    let side = if status < 500 { "Client" } else { "Server" };
    let url = response.name().split_once(' ').map_or("", |(_, url)| url);
    format!("{status} {side} Error: {} for url: {url}", reason(status))
}

/// The usual words for a status: HTTP/2 has none.
fn reason(status: u16) -> &'static str {
    match status {
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
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        418 => "I'm a Teapot",
        422 => "Unprocessable Entity",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
