//! Sends the requests that its config lists, and says in one record for each what came of it. With `fail` it fails of what did
//! not work, with `crash` it panics, with `persist` it goes on whatever it is told.

use std::io::Write;

use test_guests::output::StreamWriter;
use test_guests::types::{ConnectionStatus, Failure, FailureKind, SavedState, StreamName};
use test_guests::{Source, Value, export_source, failure, json, lines};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
    http_error_code,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

struct Http;

impl Source for Http {
    fn check(config: &Value) -> Result<ConnectionStatus, Failure> {
        let outcomes: Vec<Value> = requests(config).iter().map(outcome).collect();
        match outcomes.iter().find(|outcome| outcome["error"].is_string()) {
            Some(outcome) => Ok(ConnectionStatus::Failed(format!("It said {}.", outcome["error"]))),
            None => Ok(ConnectionStatus::Succeeded),
        }
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        if config["at_once"] == true {
            // All are under way before the first is asked for.
            let sent: Vec<_> = requests(config).into_iter().map(|request| (send(&request), request)).collect();
            for (sent, request) in sent {
                writer.write(&lines([&sent.and_then(|sent| received(sent, &request)).unwrap_or_else(told)]))?;
            }
            return Ok(());
        }
        for request in requests(config) {
            let outcome = outcome(&request);
            let written = writer.write(&lines([&outcome]));
            if config["persist"] != true {
                written?;
            }
            if outcome["error"].is_string() {
                assert!(config["crash"] != true, "the request failed: {}", outcome["error"]);
                if config["fail"] == true {
                    let message = format!("The API can not be reached: {}.", outcome["error"]);
                    return Err(failure(FailureKind::TransientError, message));
                }
            }
        }
        Ok(())
    }
}

/// Each as often as its `times` says.
fn requests(config: &Value) -> Vec<Value> {
    let listed = config["requests"].as_array().into_iter().flatten();
    listed
        .flat_map(|request| {
            let times = request["times"].as_u64().unwrap_or(1) as usize;
            std::iter::repeat_n(request.clone(), times)
        })
        .collect()
}

/// With `follow`, of what a redirect leads to: redirects are the guest's business.
fn outcome(request: &Value) -> Value {
    let outcome = send(request).and_then(|response| received(response, request)).unwrap_or_else(told);
    match outcome["headers"]["location"].as_str() {
        Some(location) if request["follow"] == true => {
            let mut next = request.clone();
            next["url"] = json!(location);
            self::outcome(&next)
        }
        _ => outcome,
    }
}

fn told(error: ErrorCode) -> Value {
    json!({"error": format!("{error:?}")})
}

type Pending = wasip2::http::types::FutureIncomingResponse;

fn send(request: &Value) -> Result<Pending, ErrorCode> {
    let text = |field: &str| request[field].as_str();
    let (scheme, rest) = text("url").unwrap_or_default().split_once("://").unwrap_or_default();
    let path = rest.find(['/', '?']).unwrap_or(rest.len());
    let headers = Fields::new();
    for header in request["headers"].as_array().into_iter().flatten() {
        let (name, value) = (header[0].as_str().unwrap_or_default(), header[1].as_str().unwrap_or_default());
        headers
            .append(name, value.as_bytes())
            .map_err(|error| ErrorCode::InternalError(Some(format!("header: {error:?}"))))?;
    }
    let outgoing = OutgoingRequest::new(headers);
    let wrong = |what: &str| ErrorCode::InternalError(Some(format!("the {what} was refused")));
    let method = match text("method").unwrap_or("GET") {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method).map_err(|()| wrong("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| wrong("scheme"))?;
    outgoing.set_authority(Some(&rest[..path])).map_err(|()| wrong("authority"))?;
    outgoing.set_path_with_query(Some(&rest[path..])).map_err(|()| wrong("path"))?;
    let options = RequestOptions::new();
    let milliseconds = |field: &str| request[field].as_u64().map(|milliseconds| milliseconds * 1_000_000);
    let _ = options.set_connect_timeout(milliseconds("connect_ms"));
    let _ = options.set_first_byte_timeout(milliseconds("first_byte_ms"));
    let _ = options.set_between_bytes_timeout(milliseconds("between_bytes_ms"));

    let body = outgoing.body().map_err(|()| wrong("body"))?;
    let pending = handle(outgoing, Some(options))?;
    if let Some(bytes) = request["upload_bytes"].as_u64() {
        let stream = body.write().map_err(|()| wrong("body"))?;
        upload(&stream, bytes, request["upload_pause_ms"].as_u64().unwrap_or(0))?;
        drop(stream);
    } else if let Some(text) = text("body") {
        let mut stream = body.write().map_err(|()| wrong("body"))?;
        stream.write_all(text.as_bytes()).map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
        drop(stream);
    }
    OutgoingBody::finish(body, None)?;
    Ok(pending)
}

fn upload(stream: &OutputStream, mut bytes: u64, pause: u64) -> Result<(), ErrorCode> {
    let lost = |error: StreamError| ErrorCode::InternalError(Some(format!("upload: {error:?}")));
    let chunk = vec![b'u'; 1024 * 1024];
    while bytes > 0 {
        std::thread::sleep(std::time::Duration::from_millis(pause));
        stream.subscribe().block();
        let room = stream.check_write().map_err(lost)?.min(bytes).min(chunk.len() as u64);
        stream.write(&chunk[..room as usize]).map_err(lost)?;
        bytes -= room;
    }
    stream.flush().map_err(lost)
}

fn received(pending: Pending, request: &Value) -> Result<Value, ErrorCode> {
    pending.subscribe().block();
    let response = match pending.get() {
        Some(Ok(response)) => response?,
        _ => return Err(ErrorCode::InternalError(Some("no response although it was waited for".into()))),
    };
    let mut outcome = json!({"status": response.status(), "headers": headers(&response)});
    if let Ok(body) = response.consume() {
        // The stream goes before the body that it is of.
        let stream = body.stream().map_err(|()| ErrorCode::InternalError(Some("the body has no stream".into())))?;
        let limit = request["read_bytes"].as_u64().unwrap_or(u64::MAX);
        let (bytes, beginning, error) = read(&stream, limit, request["pause_ms"].as_u64(), request["looks"] == true);
        if request["keep"] == true {
            // As a garbage collector that does not come.
            std::mem::forget((stream, body));
        } else {
            drop(stream);
            drop(IncomingBody::finish(body));
        }
        outcome["bytes"] = json!(bytes);
        outcome["body"] = json!(String::from_utf8_lossy(&beginning));
        if let Some(error) = error {
            outcome["error"] = json!(error);
        }
    }
    Ok(outcome)
}

/// How much came, how it begins, and why it ended early. With `looks` it looks for more before it waits for it.
fn read(stream: &InputStream, limit: u64, pause: Option<u64>, looks: bool) -> (u64, Vec<u8>, Option<String>) {
    let (mut bytes, mut beginning) = (0, Vec::new());
    while bytes < limit {
        if let Some(pause) = pause {
            std::thread::sleep(std::time::Duration::from_millis(pause));
        }
        let chunk = if looks { stream.read(64 * 1024) } else { stream.blocking_read(64 * 1024) };
        match chunk {
            Ok(chunk) if chunk.is_empty() => stream.subscribe().block(),
            Ok(chunk) => {
                bytes += chunk.len() as u64;
                beginning.extend_from_slice(&chunk[..chunk.len().min(300_usize.saturating_sub(beginning.len()))]);
            }
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return (bytes, beginning, Some(format!("{:?}", http_error_code(&error))));
            }
        }
    }
    (bytes, beginning, None)
}

fn headers(response: &IncomingResponse) -> Value {
    let mut headers = json!({});
    for (name, value) in response.headers().entries() {
        headers[name] = json!(String::from_utf8_lossy(&value));
    }
    headers
}

export_source!(Http);
