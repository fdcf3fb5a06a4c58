//! The files of a ZIP archive, one after the other: the language's ZipfileDecoder. Knows nothing of what is in them.

use std::io::{Cursor, Read};

use airlock_sdk::{Failure, Result, system_error};
use serde_json::Value;
use zip::ZipArchive;
use zip::result::ZipError;

use super::Bodies;
use super::parser::Parser;
use crate::manifest::{self, FromManifest, Node};

/// A file of an archive is kept in memory, as a body is, and is as long at most.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// The language's ZipfileDecoder.
#[derive(Clone, Debug)]
pub struct ZipFile {
    /// Of each file.
    parser: Parser,
}

impl FromManifest for ZipFile {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let file = ZipFile { parser: component.required("decoder")? };
        component.finish();
        Ok(file)
    }
}

impl ZipFile {
    /// The bodies in all files, in the order of the archive's list. Nothing comes after a failure.
    pub fn bodies<'r>(&'r self, bytes: &'r [u8]) -> Result<Bodies<'r>> {
        self.bodies_up_to(MAX_FILE_BYTES, bytes)
    }

    /// The same of an archive whose files have no more than so many bytes each.
    pub fn bodies_up_to<'r>(&'r self, most: u64, bytes: &'r [u8]) -> Result<Bodies<'r>> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| unreadable(&error))?;
        let files = (0..archive.len()).flat_map(move |index| match self.file(&mut archive, index, most) {
            Ok(bodies) => bodies,
            Err(failure) => Box::new(std::iter::once(Err(failure))),
        });
        let mut has_failed = false;
        Ok(Box::new(files.take_while(move |body| {
            let comes_after_failure = has_failed;
            has_failed |= body.is_err();
            !comes_after_failure
        })))
    }

    fn file(&self, archive: &mut ZipArchive<Cursor<&[u8]>>, index: usize, most: u64) -> Result<Bodies<'static>> {
        let mut content = Vec::new();
        let mut file = archive.by_index(index).map_err(|error| unreadable(&error))?;
        let name = file.name().to_owned();
        // As a whole, so that nothing is taken of a file that is damaged.
        let read = file.by_ref().take(most + 1).read_to_end(&mut content).map_err(|error| unreadable(&error.into()))?;
        if read as u64 > most {
            return Err(system_error(format!(
                "The file {name:?} of a response's ZIP archive is longer than the {most} bytes that are allowed."
            )));
        }
        let told = move |mut failure: Failure| {
            failure.message =
                format!("The file {name:?} of a response's ZIP archive can not be read. {}", failure.message);
            failure
        };
        match self.parser.bodies(Box::new(Cursor::new(content))) {
            Ok(bodies) => Ok(Box::new(bodies.map(move |body: Result<Value>| body.map_err(&told)))),
            Err(failure) => Err(told(failure)),
        }
    }
}

fn unreadable(error: &ZipError) -> Failure {
    system_error(format!("Received an invalid zip file in response, or one that is not supported: {error}."))
}
