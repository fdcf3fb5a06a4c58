//! What an author writes: a source or a destination.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::catalog::{Catalog, ConfiguredCatalog};
use crate::failure::Result;
use crate::input::Input;
use crate::specification::Specification;
use crate::state::SavedState;

/// A connector that reads. [`export_source!`](crate::export_source) makes a component of it.
pub trait Source: Sized {
    /// The configuration: the specification's schema is derived from it, and what the user gives is parsed into it.
    type Config: DeserializeOwned + JsonSchema;

    /// What the connector is, and which configuration it takes.
    fn specification() -> Specification {
        Specification::of::<Self::Config>()
    }

    /// Tries the configuration. A [`config_error`](crate::config_error) tells the user what does not work; other
    /// failures say that it could not be tried.
    fn check(config: Self::Config) -> Result<()>;

    /// Lists the streams.
    fn discover(config: Self::Config) -> Result<Catalog>;

    /// Reads the streams of the catalog, each through a [`StreamWriter`](crate::StreamWriter).
    ///
    /// Each of them is opened once. Streams that are still open when this returns are complete if it returns ok, and
    /// failed if it returns an error.
    fn read(config: Self::Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()>;
}

/// A source none of whose streams needs to know of another: each has a state of its own and is read without the others.
/// `export_source!(MySource, IndependentStreams)` declares it.
///
/// The host may then read several streams at once, each by an instance of the component, whose [`read`](Source::read) gets a catalog
/// of one stream. Instances share `/airbyte`, and nothing else: a limit of requests counts in each of them, and
/// [`global_checkpoint`](crate::global_checkpoint) is refused. What [`config_changed`](crate::config_changed) says reaches the instances
/// that start later: a token that can be used but once is no matter of such a source.
pub trait IndependentStreams: Source {
    /// How many streams may be read at once with this configuration: what the server allows, for example. None for as many as the
    /// host likes.
    fn max_concurrency(_config: Self::Config) -> Result<Option<u32>> {
        Ok(None)
    }
}

/// A connector that writes. [`export_destination!`](crate::export_destination) makes a component of it.
pub trait Destination: Sized {
    /// The configuration: the specification's schema is derived from it, and what the user gives is parsed into it.
    type Config: DeserializeOwned + JsonSchema;

    /// What the connector is, and which configuration it takes.
    fn specification() -> Specification {
        Specification::of::<Self::Config>()
    }

    /// Tries the configuration. A [`config_error`](crate::config_error) tells the user what does not work; other
    /// failures say that it could not be tried.
    fn check(config: Self::Config) -> Result<()>;

    /// Writes the records of the catalog's streams. Returns ok after the input has ended and every checkpoint has
    /// been committed.
    fn write(config: Self::Config, catalog: ConfiguredCatalog, input: Input) -> Result<()>;
}
