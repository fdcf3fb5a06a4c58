//! `airlock compile`: a component's native code in a file of its own.

use std::io::{self, Write};
use std::process::ExitCode;

use airlock_images::Platform;

use super::{Compilation, compiler_memory, require_another_file};
use crate::cli::people;
use crate::connector::{TARGET, UncompiledConnector, write_named};
use crate::exit_code;

pub fn compile(compilation: Compilation) -> ExitCode {
    let Compilation { input, output, platform, metadata, airbyte_directory, memory } = compilation;
    if let Err(problem) = compiler_memory::bound(memory, &input) {
        people::error(&problem, None);
        return exit_code::FAILURE.into();
    }
    let output = output.unwrap_or_else(|| input.with_extension("cwasm"));
    let target = platform.map_or(TARGET, Platform::target);
    let compiled = UncompiledConnector::read(&input, metadata.as_deref(), airbyte_directory.as_deref())
        .map_err(|failure| (failure.message, None))
        .and_then(|connector| {
            require_another_file(&output, [Some(input.as_path()), metadata.as_deref()])
                .map_err(|(error, hint)| (error, Some(hint)))?;
            let code = connector.compile(target).map_err(|failure| (failure.message, None))?;
            Ok((code, connector))
        });
    let ([code, label], connector) = match compiled {
        Ok(compiled) => compiled,
        Err((error, hint)) => {
            people::error(&error, hint.as_deref());
            return exit_code::FAILURE.into();
        }
    };
    if let Err(error) = write_named(&output, &[&code, &label]) {
        people::error(
            &format!("{} can not be written: {error}", output.display()),
            Some("name another place with --output FILE"),
        );
        return exit_code::FAILURE.into();
    }
    let metadata = match connector.metadata() {
        Some(metadata) => format!("with the metadata of {}", metadata.origin),
        None if connector.hosts_of_manifest().is_some() => {
            "without metadata: it will have the hosts that its manifest calls".to_owned()
        }
        None => "without metadata: it will have no network".to_owned(),
    };
    // The file is there: a stdout that takes nothing is no reason to fail.
    let _ = writeln!(
        io::stdout(),
        "Compiled the {} {} for {target}, {metadata}: {} ({} KB).",
        connector.role().name(),
        input.display(),
        output.display(),
        (code.len() + label.len()).div_ceil(1000)
    );
    exit_code::SUCCESS.into()
}
