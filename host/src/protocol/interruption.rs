//! Why a sync stops before its end. Knows nothing of who stops it.

/// Why no more data is taken or given. The contract's `interruption` has the same reasons, but for the two of `cancelled`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interruption {
    /// Nobody reads stdout any more.
    Closed,
    /// A signal asked the process to end.
    Cancelled,
    /// The time is over that the user gave. To a guest that is the same as `Cancelled`.
    TimedOut,
    /// The data broke a rule; the text says which.
    Refused(String),
}
