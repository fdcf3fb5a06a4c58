//! For native tests of a destination: another directory than `/airbyte`. Not part of a component.

use std::cell::RefCell;
use std::path::PathBuf;

thread_local! {
    static AIRBYTE_DIRECTORY: RefCell<PathBuf> = RefCell::new(PathBuf::from(crate::destination::AIRBYTE_DIRECTORY));
}

/// From here on, what this thread checks and writes is below this directory.
pub fn set_airbyte_directory(directory: impl Into<PathBuf>) {
    AIRBYTE_DIRECTORY.set(directory.into());
}

pub(crate) fn airbyte_directory() -> PathBuf {
    AIRBYTE_DIRECTORY.with_borrow(PathBuf::clone)
}
