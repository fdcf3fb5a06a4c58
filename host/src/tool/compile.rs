//! `airlock compile`: a component's native code in a file of its own.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::people;
use crate::connector::{PORTABLE_TARGET, compile as compile_component, write_code};
use crate::exit_code;

pub fn compile(input: &Path, output: Option<PathBuf>) -> ExitCode {
    let output = output.unwrap_or_else(|| input.with_extension("cwasm"));
    let (code, role) = match compile_component(input) {
        Ok(compiled) => compiled,
        Err(failure) => {
            people::error(&failure.message, None);
            return exit_code::FAILURE.into();
        }
    };
    if let Err(error) = write(&code, &output) {
        people::error(
            &format!("{} can not be written: {error}", output.display()),
            Some("name another place with --output FILE"),
        );
        return exit_code::FAILURE.into();
    }
    // The file is there: a stdout that takes nothing is no reason to fail.
    let _ = writeln!(
        io::stdout(),
        "Compiled the {} {} for {PORTABLE_TARGET}: {} ({} KB).",
        role.name(),
        input.display(),
        output.display(),
        code.len().div_ceil(1000)
    );
    exit_code::SUCCESS.into()
}

/// Follows a link, and replaces nothing that is no file (/dev/null).
fn write(code: &[u8], output: &Path) -> io::Result<()> {
    let output = output.canonicalize().unwrap_or_else(|_| output.to_owned());
    if output.exists() && !output.is_file() {
        return Err(io::Error::other("it is there and is no file"));
    }
    write_code(code, &output)
}
