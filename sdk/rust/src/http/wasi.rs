//! Requests over `wasi:http`.

use std::time::Duration;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody as WasiBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use super::transport::{Incoming, Outgoing, Trouble};
use crate::platform;

/// While a server lets the connector wait, records that are gathered leave after so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The body of a response. The stream goes before the body that it is of, and both before the upload, the end of which may end
/// the connection.
pub(crate) struct IncomingBody {
    stream: InputStream,
    _body: WasiBody,
    _unfinished: Option<Upload>,
}

/// A request's body. The stream goes before the body that it is of.
struct Upload {
    stream: OutputStream,
    body: OutgoingBody,
}

/// Sends a request and waits for the head of its response.
pub(crate) fn send(outgoing: &Outgoing<'_>) -> Result<Incoming, Trouble> {
    let request = request(outgoing)?;
    let body = request.body().map_err(|()| Trouble::Unsendable("body"))?;
    let pending = handle(request, Some(options(outgoing))).map_err(|error| trouble(&error))?;
    let unfinished = upload(body, outgoing.body, &pending)?;
    let response = pending.subscribe();
    wait_for(&[&response])?;
    let response = match pending.get() {
        Some(Ok(response)) => response.map_err(|error| trouble(&error))?,
        Some(Err(())) | None => return Err(Trouble::Other("the response came and was not there".to_owned())),
    };
    incoming(&response, unfinished)
}

fn request(outgoing: &Outgoing<'_>) -> Result<OutgoingRequest, Trouble> {
    let headers = Fields::new();
    for (name, value) in outgoing.headers {
        headers.append(name, value.as_bytes()).map_err(|_| Trouble::Unsendable("header"))?;
    }
    let url = outgoing.url;
    let authority = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let method = match outgoing.method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
    let request = OutgoingRequest::new(headers);
    request.set_method(&method).map_err(|()| Trouble::Unsendable("method"))?;
    request.set_scheme(Some(&scheme)).map_err(|()| Trouble::Unsendable("URL"))?;
    request.set_authority(Some(&authority)).map_err(|()| Trouble::Unsendable("URL"))?;
    request.set_path_with_query(Some(&path)).map_err(|()| Trouble::Unsendable("URL"))?;
    Ok(request)
}

fn options(outgoing: &Outgoing<'_>) -> RequestOptions {
    let options = RequestOptions::new();
    let nanoseconds = |time: Duration| Some(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    // A host that can not heed them has its own.
    let _ = options.set_connect_timeout(nanoseconds(outgoing.timeouts.connect));
    let _ = options.set_first_byte_timeout(nanoseconds(outgoing.timeouts.first_byte));
    let _ = options.set_between_bytes_timeout(nanoseconds(outgoing.timeouts.between_bytes));
    options
}

/// Sends the body as it is taken. Gives it back where the server answered before it had the whole: to give it up then would end
/// the connection that the response comes by.
fn upload(body: OutgoingBody, mut bytes: &[u8], pending: &FutureIncomingResponse) -> Result<Option<Upload>, Trouble> {
    if !bytes.is_empty() {
        let upload = Upload { stream: body.write().map_err(|()| Trouble::Unsendable("body"))?, body };
        let (room, answered) = (upload.stream.subscribe(), pending.subscribe());
        while !bytes.is_empty() {
            // What is wrong with the connection is told by the response.
            let Ok(most) = upload.stream.check_write() else { return Ok(None) };
            if most == 0 {
                if wait_for(&[&room, &answered])?.contains(&1) {
                    drop((room, answered));
                    return Ok(Some(upload));
                }
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX)));
            if upload.stream.write(now).is_err() {
                return Ok(None);
            }
            bytes = later;
        }
        drop((room, answered));
        let Upload { stream, body } = upload;
        let _ = stream.flush();
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
        return Ok(None);
    }
    let _ = OutgoingBody::finish(body, None);
    Ok(None)
}

fn incoming(response: &IncomingResponse, unfinished: Option<Upload>) -> Result<Incoming, Trouble> {
    let headers = response.headers().entries();
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    let no_body = |()| Trouble::Other("the response has no body".to_owned());
    let body = response.consume().map_err(no_body)?;
    let stream = body.stream().map_err(no_body)?;
    Ok(Incoming {
        status: response.status(),
        headers: headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect(),
        body: IncomingBody { stream, _body: body, _unfinished: unfinished },
    })
}

impl IncomingBody {
    /// The next bytes, at least one and so many at most. None at the end.
    pub(crate) fn read(&mut self, most: u64) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            // A stream is read when it is ready, and not before: then a read is one call, and never waits.
            let ready = self.stream.subscribe();
            wait_for(&[&ready])?;
            drop(ready);
            match self.stream.read(most.max(1)) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(Some(bytes)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(http_error_code(&error).map_or(Trouble::Incomplete, |code| trouble(&code)));
                }
            }
        }
    }
}

/// Waits for any of these; says which. What streams have gathered leaves meanwhile.
fn wait_for(pollables: &[&Pollable]) -> Result<Vec<u32>, Trouble> {
    let patience = subscribe_duration(u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX));
    let mut with_patience = pollables.to_vec();
    with_patience.push(&patience);
    let over = pollables.len() as u32;
    let ready = poll(&with_patience);
    if ready != [over] {
        return Ok(ready);
    }
    platform::flush_before_a_wait().map_err(Trouble::Interrupted)?;
    // Nothing is written while this waits, so that nothing more has to leave.
    Ok(poll(pollables))
}

fn trouble(code: &ErrorCode) -> Trouble {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Trouble::Denied,
        ErrorCode::DnsError(_) | ErrorCode::DnsTimeout | ErrorCode::DestinationNotFound => Trouble::NoSuchHost,
        ErrorCode::ConnectionRefused => Trouble::Refused,
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => Trouble::Unreachable,
        ErrorCode::ConnectionTimeout => Trouble::ConnectTimeout,
        ErrorCode::HttpResponseTimeout => Trouble::ResponseTimeout,
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout => Trouble::ReadTimeout,
        ErrorCode::ConnectionTerminated => Trouble::Terminated,
        ErrorCode::HttpResponseIncomplete => Trouble::Incomplete,
        ErrorCode::TlsCertificateError => Trouble::Untrusted,
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => Trouble::Tls,
        ErrorCode::HttpProtocolError
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::HttpResponseTransferCoding(_) => Trouble::Malformed,
        ErrorCode::HttpResponseHeaderSectionSize(_) | ErrorCode::HttpResponseTrailerSectionSize(_) => {
            Trouble::HeadersTooLong
        }
        ErrorCode::ConnectionLimitReached => Trouble::TooMany,
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong => Trouble::Unsendable("URL"),
        ErrorCode::HttpRequestHeaderSize(_) | ErrorCode::HttpRequestHeaderSectionSize(_) => {
            Trouble::Unsendable("header")
        }
        ErrorCode::InternalError(Some(text)) => Trouble::Other(text.clone()),
        other => Trouble::Other(format!("{other:?}")),
    }
}
