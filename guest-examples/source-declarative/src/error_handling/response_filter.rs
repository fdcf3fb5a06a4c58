//! Which responses mean something else than usual: the language's HttpResponseFilter.

use std::cell::OnceCell;

use airlock_sdk::{FailureKind, Result};
use serde_json::Value;

use super::error_message::error_message;
use super::{Action, Resolution, default_mapping};
use crate::decoders::json;
use crate::manifest::{self, FromManifest, Node, Object, is_true};
use crate::requester::{Body, HttpResponse};
use crate::template::{Condition, Scope, Template, python_text};

/// The language's HttpResponseFilter.
#[derive(Debug)]
pub struct HttpResponseFilter {
    /// Without one the filter does nothing.
    action: Option<Action>,
    kind: Option<FailureKind>,
    http_codes: Vec<u64>,
    predicate: Option<Predicate>,
    error_message: Option<Template>,
    error_message_contains: String,
}

#[derive(Debug)]
struct Predicate {
    condition: Condition,
    /// Whether it names the response's body, which is not parsed for nothing.
    of_body: bool,
}

impl FromManifest for HttpResponseFilter {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let filter = HttpResponseFilter {
            action: component.field("action").map(|action| read_action(&action)).transpose()?,
            kind: component.field("failure_type").map(|kind| read_kind(&kind)).transpose()?,
            http_codes: component.optional("http_codes")?.unwrap_or_default(),
            predicate: component
                .field("predicate")
                .filter(|predicate| predicate.value != "")
                .map(|predicate| {
                    let of_body = mentions_body(predicate.value);
                    Ok(Predicate { condition: predicate.read()?, of_body })
                })
                .transpose()?,
            error_message: component.optional("error_message")?,
            error_message_contains: component.optional("error_message_contains")?.unwrap_or_default(),
        };
        component.finish();
        Ok(filter)
    }
}

fn read_action(node: &Node<'_>) -> manifest::Result<Action> {
    Ok(match node.read::<String>()?.as_str() {
        "SUCCESS" => Action::Success,
        "FAIL" => Action::Fail,
        "RETRY" => Action::Retry,
        "IGNORE" => Action::Ignore,
        "RESET_PAGINATION" => Action::ResetPagination,
        "REDUCE_PAGE_SIZE" => Action::ReducePageSize,
        "SPLIT_REQUEST_WINDOW" => Action::SplitRequestWindow,
        "RATE_LIMITED" => Action::RateLimited,
        "REFRESH_TOKEN_THEN_RETRY" => Action::RefreshTokenThenRetry,
        _ => {
            return Err(node.other_word(&[
                "SUCCESS",
                "FAIL",
                "RETRY",
                "IGNORE",
                "RESET_PAGINATION",
                "REDUCE_PAGE_SIZE",
                "SPLIT_REQUEST_WINDOW",
                "RATE_LIMITED",
                "REFRESH_TOKEN_THEN_RETRY",
            ]));
        }
    })
}

fn read_kind(node: &Node<'_>) -> manifest::Result<FailureKind> {
    Ok(match node.read::<String>()?.as_str() {
        "system_error" => FailureKind::SystemError,
        "config_error" => FailureKind::ConfigError,
        "transient_error" => FailureKind::TransientError,
        _ => return Err(node.other_word(&["system_error", "config_error", "transient_error"])),
    })
}

fn mentions_body(template: &Value) -> bool {
    template.as_str().is_some_and(|text| text.contains("response"))
}

impl HttpResponseFilter {
    /// One for these statuses, which it ignores.
    pub fn ignoring(statuses: &[u64]) -> Self {
        HttpResponseFilter {
            action: Some(Action::Ignore),
            kind: None,
            http_codes: statuses.to_vec(),
            predicate: None,
            error_message: None,
            error_message_contains: String::new(),
        }
    }

    pub fn has(&self, action: Action) -> bool {
        self.action == Some(action)
    }

    /// What is done about the response. None where the filter is not about it.
    pub fn matches(&self, evidence: &Evidence<'_>) -> Result<Option<Resolution>> {
        let Some(action) = self.action else { return Ok(None) };
        let status = evidence.response.status;
        let matches = self.http_codes.contains(&status.into())
            || self.predicate_holds(evidence)?
            || self.contains_message(evidence);
        if !matches {
            return Ok(None);
        }
        let default = default_mapping::of_status(status);
        let own = match &self.error_message {
            Some(template) => template.evaluate(&evidence.scope(mentions_body(template.source())))?,
            None => Value::Null,
        };
        let message = match (is_true(&own), &default) {
            (true, _) => python_text(&own),
            (false, Some(default)) => default.message.clone(),
            (false, None) => String::new(),
        };
        let kind = match (self.kind, default) {
            (Some(kind), _) if action == Action::Fail => kind,
            (_, Some(default)) => default.kind,
            (_, None) => FailureKind::SystemError,
        };
        Ok(Some(Resolution { action, kind, message }))
    }

    fn predicate_holds(&self, evidence: &Evidence<'_>) -> Result<bool> {
        match &self.predicate {
            Some(predicate) => predicate.condition.holds(&evidence.scope(predicate.of_body)),
            None => Ok(false),
        }
    }

    fn contains_message(&self, evidence: &Evidence<'_>) -> bool {
        let wanted = &self.error_message_contains;
        !wanted.is_empty() && error_message(evidence).is_some_and(|message| message.contains(wanted.as_str()))
    }
}

/// A response as it is looked at for errors: its JSON is parsed once, and only if someone asks.
#[derive(Debug)]
pub struct Evidence<'r> {
    response: &'r HttpResponse,
    /// The scope of the config.
    config: &'r Scope,
    json: OnceCell<Option<Value>>,
}

impl<'r> Evidence<'r> {
    pub fn of(response: &'r HttpResponse, config: &'r Scope) -> Self {
        Evidence { response, config, json: OnceCell::new() }
    }

    pub fn response(&self) -> &'r HttpResponse {
        self.response
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Option<&Value> {
        let parsed = || match &self.response.body {
            Body::Json(page) => serde_json::from_str(page.root().text()).ok(),
            Body::Other(response) => json::parse(response.bytes()),
        };
        self.json.get_or_init(parsed).as_ref()
    }

    /// The scope that knows `config`, `headers`, `request_url` and, if it is wanted, `response`.
    pub fn scope(&self, with_body: bool) -> Scope {
        let url = match self.response.url() {
            Some(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            None => String::new(),
        };
        let headers = self.response.headers_object();
        let scope = self.config.with_headers("headers", headers).with_json("request_url", &url.into());
        match self.json() {
            Some(json) if with_body => scope.with_json("response", json),
            _ => scope.with_json("response", &Object::new().into()),
        }
    }
}
