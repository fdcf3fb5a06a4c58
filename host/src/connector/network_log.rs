//! What is logged of a guest's network: each host once, when it is first contacted or refused.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use crate::protocol::log_level::LogLevel;
use crate::protocol::output::Output;
use crate::sandbox::{Network, NetworkEvent, NetworkPolicy};

/// The network of the guest `connector`, which logs to `output`. An interruption ends what waits there.
pub fn network(policy: NetworkPolicy, connector: &str, output: &Output) -> Arc<Network> {
    let (name, log) = (connector.to_owned(), output.clone());
    let network = Network::new(policy, move |event| {
        let (level, text) = told(&name, event);
        log.log(level, &text);
    });
    // The output would keep alive what holds the output.
    let interrupted: Weak<Network> = Arc::downgrade(&network);
    output.on_interruption(move || {
        if let Some(network) = interrupted.upgrade() {
            network.interrupt();
        }
    });
    network
}

fn told(connector: &str, event: &NetworkEvent) -> (LogLevel, String) {
    match event {
        NetworkEvent::Contact { host, addresses } => {
            let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
            let addresses = if addresses == [host.trim_matches(['[', ']'])] {
                String::new()
            } else {
                format!(" ({})", addresses.join(", "))
            };
            (LogLevel::Info, format!("The connector {connector} contacts {host}{addresses}."))
        }
        NetworkEvent::ContactThroughProxy { host, proxy } => {
            let text = format!(
                "The connector {connector} contacts {host} through the proxy {proxy} (only its name could be checked)."
            );
            (LogLevel::Info, text)
        }
        NetworkEvent::Refused(refusal) => (LogLevel::Warn, format!("The connector {connector} was refused {refusal}")),
        NetworkEvent::Untrusted { host, why } => {
            let text = format!(
                "{host} could not show the connector {connector} who it is: {why}. If its certificate comes from an authority of \
                 your own, name that authority's certificate with the environment variable SSL_CERT_FILE."
            );
            (LogLevel::Warn, text)
        }
        NetworkEvent::NoTrust(why) => {
            (LogLevel::Warn, format!("The connector {connector} can not use TLS: {why}. Mend or unset that variable."))
        }
        NetworkEvent::NoMore => {
            (LogLevel::Warn, format!("The connector {connector} tries very many hosts: further ones are not logged."))
        }
    }
}
