//! The network of a guest: outbound HTTP and TCP to the hosts that its policy names. Here is what both have in common: the
//! checks, what is known of the hosts so far, and what is told of them. Knows nothing of how it is told.

mod connection;
mod content_coding;
mod http;
mod http_errors;
mod sockets;
mod timeouts;
mod tls;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::RootCertStore;
use tokio::sync::{Semaphore, watch};
use url::Host;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::sync::http::{outgoing_handler, types};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::policy::{Denial, NetworkPolicy};
use connection::Client;
use http::HttpHooks;
use sockets::LookUp;

pub use sockets::{add_look_ups, add_udp};
pub use tls::{Identity, Received, TlsError, TlsOptions, TlsSession, Trust};

/// The longest name that there can be, with its last dot.
const NAME_BYTES: usize = 254;

/// So many hosts are told of: a guest may make up names without end.
const HOSTS_TOLD: usize = 1_000;

/// So many addresses are remembered with the names that led to them. The oldest are forgotten first.
const ORIGINS: usize = 4_096;

/// So many requests, their responses included, may be under way at once.
const REQUESTS: usize = 256;

/// What a guest's connections have in common.
pub struct Network {
    policy: NetworkPolicy,
    receiver: Box<EventReceiver>,
    told: Mutex<Told>,
    last_refusal: Mutex<Option<Refusal>>,
    /// Addresses that a guest learned by looking an allowed name up: raw sockets are connected by address.
    origins: Mutex<VecDeque<(IpAddr, Host)>>,
    /// The names that are being looked up, by the number of wasmtime's resource.
    look_ups: Mutex<HashMap<u32, LookUp>>,
    /// Made at the first request: most guests make none.
    client: OnceLock<Client>,
    /// Read when TLS is first needed.
    roots: OnceLock<Arc<RootCertStore>>,
    requests: Arc<Semaphore>,
    interrupted: watch::Sender<()>,
}

/// Takes what is to be told.
type EventReceiver = dyn Fn(&NetworkEvent) + Send + Sync;

/// Something of which people are told. Each is told once for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEvent {
    /// The guest is connected to a host, at one of these addresses.
    Contact { host: String, addresses: Vec<IpAddr> },
    /// The guest reaches a host through a proxy, which alone knows its address.
    ContactThroughProxy { host: String, proxy: String },
    /// The guest was refused something.
    Refused(Refusal),
    /// A server could not show who it is.
    Untrusted { host: String, why: String },
    /// The certificates that are to be trusted can not be read.
    NoTrust(String),
    /// Nothing is told of further hosts.
    NoMore,
}

/// What a guest was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it asked for: "api.example.com:443".
    pub what: String,
    /// Why it was refused and what to do.
    pub denial: Denial,
}

impl fmt::Display for Refusal {
    /// As the rest of a sentence, and a sentence: "api.example.com:443: no policy names it. Allow it with … ."
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}. {}.", self.what, self.denial.why, self.denial.advice)
    }
}

#[derive(Default)]
struct Told {
    contacts: HashSet<String>,
    refusals: HashSet<String>,
    untrusted: HashSet<String>,
    full: bool,
}

/// A host as a guest writes it. What is longer than a name can be is none, and is neither kept nor told.
fn parse_host(text: &str) -> Option<Host> {
    let host = Host::parse(text).ok()?;
    let fits = match &host {
        Host::Domain(name) => name.len() <= NAME_BYTES,
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    fits.then_some(host)
}

/// Waits for an interruption that comes after `interruptions` was made.
async fn interruption(mut interruptions: watch::Receiver<()>) {
    if interruptions.changed().await.is_err() {
        // The network is gone, and nobody is left to interrupt.
        std::future::pending::<()>().await;
    }
}

/// Gives a guest's data access to its network.
pub trait NetworkView: WasiView + WasiHttpView {
    /// The guest's network.
    fn network(&self) -> &Arc<Network>;
}

/// Adds requests.
pub fn add_http_requests<T: NetworkView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    outgoing_handler::add_to_linker::<T, WasiHttp>(linker, T::http)
}

/// Adds what requests and responses are made of.
pub fn add_http_types<T: NetworkView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, WasiHttp>(linker, &(&LinkOptions::default()).into(), T::http)?;
    http_errors::add_error_code(linker)
}

/// What a guest's data keeps for HTTP.
pub struct HttpState {
    context: WasiHttpCtx,
    hooks: HttpHooks,
}

impl HttpState {
    /// For a guest of this network.
    pub fn new(network: Arc<Network>) -> HttpState {
        HttpState { context: WasiHttpCtx::new(), hooks: HttpHooks::new(network) }
    }

    /// What wasmtime asks for at each call.
    pub fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.context }
    }
}

impl Network {
    /// Under this policy. Nothing is opened, read or started before a guest asks for it.
    pub fn new(policy: NetworkPolicy, receiver: impl Fn(&NetworkEvent) + Send + Sync + 'static) -> Arc<Network> {
        Arc::new(Network {
            policy,
            receiver: Box::new(receiver),
            told: Mutex::default(),
            last_refusal: Mutex::default(),
            origins: Mutex::default(),
            look_ups: Mutex::default(),
            client: OnceLock::new(),
            roots: OnceLock::new(),
            requests: Arc::new(Semaphore::new(REQUESTS)),
            interrupted: watch::Sender::new(()),
        })
    }

    /// Requests that wait fail, so that a guest that waits for them hears of the interruption. What it asks for from now on is
    /// sent: it may have to roll back.
    pub fn interrupt(&self) {
        self.interrupted.send_replace(());
    }

    /// What waits from now on, for `interruption`.
    fn interruptions(&self) -> watch::Receiver<()> {
        self.interrupted.subscribe()
    }

    /// The policy.
    pub fn policy(&self) -> &NetworkPolicy {
        &self.policy
    }

    /// What the guest was refused last, since `forget_refusal`.
    pub fn last_refusal(&self) -> Option<Refusal> {
        self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new command begins, for whose failure earlier refusals are no reason.
    pub fn forget_refusal(&self) {
        *self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// May the guest ask for this host? A denial is told and remembered.
    fn check_host(&self, host: &Host, port: Option<u16>) -> Result<(), Denial> {
        self.policy.check_host(host, port).inspect_err(|denial| self.refuse(host, port, denial))
    }

    /// May the guest reach this host through a proxy? A denial is told and remembered.
    fn check_proxied(&self, host: &Host, port: u16) -> Result<(), Denial> {
        let checked = self.policy.check_host(host, Some(port));
        checked
            .and_then(|()| self.policy.check_proxied(host, Some(port)))
            .inspect_err(|denial| self.refuse(host, Some(port), denial))
    }

    /// Of the addresses that a host led to, those that the guest may be connected to; where there are none, why. What is
    /// refused is told.
    fn allowed_addresses(
        &self,
        host: &Host,
        port: Option<u16>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Vec<IpAddr>, Option<Denial>> {
        let mut allowed = Vec::new();
        let mut denied = None;
        for address in addresses {
            match self.policy.check_address(host, port, address) {
                Ok(()) => allowed.push(address),
                Err(denial) => denied = Some(denial),
            }
        }
        match denied {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(denial) => {
                self.refuse(host, port, &denial);
                Err(Some(denial))
            }
            None => Err(None),
        }
    }

    /// The guest has learned this address by looking the name up.
    fn remember_origin(&self, address: IpAddr, host: Host) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if !origins.iter().any(|(known, name)| *known == address && *name == host) {
            if origins.len() >= ORIGINS {
                origins.pop_front();
            }
            origins.push_back((address, host));
        }
    }

    /// May a raw socket be connected to this address? It must have come from an allowed name, or be allowed itself.
    fn check_connect(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), Some(address.port()));
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let named = origins.iter().rev().filter(|(known, _)| *known == ip).map(|(_, host)| host.clone());
        let literal = match ip {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        let candidates: Vec<Host> = named.chain([literal]).collect();
        drop(origins);
        let mut denied: Option<(Host, Denial)> = None;
        for host in candidates {
            let checked = self.policy.check_host(&host, port);
            match checked.and_then(|()| self.policy.check_address(&host, port, ip)) {
                Ok(()) => {
                    self.contact(&host, &[ip]);
                    return true;
                }
                // Why a name is refused says more than why its address is.
                Err(denial) => denied = denied.or(Some((host, denial))),
            }
        }
        if let Some((host, denial)) = denied {
            self.refuse(&host, port, &denial);
        }
        false
    }

    fn contact(&self, host: &Host, addresses: &[IpAddr]) {
        let host = host.to_string();
        if self.first(|told| &mut told.contacts, &host) {
            (self.receiver)(&NetworkEvent::Contact { host, addresses: addresses.to_vec() });
        }
    }

    fn contact_through_proxy(&self, host: &Host, proxy: String) {
        let host = host.to_string();
        if self.first(|told| &mut told.contacts, &host) {
            (self.receiver)(&NetworkEvent::ContactThroughProxy { host, proxy });
        }
    }

    fn untrusted(&self, host: &Host, why: String) {
        let host = host.to_string();
        if self.first(|told| &mut told.untrusted, &host) {
            (self.receiver)(&NetworkEvent::Untrusted { host, why });
        }
    }

    fn refuse(&self, host: &Host, port: Option<u16>, denial: &Denial) {
        let what = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        self.refuse_that(&host.to_string(), Refusal { what, denial: denial.clone() });
    }

    /// Refuses what is not about a host.
    fn refuse_use(&self, what: &str, why: &str, advice: &str) {
        let denial = Denial { why: why.to_owned(), advice: advice.to_owned() };
        self.refuse_that(what, Refusal { what: what.to_owned(), denial });
    }

    fn refuse_that(&self, key: &str, refusal: Refusal) {
        *self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal.clone());
        if self.first(|told| &mut told.refusals, key) {
            (self.receiver)(&NetworkEvent::Refused(refusal));
        }
    }

    /// Whether this is told for the first time, and there is room for it.
    fn first(&self, which: impl Fn(&mut Told) -> &mut HashSet<String>, key: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if which(&mut told).contains(key) {
            return false;
        }
        if told.contacts.len() + told.refusals.len() + told.untrusted.len() < HOSTS_TOLD {
            return which(&mut told).insert(key.to_owned());
        }
        let first_too_many = !std::mem::replace(&mut told.full, true);
        drop(told);
        if first_too_many {
            (self.receiver)(&NetworkEvent::NoMore);
        }
        false
    }
}
