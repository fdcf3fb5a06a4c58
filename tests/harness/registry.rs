//! A registry of container images on loopback: keeps what is pushed to it, asks for credentials where it is told to, and
//! misbehaves where a test says how.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rustls::ServerConfig;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::server::{Connection, Request, Server, respond};

/// `somebody:a-word-nobody-guesses`, as `docker login` keeps it.
pub const AUTH: &str = "c29tZWJvZHk6YS13b3JkLW5vYm9keS1ndWVzc2Vz";
/// Who may push.
pub const USER: &str = "somebody";
/// What may not be seen.
pub const PASSWORD: &str = "a-word-nobody-guesses";

const TOKEN: &str = "a-token-nobody-guesses";

/// Who may do what.
#[derive(Clone)]
pub enum Access {
    /// Everybody everything.
    Open,
    /// The user, by the password in each request.
    Basic,
    /// The user, by a token that there is for the password. Without a place for them they are the registry's own.
    Token(Option<String>),
}

/// Answers a request itself, or leaves it to the registry.
pub type Misbehaviour = dyn Fn(&Request, &mut Connection) -> Option<io::Result<()>> + Send + Sync;

/// The registry.
pub struct Registry {
    pub server: Server,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    blobs: BTreeMap<String, Vec<u8>>,
    /// By tag and by digest: media type and content.
    manifests: BTreeMap<String, (String, Vec<u8>)>,
}

impl Registry {
    pub fn start(access: Access) -> Registry {
        Registry::misbehaving(access, |_, _| None)
    }

    pub fn misbehaving(
        access: Access,
        misbehaviour: impl Fn(&Request, &mut Connection) -> Option<io::Result<()>> + Send + Sync + 'static,
    ) -> Registry {
        Registry::of(None, access, Box::new(misbehaviour))
    }

    pub fn secure(tls: Arc<ServerConfig>, access: Access) -> Registry {
        Registry::of(Some(tls), access, Box::new(|_, _| None))
    }

    fn of(tls: Option<Arc<ServerConfig>>, access: Access, misbehaviour: Box<Misbehaviour>) -> Registry {
        let kept = Arc::<Mutex<Kept>>::default();
        let of_handler = kept.clone();
        let handler = move |request: &Request, connection: &mut Connection| {
            misbehaviour(request, connection).unwrap_or_else(|| {
                let mut kept = of_handler.lock().expect("no handler panics while it holds it");
                answer(&mut kept, &access, request, connection)
            })
        };
        let server = match tls {
            None => Server::start(handler),
            Some(tls) => Server::start_secure(tls, handler),
        };
        Registry { server, kept }
    }

    /// A reference to an image in it.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.server.authority())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no handler panics while it holds it")
    }

    /// What it has under a digest.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.kept().blobs.get(digest).cloned()
    }

    /// What it has under a tag or a digest: media type and content.
    pub fn manifest(&self, name: &str) -> Option<(String, Vec<u8>)> {
        self.kept().manifests.get(name).cloned()
    }

    /// How often it was asked so: `POST /v2/`.
    pub fn asked(&self, beginning: &str) -> usize {
        let requests = self.server.requests();
        requests
            .iter()
            .filter(|request| format!("{} {}", request.method, request.target).starts_with(beginning))
            .count()
    }
}

/// The digest of these bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// An error as registries write it.
pub fn refuse(
    request: &Request,
    connection: &mut Connection,
    status: &str,
    code: &str,
    message: &str,
) -> io::Result<()> {
    refuse_with(request, connection, (status, &[]), code, message)
}

fn refuse_with(
    request: &Request,
    connection: &mut Connection,
    (status, headers): (&str, &[(&str, &str)]),
    code: &str,
    message: &str,
) -> io::Result<()> {
    let body = json!({"errors": [{"code": code, "message": message}]}).to_string();
    // An answer to HEAD has none.
    let body = if request.method == "HEAD" { "" } else { &body };
    respond(connection, status, headers, body.as_bytes())
}

fn answer(kept: &mut Kept, access: &Access, request: &Request, connection: &mut Connection) -> io::Result<()> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let given = request.header("authorization").unwrap_or_default();
    let basic = format!("Basic {AUTH}");
    if path == "/token" {
        return match given == basic {
            true => respond(connection, "200 OK", &[], json!({"token": TOKEN}).to_string().as_bytes()),
            false => respond(connection, "401 Unauthorized", &[], b"{}"),
        };
    }
    let (expected, challenge) = match access {
        Access::Open => (given.to_owned(), String::new()),
        Access::Basic => (basic, "Basic realm=\"images\"".to_owned()),
        Access::Token(realm) => {
            let host = request.header("host").unwrap_or_default();
            let realm = realm.clone().unwrap_or_else(|| format!("http://{host}/token"));
            (format!("Bearer {TOKEN}"), format!("Bearer realm=\"{realm}\",service=\"images\""))
        }
    };
    if given != expected {
        let headers = [("WWW-Authenticate", challenge.as_str())];
        let refused = ("401 Unauthorized", headers.as_slice());
        return refuse_with(request, connection, refused, "UNAUTHORIZED", &format!("not by {given}"));
    }
    let parts: Vec<&str> = path.rsplitn(3, '/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["", "v2", _]) => respond(connection, "200 OK", &[], b"{}"),
        ("POST", ["", "uploads", before]) => {
            let location = format!("{before}/upload/1?state=open");
            respond(connection, "202 Accepted", &[("Location", &location)], b"")
        }
        ("PUT", ["1", "upload", _]) => {
            let digest = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or_default();
            let digest = digest.replace("%3A", ":");
            if request.body.len() as u64 != request.body_bytes || digest_of(&request.body) != digest {
                return refuse(request, connection, "400 Bad Request", "DIGEST_INVALID", "this is something else");
            }
            kept.blobs.insert(digest, request.body.clone());
            respond(connection, "201 Created", &[("Location", "/v2/there")], b"")
        }
        ("HEAD" | "GET", [digest, "blobs", _]) => match kept.blobs.get(*digest) {
            Some(blob) => content(request, connection, "application/octet-stream", blob),
            None => refuse(request, connection, "404 Not Found", "BLOB_UNKNOWN", ""),
        },
        ("PUT", [name, "manifests", _]) => {
            let manifest = (request.header("content-type").unwrap_or_default().to_owned(), request.body.clone());
            kept.manifests.insert((*name).to_owned(), manifest.clone());
            kept.manifests.insert(digest_of(&request.body), manifest);
            respond(connection, "201 Created", &[], b"")
        }
        ("HEAD" | "GET", [name, "manifests", _]) => match kept.manifests.get(*name) {
            Some((media_type, manifest)) => content(request, connection, media_type, manifest),
            None => refuse(request, connection, "404 Not Found", "MANIFEST_UNKNOWN", ""),
        },
        _ => refuse(request, connection, "404 Not Found", "UNSUPPORTED", ""),
    }
}

fn content(request: &Request, connection: &mut Connection, media_type: &str, bytes: &[u8]) -> io::Result<()> {
    let (length, digest) = (bytes.len().to_string(), digest_of(bytes));
    let headers =
        [("Content-Type", media_type), ("Content-Length", length.as_str()), ("Docker-Content-Digest", digest.as_str())];
    super::server::begin(connection, "200 OK", &headers)?;
    if request.method == "GET" {
        connection.write_all(bytes)?;
    }
    connection.flush()
}
