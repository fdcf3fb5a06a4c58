//! The compilers for the host in images, which is linked statically, and the environment that they want. It must not know what
//! else is in an image.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use airlock_images::Platform;
use anyhow::{Context, Result, anyhow};

use crate::rust_target::{self, InstalledRust, Origin, Target};
use crate::{command, debian_cross};

/// The compilers for one platform.
pub struct ImageToolchain {
    environment: Vec<(String, OsString)>,
    /// Which they are.
    description: String,
}

impl ImageToolchain {
    /// Finds compilers, or gets them. For the platform of this machine, they are those that build everything else.
    pub fn ensure(platform: Platform) -> Result<Self> {
        let rust = InstalledRust::look()?;
        let mut environment = vec![("CARGO_ENCODED_RUSTFLAGS".to_owned(), rustflags()?)];
        let triple = platform.target();
        if rust.host == triple {
            debian_cross::links_statically(Path::new("cc")).context("the host in images is linked statically")?;
            let version = command::output(command::rustc().arg("--version"))?;
            return Ok(Self { environment, description: version.trim().to_owned() });
        }

        let target = Target {
            triple,
            purpose: "the other platform of images",
            wish_variable: "AIRLOCK_IMAGE_TOOLCHAIN",
            unpacked: debian_cross::rust_unpacked,
            unpack: debian_cross::unpack_rust,
        };
        let origin = rust_target::find(&target, &rust)?;
        let mut rustc = command::rustc();
        if let Origin::Debian(prefix) = &origin {
            rustc = Command::new(debian_cross::rustc(prefix));
            environment.push(("RUSTC".to_owned(), debian_cross::rustc(prefix).into()));
        }
        let [compiler, archiver] = c_compiler(platform, &origin, &rust)?;
        let version = command::output(rustc.arg("--version"))?;
        let description = format!("{} and {}", version.trim(), compiler.display());
        let name = triple.replace('-', "_");
        environment.push((format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), compiler.clone().into()));
        environment.push((format!("CC_{name}"), compiler.into()));
        environment.push((format!("AR_{name}"), archiver.into()));
        Ok(Self { environment, description })
    }

    /// A cargo that compiles with them; the caller adds `build`, `--target` and the rest.
    pub fn cargo(&self) -> Command {
        let mut command = command::cargo();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// One line about the compilers.
    pub fn describe(&self) -> &str {
        &self.description
    }
}

/// Statically linked, with its relocations packed, and without tables for unwinding, which
/// nothing does (the profile aborts); and without the builder's directories, which messages of panics would have.
///
/// In the variable that cargo heeds before all others: flags for a target are ignored where RUSTFLAGS is set, even to nothing.
fn rustflags() -> Result<OsString> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo"))).context("neither CARGO_HOME nor HOME is set")?;
    Ok(rustflags_of(&home, &command::workspace_root()))
}

const FLAGS: [&str; 4] = [
    "-Ctarget-feature=+crt-static",
    "-Cforce-unwind-tables=no",
    // By the system call: what is linked statically can not look for the C library's function, and opens files instead.
    "--cfg=getrandom_backend=\"linux_getrandom\"",
    // Static programs understand it since version 2.36 of the GNU C Library.
    "-Clink-arg=-Wl,-z,pack-relative-relocs",
];

fn rustflags_of(cargo_home: &Path, workspace: &Path) -> OsString {
    let mut flags = OsString::from(FLAGS.join("\u{1f}"));
    for (from, to) in [(cargo_home.join("registry/src"), "/cargo"), (workspace.to_owned(), "/airlock")] {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

/// The compiler and the archiver for the C that some crates carry; the compiler is the linker, too. With Debian's Rust comes
/// Debian's C: both were made for the same C library.
fn c_compiler(platform: Platform, origin: &Origin, rust: &InstalledRust) -> Result<[PathBuf; 2]> {
    let installed = ["gcc", "ar"].map(|program| PathBuf::from(gnu_name(platform, program)));
    let missing = match origin {
        Origin::Installed => debian_cross::links_statically(&installed[0]),
        Origin::Debian(_) => Err(anyhow!("Debian's Rust is used with Debian's C compiler")),
    };
    let Err(missing) = missing else { return Ok(installed) };
    debian_cross::gnu(&rust.host).map_err(|error| {
        let [compiler, _] = installed;
        anyhow!(
            "there is no C compiler for {platform}:\n- {missing:#}\n- {error:#}\nhint: install {}, with its C library",
            compiler.display()
        )
    })
}

/// As distributions call GNU's programs for a platform.
fn gnu_name(platform: Platform, program: &str) -> String {
    format!("{}-{program}", platform.target().replace("-unknown", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_survive_a_directory_with_a_space() {
        let flags = rustflags_of(Path::new("/home/a b/.cargo"), Path::new("/w"));
        let flags = flags.to_str().expect("UTF-8");
        assert_eq!(
            flags.split('\u{1f}').collect::<Vec<_>>(),
            [
                FLAGS.as_slice(),
                &["--remap-path-prefix=/home/a b/.cargo/registry/src=/cargo", "--remap-path-prefix=/w=/airlock"]
            ]
            .concat()
        );
    }

    #[test]
    fn programs_are_called_as_distributions_call_them() {
        assert_eq!(gnu_name(Platform::LinuxArm64, "gcc"), "aarch64-linux-gnu-gcc");
        assert_eq!(gnu_name(Platform::LinuxAmd64, "ar"), "x86_64-linux-gnu-ar");
    }
}
