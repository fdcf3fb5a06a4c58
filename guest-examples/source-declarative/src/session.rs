//! What one command shares among all its streams and requests: the config, the stream that is being written to, responses that are
//! kept, tokens. Knows nothing of the manifest.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::SystemTime;

use airlock_sdk::http::Records;
use airlock_sdk::{ConfiguredCatalog, Result, Stream, StreamWriter};
use serde_json::Value;

use crate::authentication::TokenQuotas;
use crate::manifest::Object;
use crate::record::Record;
use crate::requester::{HttpApiBudget, HttpResponse, PreparedRequest, ResponseCache};
use crate::template::Scope;

/// A command, from its begin to its end.
#[derive(Debug)]
pub struct Session {
    pub config: Object,
    /// The scope that knows the config and nothing else.
    pub scope: Scope,
    /// The stream that is being read. None in `check` and `discover`.
    writer: RefCell<Option<StreamWriter>>,
    responses: RefCell<ResponseCache>,
    /// The manifest's `api_budget`.
    budget: RefCell<Option<HttpApiBudget>>,
    /// The config as authenticators have changed it. None before.
    changed_config: RefCell<Option<Object>>,
    /// The properties that the user wants of each stream. None has a stream that is not in the catalog.
    configured: RefCell<HashMap<String, Object>>,
    /// How many jobs a stream may have running at once.
    max_jobs: Cell<usize>,
    /// Tokens of sessions, by what was asked for.
    tokens: RefCell<HashMap<String, String>>,
    /// What is left of tokens' quotas, by what declares them.
    token_quotas: RefCell<HashMap<String, Rc<TokenQuotas>>>,
}

impl Session {
    pub fn new(config: Object) -> Self {
        Session {
            scope: Scope::of_config(&config),
            config,
            writer: RefCell::default(),
            responses: RefCell::default(),
            budget: RefCell::default(),
            changed_config: RefCell::default(),
            configured: RefCell::default(),
            max_jobs: Cell::new(1),
            tokens: RefCell::default(),
            token_quotas: RefCell::default(),
        }
    }

    /// Sets how many jobs a stream may have running at once.
    pub fn limit_jobs(&self, max_jobs: usize) {
        self.max_jobs.set(max_jobs.max(1));
    }

    pub fn max_jobs(&self) -> usize {
        self.max_jobs.get()
    }

    /// Sets which streams are to be read, and which of their properties the user wants.
    pub fn configure(&self, catalog: &ConfiguredCatalog) {
        let properties = |stream: &Stream| match stream.json_schema.get("properties") {
            Some(Value::Object(properties)) => properties.clone(),
            _ => Object::new(),
        };
        let streams = catalog.streams.iter().map(|configured| &configured.stream);
        self.configured.replace(streams.map(|stream| (stream.name.to_string(), properties(stream))).collect());
    }

    /// The properties that the user wants of a stream. None where nobody was asked.
    pub fn configured_properties(&self, stream: &str) -> Option<Object> {
        self.configured.borrow().get(stream).cloned()
    }

    /// Sets how many calls the API allows.
    pub fn limit_calls(&self, budget: HttpApiBudget) {
        self.budget.replace(Some(budget));
    }

    /// Waits until a call may be made, and counts it.
    pub fn acquire_call(&self, request: &PreparedRequest) -> Result<()> {
        self.budget.borrow().as_ref().map_or(Ok(()), |budget| budget.acquire(request, &self.scope))
    }

    /// Learns from a response how many calls are left.
    pub fn update_calls(&self, request: &PreparedRequest, response: &HttpResponse) -> Result<()> {
        self.budget.borrow().as_ref().map_or(Ok(()), |budget| budget.update(request, response))
    }

    /// A response that was kept.
    pub fn cached(&self, key: &str) -> Option<HttpResponse> {
        self.responses.borrow().get(key)
    }

    /// Keeps a response, if there is room.
    pub fn keep(&self, key: String, response: &HttpResponse) {
        self.responses.borrow_mut().keep(key, response);
    }

    /// The config as it is now: authenticators may have changed it.
    pub fn current_config(&self) -> Object {
        self.changed_config.borrow().as_ref().unwrap_or(&self.config).clone()
    }

    /// Changes the config, here and where the platform keeps it.
    pub fn change_config(&self, config: Object) -> Result<()> {
        airlock_sdk::config_changed(&config)?;
        self.changed_config.replace(Some(config));
        Ok(())
    }

    /// A token that was got before.
    pub fn token(&self, key: &str) -> Option<String> {
        self.tokens.borrow().get(key).cloned()
    }

    pub fn keep_token(&self, key: String, token: &str) {
        self.tokens.borrow_mut().insert(key, token.to_owned());
    }

    /// What is left of tokens' quotas, which is `new` where nobody has asked before.
    pub fn token_quotas(&self, key: String, new: impl FnOnce() -> TokenQuotas) -> Rc<TokenQuotas> {
        Rc::clone(self.token_quotas.borrow_mut().entry(key).or_insert_with(|| Rc::new(new())))
    }

    /// Sets the stream that is written to from now on.
    pub fn begin_stream(&self, writer: StreamWriter) {
        self.writer.replace(Some(writer));
    }

    /// Takes the stream's writer back, to end it.
    pub fn end_stream(&self) -> Option<StreamWriter> {
        self.writer.take()
    }

    /// Writes a record of the stream.
    pub fn write(&self, record: &Record<'_>) -> Result<()> {
        self.writer.borrow_mut().as_mut().map_or(Ok(()), |writer| record.write_to(writer))
    }

    /// Writes records of a page, as they stand there.
    pub fn write_all(&self, records: Records<'_>) -> Result<()> {
        self.writer.borrow_mut().as_mut().map_or(Ok(()), |writer| records.write_to(writer))
    }

    /// Saves the stream's state.
    pub fn checkpoint(&self, state: &Object) -> Result<()> {
        self.writer.borrow_mut().as_mut().map_or(Ok(()), |writer| writer.checkpoint(state))
    }

    /// Says that the stream waits for a quota.
    pub fn rate_limited(&self, until: Option<SystemTime>) -> Result<()> {
        self.writer.borrow_mut().as_mut().map_or(Ok(()), |writer| writer.rate_limited(until))
    }
}
