//! What a server has answered, as the rest of the connector looks at it. Knows nothing of requests.

use std::rc::Rc;

use airlock_sdk::http::{Page, Response};

use crate::manifest::Object;

/// A response that is none of the errors.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    /// In the order in which they came, names in lower case. The values of one name are one, with commas between.
    pub headers: Rc<Vec<(String, String)>>,
    pub body: Body,
}

/// A body, which is looked at as JSON once.
#[derive(Clone, Debug)]
pub enum Body {
    Json(Rc<Page>),
    /// What is no JSON.
    Other(Rc<Response>),
}

impl HttpResponse {
    pub fn of(response: Response) -> Self {
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in response.all_headers() {
            match headers.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.push_str(&format!(", {value}")),
                None => headers.push((name.to_owned(), value.to_owned())),
            }
        }
        HttpResponse { status: response.status(), headers: Rc::new(headers), body: Body::of(response) }
    }

    /// The body's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.response().bytes()
    }

    /// What the request is called in messages.
    pub fn name(&self) -> &str {
        self.response().name()
    }

    /// Where it came from, after redirects.
    pub fn url(&self) -> Option<url::Url> {
        Some(self.response().url().clone())
    }

    /// Whether it is what Python's `requests` takes for true: no error.
    pub fn is_ok(&self) -> bool {
        self.status < 400
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The headers as JSON.
    pub fn headers_object(&self) -> Object {
        self.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
    }

    fn response(&self) -> &Response {
        match &self.body {
            Body::Json(page) => page.response(),
            Body::Other(response) => response,
        }
    }
}

impl Body {
    fn of(response: Response) -> Self {
        match Page::of(response) {
            Ok(page) => Body::Json(Rc::new(page)),
            Err(response) => Body::Other(Rc::new(response)),
        }
    }
}
