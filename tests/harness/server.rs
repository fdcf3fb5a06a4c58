//! Servers on loopback that guests talk to: HTTP/1.1 with a thread a connection, over TLS where asked for, and HTTP/2.
//! A handler writes what it likes, also what no server should.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How much of a body is kept for a test to see.
const BODY_KEPT: usize = 1 << 20;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// What stands between the method and the version: a path, or a URL for a proxy.
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// How long the body was.
    pub body_bytes: u64,
    /// How it began.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Both directions of a connection.
pub trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

/// What a handler has of a connection.
pub type Connection = dyn Duplex;

type Handler = dyn Fn(&Request, &mut Connection) -> io::Result<()> + Send + Sync;

/// A server that runs as long as the tests do.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Request>>,
}

impl Server {
    /// Speaks HTTP/1.1: `handler` answers each request. Where it fails the connection is closed.
    pub fn start(handler: impl Fn(&Request, &mut Connection) -> io::Result<()> + Send + Sync + 'static) -> Server {
        Server::listen(None, Arc::new(handler))
    }

    /// The same over TLS.
    pub fn start_secure(
        tls: Arc<ServerConfig>,
        handler: impl Fn(&Request, &mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Server {
        Server::listen(Some(tls), Arc::new(handler))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Server {
        Server::accept(move |stream, seen| {
            // A client that does not trust the certificate goes: that is for the test to see.
            let _ = match &tls {
                None => serve(stream, seen, &handler),
                Some(tls) => ServerConnection::new(tls.clone())
                    .map_err(io::Error::other)
                    .and_then(|connection| serve(StreamOwned::new(connection, stream), seen, &handler)),
            };
        })
    }

    /// Speaks no HTTP: `serve` has each connection.
    pub fn start_raw(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        Server::accept(move |stream, _| serve(stream))
    }

    fn accept(serve: impl Fn(TcpStream, &Seen) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (seen, serve) = (Arc::new(Seen::default()), Arc::new(serve));
        let server = Server { address, seen: seen.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                // Head and body are two writes, and the second is not to wait for an acknowledgement of the first.
                let _ = stream.set_nodelay(true);
                let (seen, serve) = (seen.clone(), serve.clone());
                thread::spawn(move || serve(stream, &seen));
            }
        });
        server
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `127.0.0.1:PORT`
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn secure_url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().expect("no handler panics while it holds it").clone()
    }
}

fn serve(stream: impl Duplex + 'static, seen: &Seen, handler: &Arc<Handler>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream)? {
        seen.requests.lock().expect("no handler panics while it holds it").push(request.clone());
        let connection: &mut Connection = stream.get_mut();
        handler(&request, connection)?;
        connection.flush()?;
    }
    Ok(())
}

fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let Some(first) = line(stream)? else { return Ok(None) };
    let mut words = first.split(' ').map(ToOwned::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        headers: Vec::new(),
        body_bytes: 0,
        body: Vec::new(),
    };
    while let Some((name, value)) = line(stream)?.as_deref().and_then(|line| line.split_once(": ")) {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    if request.header("transfer-encoding") == Some("chunked") {
        loop {
            let length = line(stream)?.and_then(|line| u64::from_str_radix(&line, 16).ok());
            let length = length.ok_or(io::ErrorKind::InvalidData)?;
            take_body(stream, length, &mut request)?;
            line(stream)?;
            if length == 0 {
                break;
            }
        }
    } else {
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        take_body(stream, length, &mut request)?;
    }
    Ok(Some(request))
}

fn take_body(stream: &mut impl BufRead, mut bytes: u64, request: &mut Request) -> io::Result<()> {
    while bytes > 0 {
        let found = stream.fill_buf()?;
        let taken = found.len().min(bytes as usize);
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let room = BODY_KEPT.saturating_sub(request.body.len());
        request.body.extend_from_slice(&found[..taken.min(room)]);
        stream.consume(taken);
        request.body_bytes += taken as u64;
        bytes -= taken as u64;
    }
    Ok(())
}

/// How a connection begins that is TLS.
const TLS_HANDSHAKE: u8 = 0x16;

fn line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    // Who tries TLS first is told at once that this is none, and does not wait for the end of a line.
    if stream.fill_buf()?.first() == Some(&TLS_HANDSHAKE) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    // A header may hold bytes of any kind.
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

/// A response with this body, whole.
pub fn respond(connection: &mut Connection, status: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let length = body.len().to_string();
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain([("Content-Length", length.as_str())]).collect();
    begin(connection, status, &headers)?;
    connection.write_all(body)?;
    connection.flush()
}

/// The head of a response.
pub fn begin(connection: &mut Connection, status: &str, headers: &[(&str, &str)]) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    connection.write_all(format!("{head}\r\n").as_bytes())?;
    connection.flush()
}

/// A server that speaks HTTP/2 only, and says in each response how it was asked.
pub fn start_http2(tls: Arc<ServerConfig>) -> Server {
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    Server::start_raw(move |stream| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let acceptor = acceptor.clone();
        runtime.block_on(async move {
            stream.set_nonblocking(true).expect("it is a socket");
            let stream = tokio::net::TcpStream::from_std(stream).expect("it is a socket");
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
                let text = format!("{:?} {authority} {:?}", request.version(), request.headers().get("host"));
                Ok::<_, std::convert::Infallible>(hyper::Response::new(text))
            });
            let executor = CurrentThread;
            let builder = hyper::server::conn::http2::Builder::new(executor);
            let _ = builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
    })
}

/// Runs a connection's tasks where it runs itself.
#[derive(Clone)]
struct CurrentThread;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for CurrentThread {
    fn execute(&self, future: F) {
        tokio::spawn(async move {
            future.await;
        });
    }
}
