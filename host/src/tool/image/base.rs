//! The base image: where it is found, and whether it fits this airlock. Knows nothing of connectors.

use airlock_images::{Layout, Platform};

/// Finds the base image and reads it. `named` is a path or a reference to a registry; without it, what lies beside this binary.
/// The error is what happened, and a hint.
pub fn find(named: Option<&str>, platforms: &[Platform]) -> Result<Layout, (String, String)> {
    let _ = (named, platforms, super::registry::pull);
    unimplemented!()
}
