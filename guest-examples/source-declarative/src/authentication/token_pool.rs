//! Tokens of which each has a quota of its own: the language's RateLimitedMultipleTokenAuthenticator. Knows requests by their URL and
//! headers, and nothing of what they ask for.

mod quota;

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
use crate::requester::{Body, HttpRequester, HttpResponse, Outcome, PreparedRequest};
use crate::session::Session;
use crate::template::{Template, python_text};
use quota::{Left, TokenQuota};

/// The wait until a quota is there again is told so often.
const TOLD_EVERY: f64 = 60.0;
/// Between two requests waits nobody longer who only spares the rest of a quota.
const LONGEST_DELAY: f64 = 10.0;
/// The wait for a quota is no shorter: a time that has passed must not lead to one question after the other.
const SHORTEST_WAIT: f64 = 5.0;

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
        let default = || self.quotas.iter().position(TokenQuota::is_default);
        self.quotas.iter().position(|quota| quota.is_for(request)).or_else(default).unwrap_or_else(|| {
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
        while !of_all(&quotas.tokens, left, quota).iter().all(|left| left.is_used_up()) {
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
            let of_token = match requester.send_prepared(session, request)? {
                Outcome::Response(response) if !self.status.unavailable.contains(&response.status.into()) => {
                    let body = body_of(&response)?;
                    self.quotas.iter().map(|quota| quota.read(&body)).collect::<Result<_>>()?
                }
                _ => vec![Left::untracked(); self.quotas.len()],
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

    /// Learns from a response what is left.
    pub fn learn(&self, session: &Session, request: &PreparedRequest, response: &HttpResponse) -> Result<()> {
        let quotas = self.quotas_of(session)?;
        let index = self.quota_of(&quotas, request);
        let (Some(quota), Some(token)) = (self.quotas.get(index), self.token_of(request)) else { return Ok(()) };
        let mut state = quotas.state.borrow_mut();
        if let Some(left) = state.left.as_mut().and_then(|left| left.get_mut(&token)?.get_mut(index)) {
            left.learn(&quota.told_by(response));
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
        let is_used_up = of(&token).is_some_and(Left::is_used_up);
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

fn body_of(response: &HttpResponse) -> Result<Value> {
    let not_json = || {
        let name = response.name();
        system_error(format!("{name} was answered with no JSON: it must tell what is left of quotas."))
    };
    match &response.body {
        Body::Json(page) => serde_json::from_str(page.root().text()).map_err(|_| not_json()),
        Body::Other(_) => Err(not_json()),
    }
}

fn of_all<'l>(tokens: &[String], left: &'l HashMap<String, Vec<Left>>, quota: usize) -> Vec<&'l Left> {
    tokens.iter().filter_map(|token| left.get(token)?.get(quota)).collect()
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
