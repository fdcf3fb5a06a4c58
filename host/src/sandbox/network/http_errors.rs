//! What went wrong with a request, in the words of `wasi:http`. Where those have none that says it, the cause comes as text.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, IoError, TlsAlertReceivedPayload};
use wasmtime_wasi_http::{Error, WasiHttpView};

/// Why a connection was not even tried.
#[derive(Debug)]
pub enum NoConnection {
    /// The addresses of the host are all refused.
    Prohibited,
    /// The name has no address.
    NoSuchName(String),
    /// Anything else, for an author to read.
    Other(String),
}

impl fmt::Display for NoConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoConnection::Prohibited => formatter.write_str("the address is refused"),
            NoConnection::NoSuchName(text) | NoConnection::Other(text) => formatter.write_str(text),
        }
    }
}

impl StdError for NoConnection {}

/// Puts a function in the place of wasmtime's, which knows no reason for a body that fails (48.0.8): `http-error-code`.
pub fn add_error_code<T: WasiHttpView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:http/types@0.2.12")?.func_wrap(
        "http-error-code",
        |mut store: StoreContextMut<'_, T>, (error,): (Resource<IoError>,)| {
            let view = store.data_mut().http();
            Ok((error_code(view.table.get(&error)?),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn error_code(error: &IoError) -> Option<ErrorCode> {
    if let Some(code) = error.downcast_ref::<ErrorCode>() {
        return Some(code.clone());
    }
    // Those that `of_body` and the decoders give; others are told by their text.
    Some(match error.downcast_ref::<Error>()? {
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::HttpResponseContentCoding(coding) => ErrorCode::HttpResponseContentCoding(coding.clone()),
        Error::HttpResponseHeaderSectionSize(size) => ErrorCode::HttpResponseTrailerSectionSize(*size),
        Error::HttpProtocolError => ErrorCode::HttpProtocolError,
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionTimeout => ErrorCode::ConnectionTimeout,
        Error::TlsProtocolError => ErrorCode::TlsProtocolError,
        Error::TlsAlertReceived { alert_id, alert_message } => ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
            alert_id: *alert_id,
            alert_message: alert_message.clone(),
        }),
        Error::InternalError(text) => ErrorCode::InternalError(text.clone()),
        other => ErrorCode::InternalError(Some(other.to_string())),
    })
}

/// The sync is interrupted, and a guest that waits must hear of it.
pub fn interrupted() -> Error {
    Error::InternalError(Some("the sync is interrupted".to_owned()))
}

/// Why no response came.
pub fn of_exchange(error: &hyper_util::client::legacy::Error) -> Error {
    of_chain(error).unwrap_or_else(|| Error::InternalError(Some(shown(error))))
}

/// Why a body that had begun did not come to its end.
pub fn of_body(error: &hyper::Error) -> Error {
    match of_chain(error) {
        // The response has begun: what matters is that it is not whole.
        Some(Error::ConnectionTerminated) | None => Error::HttpResponseIncomplete,
        Some(error) => error,
    }
}

/// The first cause that has a word of its own, from the outermost on.
fn of_chain(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = of_one(error) {
            return Some(found);
        }
        // An io::Error hides what it wraps from `source`.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn of_one(error: &(dyn StdError + 'static)) -> Option<Error> {
    if let Some(error) = error.downcast_ref::<NoConnection>() {
        return Some(match error {
            NoConnection::Prohibited => Error::DestinationIpProhibited,
            NoConnection::NoSuchName(text) => Error::DnsError { rcode: Some(text.clone()), info_code: None },
            NoConnection::Other(text) => Error::InternalError(Some(text.clone())),
        });
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return of_hyper(error);
    }
    // What the guest's own body failed with.
    if let Some(Error::HttpProtocolError) = error.downcast_ref::<Error>() {
        return Some(Error::HttpProtocolError);
    }
    if let Some(error) = error.downcast_ref::<io::Error>()
        && error.get_ref().is_none_or(|inner| !inner.is::<rustls::Error>() && !inner.is::<io::Error>())
    {
        return of_io(error);
    }
    None
}

fn of_tls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Error::TlsCertificateError,
        rustls::Error::AlertReceived(alert) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    }
}

fn of_hyper(error: &hyper::Error) -> Option<Error> {
    if error.is_parse_too_large() {
        return Some(Error::HttpResponseHeaderSectionSize(None));
    }
    if error.is_parse() {
        return Some(Error::HttpProtocolError);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Some(Error::ConnectionTerminated);
    }
    if error.is_timeout() {
        return Some(Error::ConnectionTimeout);
    }
    None
}

fn of_io(error: &io::Error) -> Option<Error> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(Error::ConnectionRefused),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(Error::ConnectionTerminated),
        io::ErrorKind::TimedOut => Some(Error::ConnectionTimeout),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some(Error::DestinationIpUnroutable),
        _ => None,
    }
}

/// An error with its causes.
pub fn shown(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
