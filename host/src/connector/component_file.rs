//! What a `.wasm` says of itself without being compiled: the interfaces at its top level, and the custom sections that hold its
//! metadata and the files that it carries. Skips over everything else by its size. Knows nothing of what they say.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Chunk, Parser, Payload};

use super::carried_files::CarriedFiles;
use super::component::require_file;
use super::contract::Interfaces;
use crate::protocol::failure::Failure;

/// The custom section at a component's top level that holds its `metadata.yaml`, byte for byte.
pub const METADATA_SECTION: &str = "airlock:metadata";

/// The custom section at a component's top level that holds the files that it carries.
pub const FILES_SECTION: &str = "airlock:files";

/// A magic word, a version, and whether it is a core module (0) or a component (1).
const PREAMBLE_BYTES: usize = 8;

/// A component, read as far as its top level.
pub struct ComponentFile {
    bytes: Vec<u8>,
    interfaces: Interfaces,
    sections: Sections,
}

/// The custom sections that are ours.
#[derive(Default)]
struct Sections {
    metadata: Option<Section>,
    files: Option<Section>,
}

struct Section {
    /// All of it, with its header.
    whole: Range<usize>,
    /// What it holds.
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
        let (interfaces, sections) = top_level(&bytes)?;
        Ok(ComponentFile { bytes, interfaces, sections })
    }

    /// The whole file.
    #[cfg(feature = "compiler")]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The interfaces that it exports and imports.
    pub fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// The metadata that it carries.
    pub fn metadata(&self) -> Option<&[u8]> {
        self.content(self.sections.metadata.as_ref())
    }

    /// The section of the files that it carries, as it is.
    pub fn files_section(&self) -> Option<&[u8]> {
        self.content(self.sections.files.as_ref())
    }

    /// The files that it carries. `path` is for messages.
    pub fn files(&self, path: &Path) -> Result<Option<CarriedFiles>, Failure> {
        let parsed = self.files_section().map(CarriedFiles::parse).transpose();
        parsed.map_err(|problem| not_loaded(path, &format!("carries files that {problem}")))
    }

    fn content(&self, section: Option<&Section>) -> Option<&[u8]> {
        section.and_then(|section| self.bytes.get(section.content.clone()))
    }

    /// The same component with this metadata and these files, and no others. The sections come first: a file that is cut off
    /// may lose its interfaces, which is noticed, and never what it carries alone.
    pub fn with(&self, metadata: Option<&[u8]>, files: Option<&[u8]>) -> Vec<u8> {
        let lengths = [metadata, files].map(|content| content.map_or(0, |content| content.len() + 64));
        let mut bytes = Vec::with_capacity(self.bytes.len() + lengths.iter().sum::<usize>());
        bytes.extend_from_slice(&self.bytes[..PREAMBLE_BYTES]);
        for (name, content) in [(METADATA_SECTION, metadata), (FILES_SECTION, files)] {
            if let Some(content) = content {
                CustomSection { name: name.into(), data: content.into() }.append_to_component(&mut bytes);
            }
        }
        let Sections { metadata, files } = &self.sections;
        let mut replaced: Vec<&Range<usize>> =
            [metadata, files].into_iter().flatten().map(|section| &section.whole).collect();
        replaced.sort_by_key(|whole| whole.start);
        let mut kept = PREAMBLE_BYTES;
        for whole in replaced {
            bytes.extend_from_slice(&self.bytes[kept..whole.start]);
            kept = whole.end;
        }
        bytes.extend_from_slice(&self.bytes[kept..]);
        bytes
    }
}

fn top_level(bytes: &[u8]) -> Result<(Interfaces, Sections), String> {
    let damaged = |why: &dyn std::fmt::Display| format!("is damaged, or cut off: {why}");
    let mut parser = Parser::new(0);
    let (mut interfaces, mut sections) = (Interfaces::default(), Sections::default());
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
            Payload::CustomSection(section) => {
                let (place, what) = match section.name() {
                    METADATA_SECTION => (&mut sections.metadata, "metadata"),
                    FILES_SECTION => (&mut sections.files, "files"),
                    _ => continue,
                };
                let content = position - section.data().len()..position;
                if place.replace(Section { whole: start..position, content }).is_some() {
                    return Err(format!("carries {what} twice (custom sections {}): build it anew", section.name()));
                }
            }
            Payload::End(_) => return Ok((interfaces, sections)),
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
            std::fs::write(directory.path().join(name), plain.with(Some(name.as_bytes()), None)).unwrap();
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
            let embedded = ComponentFile::parse(plain.with(Some(&first), None)).unwrap();
            prop_assert_eq!(embedded.metadata(), Some(first.as_slice()));
            prop_assert!(is_valid(embedded.bytes()));
            // The second takes the place of the first, and nothing else changes.
            let with_files = ComponentFile::parse(embedded.with(embedded.metadata(), Some(&second))).unwrap();
            prop_assert_eq!((with_files.metadata(), with_files.files_section()), (Some(first.as_slice()), Some(second.as_slice())));
            prop_assert!(is_valid(with_files.bytes()));
            prop_assert_eq!(with_files.with(Some(&first), None), embedded.bytes());
            prop_assert_eq!(with_files.with(None, None), plain.bytes());
            let replaced = ComponentFile::parse(embedded.with(Some(&second), None)).unwrap();
            prop_assert_eq!(replaced.bytes(), plain.with(Some(&second), None));
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
        assert_eq!(last.with(Some(b"new"), None), plain.with(Some(b"new"), None));

        CustomSection { name: METADATA_SECTION.into(), data: b"again"[..].into() }.append_to_component(&mut bytes);
        assert!(ComponentFile::parse(bytes).err().unwrap().contains("twice"));
    }

    #[test]
    fn a_file_that_is_cut_off_is_noticed_or_loses_its_interfaces_first() {
        let whole = ComponentFile::parse(component()).unwrap().with(Some(b"data: {}"), None);
        for length in 0..whole.len() {
            if let Ok(file) = ComponentFile::parse(whole[..length].to_vec()) {
                assert!(file.interfaces().exports.is_empty(), "{length}");
            }
        }
    }
}
