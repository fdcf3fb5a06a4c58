//! From an author's trait to the contract's exports: parses what comes in, writes what goes out.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::destination::exports::airlock::connector::destination_commands;
use crate::bindings::independent_streams::exports::airlock::connector::independent_streams;
use crate::bindings::source::airlock::connector::types as wit;
use crate::bindings::source::exports::airlock::connector::source_commands;
use crate::catalog::ConfiguredCatalog;
use crate::connector::{Destination, IndependentStreams, Source};
use crate::failure::{Failure, FailureKind, Result, config_error};
use crate::input::Input;
use crate::{logging, stream_writer};

/// A source as the contract wants it.
#[derive(Debug)]
pub struct SourceComponent<S>(PhantomData<S>);

/// A destination as the contract wants it.
#[derive(Debug)]
pub struct DestinationComponent<D>(PhantomData<D>);

impl<S: Source> source_commands::Guest for SourceComponent<S> {
    fn spec() -> Result<String, wit::Failure> {
        export(|| S::specification().to_json())
    }

    fn check(config: String) -> Result<wit::ConnectionStatus, wit::Failure> {
        export(|| connection_status(S::check(parse_config(&config)?)))
    }

    fn discover(config: String) -> Result<String, wit::Failure> {
        export(|| Ok(serde_json::to_string(&S::discover(parse_config(&config)?)?)?))
    }

    fn read(config: String, catalog: String, state: wit::SavedState) -> Result<(), wit::Failure> {
        source_part(|| S::read(parse_config(&config)?, ConfiguredCatalog::from_json(&catalog)?, state.into()))
    }
}

impl<S: IndependentStreams> independent_streams::Guest for SourceComponent<S> {
    fn max_concurrency(config: String) -> Result<Option<u32>, wit::Failure> {
        export(|| S::max_concurrency(parse_config(&config)?))
    }
}

impl<D: Destination> destination_commands::Guest for DestinationComponent<D> {
    fn spec() -> Result<String, wit::Failure> {
        export(|| D::specification().to_json())
    }

    fn check(config: String) -> Result<wit::ConnectionStatus, wit::Failure> {
        export(|| connection_status(D::check(parse_config(&config)?)))
    }

    fn write(config: String, catalog: String) -> Result<(), wit::Failure> {
        export(|| D::write(parse_config(&config)?, ConfiguredCatalog::from_json(&catalog)?, Input::new()))
    }
}

/// What writes to streams.
pub(crate) fn source_part(part: impl FnOnce() -> Result<()>) -> Result<(), wit::Failure> {
    export(|| {
        let read = part();
        // What was read leaves, also when the read failed later.
        let flushed = stream_writer::flush_at_the_end();
        read.and(flushed)
    })
}

fn export<T>(command: impl FnOnce() -> Result<T>) -> Result<T, wit::Failure> {
    logging::install();
    command().map_err(Failure::into_wit)
}

fn parse_config<C: DeserializeOwned>(config: &str) -> Result<C> {
    serde_json::from_str(config).map_err(|error| {
        config_error(format!(
            "The configuration does not fit the connector: {error}. Compare it with the connector's specification."
        ))
    })
}

/// A config error is what `check` is there to find out: an answer, not a failure of the command.
fn connection_status(checked: Result<()>) -> Result<wit::ConnectionStatus> {
    match checked {
        Ok(()) => Ok(wit::ConnectionStatus::Succeeded),
        Err(failure) if failure.kind == FailureKind::ConfigError => {
            if let Some(internal_message) = failure.internal_message() {
                log::info!("The check failed: {internal_message}");
            }
            Ok(wit::ConnectionStatus::Failed(failure.message))
        }
        Err(failure) => Err(failure),
    }
}

/// Makes a component of a [`Source`](crate::Source): `export_source!(MySource);`, once in a crate of type `cdylib`.
///
/// `export_source!(MySource, IndependentStreams);` also declares that its streams can be read at once:
/// [`IndependentStreams`](crate::IndependentStreams).
#[macro_export]
macro_rules! export_source {
    ($source:ty, IndependentStreams) => {
        $crate::export_source!($source);
        const _: () = {
            type Component = $crate::export::SourceComponent<$source>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::independent_streams::export_independent_streams_world!(
                Component with_types_in $crate::bindings::independent_streams
            );
            // Elsewhere there is nothing to export to, but the type is checked.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() = || {
                let _ = <Component as $crate::bindings::independent_streams::exports::airlock::connector::independent_streams::Guest>::max_concurrency;
            };
        };
    };
    ($source:ty) => {
        const _: () = {
            type Component = $crate::export::SourceComponent<$source>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::source::export_source_world!(
                Component with_types_in $crate::bindings::source
            );
            // Elsewhere there is nothing to export to, but the type is checked.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() = || {
                let _ =
                    <Component as $crate::bindings::source::exports::airlock::connector::source_commands::Guest>::spec;
            };
        };
    };
}

/// Makes a component of a [`Destination`](crate::Destination): `export_destination!(MyDestination);`, once in a crate
/// of type `cdylib`.
#[macro_export]
macro_rules! export_destination {
    ($destination:ty) => {
        const _: () = {
            type Component = $crate::export::DestinationComponent<$destination>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::destination::export_destination_world!(
                Component with_types_in $crate::bindings::destination
            );
            // Elsewhere there is nothing to export to, but the type is checked.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() = || {
                let _ = <Component as $crate::bindings::destination::exports::airlock::connector::destination_commands::Guest>::spec;
            };
        };
    };
}
