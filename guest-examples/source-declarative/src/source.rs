//! The commands: spec, check, discover and read of a manifest. Knows which manifest it is, and nothing of how its components work.

use airlock_sdk::{
    Catalog, ConfiguredCatalog, ConfiguredStream, Failure, IndependentStreams, Result, SavedState, Source,
    Specification, StreamWriter, config_changed, config_error, system_error,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::declarative_source::{DeclarativeSource, DeclaredStream, needed};
use crate::manifest::{INJECTED, Manifest, Object};
use crate::session::Session;
use crate::specification;
use crate::stream_read;

/// The connector.
#[derive(Debug)]
pub struct Declarative;

/// What the user gave: its schema is the manifest's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(pub Object);

impl Source for Declarative {
    type Config = Config;

    fn specification() -> Specification {
        match specification() {
            Ok(document) => Specification::of_document(document),
            Err(failure) => Specification::failed(failure),
        }
    }

    fn check(config: Config) -> Result<()> {
        let (mut source, config) = load(config.0)?;
        tell_of_injected(&source, &config);
        // A check says of any problem with a config that there is one.
        validate(&source, &config).map_err(|failure| config_error(failure.message))?;
        let config = overridden(&source, config)?;
        let session = source.begin(config);
        source.check.run(&source, &session)
    }

    fn discover(config: Config) -> Result<Catalog> {
        let (source, session) = begin(config.0)?;
        tell_of_injected(&source, &session.config);
        let mut catalog = Catalog::default();
        for declared in source.streams(&session)? {
            match &declared.stream {
                Ok(stream) => catalog.streams.push(stream.of_state(false).in_catalog(&session)?),
                // Those that the manifest lists were told before.
                Err(_) if declared.dynamic_stream.is_none() => {}
                Err(_) => declared.why_left_out().into_iter().for_each(|why| log::warn!("{why}")),
            }
        }
        Ok(catalog)
    }

    fn read(config: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
        let (source, session) = begin(config.0)?;
        session.configure(&catalog);
        let streams = source.streams(&session)?;
        for configured in &catalog.streams {
            let declared = streams.iter().rev().find(|stream| stream.name == configured.stream.name);
            read_stream(configured, declared.map(AsRef::as_ref), &session, &state)?;
        }
        Ok(())
    }
}

impl IndependentStreams for Declarative {
    fn max_concurrency(config: Config) -> Result<Option<u32>> {
        let (source, config) = transformed(config.0, |_| Ok(()))?;
        source.max_concurrency(&Session::new(config)).map(Some)
    }
}

fn specification() -> Result<Object> {
    let Some(manifest) = Manifest::find(None)? else { return Ok(specification::of_a_manifest_in_the_config()) };
    let source = DeclarativeSource::of(manifest)?;
    tell(&source);
    match &source.spec {
        Some(spec) => Ok(needed(spec)?.document()),
        None => specification::of_file(),
    }
}

/// The streams of the manifest, and the session to read them.
fn begin(config: Object) -> Result<(DeclarativeSource, Session)> {
    let (mut source, config) = load(config)?;
    validate(&source, &config)?;
    let session = source.begin(config);
    Ok((source, session))
}

/// What every command with a config begins with. A config of an older version is one of this version from now on.
fn load(config: Object) -> Result<(DeclarativeSource, Object)> {
    transformed(config, config_changed)
}

/// Whether the config is as the manifest wants it.
fn validate(source: &DeclarativeSource, config: &Object) -> Result<()> {
    source.spec.as_ref().map_or(Ok(()), |spec| needed(spec)?.validate(config))
}

/// The manifest's source, and the config as its components want it.
fn transformed(
    mut config: Object,
    migrated: impl FnOnce(&Object) -> Result<()>,
) -> Result<(DeclarativeSource, Object)> {
    let source = DeclarativeSource::of(manifest(&config)?)?;
    if let Some(spec) = &source.spec {
        let spec = needed(spec)?;
        if let Some(changed) = spec.migrated(&config)? {
            migrated(&changed)?;
            config = changed;
        }
        config = spec.transformed(config)?;
    }
    Ok((source, config))
}

fn manifest(config: &Object) -> Result<Manifest> {
    Manifest::find(Some(config))?.ok_or_else(|| {
        config_error(format!(
            "There is no manifest: the connector carries none, and the configuration has no field {INJECTED}."
        ))
    })
}

/// The config of a check, in which some fields are others.
fn overridden(source: &DeclarativeSource, mut config: Object) -> Result<Object> {
    let overrides = &source.check.config_overrides;
    if overrides.is_empty() {
        return Ok(config);
    }
    let mut names: Vec<&str> = overrides.keys().map(String::as_str).collect();
    names.sort_unstable();
    if let Some(reserved) = names.iter().find(|name| name.starts_with("__airbyte")) {
        return Err(system_error(format!(
            "The manifest can not be used: check.config_overrides has {reserved}, and names that begin with __airbyte are the platform's."
        )));
    }
    if source.writes_config() {
        return Err(system_error(
            "The manifest can not be used: check.config_overrides can not stand beside a refresh_token_updater, \
             which would save what is only meant for the check.",
        ));
    }
    log::info!("Overriding config keys for the check operation: {}", names.join(", "));
    config.extend(overrides.clone());
    Ok(config)
}

/// Reads a stream. An error is one that ends the whole read; any other ends the stream.
fn read_stream(
    configured: &ConfiguredStream,
    declared: Option<&DeclaredStream>,
    session: &Session,
    state: &SavedState,
) -> Result<()> {
    session.begin_stream(StreamWriter::open(configured)?);
    let read = match declared {
        Some(DeclaredStream { stream: Ok(_), .. }) | None => read_declared(configured, declared, session, state),
        Some(left_out) => Err(config_error(left_out.why_left_out().unwrap_or_default())),
    };
    let Some(writer) = session.end_stream() else { return read };
    match read {
        Ok(()) => writer.complete(),
        Err(failure) if failure.interruption().is_some() => Err(failure),
        Err(failure) => writer.fail(failure),
    }
}

fn read_declared(
    configured: &ConfiguredStream,
    declared: Option<&DeclaredStream>,
    session: &Session,
    state: &SavedState,
) -> Result<()> {
    let Some((declared, stream)) = declared.and_then(|declared| Some((declared, declared.stream.as_ref().ok()?)))
    else {
        return Err(not_there(configured));
    };
    if is_injected(&session.config) {
        declared.remarks().iter().for_each(|remark| log::warn!("{remark}"));
    }
    let state: Option<Object> = state.stream(configured)?;
    let state = state.filter(|state| !state.is_empty());
    let had_state = state.is_some();
    let (stream, state) = stream.going_on(session, state)?;
    if had_state && state.is_none() {
        session.checkpoint(&Object::new())?;
    }
    stream_read::read(stream, session, &configured.cursor_field, state)
}

fn not_there(configured: &ConfiguredStream) -> Failure {
    config_error(format!(
        "The manifest has no stream {}: discover the streams anew, and choose among those.",
        configured.stream.name
    ))
}

/// The same where no `spec` has told it: every command with a config begins with that, and it knows the manifest that the connector carries.
fn tell_of_injected(source: &DeclarativeSource, config: &Object) {
    if is_injected(config) {
        tell(source);
    }
}

fn is_injected(config: &Object) -> bool {
    config.contains_key(INJECTED)
}

/// Logs what is to be known of the manifest.
fn tell(source: &DeclarativeSource) {
    source.problems().iter().chain(&source.remarks()).for_each(|told| log::warn!("{told}"));
}
