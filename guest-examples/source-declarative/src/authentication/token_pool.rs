//! Tokens of which each has a quota of its own: the language's RateLimitedMultipleTokenAuthenticator. Knows requests by their URL and
//! headers, and nothing of what they ask for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use airlock_sdk::{Failure, Result, config_error, system_error, transient_error};
use serde_json::{Value, json};

use super::token_time;
use crate::datetime;
use crate::manifest::{self, Component, FromManifest, Node, Object};
use crate::request_options::RequestOptions;
use crate::requester::{Body, HttpRequester, HttpResponse, Outcome, PreparedRequest, RequestMatcher};
use crate::session::Session;
use crate::template::{Template, python_int, python_text};

/// The wait until a quota is there again is told so often.
const TOLD_EVERY: f64 = 60.0;
/// Between two requests waits nobody longer who only spares the rest of a quota.
const LONGEST_DELAY: f64 = 10.0;
/// The wait for a quota is no shorter: a time that has passed must not lead to one question after the other.
const SHORTEST_WAIT: f64 = 5.0;
/// So much earlier a response may say that a quota ends, and mean the same end.
const SAME_END: f64 = 60.0;

/// The language's RateLimitedMultipleTokenAuthenticator.
#[derive(Debug)]
pub struct TokenPool {
    tokens: Vec<Template>,
    /// What stands between tokens, where one text has them all.
    delimiter: Option<String>,
    auth_method: String,
    header: String,
    status: QuotaStatusSource,
    quotas: Vec<TokenQuota>,
    max_wait: Template,
    reserve_fraction: f64,
    min_reserve: f64,
    /// By what it is known as the same as another one.
    definition: String,
}

#[derive(Debug)]
struct QuotaStatusSource {
    url: Template,
    method: &'static str,
    headers: Vec<(String, Template)>,
    unavailable: Vec<u64>,
}

/// The language's TokenQuota.
#[derive(Debug)]
struct TokenQuota {
    name: String,
    matchers: Vec<RequestMatcher>,
    remaining_path: Vec<String>,
    reset_path: Vec<String>,
    limit_path: Vec<String>,
    remaining_header: Option<String>,
    reset_header: Option<String>,
    limit_header: Option<String>,
    exhaustion_statuses: Vec<u64>,
}

impl FromManifest for TokenPool {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let tokens = component.field("tokens").ok_or_else(|| component.lacks("tokens"))?;
        let is_list = tokens.value.is_array();
        let delimiter: Option<String> = component.optional("token_delimiter")?;
        let or = |name: &'static str, default: &str| {
            let text = component.optional::<String>(name)?.filter(|text| !text.is_empty());
            manifest::Result::Ok(text.unwrap_or_else(|| default.to_owned()))
        };
        let pool = TokenPool {
            tokens: if is_list { tokens.read()? } else { vec![tokens.read()?] },
            delimiter: (!is_list).then(|| delimiter.filter(|text| !text.is_empty()).unwrap_or_else(|| ",".to_owned())),
            auth_method: or("auth_method", "Bearer")?,
            header: or("header", "Authorization")?,
            status: component.required("quota_status_source")?,
            quotas: component.required("quotas")?,
            max_wait: component
                .field("max_wait_time")
                .filter(|field| field.value != "")
                .map_or_else(|| Ok(Template::of("PT2H")), |field| field.read())?,
            reserve_fraction: component.optional("budget_reserve_fraction")?.unwrap_or(0.1),
            #[expect(clippy::cast_precision_loss, reason = "nobody has so many calls")]
            min_reserve: component.optional::<u64>("budget_min_reserve")?.unwrap_or(50) as f64,
            definition: definition(&component),
        };
        if pool.quotas.is_empty() {
            return Err(node.invalid("has no quotas, and must have at least one"));
        }
        if pool.tokens.is_empty() {
            return Err(node.invalid("has no tokens, and must have at least one"));
        }
        component.finish();
        Ok(pool)
    }
}

/// What the manifest says of quotas, without what streams pass down to them.
fn definition(component: &Component<'_>) -> String {
    let fields = [
        "name",
        "remaining_path",
        "reset_path",
        "limit_path",
        "remaining_header",
        "reset_header",
        "limit_header",
        "exhaustion_status_codes",
    ];
    let of_matchers = ["method", "url_base", "url_path_pattern", "params", "headers", "weight"];
    let chosen = |value: &Value, names: &[&str]| names.iter().map(|name| value.get(*name).cloned()).collect::<Vec<_>>();
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let quotas: Vec<_> = list(component.node.value.get("quotas"))
        .iter()
        .map(|quota| {
            let matchers: Vec<_> =
                list(quota.get("matchers")).iter().map(|matcher| chosen(matcher, &of_matchers)).collect();
            (chosen(quota, &fields), matchers)
        })
        .collect();
    json!([
        quotas,
        chosen(component.node.value, &["auth_method", "header", "budget_reserve_fraction", "budget_min_reserve"])
    ])
    .to_string()
}

impl FromManifest for QuotaStatusSource {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let headers = component.field("request_headers");
        let source = QuotaStatusSource {
            url: component.required("url")?,
            method: match component.field("http_method") {
                None => "GET",
                Some(method) => match method.read::<String>()?.as_str() {
                    "GET" => "GET",
                    "POST" => "POST",
                    _ => return Err(method.other_word(&["GET", "POST"])),
                },
            },
            headers: match &headers {
                None => Vec::new(),
                Some(headers) => headers
                    .entries()?
                    .iter()
                    .map(|(name, value)| Ok(((*name).to_owned(), value.read()?)))
                    .collect::<manifest::Result<_>>()?,
            },
            unavailable: component.optional("unavailable_status_codes")?.unwrap_or_default(),
        };
        component.finish();
        Ok(source)
    }
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

/// The tokens of a config, and what is left of their quotas: shared by all authenticators that are the same.
#[derive(Debug)]
pub struct TokenQuotas {
    tokens: Vec<String>,
    url: String,
    headers: Object,
    max_wait: f64,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The token that requests go out with.
    active: usize,
    /// By token, in the order of the quotas. None before they were asked for.
    left: Option<HashMap<String, Vec<Left>>>,
    has_told_of_delay: bool,
    has_told_of_unmatched: bool,
    has_told_of_untracked: bool,
}

/// What is left of a quota.
#[derive(Clone, Debug, PartialEq)]
struct Left {
    remaining: i64,
    /// In seconds since 1970.
    reset_at: f64,
    limit: i64,
    /// Whether the API has a quota there at all.
    is_tracked: bool,
}

/// What is done about a request.
enum Step {
    Send { token: String, delay: Option<f64> },
    Wait(f64),
}

impl TokenPool {
    /// Puts a token into a request that has quota for it, and waits where none has.
    pub fn sign(&self, session: &Session, request: &mut PreparedRequest) -> Result<()> {
        let quotas = self.quotas_of(session)?;
        if quotas.state.borrow().left.is_none() {
            self.ask_for_quotas(&quotas, session)?;
        }
        let quota = self.quota_of(&quotas, request);
        let token = self.acquire(&quotas, quota, session)?;
        request.set_secrets(&self.header_with(&token));
        Ok(())
    }

    fn header_with(&self, token: &str) -> RequestOptions {
        let value = format!("{} {token}", self.auth_method).trim().to_owned();
        RequestOptions {
            headers: Object::from_iter([(self.header.clone(), value.into())]),
            ..RequestOptions::default()
        }
    }

    fn quotas_of(&self, session: &Session) -> Result<Rc<TokenQuotas>> {
        let scope = &session.scope;
        let mut tokens = Vec::new();
        for template in &self.tokens {
            let text = python_text(&template.evaluate(scope)?);
            match &self.delimiter {
                Some(delimiter) => tokens.extend(text.split(delimiter.as_str()).map(|token| token.trim().to_owned())),
                None => tokens.push(text.trim().to_owned()),
            }
        }
        tokens.retain(|token| !token.is_empty());
        if tokens.is_empty() {
            return Err(config_error("Authentication tokens are missing from the configuration."));
        }
        let url = self.status.url.text(scope)?;
        let header = |(name, value): &(String, Template)| Ok((name.clone(), Value::from(value.text(scope)?)));
        let headers: Object = self.status.headers.iter().map(header).collect::<Result<_>>()?;
        let max_wait = self.max_wait.text(scope)?;
        let max_wait = match datetime::Duration::parse(&max_wait) {
            Ok(duration) if !duration.has_months() => duration.total_seconds(),
            _ => {
                return Err(system_error(format!(
                    "The max_wait_time of an authenticator is {max_wait:?}, and must be a duration as PT2H, without months and years."
                )));
            }
        };
        let mut unavailable = self.status.unavailable.clone();
        unavailable.sort_unstable();
        unavailable.dedup();
        let known =
            json!([self.definition, tokens, url, self.status.method, headers, unavailable, max_wait]).to_string();
        Ok(session.token_quotas(known, || TokenQuotas { tokens, url, headers, max_wait, state: RefCell::default() }))
    }

    /// The first quota that is for such requests, or else the first that is for all.
    fn quota_of(&self, quotas: &TokenQuotas, request: &PreparedRequest) -> usize {
        let is_for = |quota: &TokenQuota| quota.matchers.iter().any(|matcher| matcher.matches(request));
        let default = || self.quotas.iter().position(|quota| quota.matchers.is_empty());
        self.quotas.iter().position(is_for).or_else(default).unwrap_or_else(|| {
            let mut state = quotas.state.borrow_mut();
            if !std::mem::replace(&mut state.has_told_of_unmatched, true) {
                log::warn!("A request is of none of the authenticator's quotas, and the first is taken for it: give one no matchers.");
            }
            0
        })
    }

    fn name_of(&self, quota: usize) -> &str {
        self.quotas.get(quota).map_or("", |quota| &quota.name)
    }

    /// Counts a call, and gives the token that it is made with.
    fn acquire(&self, quotas: &TokenQuotas, quota: usize, session: &Session) -> Result<String> {
        let mut deadline = None;
        loop {
            match self.step(quotas, quota, &mut deadline)? {
                Step::Send { token, delay } => {
                    if let Some(delay) = delay.filter(|delay| *delay >= 0.1) {
                        if !std::mem::replace(&mut quotas.state.borrow_mut().has_told_of_delay, true) {
                            log::info!(
                                "The rest of the quota {} is spared: requests are made {delay:.1} seconds apart.",
                                self.name_of(quota)
                            );
                        }
                        wait(delay)?;
                    }
                    return Ok(token);
                }
                Step::Wait(mut seconds) => {
                    while seconds > 0.0 {
                        log::info!(
                            "All tokens have used up the quota {}, which is there again in {seconds:.0} seconds.",
                            self.name_of(quota)
                        );
                        wait(seconds.min(TOLD_EVERY))?;
                        seconds -= TOLD_EVERY;
                    }
                    self.ask_for_quotas(quotas, session)?;
                }
            }
        }
    }

    /// `deadline` is until when a quota is waited for, once one is.
    fn step(&self, quotas: &TokenQuotas, quota: usize, deadline: &mut Option<f64>) -> Result<Step> {
        let mut state = quotas.state.borrow_mut();
        let State { active, left, .. } = &mut *state;
        let left = left.get_or_insert_default();
        let is_used_up = |left: &&Left| left.is_tracked && left.remaining <= 0;
        while !of_all(&quotas.tokens, left, quota).iter().all(is_used_up) {
            let token = quotas.tokens.get(*active).cloned().unwrap_or_default();
            let of_active = left.get_mut(&token).and_then(|all| all.get_mut(quota)).ok_or_else(lost)?;
            let next = (*active + 1) % quotas.tokens.len().max(1);
            if !of_active.is_tracked {
                *active = next;
                return Ok(Step::Send { token, delay: None });
            }
            if of_active.remaining > 0 {
                of_active.remaining -= 1;
                let reset_at = of_active.reset_at;
                let all = of_all(&quotas.tokens, left, quota);
                return Ok(Step::Send { token, delay: self.delay(&all, reset_at) });
            }
            *active = next;
        }
        let now = token_time::now();
        let all = of_all(&quotas.tokens, left, quota);
        let budget = *deadline.get_or_insert(now + quotas.max_wait) - now;
        let until_reset = all.iter().map(|left| left.reset_at - now).fold(f64::INFINITY, f64::min);
        if budget <= 0.0 || until_reset >= budget {
            return Err(transient_error("Rate limit is exceeded for all provided tokens.").with_internal(format!(
                "the quota {} of all tokens is used up, and the next reset is behind max_wait_time",
                self.name_of(quota)
            )));
        }
        Ok(Step::Wait(until_reset.max(SHORTEST_WAIT).min(budget)))
    }

    /// How long a request waits, so that the rest of a quota lasts until it is there again.
    #[expect(clippy::cast_precision_loss, reason = "nobody has so many calls")]
    fn delay(&self, all: &[&Left], reset_at: f64) -> Option<f64> {
        let is_low = |left: &&Left| {
            left.is_tracked && left.remaining as f64 <= self.min_reserve.max(left.limit as f64 * self.reserve_fraction)
        };
        if !all.iter().all(is_low) {
            return None;
        }
        let seconds = reset_at - token_time::now();
        let remaining: i64 = all.iter().map(|left| left.remaining.max(0)).fold(0, i64::saturating_add);
        (remaining > 0 && seconds > 0.0).then(|| (seconds / remaining as f64).min(LONGEST_DELAY))
    }

    /// Asks the API what is left of each token's quotas.
    fn ask_for_quotas(&self, quotas: &TokenQuotas, session: &Session) -> Result<()> {
        let requester = HttpRequester::of_whole_requests(&self.status.unavailable);
        let mut left = HashMap::new();
        for token in &quotas.tokens {
            let options = RequestOptions { headers: quotas.headers.clone(), ..RequestOptions::default() };
            let mut request = PreparedRequest::new(self.status.method, &quotas.url, options)?;
            request.set_secrets(&self.header_with(token));
            let of_token = match requester.send_whole(session, request)? {
                Outcome::Response(response) if !self.status.unavailable.contains(&response.status.into()) => {
                    self.read_quotas(&response)?
                }
                _ => {
                    let untracked = Left { remaining: 0, reset_at: token_time::now(), limit: 0, is_tracked: false };
                    vec![untracked; self.quotas.len()]
                }
            };
            left.insert(token.clone(), of_token);
        }
        let untracked = left.values().filter(|all| all.iter().any(|left| !left.is_tracked)).count();
        let mut state = quotas.state.borrow_mut();
        if untracked > 0 && !std::mem::replace(&mut state.has_told_of_untracked, true) {
            log::info!(
                "The API tells no quotas of {untracked} of {} tokens: they are used in turn, and nobody waits for them.",
                left.len()
            );
        }
        state.left = Some(left);
        state.has_told_of_delay = false;
        Ok(())
    }

    fn read_quotas(&self, response: &HttpResponse) -> Result<Vec<Left>> {
        let body: Value = match &response.body {
            Body::Json(page) => serde_json::from_str(page.root().text()).unwrap_or_default(),
            Body::Other(_) => {
                return Err(system_error(format!(
                    "{} was answered with no JSON: it must tell quotas.",
                    response.name()
                )));
            }
        };
        let at = |path: &[String], quota: &TokenQuota, what: &str| {
            let found = path.iter().try_fold(&body, |value, name| value.as_object()?.get(name));
            found.ok_or_else(|| {
                system_error(format!(
                    "Quota status response does not contain the configured {what} path for token quota {:?}.",
                    quota.name
                ))
            })
        };
        let wrong = |quota: &TokenQuota, what: &str| {
            system_error(format!(
                "The quota status response has a {what} for token quota {:?} that can not be read.",
                quota.name
            ))
        };
        self.quotas
            .iter()
            .map(|quota| {
                let number =
                    |path: &[String], what: &str| whole(at(path, quota, what)?).ok_or_else(|| wrong(quota, what));
                let remaining = number(&quota.remaining_path, "remaining")?;
                let reset = at(&quota.reset_path, quota, "reset")?;
                let reset_at = match reset {
                    Value::String(text) => token_time::parse(text),
                    Value::Number(number) if number.is_u64() => token_time::parse(&number.to_string()),
                    _ => None,
                };
                Ok(Left {
                    remaining,
                    reset_at: reset_at.ok_or_else(|| wrong(quota, "reset"))?,
                    limit: if quota.limit_path.is_empty() { remaining } else { number(&quota.limit_path, "limit")? },
                    is_tracked: true,
                })
            })
            .collect()
    }

    /// Learns from a response what is left.
    pub fn learn(&self, session: &Session, request: &PreparedRequest, response: &HttpResponse) -> Result<()> {
        let quotas = self.quotas_of(session)?;
        let index = self.quota_of(&quotas, request);
        let (Some(quota), Some(token)) = (self.quotas.get(index), self.token_of(request)) else { return Ok(()) };
        let is_exhausted = quota.exhaustion_statuses.contains(&response.status.into());
        let header = |name: &Option<String>| name.as_ref().and_then(|name| response.header(name));
        let number = |name: &Option<String>| header(name).and_then(|text| i64::try_from(python_int(text)?).ok());
        let remaining = number(&quota.remaining_header).or(is_exhausted.then_some(0));
        let reset_at = header(&quota.reset_header).and_then(token_time::parse);
        let limit = number(&quota.limit_header);
        let mut state = quotas.state.borrow_mut();
        let left = state.left.as_mut().and_then(|left| left.get_mut(&token)?.get_mut(index));
        if let Some(left) = left.filter(|left| left.is_tracked) {
            left.learn(remaining, reset_at, limit, is_exhausted);
        }
        Ok(())
    }

    /// Whether the token of a request is used up, and another one is not.
    pub fn has_another_token(&self, session: &Session, request: &PreparedRequest) -> Result<bool> {
        let quotas = self.quotas_of(session)?;
        let quota = self.quota_of(&quotas, request);
        let state = quotas.state.borrow();
        let (Some(left), Some(token)) = (&state.left, self.token_of(request)) else { return Ok(false) };
        let of = |token: &String| left.get(token).and_then(|all| all.get(quota));
        let is_used_up = of(&token).is_some_and(|left| left.is_tracked && left.remaining <= 0);
        let mut others = quotas.tokens.iter().filter(|other| **other != token);
        Ok(is_used_up && others.any(|other| of(other).is_some_and(|left| left.remaining > 0)))
    }

    /// The token that a request was sent with.
    fn token_of(&self, request: &PreparedRequest) -> Option<String> {
        let value = request.header(&self.header)?;
        let token = match self.auth_method.as_str() {
            "" => value,
            method => value.strip_prefix(method)?.strip_prefix(' ')?,
        };
        Some(token.trim().to_owned())
    }
}

impl Left {
    /// Takes what a response says of it. Responses come late, and some are of a quota that has ended.
    fn learn(&mut self, remaining: Option<i64>, reset_at: Option<f64>, limit: Option<i64>, is_exhausted: bool) {
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

fn of_all<'l>(tokens: &[String], left: &'l HashMap<String, Vec<Left>>, quota: usize) -> Vec<&'l Left> {
    tokens.iter().filter_map(|token| left.get(token)?.get(quota)).collect()
}

/// Python's `int`.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => i64::try_from(python_int(text)?).ok(),
        Value::Bool(value) => Some((*value).into()),
        value => value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)),
    }
}

fn wait(seconds: f64) -> Result<()> {
    let wait = Duration::try_from_secs_f64(seconds);
    airlock_sdk::wait(
        wait.map_err(|_| {
            system_error(format!("A quota is there again in {seconds} seconds, which is no time to wait."))
        })?,
    )
}

fn lost() -> Failure {
    system_error("The quotas of a token are not there: this is a defect of the connector.")
}

#[cfg(test)]
mod tests;
