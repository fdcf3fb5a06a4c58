//! One request and its response as they go over the wire: what lies between the client and whoever sends, `wasi:http` in a
//! component and the tests' server elsewhere.
//!
//! Knows nothing of retries, redirects, secrets or failures.

use std::time::Duration;

use url::Url;

use crate::failure::Failure;
use crate::host;

/// How long a request may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To find the server's address, to connect and to agree on keys.
    pub connect: Duration,
    /// For the beginning of the response, from the end of the request on.
    pub first_byte: Duration,
    /// Between any two parts of the response's body. How long the whole takes is bounded by its length and by the host's
    /// `--timeout` only.
    pub between_bytes: Duration,
}

impl Default for Timeouts {
    /// 30 seconds to connect, 60 for the first byte and 60 between any two.
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Timeouts { connect: Duration::from_secs(30), first_byte: minute, between_bytes: minute }
    }
}

/// A request, with all its secrets.
pub(crate) struct Outgoing<'a> {
    pub method: &'static str,
    pub url: &'a Url,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    pub timeouts: Timeouts,
}

/// The head of a response, and the body that follows it.
pub(crate) struct Incoming {
    pub status: u16,
    /// Names in lower case, values without what is no text.
    pub headers: Vec<(String, String)>,
    pub body: host::IncomingBody,
}

/// Why there is no response, or not the whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The sandbox does not let the connector reach the host.
    Denied,
    /// The name has no address.
    NoSuchHost,
    /// Nobody listens.
    Refused,
    /// No way leads there.
    Unreachable,
    /// It took too long to connect.
    ConnectTimeout,
    /// The response did not begin in time.
    ResponseTimeout,
    /// The response did not go on in time.
    ReadTimeout,
    /// The connection ended before the response.
    Terminated,
    /// The response ended before its end.
    Incomplete,
    /// The server could not show who it is.
    Untrusted,
    /// The two sides do not agree on TLS.
    Tls,
    /// What came is no HTTP, or is not coded as it says.
    Malformed,
    /// The headers of the response are longer than the host takes.
    HeadersTooLong,
    /// The connector has too many requests open at once.
    TooMany,
    /// The request can not be sent as it is: a part of it, for people.
    Unsendable(&'static str),
    /// Anything else, for developers.
    Other(String),
    /// The host ends the sync.
    Interrupted(Failure),
}

impl Trouble {
    /// The rest of a sentence that begins with the request.
    pub(super) fn told(&self) -> &'static str {
        match self {
            Trouble::Denied => "was not sent: the sandbox does not let the connector reach this host",
            Trouble::NoSuchHost => "was not sent: the host's name has no address",
            Trouble::Refused => "was not sent: the server refuses connections",
            Trouble::Unreachable => "was not sent: the server can not be reached",
            Trouble::ConnectTimeout => "was not sent: it took too long to connect",
            Trouble::ResponseTimeout => "was not answered in time",
            Trouble::ReadTimeout => "was answered in part: the server sent nothing more for too long",
            Trouble::Terminated => "was not answered: the connection ended before the response",
            Trouble::Incomplete => "was answered in part: the connection ended within the response",
            Trouble::Untrusted => "was not sent: the server's certificate is not trusted",
            Trouble::Tls => "was not sent: the server does not agree on TLS",
            Trouble::Malformed => "was answered with what is not HTTP, or is not compressed as it says",
            Trouble::HeadersTooLong => "was answered with headers that are too long",
            Trouble::TooMany => "was not sent: the connector has too many responses open at once",
            Trouble::Unsendable(_) => "can not be sent",
            Trouble::Other(_) => "failed",
            Trouble::Interrupted(_) => "was interrupted",
        }
    }
}
