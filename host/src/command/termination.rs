//! SIGTERM and SIGINT: the guest is told that the sync is cancelled, has a while to clean up, and whole lines leave. Then the
//! process ends by the signal, as clients expect: PyAirbyte takes death by SIGTERM for success and exit code 143 for a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::protocol::failure::Failure;
use crate::protocol::input::InputInterrupter;
use crate::protocol::output::Output;

/// How long a guest may take to clean up: half of what Docker and PyAirbyte wait before they kill.
const GRACE: Duration = Duration::from_secs(5);

/// Which signal asked the process to end.
#[derive(Clone, Default)]
pub struct Termination {
    signal: Arc<AtomicI32>,
}

impl Termination {
    /// Starts to watch. Before, a signal ends the process at once: there is nothing yet to clean up.
    pub fn watch(&self, output: &Output, input: Option<InputInterrupter>) -> Result<(), Failure> {
        let problem =
            |error: std::io::Error| Failure::system_error(format!("Signals can not be watched for: {error}."));
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(problem)?;
        let output = output.clone();
        let received = self.signal.clone();
        let watch = move || {
            let mut signals = signals.forever();
            let Some(signal) = signals.next() else { return };
            received.store(signal, Ordering::Release);
            output.cancel();
            if let Some(input) = &input {
                input.interrupt();
            }
            let last_resort = {
                let output = output.clone();
                move || {
                    thread::sleep(GRACE);
                    output.abandon();
                    end_by(signal);
                }
            };
            let started = thread::Builder::new().name("grace".into()).spawn(last_resort).is_ok();
            // A second signal, or no thread that waits: now.
            if !started || signals.next().is_some() {
                output.abandon();
                end_by(signal);
            }
        };
        thread::Builder::new().name("signals".into()).spawn(watch).map_err(problem)?;
        Ok(())
    }

    /// Ends the process by the signal that asked for it, if one did.
    pub fn end_by_signal_if_any(&self) {
        match self.signal.load(Ordering::Acquire) {
            0 => {}
            signal => end_by(signal),
        }
    }
}

fn end_by(signal: i32) {
    // As PID 1 a process does not die of a signal it does not handle: then the exit code says it.
    if rustix::process::getpid().is_init() {
        low_level::exit(128 + signal);
    }
    let _ = low_level::emulate_default_handler(signal);
}
