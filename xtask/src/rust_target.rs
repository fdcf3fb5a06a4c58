//! Finding a Rust compiler for a target: the installed one, rustup's target, or Debian's compiler from the cache.
//! It must not know what is compiled by it, nor how Debian's is fetched.

use std::env;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::command;

/// A download of 25 MB that takes longer is better done by hand, and a network that swallows packets never ends it.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

/// What a compiler is wanted for.
pub struct Target {
    /// As rustc and rustup call it.
    pub triple: &'static str,
    /// What is compiled, as in `there is no compiler for guests`.
    pub purpose: &'static str,
    /// The environment variable that allows one way only: `rustup` or `debian`; unset or `auto` tries both.
    pub wish_variable: &'static str,
    /// Debian's compiler, if an earlier run unpacked it.
    pub unpacked: fn() -> Option<PathBuf>,
    /// Fetches and unpacks Debian's compiler for a machine of this triple.
    pub unpack: fn(&str) -> Result<PathBuf>,
}

/// Where a compiler comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// The compiler that builds the host has the target.
    Installed,
    /// Debian's compiler, unpacked here.
    Debian(PathBuf),
}

/// Finds a compiler, or gets one.
pub fn find(target: &Target, rust: &InstalledRust) -> Result<Origin> {
    let wish = Wish::from_variable(target.wish_variable, env::var_os(target.wish_variable))?;
    choose(target, wish, &ThisMachine { rust, target })
}

/// Which of the two ways are allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wish {
    Any,
    Rustup,
    Debian,
}

impl Wish {
    fn from_variable(variable: &str, value: Option<OsString>) -> Result<Self> {
        match value.as_ref().map(|value| value.to_string_lossy()).as_deref() {
            None | Some("" | "auto") => Ok(Self::Any),
            Some("rustup") => Ok(Self::Rustup),
            Some("debian") => Ok(Self::Debian),
            Some(other) => {
                bail!("{variable} is `{other}`; it can be `auto`, `rustup` or `debian`")
            }
        }
    }
}

/// What the choice asks of a machine. The tests answer for machines that are not at hand.
trait Machine {
    /// Whether the installed compiler has the target.
    fn has_target(&self) -> Result<bool>;
    /// Debian's compiler, if an earlier run unpacked it.
    fn unpacked(&self) -> Option<PathBuf>;
    /// `rustup target add`.
    fn add_target(&self) -> Result<()>;
    /// Fetches and unpacks Debian's compiler.
    fn unpack(&self) -> Result<PathBuf>;
}

/// The installed target is best. An unpacked compiler comes before asking rustup, or a machine without a network
/// would wait for rustup at every run; who adds the target by hand is served by the first rule again.
fn choose(target: &Target, wish: Wish, machine: &impl Machine) -> Result<Origin> {
    let Target { triple, purpose, .. } = target;
    let mut reasons = Vec::new();
    if wish != Wish::Debian && machine.has_target()? {
        return Ok(Origin::Installed);
    }
    if wish != Wish::Rustup
        && let Some(prefix) = machine.unpacked()
    {
        return Ok(Origin::Debian(prefix));
    }
    if wish != Wish::Debian {
        match machine.add_target() {
            Ok(()) if machine.has_target()? => return Ok(Origin::Installed),
            Ok(()) => reasons.push(anyhow!(
                "`rustup target add {triple}` succeeded, but for another compiler than the one that `rustc` starts; \
                 compare `which rustc` with `rustup which rustc`"
            )),
            Err(error) => reasons.push(error),
        }
    }
    if wish != Wish::Rustup {
        match machine.unpack() {
            Ok(prefix) => return Ok(Origin::Debian(prefix)),
            Err(error) => reasons.push(error),
        }
    }
    let reasons: Vec<String> =
        reasons.iter().map(|reason| format!("\n- {}", format!("{reason:#}").replace('\n', "\n  "))).collect();
    bail!(
        "there is no compiler for {purpose} (target {triple}):{}\n\
         hint: with a network, run `rustup target add {triple}` and try again",
        reasons.concat()
    )
}

/// The machine that this program runs on.
struct ThisMachine<'a> {
    rust: &'a InstalledRust,
    target: &'a Target,
}

impl Machine for ThisMachine<'_> {
    fn has_target(&self) -> Result<bool> {
        Ok(has_standard_library(&self.rust.libraries(self.target.triple)))
    }

    fn unpacked(&self) -> Option<PathBuf> {
        (self.target.unpacked)()
    }

    fn add_target(&self) -> Result<()> {
        let triple = self.target.triple;
        eprintln!("Adding the target {triple} by rustup");
        let mut command = Command::new("rustup");
        command
            .args(["target", "add", triple])
            .env("RUSTUP_DOWNLOAD_TIMEOUT", "20")
            .env("RUSTUP_MAX_RETRIES", "1")
            .env("RUST_BACKTRACE", "0");
        within(&mut command, RUSTUP_LIMIT).inspect_err(|_| eprintln!("rustup could not add it"))
    }

    fn unpack(&self) -> Result<PathBuf> {
        (self.target.unpack)(&self.rust.host)
    }
}

/// The Rust that builds the host.
pub struct InstalledRust {
    sysroot: PathBuf,
    /// The triple of the machine, such as `x86_64-unknown-linux-gnu`.
    pub host: String,
}

impl InstalledRust {
    /// Asks it where it is and what it is.
    pub fn look() -> Result<Self> {
        let sysroot = command::output(command::rustc().args(["--print", "sysroot"]))
            .context("no usable rustc: install Rust by rustup (https://rustup.rs)")?;
        let version = command::output(command::rustc().arg("-vV"))?;
        let host = host_triple(&version).context("`rustc -vV` names no host")?;
        Ok(Self { sysroot: PathBuf::from(sysroot.trim()), host: host.to_owned() })
    }

    /// Where rustup's toolchains keep rust-lld and wasm-component-ld.
    pub fn tools(&self) -> PathBuf {
        let libraries = self.sysroot.join("lib/rustlib");
        libraries.join(&self.host).join("bin")
    }

    fn libraries(&self, triple: &str) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(triple).join("lib")
    }
}

fn host_triple(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: "))
}

/// Whether a compiler can compile for a target, whose libraries are here.
/// A directory alone is no proof: a download that was broken off leaves one too.
pub fn has_standard_library(libraries: &Path) -> bool {
    libraries.read_dir().into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// Runs a command that must end in time; the error carries what it said.
fn within(command: &mut Command, limit: Duration) -> Result<()> {
    let shown = command::display(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let (said, hear) = mpsc::channel();
    if let Some(mut pipe) = child.stderr.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // Both cannot fail in a way that matters: a broken pipe is the end, and nobody listens after the limit.
            let _ = pipe.read_to_end(&mut bytes);
            let _ = said.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    let Ok(text) = hear.recv_timeout(limit) else {
        child.kill().with_context(|| format!("cannot stop `{shown}`"))?;
        child.wait()?;
        bail!("`{shown}` did not end within {} seconds and was stopped", limit.as_secs());
    };
    let status = child.wait()?;
    if !status.success() {
        bail!("`{shown}` failed ({status}):\n{}", text.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::time::Instant;

    use super::*;

    const GUESTS: Target = Target {
        triple: "wasm32-wasip2",
        purpose: "guests",
        wish_variable: "AIRLOCK_TOOLCHAIN",
        unpacked: || None,
        unpack: |_| bail!("not asked"),
    };

    /// A machine of which everything is known, and which remembers what it was asked to do.
    #[derive(Default)]
    struct Imagined {
        target: bool,
        rustup_adds: bool,
        rustup_adds_elsewhere: bool,
        unpacked: bool,
        unpacks: bool,
        done: RefCell<Vec<&'static str>>,
    }

    impl Machine for Imagined {
        fn has_target(&self) -> Result<bool> {
            Ok(self.target || (self.rustup_adds && self.done.borrow().contains(&"add")))
        }
        fn unpacked(&self) -> Option<PathBuf> {
            self.unpacked.then(|| "cache".into())
        }
        fn add_target(&self) -> Result<()> {
            self.done.borrow_mut().push("add");
            if self.rustup_adds || self.rustup_adds_elsewhere {
                return Ok(());
            }
            bail!("no network for rustup")
        }
        fn unpack(&self) -> Result<PathBuf> {
            self.done.borrow_mut().push("unpack");
            if self.unpacks {
                return Ok("cache".into());
            }
            bail!("no apt here")
        }
    }

    fn debian() -> Origin {
        Origin::Debian("cache".into())
    }

    #[test]
    fn an_installed_target_is_used_and_nothing_is_fetched() {
        let machine = Imagined { target: true, unpacked: true, ..Imagined::default() };
        assert_eq!(choose(&GUESTS, Wish::Any, &machine).expect("chosen"), Origin::Installed);
        assert!(machine.done.borrow().is_empty());
    }

    #[test]
    fn rustup_comes_before_debian() {
        let machine = Imagined { rustup_adds: true, unpacks: true, ..Imagined::default() };
        assert_eq!(choose(&GUESTS, Wish::Any, &machine).expect("chosen"), Origin::Installed);
        assert_eq!(*machine.done.borrow(), ["add"]);
    }

    #[test]
    fn debian_serves_where_rustup_cannot() {
        let machine = Imagined { unpacks: true, ..Imagined::default() };
        assert_eq!(choose(&GUESTS, Wish::Any, &machine).expect("chosen"), debian());
        assert_eq!(*machine.done.borrow(), ["add", "unpack"]);
    }

    #[test]
    fn an_unpacked_compiler_spares_waiting_for_rustup() {
        let machine = Imagined { unpacked: true, ..Imagined::default() };
        assert_eq!(choose(&GUESTS, Wish::Any, &machine).expect("chosen"), debian());
        assert!(machine.done.borrow().is_empty());
    }

    #[test]
    fn a_target_added_to_another_compiler_is_not_taken_for_ours() {
        let machine = Imagined { rustup_adds_elsewhere: true, unpacks: true, ..Imagined::default() };
        assert_eq!(choose(&GUESTS, Wish::Any, &machine).expect("chosen"), debian());
    }

    #[test]
    fn a_wish_allows_only_its_way() {
        let machine = Imagined { target: true, unpacks: true, ..Imagined::default() };
        assert_eq!(choose(&GUESTS, Wish::Debian, &machine).expect("chosen"), debian());
        let machine = Imagined { unpacked: true, unpacks: true, ..Imagined::default() };
        let error = choose(&GUESTS, Wish::Rustup, &machine).expect_err("rustup cannot");
        assert!(error.to_string().contains("no network for rustup"), "{error}");
        assert_eq!(*machine.done.borrow(), ["add"]);
    }

    #[test]
    fn when_nothing_works_every_reason_and_a_hint_are_given() {
        let error = choose(&GUESTS, Wish::Any, &Imagined::default()).expect_err("nothing works");
        let text = error.to_string();
        for part in ["no network for rustup", "no apt here", "hint: ", "guests", "wasm32-wasip2"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn the_wish_is_one_of_three_words() {
        let wish = |value: &str| Wish::from_variable("AIRLOCK_TOOLCHAIN", Some(value.into()));
        assert_eq!(Wish::from_variable("AIRLOCK_TOOLCHAIN", None).expect("none"), Wish::Any);
        assert_eq!(wish("auto").expect("auto"), Wish::Any);
        assert_eq!(wish("rustup").expect("rustup"), Wish::Rustup);
        assert_eq!(wish("debian").expect("debian"), Wish::Debian);
        let error = wish("gentoo").expect_err("not a wish").to_string();
        assert!(error.contains("AIRLOCK_TOOLCHAIN is `gentoo`") && error.contains("debian"), "{error}");
    }

    #[test]
    fn the_host_triple_is_read_from_rustc() {
        let text = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host_triple(text), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(host_triple("rustc 1.95.0"), None);
    }

    #[test]
    fn a_target_without_its_standard_library_is_not_there() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(!has_standard_library(&directory.path().join("absent")));
        assert!(!has_standard_library(directory.path()));
        fs::write(directory.path().join("libstd-0123456789abcdef.rlib"), "").expect("a file");
        assert!(has_standard_library(directory.path()));
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped() {
        let start = Instant::now();
        let error = within(Command::new("sleep").arg("600"), Duration::from_millis(50));
        let text = error.expect_err("stopped").to_string();
        assert!(text.contains("did not end"), "{text}");
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_command_that_fails_tells_why() {
        let error =
            within(Command::new("sh").args(["-c", "echo server unreachable >&2; exit 1"]), Duration::from_secs(60));
        let text = error.expect_err("exit 1").to_string();
        assert!(text.contains("server unreachable"), "{text}");
    }
}
