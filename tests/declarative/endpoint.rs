//! What a manifest asks for: the endpoints of its streams, their parents and logins, as far as a server has to know them. Made
//! of the resolved manifest; it must not know how an endpoint answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::templates::names;

/// A URL that a manifest asks, and what it wants to find there.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    pub stream: String,
    /// The path as templates have it: `None` stands for anything.
    path: Vec<Option<String>>,
    method: String,
    /// Parameters whose values are no templates: they tell streams at one path apart.
    parameters: BTreeMap<String, String>,
    pub answer: Answer,
    pub is_partitioned: bool,
}

/// What an endpoint answers with.
#[derive(Debug, Clone)]
pub enum Answer {
    Records(Box<Records>),
    /// A token below these fields.
    Token(Vec<String>),
}

impl Default for Answer {
    fn default() -> Self {
        Answer::Records(Box::default())
    }
}

/// Records of a stream.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Where they are in the response; `*` is any.
    pub path: Vec<String>,
    pub schema: Value,
    /// Fields that must be there: of the primary key, and those that children ask for.
    pub keys: Vec<Vec<String>>,
    pub cursor: Option<Cursor>,
    pub paginator: Option<Paginator>,
    /// The manifest looks for records below a field without a name: none can be there.
    pub is_nowhere: bool,
}

/// The field by which a stream is read incrementally.
#[derive(Debug, Clone)]
pub struct Cursor {
    pub field: String,
    pub format: String,
    pub is_number: bool,
}

/// How pages are asked for.
#[derive(Debug, Clone)]
pub struct Paginator {
    /// Where the token stands in a request; `None` is the path.
    pub token: Option<Place>,
    pub strategy: Strategy,
    pub page_size: Option<usize>,
}

/// Where a request says something.
#[derive(Debug, Clone)]
pub struct Place {
    pub inject_into: String,
    pub name: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum Strategy {
    Page { first: i64 },
    Offset,
    Cursor { value: String, stop: String },
}

impl Endpoint {
    /// How well a request fits: `None` is not at all.
    pub fn fit(&self, method: &str, path: &str, has: impl Fn(&str) -> Option<String>) -> Option<usize> {
        if self.method != method || !matches(&self.path, path.replace("//", "/").trim_end_matches('/')) {
            return None;
        }
        let mut fit = 100 * self.path.iter().flatten().map(String::len).sum::<usize>();
        for (name, value) in &self.parameters {
            fit += usize::from(has(name).is_some()) + 10 * usize::from(has(name).as_ref() == Some(value));
        }
        Some(fit)
    }
}

fn matches(pattern: &[Option<String>], text: &str) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Some(part), rest)) => text.strip_prefix(part.as_str()).is_some_and(|text| matches(rest, text)),
        Some((None, [])) => true,
        Some((None, rest)) => (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..])),
    }
}

/// A URL's path as a pattern.
fn pattern(url: &str) -> Vec<Option<String>> {
    let mut parts = Vec::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            parts.push(Some(before.to_owned()));
        }
        parts.push(None);
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    let rest = rest.trim_end_matches('/');
    if !rest.is_empty() {
        parts.push(Some(rest.to_owned()));
    }
    parts
}

/// All endpoints of a resolved manifest; `authority` is the server's.
pub fn endpoints(manifest: &Value, authority: &str) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    let mut walk = Walk { authority, endpoints: &mut endpoints };
    for (key, value) in manifest.as_object().into_iter().flatten() {
        if key != "definitions" && key != "schemas" && key != "spec" {
            walk.node(value, &Value::Null, &[]);
        }
    }
    endpoints
}

struct Walk<'a> {
    authority: &'a str,
    endpoints: &'a mut Vec<Endpoint>,
}

impl Walk<'_> {
    /// `stream` is the stream that it belongs to; `keys` are what children ask of it.
    fn node(&mut self, node: &Value, stream: &Value, keys: &[Vec<String>]) {
        match node {
            Value::Array(items) => items.iter().for_each(|item| self.node(item, stream, keys)),
            Value::Object(fields) => {
                let kind = node["type"].as_str().unwrap_or_default();
                match kind {
                    "InlineSchemaLoader" => return,
                    "ParentStreamConfig" => {
                        let mut keys = vec![dotted(&node["parent_key"])];
                        keys.extend(node["extra_fields"].as_array().into_iter().flatten().map(strings));
                        return self.node(&node["stream"], &node["stream"], &keys);
                    }
                    "SimpleRetriever" => self.retriever(node, stream, keys),
                    "OAuthAuthenticator" => self.login(&node["token_refresh_endpoint"], node),
                    "SessionTokenAuthenticator" => self.requester(&node["login_requester"], |endpoint| {
                        endpoint.answer = Answer::Token(strings(&node["session_token_path"]));
                    }),
                    "HttpRequester" if node["authenticator"]["type"] == "LegacySessionTokenAuthenticator" => {
                        self.session(node, &node["authenticator"]);
                    }
                    _ => {}
                }
                let stream = if kind == "DeclarativeStream" { node } else { stream };
                for (name, value) in fields {
                    if name != "$parameters" {
                        self.node(value, stream, keys);
                    }
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, url: &str, method: &str, fill: impl FnOnce(&mut Endpoint)) {
        let url = url.split_once("://").map_or(url, |(_, rest)| rest).trim_start_matches(self.authority);
        let path = url.split('?').next().unwrap_or_default();
        let path = if path.starts_with("{{") { path.to_owned() } else { format!("/{}", path.trim_start_matches('/')) };
        let mut endpoint =
            Endpoint { path: pattern(&path.replace("//", "/")), method: method.to_owned(), ..Endpoint::default() };
        fill(&mut endpoint);
        self.endpoints.push(endpoint);
    }

    fn login(&mut self, url: &Value, node: &Value) {
        let name = node["access_token_name"].as_str().unwrap_or("access_token").to_owned();
        self.add(text(url), "POST", |endpoint| endpoint.answer = Answer::Token(vec![name]));
    }

    /// A login whose addresses begin as those of the requester that needs it.
    fn session(&mut self, requester: &Value, authenticator: &Value) {
        let url = |name: &str| format!("{}{}", base(requester), text(&authenticator[name]));
        let path = vec![text(&authenticator["session_token_response_key"]).to_owned()];
        for (name, method) in [("login_url", "POST"), ("validate_session_url", "GET")] {
            self.add(&url(name), method, |endpoint| endpoint.answer = Answer::Token(path.clone()));
        }
    }

    fn requester(&mut self, node: &Value, fill: impl FnOnce(&mut Endpoint)) {
        let base = base(node);
        let path = node["path"].as_str().unwrap_or_default();
        let url = match (base.ends_with('/'), path.is_empty()) {
            (_, true) => base.to_owned(),
            (true, _) => format!("{base}{}", path.trim_start_matches('/')),
            (false, _) => format!("{base}/{}", path.trim_start_matches('/')),
        };
        let method = node["http_method"].as_str().unwrap_or("GET");
        let mut parameters = BTreeMap::new();
        for part in ["request_parameters", "request_body_json", "request_body_data"] {
            for (name, value) in node[part].as_object().into_iter().flatten() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if !value.contains("{{") {
                    parameters.insert(name.clone(), value);
                }
            }
        }
        self.add(&url, method, |endpoint| {
            endpoint.parameters = parameters;
            fill(endpoint);
        });
    }

    fn retriever(&mut self, node: &Value, stream: &Value, keys: &[Vec<String>]) {
        let mut keys = keys.to_vec();
        match &stream["primary_key"] {
            Value::String(key) => keys.push(vec![key.clone()]),
            Value::Array(names) => keys.extend(
                names.iter().map(|name| if name.is_array() { strings(name) } else { vec![text(name).to_owned()] }),
            ),
            _ => {}
        }
        for part in ["transformations", "incremental_sync"] {
            asked_of_records(&stream[part], &mut keys);
        }
        asked_of_records(&node["record_selector"], &mut keys);
        // A record without fields is none.
        let properties = stream["schema_loader"]["schema"]["properties"].as_object();
        if keys.is_empty() && properties.is_none_or(Map::is_empty) {
            keys.push(vec!["id".to_owned()]);
        }
        let field_path = &node["record_selector"]["extractor"]["field_path"];
        let is_nameless = |name: &Value| name.is_null() || name == "";
        let records = Records {
            path: strings(field_path),
            is_nowhere: field_path.as_array().is_some_and(|names| names.iter().any(is_nameless)),
            schema: stream["schema_loader"]["schema"].clone(),
            keys,
            cursor: cursor(&stream["incremental_sync"]),
            paginator: paginator(&node["paginator"]),
        };
        self.requester(&node["requester"], |endpoint| {
            endpoint.stream = text(&stream["name"]).to_owned();
            endpoint.is_partitioned = !node["partition_router"].is_null() || !stream["incremental_sync"].is_null();
            endpoint.answer = Answer::Records(Box::new(records));
        });
    }
}

/// Fields within fields of a record that templates ask: without them a template fails.
fn asked_of_records(node: &Value, keys: &mut Vec<Vec<String>>) {
    match node {
        Value::String(template) if template.contains("{{") => {
            keys.extend(names(template, "record").into_iter().filter(|path| path.len() > 1));
        }
        Value::Array(items) => items.iter().for_each(|item| asked_of_records(item, keys)),
        Value::Object(fields) => fields.values().for_each(|field| asked_of_records(field, keys)),
        _ => {}
    }
}

/// How a requester's URLs begin.
fn base(requester: &Value) -> &str {
    requester["url"].as_str().or(requester["url_base"].as_str()).unwrap_or_default()
}

fn cursor(node: &Value) -> Option<Cursor> {
    let field = node["cursor_field"].as_str()?.to_owned();
    let format =
        node["cursor_datetime_formats"][0].as_str().or(node["datetime_format"].as_str()).unwrap_or("").to_owned();
    let is_number =
        node["type"] == "IncrementingCountCursor" || ["%s", "%ms", "%epoch_microseconds"].contains(&format.as_str());
    Some(Cursor { field, format, is_number })
}

fn paginator(node: &Value) -> Option<Paginator> {
    let strategy = &node["pagination_strategy"];
    let page_size = match &strategy["page_size"] {
        Value::Number(size) => size.as_u64().map(|size| size as usize),
        Value::String(size) => size.parse().ok(),
        _ => None,
    };
    let token = &node["page_token_option"];
    let place = (token["type"] != "RequestPath" && token.is_object()).then(|| Place {
        inject_into: text(&token["inject_into"]).to_owned(),
        name: match token["field_path"].is_array() {
            true => strings(&token["field_path"]),
            false => vec![text(&token["field_name"]).to_owned()],
        },
    });
    let strategy = match strategy["type"].as_str()? {
        "PageIncrement" => Strategy::Page { first: strategy["start_from_page"].as_i64().unwrap_or(0) },
        "OffsetIncrement" => Strategy::Offset,
        "CursorPagination" => Strategy::Cursor {
            value: text(&strategy["cursor_value"]).to_owned(),
            stop: strategy["stop_condition"]
                .as_str()
                .map_or_else(|| strategy["stop_condition"].to_string(), str::to_owned),
        },
        _ => return None,
    };
    Some(Paginator { token: place, strategy, page_size })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        }
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn dotted(value: &Value) -> Vec<String> {
    text(value).split('.').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_in_a_path_match_anything() {
        let pattern = pattern("/api.example.com/{{ stream_slice.id }}/items/{{ x }}");
        assert!(matches(&pattern, "/api.example.com/7/items/a/b"));
        assert!(!matches(&pattern, "/api.example.com/7/others/a"));
    }
}
