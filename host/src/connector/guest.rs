//! What the host keeps for a running guest: its WASI context, its resources, and how far its command has come.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::bindings::types;
use crate::protocol::catalog::ConfiguredCatalog;
use crate::protocol::input::Input;
use crate::protocol::output::Output;
use crate::sandbox::{GuestMemory, HttpState, Network, NetworkView};

/// How many resources a guest may have at once: files, streams, checkpoints. Many checkpoints may be committed at once.
pub const MAX_RESOURCES: usize = 1_000_000;

/// The data of a store.
pub struct Guest {
    pub(super) wasi: WasiCtx,
    pub(super) http: HttpState,
    pub(super) network: Arc<Network>,
    pub(super) table: ResourceTable,
    pub(super) memory: GuestMemory,
    pub(super) output: Output,
    pub(super) session: Session,
}

/// What the guest may move at the moment.
pub enum Session {
    /// Nothing: it answers `spec`, `check` or `discover`.
    Idle,
    /// It reads.
    Read(ReadSession),
    /// It writes.
    Write(Input),
}

/// The config of a `read`, which a guest may renew: instances that start later get the new one.
pub struct CurrentConfig(Mutex<Arc<str>>);

impl CurrentConfig {
    /// As the user gave it.
    pub fn new(text: &str) -> CurrentConfig {
        CurrentConfig(Mutex::new(text.into()))
    }

    /// As it is now.
    pub fn text(&self) -> Arc<str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts `text` in its place if it `is_passed_on`. Those of several guests come one after the other, so that the last one that
    /// left the process is the one that is kept.
    pub(super) fn renew<E>(&self, text: &str, is_passed_on: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        is_passed_on()?;
        *current = text.into();
        Ok(())
    }
}

/// How far a `read` has come.
pub struct ReadSession {
    pub(super) config: Arc<CurrentConfig>,
    pub(super) catalog: Arc<ConfiguredCatalog>,
    /// Of each stream of the catalog.
    pub(super) streams: Vec<Progress>,
    /// Whether the guest declares that its streams are independent: then each has a state of its own.
    pub(super) independent_streams: bool,
    pub(super) state_form: Option<StateForm>,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The guest has not opened it.
    Unopened,
    /// It is being read.
    Open,
    /// The guest has ended it.
    Ended,
}

/// A source has either states of streams or a global one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateForm {
    /// `stream-writer.checkpoint`.
    Stream,
    /// `global-checkpoint`.
    Global,
}

impl ReadSession {
    /// A session that has not begun.
    pub fn new(config: Arc<CurrentConfig>, catalog: Arc<ConfiguredCatalog>, independent_streams: bool) -> ReadSession {
        let streams = vec![Progress::Unopened; catalog.streams().len()];
        let state_form = independent_streams.then_some(StateForm::Stream);
        ReadSession { config, catalog, streams, independent_streams, state_form }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http.view(&mut self.table)
    }
}

impl NetworkView for Guest {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }
}

// The interface has types only.
impl types::Host for Guest {}
