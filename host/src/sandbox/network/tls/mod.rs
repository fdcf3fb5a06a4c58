//! TLS: for guests' requests, and for connections that guests opened themselves. Here is what both have in common: the
//! cryptography, and the authorities that the user trusts.

mod certificate;
mod options;
mod requests;
mod session;
mod verifier;
mod words;

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::{Network, NetworkEvent};

pub use options::{Identity, TlsOptions, Trust};
pub use requests::RequestTls;
pub use session::{Received, TlsSession};
pub use words::TlsError;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The beginning of every setting: TLS 1.2 and 1.3.
fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    // The provider has TLS 1.2 and 1.3.
    match builder {
        Ok(builder) => builder,
        Err(error) => unreachable!("ring has the default versions of TLS: {error}"),
    }
}

/// Of those that the user trusts.
fn builder_with_roots(network: &Network) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder().with_root_certificates(network.roots())
}

impl Network {
    /// Whom the user trusts. Read when it is first needed: that takes milliseconds.
    fn roots(&self) -> Arc<RootCertStore> {
        self.roots.get_or_init(|| Arc::new(roots(self))).clone()
    }
}

/// Whom to trust: the certificates that SSL_CERT_FILE and SSL_CERT_DIR name, else the system's, else those that were built in.
fn roots(network: &Network) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return roots;
    }
    let named: Vec<&str> =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter(|name| std::env::var_os(name).is_some()).collect();
    if named.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else {
        // Who names certificates wants to trust those and no others.
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        (network.receiver)(&NetworkEvent::NoTrust(format!("{} names no certificate{reasons}", named.join(" and "))));
    }
    roots
}
