//! Why a command or a stream failed, and the words that make such a failure.
//!
//! Knows the contract's `failure` and `interruption`, and nothing of what a connector does.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;

use crate::bindings::source::airlock::connector::types as wit;
use crate::stream_name::StreamName;

/// What a connector's functions return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Whose fault a failure is; it decides what the platform does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The user must change the configuration: no retry can help.
    ConfigError,
    /// Something that may pass: a timeout, an outage, a rate limit. The platform tries again.
    TransientError,
    /// A defect of the connector or of what it talks to.
    SystemError,
}

/// Why the host no longer takes or gives data. A connector stops what it is doing, cleans up and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The other side went away: nobody reads the output any more.
    Closed,
    /// The user or the platform stops the sync.
    Cancelled,
    /// The host refuses the data, and says why.
    Refused(String),
}

impl fmt::Display for Interruption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interruption::Closed => formatter.write_str("the sync ended early: nobody reads the output any more"),
            Interruption::Cancelled => formatter.write_str("the sync ended early: it was cancelled"),
            Interruption::Refused(why) => write!(formatter, "the host refused the data: {why}"),
        }
    }
}

impl std::error::Error for Interruption {}

impl From<wit::Interruption> for Interruption {
    fn from(interruption: wit::Interruption) -> Self {
        match interruption {
            wit::Interruption::Closed => Interruption::Closed,
            wit::Interruption::Cancelled => Interruption::Cancelled,
            wit::Interruption::Refused(why) => Interruption::Refused(why),
        }
    }
}

/// Why a command, or one stream of it, failed.
///
/// Made with a word for whose fault it is ([`config_error`], [`transient_error`], [`system_error`]), or by `?` from
/// any [`std::error::Error`], which makes a system error. It is not an `Error` itself: that is what allows the `?`.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub kind: FailureKind,
    /// For the user: what happened, to what, and what to do next.
    pub message: String,
    // Boxed: a result that is nearly always ok should not carry them around.
    details: Box<Details>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Details {
    internal_message: Option<String>,
    stream: Option<StreamName>,
    interruption: Option<Interruption>,
}

/// The user must change the configuration: no retry can help.
pub fn config_error(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::ConfigError, message)
}

/// Something that may pass: a timeout, an outage, a rate limit. The platform tries again.
pub fn transient_error(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::TransientError, message)
}

/// A defect of the connector or of what it talks to.
pub fn system_error(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::SystemError, message)
}

impl Failure {
    /// A failure of a kind, with a message for the user.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), details: Box::default() }
    }

    /// Adds what the connector's developers want to know: the underlying error, for example.
    #[must_use]
    pub fn with_internal(mut self, internal_message: impl fmt::Display) -> Self {
        self.details.internal_message = Some(internal_message.to_string());
        self
    }

    /// Says which stream it is about.
    #[must_use]
    pub fn for_stream(mut self, stream: impl Into<StreamName>) -> Self {
        self.details.stream = Some(stream.into());
        self
    }

    /// For the connector's developers: the underlying error, whole.
    pub fn internal_message(&self) -> Option<&str> {
        self.details.internal_message.as_deref()
    }

    /// The stream that it is about, where it is about one.
    pub fn stream(&self) -> Option<&StreamName> {
        self.details.stream.as_ref()
    }

    /// The interruption that it came from, where the host ended the sync: the time to roll back.
    pub fn interruption(&self) -> Option<&Interruption> {
        self.details.interruption.as_ref()
    }

    /// The same as an [`io::Error`], for what can return nothing else: a reader. `?` makes the failure of it again, also
    /// where another crate's error has come around it, as long as that names its source.
    pub fn into_io_error(self) -> io::Error {
        io::Error::other(Carrier(Carried(self)))
    }

    pub(crate) fn into_wit(self) -> wit::Failure {
        wit::Failure {
            kind: match self.kind {
                FailureKind::ConfigError => wit::FailureKind::ConfigError,
                FailureKind::TransientError => wit::FailureKind::TransientError,
                FailureKind::SystemError => wit::FailureKind::SystemError,
            },
            message: self.message,
            internal_message: self.details.internal_message,
            stack_trace: None,
            stream_name: self.details.stream.map(StreamName::into_wit),
            details: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.kind, self.message)?;
        if let Some(stream) = self.stream() {
            write!(formatter, " (stream {stream})")?;
        }
        if let Some(internal_message) = self.internal_message() {
            write!(formatter, " ({internal_message})")?;
        }
        Ok(())
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let message = error.to_string();
        if let Some(interruption) = (&error as &dyn Any).downcast_ref::<Interruption>() {
            // Whoever stopped the sync may start it again; refused data is refused the next time, too.
            let kind = match interruption {
                Interruption::Closed | Interruption::Cancelled => FailureKind::TransientError,
                Interruption::Refused(_) => FailureKind::SystemError,
            };
            let mut failure = Failure::new(kind, message);
            failure.details.interruption = Some(interruption.clone());
            return failure;
        }
        let mut internal_message = format!("{error:?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(Carried(failure)) = error.downcast_ref::<Carried>() {
                return failure.clone();
            }
            internal_message.push_str(&format!("\ncaused by: {error}"));
            cause = error.source();
        }
        system_error(message).with_internal(internal_message)
    }
}

/// What an `io::Error` carries. Two of them, for an `io::Error` gives as its source only the source of what it holds.
#[derive(Debug)]
struct Carrier(Carried);

#[derive(Debug)]
struct Carried(Failure);

impl fmt::Display for Carrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Error for Carrier {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Error for Carried {}

/// The failure that an answer of the host makes. (A `From` would collide with the one for every error.)
pub(crate) fn interrupted(interruption: wit::Interruption) -> Failure {
    Interruption::from(interruption).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn any_error_becomes_a_system_error() {
        let failure = parse("seven").unwrap_err();
        assert_eq!(failure.kind, FailureKind::SystemError);
        assert_eq!(failure.message, "invalid digit found in string");
        assert!(failure.internal_message().unwrap().contains("InvalidDigit"));
    }

    #[test]
    fn an_interruption_is_remembered() {
        let failure = Failure::from(Interruption::Cancelled);
        assert_eq!(failure.interruption(), Some(&Interruption::Cancelled));
        assert_eq!(failure.kind, FailureKind::TransientError);
        assert_eq!(
            interrupted(wit::Interruption::Refused("no object".into())).message,
            "the host refused the data: no object"
        );
    }

    #[test]
    fn a_failure_comes_back_out_of_an_io_error() {
        let failure = Failure::from(Interruption::Closed).for_stream("users");
        let error = failure.clone().into_io_error();
        assert_eq!(error.to_string(), failure.message);
        assert_eq!(Failure::from(error), failure);
        let parsed = serde_json::from_reader::<_, u32>(Failing(failure.clone()));
        assert_eq!(Failure::from(parsed.unwrap_err()), failure);
    }

    struct Failing(Failure);

    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.clone().into_io_error())
        }
    }

    #[test]
    fn a_failure_crosses_whole() {
        let failure = config_error("The token is not valid: make a new one.")
            .with_internal("HTTP 401")
            .for_stream("users")
            .into_wit();
        assert_eq!(failure.kind, wit::FailureKind::ConfigError);
        assert_eq!(failure.internal_message.as_deref(), Some("HTTP 401"));
        assert_eq!(failure.stream_name.unwrap().name, "users");
    }
}
