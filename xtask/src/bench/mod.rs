//! `cargo xtask bench`: the host beside native programs that do the same work, and beside Airbyte's own connector, in one run.
//! It calls programs from outside, as a user would, and must not know how they work inside.
//!
//! Everything that is compared runs in turn, several times, so that what the machine does besides touches all alike; ratios are
//! taken pair by pair. Before anything is timed, the yardstick's lines are compared with the host's.

pub mod images;
mod measure;
pub mod postgres;
mod postgres_server;
mod report;
pub mod rest;
mod rest_server;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::python_clients::PythonClients;
use crate::{build, command, dist};
use measure::{Input, Meter, Program, Usage, command_of};
use report::{Measured, Work};

/// What the reader of the tables is promised of `read`.
const PROMISED_SHARE: f64 = 0.60;

/// How the yardstick is called in the tables.
const NATIVE: &str = "native yardstick";

/// How large the benchmark is, and whom it asks.
pub struct Options {
    /// How many users are read and written.
    pub users: u64,
    /// How often each program runs.
    pub runs: usize,
    /// How many users show that memory stays flat.
    pub many_users: u64,
    /// Whether Airbyte's Python source-faker takes part: it needs minutes.
    pub python: bool,
    /// Whether the promise must hold. On a small scale, starting a process counts for too much.
    pub judge: bool,
}

/// The programs, and the files that they are given.
struct Bench {
    options: Options,
    meter: Meter,
    python_source_faker: Option<PathBuf>,
    yardstick: PathBuf,
    compiled_source: PathBuf,
    directory: PathBuf,
}

/// Builds what is compared, compares it, and prints tables in Markdown on stdout. Progress goes to stderr.
pub fn run(options: Options) -> Result<()> {
    build::run(&build::Selection { host: true, connectors: true, test_guests: false, locked: false })?;
    let directory = command::workspace_root().join("target/bench");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let [yardstick, usage] = build::yardstick()?;
    let python_source_faker = match options.python {
        true => Some(PythonClients::ensure()?.source_faker()),
        false => None,
    };
    let bench = Bench {
        python_source_faker,
        meter: Meter { usage },
        yardstick,
        compiled_source: directory.join("source-faker.cwasm"),
        directory: directory.clone(),
        options,
    };
    let result = bench.prepare().and_then(|()| bench.compare());
    // Gigabytes that nobody looks at.
    let _ = fs::remove_dir_all(&directory);
    result
}

impl Bench {
    fn prepare(&self) -> Result<()> {
        let stream = json!({
            "name": "users",
            "json_schema": {},
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": true,
            "default_cursor_field": ["updated_at"],
            "source_defined_primary_key": [["id"]],
        });
        let catalog = json!({"streams": [{
            "stream": stream,
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
            "cursor_field": ["updated_at"],
            "primary_key": [["id"]],
            "generation_id": 1,
            "minimum_generation_id": 0,
            "sync_id": 1,
        }]});
        self.save("catalog.json", &catalog)?;
        self.save("silent.json", &json!({"test_destination": {"test_destination_type": "SILENT"}}))?;
        self.save("files.json", &json!({"destination_path": "/local"}))?;
        for users in [2_500, self.options.users, self.options.many_users, FEW_USERS] {
            self.save(&format!("{users}.json"), &json!({"count": users, "seed": 1}))?;
        }
        let compiled = self.airlock("compile", None);
        let mut compile = command_of(&compiled)?;
        compile.arg(dist::connector("source-faker")).arg("--output").arg(&self.compiled_source);
        command::output(&mut compile)?;

        progress("comparing the yardstick's lines with the host's");
        let host = without_times(&command::output(&mut command_of(&self.read(2_500))?)?);
        let native = without_times(&command::output(&mut command_of(&self.native_read(2_500))?)?);
        // What the host logs for people comes on top.
        let host: Vec<&str> = host.lines().filter(|line| !line.starts_with(r#"{"type":"LOG""#)).collect();
        let native: Vec<&str> = native.lines().collect();
        let difference = host.iter().zip(&native).position(|(host, native)| host != native);
        if let Some(line) = difference {
            bail!("the yardstick does not write what the host writes: line {} differs", line + 1);
        }
        ensure!(host.len() == native.len(), "the yardstick writes more or fewer lines than the host");
        Ok(())
    }

    fn compare(&self) -> Result<()> {
        println!("## The machine\n\n{}", machine()?);
        println!("## Start: `spec`, from nothing\n\n{}", self.start()?);
        let users = self.options.users;
        let (read, share) = self.reading()?;
        println!("## `read`: {users} users to /dev/null\n\n{read}");
        println!("## `write`: those lines into nothing\n\n{}", self.writing_nowhere()?);
        println!("## `write`: those lines into a file, synced at every state\n\n{}", self.writing_files()?);
        println!("## Memory\n\n{}", self.memory()?);
        if self.options.judge && share < PROMISED_SHARE {
            bail!("`read` reached {share:.2} of native speed, and {PROMISED_SHARE:.2} is promised");
        }
        Ok(())
    }

    fn start(&self) -> Result<String> {
        let airlock = dist::airlock().into_os_string();
        let connector = self.compiled_source.clone().into_os_string();
        let compiled = Program::new([airlock, "--connector".into(), connector, "spec".into()]);
        let component = Program::new(self.airlock("spec", Some("source-faker")));
        // They take milliseconds, so more runs cost nothing.
        let runs = 3 * self.options.runs;
        let mut programs = vec![
            ("`true`, which does nothing", Program::new(["true"]), runs),
            ("airlock, connector compiled ahead (.cwasm)", compiled, runs),
            ("airlock, component (.wasm) from the cache", component, runs),
        ];
        if let Some(python) = &self.python_source_faker {
            let spec = Program::new([python.clone().into_os_string(), "spec".into()]);
            programs.push(("Airbyte's source-faker (Python)", spec, self.options.runs));
        }
        Ok(report::start(&in_turn(&self.meter, "spec", programs)?))
    }

    fn reading(&self) -> Result<(String, f64)> {
        let users = self.options.users;
        let runs = self.options.runs;
        let mut programs = vec![
            ("airlock", Program::new(self.read(users)), runs),
            (NATIVE, Program::new(self.native_read(users)), runs),
        ];
        if let Some(python) = &self.python_source_faker {
            let arguments = [python.as_os_str().to_owned(), "read".into()].into_iter().chain(self.files_of_read(users));
            // Minutes for what takes the others a second.
            programs.push(("Airbyte's source-faker (Python)", Program::new(arguments), 1));
        }
        let rows = in_turn(&self.meter, "read", programs)?;
        let work = Work { bytes: self.save_lines()?, records: users };
        Ok((report::throughput(work, NATIVE, &rows), report::ratio(&rows[1], &rows[0])))
    }

    fn writing_nowhere(&self) -> Result<String> {
        let airlock = self.write("destination-dev-null", "silent.json", Input::File(self.lines()));
        let native = Program {
            input: Input::File(self.lines()),
            ..Program::new([self.yardstick.clone().into_os_string(), "write-nowhere".into()])
        };
        let runs = self.options.runs;
        let rows =
            in_turn(&self.meter, "write into nothing", vec![("airlock", airlock, runs), (NATIVE, native, runs)])?;
        Ok(report::throughput(self.work_of_lines()?, NATIVE, &rows))
    }

    fn writing_files(&self) -> Result<String> {
        let airlock = self.write("destination-local-json", "files.json", Input::File(self.lines()));
        let native_directory = self.directory.join("native");
        let native = Program {
            input: Input::File(self.lines()),
            directory: Some(native_directory.clone()),
            ..Program::new([
                self.yardstick.clone().into_os_string(),
                "write-files".into(),
                native_directory.clone().into(),
            ])
        };
        let runs = self.options.runs;
        let rows = in_turn(&self.meter, "write into a file", vec![("airlock", airlock, runs), (NATIVE, native, runs)])?;
        let file = "_airbyte_raw_users.jsonl";
        let written = |directory: PathBuf| -> Result<u64> {
            let path = directory.join(file);
            Ok(fs::metadata(&path).with_context(|| format!("{} was to be written", path.display()))?.len())
        };
        let host = written(self.airbyte_directory().join("local"))?;
        let native = written(native_directory)?;
        ensure!(host == native, "the host wrote {host} bytes, and the yardstick {native}");
        Ok(report::throughput(self.work_of_lines()?, NATIVE, &rows))
    }

    fn memory(&self) -> Result<String> {
        let mut rows = Vec::new();
        for users in [FEW_USERS, self.options.many_users] {
            let programs = vec![("`read`", Program::new(self.read(users)), 1)];
            rows.extend(in_turn(&self.meter, "memory", programs)?.into_iter().map(|row| (users, row)));
        }
        for users in [FEW_USERS, self.options.many_users] {
            let input = Input::From(self.native_read(users));
            let programs = vec![("`write`", self.write("destination-dev-null", "silent.json", input), 1)];
            rows.extend(in_turn(&self.meter, "memory", programs)?.into_iter().map(|row| (users, row)));
        }
        Ok(report::memory(&rows))
    }

    /// `airlock COMMAND`, with a connector.
    fn airlock(&self, command: &str, connector: Option<&str>) -> Vec<OsString> {
        let mut arguments = vec![dist::airlock().into_os_string()];
        if let Some(connector) = connector {
            arguments.extend(["--connector".into(), dist::connector(connector).into_os_string()]);
        }
        arguments.push(command.into());
        arguments
    }

    fn read(&self, users: u64) -> Vec<OsString> {
        let mut arguments = self.airlock("read", Some("source-faker"));
        arguments.extend(self.files_of_read(users));
        arguments
    }

    fn files_of_read(&self, users: u64) -> [OsString; 4] {
        let config = self.directory.join(format!("{users}.json"));
        ["--config".into(), config.into(), "--catalog".into(), self.directory.join("catalog.json").into()]
    }

    fn native_read(&self, users: u64) -> Vec<OsString> {
        vec![self.yardstick.clone().into(), "read".into(), users.to_string().into()]
    }

    fn write(&self, connector: &str, config: &str, input: Input) -> Program {
        let mut arguments = self.airlock("write", Some(connector));
        arguments.extend([
            "--airbyte-dir".into(),
            self.airbyte_directory().into(),
            "--config".into(),
            self.directory.join(config).into(),
            "--catalog".into(),
            self.directory.join("catalog.json").into(),
        ]);
        Program { arguments, input, directory: Some(self.airbyte_directory()) }
    }

    fn airbyte_directory(&self) -> PathBuf {
        self.directory.join("airbyte")
    }

    /// What a source wrote, for destinations to read.
    fn lines(&self) -> PathBuf {
        self.directory.join("lines.jsonl")
    }

    fn save_lines(&self) -> Result<u64> {
        let file = fs::File::create(self.lines()).context("cannot create the file for the source's lines")?;
        let mut read = command_of(&self.read(self.options.users))?;
        command::run(read.stdin(Stdio::null()).stdout(file))?;
        Ok(self.work_of_lines()?.bytes)
    }

    fn work_of_lines(&self) -> Result<Work> {
        let bytes = fs::metadata(self.lines()).context("cannot look at the source's lines")?.len();
        Ok(Work { bytes, records: self.options.users })
    }

    fn save(&self, name: &str, content: &Value) -> Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, content.to_string()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Runs programs in turn, each as often as is said, after one run that does not count (where there is more than one).
fn in_turn(meter: &Meter, what: &str, programs: Vec<(&str, Program, usize)>) -> Result<Vec<Measured>> {
    for (name, program, runs) in &programs {
        if *runs > 1 {
            progress(&format!("{what}: {name}, to warm up"));
            meter.run(program)?;
        }
    }
    let most = programs.iter().map(|(_, _, runs)| *runs).max().unwrap_or_default();
    let mut rows: Vec<Vec<Usage>> = vec![Vec::new(); programs.len()];
    for round in 0..most {
        for ((name, program, runs), row) in programs.iter().zip(&mut rows) {
            if round < *runs {
                progress(&format!("{what}: {name}, {} of {runs}", round + 1));
                row.push(meter.run(program)?);
            }
        }
    }
    Ok(programs.iter().zip(rows).map(|((name, ..), runs)| Measured { name: (*name).to_owned(), runs }).collect())
}

/// How few users there are where memory is compared.
const FEW_USERS: u64 = 10_000;

fn progress(text: &str) {
    eprintln!("bench: {text}");
}

/// Protocol lines without what the clock puts into them. All else is compared byte by byte.
fn without_times(lines: &str) -> String {
    let without = |text: String, field: &str| {
        let mut pieces = text.split(field);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |kept, piece| kept + field + piece.trim_start_matches(|c| !matches!(c, ',' | '"' | '}')))
    };
    let text = without(lines.to_owned(), "\"emitted_at\":");
    without(text, "\"updated_at\":\"")
}

/// What the figures were measured on.
fn machine() -> Result<String> {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_else(|| "unknown".to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned();
    let rustc = command::output(command::rustc().arg("--version"))?;
    Ok(format!(
        "- {}, {cores} cores for this process, {} of memory\n- Linux {}; load average at the start {load}\n- {}\n",
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
        rustc.trim(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_not_compared_and_all_else_is() {
        let line = |id: u64, time: u64| {
            format!("{{\"record\":{{\"data\":{{\"id\":{id},\"updated_at\":\"{time}\"}},\"emitted_at\":{time}}}}}\n")
        };
        assert_eq!(without_times(&line(1, 5)), without_times(&line(1, 6)));
        assert_ne!(without_times(&line(1, 5)), without_times(&line(2, 5)));
        assert_ne!(without_times("{\"a\":1,\"b\":2}"), without_times("{\"b\":2,\"a\":1}"), "bytes count");
    }
}
