//! How often a request is sent, and how long the connector waits in between: as the CDK's HttpClient does it. Knows nothing of what is
//! asked for.

use std::time::{Duration, SystemTime};

use airlock_sdk::{Failure, FailureKind, Result, system_error, transient_error};

use super::cache;
use super::prepared_request::PreparedRequest;
use super::response::HttpResponse;
use super::{HttpRequester, Outcome};
use crate::authentication::Refresh;
use crate::error_handling::{Action, Evidence, Resolution, error_message};
use crate::session::Session;

/// No request is begun again after so long.
const MAX_TIME: f64 = 600.0;

/// What a back-off strategy would say where another token takes the place of one that is used up.
const ANOTHER_TOKENS_WAIT: f64 = 0.1;

/// One of the CDK's three loops around a request, each of which begins those inside of it anew.
struct Loop {
    begun: SystemTime,
    tries: u64,
    /// The seconds that had passed when the last try began.
    elapsed: f64,
}

impl Loop {
    /// A loop at its first try.
    fn begin() -> Self {
        Loop { begun: airlock_sdk::time(), tries: 1, elapsed: 0.0 }
    }

    fn again(&mut self) {
        self.tries += 1;
        let elapsed = airlock_sdk::time().duration_since(self.begun);
        self.elapsed = elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64());
    }

    /// 1, 2, 4, 8, 16 seconds.
    fn exponential(&self) -> f64 {
        2_f64.powi(i32::try_from(self.tries.saturating_sub(1)).unwrap_or(i32::MAX))
    }
}

/// What may be done about a try that did not work.
struct Again {
    resolution: Resolution,
    /// What a back-off strategy says.
    seconds: Option<f64>,
    status: Option<u16>,
}

impl HttpRequester {
    /// Sends a request until something comes of it.
    pub fn send_prepared(&self, session: &Session, mut request: PreparedRequest) -> Result<Outcome> {
        let max_tries = self.error_handler.max_retries(&session.scope)?.saturating_add(1);
        let (mut outer, mut limited, mut own) = (Loop::begin(), Loop::begin(), Loop::begin());
        let mut refreshed = None;
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            if tries > 1 {
                // A token may have been renewed.
                request.set_secrets(&self.authenticator.options(session)?);
                self.authenticator.sign(session, &mut request)?;
            }
            let again = match self.attempt(session, &request, tries, &mut refreshed)? {
                Ok(outcome) => return Ok(outcome),
                Err(again) => again,
            };
            let rate_limited = again.resolution.action == Action::RateLimited;
            let (is_last, seconds) = match again.seconds {
                // A second more, for what is less than one.
                Some(seconds) => (own.tries >= max_tries || own.elapsed >= MAX_TIME, seconds + 1.0),
                None if rate_limited => (limited.tries >= max_tries, limited.exponential()),
                None => {
                    let seconds = outer.exponential().min(MAX_TIME - outer.elapsed);
                    (outer.tries >= max_tries || outer.elapsed >= MAX_TIME, seconds)
                }
            };
            if is_last {
                return Err(exhausted(&again));
            }
            let wait = Duration::try_from_secs_f64(seconds).map_err(|_| {
                system_error(format!(
                    "A request is to be sent again after {seconds} seconds, which is no time to wait."
                ))
            })?;
            log::info!("{} It is sent again in {seconds} seconds (try {tries}).", again.resolution.message);
            airlock_sdk::wait(wait)?;
            match again.seconds {
                Some(_) => own.again(),
                None if rate_limited => {
                    limited.again();
                    own = Loop::begin();
                }
                None => {
                    outer.again();
                    (limited, own) = (Loop::begin(), Loop::begin());
                }
            }
        }
    }

    /// Sends a request once. `refreshed` is whether its token was renewed, and None before that was tried.
    fn attempt(
        &self,
        session: &Session,
        request: &PreparedRequest,
        tries: u32,
        refreshed: &mut Option<bool>,
    ) -> Result<Result<Outcome, Again>> {
        let response = match self.answer(session, request) {
            Ok(response) => response,
            Err(failure) if failure.interruption().is_some() || failure.kind != FailureKind::TransientError => {
                return Err(failure);
            }
            Err(failure) => {
                let resolution =
                    Resolution { action: Action::Retry, kind: FailureKind::SystemError, message: failure.message };
                let seconds = self.backoff(session, None, tries)?;
                return Ok(Err(Again { resolution, seconds, status: None }));
            }
        };
        let evidence = Evidence::of(&response, &session.scope);
        let resolution = self.error_handler.resolution(&evidence)?;
        // An API may say what it was sent.
        let resolution = Resolution { message: request.without_secrets(&resolution.message), ..resolution };
        match resolution.action {
            Action::Success => {}
            Action::Ignore => {
                let default = format!("{} was answered with {}, which is ignored.", response.name(), response.status);
                log::info!("{}", Some(&resolution.message).filter(|message| !message.is_empty()).unwrap_or(&default));
            }
            Action::ResetPagination => return Ok(Ok(Outcome::ResetPagination)),
            Action::ReducePageSize => return Ok(Ok(Outcome::PageTooLarge(resolution.message))),
            Action::SplitRequestWindow => return Ok(Ok(Outcome::WindowTooLarge(resolution.message))),
            Action::Fail => return Err(failed(request, &evidence, resolution)),
            Action::Retry | Action::RateLimited | Action::RefreshTokenThenRetry => {
                match resolution.action {
                    Action::RateLimited => session.rate_limited(None)?,
                    Action::RefreshTokenThenRetry => self.refresh(session, refreshed, &response)?,
                    _ => {}
                }
                let rotates = resolution.action == Action::RateLimited
                    && self.authenticator.has_another_token(session, request)?;
                let seconds = match rotates {
                    true => Some(ANOTHER_TOKENS_WAIT),
                    false => self.backoff(session, Some(&evidence), tries)?,
                };
                let message = match resolution.message.is_empty() {
                    false => resolution.message,
                    true => format!("{} was answered with {}.", response.name(), response.status),
                };
                let resolution = Resolution { message, ..resolution };
                return Ok(Err(Again { resolution, seconds, status: Some(response.status) }));
            }
        }
        Ok(Ok(match response.is_ok() {
            true => Outcome::Response(response),
            false => Outcome::Ignored,
        }))
    }

    /// The response from the cache or from the server.
    fn answer(&self, session: &Session, request: &PreparedRequest) -> Result<HttpResponse> {
        let key = if self.use_cache { cache::key(request) } else { None };
        if let Some(response) = key.as_ref().and_then(|key| session.cached(key)) {
            return Ok(response);
        }
        session.acquire_call(request)?;
        let response = request.send(self.timeouts)?;
        session.update_calls(request, &response)?;
        self.authenticator.learn(session, request, &response)?;
        if let Some(key) = key {
            session.keep(key, &response);
        }
        Ok(response)
    }

    /// The seconds that the first back-off strategy asks for that has something to say.
    fn backoff(&self, session: &Session, evidence: Option<&Evidence<'_>>, tries: u32) -> Result<Option<f64>> {
        for strategy in self.error_handler.backoff_strategies() {
            if let Some(seconds) = strategy.seconds(evidence, tries, &session.scope)?.filter(|wait| *wait != 0.0) {
                return Ok(Some(seconds));
            }
        }
        Ok(None)
    }

    /// Renews the token of a request that was refused, once.
    fn refresh(&self, session: &Session, refreshed: &mut Option<bool>, response: &HttpResponse) -> Result<()> {
        let told = format!("{} was answered with {}", response.name(), response.status);
        match refreshed {
            Some(true) => {
                return Err(airlock_sdk::config_error("Refreshed OAuth access token is rejected by the API.")
                    .with_internal(format!("{told} again after the token was refreshed.")));
            }
            Some(false) => {
                return Err(transient_error(
                    "API rejects the current OAuth access token and the token refresh failed.",
                )
                .with_internal(format!("{told}, and the token could not be refreshed.")));
            }
            None => {}
        }
        match self.authenticator.refresh(session)? {
            Refresh::Done => *refreshed = Some(true),
            Refresh::Failed(failure) => {
                log::warn!(
                    "The token was not refreshed: {} The request is sent again with the old one.",
                    failure.message
                );
                *refreshed = Some(false);
            }
            Refresh::Impossible => log::warn!("{told}, and its authenticator has no token to refresh."),
        }
        Ok(())
    }
}

/// The failure of a response that is one.
fn failed(request: &PreparedRequest, evidence: &Evidence<'_>, resolution: Resolution) -> Failure {
    let response = evidence.response();
    let said = error_message(evidence).map_or_else(|| "None".to_owned(), |said| request.without_secrets(&said));
    let told = format!(
        "'{}' request to '{}' failed with status code '{}' and error message: '{said}'.",
        response.name().split_once(' ').map_or("", |(method, _)| method),
        response.name().split_once(' ').map_or("", |(_, url)| url),
        response.status
    );
    let message = match resolution.message.is_empty() {
        true => told.clone(),
        false => resolution.message,
    };
    Failure::new(resolution.kind, message).with_internal(told)
}

/// The failure of a request that was tried often enough.
fn exhausted(again: &Again) -> Failure {
    let Resolution { kind, message, .. } = &again.resolution;
    match again.status {
        Some(429) => transient_error("API rate limit exceeded.")
            .with_internal(format!("Rate limit retry budget exhausted. Last exception: {message}")),
        _ => Failure::new(
            *kind,
            format!("Exhausted available request attempts. Please see logs for more details. Exception: {message}"),
        ),
    }
}
