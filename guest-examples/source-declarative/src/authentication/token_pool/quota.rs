//! A quota of a token, what is left of it, and how responses tell that. Knows nothing of which token a request has.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::super::token_time;
use crate::manifest::{self, FromManifest, Node};
use crate::requester::{HttpResponse, PreparedRequest, RequestMatcher};
use crate::template::python_int;

/// So much earlier a response may say that a quota ends, and mean the same end.
const SAME_END: f64 = 60.0;

/// The language's TokenQuota.
#[derive(Debug)]
pub struct TokenQuota {
    pub name: String,
    matchers: Vec<RequestMatcher>,
    remaining_path: Vec<String>,
    reset_path: Vec<String>,
    limit_path: Vec<String>,
    remaining_header: Option<String>,
    reset_header: Option<String>,
    limit_header: Option<String>,
    exhaustion_statuses: Vec<u64>,
}

/// What is left of a quota.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    pub remaining: i64,
    /// In seconds since 1970.
    pub reset_at: f64,
    pub limit: i64,
    /// Whether the API has a quota there at all.
    pub is_tracked: bool,
}

/// What a response tells of a quota.
#[derive(Debug)]
pub struct Told {
    remaining: Option<i64>,
    reset_at: Option<f64>,
    limit: Option<i64>,
    /// It was refused because nothing is left.
    is_exhausted: bool,
}

impl FromManifest for TokenQuota {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let quota = TokenQuota {
            name: component.required("name")?,
            matchers: component.optional("matchers")?.unwrap_or_default(),
            remaining_path: component.required("remaining_path")?,
            reset_path: component.required("reset_path")?,
            limit_path: component.optional("limit_path")?.unwrap_or_default(),
            remaining_header: component.optional("remaining_header")?,
            reset_header: component.optional("reset_header")?,
            limit_header: component.optional("limit_header")?,
            exhaustion_statuses: component.optional("exhaustion_status_codes")?.unwrap_or_default(),
        };
        component.finish();
        Ok(quota)
    }
}

impl TokenQuota {
    /// Whether it is the quota of requests that no other is for.
    pub fn is_default(&self) -> bool {
        self.matchers.is_empty()
    }

    pub fn is_for(&self, request: &PreparedRequest) -> bool {
        self.matchers.iter().any(|matcher| matcher.matches(request))
    }

    /// What the API says is left, when it is asked for that.
    pub fn read(&self, body: &Value) -> Result<Left> {
        let at = |path: &[String], what: &str| {
            let found = path.iter().try_fold(body, |value, name| value.as_object()?.get(name));
            found.ok_or_else(|| {
                system_error(format!(
                    "Quota status response does not contain the configured {what} path for token quota {:?}.",
                    self.name
                ))
            })
        };
        let wrong = |what: &str| {
            system_error(format!(
                "The quota status response has a {what} for token quota {:?} that can not be read.",
                self.name
            ))
        };
        let number = |path: &[String], what: &str| whole(at(path, what)?).ok_or_else(|| wrong(what));
        let remaining = number(&self.remaining_path, "remaining")?;
        let reset_at = match at(&self.reset_path, "reset")? {
            Value::String(text) => token_time::parse(text),
            Value::Number(number) if number.is_u64() => token_time::parse(&number.to_string()),
            _ => None,
        };
        Ok(Left {
            remaining,
            reset_at: reset_at.ok_or_else(|| wrong("reset"))?,
            limit: if self.limit_path.is_empty() { remaining } else { number(&self.limit_path, "limit")? },
            is_tracked: true,
        })
    }

    /// What any response says of it.
    pub fn told_by(&self, response: &HttpResponse) -> Told {
        let is_exhausted = self.exhaustion_statuses.contains(&response.status.into());
        let header = |name: &Option<String>| name.as_ref().and_then(|name| response.header(name));
        let number = |name: &Option<String>| header(name).and_then(|text| i64::try_from(python_int(text)?).ok());
        Told {
            remaining: number(&self.remaining_header).or(is_exhausted.then_some(0)),
            reset_at: header(&self.reset_header).and_then(token_time::parse),
            limit: number(&self.limit_header),
            is_exhausted,
        }
    }
}

impl Left {
    /// Where the API has no quotas.
    pub fn untracked() -> Self {
        Left { remaining: 0, reset_at: token_time::now(), limit: 0, is_tracked: false }
    }

    pub fn is_used_up(&self) -> bool {
        self.is_tracked && self.remaining <= 0
    }

    /// Takes what a response says of it. Responses come late, and some are of a quota that has ended.
    pub fn learn(&mut self, told: &Told) {
        let Told { remaining, reset_at, limit, is_exhausted } = *told;
        if !self.is_tracked {
            return;
        }
        if let Some(limit) =
            limit.filter(|limit| *limit > 0 && reset_at.is_none_or(|reset_at| reset_at >= self.reset_at))
        {
            self.limit = limit;
        }
        if let Some(reset_at) = reset_at.filter(|reset_at| *reset_at > self.reset_at) {
            // The next one has begun.
            self.reset_at = reset_at;
            self.remaining = remaining.unwrap_or(self.limit);
            return;
        }
        if let Some(remaining) = remaining {
            let is_this = reset_at.is_none_or(|reset_at| reset_at >= self.reset_at - SAME_END);
            if is_this || (remaining <= 0 && is_exhausted) {
                self.remaining = self.remaining.min(remaining);
            }
        }
    }
}

/// Python's `int`.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => i64::try_from(python_int(text)?).ok(),
        Value::Bool(value) => Some((*value).into()),
        value => value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use airlock_sdk::testing::{Host, HttpResponse as Answer};
    use serde_json::json;

    use super::*;
    use crate::manifest::Remarks;
    use crate::request_options::RequestOptions;
    use crate::requester::TIMEOUTS;

    /// What update_from_response makes of 5 calls of 10 that are left until 1000.
    #[test]
    fn a_response_says_what_is_left() {
        let declared = json!({
            "type": "TokenQuota", "name": "all", "remaining_path": ["left"], "reset_path": ["reset"], "remaining_header": "X-Left",
            "reset_header": "X-Reset", "limit_header": "X-Limit", "exhaustion_status_codes": [429],
        });
        let quota: TokenQuota = Node::root(&declared, &Remarks::default()).read().unwrap();
        for (status, headers, (remaining, reset_at, limit)) in [
            (200, json!({}), (5, 1000.0, 10)),
            (200, json!({"X-Left": "3"}), (3, 1000.0, 10)),
            (200, json!({"X-Left": "7"}), (5, 1000.0, 10)),
            (429, json!({}), (0, 1000.0, 10)),
            (429, json!({"X-Left": "2"}), (2, 1000.0, 10)),
            (200, json!({"X-Reset": "2000"}), (10, 2000.0, 10)),
            (200, json!({"X-Reset": "2000", "X-Left": "8"}), (8, 2000.0, 10)),
            (200, json!({"X-Reset": "2000", "X-Limit": "20"}), (20, 2000.0, 20)),
            (200, json!({"X-Limit": "20"}), (5, 1000.0, 20)),
            (200, json!({"X-Limit": "20", "X-Reset": "900"}), (5, 1000.0, 10)),
            (200, json!({"X-Limit": "0"}), (5, 1000.0, 10)),
            (200, json!({"X-Left": "2", "X-Reset": "950"}), (2, 1000.0, 10)),
            (200, json!({"X-Left": "2", "X-Reset": "939"}), (5, 1000.0, 10)),
            (200, json!({"X-Left": "0", "X-Reset": "900"}), (5, 1000.0, 10)),
            (429, json!({"X-Left": "0", "X-Reset": "900"}), (0, 1000.0, 10)),
            (429, json!({"X-Left": "1", "X-Reset": "900"}), (5, 1000.0, 10)),
            (200, json!({"X-Left": "x", "X-Reset": "soon"}), (5, 1000.0, 10)),
            (200, json!({"X-Reset": "1970-01-01T01:00:00Z"}), (10, 3600.0, 10)),
            (200, json!({"X-Left": " 4 "}), (4, 1000.0, 10)),
        ] {
            let answer = headers
                .as_object()
                .unwrap()
                .iter()
                .fold(Answer::new(status), |answer, (name, value)| answer.header(name, value.as_str().unwrap()));
            let found = RefCell::new(Left { remaining: 5, reset_at: 1000.0, limit: 10, is_tracked: true });
            Host::new().answering(move |_| answer.clone()).run(|| {
                let request = PreparedRequest::new("GET", "https://api.example/x", RequestOptions::default())?;
                let response = request.send(TIMEOUTS)?;
                found.borrow_mut().learn(&quota.told_by(&response));
                Ok(())
            });
            assert_eq!(found.into_inner(), Left { remaining, reset_at, limit, is_tracked: true }, "{status} {headers}");
        }
    }
}
