//! The jobs whose instructions are counted, and counting them. It must not know what counts are compared with.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::valgrind::Valgrind;
use crate::{command, dist};

/// As many as make the start of a process a small part of the count, and a job some seconds long.
const USERS: u64 = 10_000;
const SMALL_RECORDS: u64 = 50_000;

/// One command of the host.
struct Job {
    name: &'static str,
    arguments: Vec<OsString>,
    /// What it reads on stdin.
    input: Option<PathBuf>,
}

/// All of them, with their files.
pub struct Jobs {
    jobs: Vec<Job>,
    directory: PathBuf,
}

impl Jobs {
    /// Compiles the connectors and writes the files that the jobs are given, into an empty directory.
    pub fn prepare(directory: &Path) -> Result<Self> {
        let mut jobs = Self { jobs: Vec::new(), directory: directory.to_owned() };
        let faker = jobs.compile(&dist::connector("source-faker"))?;
        let sized = jobs.compile(&dist::test_guest("source-sized"))?;
        let dev_null = jobs.compile(&dist::connector("destination-dev-null"))?;
        let local_json = jobs.compile(&dist::connector("destination-local-json"))?;
        let users = jobs.save("users.json", &json!({"count": USERS, "seed": 1}))?;
        let small = jobs.save("small.json", &json!({"record_bytes": 50, "records": SMALL_RECORDS}))?;
        let silent = json!({"test_destination": {"test_destination_type": "SILENT"}});
        let silent = jobs.save("silent.json", &silent)?;
        let files = jobs.save("files.json", &json!({"destination_path": "/local"}))?;

        let read_users = jobs.command(&faker, "read", &users, "users")?;
        let read_small = jobs.command(&sized, "read", &small, "sized")?;
        let (users, small) = (jobs.output("users.jsonl", &read_users)?, jobs.output("small.jsonl", &read_small)?);
        let write_users = jobs.command(&dev_null, "write", &silent, "users")?;
        let write_files = jobs.command(&local_json, "write", &files, "users")?;
        let write_small = jobs.command(&dev_null, "write", &silent, "sized")?;
        let spec = [dist::airlock().into(), "--connector".into(), faker.into(), "spec".into()].into();
        jobs.jobs = vec![
            Job { name: "spec", arguments: spec, input: None },
            Job { name: "read", arguments: read_users, input: None },
            Job { name: "read of small records", arguments: read_small, input: None },
            Job { name: "write into nothing", arguments: write_users, input: Some(users.clone()) },
            Job { name: "write into files", arguments: write_files, input: Some(users) },
            Job { name: "write of small records", arguments: write_small, input: Some(small) },
        ];
        Ok(jobs)
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.jobs.iter().map(|job| job.name)
    }

    /// How many instructions a job takes, all its threads together.
    pub fn count(&self, name: &str, valgrind: &Valgrind) -> Result<u64> {
        let job = self.jobs.iter().find(|job| job.name == name).with_context(|| format!("there is no job {name}"))?;
        let airbyte = self.airbyte_directory();
        let _ = fs::remove_dir_all(&airbyte);
        fs::create_dir(&airbyte).with_context(|| format!("cannot create {}", airbyte.display()))?;
        let log = self.directory.join("valgrind.log");
        let mut command = valgrind.command();
        // Without the caches, cachegrind counts what callgrind counts, in less time.
        command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
        command.arg(format!("--log-file={}", log.display())).args(&job.arguments);
        let stdin = match &job.input {
            Some(path) => Stdio::from(File::open(path).with_context(|| format!("cannot open {}", path.display()))?),
            None => Stdio::null(),
        };
        let shown = command::display(&command);
        let output =
            command.stdin(stdin).stdout(Stdio::null()).output().with_context(|| format!("cannot start `{shown}`"))?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("`{shown}` failed ({}):\n{}\n{}", output.status, stderr.trim(), said.trim());
        }
        instructions(&said).with_context(|| format!("valgrind has counted nothing: {said:?}"))
    }

    fn compile(&self, component: &Path) -> Result<PathBuf> {
        let compiled = self.directory.join(component.file_stem().unwrap_or_default()).with_extension("cwasm");
        let mut compile = Command::new(dist::airlock());
        command::output(compile.arg("compile").arg(component).arg("--output").arg(&compiled))?;
        Ok(compiled)
    }

    /// `airlock read` or `write` of one stream.
    fn command(&self, connector: &Path, command: &str, config: &Path, stream: &str) -> Result<Vec<OsString>> {
        let catalog = json!({"streams": [{
            "stream": {"name": stream, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
            "generation_id": 1,
            "minimum_generation_id": 0,
            "sync_id": 1,
        }]});
        let catalog = self.save(&format!("catalog-{stream}.json"), &catalog)?;
        let airbyte = self.airbyte_directory();
        let options =
            [("--connector", connector), ("--airbyte-dir", &airbyte), ("--config", config), ("--catalog", &catalog)];
        let options = options.into_iter().flat_map(|(name, value)| [OsString::from(name), value.into()]);
        Ok([dist::airlock().into_os_string(), command.into()].into_iter().chain(options).collect())
    }

    fn airbyte_directory(&self) -> PathBuf {
        self.directory.join("airbyte")
    }

    fn save(&self, name: &str, content: &Value) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::write(&path, content.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A file of what a command prints.
    fn output(&self, name: &str, arguments: &[OsString]) -> Result<PathBuf> {
        let path = self.directory.join(name);
        let airbyte = self.airbyte_directory();
        fs::create_dir_all(&airbyte).with_context(|| format!("cannot create {}", airbyte.display()))?;
        super::super::workbench::save_output(arguments, &path)?;
        Ok(path)
    }
}

/// From a line like `==123== I   refs:      5,663,267`.
fn instructions(said: &str) -> Option<u64> {
    said.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let ["I", "refs:", count] = words.as_slice() else { return None };
        count.replace(',', "").parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_valgrind_says() {
        let said =
            "==7== Cachegrind, a cache profiler\n==7== Command: airlock spec\n==7== \n==7== I   refs:      5,663,267\n";
        assert_eq!(instructions(said), Some(5_663_267));
        assert_eq!(instructions("==7== I refs:        12\n"), Some(12));
        assert_eq!(instructions("==7== D   refs:  3\n"), None);
    }
}
