//! A source and a destination that keep to the contract and do nothing, and their way to the contract's exports.
//! It must not know of any fault.

use std::marker::PhantomData;

use serde_json::{Value, json};

use crate::bindings::destination::exports::airlock::connector::destination_commands;
use crate::bindings::independent_streams::exports::airlock::connector::independent_streams;
use crate::bindings::source::exports::airlock::connector::source_commands;
use crate::types::{ConnectionStatus, Failure, SavedState, StreamName};

/// A source. Each guest replaces what it is about.
pub trait Source {
    /// The JSON Schema of the config's fields.
    fn properties() -> Value {
        json!({})
    }

    /// The specification: any object that has the fields of `properties`, or others.
    fn spec() -> Result<String, Failure> {
        Ok(specification(Self::properties()))
    }

    /// The config works.
    fn check(_config: &Value) -> Result<ConnectionStatus, Failure> {
        Ok(ConnectionStatus::Succeeded)
    }

    /// There are the streams `one` and `two`.
    fn discover(_config: &Value) -> Result<String, Failure> {
        let stream =
            |name| json!({"name": name, "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]});
        Ok(json!({"streams": [stream("one"), stream("two")]}).to_string())
    }

    /// How many streams may be read at once, where the guest declares that they can. None for any number.
    fn max_concurrency(_config: &Value) -> Result<Option<u32>, Failure> {
        Ok(None)
    }

    /// Reads the configured `streams`.
    fn read(config: &Value, streams: &[StreamName], state: SavedState) -> Result<(), Failure>;
}

/// A destination. Each guest replaces what it is about.
pub trait Destination {
    /// The JSON Schema of the config's fields.
    fn properties() -> Value {
        json!({})
    }

    /// The config works.
    fn check(_config: &Value) -> Result<ConnectionStatus, Failure> {
        Ok(ConnectionStatus::Succeeded)
    }

    /// Writes what `input::next` gives.
    fn write(config: &Value) -> Result<(), Failure>;
}

fn specification(properties: Value) -> String {
    json!({"connectionSpecification": {"type": "object", "properties": properties}}).to_string()
}

fn parsed(text: &str) -> Value {
    // The host has made sure that it is JSON.
    serde_json::from_str(text).unwrap_or_default()
}

fn configured_streams(catalog: &str) -> Vec<StreamName> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let catalog = parsed(catalog);
    let streams = catalog["streams"].as_array().into_iter().flatten();
    streams
        .map(|configured| StreamName {
            name: text(&configured["stream"]["name"]).unwrap_or_default(),
            namespace: text(&configured["stream"]["namespace"]),
        })
        .collect()
}

/// A source as the contract wants it.
#[derive(Debug)]
pub struct SourceComponent<S>(PhantomData<S>);

/// A destination as the contract wants it.
#[derive(Debug)]
pub struct DestinationComponent<D>(PhantomData<D>);

impl<S: Source> source_commands::Guest for SourceComponent<S> {
    fn spec() -> Result<String, Failure> {
        S::spec()
    }

    fn check(config: String) -> Result<ConnectionStatus, Failure> {
        S::check(&parsed(&config))
    }

    fn discover(config: String) -> Result<String, Failure> {
        S::discover(&parsed(&config))
    }

    fn read(config: String, catalog: String, state: SavedState) -> Result<(), Failure> {
        S::read(&parsed(&config), &configured_streams(&catalog), state)
    }
}

impl<S: Source> independent_streams::Guest for SourceComponent<S> {
    fn max_concurrency(config: String) -> Result<Option<u32>, Failure> {
        S::max_concurrency(&parsed(&config))
    }
}

impl<D: Destination> destination_commands::Guest for DestinationComponent<D> {
    fn spec() -> Result<String, Failure> {
        Ok(specification(D::properties()))
    }

    fn check(config: String) -> Result<ConnectionStatus, Failure> {
        D::check(&parsed(&config))
    }

    fn write(config: String, _catalog: String) -> Result<(), Failure> {
        D::write(&parsed(&config))
    }
}

/// Makes a component of a [`Source`]. With `independent streams` it declares that they can be read at once.
#[macro_export]
macro_rules! export_source {
    ($source:ty, independent streams) => {
        $crate::export_source!($source);
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::independent_streams::export_independent_streams_world!(
            Component with_types_in $crate::bindings::independent_streams
        );
    };
    ($source:ty) => {
        type Component = $crate::SourceComponent<$source>;
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::source::export_source_world!(Component with_types_in $crate::bindings::source);
        // Elsewhere there is nothing to export to, but the type is checked.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            let _ = <Component as $crate::bindings::source::exports::airlock::connector::source_commands::Guest>::spec;
        };
    };
}

/// Makes a component of a [`Destination`].
#[macro_export]
macro_rules! export_destination {
    ($destination:ty) => {
        type Component = $crate::DestinationComponent<$destination>;
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
}
