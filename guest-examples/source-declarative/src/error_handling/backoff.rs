//! How long to wait before a request is sent again: the language's back-off strategies.

use std::time::SystemTime;

use airlock_sdk::{Result, system_error, transient_error};
use regex_lite::Regex;
use serde_json::Value;

use super::response_filter::Evidence;
use crate::manifest::{self, FromManifest, Node};
use crate::template::{Scope, Template};

/// The language's back-off strategies.
#[derive(Debug)]
pub enum BackoffStrategy {
    Constant { seconds: Template, jitter: Option<f64> },
    Exponential { factor: Option<Template>, jitter: Option<f64> },
    WaitTimeFromHeader(Header),
    WaitUntilTimeFromHeader { header: Header, min_wait: Option<Template> },
    WaitTimeFromResponse { seconds: Template, max_wait: Option<Template> },
}

/// A number in a header of the response.
#[derive(Debug)]
pub struct Header {
    name: Template,
    regex: Option<Template>,
    /// `max_waiting_time_in_seconds`.
    max_wait: Option<Template>,
}

const SUPPORTED: [&str; 5] = [
    "ConstantBackoffStrategy",
    "ExponentialBackoffStrategy",
    "WaitTimeFromHeader",
    "WaitUntilTimeFromHeader",
    "WaitTimeFromResponse",
];

/// The factor of an ExponentialBackoffStrategy.
const DEFAULT_FACTOR: f64 = 5.0;

impl FromManifest for BackoffStrategy {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let header = || {
            Ok(Header {
                name: component.required("header")?,
                regex: component.optional("regex")?,
                max_wait: component.optional("max_waiting_time_in_seconds")?,
            })
        };
        let strategy = match component.kind() {
            "ConstantBackoffStrategy" => BackoffStrategy::Constant {
                seconds: component.required("backoff_time_in_seconds")?,
                jitter: component.optional("jitter_range_in_seconds")?,
            },
            "ExponentialBackoffStrategy" => BackoffStrategy::Exponential {
                factor: component.optional("factor")?,
                jitter: component.optional("jitter_range_in_seconds")?,
            },
            "WaitTimeFromHeader" => BackoffStrategy::WaitTimeFromHeader(header()?),
            "WaitUntilTimeFromHeader" => BackoffStrategy::WaitUntilTimeFromHeader {
                header: header()?,
                min_wait: component.optional("min_wait")?,
            },
            "WaitTimeFromResponse" => BackoffStrategy::WaitTimeFromResponse {
                seconds: component.required("wait_time_in_seconds")?,
                max_wait: component.optional("max_waiting_time_in_seconds")?,
            },
            _ => return Err(component.other_kind(&SUPPORTED, &[])),
        };
        component.finish();
        Ok(strategy)
    }
}

impl BackoffStrategy {
    /// The seconds to wait before the next try, after so many. None or zero where it has nothing to say; without a response there was
    /// no connection.
    pub fn seconds(&self, response: Option<&Evidence<'_>>, tries: u32, scope: &Scope) -> Result<Option<f64>> {
        match self {
            BackoffStrategy::Constant { seconds, jitter } => {
                Ok(Some(jittered(number(seconds, scope, "backoff_time_in_seconds")?, *jitter)))
            }
            BackoffStrategy::Exponential { factor, jitter } => {
                let factor = match factor {
                    Some(factor) => number(factor, scope, "factor")?,
                    None => DEFAULT_FACTOR,
                };
                let tries = i32::try_from(tries).unwrap_or(i32::MAX);
                Ok(Some(jittered(factor * 2_f64.powi(tries), *jitter)))
            }
            BackoffStrategy::WaitTimeFromHeader(header) => {
                let Some(response) = response else { return Ok(None) };
                let Some(seconds) = header.number(response, scope)? else { return Ok(None) };
                if seconds != 0.0 {
                    refuse_too_long(seconds, header.max_wait.as_ref(), scope)?;
                }
                Ok(Some(seconds))
            }
            BackoffStrategy::WaitUntilTimeFromHeader { header, min_wait } => {
                let until = response.map(|response| header.number(response, scope)).transpose()?.flatten();
                let min_wait = match min_wait {
                    Some(template) => Some(number(template, scope, "min_wait")?).filter(|wait| *wait != 0.0),
                    None => None,
                };
                let wait = match until.filter(|until| *until != 0.0).map(|until| until - seconds_since_1970()) {
                    Some(wait) if min_wait.is_some() => wait.max(min_wait.unwrap_or_default()),
                    Some(wait) if wait < 0.0 => return Ok(None),
                    Some(wait) => wait,
                    None => match min_wait {
                        Some(wait) => wait,
                        None => return Ok(None),
                    },
                };
                refuse_too_long(wait, header.max_wait.as_ref(), scope)?;
                Ok(Some(wait))
            }
            BackoffStrategy::WaitTimeFromResponse { seconds, max_wait } => {
                let evaluated = match response {
                    Some(response) => seconds.evaluate(&response.scope(true)),
                    None => seconds.evaluate(
                        &scope
                            .with_json("response", &Value::Object(serde_json::Map::new()))
                            .with_json("headers", &Value::Object(serde_json::Map::new())),
                    ),
                };
                // The expression is of one kind of response, and is asked of every one.
                let Ok(Some(wait)) = evaluated.map(|value| as_number(&value)) else { return Ok(None) };
                if !wait.is_finite() || wait < 0.0 {
                    return Ok(None);
                }
                if wait != 0.0 {
                    refuse_too_long(wait, max_wait.as_ref(), scope)?;
                }
                Ok(Some(wait))
            }
        }
    }
}

impl Header {
    fn number(&self, response: &Evidence<'_>, scope: &Scope) -> Result<Option<f64>> {
        let name = self.name.text(scope)?;
        let Some(value) = response.response().header(&name) else { return Ok(None) };
        let regex = match &self.regex {
            Some(regex) => regex.text(scope)?,
            None => String::new(),
        };
        if regex.is_empty() {
            return Ok(python_float(value));
        }
        // It begins where the value does, as Python's `match`.
        let regex = Regex::new(&format!("^(?:{regex})")).map_err(|error| {
            system_error(format!("The regex {regex:?} of a back-off strategy can not be used: {error}."))
        })?;
        Ok(python_float(regex.find(value).map_or(value, |found| found.as_str())))
    }
}

fn jittered(seconds: f64, jitter: Option<f64>) -> f64 {
    seconds + jitter.map_or(0.0, |jitter| fastrand::f64() * jitter * 2.0)
}

fn refuse_too_long(seconds: f64, max_wait: Option<&Template>, scope: &Scope) -> Result<()> {
    let Some(max_wait) = max_wait else { return Ok(()) };
    let most = number(max_wait, scope, "max_waiting_time_in_seconds")?;
    if seconds < most {
        return Ok(());
    }
    Err(transient_error("The rate limit wait time is longer than the connector is allowed to wait.").with_internal(format!(
        "Rate limit wait time {seconds}s is greater than or equal to the maximum of {most}s this stream is allowed to wait."
    )))
}

fn number(template: &Template, scope: &Scope, what: &str) -> Result<f64> {
    let value = template.evaluate(scope)?;
    as_number(&value).filter(|number| number.is_finite()).ok_or_else(|| {
        system_error(format!("The {what} of a back-off strategy is {value}, and must be a number of seconds."))
    })
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => python_float(text),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        value => value.as_f64(),
    }
}

/// As Python's `float` reads a text.
fn python_float(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn seconds_since_1970() -> f64 {
    let since = airlock_sdk::time().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
