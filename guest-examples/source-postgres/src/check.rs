//! `check`: whether the database lets the user in, has the schemas, and anything to read.

use airlock_postgres::Connection;
use airlock_sdk::{Result, config_error};

use crate::config::Database;
use crate::system_catalog::{self, Which};

/// Tries the configuration. Whatever goes wrong is an answer: a server that is not there at this moment may have a wrong name,
/// and whoever has mistyped that must be told.
pub fn check(database: &Database) -> Result<()> {
    try_out(database).map_err(|failure| {
        if failure.interruption().is_some() {
            return failure;
        }
        let answer = config_error(failure.message.as_str());
        match failure.internal_message() {
            Some(internal) => answer.with_internal(internal),
            None => answer,
        }
    })
}

fn try_out(database: &Database) -> Result<()> {
    let mut connection = Connection::connect(&database.connect)?;
    let name = &database.connect.database;
    let user = &database.connect.username;
    let schemas = system_catalog::schemas(&mut connection, &database.schemas)?;
    let missing = named(&database.schemas, |schema| !schemas.contains_key(schema));
    if !missing.is_empty() {
        return Err(config_error(format!(
            "The database \"{name}\" has no schema {missing}: correct the option `schemas`, where upper and lower case count."
        )));
    }
    let closed = named(&database.schemas, |schema| schemas.get(schema) == Some(&false));
    if !closed.is_empty() {
        return Err(config_error(format!(
            "The user \"{user}\" may not use the schema {closed}: grant USAGE on it, or take it out of the option `schemas`."
        )));
    }
    if !system_catalog::has_any(&mut connection, Which::of(&database.schemas))? {
        return Err(config_error(format!(
            "The database \"{name}\" has no table or view{} that the user \"{user}\" may read: grant SELECT on what is to be \
             synced, and USAGE on its schema, or correct the options `database` and `schemas`.",
            if database.schemas.is_empty() { "" } else { " in these schemas" }
        )));
    }
    Ok(())
}

/// Those of the names that fit, in quotes.
fn named(names: &[String], fits: impl Fn(&str) -> bool) -> String {
    let names: Vec<String> = names.iter().filter(|name| fits(name)).map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}
