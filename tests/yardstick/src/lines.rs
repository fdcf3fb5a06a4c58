//! Lines to stdout, in writes of the size that costs least. Knows nothing of what they say.

use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

/// As much as the host writes at once.
const WRITE_SIZE: usize = 64 * 1024;

/// Gathers lines.
pub struct Lines {
    pub text: Vec<u8>,
    // The standard library's stdout looks through every byte for line breaks. Not to be closed here.
    stdout: ManuallyDrop<std::fs::File>,
}

impl Lines {
    pub fn new() -> Lines {
        // SAFETY: descriptor 1 is open for as long as the process runs, and this value never closes it.
        let stdout = unsafe { std::fs::File::from_raw_fd(1) };
        Lines { text: Vec::with_capacity(2 * WRITE_SIZE), stdout: ManuallyDrop::new(stdout) }
    }

    pub fn write_if_full(&mut self) -> io::Result<()> {
        if self.text.len() >= WRITE_SIZE { self.write() } else { Ok(()) }
    }

    pub fn write(&mut self) -> io::Result<()> {
        self.stdout.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }
}
