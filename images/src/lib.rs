//! Container images as OCI layouts: made, read and written without a container engine, and with the same bytes every time.
//! Knows what the images of this project have in common (`contents`), and nothing of connectors, registries or engines.

mod canonical;
pub mod contents;
pub mod layer;
pub mod layout;
mod media_type;
pub mod platform;
mod ustar;

pub use layer::{Layer, LayerBuilder, Owner};
pub use layout::{Layout, LayoutError, PlatformImage};
pub use oci_spec::distribution::Reference;
pub use platform::Platform;
