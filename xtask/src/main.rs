//! `cargo xtask …`: what a developer or a CI machine does with this repository, one file a task.
//! It must not know how the host works inside: it calls `cargo` and the command line of `airlock`.

mod base_image;
mod bench;
mod build;
mod busybox;
mod cache;
mod clients;
mod command;
mod containers;
mod debian;
mod debian_cross;
mod debian_rust;
mod demo;
mod dist;
mod fuzz;
mod guest_toolchain;
mod image_toolchain;
mod machine_debian;
mod obstacle;
mod postgres;
mod python_clients;
mod rust_target;
mod test;
mod valgrind;

use std::process::ExitCode;

use airlock_images::Platform;
use clap::{Args, Parser, Subcommand, ValueEnum};

use bench::{Aim, Part};

/// Airlock's own tasks. On a fresh clone, `cargo xtask demo` and `cargo xtask test` do everything by themselves.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build, then move records from source-faker into destination-local-json, twice
    ///
    /// Two `airlock` processes and a pipe, in a fresh directory under target/demo. The commands are shown as they
    /// could be typed; the second run continues from the state of the first. Fails if the numbers do not agree.
    Demo,

    /// Check everything: formatting, build, clippy, documentation, unit tests, tests through the binary
    ///
    /// What fails does not stop what can still be checked; a summary at the end names it, and the exit code is 1.
    /// Without a network, AIRLOCK_CLIENTS=none leaves out the tests that run other people's clients.
    Test,

    /// Measure the host beside native programs that do the same work, and beside Airbyte's own connector
    ///
    /// Prints tables in Markdown, with the ratios and how far apart they are. At full scale (a million users, five runs) they
    /// are written into BENCHMARKS.md, with the picture of the README, and held against what is promised there: it fails where a
    /// promise is not kept. Run it on a machine that does nothing else. --check compares instructions with the committed
    /// figures, on any machine.
    Bench(BenchArguments),

    /// Throw bytes at the parts of the host that read and write them, for a while
    ///
    /// Needs a nightly Rust and cargo-fuzz. What is found is kept below target/fuzz; what was found before is replayed by
    /// `cargo xtask test`, without either. docs/fuzzing.md has more.
    Fuzz(FuzzArguments),

    /// Build everything that belongs under dist/
    ///
    /// dist/airlock, dist/connectors/NAME.wasm with its metadata in it and beside it, and the faulty guests of the tests in
    /// dist/test-guests/. A file that did not change is left alone.
    Build(BuildArguments),

    /// Build the base image, which connector images start from, for amd64 and arm64
    ///
    /// dist/airlock-base.tar is an OCI archive; `airlock image build` finds it there, and docker, podman and skopeo load it.
    /// dist/base-image/rootfs-ARCHITECTURE.tar is what images/Dockerfile is built from. No container engine is needed, and
    /// not root. For the other processor, the compiler is the installed one if rustup adds the target, or Debian's is unpacked
    /// into the user's cache directory (below airlock/), once; AIRLOCK_IMAGE_TOOLCHAIN=rustup or =debian allows only that one.
    /// A first build takes many minutes.
    BaseImage(BaseImageArguments),

    /// Make sure that guests can be compiled, and say with what
    ///
    /// The compiler is the installed one if it has the target wasm32-wasip2, or gets it by `rustup target add`. Where
    /// rustup cannot download, Debian's rustc is unpacked into the user's cache directory (below airlock/), once;
    /// nothing is installed on the system. AIRLOCK_GUEST_TOOLCHAIN=rustup or =debian allows only that one.
    Toolchain(ToolchainArguments),

    /// Fetch what the tests run beside airlock, and say where it is
    ///
    /// PyAirbyte and others from PyPI (1 GB), busybox and PostgreSQL (from Debian, up to 200 MB) where they are not installed, and
    /// what runs images (podman, Docker's engine and others from Debian, 800 MB) go to the user's cache directory (below
    /// airlock/; root's PostgreSQL to /var/cache/airlock, for it runs as another user), once; nothing is installed on the system. What is printed is for a shell: eval "$(cargo xtask clients)". The environment variable
    /// AIRLOCK_CLIENTS=none makes `cargo xtask test` go without.
    Clients,
}

#[derive(Args)]
struct BenchArguments {
    /// Only these parts
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<Part>,

    /// How many users are read and written
    #[arg(long, default_value_t = bench::FULL_USERS, value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,

    /// How many users show that memory does not grow
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    many_users: u64,

    /// How many rows source-postgres reads
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,

    /// How many pages the API has, of a thousand records each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pages: u64,

    /// How often each program runs
    #[arg(long, default_value_t = bench::FULL_RUNS, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Leave Airbyte's Python source-faker out: it takes minutes
    #[arg(long)]
    without_python: bool,

    /// Write BENCHMARKS.md and the picture although the scale is a smaller one; no promise is judged then
    #[arg(long)]
    write: bool,

    /// Draw the picture of what BENCHMARKS.md says, and measure nothing
    #[arg(long, conflicts_with_all = ["parts", "write", "check"])]
    draw: bool,

    /// Count the instructions of a few jobs instead, and fail where they are more than the committed figures say
    ///
    /// valgrind counts: the installed one, or the machine's Debian release's, unpacked into the user's cache directory.
    #[arg(long, conflicts_with_all = ["parts", "write"])]
    check: bool,

    /// Put the counts in the place of the committed figures for this machine's processor and compilers
    #[arg(long, requires = "check")]
    update: bool,
}

impl BenchArguments {
    fn run(self) -> anyhow::Result<()> {
        if self.draw {
            return bench::draw();
        }
        if self.check {
            return bench::instructions::run(self.update);
        }
        let is_full = self.users >= bench::FULL_USERS && self.runs >= bench::FULL_RUNS;
        bench::run(&bench::Options {
            parts: if self.parts.is_empty() { Part::value_variants().to_vec() } else { self.parts },
            users: self.users,
            runs: self.runs.into(),
            many_users: self.many_users,
            rows: self.rows,
            pages: self.pages,
            python: !self.without_python,
            aim: match (is_full, self.write) {
                (true, _) => Aim::Judge,
                (false, true) => Aim::Write,
                (false, false) => Aim::Show,
            },
        })
    }
}

#[derive(Args)]
struct FuzzArguments {
    /// Only this fuzzer
    target: Option<String>,

    /// How long each fuzzer runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Args)]
struct BuildArguments {
    /// Only the guests
    #[arg(long, conflicts_with = "host")]
    guests: bool,

    /// Only the host
    #[arg(long)]
    host: bool,
}

#[derive(Args)]
struct BaseImageArguments {
    /// Only for these platforms
    #[arg(long, value_delimiter = ',', default_value = "linux/amd64,linux/arm64")]
    platform: Vec<Platform>,
}

#[derive(Args)]
struct ToolchainArguments {
    /// Print the environment as shell commands: eval "$(cargo xtask toolchain --env)"
    #[arg(long)]
    env: bool,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Demo => demo::run(),
        Task::Test => test::run(),
        Task::Bench(arguments) => arguments.run(),
        Task::Fuzz(arguments) => fuzz::run(arguments.target.as_deref(), arguments.seconds),
        Task::Build(only) => build::run(&build::Selection {
            host: !only.guests,
            connectors: !only.host,
            test_guests: !only.host,
            locked: false,
        }),
        Task::BaseImage(only) => base_image::run(&only.platform, false),
        Task::Clients => clients::print(),
        Task::Toolchain(arguments) => guest_toolchain::print(arguments.env),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Separates the parts of a long output.
fn heading(text: &str) {
    println!("\n==== {text}");
}
