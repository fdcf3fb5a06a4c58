//! Whether a config works: the language's CheckStream and CheckDynamicStream, which read the first record of some streams. Knows nothing of
//! how streams are read.

use std::rc::Rc;

use airlock_sdk::{Failure, Result, config_error, system_error};
use serde_json::Value;

use crate::declarative_source::{DeclarativeSource, DeclaredStream};
use crate::manifest::{self, Component, FromManifest, Node, Object};
use crate::session::Session;
use crate::stream_read::{self, FirstRecord};

/// The field of a config that says which streams are checked instead of the manifest's.
const CHECK_STREAM_NAMES: &str = "__airbyte_check_stream_names";

/// The manifest's `check`.
#[derive(Debug)]
pub struct Check {
    streams: StreamsToCheck,
    /// Fields that a config has while it is checked.
    pub config_overrides: Object,
}

#[derive(Debug)]
enum StreamsToCheck {
    /// CheckStream.
    Named { stream_names: Vec<String>, dynamic_streams: Vec<DynamicStreamCheckConfig> },
    /// CheckDynamicStream.
    First { count: usize, use_check_availability: bool },
    /// A CheckStream that says nothing of streams.
    Unsaid,
}

/// How many streams of a dynamic one are checked. None for all.
#[derive(Debug)]
struct DynamicStreamCheckConfig {
    dynamic_stream_name: String,
    stream_count: Option<u64>,
}

impl FromManifest for Check {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let streams = match component.kind() {
            "CheckStream" => named(&component)?,
            "CheckDynamicStream" => StreamsToCheck::First {
                count: usize::try_from(component.required::<u64>("stream_count")?).unwrap_or(usize::MAX),
                use_check_availability: component.optional("use_check_availability")?.unwrap_or(true),
            },
            _ => return Err(component.other_kind(&["CheckStream", "CheckDynamicStream"], &[])),
        };
        let config_overrides = component.optional("config_overrides")?.unwrap_or_default();
        component.finish();
        Ok(Check { streams, config_overrides })
    }
}

fn named(component: &Component<'_>) -> manifest::Result<StreamsToCheck> {
    let stream_names: Option<Vec<String>> = component.optional("stream_names")?;
    let dynamic_streams: Option<Vec<_>> = component.optional("dynamic_streams_check_configs")?;
    if stream_names.is_none() && dynamic_streams.is_none() {
        component.node.remark("lacks the field stream_names, or dynamic_streams_check_configs: the check will fail");
        return Ok(StreamsToCheck::Unsaid);
    }
    Ok(StreamsToCheck::Named {
        stream_names: stream_names.unwrap_or_default(),
        dynamic_streams: dynamic_streams.unwrap_or_default(),
    })
}

impl FromManifest for DynamicStreamCheckConfig {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let check = DynamicStreamCheckConfig {
            dynamic_stream_name: component.required("dynamic_stream_name")?,
            stream_count: component.optional("stream_count")?,
        };
        component.finish();
        Ok(check)
    }
}

impl Check {
    /// The streams that it asks for by name.
    pub fn stream_names(&self) -> &[String] {
        match &self.streams {
            StreamsToCheck::Named { stream_names, .. } => stream_names,
            StreamsToCheck::First { .. } | StreamsToCheck::Unsaid => &[],
        }
    }

    /// Tries the config. A config error says what does not work with it.
    pub fn run(&self, source: &DeclarativeSource, session: &Session) -> Result<()> {
        match &self.streams {
            StreamsToCheck::Named { stream_names, dynamic_streams } => {
                let names = names_in_config(&session.config)?.unwrap_or_else(|| stream_names.clone());
                check_named(source, session, &names, dynamic_streams)
            }
            StreamsToCheck::Unsaid => Err(system_error(
                "The manifest's check names no streams: it must have stream_names or dynamic_streams_check_configs.",
            )),
            StreamsToCheck::First { count, use_check_availability } => {
                let streams = source.streams(session)?;
                require_some(source, &streams)?;
                if !use_check_availability {
                    return Ok(());
                }
                let usable = streams.iter().filter(|stream| stream.stream.is_ok());
                usable.take(*count).try_for_each(|stream| require_available(stream, "Stream", session))
            }
        }
    }
}

fn check_named(
    source: &DeclarativeSource,
    session: &Session,
    names: &[String],
    dynamic_streams: &[DynamicStreamCheckConfig],
) -> Result<()> {
    let streams = streams_to_check(source, session, names, dynamic_streams.is_empty()).map_err(|failure| {
        failed_unless_interrupted(failure, |failure| {
            format!("Encountered an error while discovering streams. Error: {failure}")
        })
    })?;
    require_some(source, &streams)?;
    let mut was_one_checked = false;
    for name in names {
        let Some(stream) = streams.iter().rev().find(|stream| stream.name == *name) else {
            let known: Vec<String> = streams.iter().map(|stream| python_repr(&stream.name)).collect();
            return Err(system_error(format!(
                "{name} is not part of the catalog. Expected one of [{}].",
                known.join(", ")
            )));
        };
        if stream.stream.is_ok() {
            require_available(stream, "Stream", session)?;
            was_one_checked = true;
        }
    }
    if !was_one_checked && !names.is_empty() {
        check_another(source, session)?;
    }
    for check in dynamic_streams {
        let name = &check.dynamic_stream_name;
        if !source.has_dynamic_stream(name) {
            return Err(failed(format!("Dynamic stream {name} is not found in manifest.")));
        }
        let most = check.stream_count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let generated = streams.iter().filter(|stream| stream.dynamic_stream.as_ref() == Some(name));
        for stream in generated.take(most).filter(|stream| stream.stream.is_ok()) {
            require_available(stream, "Dynamic Stream", session)?;
        }
    }
    Ok(())
}

/// The streams that the manifest means by its check are left out: what can be read says whether the config works.
fn check_another(source: &DeclarativeSource, session: &Session) -> Result<()> {
    let streams = source.streams(session)?;
    let Some(stream) = streams.iter().find(|stream| stream.stream.is_ok()) else { return Ok(()) };
    log::warn!("The streams that the manifest checks are left out: stream {} is checked instead.", stream.name);
    require_available(stream, "Stream", session)
}

/// If these are all that is asked for, other streams are not looked at, and no request is sent to know them.
fn streams_to_check(
    source: &DeclarativeSource,
    session: &Session,
    names: &[String],
    only_these: bool,
) -> Result<Vec<Rc<DeclaredStream>>> {
    if only_these && !names.is_empty() {
        let streams = source.static_streams(session)?;
        if names.iter().all(|name| streams.iter().any(|stream| stream.name == *name)) {
            return Ok(streams);
        }
    }
    source.streams(session)
}

fn names_in_config(config: &Object) -> Result<Option<Vec<String>>> {
    let names = match config.get(CHECK_STREAM_NAMES) {
        None => return Ok(None),
        Some(Value::Array(names)) if names.is_empty() => return Ok(None),
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    names.map(Some).ok_or_else(|| system_error(format!("{CHECK_STREAM_NAMES} must be a list of strings.")))
}

/// There must be a stream that can be read.
fn require_some(source: &DeclarativeSource, streams: &[Rc<DeclaredStream>]) -> Result<()> {
    if streams.iter().any(|stream| stream.stream.is_ok()) {
        return Ok(());
    }
    match source.problems().as_slice() {
        [] if streams.is_empty() => Err(failed("No streams to connect to from source".to_owned())),
        problems => Err(config_error(format!("No stream of the manifest can be read. {}", problems.join(" ")))),
    }
}

fn require_available(stream: &DeclaredStream, what: &str, session: &Session) -> Result<()> {
    let Ok(of_manifest) = &stream.stream else { return Ok(()) };
    match stream_read::read_first_record(of_manifest.of_state(false), session) {
        Ok(FirstRecord::Found) => Ok(()),
        Ok(FirstRecord::None) => {
            log::info!("Successfully connected to stream {}, but got 0 records.", stream.name);
            Ok(())
        }
        Ok(FirstRecord::NoSlices) => {
            let message = format!("Cannot attempt to connect to stream {} - no stream slices were found", stream.name);
            Err(failed(format!("{what} {} is not available: {message}", stream.name)))
        }
        Err(failure) => Err(failed_unless_interrupted(failure, |failure| {
            format!("{what} {} is not available: {failure}", stream.name)
        })),
    }
}

fn failed_unless_interrupted(failure: Failure, message: impl FnOnce(&Failure) -> String) -> Failure {
    match failure.interruption() {
        Some(_) => failure,
        None => {
            let told = failed(message(&failure));
            match failure.internal_message() {
                Some(internal) => told.with_internal(internal),
                None => told,
            }
        }
    }
}

/// The config does not work. The CDK shows the message as Python shows a string.
fn failed(message: String) -> Failure {
    config_error(python_repr(&message))
}

/// Python's `repr` of a string.
fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut repr = String::with_capacity(text.len() + 2);
    repr.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => repr.push_str("\\\\"),
            '\n' => repr.push_str("\\n"),
            '\r' => repr.push_str("\\r"),
            '\t' => repr.push_str("\\t"),
            letter if letter == quote => repr.extend(['\\', letter]),
            letter if letter.is_ascii_control() => repr.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter => repr.push(letter),
        }
    }
    repr.push(quote);
    repr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_as_python_does() {
        assert_eq!(python_repr("it is"), "'it is'");
        assert_eq!(python_repr("it's"), r#""it's""#);
        assert_eq!(python_repr("it's \"so\"\n"), r#"'it\'s "so"\n'"#);
        assert_eq!(python_repr("a\\b\u{1}é"), r"'a\\b\x01é'");
    }
}
