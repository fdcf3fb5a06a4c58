//! Container images as OCI layouts: made, read and written without a container engine, and with the same bytes every time.
//! Knows what the images of this project have in common (`contents`), and nothing of connectors, registries or engines.

pub mod contents;
pub mod layer;
pub mod layout;
pub mod platform;

pub use layer::{Layer, LayerBuilder, Owner};
pub use layout::{Layout, LayoutError, PlatformImage};
pub use platform::Platform;
