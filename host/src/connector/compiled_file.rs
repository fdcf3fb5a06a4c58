//! The file of a compiled connector: wasmtime's native code, and behind it a label of ours with a checksum over everything.
//!
//! The label says what can not be asked of native code: for which airlock and machine it was made, the interfaces and the
//! metadata of its component; the files that the connector carries lie before it. The checksum is against accidents, for a changed byte of native code may do anything; it is no
//! signature, and who may write the file is for others to look at. wasmtime itself reads no further than its own part.
//!
//!     native code (ELF) | carried files | label (JSON) | length of the label, u32 | CRC-32 of all before, u32 | magic word
//!
//! Numbers are little-endian.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::carried_files::CarriedFiles;
use super::contract::Interfaces;
use super::engine::{TARGET, WASMTIME_VERSION};
use super::manifest::ManifestHosts;
use super::metadata::Metadata;

/// Its last byte is the version of this format.
const MAGIC: [u8; 8] = *b"AIRLOCK\x03";

const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;
const TRAILER_BYTES: usize = LENGTH_BYTES + CHECKSUM_BYTES + MAGIC.len();

/// How much is summed at a time: what stays in the processor's nearest memory, and is no more than some new pages.
const CHUNK_BYTES: usize = 32 * 1024;

/// What a compiled file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The version of the airlock that made it.
    pub airlock: String,
    /// The version of the wasmtime in that airlock.
    pub wasmtime: String,
    /// The platform that it was made for, as in `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// The component's interfaces.
    pub interfaces: Interfaces,
    /// The connector's metadata, which need not be read of its `metadata.yaml` again.
    pub metadata: Option<Metadata>,
    /// The hosts that the manifest calls, where the connector carries one: to read it at each start took longer than all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestHosts>,
    /// How many bytes before the label are files that the connector carries. No field where there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    files: u64,
}

fn is_none(files: &u64) -> bool {
    *files == 0
}

/// What a compiled file has beside its code.
#[derive(Debug, PartialEq, Eq)]
pub struct Labelled {
    pub label: Label,
    /// The files that the connector carries.
    pub files: Option<CarriedFiles>,
}

impl Label {
    /// For code that this airlock compiles.
    #[cfg(feature = "compiler")]
    pub fn new(target: &str, interfaces: Interfaces, metadata: Option<Metadata>) -> Label {
        Label {
            airlock: env!("CARGO_PKG_VERSION").to_owned(),
            wasmtime: WASMTIME_VERSION.to_owned(),
            target: target.to_owned(),
            interfaces,
            metadata,
            manifest: None,
            files: 0,
        }
    }

    /// Refuses what was made by another airlock or for another machine. The error is the rest of a sentence.
    pub fn require_ours(&self) -> Result<(), String> {
        let ours = (env!("CARGO_PKG_VERSION"), WASMTIME_VERSION, TARGET);
        if (self.airlock.as_str(), self.wasmtime.as_str(), self.target.as_str()) == ours {
            return Ok(());
        }
        Err(format!(
            "was compiled by another airlock or for another machine: by airlock {} with wasmtime {} for {}, and this is airlock \
             {} with wasmtime {} for {}. Compile it anew with `airlock compile`, or use the .wasm file",
            self.airlock, self.wasmtime, self.target, ours.0, ours.1, ours.2
        ))
    }

    /// What belongs behind `code` in the file: these files and the label.
    #[cfg(feature = "compiler")]
    pub fn behind(mut self, code: &[u8], files: Option<&CarriedFiles>) -> io::Result<Vec<u8>> {
        let mut trailer = files.map_or_else(|| Ok(Vec::new()), CarriedFiles::to_bytes)?;
        self.files = trailer.len() as u64;
        self.manifest = files.and_then(CarriedFiles::manifest_hosts);
        let label = serde_json::to_vec(&self)?;
        let length = u32::try_from(label.len()).map_err(io::Error::other)?;
        trailer.extend_from_slice(&label);
        trailer.extend_from_slice(&length.to_le_bytes());
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(code);
        checksum.update(&trailer);
        trailer.extend_from_slice(&checksum.finalize().to_le_bytes());
        trailer.extend_from_slice(&MAGIC);
        Ok(trailer)
    }
}

/// Reads the label of the compiled file at `path` and what the connector carries, after making sure that the file is whole. The error
/// is the rest of a sentence.
pub fn read_label(path: &Path) -> Result<Labelled, String> {
    let unreadable = |error: io::Error| format!("can not be read: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut trailer = [0; TRAILER_BYTES];
    let before_trailer = length.checked_sub(TRAILER_BYTES as u64);
    if let Some(start) = before_trailer {
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut trailer)).map_err(unreadable)?;
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3, magic @ ..] = trailer;
    let label_length = u32::from_le_bytes([l0, l1, l2, l3]);
    let label_start = before_trailer.and_then(|end| end.checked_sub(label_length.into()));
    let (true, Some(label_start)) = (magic == MAGIC, label_start) else {
        return Err(
            "is native code that was not made by this version of `airlock compile`, or is cut off. Compile it anew, or use the \
             .wasm file"
                .to_owned(),
        );
    };
    let damaged = || "is damaged: its checksum is wrong. Compile it anew, or use the .wasm file".to_owned();
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let checked = length - (TRAILER_BYTES - LENGTH_BYTES) as u64;
    if checksum(&file, checked).map_err(unreadable)? != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(damaged());
    }
    let read = |start: u64, length: u64| {
        let mut bytes = Vec::new();
        let mut file = &file;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.take(length).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        Ok::<_, String>(bytes)
    };
    let label: Label = serde_json::from_slice(&read(label_start, label_length.into())?).map_err(|_| damaged())?;
    let files = match label.files {
        0 => None,
        length => {
            let start = label_start.checked_sub(length).ok_or_else(damaged)?;
            let files = CarriedFiles::parse(&read(start, length)?);
            Some(files.map_err(|problem| format!("carries files that {problem}"))?)
        }
    };
    Ok(Labelled { label, files })
}

fn checksum(file: &File, length: u64) -> io::Result<u32> {
    let mut rest = file.take(length);
    let mut checksum = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match rest.read(&mut chunk) {
            Ok(0) => return Ok(checksum.finalize()),
            Ok(read) => checksum.update(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(all(test, feature = "compiler"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label(metadata: Option<&str>) -> Label {
        let interfaces = Interfaces { exports: vec!["a".to_owned()], imports: vec!["b".to_owned(), "c".to_owned()] };
        let metadata = metadata.map(|text| Metadata { text: text.to_owned(), ..Metadata::default() });
        Label::new(TARGET, interfaces, metadata)
    }

    fn read(bytes: &[u8]) -> Result<Labelled, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read_label(file.path())
    }

    fn file(code: &[u8], label: &Label, files: Option<&CarriedFiles>) -> Vec<u8> {
        [code, &label.clone().behind(code, files).unwrap()].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_label_comes_back_as_it_was(code: Vec<u8>, metadata: Option<String>) {
            let label = label(metadata.as_deref());
            prop_assert_eq!(read(&file(&code, &label, None)), Ok(Labelled { label, files: None }));
        }

        #[test]
        fn files_come_back_as_they_were(code: Vec<u8>, content: Vec<u8>) {
            let manifest = b"url: https://api.example.com".to_vec();
            let files = CarriedFiles::new(vec![("a/b".to_owned(), content), ("manifest.yaml".to_owned(), manifest)]).unwrap();
            let read = read(&file(&code, &label(None), Some(&files))).unwrap();
            prop_assert_eq!(read.label.manifest.unwrap().hosts, ["api.example.com"]);
            prop_assert_eq!(read.files, Some(files));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let files = CarriedFiles::new(vec![("a".to_owned(), b"content".to_vec())]).unwrap();
        let whole = file(b"\x7fELF and some code", &label(Some("data: {}")), Some(&files));
        assert!(read(&whole).is_ok());
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[place] ^= 1 << bit;
                assert!(read(&changed).is_err(), "byte {place}, bit {bit}");
            }
            assert!(read(&whole[..place]).is_err(), "cut off at {place}");
        }
        assert!(read(&[&whole[..], b"x"].concat()).is_err(), "something behind it");
    }

    #[test]
    fn what_another_airlock_made_is_told_with_both_sides() {
        assert_eq!(label(None).require_ours(), Ok(()));
        for change in [
            |label: &mut Label| label.airlock = "9.9.9".to_owned(),
            |label: &mut Label| label.wasmtime = "9.9.9".to_owned(),
            |label: &mut Label| label.target = "9.9.9".to_owned(),
        ] {
            let mut other = label(None);
            change(&mut other);
            let problem = other.require_ours().unwrap_err();
            assert!(problem.contains("9.9.9") && problem.contains(TARGET), "{problem}");
        }
    }
}
