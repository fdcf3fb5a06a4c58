//! An API made of a manifest: it has the endpoints that the manifest asks, records that fit its schemas, and pages by its
//! paginators. A response hangs on nothing but the request, and on the troubles of the run.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::asked::{Asked, Body};
use super::endpoint::{Answer, Endpoint, Paginator, Records, Strategy, endpoints};
use super::moments;
use super::records::{Ordinal, page_of, record};
use super::templates::names;
use super::trouble::Troubles;

/// In links to pages, and in tokens.
const PAGE: &str = "airlock_page";

/// How many records a page has that nobody said the size of.
const PAGE_SIZE: usize = 2;

/// What a login answers with.
const TOKEN: &str = "token-of-the-login";

/// What an API answers.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(status: u16, body: &Value) -> Response {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Response { status, headers, body: body.to_string().into_bytes() }
    }

    /// Whether somebody logged in by it.
    pub fn is_login(&self) -> bool {
        self.body.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes())
    }
}

pub struct Api {
    endpoints: Vec<Endpoint>,
    /// `127.0.0.1:PORT`
    authority: String,
    troubles: Troubles,
}

impl Api {
    pub fn of(manifest: &Value, authority: &str) -> Api {
        let endpoints = endpoints(manifest, authority);
        Api { endpoints, authority: authority.to_owned(), troubles: Troubles::default() }
    }

    /// Before each run: what its requests meet.
    pub fn begin(&mut self, troubles: Troubles) {
        self.troubles = troubles;
    }

    /// What the requests of the run met.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// Streams whose records come in one order, whoever asks.
    pub fn is_partitioned(&self, stream: &str) -> bool {
        self.endpoints.iter().filter(|endpoint| endpoint.stream == stream).any(|endpoint| endpoint.is_partitioned)
    }

    /// Why nobody can read records of a stream, if the manifest is the reason.
    pub fn why_unread(&self, stream: &str) -> Option<&'static str> {
        let mut endpoints = self.endpoints.iter().filter(|endpoint| endpoint.stream == stream);
        let is_nowhere =
            endpoints.any(|endpoint| matches!(&endpoint.answer, Answer::Records(records) if records.is_nowhere));
        is_nowhere.then_some("a name in its field_path is empty")
    }

    /// The stream that a request is for, as far as can be told.
    pub fn answer(&mut self, asked: &Asked) -> Response {
        let fits = self
            .endpoints
            .iter()
            .filter_map(|endpoint| Some((endpoint.fit(&asked.method, &asked.path, |name| asked.has(name))?, endpoint)));
        // The first of those that fit alike.
        let best = fits.fold(None, |best: Option<(usize, &Endpoint)>, (fit, endpoint)| match best {
            Some((most, _)) if most >= fit => best,
            _ => Some((fit, endpoint)),
        });
        let Some((_, endpoint)) = best else {
            return Response::json(404, &json!({"error": "no stream of the manifest asks this"}));
        };
        if let Some(response) = self.troubles.meet(&endpoint.stream, asked) {
            return response;
        }
        match &endpoint.answer {
            Answer::Token(path) => {
                let token = json!(TOKEN);
                let mut body = path.iter().rev().fold(token, |inner, key| json!({key: inner}));
                body["token_type"] = json!("bearer");
                body["expires_in"] = json!(7200);
                body["refresh_token"] = json!("refreshed");
                Response::json(200, &body)
            }
            Answer::Records(records) => page(records, asked, &self.authority),
        }
    }
}

/// A page of records.
fn page(records: &Records, asked: &Asked, authority: &str) -> Response {
    let number = page_number(records, asked);
    let pages = if records.paginator.is_some() { 3 } else { 1 };
    let size = records.paginator.as_ref().and_then(|paginator| paginator.page_size).unwrap_or(PAGE_SIZE).clamp(1, 200);
    let is_last = number + 1 >= pages;
    let count = match number {
        _ if number >= pages => 0,
        // Not full: that is how some paginators see that it is the last.
        _ if is_last && records.paginator.is_some() => size - 1,
        _ => size,
    };
    let without_token = Asked { query: without_tokens(records, asked), headers: Default::default(), ..asked.clone() };
    let text = format!("{} {:?}", without_token.path, without_token.query);
    let slice = slice(records, asked);
    let ordinal = |index| Ordinal { partition: partition(&text), page: number, index, slice };
    let items: Vec<Value> = (0..count).map(|index| record(records, ordinal(index))).collect();

    let mut response = Response::json(200, &Value::Null);
    let mut body = wrap_all(&records.path, &items);
    if let Some(Paginator { strategy: Strategy::Cursor { value, stop }, token, .. }) = &records.paginator {
        if body.is_array() && !names(value, "response").is_empty() && records.path.is_empty() {
            body = items.first().cloned().unwrap_or(json!({}));
        }
        let next = format!("http://{authority}{}", with_page(asked, number + 1));
        let token = if token.is_none() { next.clone() } else { format!("page-{}", number + 1) };
        tell_next(&mut body, &records.path, value, stop, (!is_last).then_some(token.as_str()), number, pages);
        for path in names(value, "headers") {
            match path.first().map(|name| name.to_ascii_lowercase()).as_deref() {
                Some("link") if !is_last => {
                    response.headers.push(("Link".to_owned(), format!("<{next}>; rel=\"next\"")));
                }
                Some("link") | None => {}
                Some(_) if is_last => {}
                Some(_) => response.headers.push((path[0].clone(), token.clone())),
            }
        }
    }
    response.body = body.to_string().into_bytes();
    response
}

/// A body in which a selector finds records.
fn wrap_all(path: &[String], items: &[Value]) -> Value {
    match path.split_first() {
        // An array would be taken apart before a selector looks: each of its items is a body.
        Some((key, rest)) if key == "*" => {
            let fields = items.iter().enumerate().map(|(at, item)| (format!("item-{at}"), wrap_one(rest, item)));
            Value::Object(fields.collect())
        }
        _ => wrap(path, items),
    }
}

/// Records below the fields of a path.
fn wrap(path: &[String], items: &[Value]) -> Value {
    match path.split_first() {
        None => Value::Array(items.to_vec()),
        Some((key, rest)) if key == "*" => items.iter().map(|item| wrap_one(rest, item)).collect(),
        Some((key, rest)) => json!({key: wrap(rest, items)}),
    }
}

fn wrap_one(path: &[String], item: &Value) -> Value {
    match path.split_first() {
        None => item.clone(),
        Some((key, rest)) if key == "*" => json!([wrap_one(rest, item)]),
        Some((key, rest)) => json!({key: wrap_one(rest, item)}),
    }
}

/// Puts what leads to the next page where the templates look.
fn tell_next(
    body: &mut Value,
    records: &[String],
    value: &str,
    stop: &str,
    token: Option<&str>,
    number: usize,
    pages: usize,
) {
    let values = names(value, "response");
    for path in names(stop, "response").iter().filter(|path| !values.contains(path)) {
        let name = path.last().map(|name| name.to_lowercase()).unwrap_or_default();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let told = match () {
            () if has(&["more", "hasnext", "has_next"]) => json!(token.is_some()),
            () if has(&["total", "pages", "count", "last_page", "lastpage"]) => json!(pages),
            () if has(&["is_last", "islast", "done", "finish", "complete", "end", "final"]) => json!(token.is_none()),
            () if has(&["page", "offset"]) => json!(number + 1),
            () => token.map_or(Value::Null, |token| json!(token)),
        };
        put(body, path, records, told);
    }
    for path in values {
        match token {
            Some(token) => put(body, &path, records, json!(token)),
            // `'next' not in response` wants it away; everything else can do with null.
            None if stop.contains("not in") => {}
            None => put(body, &path, records, Value::Null),
        }
    }
}

/// Puts a value at a path of fields, but not into the records.
fn put(body: &mut Value, path: &[String], records: &[String], told: Value) {
    if path.is_empty()
        || (!records.is_empty() && path.starts_with(records))
        || records.starts_with(path) && !records.is_empty()
    {
        return;
    }
    let mut place = body;
    for key in path {
        if !place.is_object() {
            if !place.is_null() {
                return;
            }
            *place = json!({});
        }
        place = &mut place[key];
    }
    if place.is_null() {
        *place = told;
    }
}

/// Which page is asked for.
fn page_number(records: &Records, asked: &Asked) -> usize {
    let of_link = |text: &str| text.split_once(&format!("{PAGE}="))?.1.split('&').next()?.parse::<usize>().ok();
    if let Some(number) = asked.query.iter().find(|(name, _)| name == PAGE).and_then(|(_, value)| value.parse().ok()) {
        return number;
    }
    let Some(paginator) = &records.paginator else { return 0 };
    let Some(place) = &paginator.token else { return 0 };
    let Some(token) = asked.at(&place.inject_into, &place.name) else { return 0 };
    let page_size = paginator.page_size.unwrap_or(PAGE_SIZE).max(1);
    match &paginator.strategy {
        Strategy::Page { first } => token.parse::<i64>().map_or(9, |token| (token - first).max(0) as usize),
        Strategy::Offset => token.parse::<usize>().map_or(9, |token| token.div_ceil(page_size)),
        // Ours, a link of ours, or a value of the last record before.
        Strategy::Cursor { .. } => of_link(&token)
            .or_else(|| token.strip_prefix("page-")?.parse().ok())
            .or_else(|| Some(page_of(&token)? + 1))
            .unwrap_or(9),
    }
}

fn without_tokens(records: &Records, asked: &Asked) -> Vec<(String, String)> {
    let token =
        records.paginator.as_ref().and_then(|paginator| paginator.token.as_ref()).and_then(|place| place.name.first());
    asked.query.iter().filter(|(name, _)| name != PAGE && Some(name) != token).cloned().collect()
}

/// The same request for another page.
fn with_page(asked: &Asked, page: usize) -> String {
    let encode = |text: &str| {
        let bytes = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        });
        bytes.collect::<String>()
    };
    let pairs = asked.query.iter().filter(|(name, _)| name != PAGE);
    let pairs = pairs.map(|(name, value)| format!("{}={}&", encode(name), encode(value))).collect::<String>();
    format!("{}?{pairs}{PAGE}={page}", encode(&asked.path))
}

/// A small number for a parent or a slice, without what hangs on the time of the run.
fn partition(text: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    moments::without_now(text, moments::now(), moments::Reach::Days).hash(&mut hasher);
    (hasher.finish() % 90) as usize
}

/// The time that is asked for; a month that has passed, where nothing is said.
fn slice(records: &Records, asked: &Asked) -> (i64, i64) {
    let mut text = asked.path.clone();
    let token =
        records.paginator.as_ref().and_then(|paginator| paginator.token.as_ref()).and_then(|place| place.name.first());
    for (name, value) in asked.query.iter().filter(|(name, _)| Some(name) != token) {
        text += &format!(" {name} {value}");
    }
    match &asked.body {
        Body::Json(body) => text += &format!(" {body}"),
        Body::Form(pairs) => pairs.iter().for_each(|(name, value)| text += &format!(" {name} {value}")),
        _ => {}
    }
    match moments::span(&text) {
        Some((from, to)) if to > from => (from, to),
        Some((from, _)) => (from, from + 86_400),
        None => {
            let today = moments::now() / 86_400 * 86_400;
            (today - 40 * 86_400, today - 10 * 86_400)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_where_the_selector_looks() {
        let items = [json!({"id": 1}), json!({"id": 2})];
        let path = |path: &[&str]| path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        for (fields, body) in [
            (&[][..], json!([{"id": 1}, {"id": 2}])),
            (&["a", "b"], json!({"a": {"b": [{"id": 1}, {"id": 2}]}})),
            (&["edges", "*", "node"], json!({"edges": [{"node": {"id": 1}}, {"node": {"id": 2}}]})),
            (&["*", "node"], json!({"item-0": {"node": {"id": 1}}, "item-1": {"node": {"id": 2}}})),
        ] {
            assert_eq!(wrap_all(&path(fields), &items), body);
        }
    }
}
