//! `airlock embed`: a connector's metadata becomes a part of its component.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::require_another_file;
use crate::cli::people;
use crate::connector::{embed as embed_metadata, write_named};
use crate::exit_code;

pub fn embed(input: &Path, metadata: &Path, output: Option<PathBuf>) -> ExitCode {
    let output = output.as_deref().unwrap_or(input);
    if let Err((error, hint)) = require_another_file(output, [Some(metadata)]) {
        people::error(&error, Some(&hint));
        return exit_code::FAILURE.into();
    }
    let component = match embed_metadata(input, metadata) {
        Ok(component) => component,
        Err(failure) => {
            people::error(&failure.message, None);
            return exit_code::FAILURE.into();
        }
    };
    if let Err(error) = write_named(output, &[&component]) {
        people::error(
            &format!("{} can not be written: {error}", output.display()),
            Some("name another place with --output FILE"),
        );
        return exit_code::FAILURE.into();
    }
    // The file is there: a stdout that takes nothing is no reason to fail.
    let _ = writeln!(io::stdout(), "Put {} into the connector {}.", metadata.display(), output.display());
    exit_code::SUCCESS.into()
}
