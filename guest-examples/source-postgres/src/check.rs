//! `check`: whether the database lets the user in, has the schemas, and anything to read.

use airlock_postgres::{Connection, Error};
use airlock_sdk::{Failure, Result, config_error};

use crate::config::Database;
use crate::system_catalog::{self, Which};

/// Tries the configuration.
pub fn check(database: &Database) -> Result<()> {
    let mut connection = Connection::connect(&database.connect).map_err(|error| {
        // A server that is not there may come back, and whoever has mistyped its name or port must be told all the same.
        let is_not_there = matches!(error, Error::Unreachable { .. } | Error::Timeout { .. });
        let failure = Failure::from(error);
        if is_not_there { config_error(failure.message) } else { failure }
    })?;
    let name = &database.connect.database;
    let user = &database.connect.username;
    let schemas = system_catalog::schemas(&mut connection, &database.schemas)?;
    let missing: Vec<&str> =
        database.schemas.iter().map(String::as_str).filter(|schema| !schemas.contains_key(*schema)).collect();
    if !missing.is_empty() {
        return Err(config_error(format!(
            "The database {name} has no schema {}: correct the option `schemas`, where upper and lower case count.",
            missing.join(", ")
        )));
    }
    let closed: Vec<&str> =
        database.schemas.iter().map(String::as_str).filter(|schema| schemas.get(*schema) == Some(&false)).collect();
    if !closed.is_empty() {
        return Err(config_error(format!(
            "The user {user} may not use the schema {}: grant USAGE on it, or take it out of the option `schemas`.",
            closed.join(", ")
        )));
    }
    if !system_catalog::has_any(&mut connection, Which::of(&database.schemas))? {
        return Err(config_error(format!(
            "The database {name} has no table or view{} that the user {user} may read: grant SELECT on what is to be synced, and \
             USAGE on its schema, or correct the options `database` and `schemas`.",
            if database.schemas.is_empty() { "" } else { " in these schemas" }
        )));
    }
    Ok(())
}
