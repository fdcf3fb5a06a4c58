//! Files that a connector carries beside its code: relative names and contents, and how they stand in one section of bytes.
//! A stranger may have written such a section. Knows nothing of what the files say but which is the manifest, and
//! nothing of where they are put for a guest.
//!
//! ```text
//! length of the index, u32, little-endian | index: JSON, [["a/b.yaml", 12], …], by name | the contents, in the same order
//! ```

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::manifest::{self, ManifestHosts};

/// More files are refused.
const MAX_FILES: usize = 1_000;

/// The contents of all files together are no longer.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// What the systems that connectors run on take as a name, and a path that fits behind that of a temporary directory.
const MAX_PART: usize = 255;
const MAX_NAME: usize = 1_000;

/// How deep directories may lie in each other.
const MAX_DEPTH: usize = 32;

/// No index of so many files is longer.
const MAX_INDEX: usize = 4 * 1024 * 1024;

const LENGTH_BYTES: usize = 4;

/// What lies beside a manifest and belongs to it: schemas of streams, and the specification, where the manifest does not have them itself.
const SCHEMAS: &str = "schemas/";
const SCHEMA_ENDINGS: [&str; 3] = [".json", ".yaml", ".yml"];
const SPECIFICATIONS: [&str; 3] = ["spec.yaml", "spec.yml", "spec.json"];

/// The files of one connector. Their names are safe to be put below a directory, and none is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CarriedFiles {
    /// By name.
    files: Vec<CarriedFile>,
    /// One after the other.
    contents: Vec<u8>,
}

/// What is known of a file without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedFile {
    /// Its path below the connector's directory, as in `schemas/users.json`.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

impl CarriedFiles {
    /// Of files with names and contents. The error names the file, and is the rest of a sentence that begins with them.
    pub fn new(mut files: Vec<(String, Vec<u8>)>) -> Result<CarriedFiles, String> {
        files.sort();
        let index: Vec<CarriedFile> = files
            .iter()
            .map(|(name, content)| CarriedFile { name: name.clone(), bytes: content.len() as u64 })
            .collect();
        check(&index)?;
        Ok(CarriedFiles { files: index, contents: files.into_iter().flat_map(|(_, content)| content).collect() })
    }

    /// Of what `to_bytes` gave, or a stranger made.
    pub fn parse(bytes: &[u8]) -> Result<CarriedFiles, String> {
        let damaged = || "are damaged: put them in again with `airlock embed --files`".to_owned();
        let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (index, contents) =
            rest.split_at_checked(length).filter(|(index, _)| index.len() <= MAX_INDEX).ok_or_else(damaged)?;
        let index: Vec<(String, u64)> = serde_json::from_slice(index).map_err(|_| damaged())?;
        let files: Vec<CarriedFile> = index.into_iter().map(|(name, bytes)| CarriedFile { name, bytes }).collect();
        let total = check(&files)?;
        if total != contents.len() as u64 || !files.is_sorted_by(|one, other| one.name < other.name) {
            return Err(damaged());
        }
        Ok(CarriedFiles { files, contents: contents.to_vec() })
    }

    /// The same files always give the same bytes.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let index: Vec<(&str, u64)> = self.files.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
        let index = serde_json::to_vec(&index)?;
        let length = u32::try_from(index.len()).map_err(io::Error::other)?;
        Ok([&length.to_le_bytes(), index.as_slice(), &self.contents].concat())
    }

    /// Every regular file below a directory. What is no file is refused, and a link is: what it leads to is not what was meant to be
    /// given away.
    pub fn of_directory(directory: &Path) -> Result<CarriedFiles, String> {
        CarriedFiles::new(files_below(directory, "", |_| true)?)
    }

    /// What belongs to the manifest at `path`: itself, the schemas and the specification beside it. No code: that would be run by nobody.
    pub fn of_manifest(path: &Path) -> Result<CarriedFiles, String> {
        let mut files = vec![(manifest::MANIFEST.to_owned(), read_file(path, MAX_BYTES)?)];
        let schemas = path.with_file_name(SCHEMAS.trim_end_matches('/'));
        if schemas.is_dir() {
            let are_wanted = |name: &str| SCHEMA_ENDINGS.iter().any(|ending| name.ends_with(ending));
            files.extend(files_below(&schemas, SCHEMAS, are_wanted)?);
        }
        for name in SPECIFICATIONS {
            let specification = path.with_file_name(name);
            if specification.is_file() {
                files.push((name.to_owned(), read_file(&specification, MAX_BYTES)?));
            }
        }
        CarriedFiles::new(files)
    }

    /// These files, but with another manifest and what belongs to it.
    pub fn with_manifest(&self, manifest: &CarriedFiles) -> Result<CarriedFiles, String> {
        let belongs =
            |name: &str| name == manifest::MANIFEST || name.starts_with(SCHEMAS) || SPECIFICATIONS.contains(&name);
        let others = self.iter().filter(|(name, _)| !belongs(name));
        CarriedFiles::new(
            others.chain(manifest.iter()).map(|(name, content)| (name.to_owned(), content.to_vec())).collect(),
        )
    }

    /// The names and lengths, by name.
    pub fn files(&self) -> &[CarriedFile] {
        &self.files
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The names and contents, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        let mut rest = self.contents.as_slice();
        self.files.iter().map(move |file| {
            let length = usize::try_from(file.bytes).unwrap_or(usize::MAX).min(rest.len());
            let (content, behind) = rest.split_at(length);
            rest = behind;
            (file.name.as_str(), content)
        })
    }

    /// The hosts that the manifest among them calls, if there is one.
    pub fn manifest_hosts(&self) -> Option<ManifestHosts> {
        self.get(manifest::MANIFEST).map(ManifestHosts::parse)
    }

    /// The content of a file.
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, content)| content)
    }
}

/// The regular files in a directory and below whose names `are_wanted`, with `prefix` before their names. Read no further than what is
/// too much.
pub fn files_below(
    directory: &Path,
    prefix: &str,
    are_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let unreadable = |path: &Path, error: &io::Error| format!("can not be read: {}: {error}", path.display());
    let mut files = Vec::new();
    let mut total = 0;
    let mut directories = vec![(directory.to_owned(), prefix.to_owned(), 0)];
    while let Some((directory, prefix, depth)) = directories.pop() {
        let entries = fs::read_dir(&directory).map_err(|error| unreadable(&directory, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&directory, &error))?;
            let path = entry.path();
            let refused = |why: &str| Err(format!("can not be carried: {} {why}", path.display()));
            let Ok(name) = entry.file_name().into_string() else { return refused("has a name that is not UTF-8") };
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            if kind.is_dir() && depth < MAX_DEPTH {
                directories.push((path, format!("{prefix}{name}/"), depth + 1));
            } else if kind.is_dir() {
                return refused("lies too deep");
            } else if !are_wanted(&name) {
            } else if kind.is_symlink() {
                return refused("is a link. Put the file itself there");
            } else if !kind.is_file() {
                return refused("is no regular file");
            } else {
                let content = read_file(&path, MAX_BYTES)?;
                total += content.len() as u64;
                files.push((format!("{prefix}{name}"), content));
                require_few(files.len(), total)?;
            }
        }
    }
    Ok(files)
}

/// A file as far as it may be carried.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut content));
    read.map_err(|error| format!("can not be read: {}: {error}", path.display()))?;
    if content.len() as u64 > limit {
        return Err(format!("can not be carried: {} is longer than {} KiB", path.display(), limit / 1024));
    }
    Ok(content)
}

fn require_few(files: usize, bytes: u64) -> Result<(), String> {
    if files > MAX_FILES {
        return Err(format!("are more than {MAX_FILES}"));
    }
    if bytes > MAX_BYTES {
        return Err(format!("are longer than {} MiB together", MAX_BYTES / 1024 / 1024));
    }
    Ok(())
}

/// Gives how long they are together.
fn check(files: &[CarriedFile]) -> Result<u64, String> {
    let total = files.iter().fold(0, |total: u64, file| total.saturating_add(file.bytes));
    require_few(files.len(), total)?;
    let mut names = HashSet::new();
    let mut directories = HashSet::new();
    for CarriedFile { name, .. } in files {
        let refused = |why: &str| format!("can not be used: the name {name:?} {why}");
        if let Some(why) = wrong(name) {
            return Err(refused(why));
        }
        if !names.insert(name.as_str()) {
            return Err(refused("is there twice"));
        }
        directories.extend(name.match_indices('/').filter_map(|(place, _)| name.get(..place)));
    }
    match directories.intersection(&names).next() {
        Some(both) => Err(format!("can not be used: {both:?} is a file and a directory")),
        None => Ok(total),
    }
}

/// What is wrong with a name, if anything is.
fn wrong(name: &str) -> Option<&'static str> {
    let parts = || name.split('/');
    if name.starts_with('/') {
        Some("is absolute")
    } else if parts().any(str::is_empty) {
        Some("has an empty part")
    } else if parts().any(|part| part == "." || part == "..") {
        Some("has a part . or ..")
    } else if name.contains('\\') || name.contains(char::is_control) {
        Some("has a backslash or a control character in it")
    } else if name.len() > MAX_NAME || parts().any(|part| part.len() > MAX_PART) || parts().count() > MAX_DEPTH {
        Some("is too long or too deep")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn of(files: &[(&str, &str)]) -> Result<CarriedFiles, String> {
        CarriedFiles::new(
            files.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect(),
        )
    }

    /// A section with this index, as nobody here would write it.
    fn section(index: &str, contents: &str) -> Vec<u8> {
        [&u32::try_from(index.len()).unwrap().to_le_bytes()[..], index.as_bytes(), contents.as_bytes()].concat()
    }

    #[test]
    fn files_come_back_as_they_were_in_the_order_of_their_names() {
        let files = of(&[("b/c.json", "{}"), ("a.yaml", "a: b"), ("empty", "")]).unwrap();
        let shown: Vec<(&str, &[u8])> = files.iter().collect();
        assert_eq!(shown, [("a.yaml", &b"a: b"[..]), ("b/c.json", b"{}"), ("empty", b"")]);
        assert_eq!(files.get("b/c.json"), Some(&b"{}"[..]));
        assert_eq!(files.get("b"), None);
        let bytes = files.to_bytes().unwrap();
        assert_eq!(CarriedFiles::parse(&bytes).unwrap(), files);
        let other = of(&[("a.yaml", "a: b"), ("empty", ""), ("b/c.json", "{}")]).unwrap();
        assert_eq!(other.to_bytes().unwrap(), bytes, "the order in which they are found is no matter");
    }

    #[test]
    fn names_that_lead_elsewhere_or_nowhere_are_refused_by_name() {
        let deep = "d/".repeat(40) + "f";
        let long = "n".repeat(256);
        for (name, why) in [
            ("", "empty part"),
            ("/etc/passwd", "absolute"),
            ("../x", ".."),
            ("a/../../x", ".."),
            ("a/./b", ".."),
            (".", ".."),
            ("a//b", "empty part"),
            ("a/", "empty part"),
            ("a\\b", "backslash"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            (deep.as_str(), "deep"),
            (long.as_str(), "long"),
        ] {
            let problem = of(&[("fine", ""), (name, "")]).unwrap_err();
            assert!(problem.contains(why) && problem.contains(&format!("{name:?}")), "{problem}");
            let hostile = section(&format!("[[{},0]]", serde_json::to_string(name).unwrap()), "");
            assert_eq!(CarriedFiles::parse(&hostile).unwrap_err(), problem);
        }
        assert!(of(&[("a", ""), ("a", "")]).unwrap_err().contains("\"a\" is there twice"));
        assert!(of(&[("a", ""), ("a-b", ""), ("a/b", "")]).unwrap_err().contains("a file and a directory"));
    }

    #[test]
    fn too_many_and_too_much_are_refused_before_they_are_believed() {
        let many: Vec<(String, Vec<u8>)> = (0..=MAX_FILES).map(|number| (number.to_string(), Vec::new())).collect();
        assert!(CarriedFiles::new(many).unwrap_err().contains("1000"));
        assert!(CarriedFiles::new(vec![("a".to_owned(), vec![0; 33 << 20])]).unwrap_err().contains("32 MiB"));
        for index in ["[[\"a\",18446744073709551615]]", "[[\"a\",18446744073709551615],[\"b\",2]]"] {
            assert!(CarriedFiles::parse(&section(index, "ab")).unwrap_err().contains("32 MiB"), "{index}");
        }
    }

    #[test]
    fn sections_that_are_damaged_are_refused() {
        for (index, contents) in [
            ("[[\"a\",1]]", ""),
            ("[[\"a\",1]]", "ab"),
            ("[[\"b\",0],[\"a\",0]]", ""),
            ("[[\"a\"]]", ""),
            ("{}", ""),
            ("[[\"a\",-1]]", ""),
            ("", ""),
        ] {
            assert!(CarriedFiles::parse(&section(index, contents)).unwrap_err().contains("damaged"), "{index}");
        }
        assert!(CarriedFiles::parse(b"\xff\xff\xff\xff[]").is_err() && CarriedFiles::parse(b"\0\0").is_err());
    }

    #[test]
    fn a_manifest_is_carried_with_what_belongs_to_it_and_in_the_place_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let manifest = directory.path().join("some.yaml");
        fs::create_dir_all(directory.path().join("schemas/shared")).unwrap();
        for (name, content) in [
            ("some.yaml", "the manifest"),
            ("schemas/a.json", "{}"),
            ("schemas/shared/b.yaml", "{}"),
            ("schemas/README.md", ""),
            ("spec.yaml", "{}"),
            ("components.py", ""),
            ("metadata.yaml", ""),
        ] {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let names = |files: &CarriedFiles| files.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        let files = CarriedFiles::of_manifest(&manifest).unwrap();
        assert_eq!(names(&files), ["manifest.yaml", "schemas/a.json", "schemas/shared/b.yaml", "spec.yaml"]);
        assert_eq!(files.get("manifest.yaml"), Some(&b"the manifest"[..]));

        let other =
            of(&[("manifest.yaml", "other"), ("schemas/old.json", ""), ("spec.json", ""), ("table.csv", "")]).unwrap();
        let replaced = other.with_manifest(&files).unwrap();
        let expected = ["manifest.yaml", "schemas/a.json", "schemas/shared/b.yaml", "spec.yaml", "table.csv"];
        assert_eq!(names(&replaced), expected);
        assert_eq!(replaced.get("manifest.yaml"), Some(&b"the manifest"[..]));
        assert!(CarriedFiles::of_manifest(&directory.path().join("none.yaml")).unwrap_err().contains("none.yaml"));
    }

    #[test]
    fn a_directory_gives_its_files_and_refuses_what_is_none() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("schemas/deep")).unwrap();
        fs::write(directory.path().join("manifest.yaml"), "a").unwrap();
        fs::write(directory.path().join("schemas/deep/b.json"), "b").unwrap();
        let files = CarriedFiles::of_directory(directory.path()).unwrap();
        let names: Vec<&str> = files.files().iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["manifest.yaml", "schemas/deep/b.json"]);

        symlink("b.json", directory.path().join("schemas/deep/link.json")).unwrap();
        let problem = CarriedFiles::of_directory(directory.path()).unwrap_err();
        assert!(problem.contains("link.json is a link"), "{problem}");
        let missing = directory.path().join("missing");
        assert!(CarriedFiles::of_directory(&missing).unwrap_err().contains("missing"));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_reason_to_panic(bytes: Vec<u8>, index in "\\[(\\[\"[a-c/.]{0,4}\",[0-3]\\],?){0,3}\\]") {
            let _ = CarriedFiles::parse(&bytes);
            if let Ok(files) = CarriedFiles::parse(&section(&index, &String::from_utf8_lossy(&bytes))) {
                prop_assert_eq!(files.iter().count(), files.files().len());
            }
        }
    }
}
