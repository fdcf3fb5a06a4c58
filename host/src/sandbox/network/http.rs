//! `wasi:http`: a guest's requests, sent by a client of the host's. Redirects, cookies and retries are the guest's business.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{ACCEPT_ENCODING, HOST, HeaderValue, RANGE, USER_AGENT};
use http::uri::{Authority, Scheme, Uri};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::capture_connection;
use tokio::sync::watch;
use tokio::time::timeout;
use url::Host;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::timeouts::{Receiving, Timeouts, Upload};
use super::{Network, connection, content_coding, http_errors, interruption, parse_host};

/// What wasmtime asks when a guest sends a request.
pub struct HttpHooks {
    network: Arc<Network>,
}

impl HttpHooks {
    pub(super) fn new(network: Arc<Network>) -> HttpHooks {
        HttpHooks { network }
    }
}

type Exchanged = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for HttpHooks {
    fn set_host_header(&mut self) -> bool {
        // It is made of the URL that was checked.
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Exchanged, Error>> + Send> {
        let network = self.network.clone();
        Box::new(async move {
            let interruptions = network.interruptions();
            let mut interruption = pin!(interruption(interruptions.clone()));
            let mut exchange = pin!(exchange(&network, request, Timeouts::new(options), interruptions));
            let response = poll_fn(|context| {
                if let Poll::Ready(result) = exchange.as_mut().poll(context) {
                    return Poll::Ready(result);
                }
                interruption.as_mut().poll(context).map(|()| Err(http_errors::interrupted()))
            });
            let done: Box<dyn Future<Output = _> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response.await?, done))
        })
    }
}

/// Where a request goes: the one reading of its URL that is checked and connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub host: Host,
    pub port: u16,
    pub secure: bool,
}

impl Target {
    /// Of an absolute URL. None where it names no host, or carries a user's name.
    pub fn of(uri: &Uri) -> Option<Target> {
        let secure = *uri.scheme()? == Scheme::HTTPS;
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let host = parse_host(authority.host())?;
        let port = match authority.as_str().rsplit_once(':') {
            // The crate takes a port that is no number for none.
            Some((_, port)) if !port.ends_with(']') && !port.is_empty() => port.parse().ok()?,
            _ if secure => 443,
            _ => 80,
        };
        Some(Target { host, port, secure })
    }

    /// The same URL with the host as it was read.
    fn normalise(&self, uri: &Uri) -> Option<Uri> {
        let default_port = if self.secure { 443 } else { 80 };
        let authority = match self.port {
            port if port == default_port => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        };
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(Authority::try_from(authority).ok()?);
        Uri::from_parts(parts).ok()
    }
}

/// Sends a request and waits for the head of its response.
async fn exchange(
    network: &Arc<Network>,
    request: Request<WasiBody>,
    timeouts: Timeouts,
    interruptions: watch::Receiver<()>,
) -> Result<Response<WasiBody>, Error> {
    let slot = network.requests.clone().try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)?;
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let target = Target::of(&parts.uri).ok_or(Error::HttpRequestUriInvalid)?;
    parts.uri = target.normalise(&parts.uri).ok_or(Error::HttpRequestUriInvalid)?;
    parts.headers.remove(HOST);

    let client = connection::client(network);
    match client.proxy_of(&parts.uri) {
        Some(proxy) => {
            network.check_proxied(&target.host, target.port).map_err(|_| Error::HttpRequestDenied)?;
            network.contact_through_proxy(&target.host, connection::shown(&proxy));
            // Where the proxy is asked for a tunnel, it gets its credentials when that is made.
            if !target.secure
                && let Some(credentials) = proxy.basic_auth()
            {
                parts.headers.insert(http::header::PROXY_AUTHORIZATION, credentials.clone());
            }
        }
        None => network.check_host(&target.host, Some(target.port)).map_err(|_| Error::HttpRequestDenied)?,
    }

    // A guest that names the codings it takes decodes them itself, and the ranges of a coded body are not those of the body.
    let decodes = !parts.headers.contains_key(ACCEPT_ENCODING)
        && !parts.headers.contains_key(RANGE)
        && parts.method != Method::HEAD;
    if decodes {
        parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(content_coding::ACCEPTED));
    }
    let own_name = HeaderValue::from_static(concat!("airlock/", env!("CARGO_PKG_VERSION")));
    parts.headers.entry(USER_AGENT).or_insert(own_name);

    let upload = Upload::new();
    let mut request = Request::from_parts(parts, upload.watch(body));
    let mut connection = capture_connection(&mut request);
    let mut response = pin!(client.request(request));
    let first = {
        let mut connected = pin!(connection.wait_for_connection_metadata());
        let either = poll_fn(|context| match response.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => connected.as_mut().poll(context).map(|_| None),
        });
        timeout(timeouts.connect, either).await.map_err(|_| Error::ConnectionTimeout)?
    };
    let response = match first {
        Some(result) => result,
        None => upload.within(timeouts.first_byte, response.as_mut()).await.ok_or(Error::HttpResponseTimeout)?,
    };
    let (mut parts, body) = response.map_err(|error| http_errors::of_exchange(&error))?.into_parts();
    // What reads HTTP/1 takes as much as its buffer has room for.
    let header_bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header_bytes > connection::HEADER_BYTES {
        return Err(Error::HttpResponseHeaderSectionSize(None));
    }
    let body = Receiving::new(body, timeouts.between_bytes, Box::pin(interruption(interruptions)), slot);
    let body = if decodes { content_coding::decoded(&mut parts.headers, body) } else { body.boxed_unsync() };
    Ok(Response::from_parts(parts, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Option<(String, u16, String)> {
        let uri: Uri = url.parse().ok()?;
        let target = Target::of(&uri)?;
        let normalised = target.normalise(&uri)?;
        assert_eq!(Target::of(&normalised), Some(target.clone()), "what is checked is what is connected to");
        Some((target.host.to_string(), target.port, normalised.to_string()))
    }

    #[test]
    fn a_url_is_read_once() {
        let is = |url: &str, host: &str, port, normalised: &str| {
            assert_eq!(target(url), Some((host.to_owned(), port, normalised.to_owned())), "{url}");
        };
        is("http://Api.Example.COM/a%2Fb/../c?d", "api.example.com", 80, "http://api.example.com/a%2Fb/../c?d");
        is("https://example.com:443", "example.com", 443, "https://example.com/");
        is("https://example.com:80/", "example.com", 80, "https://example.com:80/");
        for loopback in ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1"] {
            is(&format!("http://{loopback}:81/"), "127.0.0.1", 81, "http://127.0.0.1:81/");
        }
        is("http://[::FFFF:7F00:1]/", "[::ffff:7f00:1]", 80, "http://[::ffff:7f00:1]/");
    }

    #[test]
    fn a_url_that_has_no_one_reading_is_refused() {
        for url in
            ["http://user@example.com/", "http://a:b@example.com/", "http://example.com:99999/", "/path", "http://a b/"]
        {
            assert_eq!(target(url), None, "{url}");
        }
    }
}
