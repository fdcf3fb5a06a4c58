//! The images of the other processor, by qemu's user emulation. The kernel starts it for each program of that processor, and is
//! told so for one namespace of users only: nothing changes for the rest of the machine.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::daemon::Daemon;
use super::runc::Runc;
use super::shared::Shared;
use super::{checks, pods, programs};

/// How the kernel recognises a program for arm64: the first bytes of the file and which bits of them count. `F` opens the
/// emulator now, outside of what the program may see; `P` hands on the name by which the program was called.
const HANDLER: &str = concat!(
    r":arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
);

/// In the namespace of users: waits until the users are mapped, registers the emulator, and stays.
const KEEPER: &str = r#"
echo unshared
read mapped
exec unshare --mount sh -c '
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc &&
        printf %s "$1" > /proc/sys/fs/binfmt_misc/register && echo registered && exec cat
' sh "$1"
"#;

/// The namespace.
struct Emulation {
    keeper: Daemon,
    /// The keeper waits for its end.
    _stdin: fs::File,
    _directory: TempDir,
}

impl Emulation {
    fn start() -> Emulation {
        let directory = TempDir::new().expect("a temporary directory");
        let handler = format!("{HANDLER}{}:FP", programs::path("qemu-aarch64-static").display());
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        let mut command = Command::new("unshare");
        command
            .args(["--user", "sh", "-c", KEEPER, "sh", &handler])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let log = directory.path().join("log");
        let keeper = Daemon::start_as_is(&command, &log, Stdio::from(reader));
        keeper.until(|log| log.contains("unshared").then_some(()));
        let process = format!("/proc/{}", keeper.process().as_raw_nonzero());
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("{process}/{map}"), "0 0 65536").expect("root may");
        }
        let mut stdin = fs::File::from(writer);
        std::io::Write::write_all(&mut stdin, b"mapped\n").expect("it waits");
        keeper.until(|log| log.contains("registered").then_some(()));
        Emulation { keeper, _stdin: stdin, _directory: directory }
    }
}

/// runc in the namespace, which lives as long.
struct Emulated {
    runc: Runc,
    _emulation: Arc<Emulation>,
}

impl Emulated {
    fn new() -> Emulated {
        static EMULATION: Shared<Emulation> = Shared::new();
        let emulation = EMULATION.get(Emulation::start);
        let target = emulation.keeper.process().as_raw_nonzero().to_string();
        let within = ["nsenter", "--target", &target, "--user", "--mount"].map(str::to_owned);
        Emulated { runc: Runc::of("arm64", within.into()), _emulation: emulation }
    }
}

#[test]
fn a_source_speaks_the_protocol() {
    checks::a_source_speaks_the_protocol(&Emulated::new().runc);
}

#[test]
fn a_destination_writes_below_airbyte() {
    checks::a_destination_writes_below_airbyte(&Emulated::new().runc);
}

#[test]
fn it_is_airbyte_and_may_write_below_airbyte_only() {
    checks::it_is_airbyte_and_may_write_below_airbyte_only(&Emulated::new().runc);
}

#[test]
fn sigterm_ends_it() {
    checks::sigterm_ends_it(&Emulated::new().runc);
}

#[test]
fn pods_run_and_end() {
    pods::run(&Emulated::new().runc);
}

/// If this ran without the emulator, the other tests would show nothing.
#[test]
fn the_programs_are_for_arm64() {
    let directory = TempDir::new().expect("a temporary directory");
    let image = super::built::image(&crate::harness::connector("source-faker"));
    let files = image.unpack("arm64", directory.path()).join("rootfs");
    for program in ["bin/busybox", "usr/bin/airlock"] {
        let program = fs::read(files.join(program)).expect("it is in the image");
        // EM_AARCH64
        assert_eq!(program[18..20], [183, 0]);
    }
}
