//! Whom to connect to, as whom, and how safely.

use std::fmt;
use std::time::Duration;

use airlock_sdk::tls::Identity;

/// Whom to connect to, as whom, and how safely.
#[derive(Clone)]
pub struct ConnectOptions {
    /// A name, or an address (of IPv6 with or without brackets).
    pub host: String,
    /// The port, mostly 5432.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The user.
    pub username: String,
    /// The password, if the server wants one.
    pub password: Option<String>,
    /// Whether there is TLS, and who is believed.
    pub encryption: Encryption,
    /// What the server shows of this connection in `pg_stat_activity`.
    pub application_name: String,
    /// How long everything up to the first query may take.
    pub connect_timeout: Duration,
}

impl ConnectOptions {
    /// `host:port`, for messages.
    pub(crate) fn server(&self) -> String {
        let host = self.host();
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// The host without the brackets that an IPv6 address may have.
    pub(crate) fn host(&self) -> &str {
        let host = self.host.trim();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }
}

// By hand: a password does not belong in a log.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectOptions")
            .field("server", &self.server())
            .field("database", &self.database)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Whether a connection is encrypted, and which servers are believed: libpq's `sslmode`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    Disable,
    /// Only where the server lets nobody in without.
    Allow,
    /// Where the server can. Whoever sits between can turn it off.
    #[default]
    Prefer,
    /// Always, with whoever answers.
    Require {
        /// What the client shows of itself, if the server asks.
        identity: Option<Identity>,
    },
    /// Always, with a server that shows a certificate of an authority.
    Verify {
        /// The authorities, or the server's own certificate, in PEM. None: those that the host trusts, which without the name
        /// is whoever has a public certificate.
        authorities: Option<String>,
        /// Whether the certificate has to be for the host's name.
        name: bool,
        /// What the client shows of itself, if the server asks.
        identity: Option<Identity>,
    },
}
