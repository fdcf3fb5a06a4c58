//! TLS as guests' requests use it: whom it trusts, and the handshake.

use std::sync::{Arc, OnceLock};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::connection::Wire;
use super::{Network, NetworkEvent};

/// The settings of TLS, made when they are first needed: to read the system's certificates takes milliseconds.
#[derive(Default)]
pub struct Tls {
    to_servers: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// For the servers that guests reach: HTTP/2 where they speak it.
    fn to_servers(&self, network: &Network) -> Arc<ClientConfig> {
        let config = self.to_servers.get_or_init(|| {
            let mut config = client_config(network);
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Arc::new(config)
        });
        config.clone()
    }

    /// For a proxy, which speaks HTTP/1.1.
    pub fn to_proxy(&self, network: &Network) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.to_servers(network));
        config.alpn_protocols.clear();
        Arc::new(config)
    }

    /// Agrees on keys with the server at the other end of `wire`, which must show that it is `host`.
    pub async fn handshake(
        &self,
        network: &Network,
        host: &Host,
        wire: Wire,
    ) -> std::io::Result<TlsStream<TokioIo<Wire>>> {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| std::io::Error::other(rustls::Error::General(format!("{name} is no name for TLS"))))?,
            Host::Ipv4(address) => ServerName::from(*address),
            Host::Ipv6(address) => ServerName::from(*address),
        };
        let connector = TlsConnector::from(self.to_servers(network));
        connector.connect(name, TokioIo::new(wire)).await.inspect_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            if let Some(cause @ rustls::Error::InvalidCertificate(_)) = cause {
                network.untrusted(host, cause.to_string());
            }
        })
    }
}

fn client_config(network: &Network) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // The provider has TLS 1.2 and 1.3.
    let builder = match builder {
        Ok(builder) => builder,
        Err(error) => unreachable!("ring has the default versions of TLS: {error}"),
    };
    builder.with_root_certificates(roots(network)).with_no_client_auth()
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
