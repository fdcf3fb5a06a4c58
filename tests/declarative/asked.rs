//! A request as two programs can be compared by it: decoded, in one order, without what every client says in its own way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::told::in_order;
use crate::harness::server::Request;

/// A request, decoded.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub enum Body {
    None,
    Json(Value),
    Form(Vec<(String, String)>),
    Other(String),
}

/// What clients say of themselves and of the connection.
const OWN: [&str; 7] =
    ["host", "user-agent", "accept-encoding", "connection", "content-length", "transfer-encoding", "cookie"];

impl Asked {
    pub fn of(request: &Request) -> Asked {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            let is_usual = name == "accept" && value == "*/*";
            if !OWN.contains(&name.as_str()) && !is_usual {
                headers.insert(name, without_times(value));
            }
        }
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let kind = request.header("content-type").unwrap_or_default();
        let body = match serde_json::from_str(&text) {
            _ if text.is_empty() => Body::None,
            _ if kind.contains("form") => Body::Form(pairs(&text)),
            Ok(value) => Body::Json(value),
            Err(_) => Body::Other(text),
        };
        Asked { method: request.method.clone(), path: decode(path, false), query: pairs(query), headers, body }
    }

    /// A value of the query or the body.
    pub fn has(&self, name: &str) -> Option<String> {
        let of = |pairs: &[(String, String)]| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        of(&self.query).or_else(|| match &self.body {
            Body::Form(pairs) => of(pairs),
            Body::Json(value) => scalar(&value[name]),
            _ => None,
        })
    }

    /// What stands at a place that a manifest names.
    pub fn at(&self, inject_into: &str, name: &[String]) -> Option<String> {
        match (inject_into, &self.body) {
            ("header", _) => self.headers.get(&name.first()?.to_ascii_lowercase()).cloned(),
            ("body_json", Body::Json(value)) => scalar(name.iter().try_fold(value, |value, key| value.get(key))?),
            ("body_data", Body::Form(pairs)) => {
                pairs.iter().find(|(key, _)| Some(key) == name.first()).map(|(_, value)| value.clone())
            }
            ("request_parameter", _) => {
                self.query.iter().find(|(key, _)| Some(key) == name.first()).map(|(_, value)| value.clone())
            }
            _ => None,
        }
    }

    /// All of it in a line of JSON.
    pub fn to_value(&self) -> Value {
        let sorted = |pairs: &[(String, String)]| {
            let mut pairs: Vec<Value> = pairs.iter().map(|(name, value)| json!(format!("{name}={value}"))).collect();
            pairs.sort_by_key(Value::to_string);
            Value::Array(pairs)
        };
        let mut value = json!({"request": format!("{} {}", self.method, self.path)});
        if !self.query.is_empty() {
            value["query"] = sorted(&self.query);
        }
        if !self.headers.is_empty() {
            value["headers"] = json!(self.headers);
        }
        match &self.body {
            Body::None => {}
            Body::Json(body) => value["json"] = body.clone(),
            Body::Form(pairs) => value["form"] = sorted(pairs),
            Body::Other(text) => value["text"] = json!(text),
        }
        value
    }
}

/// A token of JSON (JWT) by what it says, but for when it was made: neither that nor its signature comes twice.
fn without_times(value: &str) -> String {
    let Some((before, token)) = value.split_once("eyJ") else { return value.to_owned() };
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, _signature] = parts[..] else { return value.to_owned() };
    let decoded = |text: &str| {
        let mut bits = 0_u32;
        let mut bytes = Vec::new();
        for (at, letter) in text.bytes().enumerate() {
            let worth = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'-' => 62,
                _ => 63,
            };
            bits = bits << 6 | u32::from(worth);
            if at % 4 > 0 {
                bytes.push((bits >> (6 - 2 * (at % 4))) as u8);
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    // In the order of the names, whichever order JSON has in the build.
    let mut payload: BTreeMap<String, Value> = serde_json::from_str(&decoded(payload)).unwrap_or_default();
    let moment = |payload: &BTreeMap<String, Value>, name: &str| payload.get(name).and_then(Value::as_i64);
    let made = moment(&payload, "iat");
    for name in ["iat", "exp", "nbf"] {
        if let (Some(made), Some(moment)) = (made, moment(&payload, name)) {
            payload.insert(name.to_owned(), json!(moment - made));
        }
    }
    let payload = serde_json::to_string(&payload).expect("it was JSON");
    format!("{before}{} {payload}", decoded(&format!("eyJ{header}")))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(in_order(other)),
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// Percent-encoding taken out.
fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        rest = match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                &after[2..]
            }
            (b'+', _) if plus_is_space => {
                bytes.push(b' ');
                after
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_without_its_times() {
        // {"alg":"HS256"} and {"iss":"me","iat":100,"exp":160}
        let token = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtZSIsImlhdCI6MTAwLCJleHAiOjE2MH0.x";
        assert_eq!(without_times(token), r#"Bearer {"alg":"HS256"} {"exp":60,"iat":0,"iss":"me"}"#);
    }

    #[test]
    fn a_request_is_decoded() {
        let request = Request {
            method: "POST".into(),
            target: "/a%20b?x=1%2B2&y=a+b".into(),
            headers: vec![("Content-Type".into(), "application/json".into()), ("User-Agent".into(), "me".into())],
            body_bytes: 0,
            body: br#"{"page":{"after":3}}"#.to_vec(),
        };
        let asked = Asked::of(&request);
        assert_eq!(asked.path, "/a b");
        assert_eq!(asked.has("x").as_deref(), Some("1+2"));
        assert_eq!(asked.at("body_json", &["page".into(), "after".into()]).as_deref(), Some("3"));
        assert_eq!(asked.to_value()["query"], json!(["x=1+2", "y=a b"]));
        assert_eq!(asked.to_value()["headers"], json!({"content-type": "application/json"}));
    }
}
