//! What the process's exit codes mean. A process that a signal stopped ends by that signal.

/// Everything went well; a `check` that found the configuration wrong has done its work as well.
pub const SUCCESS: u8 = 0;

/// The command failed. Under Airbyte's commands a TRACE ERROR on stdout says why, or stdout was closed before.
pub const FAILURE: u8 = 1;

/// The command line is wrong: usage is on stderr and nothing on stdout, as with Airbyte's own connectors.
pub const WRONG_USAGE: u8 = 2;
