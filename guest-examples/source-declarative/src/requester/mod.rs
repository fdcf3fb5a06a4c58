//! Requests: the language's HttpRequester. From the parts of the manifest to a request as the CDK would send it, and from a response to
//! what the error handler makes of it. Knows nothing of pages and records.

mod body;
mod cache;
mod call_rate;
mod prepared_request;
mod prepared_url;
mod response;
mod tries;
mod url_join;

use std::time::Duration;

use airlock_sdk::http::Timeouts;
use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::authentication::Authenticator;
use crate::error_handling::{Action, ErrorHandler};
use crate::manifest::{self, Component, FromManifest, Node, Object};
use crate::query_properties::{EXTRA_FIELD, QueryProperties};
use crate::request_options::{RequestInput, RequestOptions};
use crate::session::Session;
use crate::template::{NestedTemplate, Scope, Template, ValidTypes};

pub use cache::ResponseCache;
pub use call_rate::{HttpApiBudget, RequestMatcher};
pub use prepared_request::PreparedRequest;
pub use response::{Body, HttpResponse};

/// Some APIs need minutes for a report. The CDK waits forever.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(60),
    first_byte: Duration::from_secs(600),
    between_bytes: Duration::from_secs(600),
};

/// The language's HttpRequester.
#[derive(Debug)]
pub struct HttpRequester {
    method: &'static str,
    url: Option<Template>,
    url_base: Option<Template>,
    path: Option<Template>,
    authenticator: Authenticator,
    parameters: Option<RequestInput>,
    /// The properties that a SimpleRetriever lets it ask for, in one request or more.
    properties: Option<Box<QueryProperties>>,
    /// The parameter that names them. None where a template does.
    properties_parameter: Option<String>,
    headers: Option<RequestInput>,
    body_data: Option<RequestInput>,
    body_json: Option<NestedTemplate>,
    error_handler: ErrorHandler,
    /// Whether responses are kept for the rest of the command.
    use_cache: bool,
    timeouts: Timeouts,
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    Response(HttpResponse),
    /// The error handler says to go on as if there were nothing.
    Ignored,
    /// The error handler says to begin with the first page again.
    ResetPagination,
    /// The error handler says to ask for a smaller page. What it says beside may be empty.
    PageTooLarge(String),
    /// The error handler says to ask for a smaller interval. What it says beside may be empty.
    WindowTooLarge(String),
}

impl FromManifest for HttpRequester {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "HttpRequester" {
            return Err(component.other_kind(&["HttpRequester"], &[]));
        }
        component.skip_fields(&["use_tcp_keepalive", "name"]);
        let (url, url_base) = (component.optional("url")?, component.optional("url_base")?);
        if url.is_none() && url_base.is_none() {
            return Err(component.lacks("url_base"));
        }
        let authenticator = match component.field("authenticator") {
            Some(authenticator) => Authenticator::read(&authenticator, url.as_ref().or(url_base.as_ref()))?,
            None => Authenticator::None,
        };
        let (body_data, body_json) = read_body(&component)?;
        let Parameters { parameters, properties, properties_parameter } = read_parameters(&component)?;
        let requester = HttpRequester {
            method: component.field("http_method").map_or(Ok("GET"), |method| read_method(&method))?,
            url,
            url_base,
            path: component.optional("path")?,
            authenticator,
            parameters,
            properties,
            properties_parameter,
            headers: component.optional("request_headers")?,
            body_data,
            body_json,
            error_handler: component.optional("error_handler")?.unwrap_or_default(),
            use_cache: component.optional("use_cache")?.unwrap_or_default(),
            timeouts: read_timeouts(&component)?,
        };
        component.finish();
        Ok(requester)
    }
}

fn read_method(node: &Node<'_>) -> manifest::Result<&'static str> {
    match node.read::<String>()?.as_str() {
        "GET" => Ok("GET"),
        "POST" => Ok("POST"),
        _ => Err(node.other_word(&["GET", "POST"])),
    }
}

/// What a requester says of its parameters and of the properties that it asks for.
struct Parameters {
    parameters: Option<RequestInput>,
    properties: Option<Box<QueryProperties>>,
    properties_parameter: Option<String>,
}

fn read_parameters(component: &Component<'_>) -> manifest::Result<Parameters> {
    let field = component.field("request_parameters");
    let (fetched, own) = (component.field("fetch_properties_from_endpoint"), component.field("query_properties"));
    let entries = match &field {
        Some(field) if field.value.is_object() => field.entries()?,
        _ => Vec::new(),
    };
    let is_properties = |value: &Value| value.get("type").is_some_and(|kind| kind == "QueryProperties");
    let mut among_them = entries.iter().filter(|(_, value)| is_properties(value.value));
    let Some((name, properties)) = among_them.next() else {
        let properties = match (fetched, own) {
            (Some(endpoint), _) => Some(QueryProperties::from_endpoint(&endpoint)?.into()),
            (None, own) => own.map(|own| own.read()).transpose()?,
        };
        let parameters = field.map(|field| field.read()).transpose()?;
        return Ok(Parameters { parameters, properties, properties_parameter: None });
    };
    if let Some((_, another)) = among_them.next() {
        return Err(another.invalid("is the second QueryProperties of one requester, which may have one only"));
    }
    if let Some(endpoint) = fetched {
        return Err(
            endpoint.invalid("stands beside QueryProperties in request_parameters, and only one of them may be given")
        );
    }
    if let Some(own) = own {
        own.remark("has no effect: the QueryProperties in request_parameters are taken");
    }
    let mut others = component.node.value.get("request_parameters").cloned().unwrap_or_default();
    if let Value::Object(others) = &mut others {
        others.shift_remove(*name);
    }
    let parameters = field.as_ref().map(|field| Node { value: &others, ..field.clone() }.read()).transpose()?;
    Ok(Parameters { parameters, properties: Some(properties.read()?), properties_parameter: Some((*name).to_owned()) })
}

fn read_body(component: &Component<'_>) -> manifest::Result<(Option<RequestInput>, Option<NestedTemplate>)> {
    let is_something =
        |node: &Node<'_>| node.value != "" && node.value.as_object().is_none_or(|fields| !fields.is_empty());
    let mut data = component.field("request_body_data").filter(is_something);
    let mut json = component.field("request_body_json").filter(is_something);
    if let Some(body) = component.field("request_body") {
        let body = body.component()?;
        let value = body.field("value").ok_or_else(|| body.lacks("value"))?;
        match body.kind() {
            "RequestBodyPlainText" if !value.value.is_string() => return Err(value.not("a string")),
            "RequestBodyUrlEncodedForm" | "RequestBodyJsonObject" | "RequestBodyGraphQL"
                if !value.value.is_object() =>
            {
                return Err(value.not("an object"));
            }
            "RequestBodyGraphQL" if value.value.get("query").is_none() => {
                return Err(value.invalid("lacks the field query"));
            }
            "RequestBodyUrlEncodedForm" | "RequestBodyPlainText" => data = Some(value),
            "RequestBodyJsonObject" | "RequestBodyGraphQL" => json = Some(value),
            _ => {
                let kinds = [
                    "RequestBodyPlainText",
                    "RequestBodyUrlEncodedForm",
                    "RequestBodyJsonObject",
                    "RequestBodyGraphQL",
                ];
                return Err(body.other_kind(&kinds, &[]));
            }
        }
        body.finish();
    }
    if let (Some(_), Some(json)) = (&data, &json) {
        return Err(json.invalid("stands beside request_body_data, and only one of them may be given"));
    }
    Ok((data.map(|data| data.read()).transpose()?, json.map(|json| json.read()).transpose()?))
}

fn read_timeouts(component: &Component<'_>) -> manifest::Result<Timeouts> {
    let seconds = |name: &'static str| {
        let Some(field) = component.field(name) else { return Ok(None) };
        match field.read::<f64>().map(Duration::try_from_secs_f64)? {
            Ok(time) if !time.is_zero() => Ok(Some(time)),
            _ => Err(field.invalid("must be a number of seconds above 0")),
        }
    };
    let connect = seconds("connect_timeout_in_seconds")?.unwrap_or(TIMEOUTS.connect);
    let read = seconds("read_timeout_in_seconds")?.unwrap_or(TIMEOUTS.first_byte);
    Ok(Timeouts { connect, first_byte: read, between_bytes: read })
}

impl HttpRequester {
    /// Sends a request and gives what comes of it, after the retries that the error handler asks for.
    ///
    /// `path` takes the place of the requester's own: a whole URL, or below `url_base`. `options` are those of the paginator and the
    /// slicer; the requester's own and the authenticator's are added here. `scope` knows `stream_slice` and `next_page_token`.
    pub fn send(
        &self,
        session: &Session,
        path: Option<&str>,
        options: RequestOptions,
        scope: &Scope,
    ) -> Result<Outcome> {
        let url = self.whole_url(path, scope)?;
        let mut all = self.own_options(scope)?;
        let secret = self.authenticator.options(session)?;
        all.merge(secret.clone())?;
        all.merge(options)?;
        let mut request = PreparedRequest::new(self.method, &url, all)?;
        request.set_secrets(&secret);
        self.authenticator.sign(session, &mut request)?;
        self.send_prepared(session, request)
    }

    /// One that sends requests which need nothing more, and ignores these statuses.
    pub fn of_whole_requests(ignored: &[u64]) -> Self {
        HttpRequester {
            method: "GET",
            url: None,
            url_base: None,
            path: None,
            authenticator: Authenticator::None,
            parameters: None,
            properties: None,
            properties_parameter: None,
            headers: None,
            body_data: None,
            body_json: None,
            error_handler: ErrorHandler::ignoring(ignored),
            use_cache: false,
            timeouts: TIMEOUTS,
        }
    }

    /// The properties that it asks for, where its retriever says which of them a request has.
    pub fn properties(&self) -> Option<&QueryProperties> {
        self.properties.as_deref()
    }

    /// Whether its error handler has this action.
    pub fn has(&self, action: Action) -> bool {
        self.error_handler.has(action)
    }

    /// Refuses actions that want another request: only a retriever that reads pages one after the other can make it.
    pub fn refuse_actions_of_pages(&self, node: &Node<'_>) -> manifest::Result<()> {
        let actions =
            [(Action::ReducePageSize, "REDUCE_PAGE_SIZE"), (Action::SplitRequestWindow, "SPLIT_REQUEST_WINDOW")];
        match actions.iter().find(|(action, _)| self.has(*action)) {
            Some((_, name)) => Err(node.invalid(format!(
                "has a response filter with the action {name}, which only the requester of a SimpleRetriever may have"
            ))),
            None => Ok(()),
        }
    }

    fn whole_url(&self, path: Option<&str>, scope: &Scope) -> Result<String> {
        let scope = &scope.with_extra_fields();
        let text = |template: &Option<Template>| template.as_ref().map_or(Ok(String::new()), |url| url.text(scope));
        let base = match text(&self.url_base)? {
            none if none.is_empty() => text(&self.url)?,
            base => base,
        };
        let path = match path.filter(|path| !path.is_empty()) {
            Some(path) => path.to_owned(),
            None => text(&self.path)?.trim_start_matches('/').to_owned(),
        };
        Ok(match path.is_empty() {
            true => base,
            false if base.ends_with('/') => url_join::join(&base, &path),
            false => url_join::join(&format!("{base}/"), &path),
        })
    }

    fn own_options(&self, scope: &Scope) -> Result<RequestOptions> {
        let mut parameters = match &self.parameters {
            Some(parameters) => parameters.fields(ValidTypes::TextOrList, scope)?,
            None => Object::new(),
        };
        if let Some(name) = &self.properties_parameter {
            let properties = scope.extra_field(EXTRA_FIELD).and_then(Value::as_array).ok_or_else(|| {
                system_error(format!(
                    "The request can not be made: its parameter {name} is QueryProperties, which only the requester of a \
                     SimpleRetriever may have."
                ))
            })?;
            let properties: Vec<&str> = properties.iter().filter_map(Value::as_str).collect();
            parameters.insert(name.clone(), properties.join(",").into());
        }
        let headers = match self.headers.as_ref().map(|headers| headers.evaluate(ValidTypes::Any, scope)).transpose()? {
            Some(Value::Object(headers)) => headers,
            Some(_) => return Err(not_fields("request_headers")),
            None => Object::new(),
        };
        let body_data = self.body_data.as_ref().map(|data| data.evaluate(ValidTypes::TextOrList, scope)).transpose()?;
        let body_json = match self.body_json.as_ref().map(|json| json.evaluate(scope)).transpose()? {
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err(not_fields("request_body_json")),
            None => Object::new(),
        };
        Ok(RequestOptions { parameters, headers, body_data: body_data.filter(|data| *data != ""), body_json })
    }
}

fn not_fields(what: &str) -> airlock_sdk::Failure {
    system_error(format!("The request can not be made: its {what} is a text that is no object of names and values."))
}

#[cfg(test)]
pub mod tests;
