//! What the tests run beside airlock and the build does not make: Airbyte's Python packages, busybox, PostgreSQL, and
//! what runs images. It must not know how they are fetched.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::busybox;
use crate::command;
use crate::containers::Containers;
use crate::obstacle::Failure;
use crate::postgres::Postgres;
use crate::python_clients::PythonClients;

/// `none` leaves out the tests that need the clients.
const WISH_VARIABLE: &str = "AIRLOCK_CLIENTS";

/// Clients that are there.
pub struct Clients {
    python: PythonClients,
    busybox: PathBuf,
}

impl Clients {
    /// Finds the clients in the user's cache directory, or fetches them.
    pub fn ensure() -> Result<Self> {
        Ok(Self { python: PythonClients::ensure()?, busybox: busybox::ensure()? })
    }

    /// What tells the tests where they are.
    pub fn environment(&self) -> [(&'static str, OsString); 2] {
        [
            ("AIRLOCK_PYTHON_CLIENTS", self.python.directory().as_os_str().to_owned()),
            ("AIRLOCK_BUSYBOX", self.busybox.as_os_str().to_owned()),
        ]
    }
}

/// Whether the user wants them left out.
pub fn are_left_out() -> Result<bool> {
    left_out(env::var_os(WISH_VARIABLE))
}

fn left_out(wish: Option<OsString>) -> Result<bool> {
    match wish.as_ref().map(|wish| wish.to_string_lossy()).as_deref() {
        None | Some("") => Ok(false),
        Some("none") => Ok(true),
        Some(other) => bail!("{WISH_VARIABLE} is `{other}`; it can be `none`, or not set"),
    }
}

/// `cargo xtask clients`.
pub fn print() -> Result<()> {
    for (name, value) in Clients::ensure()?.environment() {
        println!("export {name}={}", command::quote(&value));
    }
    match Postgres::ensure() {
        Ok(postgres) => {
            let (name, value) = postgres.environment();
            println!("export {name}={}", command::quote(value.as_os_str()));
        }
        Err(Failure::Machine(obstacle)) => eprintln!("{obstacle}"),
        Err(Failure::Error(error)) => return Err(error),
    }
    match Containers::ensure() {
        Ok(containers) => {
            let (name, value) = containers.environment();
            println!("export {name}={}", command::quote(value.as_os_str()));
            containers.obstacles.iter().for_each(|obstacle| eprintln!("{obstacle}"));
        }
        Err(Failure::Machine(obstacle)) => eprintln!("{obstacle}"),
        Err(Failure::Error(error)) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_none_leaves_them_out() {
        assert!(!left_out(None).expect("not set"));
        assert!(!left_out(Some("".into())).expect("empty"));
        assert!(left_out(Some("none".into())).expect("none"));
        assert!(left_out(Some("no".into())).expect_err("not a wish").to_string().contains("none"));
    }
}
