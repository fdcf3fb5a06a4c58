//! The contract's `host` interface: what every guest may say.

use std::time::Duration;

use super::bindings::source::airlock::connector::host::{Host, LogLevel as GuestLogLevel};
use super::bindings::types;
use super::guest::{Guest, Session};
use crate::protocol::document;
use crate::protocol::log_level::LogLevel;

impl From<GuestLogLevel> for LogLevel {
    fn from(level: GuestLogLevel) -> Self {
        match level {
            GuestLogLevel::Fatal => LogLevel::Fatal,
            GuestLogLevel::Error => LogLevel::Error,
            GuestLogLevel::Warn => LogLevel::Warn,
            GuestLogLevel::Info => LogLevel::Info,
            GuestLogLevel::Debug => LogLevel::Debug,
            GuestLogLevel::Trace => LogLevel::Trace,
        }
    }
}

impl From<LogLevel> for GuestLogLevel {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Fatal => GuestLogLevel::Fatal,
            LogLevel::Error => GuestLogLevel::Error,
            LogLevel::Warn => GuestLogLevel::Warn,
            LogLevel::Info => GuestLogLevel::Info,
            LogLevel::Debug => GuestLogLevel::Debug,
            LogLevel::Trace => GuestLogLevel::Trace,
        }
    }
}

impl Host for Guest {
    fn log(&mut self, level: GuestLogLevel, text: String) -> wasmtime::Result<()> {
        self.output.log(level.into(), &text);
        Ok(())
    }

    fn max_log_level(&mut self) -> wasmtime::Result<GuestLogLevel> {
        Ok(self.output.max_log_level().into())
    }

    fn config_changed(&mut self, config: String) -> wasmtime::Result<Result<(), types::Interruption>> {
        let config = match document::object_on_one_line(&config) {
            Ok(config) => config,
            // The sync goes on: no record is lost by a config that is not renewed.
            Err(problem) => {
                return Ok(Err(types::Interruption::Refused(format!("The new config {problem}."))));
            }
        };
        let named_anew =
            serde_json::from_str(config.get()).ok().and_then(|value| self.network.policy().named_anew(&value));
        if let Some(origin) = named_anew {
            let problem = format!(
                "The new config names other hosts than the user's ({origin}): what a connector may reach is not its own choice."
            );
            self.output.log(LogLevel::Warn, &format!("{problem} It is not passed on."));
            return Ok(Err(types::Interruption::Refused(problem)));
        }
        let pass_on = || self.output.config_changed(&config);
        let changed = match &self.session {
            Session::Read(session) => session.config.renew(config.get(), pass_on),
            _ => pass_on(),
        };
        Ok(changed.map_err(Into::into))
    }

    fn wait(&mut self, milliseconds: u64) -> wasmtime::Result<Result<(), types::Interruption>> {
        Ok(self.output.wait(Duration::from_millis(milliseconds)).map_err(Into::into))
    }

    fn analytics(&mut self, kind: String, value: Option<String>) -> wasmtime::Result<()> {
        self.output.analytics(&kind, value.as_deref());
        Ok(())
    }
}
