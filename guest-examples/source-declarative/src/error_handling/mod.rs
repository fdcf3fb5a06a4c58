//! What a response means that is no success: the language's error handlers, response filters and back-off strategies. Knows
//! nothing of how a request is sent.

mod backoff;
mod default_mapping;
mod error_message;
mod response_filter;

use airlock_sdk::{FailureKind, Result, system_error};
use serde_json::Value;

use crate::manifest::{self, Component, FromManifest, Node};
use crate::requester::HttpResponse;
use crate::template::Template;

pub use backoff::BackoffStrategy;
pub use default_mapping::status_error;
pub use error_message::error_message;
pub use response_filter::Evidence;
use response_filter::HttpResponseFilter;

/// How often a request is sent again where nothing else is said.
const DEFAULT_MAX_RETRIES: u64 = 5;

/// What is done about a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Success,
    Fail,
    Retry,
    Ignore,
    ResetPagination,
    ReducePageSize,
    SplitRequestWindow,
    RateLimited,
    RefreshTokenThenRetry,
}

/// What is done about a response, and what is said where that is to fail: the CDK's ErrorResolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    pub action: Action,
    pub kind: FailureKind,
    /// Empty where nothing is said.
    pub message: String,
}

/// The language's error handlers.
#[derive(Debug)]
pub enum ErrorHandler {
    Default(DefaultErrorHandler),
    Composite(Vec<ErrorHandler>),
}

/// The language's DefaultErrorHandler.
#[derive(Debug, Default)]
pub struct DefaultErrorHandler {
    response_filters: Vec<HttpResponseFilter>,
    max_retries: Option<Template>,
    backoff_strategies: Vec<BackoffStrategy>,
}

impl Default for ErrorHandler {
    fn default() -> Self {
        ErrorHandler::Default(DefaultErrorHandler::default())
    }
}

impl FromManifest for ErrorHandler {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        match component.kind() {
            "DefaultErrorHandler" => DefaultErrorHandler::of(component).map(ErrorHandler::Default),
            "CompositeErrorHandler" => {
                let handlers: Vec<ErrorHandler> = component.required("error_handlers")?;
                if handlers.is_empty() {
                    return Err(node.invalid("has no error_handlers, and must have at least one"));
                }
                component.finish();
                Ok(ErrorHandler::Composite(handlers))
            }
            _ => Err(component.other_kind(&["DefaultErrorHandler", "CompositeErrorHandler"], &[])),
        }
    }
}

impl DefaultErrorHandler {
    fn of(component: Component<'_>) -> manifest::Result<Self> {
        let handler = DefaultErrorHandler {
            response_filters: component.optional("response_filters")?.unwrap_or_default(),
            max_retries: component.optional("max_retries")?,
            backoff_strategies: component.optional("backoff_strategies")?.unwrap_or_default(),
        };
        component.finish();
        Ok(handler)
    }

    fn resolution(&self, evidence: &Evidence<'_>) -> Result<Resolution> {
        for filter in &self.response_filters {
            if let Some(resolution) = filter.matches(evidence)? {
                return Ok(resolution);
            }
        }
        let response = evidence.response();
        if response.is_ok() {
            return Ok(Resolution { action: Action::Success, kind: FailureKind::SystemError, message: String::new() });
        }
        Ok(default_mapping::of_status(response.status).unwrap_or_else(|| unexpected(response)))
    }
}

impl ErrorHandler {
    /// The usual one that ignores these statuses.
    pub fn ignoring(statuses: &[u64]) -> Self {
        let filter = HttpResponseFilter::ignoring(statuses);
        ErrorHandler::Default(DefaultErrorHandler { response_filters: vec![filter], ..DefaultErrorHandler::default() })
    }

    /// What is done about a response.
    pub fn resolution(&self, evidence: &Evidence<'_>) -> Result<Resolution> {
        match self {
            ErrorHandler::Default(handler) => handler.resolution(evidence),
            ErrorHandler::Composite(handlers) => {
                let mut last = None;
                for handler in handlers {
                    let resolution = handler.resolution(evidence)?;
                    // Of these, the first counts; of failures, the last.
                    if matches!(
                        resolution.action,
                        Action::Success
                            | Action::Retry
                            | Action::Ignore
                            | Action::ResetPagination
                            | Action::ReducePageSize
                            | Action::SplitRequestWindow
                    ) {
                        return Ok(resolution);
                    }
                    last = Some(resolution);
                }
                Ok(last.unwrap_or_else(|| unexpected(evidence.response())))
            }
        }
    }

    /// Whether one of its filters has this action.
    pub fn has(&self, action: Action) -> bool {
        match self {
            ErrorHandler::Default(handler) => handler.response_filters.iter().any(|filter| filter.has(action)),
            ErrorHandler::Composite(handlers) => handlers.iter().any(|handler| handler.has(action)),
        }
    }

    /// How often a request is sent again at most.
    pub fn max_retries(&self, scope: &crate::template::Scope) -> Result<u64> {
        let template = match self {
            ErrorHandler::Default(handler) => handler.max_retries.as_ref(),
            ErrorHandler::Composite(handlers) => {
                return handlers.first().map_or(Ok(DEFAULT_MAX_RETRIES), |handler| handler.max_retries(scope));
            }
        };
        let Some(template) = template else { return Ok(DEFAULT_MAX_RETRIES) };
        let value = template.evaluate(scope)?;
        let number = match &value {
            Value::String(text) => text.trim().parse::<i64>().ok(),
            value => value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)),
        };
        match number {
            // Less than none is none.
            Some(number) => Ok(u64::try_from(number).unwrap_or(0)),
            None => {
                Err(system_error(format!("An error handler's max_retries is {value}, and must be a whole number.")))
            }
        }
    }

    /// What says how long to wait before the next try: the first that has something to say is asked.
    pub fn backoff_strategies(&self) -> Vec<&BackoffStrategy> {
        match self {
            ErrorHandler::Default(handler) => handler.backoff_strategies.iter().collect(),
            ErrorHandler::Composite(handlers) => handlers.iter().flat_map(ErrorHandler::backoff_strategies).collect(),
        }
    }
}

/// A status that nobody knows is tried again.
fn unexpected(response: &HttpResponse) -> Resolution {
    let message = match response.is_ok() {
        true => format!("Unexpected response with HTTP status {}", response.status),
        false => format!(
            "Response was not ok: `{}`. Response content is: {}",
            default_mapping::status_error(response),
            String::from_utf8_lossy(response.bytes())
        ),
    };
    Resolution { action: Action::Retry, kind: FailureKind::SystemError, message }
}

#[cfg(test)]
mod tests;
