//! The end of a command that moves no data, without a thread that waits for it: the process ends within the signal, or within the
//! allocation that was too much. There nothing may be allocated and no lock be taken, so what is needed is made ready before.
//! Knows nothing of why it ends.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

use super::termination::REMOVAL;
use crate::exit_code;
use crate::protocol::Stdout;
use crate::sandbox::remove_private_directory;

/// What must not stay behind.
static DIRECTORIES: [OnceLock<CString>; 2] = [const { OnceLock::new() }; 2];

/// From now on these signals end the process, with everything that it has said before.
pub fn end_at_signals() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT] {
        // SAFETY: nothing in `end_by_signal` allocates, locks or unwinds.
        unsafe { low_level::register(signal, move || end_by_signal(signal)) }?;
    }
    Ok(())
}

/// Directories that are removed at the end. One that is known already may be named again.
pub fn remove_at_end(directories: [Option<&Path>; 2]) {
    for (place, directory) in DIRECTORIES.iter().zip(directories) {
        if let Some(Ok(directory)) = directory.map(|directory| CString::new(directory.as_os_str().as_bytes())) {
            let _ = place.set(directory);
        }
    }
}

/// Ends the process with this line as its last words.
pub fn end_with(line: &[u8]) -> ! {
    let _ = Stdout.write_all(line);
    remove_directories();
    low_level::exit(exit_code::FAILURE.into());
}

fn end_by_signal(signal: i32) {
    remove_directories();
    die_of(signal);
    low_level::exit(exit_code::FAILURE.into());
}

/// Ends the process by this signal.
pub fn die_of(signal: i32) {
    // As PID 1 a process does not die of a signal: then the exit code says it.
    if rustix::process::getpid().is_init() {
        low_level::exit(128 + signal);
    }
    let _ = low_level::emulate_default_handler(signal);
}

fn remove_directories() {
    for directory in DIRECTORIES.iter().filter_map(OnceLock::get) {
        let _ = remove_private_directory(directory.as_c_str(), Some(Instant::now() + REMOVAL));
    }
}
