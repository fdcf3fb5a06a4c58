//! What a `.wasm` says of itself without being compiled: the interfaces at its top level, and the custom section that holds its
//! metadata. Skips over everything else by its size. Knows nothing of what the metadata says.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Chunk, Parser, Payload};

use super::component::require_file;
use super::contract::Interfaces;
use crate::protocol::failure::Failure;

/// The custom section at a component's top level that holds its `metadata.yaml`, byte for byte.
pub const METADATA_SECTION: &str = "airlock:metadata";

/// A magic word, a version, and whether it is a core module (0) or a component (1).
const PREAMBLE_BYTES: usize = 8;

/// A component, read as far as its top level.
pub struct ComponentFile {
    bytes: Vec<u8>,
    interfaces: Interfaces,
    metadata: Option<MetadataSection>,
}

struct MetadataSection {
    /// All of it, with its header.
    whole: Range<usize>,
    /// The metadata.
    content: Range<usize>,
}

fn not_loaded(path: &Path, text: &str) -> Failure {
    Failure::config_error(format!("The connector {} can not be loaded: it {text}.", path.display()))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    not_loaded(path, &format!("can not be read: {error}"))
}

impl ComponentFile {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<ComponentFile, Failure> {
        ComponentFile::read_opened(&ComponentFile::open(path)?, path)
    }

    /// Opens the file at `path`: another may come to lie there at any time.
    pub fn open(path: &Path) -> Result<File, Failure> {
        require_file(path)?;
        File::open(path).map_err(|error| unreadable(path, &error))
    }

    /// Reads a file that was opened; `path` is for messages.
    pub fn read_opened(mut file: &File, path: &Path) -> Result<ComponentFile, Failure> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
        ComponentFile::parse(bytes).map_err(|text| not_loaded(path, &text))
    }

    fn parse(bytes: Vec<u8>) -> Result<ComponentFile, String> {
        match bytes.get(..PREAMBLE_BYTES) {
            Some([0, b'a', b's', b'm', _, _, 1, 0]) => {}
            Some([0, b'a', b's', b'm', ..]) => {
                return Err(
                    "is a core WebAssembly module, and a connector is a component. In Rust, build it for the target wasm32-wasip2"
                        .to_owned(),
                );
            }
            // What runs connectors has looked for native code before.
            Some([0x7f, b'E', b'L', b'F', ..]) => {
                return Err(
                    "is native code, and the component that it was made of is needed here. Name the .wasm file"
                        .to_owned(),
                );
            }
            _ => return Err("is no WebAssembly component, compiled or not".to_owned()),
        }
        let (interfaces, metadata) = top_level(&bytes)?;
        Ok(ComponentFile { bytes, interfaces, metadata })
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The interfaces that it exports and imports.
    pub fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// The metadata that it carries.
    pub fn metadata(&self) -> Option<&[u8]> {
        self.metadata.as_ref().and_then(|section| self.bytes.get(section.content.clone()))
    }

    /// The same component with this metadata in the place of what it carries. The section comes first: a file that is cut off
    /// may lose its interfaces, which is noticed, and never its metadata alone.
    pub fn with_metadata(&self, metadata: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len() + metadata.len() + 64);
        let whole = self.metadata.as_ref().map_or(PREAMBLE_BYTES..PREAMBLE_BYTES, |section| section.whole.clone());
        bytes.extend_from_slice(&self.bytes[..PREAMBLE_BYTES]);
        CustomSection { name: METADATA_SECTION.into(), data: metadata.into() }.append_to_component(&mut bytes);
        bytes.extend_from_slice(&self.bytes[PREAMBLE_BYTES..whole.start]);
        bytes.extend_from_slice(&self.bytes[whole.end..]);
        bytes
    }
}

fn top_level(bytes: &[u8]) -> Result<(Interfaces, Option<MetadataSection>), String> {
    let damaged = |why: &dyn std::fmt::Display| format!("is damaged, or cut off: {why}");
    let mut parser = Parser::new(0);
    let (mut interfaces, mut metadata) = (Interfaces::default(), None);
    let mut position = 0;
    loop {
        let rest = bytes.get(position..).ok_or_else(|| damaged(&"a part of it is not there"))?;
        let (consumed, payload) = match parser.parse(rest, true).map_err(|error| damaged(&error))? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            Chunk::NeedMoreData(_) => return Err(damaged(&"a part of it is not there")),
        };
        let start = position;
        position += consumed;
        match payload {
            // What is nested has custom sections of its own, which are not the connector's.
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                position = unchecked_range.end;
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    interfaces.imports.push(import.map_err(|error| damaged(&error))?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    interfaces.exports.push(export.map_err(|error| damaged(&error))?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if section.name() == METADATA_SECTION => {
                let content = position - section.data().len()..position;
                if metadata.replace(MetadataSection { whole: start..position, content }).is_some() {
                    return Err(format!("carries metadata twice (custom sections {METADATA_SECTION}): build it anew"));
                }
            }
            Payload::End(_) => return Ok((interfaces, metadata)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wasm_encoder::{Component, ComponentExportKind, ComponentExportSection, ModuleSection};
    use wasmparser::{Validator, WasmFeatures};

    use super::*;

    /// A component that exports a core module of its own, which has custom sections, and one of another name beside it.
    fn component() -> Vec<u8> {
        let mut module = wasm_encoder::Module::new();
        module.section(&CustomSection { name: METADATA_SECTION.into(), data: b"the module's"[..].into() });
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        component.section(&CustomSection { name: "producers".into(), data: b"\x00"[..].into() });
        let mut exports = ComponentExportSection::new();
        exports.export("code", ComponentExportKind::Module, 0, None);
        component.section(&exports);
        component.finish()
    }

    fn is_valid(bytes: &[u8]) -> bool {
        Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).is_ok()
    }

    #[test]
    fn what_was_opened_is_read_whatever_lies_at_its_path_by_then() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("current.wasm");
        let plain = ComponentFile::parse(component()).unwrap();
        for name in ["one", "other"] {
            std::fs::write(directory.path().join(name), plain.with_metadata(name.as_bytes())).unwrap();
        }
        std::os::unix::fs::symlink("one", &path).unwrap();
        let opened = ComponentFile::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("other", &path).unwrap();
        let read = ComponentFile::read_opened(&opened, &path).unwrap();
        assert_eq!(read.metadata(), Some(&b"one"[..]));
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out_and_the_component_stays_valid(first: Vec<u8>, second: Vec<u8>) {
            let plain = ComponentFile::parse(component()).unwrap();
            prop_assert_eq!(plain.metadata(), None);
            let embedded = ComponentFile::parse(plain.with_metadata(&first)).unwrap();
            prop_assert_eq!(embedded.metadata(), Some(first.as_slice()));
            prop_assert!(is_valid(embedded.bytes()));
            // The second takes the place of the first, and nothing else changes.
            let replaced = ComponentFile::parse(embedded.with_metadata(&second)).unwrap();
            prop_assert_eq!(replaced.bytes(), plain.with_metadata(&second));
            prop_assert_eq!(&replaced.interfaces().exports, &["code"]);
        }

        #[test]
        fn no_bytes_are_a_reason_to_panic(bytes: Vec<u8>, place: usize) {
            let mut component = component();
            component.truncate(8 + place % (component.len() - 8));
            component.extend(bytes);
            let _ = ComponentFile::parse(component);
        }
    }

    #[test]
    fn a_section_elsewhere_is_found_and_replaced() {
        let mut bytes = component();
        CustomSection { name: METADATA_SECTION.into(), data: b"last"[..].into() }.append_to_component(&mut bytes);
        let last = ComponentFile::parse(bytes.clone()).unwrap();
        assert_eq!(last.metadata(), Some(&b"last"[..]));
        let plain = ComponentFile::parse(component()).unwrap();
        assert_eq!(last.with_metadata(b"new"), plain.with_metadata(b"new"));

        CustomSection { name: METADATA_SECTION.into(), data: b"again"[..].into() }.append_to_component(&mut bytes);
        assert!(ComponentFile::parse(bytes).err().unwrap().contains("twice"));
    }

    #[test]
    fn a_file_that_is_cut_off_is_noticed_or_loses_its_interfaces_first() {
        let whole = ComponentFile::parse(component()).unwrap().with_metadata(b"data: {}");
        for length in 0..whole.len() {
            if let Ok(file) = ComponentFile::parse(whole[..length].to_vec()) {
                assert!(file.interfaces().exports.is_empty(), "{length}");
            }
        }
    }
}
