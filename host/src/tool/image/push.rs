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
        (Some(text), own) => reference::parse(&with_tag(text, own.and_then(|own| own.tag())))?,
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

/// A reference that names no tag means the image's own, and not `latest`: a version would be lost.
fn with_tag(text: &str, own: Option<&str>) -> String {
    let name = text.rsplit('/').next().unwrap_or(text);
    match own {
        Some(tag) if !name.contains([':', '@']) => format!("{text}:{tag}"),
        _ => text.to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_is_left_out_is_the_images_own() {
        assert_eq!(with_tag("localhost:5000/a/b", Some("0.1.0")), "localhost:5000/a/b:0.1.0");
        for named in ["localhost:5000/a/b:dev", "a/b@sha256:00"] {
            assert_eq!(with_tag(named, Some("0.1.0")), named);
        }
        assert_eq!(with_tag("a/b", None), "a/b");
    }
}
