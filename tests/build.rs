//! The table of guests: a guest that has no module of tests does not compile.
//! It must not know what the tests do.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut table = String::new();
    // What lies where, and which module has the tests of those guests.
    for (folder, module) in [("../guest-examples", "crate"), ("guests/examples", "crate::faulty")] {
        println!("cargo::rerun-if-changed={folder}");
        for guest in names(&here.join(folder)) {
            let name = guest.replace('-', "_");
            let advice = format!("the guest {guest} needs tests: give it a module {module}::{name}");
            writeln!(table, "use {module}::{name} as _; // {advice}").expect("a String takes everything");
        }
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("table_of_guests.rs"), table).expect("OUT_DIR is writable");
}

/// The guests of a folder: packages, or examples of one.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("Cargo.toml").is_file() || path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().expect("an entry has a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
