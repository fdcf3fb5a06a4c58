//! From a request to its response: redirects are followed, problems are tried again.

use std::time::{Duration, Instant};

use url::Url;

use super::client::check_web_url;
use super::problem;
use super::request::{Method, Request, is_same_or_safer};
use super::request_name;
use super::response::{OpenResponse, Response};
use super::retry::{self, Problem, Waiting};
use super::transport::{Incoming, Outgoing, Trouble};
use crate::failure::{Result, system_error};
use crate::host;

const MAX_REDIRECTS: usize = 10;

/// So much of the body of an error is read.
const ERROR_BODY_BYTES: u64 = 16 * 1024;

/// No explanation is worth more of the sync's time.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// Sends a request and reads the whole response; both are one to a retry.
pub(super) fn send(request: &Request, waiting: impl Waiting) -> Result<Response> {
    let target = request.target()?;
    retry::run(&request.settings.retry, request.is_harmless(), waiting, || {
        let (response, started) = exchange(request, &target)?;
        let response = response.read_whole()?;
        let time = host::now().saturating_duration_since(started);
        log::debug!("{}: {} with {} bytes in {time:.1?}", response.name(), response.status(), response.bytes().len());
        Ok(response)
    })
}

/// Sends a request and gives the response when its head has come.
pub(super) fn open(request: &Request, waiting: impl Waiting) -> Result<OpenResponse> {
    let target = request.target()?;
    retry::run(&request.settings.retry, request.is_harmless(), waiting, || {
        let (response, started) = exchange(request, &target)?;
        let time = host::now().saturating_duration_since(started);
        log::debug!("{}: {} in {time:.1?}, and a body follows", response.name(), response.status());
        Ok(response)
    })
}

/// Where a redirect leads, or the first request.
struct Hop {
    method: Method,
    url: Url,
    with_body: bool,
}

fn exchange(request: &Request, target: &Url) -> Result<(OpenResponse, Instant), Problem> {
    let mut hop = Hop { method: request.method, url: target.clone(), with_body: true };
    for _ in 0..=MAX_REDIRECTS {
        let name = request_name::of(request, hop.method.name(), &hop.url);
        let started = host::now();
        let incoming = deliver(request, &hop).map_err(|trouble| match trouble {
            Trouble::Denied if request.is_led_away(&hop.url) => problem::of_lead(&name),
            trouble => problem::of_trouble(&name, trouble),
        })?;
        let status = incoming.status;
        let location = header(&incoming, "location").map(str::to_owned);
        let retry_after = header(&incoming, "retry-after").and_then(|value| retry::retry_after(value, host::time()));
        let response = OpenResponse::new(request, name, hop.method, hop.url.clone(), incoming);
        if (200..300).contains(&status) || request.accepted.contains(&status) {
            return Ok((response, started));
        }
        match (status, location) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                log::debug!("{}: {status}, which leads elsewhere", response.name());
                hop = redirected(request, hop, status, &location, response.name()).map_err(Problem::lasting)?;
            }
            _ if request.accepts_all => return Ok((response, started)),
            _ => {
                let name = response.name().to_owned();
                let time = host::now().saturating_duration_since(started);
                log::debug!("{name}: {status} in {time:.1?}");
                let body = response.beginning(ERROR_BODY_BYTES, ERROR_BODY_TIME);
                return Err(problem::of_status(request, &name, status, retry_after, &body));
            }
        }
    }
    let name = request_name::of(request, request.method.name(), target);
    Err(Problem::lasting(system_error(format!("{name} was redirected more than {MAX_REDIRECTS} times."))))
}

fn deliver(request: &Request, hop: &Hop) -> Result<Incoming, Trouble> {
    let url = request.with_secrets(&hop.url);
    let body = if hop.with_body { &request.body[..] } else { &[] };
    let mut headers = request.headers_for(&hop.url);
    if !hop.with_body {
        headers.retain(|(name, _)| !name.starts_with("content-"));
    }
    let length = body.len().to_string();
    // Without it the body goes in chunks, which not every server takes.
    if !body.is_empty() || hop.with_body && matches!(hop.method, Method::Post | Method::Put | Method::Patch) {
        headers.retain(|(name, _)| *name != "content-length");
        headers.push(("content-length", &length));
    }
    let timeouts = request.settings.timeouts;
    host::send(&Outgoing { method: hop.method.name(), url: &url, headers: &headers, body, timeouts })
}

fn header<'a>(incoming: &'a Incoming, name: &str) -> Option<&'a str> {
    incoming.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn redirected(request: &Request, hop: Hop, status: u16, location: &str, name: &str) -> Result<Hop> {
    let url =
        hop.url.join(location).map_err(|error| error.to_string()).and_then(check_web_url).map_err(|why| {
            system_error(format!("{name} was redirected to what is no URL that can be followed: {why}."))
        })?;
    if hop.url.scheme() == "https" && url.scheme() == "http" {
        return Err(system_error(format!("{name} was redirected from https to http, which is not followed.")));
    }
    let (method, with_body) = match (status, hop.method) {
        (301 | 302, Method::Post) => (Method::Get, false),
        (303, method) if method != Method::Head => (Method::Get, false),
        // The body was about what is elsewhere now: other clients do not send it there.
        (301 | 302, Method::Get) => (Method::Get, false),
        (_, method) => (method, hop.with_body),
    };
    // A body may hold secrets of which nobody said so.
    if with_body && !request.body.is_empty() && !is_same_or_safer(&hop.url, &url) {
        return Err(system_error(format!(
            "{name} was redirected to another host, to which its body is not sent: use the URL of that host."
        )));
    }
    Ok(Hop { method, url: request.without_secrets(url), with_body })
}
