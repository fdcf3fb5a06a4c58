//! How many calls an API allows: the language's HTTPAPIBudget and its policies. Knows nothing of what is asked for and of errors.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use airlock_sdk::{Result, system_error};
use regex_lite::Regex;
use url::{Url, form_urlencoded};

use super::prepared_request::PreparedRequest;
use super::response::HttpResponse;
use crate::datetime;
use crate::manifest::{self, Component, FromManifest, Node, Object};
use crate::template::{Scope, Template, python_text};

/// A window's first end, where no response has told it: as the CDK has it.
const FIRST_RESET: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// The language's HTTPAPIBudget.
#[derive(Debug)]
pub struct HttpApiBudget {
    policies: Vec<Policy>,
    reset_header: String,
    remaining_header: String,
    limit_statuses: Vec<u64>,
}

#[derive(Debug)]
struct Policy {
    matchers: Vec<RequestMatcher>,
    rate: Rate,
}

#[derive(Debug)]
enum Rate {
    Unlimited,
    Fixed { limit: u64, period: Duration, window: RefCell<Window> },
    Moving { rates: Vec<(Template, Duration)>, calls: RefCell<VecDeque<(SystemTime, u64)>> },
}

#[derive(Debug)]
struct Window {
    /// None before the first call.
    reset: Option<SystemTime>,
    calls: u64,
}

/// The language's HttpRequestRegexMatcher.
#[derive(Debug)]
pub struct RequestMatcher {
    method: Option<String>,
    url_base: Option<String>,
    url_path_pattern: Option<Regex>,
    params: Object,
    headers: Object,
    weight: Option<Template>,
}

impl FromManifest for HttpApiBudget {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "HTTPAPIBudget" {
            return Err(component.other_kind(&["HTTPAPIBudget"], &[]));
        }
        let name = |field, default: &str| Ok(component.optional(field)?.unwrap_or_else(|| default.to_owned()));
        let budget = HttpApiBudget {
            policies: component.required("policies")?,
            reset_header: name("ratelimit_reset_header", "ratelimit-reset")?,
            remaining_header: name("ratelimit_remaining_header", "ratelimit-remaining")?,
            limit_statuses: component.optional("status_codes_for_ratelimit_hit")?.unwrap_or_else(|| vec![429]),
        };
        component.finish();
        Ok(budget)
    }
}

impl FromManifest for Policy {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let rate = match component.kind() {
            "UnlimitedCallRatePolicy" => Rate::Unlimited,
            "FixedWindowCallRatePolicy" => Rate::Fixed {
                limit: component.required("call_limit")?,
                period: duration(&component, "period")?,
                window: RefCell::new(Window { reset: None, calls: 0 }),
            },
            "MovingWindowCallRatePolicy" => {
                let rates = component.field("rates").ok_or_else(|| node.invalid("lacks the field rates"))?;
                let rates = rates.elements()?.iter().map(read_rate).collect::<manifest::Result<Vec<_>>>()?;
                if rates.is_empty() {
                    return Err(node.invalid("has no rates, and must have at least one"));
                }
                Rate::Moving { rates, calls: RefCell::default() }
            }
            _ => {
                let kinds = ["FixedWindowCallRatePolicy", "MovingWindowCallRatePolicy", "UnlimitedCallRatePolicy"];
                return Err(component.other_kind(&kinds, &[]));
            }
        };
        let policy = Policy { matchers: component.required("matchers")?, rate };
        component.finish();
        Ok(policy)
    }
}

fn read_rate(node: &Node<'_>) -> manifest::Result<(Template, Duration)> {
    let component = node.component()?;
    let rate = (component.required("limit")?, duration(&component, "interval")?);
    component.finish();
    Ok(rate)
}

fn duration(component: &Component<'_>, name: &'static str) -> manifest::Result<Duration> {
    let text: String = component.required(name)?;
    let wrong = |why: &str| component.node.invalid(format!("has the {name} {text:?}: {why}"));
    let duration = datetime::Duration::parse(&text).map_err(|why| wrong(&why))?;
    Duration::try_from_secs_f64(duration.total_seconds()).map_err(|_| wrong("it is less than nothing"))
}

impl FromManifest for RequestMatcher {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let pattern = component.field("url_path_pattern").map(|pattern| {
            let text: String = pattern.read()?;
            Regex::new(&text).map_err(|error| pattern.invalid(format!("is no regular expression: {error}")))
        });
        let matcher = RequestMatcher {
            method: component.optional::<String>("method")?.map(|method| method.to_uppercase()),
            url_base: component.optional::<String>("url_base")?.map(|base| base.trim_end_matches('/').to_owned()),
            url_path_pattern: pattern.transpose()?,
            params: component.optional("params")?.unwrap_or_default(),
            headers: component.optional("headers")?.unwrap_or_default(),
            weight: component.optional("weight")?,
        };
        component.finish();
        Ok(matcher)
    }
}

impl RequestMatcher {
    pub fn matches(&self, request: &PreparedRequest) -> bool {
        let Ok(url) = Url::parse(&request.url) else { return false };
        let base = url.origin().ascii_serialization();
        let path = url.path().trim_end_matches('/');
        let has = |name: &str, value: &str| {
            form_urlencoded::parse(url.query().unwrap_or_default().as_bytes())
                .filter(|(known, _)| known == name)
                .last()
                .is_some_and(|(_, known)| known == value)
        };
        let has_header = |name: &str, value: &str| {
            request.headers.iter().any(|(known, given)| known.eq_ignore_ascii_case(name) && given == value)
        };
        self.method.as_ref().is_none_or(|method| method == request.method)
            && self.url_base.as_ref().is_none_or(|wanted| *wanted == base)
            && self.url_path_pattern.as_ref().is_none_or(|pattern| pattern.is_match(path))
            && self.params.iter().all(|(name, value)| has(name, &python_text(value)))
            && self.headers.iter().all(|(name, value)| has_header(name, &python_text(value)))
    }
}

impl HttpApiBudget {
    fn policy(&self, request: &PreparedRequest) -> Option<&Policy> {
        self.policies
            .iter()
            .find(|policy| policy.matchers.is_empty() || policy.matchers.iter().any(|matcher| matcher.matches(request)))
    }

    /// Waits until the call may be made, and counts it.
    pub fn acquire(&self, request: &PreparedRequest, scope: &Scope) -> Result<()> {
        let Some(policy) = self.policy(request) else { return Ok(()) };
        let weight = match policy.matchers.iter().find(|matcher| matcher.matches(request)) {
            Some(RequestMatcher { weight: Some(weight), .. }) => whole_number(weight, scope, "weight")?.max(1),
            _ => 1,
        };
        while let Some(wait) = policy.rate.acquire(weight, scope)? {
            log::info!("The API's budget of calls is used up: the next call is made in {wait:.1?}.");
            airlock_sdk::wait(wait.max(Duration::from_millis(1)))?;
        }
        Ok(())
    }

    /// Learns from a response how much is left.
    pub fn update(&self, request: &PreparedRequest, response: &HttpResponse) -> Result<()> {
        let Some(policy) = self.policy(request) else { return Ok(()) };
        let header = |name: &str| {
            let Some(value) = response.header(name).filter(|value| !value.is_empty()) else { return Ok(None) };
            value.trim().parse::<u64>().map(Some).map_err(|_| {
                system_error(format!(
                    "{} was answered with the header {name:?}, which is no whole number: the API's budget can not be kept.",
                    response.name()
                ))
            })
        };
        let left = match header(&self.remaining_header)? {
            None if self.limit_statuses.contains(&response.status.into()) => Some(0),
            left => left,
        };
        let reset = header(&self.reset_header)?
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        policy.rate.update(left, reset);
        Ok(())
    }
}

impl Rate {
    /// Counts a call, or says how long to wait before it.
    fn acquire(&self, weight: u64, scope: &Scope) -> Result<Option<Duration>> {
        let now = airlock_sdk::time();
        match self {
            Rate::Unlimited => Ok(None),
            Rate::Fixed { limit, period, window } => {
                if weight > *limit {
                    return Err(too_heavy(weight, *limit));
                }
                let mut window = window.borrow_mut();
                let reset = window.begin(now, *period);
                if window.calls + weight > *limit {
                    return Ok(Some(reset.duration_since(now).unwrap_or_default()));
                }
                window.calls += weight;
                Ok(None)
            }
            Rate::Moving { rates, calls } => {
                let mut calls = calls.borrow_mut();
                let longest = rates.iter().map(|(_, interval)| *interval).max().unwrap_or_default();
                let is_over = |time: SystemTime, interval| now.duration_since(time).is_ok_and(|since| since > interval);
                while calls.front().is_some_and(|(time, _)| is_over(*time, longest)) {
                    calls.pop_front();
                }
                let mut wait: Option<Duration> = None;
                for (limit, interval) in rates {
                    let limit = whole_number(limit, scope, "limit")?;
                    if weight > limit {
                        return Err(too_heavy(weight, limit));
                    }
                    let recent = || calls.iter().filter(|(time, _)| !is_over(*time, *interval));
                    let mut used = recent().map(|(_, weight)| weight).sum::<u64>();
                    let mut last = None;
                    for (time, weight_then) in recent() {
                        if used + weight <= limit {
                            break;
                        }
                        used -= weight_then;
                        last = Some(*time);
                    }
                    if let Some(time) = last {
                        let since = now.duration_since(time).unwrap_or_default();
                        let rest = interval.saturating_sub(since) + Duration::from_millis(1);
                        wait = Some(wait.map_or(rest, |wait| wait.max(rest)));
                    }
                }
                if wait.is_none() {
                    calls.push_back((now, weight));
                }
                Ok(wait)
            }
        }
    }

    fn update(&self, left: Option<u64>, reset: Option<SystemTime>) {
        let now = airlock_sdk::time();
        match self {
            Rate::Unlimited => {}
            Rate::Fixed { limit, period, window } => {
                let mut window = window.borrow_mut();
                window.begin(now, *period);
                if let Some(left) = left.filter(|left| limit.saturating_sub(window.calls) > *left) {
                    window.calls = limit.saturating_sub(left);
                }
                if reset.is_some() {
                    window.reset = reset;
                }
            }
            // As the CDK: only that nothing is left is heeded, and only where no time is told.
            Rate::Moving { rates, calls } if left == Some(0) && reset.is_none() => {
                let mut calls = calls.borrow_mut();
                let used = |interval: Duration| {
                    let recent =
                        calls.iter().filter(|(time, _)| now.duration_since(*time).unwrap_or_default() <= interval);
                    recent.map(|(_, weight)| weight).sum::<u64>()
                };
                let limits = rates.iter().filter_map(|(limit, interval)| {
                    let limit = limit.source().as_u64()?;
                    Some(limit.saturating_sub(used(*interval)))
                });
                match limits.min() {
                    Some(rest) if rest > 0 => calls.push_back((now, rest)),
                    _ => {}
                }
            }
            Rate::Moving { .. } => {}
        }
    }
}

impl Window {
    /// Begins the next window, if this one is over, and gives its end.
    fn begin(&mut self, now: SystemTime, period: Duration) -> SystemTime {
        let mut reset = self.reset.unwrap_or(now + FIRST_RESET);
        if now > reset {
            reset += period;
            self.calls = 0;
        }
        self.reset = Some(reset);
        reset
    }
}

fn whole_number(template: &Template, scope: &Scope, what: &str) -> Result<u64> {
    let value = template.evaluate(scope)?;
    value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok())
        .ok_or_else(|| system_error(format!("The {what} of the API's budget is {value}, and must be a whole number.")))
}

fn too_heavy(weight: u64, limit: u64) -> airlock_sdk::Failure {
    system_error(format!(
        "A call has the weight {weight}, which is more than the {limit} that the API's budget allows at all."
    ))
}
