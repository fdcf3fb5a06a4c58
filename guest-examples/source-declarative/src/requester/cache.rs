//! Responses that are kept for a command, where a requester says `use_cache`: a parent stream is read once for all its children.
//! Knows nothing of why they are asked for.

use std::collections::HashMap;

use super::prepared_request::PreparedRequest;
use super::response::HttpResponse;

/// So much is kept in all. What comes when it is full is asked for each time.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Responses by what was asked for.
#[derive(Debug, Default)]
pub struct ResponseCache {
    responses: HashMap<String, HttpResponse>,
    bytes: usize,
}

impl ResponseCache {
    pub fn get(&self, key: &str) -> Option<HttpResponse> {
        self.responses.get(key).cloned()
    }

    pub fn keep(&mut self, key: String, response: &HttpResponse) {
        let headers = response.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let bytes = response.bytes().len() + headers + key.len();
        if response.status == 200 && self.bytes.saturating_add(bytes) <= MAX_BYTES {
            self.bytes += bytes;
            self.responses.insert(key, response.clone());
        }
    }
}

/// What a request is known by: its URL with the parameters in order, its headers and its body. None for what is never kept.
pub fn key(request: &PreparedRequest) -> Option<String> {
    if request.method != "GET" {
        return None;
    }
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let mut parameters: Vec<&str> = query.split('&').filter(|parameter| !parameter.is_empty()).collect();
    parameters.sort_unstable();
    let mut headers: Vec<String> =
        request.headers.iter().map(|(name, value)| format!("{}={value}", name.to_ascii_lowercase())).collect();
    headers.sort_unstable();
    let body = String::from_utf8_lossy(&request.body);
    Some([path, &parameters.join("&"), &headers.join("\n"), &body].join("\n\n"))
}
