//! `airlock embed`: a connector's metadata, and files that it reads, become a part of its component.

use std::process::ExitCode;

use super::{Embedding, Problem, require_another_file, tell};
use crate::connector::{CarriedFiles, embed as embed_in_component, write_named};

pub fn embed(embedding: &Embedding) -> ExitCode {
    tell(make(embedding))
}

fn make(embedding: &Embedding) -> Result<String, Problem> {
    let Embedding { input, output, metadata, files } = embedding;
    let output = output.as_deref().unwrap_or(input);
    require_another_file(output, [metadata.as_deref()]).map_err(|(error, hint)| (error, Some(hint)))?;
    let carried = files.as_ref().map(|directory| {
        CarriedFiles::of_directory(directory).map_err(|problem| {
            let hint = "name a directory in which are the files that the connector is to read, and no others";
            (format!("the files in {} {problem}", directory.display()), Some(hint.to_owned()))
        })
    });
    let carried = carried.transpose()?;
    let component =
        embed_in_component(input, metadata.as_deref(), carried.as_ref()).map_err(|failure| (failure.message, None))?;
    write_named(output, &[&component]).map_err(|error| {
        let hint = "name another place with --output FILE".to_owned();
        (format!("{} can not be written: {error}", output.display()), Some(hint))
    })?;
    let files = files.as_ref().zip(carried.as_ref()).map(|(directory, carried)| match carried.files().len() {
        0 => format!("no files ({} is empty)", directory.display()),
        1 => format!("the file in {}", directory.display()),
        number => format!("the {number} files in {}", directory.display()),
    });
    let put: Vec<String> = metadata.iter().map(|metadata| metadata.display().to_string()).chain(files).collect();
    Ok(format!("Put {} into the connector {}.", put.join(" and "), output.display()))
}
