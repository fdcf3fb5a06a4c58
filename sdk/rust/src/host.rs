//! The seam between the SDK and the host: in a component these are the contract's imports, elsewhere they are
//! [`crate::testing`], which has the same functions and types. The rest of the SDK does not know which.

#[cfg(target_arch = "wasm32")]
mod imports {
    pub(crate) use crate::bindings::destination::airlock::connector::input::{Checkpoint, Item, next};
    pub(crate) use crate::bindings::source::airlock::connector::host::{
        analytics, config_changed, log, max_log_level, wait,
    };
    pub(crate) use crate::bindings::source::airlock::connector::output::{StreamWriter, global_checkpoint};
    pub(crate) use crate::bindings::source::airlock::connector::tls::Session;

    pub(crate) fn now() -> std::time::Instant {
        std::time::Instant::now()
    }

    pub(crate) fn time() -> std::time::SystemTime {
        std::time::SystemTime::now()
    }

    pub(crate) use crate::http::wasi::{IncomingBody, send};
}

#[cfg(target_arch = "wasm32")]
pub(crate) use imports::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::imports::*;
