//! The way that Airbyte's platform wants the data to take, as it says in the environment and in the catalog. Ways other than
//! records on stdin and stdout are refused before anything is moved: the platform would wait for them in vain.
//! Knows nothing of connectors.

use std::env;

use crate::protocol::catalog::ConfiguredCatalog;
use crate::protocol::failure::Failure;

/// Refuses sockets, Protocol Buffers and files.
pub fn require_lines(catalog: &ConfiguredCatalog) -> Result<(), Failure> {
    let variable = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    // Names and values are the platform's, from its ArchitectureConstants and EnvVarConfigBeanFactory.
    require("DATA_CHANNEL_MEDIUM", variable("DATA_CHANNEL_MEDIUM"), "STDIO")?;
    require("DATA_CHANNEL_FORMAT", variable("DATA_CHANNEL_FORMAT"), "JSONL")?;
    refuse_file_transfer(variable("USE_FILE_TRANSFER"))?;
    match catalog.stream_with_files() {
        None => Ok(()),
        Some(stream) => Err(Failure::config_error(format!(
            "The files of the stream {stream} are to be moved (include_files in the configured catalog), and airlock moves records \
             only. Turn the transfer of files off for this stream."
        ))
        .for_stream(stream)),
    }
}

fn require(name: &str, value: Option<String>, only: &str) -> Result<(), Failure> {
    match value.as_deref().map(str::trim) {
        None | Some("") => Ok(()),
        Some(value) if value.eq_ignore_ascii_case(only) => Ok(()),
        Some(value) => Err(Failure::config_error(format!(
            "The platform asks for {name}={value}, and airlock moves data as JSON lines on stdin and stdout only ({name}={only}). \
             The platform asks for more where both connectors' metadata offer it: take `connectorIPCOptions` out of this \
             connector's metadata.yaml."
        ))),
    }
}

fn refuse_file_transfer(value: Option<String>) -> Result<(), Failure> {
    if !value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
        return Ok(());
    }
    Err(Failure::config_error(
        "The platform asks for files to be transferred (USE_FILE_TRANSFER=true), and airlock moves records only. Turn the transfer \
         of files off for this connection.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_on_stdin_and_stdout_are_taken() {
        let medium = |value: &str| require("DATA_CHANNEL_MEDIUM", Some(value.to_owned()), "STDIO");
        for accepted in ["STDIO", "stdio", "", " "] {
            assert!(medium(accepted).is_ok(), "{accepted:?}");
        }
        assert!(require("DATA_CHANNEL_MEDIUM", None, "STDIO").is_ok());
        let failure = medium("SOCKET").unwrap_err();
        assert!(failure.message.starts_with("The platform asks for DATA_CHANNEL_MEDIUM=SOCKET"), "{}", failure.message);
    }

    #[test]
    fn files_are_refused_only_when_asked_for() {
        for accepted in [None, Some("false"), Some("FALSE"), Some("")] {
            assert!(refuse_file_transfer(accepted.map(str::to_owned)).is_ok(), "{accepted:?}");
        }
        for refused in ["true", "TRUE", " true"] {
            assert!(refuse_file_transfer(Some(refused.to_owned())).is_err(), "{refused:?}");
        }
    }
}
