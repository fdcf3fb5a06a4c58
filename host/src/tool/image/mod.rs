//! `airlock image`: connector images without a container engine. `build` puts a connector on the base image, `push` sends an
//! image to a registry.

mod base;
mod build;
mod configuration;
mod created;
mod credentials;
mod name;
mod push;
mod reference;
mod refusal;
mod registry;

pub use build::build;
pub use created::Created;
pub use name::ImageName;
pub use push::push;
