//! Debian's compilers for the other processor that images are made for, unpacked into the user's cache: Rust's, and GNU's for
//! the C that some crates carry. It must not know when they are wanted.
//!
//! They run on x86_64 and compile for aarch64, for the C library of Debian bookworm. They use the system's own C library,
//! which is at least as old as that on every machine that a current Rust is installed on; nothing is installed.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{self, BOOKWORM, Lists};
use crate::{cache, command, rust_target};

/// Below the user's cache directory.
const CACHE: &str = "cross-toolchain";
/// In there: Rust's compiler.
const RUST: &str = "rust-bookworm";
/// In there: the C compiler.
const GNU: &str = "gnu-bookworm";

/// What they run on.
const HOST: &str = "x86_64-unknown-linux-gnu";
/// What they compile for.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The compiler that Debian keeps new enough for browsers. The names of two more packages change with its version.
const RUST_PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev", "libstd-rust-web-dev:arm64"];

/// What LLVM is linked to, apart from the C library.
const LLVM_LIBRARIES: [&str; 12] = [
    "libbsd0",
    "libedit2",
    "libffi8",
    "libicu72",
    "liblzma5",
    "libmd0",
    "libstdc++6",
    "libtinfo6",
    "libxml2",
    "libz3-4",
    "libzstd1",
    "zlib1g",
];

/// The C compiler, the assembler and the linker, the C library to link with, and what they are linked to themselves.
const GNU_PACKAGES: [&str; 16] = [
    "gcc-aarch64-linux-gnu",
    "gcc-12-aarch64-linux-gnu",
    "cpp-12-aarch64-linux-gnu",
    "binutils-aarch64-linux-gnu",
    "libc6-arm64-cross",
    "libc6-dev-arm64-cross",
    "libgcc-12-dev-arm64-cross",
    "libgcc-s1-arm64-cross",
    "linux-libc-dev-arm64-cross",
    "libgmp10",
    "libisl23",
    "libjansson4",
    "libmpc3",
    "libmpfr6",
    "libzstd1",
    "zlib1g",
];

/// Libraries are given to the loader rather than in the environment, which the programs that rustc starts would inherit.
const RUST_WRAPPER: &str = r#"#!/bin/sh
# Runs this folder's rustc with this folder's own libraries.
prefix=${0%/*}/..
libraries=$prefix/usr/lib/x86_64-linux-gnu:$prefix/lib/x86_64-linux-gnu
exec /lib64/ld-linux-x86-64.so.2 --library-path "$libraries" "$prefix/usr/bin/rustc" --sysroot "$prefix/usr" "$@"
"#;

/// Here they are meant to be inherited: the compiler starts an assembler and a linker of the same folder.
const GNU_WRAPPER: &str = r#"#!/bin/sh
# Runs the program of this name in this folder with this folder's own libraries.
prefix=${0%/*}/..
LD_LIBRARY_PATH=$prefix/usr/lib/x86_64-linux-gnu:$prefix/lib/x86_64-linux-gnu exec "$prefix/usr/bin/${0##*/}" "$@"
"#;

/// The C compiler and the archiver of an unpacked prefix.
const GNU_PROGRAMS: [&str; 2] = ["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ar"];

/// The Rust compiler in an unpacked prefix.
pub fn rustc(prefix: &Path) -> PathBuf {
    prefix.join("bin/rustc")
}

/// The Rust compiler's prefix of an earlier run, if it is there and works.
pub fn rust_unpacked() -> Option<PathBuf> {
    let prefix = cache::directory(CACHE).ok()?.join(RUST);
    rust_works(&prefix).ok().map(|()| prefix)
}

/// Fetches and unpacks the Rust compiler for a host triple, and returns its prefix.
pub fn unpack_rust(host: &str) -> Result<PathBuf> {
    require(host)?;
    cache::once(&cache::directory(CACHE)?, RUST, rust_works, fetch_rust).context("no Rust compiler of Debian's")
}

/// Fetches and unpacks the C compiler for a host triple, if no earlier run did. Gives the compiler and the archiver.
pub fn gnu(host: &str) -> Result<[PathBuf; 2]> {
    require(host)?;
    let prefix =
        cache::once(&cache::directory(CACHE)?, GNU, gnu_works, fetch_gnu).context("no C compiler of Debian's")?;
    Ok(GNU_PROGRAMS.map(|program| prefix.join("bin").join(program)))
}

fn fetch_rust(prefix: &Path) -> Result<()> {
    eprintln!("Fetching a Rust compiler for {TARGET} from Debian {} (150 MB, once a user)", BOOKWORM.suite);
    let lists = Lists::fetch(&BOOKWORM, &prefix.with_file_name("packages"))?;
    let library = dependency(&lists, "libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = dependency(&lists, &library, "libllvm")?;
    let mut packages = vec![library.as_str(), llvm.as_str()];
    packages.extend(RUST_PACKAGES);
    packages.extend(LLVM_LIBRARIES);
    lists.unpack(&packages, prefix)?;
    // A library fits the compiler that made it and no other, and the mirror may have received one before the other.
    let version = |package| debian::package_field(prefix, package, "Version");
    let (compiler, library) = (version("rustc-web")?, version("libstd-rust-web-dev")?);
    if compiler != library {
        bail!(
            "the mirror has rustc-web {} and libstd-rust-web-dev {}, which do not fit; try again later",
            compiler.unwrap_or_default(),
            library.unwrap_or_default()
        );
    }
    wrap(prefix, "rustc", RUST_WRAPPER)
}

fn fetch_gnu(prefix: &Path) -> Result<()> {
    eprintln!("Fetching a C compiler for {TARGET} from Debian {} (40 MB, once a user)", BOOKWORM.suite);
    debian::unpack(&BOOKWORM, &GNU_PACKAGES, prefix)?;
    GNU_PROGRAMS.into_iter().try_for_each(|program| wrap(prefix, program, GNU_WRAPPER))
}

/// The one dependency of a package whose name starts so.
fn dependency(lists: &Lists, package: &str, start: &str) -> Result<String> {
    let dependencies = lists.dependencies(package)?;
    dependencies
        .into_iter()
        .find(|name| name.starts_with(start))
        .with_context(|| format!("Debian's package {package} depends on no {start}…: it is made otherwise than it was"))
}

/// Puts a wrapper beside what was unpacked.
fn wrap(prefix: &Path, program: &str, script: &str) -> Result<()> {
    let directory = prefix.join("bin");
    fs::create_dir_all(&directory)?;
    let path = directory.join(program);
    fs::write(&path, script)?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
}

/// The compiler starts, and it has a standard library for the target that is its own.
fn rust_works(prefix: &Path) -> Result<()> {
    let libraries = prefix.join(format!("usr/lib/rustlib/{TARGET}/lib"));
    if !rust_target::has_standard_library(&libraries) {
        bail!("there is no standard library in {}", libraries.display());
    }
    // Compiling nothing still reads the library, and refuses one of another compiler.
    let nothing = ["--target", TARGET, "--crate-type", "lib", "--emit", "asm=-", "-"];
    // rustc wants to write where it is.
    command::output(Command::new(rustc(prefix)).args(nothing).current_dir(env::temp_dir())).map(drop)
}

/// The compiler starts, and it finds a C library that can be linked statically.
fn gnu_works(prefix: &Path) -> Result<()> {
    let compiler = prefix.join("bin").join(GNU_PROGRAMS[0]);
    links_statically(&compiler)?;
    command::output(Command::new(&compiler).args(["-x", "c", "-S", "-o", "/dev/null", "/dev/null"])).map(drop)
}

/// Whether a C compiler has the static C library, which is a package of its own on some systems.
pub fn links_statically(compiler: &Path) -> Result<()> {
    let library = command::output(Command::new(compiler).arg("-print-file-name=libc.a"))?;
    // A name that it does not find is given back as it was.
    if !Path::new(library.trim()).is_absolute() {
        bail!("{} finds no libc.a: install the static C library that belongs to it", compiler.display());
    }
    Ok(())
}

/// Says what is missing before anything is downloaded.
fn require(host: &str) -> Result<()> {
    if host != HOST {
        bail!("Debian's compilers for {TARGET} are used on {HOST} only, and this machine is {host}");
    }
    debian::require()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_cannot_run_them_is_refused_before_a_download() {
        let error = require("aarch64-unknown-linux-gnu").expect_err("refused");
        assert!(error.to_string().contains("this machine is aarch64"), "{error}");
    }

    #[test]
    fn what_is_not_there_does_not_work() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(rust_works(directory.path()).is_err());
        assert!(gnu_works(directory.path()).is_err());
    }

    #[test]
    fn a_c_compiler_without_a_static_library_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let answer = |text: &str| {
            wrap(directory.path(), "gcc", &format!("#!/bin/sh\necho {text}\n")).expect("written");
            links_statically(&directory.path().join("bin/gcc"))
        };
        answer("/usr/lib/libc.a").expect("found");
        let error = answer("libc.a").expect_err("not found");
        assert!(error.to_string().contains("libc.a"), "{error}");
    }
}
