//! A request as it goes over the wire. Knows nothing of who has put what into it.

use airlock_sdk::http::{Client, RetryPolicy, Timeouts};
use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::body::python_json;
use super::prepared_url;
use super::response::HttpResponse;
use crate::manifest::Object;
use crate::request_options::RequestOptions;
use crate::template::python_text;

/// A response is kept in memory. The CDK has no limit; the sandbox has.
const MAX_BODY_BYTES: u64 = 512 * 1024 * 1024;

/// A request, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub struct PreparedRequest {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Names of headers that go to the URL's origin only, and are shown to nobody.
    secret: Vec<String>,
    /// What an authenticator put into it, in the forms in which it may come back.
    secrets: Vec<String>,
}

/// What is shorter stands in any text.
const SHORTEST_SECRET: usize = 4;

impl PreparedRequest {
    /// The request that these options make.
    pub fn new(method: &'static str, url: &str, options: RequestOptions) -> Result<Self> {
        let RequestOptions { parameters, headers, body_data, body_json } = options;
        if let Some((name, _)) = parameters.iter().find(|(_, value)| value.is_object()) {
            return Err(system_error(format!(
                "The request can not be made: its parameter {name:?} is an object, and must be a text, a number or a list."
            )));
        }
        let parameters = prepared_url::without_duplicates(url, parameters);
        let url = prepared_url::prepare(url, &parameters).map_err(|why| {
            system_error(format!("The request can not be made: its URL {url:?} can not be used: {why}."))
        })?;
        let mut request = PreparedRequest {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            secret: Vec::new(),
            secrets: Vec::new(),
        };
        request.set_headers(&headers);
        request.set_body(body_data, body_json)?;
        Ok(request)
    }

    fn set_body(&mut self, data: Option<Value>, json: Object) -> Result<()> {
        let data = data.filter(|data| !matches!(data, Value::Object(form) if form.is_empty()) && *data != "");
        let (body, content_type) = match (data, json.is_empty()) {
            (Some(_), false) => {
                return Err(system_error(
                    "The request can not be made: it has both body_data and body_json, and may have only one of them.",
                ));
            }
            (None, true) => return Ok(()),
            (None, false) => (python_json(&json.into()), Some("application/json")),
            (Some(Value::Object(form)), true) => {
                (prepared_url::urlencode(&form), Some("application/x-www-form-urlencoded"))
            }
            (Some(text), true) => (python_text(&text), None),
        };
        self.body = body.into_bytes();
        if let Some(content_type) = content_type.filter(|_| self.header("content-type").is_none()) {
            self.headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        }
        Ok(())
    }

    /// Sets headers, in the place of those of the same names.
    fn set_headers(&mut self, headers: &Object) {
        for (name, value) in headers {
            self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            self.headers.push((name.clone(), python_text(value)));
        }
    }

    /// The same with headers that are secret.
    pub fn set_secret_headers(&mut self, headers: &Object) {
        self.set_headers(headers);
        self.secret.extend(headers.keys().map(|name| name.to_ascii_lowercase()));
    }

    /// Sets the headers of an authenticator, and keeps all that it says for itself.
    pub fn set_secrets(&mut self, options: &RequestOptions) {
        self.set_secret_headers(&options.headers);
        let mut texts = Vec::new();
        for fields in [&options.headers, &options.parameters, &options.body_json] {
            fields.values().for_each(|value| add_texts(value, &mut texts));
        }
        options.body_data.iter().for_each(|value| add_texts(value, &mut texts));
        for text in texts {
            // "Bearer" and its like are no secret.
            let text = text.split_once(' ').map_or(text, |(_, token)| token);
            let encoded = prepared_url::urlencode(&Object::from_iter([(String::new(), text.into())]));
            for form in [text, encoded.trim_start_matches('=')] {
                if form.len() >= SHORTEST_SECRET && !self.secrets.iter().any(|known| known == form) {
                    self.secrets.push(form.to_owned());
                }
            }
        }
    }

    /// A text of the server without what only the authenticator may tell. The host knows the config's secrets, and no token.
    pub fn without_secrets(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "****"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Sends it once. Every status is a response.
    pub fn send(&self, timeouts: Timeouts) -> Result<HttpResponse> {
        let client = Client::new(origin(&self.url))?
            .retry(RetryPolicy::none())
            .timeouts(timeouts)
            .max_body_bytes(MAX_BODY_BYTES)
            .header("accept", "*/*");
        let mut request = match self.method {
            "POST" => client.post(&self.url),
            _ => client.get(&self.url),
        };
        for (name, value) in &self.headers {
            request = match self.secret.contains(&name.to_ascii_lowercase()) {
                true => request.secret_header(name, value),
                false => request.header(name, value),
            };
        }
        if !self.body.is_empty() {
            request = request.body(self.body.clone());
        }
        request.accepting_all().send().map(HttpResponse::of)
    }
}

fn add_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| add_texts(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| add_texts(value, texts)),
        _ => {}
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |path| host + path);
    url.get(..end).unwrap_or(url)
}
