//! Registries of container images: fetching a layout from one, and sending one there, with the credentials that Docker's
//! configuration file names. Knows nothing of connectors, and of what is in an image.

use airlock_images::{Layout, Platform};

/// What went wrong, and what to do about it.
pub type Problem = (String, String);

/// Fetches the image of a reference, for these platforms.
pub fn pull(reference: &str, platforms: &[Platform]) -> Result<Layout, Problem> {
    let _ = (reference, platforms);
    unimplemented!()
}

/// Sends a layout's image to a reference: what it is made of first, and its name last. Gives the digest that the registry knows
/// it by.
pub fn push(layout: &Layout, reference: &str) -> Result<String, Problem> {
    let _ = (layout, reference);
    unimplemented!()
}
