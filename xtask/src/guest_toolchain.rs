//! The compiler for guests, and the environment that it wants. It must not know which guests there are.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::rust_target::{self, InstalledRust, Origin, Target};
use crate::{command, debian_rust};

/// What guests are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// How its compiler is found.
const GUESTS: Target = Target {
    triple: TARGET,
    purpose: "guests",
    wish_variable: "AIRLOCK_GUEST_TOOLCHAIN",
    unpacked: debian_rust::unpacked,
    unpack: debian_rust::unpack,
};

/// Vector and bulk-memory instructions make guests 12 to 21 % faster, and every runtime that matters has them.
const GUEST_RUSTFLAGS: &str = "-C target-feature=+simd128,+bulk-memory";

/// Variables that would put another compiler, other flags or a wrapper such as clippy's into a guest's build.
const LEAKS: [&str; 2] = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];

/// A compiler for guests, and the environment that makes cargo use it.
pub struct GuestToolchain {
    origin: Origin,
    /// What `rustc --version` says.
    version: String,
    /// The environment of a guest's build.
    environment: Vec<(&'static str, OsString)>,
}

impl GuestToolchain {
    /// Finds a compiler for guests, or gets one.
    pub fn ensure() -> Result<Self> {
        let rust = InstalledRust::look()?;
        let origin = rust_target::find(&GUESTS, &rust)?;
        Self::new(origin, &rust)
    }

    fn new(origin: Origin, rust: &InstalledRust) -> Result<Self> {
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", GUEST_RUSTFLAGS.into()),
            // Set but empty also switches off what a configuration file names.
            ("RUSTC_WRAPPER", OsString::new()),
            ("RUSTC_WORKSPACE_WRAPPER", OsString::new()),
        ];
        let version = match &origin {
            Origin::Installed => command::output(command::rustc().arg("--version"))?,
            Origin::Debian(prefix) => {
                let rustc = debian_rust::rustc(prefix);
                let version = command::output(Command::new(&rustc).arg("--version"))?;
                environment.push(("RUSTC", rustc.into()));
                // Debian's compiler comes without the linker for components; rustup's toolchains carry it.
                let linker = rust.tools().join("wasm-component-ld");
                if !linker.is_file() {
                    bail!(
                        "there is no linker for components at {}: the Rust that builds the host did not come from \
                         rustup. Install Rust by rustup, or a Rust that has the target {TARGET}",
                        linker.display()
                    );
                }
                environment.push(("CARGO_TARGET_WASM32_WASIP2_LINKER", linker.into()));
                let mut path = vec![rust.tools(), rust.tools().join("gcc-ld")];
                path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
                let path = env::join_paths(path).context("PATH has an entry that cannot be kept")?;
                environment.push(("PATH", path));
                environment.push(("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback".into()));
                version
            }
        };
        Ok(Self { origin, version: version.trim().to_owned(), environment })
    }

    /// A cargo that compiles for guests with this compiler; the caller adds `build`, `--target` and the rest.
    pub fn cargo(&self) -> Command {
        let mut command = command::cargo();
        for name in LEAKS {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What `rustc --version` says.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// One line about the compiler.
    pub fn describe(&self) -> String {
        match &self.origin {
            Origin::Installed => format!("{} with the target {TARGET}", self.version),
            Origin::Debian(prefix) => {
                format!("{} of Debian, unpacked in {}", self.version, prefix.display())
            }
        }
    }

    /// The environment of a guest's build as shell commands.
    fn shell(&self) -> String {
        let mut text = format!("unset {}\n", LEAKS.join(" "));
        for (name, value) in &self.environment {
            text += &format!("export {name}={}\n", command::quote(value));
        }
        text
    }
}

/// `cargo xtask toolchain`.
pub fn print(as_shell: bool) -> Result<()> {
    let toolchain = GuestToolchain::ensure()?;
    if as_shell {
        print!("{}", toolchain.shell());
        return Ok(());
    }
    println!("Guests are compiled by {}", toolchain.describe());
    if let Origin::Debian(_) = toolchain.origin {
        println!("rustup's own compiler takes over as soon as it has the target: rustup target add {TARGET}");
    }
    println!("To build one by hand, in a subshell so that the host keeps its own compiler:");
    println!(
        "  (eval \"$(cargo xtask toolchain --env)\" && cargo build --release --target {TARGET} \\\n    \
         --target-dir target/guests --package source-faker)"
    );
    Ok(())
}
