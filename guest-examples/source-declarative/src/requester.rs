//! Requests: the language's HttpRequester. From the parts of the manifest to a request as the CDK would send it, and from a response to
//! what the error handler makes of it. Knows nothing of pages and records.

use std::rc::Rc;

use airlock_sdk::http::{Page, Response};
use airlock_sdk::{Result, config_error};

use crate::manifest::{self, FromManifest, Node};
use crate::request_options::RequestOptions;
use crate::session::Session;
use crate::template::Scope;

/// The language's HttpRequester.
#[derive(Debug)]
pub struct HttpRequester {}

impl FromManifest for HttpRequester {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Err(node.unsupported("is not supported yet"))
    }
}

/// A response that is none of the errors.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    /// In the order in which they came, names in lower case.
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
    /// The body's bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Json(page) => page.response().bytes(),
            Body::Other(response) => response.bytes(),
        }
    }

    /// What the request is called in messages.
    pub fn name(&self) -> &str {
        match &self.body {
            Body::Json(page) => page.response().name(),
            Body::Other(response) => response.name(),
        }
    }
}

impl HttpRequester {
    /// Sends a request and gives its response, after the retries that the error handler asks for. None where the error handler says to
    /// ignore the response.
    ///
    /// `path` takes the place of the requester's own: a whole URL, or below `url_base`. `options` are those of the paginator and the
    /// slicer; the requester's own and the authenticator's are added here. `scope` knows `stream_slice` and `next_page_token`.
    pub fn send(
        &self,
        _session: &Session,
        _path: Option<&str>,
        _options: RequestOptions,
        _scope: &Scope,
    ) -> Result<Option<HttpResponse>> {
        Err(config_error("requests are not there yet"))
    }
}
