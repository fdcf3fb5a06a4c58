//! `discover`: which streams a source has.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::specification::Specification;
use super::{Run, Stop};
use crate::exit_code;
use crate::protocol::config::Config;
use crate::protocol::failure::Failure;
use crate::protocol::{document, message};

pub fn discover(run: &Run, config: &Path) -> Result<u8, Stop> {
    let config = Config::from_file(config)?;
    let (mut source, _filesystem) = run.start_source("discover")?;
    let specification = Specification::from_guest(&source.spec()?)?;
    specification.require_valid(&config, &run.output)?;
    let catalog = source.discover(&config.text)?;
    run.output.line(message::catalog(&checked(&catalog)?));
    Ok(exit_code::SUCCESS)
}

/// A catalog has streams, and each of them a name and a schema: what the platform drops a message for lacking.
fn checked(text: &str) -> Result<Box<serde_json::value::RawValue>, Failure> {
    #[derive(Deserialize)]
    struct Catalog {
        #[serde(rename = "streams")]
        _streams: Vec<Stream>,
    }
    #[derive(Deserialize)]
    struct Stream {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "json_schema")]
        _json_schema: serde_json::Map<String, serde_json::Value>,
        #[serde(rename = "supported_sync_modes")]
        _supported_sync_modes: Vec<IgnoredAny>,
    }
    let problem = |problem: String| {
        Failure::system_error(format!(
            "The catalog of the connector {problem}. This is a defect of the connector: report it to its publisher."
        ))
    };
    let document = document::object_on_one_line(text).map_err(problem)?;
    serde_json::from_str::<Catalog>(document.get())
        .map_err(|error| problem(format!("is no AirbyteCatalog: {error}")))?;
    Ok(document)
}
