//! `airlock compile`: a component's native code in a file of its own.

use std::io::{self, Write};
use std::process::{ExitCode, exit};

use airlock_images::Platform;

use super::Compilation;
use crate::cli::people;
use crate::connector::{TARGET, compile as compile_component, connector_name, write_named};
use crate::exit_code;
use crate::sandbox::{MemoryBudget, MemoryLimit};

pub fn compile(compilation: Compilation) -> ExitCode {
    let Compilation { input, output, platform, metadata, airbyte_directory, memory } = compilation;
    // Who wrote the component is not who compiles it: it may be a bomb.
    let give_up = |problem: Option<String>| {
        if let Some(problem) = problem {
            people::error(&problem, None);
        }
        exit(exit_code::FAILURE.into())
    };
    let budget = MemoryBudget::new(MemoryLimit::decide(memory));
    if let Err(error) = budget.watch(&connector_name(&input), move |problem| give_up(Some(problem)), give_up) {
        people::error(&format!("no thread can be started for the memory limit: {error}"), None);
        return exit_code::FAILURE.into();
    }
    let output = output.unwrap_or_else(|| input.with_extension("cwasm"));
    let target = platform.map_or(TARGET, Platform::target);
    let compiled = match compile_component(&input, metadata.as_deref(), airbyte_directory.as_deref(), target) {
        Ok(compiled) => compiled,
        Err(failure) => {
            people::error(&failure.message, None);
            return exit_code::FAILURE.into();
        }
    };
    let [code, label] = &compiled.file;
    if let Err(error) = write_named(&output, &[code, label]) {
        people::error(
            &format!("{} can not be written: {error}", output.display()),
            Some("name another place with --output FILE"),
        );
        return exit_code::FAILURE.into();
    }
    let metadata = match &compiled.metadata {
        Some(metadata) => format!("with the metadata of {}", metadata.origin),
        None => "without metadata: it will have no network".to_owned(),
    };
    // The file is there: a stdout that takes nothing is no reason to fail.
    let _ = writeln!(
        io::stdout(),
        "Compiled the {} {} for {target}, {metadata}: {} ({} KB).",
        compiled.role.name(),
        input.display(),
        output.display(),
        (code.len() + label.len()).div_ceil(1000)
    );
    exit_code::SUCCESS.into()
}
