//! TLS as guests' requests use it: the settings, and the handshake.

use std::sync::{Arc, OnceLock};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::{Network, TlsError};
use crate::sandbox::network::connection::Wire;

/// The settings of TLS for requests, made when they are first needed.
#[derive(Default)]
pub struct RequestTls {
    to_servers: OnceLock<Arc<ClientConfig>>,
}

impl RequestTls {
    /// For the servers that guests reach: HTTP/2 where they speak it.
    fn to_servers(&self, network: &Network) -> Arc<ClientConfig> {
        let config = self.to_servers.get_or_init(|| {
            let mut config = super::builder_with_roots(network).with_no_client_auth();
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
            if let Some(TlsError::Untrusted(why)) = cause.map(TlsError::from) {
                network.untrusted(host, why);
            }
        })
    }
}
