//! The licences of what is linked into the host of images. It must not know how that is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use airlock_images::Platform;
use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;

/// A crate that is linked in.
struct Crate {
    name: String,
    version: String,
    /// As SPDX writes it.
    licence: String,
    directory: PathBuf,
}

/// What `/usr/share/doc/airlock/copyright` says.
///
/// The MIT licence and its like ask for their text and the names of the authors, so these are here in full. Most crates are also
/// under the Apache licence, which asks only for its own text; it is in the image once.
pub fn copyright(platform: Platform) -> Result<Vec<u8>> {
    let crates = linked(platform)?;
    let own = fs::read_to_string(command::workspace_root().join("LICENSE-MIT")).context("cannot read LICENSE-MIT")?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for linked in &crates {
        for text in texts_of(linked)? {
            texts.entry(text).or_default().push(format!("{} {}", linked.name, linked.version));
        }
    }
    Ok(format(&own, &crates, &texts).into_bytes())
}

fn format(own: &str, crates: &[Crate], texts: &BTreeMap<String, Vec<String>>) -> String {
    let mut document = format!(
        "Airlock {} is under the MIT licence or the Apache licence 2.0, as you like. The text of the latter is
/usr/share/common-licenses/Apache-2.0; this is the former:

{}

The program /usr/bin/airlock is linked statically to
- the GNU C Library, under the LGPL, version 2.1 or later (/usr/share/common-licenses/LGPL-2.1). Airlock's source is all that
  is needed to link the program anew to another version of it: `cargo xtask base-image`;
- the standard library of Rust, under the MIT licence or the Apache licence 2.0;
- the crates of the following list. Those that may be used under the Apache licence 2.0 are; the texts of the others' licences
  follow the list, as far as the crates carry them. Cargo.lock in Airlock's source says where the source of each is.

",
        env!("CARGO_PKG_VERSION"),
        own.trim()
    );
    for Crate { name, version, licence, .. } in crates {
        document += &format!("{name} {version}: {licence}\n");
    }
    // By the first crate's name rather than by the text.
    let mut texts: Vec<_> = texts.iter().map(|(text, names)| (names, text)).collect();
    texts.sort();
    for (names, text) in texts {
        document += &format!("\n---- {}\n\n{text}\n", names.join(", "));
    }
    document
}

/// The crates that end up in the program for a platform, sorted.
fn linked(platform: Platform) -> Result<Vec<Crate>> {
    let target = platform.target();
    let mut tree = command::cargo();
    tree.args(["tree", "--locked", "--package", "airlock", "--no-default-features", "--edges", "normal,no-proc-macro"]);
    tree.args(["--target", target, "--prefix", "none", "--format", "{p}"]);
    let names = names(&command::output(&mut tree)?);
    let mut metadata = command::cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target]);
    let metadata: Value = serde_json::from_str(&command::output(&mut metadata)?)?;
    crates(&names, &metadata)
}

/// From lines like `anyhow v1.0.100 (*)`.
fn names(tree: &str) -> BTreeSet<(String, String)> {
    let name = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
    };
    tree.lines().filter_map(name).collect()
}

/// Those of the names that come from elsewhere, with what cargo knows of them.
fn crates(names: &BTreeSet<(String, String)>, metadata: &Value) -> Result<Vec<Crate>> {
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    let mut crates = Vec::new();
    for (name, version) in names {
        let package = packages
            .iter()
            .find(|package| package["name"] == name.as_str() && package["version"] == version.as_str())
            .with_context(|| format!("`cargo metadata` does not know {name} {version}"))?;
        if package["source"].is_null() {
            continue; // of this repository
        }
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        crates.push(Crate {
            name: name.clone(),
            version: version.clone(),
            licence: package["license"].as_str().unwrap_or("see its text below").to_owned(),
            directory: manifest.parent().unwrap_or(manifest).to_owned(),
        });
    }
    Ok(crates)
}

/// The texts that have to go with a crate: its licences', unless it may be used under Apache's, and its notices.
fn texts_of(linked: &Crate) -> Result<Vec<String>> {
    let apache = offers_apache(&linked.licence);
    let mut texts = Vec::new();
    for file in documents(&linked.directory)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let licence = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT"].iter().any(|start| name.starts_with(start));
        if name.starts_with("NOTICE") || (licence && !apache) {
            let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let text = String::from_utf8_lossy(&text).trim().replace('\r', "");
            // The image has their texts already.
            if !["Apache License", "GNU GENERAL PUBLIC LICENSE"].iter().any(|title| text.starts_with(title)) {
                texts.push(text);
            }
        }
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

/// Whether a licence may be chosen, and Apache's is among those to choose from.
fn offers_apache(licence: &str) -> bool {
    !licence.contains(" AND ")
        && licence.split(" OR ").flat_map(|part| part.split('/')).any(|name| name.trim().starts_with("Apache-2.0"))
}

/// The files of a crate's folder and of the folders in it, where sources in C keep their own licence.
fn documents(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = |directory: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    };
    let mut files = Vec::new();
    for path in read(directory)? {
        if path.is_dir() {
            files.extend(read(&path)?.into_iter().filter(|path| path.is_file()));
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apaches_licence_is_chosen_where_there_is_a_choice() {
        for licence in ["Apache-2.0", "MIT OR Apache-2.0", "MIT/Apache-2.0", "Apache-2.0 WITH LLVM-exception OR MIT"] {
            assert!(offers_apache(licence), "{licence}");
        }
        for licence in ["MIT", "Apache-2.0 AND ISC", "(Apache-2.0 OR MIT) AND BSD-3-Clause", "Unlicense OR MIT"] {
            assert!(!offers_apache(licence), "{licence}");
        }
    }

    #[test]
    fn crates_are_read_from_cargos_tree_once_each() {
        let names = names("airlock v0.1.0 (/w/host)\nbytes v1.12.1\nring v0.17.14\nbytes v1.12.1 (*)\n");
        let names: Vec<_> = names.iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(names, ["airlock 0.1.0", "bytes 1.12.1", "ring 0.17.14"]);
    }

    #[test]
    fn a_text_stands_once_for_all_its_crates() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let folder = |name: &str, licence: &str| {
            let folder = directory.path().join(name);
            fs::create_dir_all(folder.join("c")).expect("a folder");
            fs::write(folder.join("c/LICENSE"), "Copyright of the C\n").expect("written");
            fs::write(folder.join("LICENSE-MIT"), "Copyright of all\r\n").expect("written");
            let (name, version) = (name.to_owned(), "1.0.0".to_owned());
            Crate { name, version, licence: licence.to_owned(), directory: folder }
        };
        assert_eq!(texts_of(&folder("a", "MIT")).expect("read"), ["Copyright of all", "Copyright of the C"]);
        assert!(texts_of(&folder("b", "MIT OR Apache-2.0")).expect("read").is_empty());
        fs::write(directory.path().join("a/LICENSE-APACHE"), "   Apache License\n Version 2.0").expect("written");
        assert_eq!(texts_of(&folder("a", "Apache-2.0 AND MIT")).expect("read").len(), 2);
        fs::write(directory.path().join("b/NOTICE"), "Notice").expect("written");
        assert_eq!(texts_of(&folder("b", "MIT OR Apache-2.0")).expect("read"), ["Notice"]);

        let texts = BTreeMap::from([("Copyright of all".to_owned(), vec!["a 1.0.0".to_owned(), "c 1.0.0".to_owned()])]);
        let document = format("Own text", &[folder("a", "MIT")], &texts);
        assert!(document.contains("a 1.0.0: MIT\n"), "{document}");
        assert!(document.contains("---- a 1.0.0, c 1.0.0\n\nCopyright of all\n"), "{document}");
    }
}
