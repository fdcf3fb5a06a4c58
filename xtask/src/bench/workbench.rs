//! The programs that several parts compare, and the files that they are given. It must not know what is compared with what.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::measure::{Input, Meter, Program, command_of};
use super::report::Work;
use super::{image_host, progress};
use crate::python_clients::PythonClients;
use crate::{build, command, dist};

/// The configuration of destination-dev-null.
pub const NOWHERE: &str = "nowhere.json";
/// The configuration of destination-local-json.
pub const FILES: &str = "files.json";

/// The programs and a directory of files.
pub struct Workbench {
    pub meter: Meter,
    /// How many users are read and written.
    pub users: u64,
    /// How often each program runs.
    pub runs: usize,
    /// Airbyte's own source-faker, or why it takes no part.
    pub python: Result<PathBuf, String>,
    yardstick: PathBuf,
    directory: PathBuf,
}

impl Workbench {
    /// Builds the yardstick, finds the others, and writes the files. `dist/` is there.
    pub fn prepare(directory: &Path, users: u64, runs: usize, with_python: bool) -> Result<Self> {
        let [yardstick, usage] = build::yardstick()?;
        let python = match with_python {
            true => PythonClients::ensure().map(|clients| clients.source_faker()).map_err(|error| error.to_string()),
            false => Err("left out by --without-python".to_owned()),
        };
        let workbench =
            Self { meter: Meter { usage }, users, runs, python, yardstick, directory: directory.to_owned() };
        workbench.save(NOWHERE, &json!({"test_destination": {"test_destination_type": "SILENT"}}))?;
        workbench.save(FILES, &json!({"destination_path": "/local"}))?;
        Ok(workbench)
    }

    /// A file of the workbench.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn save(&self, name: &str, content: &Value) -> Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, content.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Compiles a connector ahead of its time.
    pub fn compile(&self, component: &Path) -> Result<PathBuf> {
        let name = component.file_stem().unwrap_or_default();
        let compiled = self.directory.join(name).with_extension("cwasm");
        let mut compile = std::process::Command::new(dist::airlock());
        command::output(compile.arg("compile").arg(component).arg("--output").arg(&compiled))?;
        Ok(compiled)
    }

    /// `airlock COMMAND` with a connector.
    pub fn airlock(&self, connector: &Path, command: &str) -> Vec<OsString> {
        Self::call(&dist::airlock(), connector, command)
    }

    /// The same by another host.
    pub fn call(host: &Path, connector: &Path, command: &str) -> Vec<OsString> {
        let words: [&std::ffi::OsStr; 4] =
            [host.as_os_str(), "--connector".as_ref(), connector.as_os_str(), command.as_ref()];
        words.map(OsString::from).into()
    }

    /// `airlock read` of source-faker's users.
    pub fn read(&self, users: u64) -> Result<Vec<OsString>> {
        let mut arguments = self.airlock(&dist::connector("source-faker"), "read");
        arguments.extend(self.options_of_read(users)?);
        Ok(arguments)
    }

    /// The same by the host of the images, with the connector compiled ahead. Or why there is none.
    pub fn read_by_image_host(&self, users: u64) -> Result<Result<Vec<OsString>, String>> {
        let compiled = self.compile(&dist::connector("source-faker"))?;
        let host = match image_host::find(self, &compiled) {
            Ok(host) => host,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut arguments = Self::call(&host, &compiled, "read");
        arguments.extend(self.options_of_read(users)?);
        Ok(Ok(arguments))
    }

    /// What every source-faker is told.
    pub fn options_of_read(&self, users: u64) -> Result<[OsString; 4]> {
        let config = self.save(&format!("{users}.json"), &json!({"count": users, "seed": 1}))?;
        Ok(["--config".into(), config.into(), "--catalog".into(), self.catalog(&users_stream())?.into()])
    }

    /// The same work as `read`.
    pub fn native_read(&self, users: u64) -> Vec<OsString> {
        self.native(&["read".into(), users.to_string().into()])
    }

    /// The yardstick with arguments.
    pub fn native(&self, arguments: &[OsString]) -> Vec<OsString> {
        [self.yardstick.clone().into_os_string()].into_iter().chain(arguments.iter().cloned()).collect()
    }

    /// `airlock write` of a stream, with a configuration that was saved.
    pub fn write(&self, connector: &str, config: &str, stream: &Value, input: Input) -> Result<Program> {
        let mut arguments = self.airlock(&dist::connector(connector), "write");
        arguments.extend([
            "--airbyte-dir".into(),
            self.airbyte_directory().into(),
            "--config".into(),
            self.file(config).into(),
            "--catalog".into(),
            self.catalog(stream)?.into(),
        ]);
        Ok(Program { arguments, input, directory: Some(self.airbyte_directory()) })
    }

    /// The destination's `/airbyte`.
    pub fn airbyte_directory(&self) -> PathBuf {
        self.file("airbyte")
    }

    /// A configured catalog of one stream.
    pub fn catalog(&self, stream: &Value) -> Result<PathBuf> {
        let configured = json!({
            "stream": stream,
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
            "generation_id": 1,
            "minimum_generation_id": 0,
            "sync_id": 1,
        });
        let name = stream["name"].as_str().unwrap_or_default();
        self.save(&format!("catalog-{name}.json"), &json!({"streams": [configured]}))
    }

    /// What source-faker writes for all users, for destinations to read; and how much that is.
    pub fn lines(&self) -> Result<(PathBuf, Work)> {
        let path = self.file("lines.jsonl");
        if !path.exists() {
            progress("saving what source-faker writes");
            save_output(&self.read(self.users)?, &path)?;
        }
        let bytes = length(&path)?;
        Ok((path, Work { bytes, records: self.users }))
    }
}

/// source-faker's stream as a configured catalog has it.
pub fn users_stream() -> Value {
    json!({
        "name": "users",
        "json_schema": {},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": true,
        "default_cursor_field": ["updated_at"],
        "source_defined_primary_key": [["id"]],
    })
}

/// Keeps in a file what a program prints.
pub fn save_output(arguments: &[OsString], path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    command::run(command_of(arguments)?.stdin(Stdio::null()).stdout(file))
}

/// How long a file is, in bytes.
pub fn length(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("{} was to be written", path.display()))?.len())
}
