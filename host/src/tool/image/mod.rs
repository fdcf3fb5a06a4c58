//! `airlock image`: connector images without a container engine. `build` puts a connector on the base image, `push` sends an
//! image to a registry.

mod base;
mod build;
mod push;
mod registry;

pub use build::build;
pub use push::push;
