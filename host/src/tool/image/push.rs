//! `airlock image push`: an image goes to a registry as it is, byte for byte.

use std::io::{self, Write};
use std::path::Path;
use std::process::{ExitCode, exit};

use airlock_images::Layout;

use super::reference::{self, Problem};
use super::registry;
use crate::cli::people;
use crate::exit_code;
use crate::sandbox::{MemoryBudget, MemoryLimit};

pub fn push(input: &Path, reference: Option<&str>) -> ExitCode {
    match send(input, reference) {
        Ok((reference, digest)) => {
            // The image is there: a stdout that takes nothing is no reason to fail.
            let _ = writeln!(io::stdout(), "Pushed {reference}, digest {digest}");
            exit_code::SUCCESS.into()
        }
        Err((error, hint)) => {
            people::error(&error, Some(&hint));
            exit_code::FAILURE.into()
        }
    }
}

fn send(input: &Path, reference: Option<&str>) -> Result<(String, String), Problem> {
    watch_memory()?;
    let layout = Layout::read(input)
        .map_err(|error| (format!("the image {} {error}", input.display()), error.hint().to_owned()))?;
    let reference = match (reference, layout.reference()) {
        (Some(reference), _) => reference::parse(reference)?,
        (None, Some(reference)) => reference.clone(),
        (None, None) => {
            return Err((
                format!("the image in {} has no name", input.display()),
                format!("say where it goes: airlock image push {} REGISTRY/REPOSITORY:TAG", input.display()),
            ));
        }
    };
    let digest = registry::push(&layout, &reference)?;
    Ok((reference.whole(), digest))
}

/// Who made the image or answers for the registry may send more than there is room for.
fn watch_memory() -> Result<(), Problem> {
    let give_up = || {
        people::error(
            "the image, or what the registry answers, takes more memory than there is for it",
            Some("check that the image is one of connectors, and that this is a registry"),
        );
        exit(exit_code::FAILURE.into())
    };
    let budget = MemoryBudget::new(MemoryLimit::decide(None));
    budget.watch("", move |_| give_up(), move |_| give_up()).map_err(|error| {
        (
            format!("no thread can be started for the memory limit: {error}"),
            "end other programs and try again".to_owned(),
        )
    })
}
