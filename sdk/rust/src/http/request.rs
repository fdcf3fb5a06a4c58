//! One request before it is sent: what is asked for, and what of it goes where.

use std::fmt;
use std::rc::Rc;

use serde::Serialize;
use url::{Origin, Url, form_urlencoded};

use super::client::{Field, Settings, check_web_url, set_header};
use super::exchange;
use super::page::Page;
use super::paging::{Pages, Paging};
use super::response::{OpenResponse, Response};
use crate::failure::{Failure, Result, config_error, system_error};
use crate::stream_writer::StreamWriter;

/// The host takes no more than about twice as much, and a longer one would end the connector.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// A request, to be completed and sent.
#[derive(Clone)]
#[must_use = "a request does nothing before it is sent"]
pub struct Request {
    pub(super) settings: Rc<Settings>,
    pub(super) method: Method,
    /// Without the parameters below, and without secrets.
    url: Url,
    pub(super) headers: Vec<Field>,
    query: Vec<Field>,
    pub(super) body: Rc<[u8]>,
    pub(super) accepted: Vec<u16>,
    pub(super) accepts_all: bool,
    retry_unsafe: bool,
    /// Where the connector itself wanted to go: a link that is followed does not change it.
    named_host: Option<String>,
    /// What is wrong with it, which is told when it is sent.
    wrong: Option<Failure>,
}

/// What is done with the thing that the URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Whether to do it twice is the same as to do it once.
    fn is_idempotent(self) -> bool {
        !matches!(self, Method::Post | Method::Patch)
    }
}

impl Request {
    pub(super) fn new(settings: Rc<Settings>, method: Method, path: &str) -> Self {
        let joined = settings.base.join(path).map_err(|error| error.to_string()).and_then(check_web_url);
        let (url, wrong) = match joined {
            Ok(url) => (url, None),
            Err(why) => {
                let message =
                    format!("A request below {} can not be sent: its URL can not be used: {why}.", settings.base);
                (settings.base.clone(), Some(system_error(message)))
            }
        };
        let headers = settings.headers.clone();
        let named_host = url.host_str().map(str::to_owned);
        let url = without_parameters(url, &secret_names(&settings.query));
        Request {
            settings,
            method,
            url,
            headers,
            query: Vec::new(),
            body: Rc::new([]),
            accepted: Vec::new(),
            accepts_all: false,
            retry_unsafe: false,
            named_host,
            wrong,
        }
    }

    /// Adds a part to the path, with whatever is in it made safe: a value of the config or of a record becomes nothing but the name
    /// of something.
    pub fn segment(mut self, part: impl fmt::Display) -> Self {
        let part = part.to_string();
        match self.url.path_segments_mut() {
            // A path without these is one with other parts than it says.
            Ok(mut segments) if !matches!(part.as_str(), "" | "." | "..") => {
                segments.pop_if_empty().push(&part);
            }
            _ => {
                let message = format!(
                    "A request below {} can not be sent: a part of its path is empty or dots.",
                    self.settings.base
                );
                self.wrong.get_or_insert(config_error(message));
            }
        }
        self
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.query.push(Field::new(name, value, false));
        self
    }

    /// Adds a parameter to the query that goes to the base's origin only, and is shown to nobody.
    pub fn secret_query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.query.push(Field::new(name, value, true));
        self
    }

    /// Sets a header, in the place of the client's.
    pub fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        set_header(&mut self.headers, name, value, false);
        self
    }

    /// Sets a header that goes to the base's origin only, and is shown to nobody.
    pub fn secret_header(mut self, name: &str, value: impl fmt::Display) -> Self {
        set_header(&mut self.headers, name, value, true);
        self
    }

    /// Sends this as JSON.
    pub fn json(self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.body(bytes).or_content_type("application/json"),
            Err(error) => {
                let base = self.settings.base.clone();
                self.but_wrong(system_error(format!(
                    "A request below {base} can not be sent: its body can not be written as JSON. This is a defect of the connector."
                ))
                .with_internal(error))
            }
        }
    }

    /// Sends these as a form.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body(form).or_content_type("application/x-www-form-urlencoded")
    }

    /// Sends these bytes.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into().into();
        self
    }

    /// Tries this request again like others, although it is a POST or a PATCH: to do it twice does no harm.
    pub fn retry_unsafe(mut self) -> Self {
        self.retry_unsafe = true;
        self
    }

    /// A response with this status is no failure, and no reason to try again.
    pub fn accepting(mut self, status: u16) -> Self {
        self.accepted.push(status);
        self
    }

    /// A response with any status is no failure, and no reason to try again: for a connector that has rules of its own about them.
    /// Redirects are followed.
    pub fn accepting_all(mut self) -> Self {
        self.accepts_all = true;
        self
    }

    /// Says which stream waits for the response: before a wait for a quota, the platform hears that it is rate limited.
    pub fn for_stream(self, writer: &mut StreamWriter) -> RequestForStream<'_> {
        RequestForStream { request: self, writer }
    }

    /// Sends the request and reads the whole response.
    pub fn send(&self) -> Result<Response> {
        exchange::send(self, ())
    }

    /// Sends the request and reads the response as JSON, to find records in it.
    pub fn page(&self) -> Result<Page> {
        self.send()?.page()
    }

    /// Sends the request and gives the response before its body has come: for what is large.
    pub fn open(&self) -> Result<OpenResponse> {
        exchange::open(self, ())
    }

    /// The pages that begin with this one.
    pub fn pages(self, paging: Paging) -> Pages {
        Pages::new(self, paging)
    }

    fn or_content_type(self, media_type: &str) -> Self {
        match self.headers.iter().any(|header| header.name == "content-type") {
            true => self,
            false => self.header("content-type", media_type),
        }
    }

    fn but_wrong(mut self, failure: Failure) -> Self {
        self.wrong.get_or_insert(failure);
        self
    }

    /// The same request for what a link leads to: with what the client adds to every request, and secrets.
    pub(super) fn following(&self, url: Url) -> Self {
        let mut request = self.clone();
        request.url = without_parameters(url, &self.secret_names());
        request.query.retain(|parameter| parameter.secret);
        request
    }

    /// Sets a parameter to another value.
    pub(super) fn replacing_query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.query.retain(|parameter| parameter.name != name);
        self.url = without_parameters(self.url, &[name]);
        self.query(name, value)
    }

    /// The same with a value that a server gave.
    pub(super) fn replacing_query_by_foreign(self, name: &str, value: &str) -> Self {
        let mut request = self.replacing_query(name, value);
        request
            .query
            .iter_mut()
            .filter(|parameter| parameter.name == name)
            .for_each(|parameter| parameter.foreign = true);
        request
    }

    pub(super) fn is_harmless(&self) -> bool {
        self.retry_unsafe || self.method.is_idempotent()
    }

    /// Where it goes, without secrets. An error where it can not be sent at all.
    pub(super) fn target(&self) -> Result<Url> {
        if let Some(failure) = &self.wrong {
            return Err(failure.clone());
        }
        for header in &self.headers {
            check_header(header).map_err(|why| {
                config_error(format!("The header {:?} can not be sent to {}: {why}.", header.name, self.settings.base))
            })?;
        }
        self.check_length_of_headers()?;
        let mut url = self.url.clone();
        let has = |url: &Url, name: &str| url.query_pairs().any(|(known, _)| known == name);
        let own = self.query.iter().filter(|parameter| !parameter.secret);
        add_parameters(&mut url, own.collect());
        let common = self.settings.query.iter().filter(|parameter| !parameter.secret && !has(&url, &parameter.name));
        let common = common.collect();
        add_parameters(&mut url, common);
        Ok(url)
    }

    fn check_length_of_headers(&self) -> Result<()> {
        let length = |header: &Field| header.name.len() + header.value.len();
        if self.headers.iter().map(length).sum::<usize>() <= MAX_HEADER_BYTES {
            return Ok(());
        }
        let longest = self.headers.iter().max_by_key(|header| length(header)).map_or("", |header| &header.name);
        Err(config_error(format!(
            "The header {longest:?} can not be sent to {}: it is too long, for all headers together have at most {MAX_HEADER_BYTES} bytes.",
            self.settings.base
        )))
    }

    /// The URL as it is sent: secrets are added where it leads to the base's origin.
    pub(super) fn with_secrets(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if self.may_know_secrets(&url) {
            add_parameters(&mut url, self.secret_parameters().collect());
        }
        url
    }

    /// The headers for this URL.
    pub(super) fn headers_for(&self, url: &Url) -> Vec<(&str, &str)> {
        let secrets = self.may_know_secrets(url);
        let headers = self.headers.iter().filter(|header| secrets || !header.secret);
        headers.map(|header| (header.name.as_str(), header.value.as_str())).collect()
    }

    /// Whether it leads to the base's origin, or to the same by TLS.
    pub(super) fn may_know_secrets(&self, url: &Url) -> bool {
        is_same_or_safer(&self.settings.base, url)
    }

    /// Whether it leads to a host that no one but a server has named.
    pub(super) fn is_led_away(&self, url: &Url) -> bool {
        let host = url.host_str();
        host != self.settings.base.host_str() && host != self.named_host.as_deref()
    }

    /// The same URL without the parameters that are secret: a server may give them back in its links.
    pub(super) fn without_secrets(&self, url: Url) -> Url {
        without_parameters(url, &self.secret_names())
    }

    pub(super) fn secret_parameters(&self) -> impl Iterator<Item = &Field> {
        self.settings.query.iter().chain(&self.query).filter(|parameter| parameter.secret)
    }

    /// Whether the query's parameter was given by the connector itself, so that it may be shown.
    pub(super) fn is_known_parameter(&self, name: &str, value: &str) -> bool {
        let given = self.settings.query.iter().chain(&self.query);
        let mut shown = given.filter(|parameter| !parameter.secret && !parameter.foreign);
        shown.any(|parameter| parameter.name == name && parameter.value == value)
    }

    /// What must be seen nowhere.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().filter(|header| header.secret);
        let fields = headers.chain(self.secret_parameters()).map(|field| field.value.as_str());
        fields.chain(self.settings.hidden.iter().map(String::as_str))
    }

    fn secret_names(&self) -> Vec<&str> {
        self.secret_parameters().map(|parameter| parameter.name.as_str()).collect()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Request({} {})", self.method.name(), super::request_name::shown(self, &self.url))
    }
}

/// A request on whose response a stream waits.
#[derive(Debug)]
#[must_use = "a request does nothing before it is sent"]
pub struct RequestForStream<'w> {
    request: Request,
    writer: &'w mut StreamWriter,
}

impl RequestForStream<'_> {
    /// As [`Request::send`].
    pub fn send(self) -> Result<Response> {
        exchange::send(&self.request, self.writer)
    }

    /// As [`Request::page`].
    pub fn page(self) -> Result<Page> {
        self.send()?.page()
    }

    /// As [`Request::open`].
    pub fn open(self) -> Result<OpenResponse> {
        exchange::open(&self.request, self.writer)
    }
}

/// Whether who may see what goes to the one may see it at the other: the same origin, or the same host by TLS.
pub(super) fn is_same_or_safer(url: &Url, other: &Url) -> bool {
    let default_ports = |url: &Url, other: &Url| {
        url.scheme() == "http" && other.scheme() == "https" && url.port().is_none() && other.port().is_none()
    };
    match (url.origin(), other.origin()) {
        (one @ Origin::Tuple(..), another) if one == another => true,
        _ => default_ports(url, other) && url.host() == other.host(),
    }
}

fn add_parameters(url: &mut Url, parameters: Vec<&Field>) {
    // To begin a query that gets nothing would leave a question mark.
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters.iter().map(|field| (&field.name, &field.value)));
    }
}

fn secret_names(query: &[Field]) -> Vec<&str> {
    query.iter().filter(|parameter| parameter.secret).map(|parameter| parameter.name.as_str()).collect()
}

/// What stays is not even encoded anew: a signature may be over it.
fn without_parameters(mut url: Url, names: &[&str]) -> Url {
    let Some(query) = url.query() else { return url };
    let named = |part: &str| form_urlencoded::parse(part.as_bytes()).any(|(name, _)| names.contains(&&*name));
    if !query.split('&').any(named) {
        return url;
    }
    let rest = query.split('&').filter(|part| !named(part)).collect::<Vec<_>>().join("&");
    url.set_query(Some(rest.as_str()).filter(|rest| !rest.is_empty()));
    url
}

/// The error is the rest of a sentence, and does not show the value.
fn check_header(header: &Field) -> Result<(), &'static str> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if header.name.is_empty() || !header.name.bytes().all(token) {
        return Err("its name has characters that no header's may have");
    }
    if header.value.chars().any(|character| character.is_control() && character != '\t') {
        return Err("its value has a line break or another control character in it");
    }
    Ok(())
}
