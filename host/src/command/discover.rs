//! `discover`: which streams a source has.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::specification::Specification;
use super::{Run, Started, Stop};
use crate::exit_code;
use crate::protocol::catalog::SyncMode;
use crate::protocol::config::Config;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;
use crate::protocol::stream_name::StreamName;
use crate::protocol::{document, message};

pub fn discover(run: &Run, config: &Path) -> Result<u8, Stop> {
    let config = Config::from_file(config)?;
    let Started { instance: mut source, confinement, .. } = run.start_source("discover", &config)?;
    let specification = Specification::from_guest(&source.spec()?)?;
    specification.require_valid(&config, &run.output)?;
    confinement.tell(LogLevel::Debug, &config, &run.output)?;
    let catalog = source.discover(&config.text)?;
    run.output.line(message::catalog(&checked(&catalog)?));
    Ok(exit_code::SUCCESS)
}

/// A catalog must be one that the platform reads: what it can not read it drops without a word.
fn checked(text: &str) -> Result<Box<RawValue>, Failure> {
    #[derive(Deserialize)]
    struct Catalog {
        streams: Vec<Stream>,
    }
    #[derive(Deserialize)]
    struct Stream {
        #[serde(flatten)]
        name: StreamName,
        #[serde(rename = "json_schema")]
        _json_schema: serde_json::Map<String, serde_json::Value>,
        supported_sync_modes: Vec<SyncMode>,
    }
    let problem = |problem: String| {
        Failure::system_error(format!(
            "The catalog of the connector {problem}. This is a defect of the connector: report it to its publisher."
        ))
    };
    let document = document::object_on_one_line(text).map_err(problem)?;
    let catalog: Catalog =
        serde_json::from_str(document.get()).map_err(|error| problem(format!("is no AirbyteCatalog: {error}")))?;
    let mut names = HashSet::new();
    for Stream { name, supported_sync_modes, .. } in catalog.streams {
        if supported_sync_modes.is_empty() {
            return Err(problem(format!("gives no sync mode for stream {name}")));
        }
        if !names.insert(name.clone()) {
            return Err(problem(format!("has stream {name} twice")));
        }
    }
    Ok(document)
}
