//! Connections for requests: to the server itself, at an address that the policy allows, or through the proxy that the host's
//! environment names. They are kept and used again.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Scheme, Uri};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::Client as PooledClient;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;
use url::Host;
use wasmtime_wasi_http::WasiBody;

use super::Network;
use super::http::Target;
use super::http_errors::{self, NoConnection};
use super::tls::RequestTls;

/// A connection that nobody has used for so long is closed: most servers keep theirs for a minute.
const IDLE: Duration = Duration::from_secs(60);

/// So many connections to one host are kept for the next requests.
const IDLE_CONNECTIONS: usize = 32;

/// So often a silent connection is tried, so that firewalls do not forget it.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// So many headers may a response have.
const HEADERS: usize = 256;

/// So large may a response's headers be together. wasmtime takes no more from a guest either.
pub const HEADER_BYTES: usize = 128 * 1024;

/// So much is read from a connection at once, where the server is fast. Each read is handed from thread to thread twice.
const READ_BYTES: usize = 512 * 1024;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The client that all requests of a guest share.
pub struct Client {
    client: PooledClient<Connector, WasiBody>,
    proxies: Arc<Matcher>,
}

/// The guest's client, made at the first request.
pub fn client(network: &Arc<Network>) -> &Client {
    network.client.get_or_init(|| {
        let proxies = Arc::new(proxies());
        let connector = Connector { network: Arc::downgrade(network), proxies: proxies.clone(), tls: Arc::default() };
        let client = PooledClient::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_headers(HEADERS)
            .http1_max_buf_size(READ_BYTES)
            .http2_max_header_list_size(HEADER_BYTES as u32)
            .build(connector);
        Client { client, proxies }
    })
}

/// What the environment says of proxies.
fn proxies() -> Matcher {
    // The crate takes `*` for every name, and curl, which everybody goes by, for every address too.
    let none = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
    if none.is_some_and(|hosts| hosts.trim() == "*") { Matcher::builder().build() } else { Matcher::from_env() }
}

impl Client {
    /// The proxy that a URL is reached through, if one is.
    pub fn proxy_of(&self, uri: &Uri) -> Option<Intercept> {
        self.proxies.intercept(uri)
    }

    /// Sends a request whose URL has been checked.
    pub fn request(
        &self,
        request: Request<WasiBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, hyper_util::client::legacy::Error>> + Send + use<> {
        self.client.request(request)
    }
}

/// A proxy as people read it, without its credentials.
pub fn shown(proxy: &Intercept) -> String {
    let uri = proxy.uri();
    // Not the authority: of a password with an `@` or a `/` in it, a part would stand there.
    let host = uri.host().unwrap_or_default();
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Makes connections for the client.
#[derive(Clone)]
pub struct Connector {
    /// The network has the client, which has this.
    network: Weak<Network>,
    proxies: Arc<Matcher>,
    tls: Arc<RequestTls>,
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = AnyError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, AnyError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AnyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(uri).await })
    }
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<Stream, AnyError> {
        let problem = |text: &str| NoConnection::Other(text.to_owned());
        let network = self.network.upgrade().ok_or_else(|| problem("the connector has ended"))?;
        let target = Target::of(&uri).ok_or_else(|| problem("the URL names no host"))?;
        let proxy = self.proxies.intercept(&uri);
        let wire = match &proxy {
            None => MaybeHttpsStream::Http(direct(&network, &target, uri).await?),
            Some(proxy) => self.to_proxy(&network, proxy, target.secure.then_some(uri)).await?,
        };
        let stream = if target.secure {
            self.tls.handshake(&network, &target.host, wire).await?.into()
        } else {
            MaybeHttpsStream::Http(wire)
        };
        Ok(Stream { stream, asks_proxy: proxy.is_some() && !target.secure })
    }

    /// A connection to a proxy; to what is beyond it, where a URL is given.
    async fn to_proxy(&self, network: &Network, proxy: &Intercept, beyond: Option<Uri>) -> Result<Wire, AnyError> {
        let scheme = proxy.uri().scheme();
        if scheme != Some(&Scheme::HTTP) && scheme != Some(&Scheme::HTTPS) {
            let text = format!("the proxy {} is no HTTP proxy, and airlock knows no others", shown(proxy));
            return Err(NoConnection::Other(text).into());
        }
        let mut http = HttpConnector::new();
        prepare(&mut http);
        let mut connector: HttpsConnector<HttpConnector> = (http, self.tls.to_proxy(network)).into();
        match beyond {
            None => connector.call(proxy.uri().clone()).await,
            Some(beyond) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                let tunneled = tunnel.call(beyond).await;
                tunneled.map_err(|error| {
                    let cause = http_errors::shown(&error);
                    NoConnection::Other(format!("the proxy {} did not connect: {cause}", shown(proxy))).into()
                })
            }
        }
    }
}

fn prepare<R>(http: &mut HttpConnector<R>) {
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(KEEP_ALIVE));
}

/// A connection to a server, at an address that the policy allows.
async fn direct(network: &Network, target: &Target, uri: Uri) -> Result<TokioIo<TcpStream>, AnyError> {
    let found: Vec<IpAddr> = match &target.host {
        Host::Ipv4(address) => vec![(*address).into()],
        Host::Ipv6(address) => vec![(*address).into()],
        Host::Domain(name) => tokio::net::lookup_host((name.as_str(), target.port))
            .await
            .map_err(|error| NoConnection::NoSuchName(error.to_string()))?
            .map(|address| address.ip().to_canonical())
            .collect(),
    };
    let allowed = network.allowed_addresses(&target.host, Some(target.port), found).map_err(|denial| match denial {
        Some(_) => NoConnection::Prohibited,
        None => NoConnection::NoSuchName("the name has no address".to_owned()),
    })?;
    network.contact(&target.host, &allowed);
    let addresses = allowed.into_iter().map(|address| SocketAddr::new(address, target.port)).collect();
    let mut http = HttpConnector::new_with_resolver(Found(addresses));
    prepare(&mut http);
    Ok(http.call(uri).await?)
}

/// Gives the addresses that were found and checked to whoever asks for a name.
#[derive(Clone)]
struct Found(Vec<SocketAddr>);

impl Service<Name> for Found {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(self.0.clone().into_iter()))
    }
}

/// The way to a server: TCP, or TLS to a proxy.
pub type Wire = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection that requests are sent over.
pub struct Stream {
    stream: MaybeHttpsStream<Wire>,
    /// The other end is a proxy, which is told the whole URL.
    asks_proxy: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.asks_proxy)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}
