//! `usage PROGRAM ARGUMENTS…` runs a program, throws away what it prints, and says what it used: CPU time and wall time in
//! microseconds, and the peak of its resident memory in bytes. It fails if the program does.
//!
//! A program of its own because it must be small: the system counts into a process's peak what its parent had when it was
//! started. It must not know what it runs.

use std::env;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wait4::Wait4;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let program = arguments.next().context("usage: usage PROGRAM ARGUMENTS…")?;
    let mut command = Command::new(&program);
    command.args(arguments).stdout(Stdio::null());
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let used = child.wait4().context("cannot wait for the program")?;
    let wall = start.elapsed();
    if !used.status.success() {
        bail!("{} failed ({})", program.display(), used.status);
    }
    let cpu = used.rusage.utime + used.rusage.stime;
    println!("{} {} {}", cpu.as_micros(), wall.as_micros(), used.rusage.maxrss);
    Ok(())
}
