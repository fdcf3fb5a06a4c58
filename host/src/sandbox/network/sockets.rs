//! `wasi:sockets`: TCP to allowed hosts, and the look-up of their names. A socket is connected to an address, so it is
//! remembered which names each address came from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError};

use url::Host;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, HostResolveAddressStream, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddress, IpAddressFamily, Network as Capability,
};
use wasmtime_wasi::p2::bindings::sync::sockets::udp_create_socket;
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult, UdpSocket};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView, WasiSocketsView};

use super::{Denial, Network, NetworkView, parse_host};

/// What to do about a socket that no policy can allow.
const NEVER_ALLOWED: &str = "Connectors connect out by TCP and HTTP only: report it to its publisher";

/// A name that a guest looks up, while it takes the addresses.
pub(super) struct LookUp {
    host: Host,
    found: bool,
    denied: Option<Denial>,
}

/// Wasmtime's sockets, with every name and every socket checked before they are made.
struct CheckedSockets<'a> {
    wasi: WasiSocketsCtxView<'a>,
    network: Arc<Network>,
}

/// Says which data the functions below work on.
struct HasSockets;

impl HasData for HasSockets {
    type Data<'a> = CheckedSockets<'a>;
}

fn checked<T: NetworkView>(data: &mut T) -> CheckedSockets<'_> {
    let network = data.network().clone();
    CheckedSockets { wasi: data.sockets(), network }
}

/// Adds the look-up of names, checked.
pub fn add_look_ups<T: NetworkView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<T, HasSockets>(linker, checked)
}

/// Adds the making of UDP sockets, which is refused.
pub fn add_udp<T: NetworkView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    udp_create_socket::add_to_linker::<T, HasSockets>(linker, checked)
}

impl Network {
    /// Lets the guest make sockets of TCP, each of whose uses is checked. A policy that names no host has them too: only a
    /// connection that is tried says which host was wanted.
    pub fn grant(self: &Arc<Self>, builder: &mut WasiCtxBuilder) {
        let network = self.clone();
        builder.allow_ip_name_lookup(!self.policy.denies_everything());
        builder.allow_tcp(true).socket_addr_check(move |address, wanted| {
            let allowed = network.check_use(address, wanted);
            Box::pin(std::future::ready(allowed))
        });
    }

    fn check_use(&self, address: SocketAddr, wanted: SocketAddrUse) -> bool {
        match wanted {
            SocketAddrUse::TcpConnect => self.check_connect(address),
            // What every connection begins with.
            SocketAddrUse::TcpBind if address.ip().is_unspecified() && address.port() == 0 => true,
            SocketAddrUse::TcpBind => {
                self.refuse_use("a local address for a socket", "connections choose theirs themselves", NEVER_ALLOWED);
                false
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => {
                self.refuse_use("listening for connections", "nothing may connect to a connector", NEVER_ALLOWED);
                false
            }
            SocketAddrUse::UdpBind | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                self.refuse_udp();
                false
            }
        }
    }

    fn refuse_udp(&self) {
        self.refuse_use("UDP", "no connector may use it", NEVER_ALLOWED);
    }
}

impl udp_create_socket::Host for CheckedSockets<'_> {
    fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.network.refuse_udp();
        Err(ErrorCode::AccessDenied.into())
    }
}

impl ip_name_lookup::Host for CheckedSockets<'_> {
    fn resolve_addresses(
        &mut self,
        capability: Resource<Capability>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        // An IPv6 address needs no brackets here.
        let bare = || name.parse::<Ipv6Addr>().ok().map(Host::Ipv6);
        let host = parse_host(&name).or_else(bare).ok_or(ErrorCode::InvalidArgument)?;
        self.network.check_host(&host, None).map_err(|_| ErrorCode::AccessDenied)?;
        // The host as it was read, so that what is looked up is what was checked.
        let name = match &host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let stream = self.wasi.resolve_addresses(capability, name)?;
        let mut look_ups = self.network.look_ups.lock().unwrap_or_else(PoisonError::into_inner);
        look_ups.insert(stream.rep(), LookUp { host, found: false, denied: None });
        Ok(stream)
    }
}

impl HostResolveAddressStream for CheckedSockets<'_> {
    /// The next address that the policy allows. Where it allows none of them, that is an error.
    fn resolve_next_address(&mut self, stream: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>> {
        let id = stream.rep();
        let network = self.network.clone();
        loop {
            let address = self.wasi.resolve_next_address(Resource::new_borrow(id))?;
            let mut look_ups = network.look_ups.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(look_up) = look_ups.get_mut(&id) else {
                return Err(ErrorCode::AccessDenied.into());
            };
            let Some(address) = address else {
                let denied = look_up.denied.as_ref().filter(|_| !look_up.found);
                return match denied {
                    Some(denied) => {
                        network.refuse(&look_up.host, None, denied);
                        Err(ErrorCode::AccessDenied.into())
                    }
                    None => Ok(None),
                };
            };
            let ip = match address {
                IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
                IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]).to_canonical(),
            };
            match network.policy.check_address(&look_up.host, None, ip) {
                Ok(()) => {
                    look_up.found = true;
                    network.remember_origin(ip, look_up.host.clone());
                    return Ok(Some(address));
                }
                Err(denial) => look_up.denied = Some(denial),
            }
        }
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        HostResolveAddressStream::subscribe(&mut self.wasi, stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.network.look_ups.lock().unwrap_or_else(PoisonError::into_inner).remove(&stream.rep());
        HostResolveAddressStream::drop(&mut self.wasi, stream)
    }
}

// Both interfaces lean on that of the errors, which is wasmtime's.
impl network::Host for CheckedSockets<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi.network_error_code(error)
    }
}

impl HostNetwork for CheckedSockets<'_> {
    fn drop(&mut self, capability: Resource<Capability>) -> wasmtime::Result<()> {
        HostNetwork::drop(&mut self.wasi, capability)
    }
}
