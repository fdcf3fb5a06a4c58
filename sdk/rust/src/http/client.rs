//! What all requests to one API have in common.

use std::fmt;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::request::{Method, Request};
use super::retry::RetryPolicy;
use super::transport::Timeouts;
use crate::failure::{Result, config_error};

/// A body is kept in memory: a longer one is most often a mistake.
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// Sends requests to one API.
#[derive(Clone)]
pub struct Client {
    settings: Rc<Settings>,
}

/// What a client knows.
#[derive(Clone)]
pub(super) struct Settings {
    /// Without secrets; its path ends in a slash.
    pub base: Url,
    pub headers: Vec<Field>,
    pub query: Vec<Field>,
    /// What must be seen nowhere, beside the secrets among these.
    pub hidden: Vec<String>,
    pub retry: RetryPolicy,
    pub timeouts: Timeouts,
    pub max_body_bytes: u64,
}

/// A header, or a parameter of a query.
#[derive(Clone)]
pub(super) struct Field {
    pub name: String,
    pub value: String,
    pub secret: bool,
    /// Whether a server gave the value, so that it may be anything.
    pub foreign: bool,
}

impl Client {
    /// A client for the API at this URL, that begins with `http://` or `https://`.
    ///
    /// What requests name is below it, whether it ends in a slash or not. It has no query: what every request shall have in its
    /// own is told by [`query`](Client::query).
    pub fn new(base: &str) -> Result<Self> {
        let unusable = |why: &str| {
            config_error(format!(
                "The URL of the API can not be used: {why}. Give one like https://api.example.com/v2/."
            ))
        };
        let mut base = web_url(base).map_err(|why| unusable(&why))?;
        // It would be lost: what a request names below the base has a query of its own.
        if base.query().is_some() {
            return Err(unusable("it has a query in it"));
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let user_agent = Field::new("user-agent", concat!("airlock-sdk/", env!("CARGO_PKG_VERSION")), false);
        Ok(Client {
            settings: Rc::new(Settings {
                base,
                headers: vec![user_agent],
                query: Vec::new(),
                hidden: Vec::new(),
                retry: RetryPolicy::default(),
                timeouts: Timeouts::default(),
                max_body_bytes: MAX_BODY_BYTES,
            }),
        })
    }

    /// Sends a header with every request, wherever it goes.
    #[must_use]
    pub fn header(self, name: &str, value: impl fmt::Display) -> Self {
        self.with(|settings| set_header(&mut settings.headers, name, value, false))
    }

    /// Sends a header with every request to the base's origin, and shows it to nobody.
    #[must_use]
    pub fn secret_header(self, name: &str, value: impl fmt::Display) -> Self {
        self.with(|settings| set_header(&mut settings.headers, name, value, true))
    }

    /// Sends a user's name and password with every request to the base's origin, and shows them to nobody.
    ///
    /// It is a config error where the name has a colon: it would end there (RFC 7617).
    pub fn basic_auth(self, user: &str, password: &str) -> Result<Self> {
        if user.contains(':') {
            return Err(config_error(format!(
                "The user's name can not be sent to {}: it has a colon in it.",
                self.settings.base
            )));
        }
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        let client = self.secret_header("authorization", format!("Basic {credentials}"));
        Ok(client.with(|settings| settings.hidden.push(password.to_owned())))
    }

    /// Sends a parameter in the query of every request whose URL has none of this name.
    #[must_use]
    pub fn query(self, name: &str, value: impl fmt::Display) -> Self {
        self.with(|settings| settings.query.push(Field::new(name, value, false)))
    }

    /// Sends a parameter in the query of every request to the base's origin, and shows it to nobody.
    #[must_use]
    pub fn secret_query(self, name: &str, value: impl fmt::Display) -> Self {
        self.with(|settings| settings.query.push(Field::new(name, value, true)))
    }

    /// Says how often and when a request is tried again.
    #[must_use]
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.with(|settings| settings.retry = policy)
    }

    /// Says how long a request may wait.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.with(|settings| settings.timeouts = timeouts)
    }

    /// Refuses bodies that are longer, where they are kept in memory. 64 MiB, unless it is said.
    #[must_use]
    pub fn max_body_bytes(self, bytes: u64) -> Self {
        self.with(|settings| settings.max_body_bytes = bytes)
    }

    /// A GET. `path` is taken as a link on a page at the base would be: relative to it, or a whole URL.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::Get, path)
    }

    /// A HEAD.
    pub fn head(&self, path: &str) -> Request {
        self.request(Method::Head, path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::Post, path)
    }

    /// A PUT.
    pub fn put(&self, path: &str) -> Request {
        self.request(Method::Put, path)
    }

    /// A PATCH.
    pub fn patch(&self, path: &str) -> Request {
        self.request(Method::Patch, path)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::Delete, path)
    }

    fn request(&self, method: Method, path: &str) -> Request {
        Request::new(Rc::clone(&self.settings), method, path)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Rc::make_mut(&mut self.settings));
        self
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Client({})", self.settings.base)
    }
}

impl Field {
    pub fn new(name: &str, value: impl fmt::Display, secret: bool) -> Self {
        Field { name: name.to_owned(), value: value.to_string(), secret, foreign: false }
    }
}

/// Puts a header in the place of one with the same name.
pub(super) fn set_header(headers: &mut Vec<Field>, name: &str, value: impl fmt::Display, secret: bool) {
    let name = name.to_ascii_lowercase();
    headers.retain(|header| header.name != name);
    headers.push(Field::new(&name, value, secret));
}

/// A URL that a request may go to. The error is the rest of a sentence, and says nothing of what is in the URL.
pub(super) fn web_url(text: &str) -> Result<Url, String> {
    check_web_url(Url::parse(text).map_err(|error| error.to_string())?)
}

/// The same of a URL that is parsed already.
pub(super) fn check_web_url(mut url: Url) -> Result<Url, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it is no http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user's name or password in it".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}
