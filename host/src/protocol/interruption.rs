//! Why a sync stops before its end. Knows nothing of who stops it.

/// Why no more data is taken or given. The same three reasons as the contract's `interruption`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interruption {
    /// Nobody reads stdout any more.
    Closed,
    /// A signal asked the process to end.
    Cancelled,
    /// The data broke a rule; the text says which.
    Refused(String),
}
