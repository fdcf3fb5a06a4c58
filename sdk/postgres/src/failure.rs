//! Whose fault an error is, and what to do: Airbyte's three kinds, by the class of SQLSTATE.

use std::fmt;

use airlock_sdk::tls::TlsError;
use airlock_sdk::{Failure, FailureKind};

use crate::error::{Error, ServerError, UnreachableReason};

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let failure = Failure::new(kind(&error), error.to_string());
        match error {
            Error::Interrupted(failure) => failure,
            Error::Server(error) => failure.with_internal(format!("{error:?}")),
            Error::Lost { reason, .. } | Error::Unreachable { reason: UnreachableReason::Other(reason), .. } => {
                failure.with_internal(reason)
            }
            _ => failure,
        }
    }
}

fn kind(error: &Error) -> FailureKind {
    match error {
        Error::Unreachable { reason: UnreachableReason::NameNotFound | UnreachableReason::Denied, .. }
        | Error::TlsRefused { .. }
        | Error::Tls { error: TlsError::Invalid(_) | TlsError::Untrusted(_) | TlsError::Failed(_), .. }
        | Error::PasswordMissing { .. }
        | Error::Unsupported { .. }
        | Error::Invalid(_)
        | Error::Protocol { during_login: true, .. } => FailureKind::ConfigError,
        Error::Unreachable { .. }
        | Error::Timeout { .. }
        | Error::Lost { .. }
        | Error::Tls { error: TlsError::Connection(_), .. } => FailureKind::TransientError,
        Error::Server(error) => kind_of_code(&error.code),
        Error::Protocol { .. } => FailureKind::SystemError,
        Error::Interrupted(failure) => failure.kind,
    }
}

fn kind_of_code(code: &str) -> FailureKind {
    match code {
        "3D000" | "3F000" | "42501" | "42P01" | "25006" | "55000" => FailureKind::ConfigError,
        "55P03" | "55006" | "57014" | "58030" => FailureKind::TransientError,
        _ => match code.get(..2).unwrap_or_default() {
            "28" | "0A" => FailureKind::ConfigError,
            "08" | "40" | "53" => FailureKind::TransientError,
            _ if code.starts_with("57P") => FailureKind::TransientError,
            _ => FailureKind::SystemError,
        },
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreachable { server, reason } => match reason {
                UnreachableReason::NameNotFound => {
                    write!(formatter, "The host of {server} can not be found: check its name.")
                }
                UnreachableReason::NameUnknown(why) => {
                    write!(formatter, "The host of {server} can not be looked up ({why}): try again later.")
                }
                UnreachableReason::Refused => write!(
                    formatter,
                    "{server} refuses connections: check the host and the port, and whether the server runs and listens \
                     there."
                ),
                UnreachableReason::Denied => write!(
                    formatter,
                    "The connector may not connect to {server}: the policy that it runs under has to allow the host."
                ),
                UnreachableReason::Other(why) => write!(
                    formatter,
                    "{server} can not be reached ({why}): check the host, the port and the network between."
                ),
            },
            Error::Timeout { server } => write!(
                formatter,
                "{server} did not answer in time: check the host, the port and whether a firewall is between."
            ),
            Error::TlsRefused { server } => write!(
                formatter,
                "{server} does not encrypt connections, and the configuration asks for that: turn TLS on in the server, or \
                 configure a mode that does without it."
            ),
            Error::Tls { server, error } => match error {
                TlsError::Invalid(why) => {
                    write!(formatter, "The configuration for TLS with {server} can not be used: {why}.")
                }
                TlsError::Untrusted(why) => write!(
                    formatter,
                    "{server} is not believed to be who it says it is: {why}. Check the host's name and the certificate of \
                     the authority in the configuration."
                ),
                TlsError::Failed(why) => {
                    write!(
                        formatter,
                        "There is no agreement on TLS with {server}: {why}. Check the server's TLS settings."
                    )
                }
                TlsError::Connection(_) => {
                    write!(formatter, "The connection to {server} ended while TLS was agreed on: try again later.")
                }
            },
            Error::PasswordMissing { server, username } => write!(
                formatter,
                "{server} asks for a password for the user \"{username}\", and the configuration has none."
            ),
            Error::Server(error) => server_error(error, formatter),
            Error::Unsupported { server, what } => write!(formatter, "{server} {what}."),
            Error::Protocol { server, during_login: true, what } => write!(
                formatter,
                "{server} does not answer as PostgreSQL does ({what}): check the host and the port, or try again."
            ),
            Error::Protocol { server, during_login: false, what } => {
                write!(formatter, "{server} said something that PostgreSQL does not say: {what}.")
            }
            Error::Lost { server, .. } => write!(
                formatter,
                "The connection to {server} was lost: try again; if it happens again, the server's log may say why."
            ),
            Error::Invalid(sentence) => formatter.write_str(sentence),
            Error::Interrupted(failure) => write!(formatter, "{failure}"),
        }
    }
}

/// What the server said, to whom, and what to do about it.
fn server_error(error: &ServerError, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let ServerError { server, database, username, code, .. } = error;
    match code.as_str() {
        "28P01" => {
            return write!(
                formatter,
                "{server} does not let the user \"{username}\" in: the user or the password is wrong (SQLSTATE {code})."
            );
        }
        "3D000" => {
            return write!(formatter, "{server} has no database \"{database}\": check its name (SQLSTATE {code}).");
        }
        _ => {}
    }
    match error.public_message() {
        Some(message) => write!(formatter, "{server} (database \"{database}\", user \"{username}\") says: {message}")?,
        None => write!(
            formatter,
            "{server} (database \"{database}\", user \"{username}\") could not work with a value; what it says may quote \
             the data and is left out"
        )?,
    }
    for (what, name) in [("table", &error.table), ("column", &error.column), ("constraint", &error.constraint)] {
        if let Some(name) = name {
            write!(formatter, ", {what} \"{name}\"")?;
        }
    }
    write!(formatter, " (SQLSTATE {code}).")?;
    match advice(code) {
        Some(advice) => write!(formatter, " {advice}"),
        None => Ok(()),
    }
}

fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "28000" => {
            "The server does not let this user in from here: check the user, and pg_hba.conf for the database, this \
             machine's address and the encryption."
        }
        "42501" => "Grant the user what it needs, or configure another user.",
        "42P01" | "42703" | "3F000" => "It may have been removed or renamed: refresh the schema of the connection.",
        "25006" => "The server takes no changes: connect to the primary.",
        "53300" => "Try again later, or raise max_connections.",
        "53100" => "Make room on the server's disk.",
        "57P03" | "57P01" | "57P02" => "Try again once the server is up.",
        "57014" => "If it was the server's statement_timeout, raise it for this user.",
        "40001" | "40P01" | "55P03" | "55006" => "Somebody else was in the way: try again.",
        _ => return None,
    })
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str, message: &str) -> Failure {
        Error::Server(Box::new(ServerError {
            severity: "ERROR".to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            detail: Some("Key (name)=(Alice) exists.".to_owned()),
            server: "db:5432".to_owned(),
            database: "shop".to_owned(),
            username: "reader".to_owned(),
            ..ServerError::default()
        }))
        .into()
    }

    #[test]
    fn the_class_says_whose_fault_it_is() {
        use FailureKind::{ConfigError, SystemError, TransientError};
        for (code, kind) in [
            ("28P01", ConfigError),
            ("28000", ConfigError),
            ("3D000", ConfigError),
            ("42501", ConfigError),
            ("0A000", ConfigError),
            ("3F000", ConfigError),
            ("42P01", ConfigError),
            ("25006", ConfigError),
            ("08006", TransientError),
            ("40P01", TransientError),
            ("53100", TransientError),
            ("53300", TransientError),
            ("55P03", TransientError),
            ("57P03", TransientError),
            ("57014", TransientError),
            ("22P02", SystemError),
            ("42601", SystemError),
            ("XX000", SystemError),
            ("", SystemError),
            ("\u{2713}", SystemError),
        ] {
            assert_eq!(server(code, "x").kind, kind, "{code}");
        }
    }

    #[test]
    fn values_are_told_to_nobody() {
        for code in ["23505", "22P02", "P0001"] {
            let failure = server(code, if code == "23505" { "duplicate key" } else { "no integer: \"Alice\"" });
            let told = format!("{failure:?}");
            assert!(!told.contains("Alice"), "{told}");
            assert!(told.contains(code), "{told}");
        }
    }

    #[test]
    fn a_message_says_to_whom_and_what_to_do() {
        let failure = server("42501", "permission denied for table users");
        assert_eq!(
            failure.message,
            "db:5432 (database \"shop\", user \"reader\") says: permission denied for table users (SQLSTATE 42501). \
             Grant the user what it needs, or configure another user."
        );
    }
}
