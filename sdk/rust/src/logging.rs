//! The `log` crate's messages, and panics, become LOG lines of the host.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::bindings::source::airlock::connector::host::LogLevel;
use crate::host;

struct HostLogger;

impl Log for HostLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => LogLevel::Error,
            Level::Warn => LogLevel::Warn,
            Level::Info => LogLevel::Info,
            Level::Debug => LogLevel::Debug,
            Level::Trace => LogLevel::Trace,
        };
        match record.args().as_str() {
            Some(message) => host::log(level, message),
            None => host::log(level, &record.args().to_string()),
        }
    }

    fn flush(&self) {}
}

/// Sends `log`'s messages to the host from here on. What the host would not log is not even put into words.
pub(crate) fn install() {
    // A connector that brings its own logger keeps it.
    let _ = log::set_logger(&HostLogger);
    log::set_max_level(match host::max_log_level() {
        LogLevel::Fatal | LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    });
    #[cfg(target_arch = "wasm32")]
    log_panics();
}

/// A panic ends the component with a trap, which says nothing: its message and place are logged before.
#[cfg(target_arch = "wasm32")]
fn log_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            host::log(LogLevel::Fatal, &format!("The connector {panic}"));
        }));
    });
}
