//! `airlock compile`: a component's native code in a file of its own.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::people;
use crate::connector::{PORTABLE_TARGET, compile as compile_component};
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
        std::io::stdout(),
        "Compiled the {} {} for {PORTABLE_TARGET}: {} ({} KB).",
        role.name(),
        input.display(),
        output.display(),
        code.len().div_ceil(1000)
    );
    exit_code::SUCCESS.into()
}

/// In one step: nobody sees half a file, and a process that has the old one mapped keeps it whole.
fn write(code: &[u8], output: &Path) -> std::io::Result<()> {
    // A link is followed, and what is no file (/dev/null) is not replaced by one.
    let output = &output.canonicalize().unwrap_or_else(|_| output.to_owned());
    if output.exists() && !output.is_file() {
        return Err(std::io::Error::other("it is there and is no file"));
    }
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(code)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(output)?;
    Ok(())
}
