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
