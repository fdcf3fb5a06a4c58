//! Where things are in the images of this project, which the base image's maker and the connector image's agree on.

/// The host. It is ENTRYPOINT, and AIRBYTE_ENTRYPOINT: Airbyte's pods hand that to a shell, so it has no spaces.
pub const AIRLOCK: &str = "/usr/bin/airlock";

/// The directory of the connector's file. Root owns it: no guest can change what will be loaded.
pub const CONNECTOR_DIRECTORY: &str = "/connector";

/// The connector, which the base image names by AIRLOCK_CONNECTOR.
pub const CONNECTOR: &str = "/connector/connector.cwasm";

/// The only directory that a guest may write to, and where the base image starts its program.
pub const AIRBYTE_DIRECTORY: &str = "/airbyte";

/// The label of the base image with the version of its host, which must be the one that compiled the connector.
pub const VERSION_LABEL: &str = "airlock.version";

/// The label of the base image with the version of the wasmtime in its host.
pub const WASMTIME_LABEL: &str = "airlock.wasmtime";

/// The file that `cargo xtask base-image` makes, and that a host looks for beside itself.
pub const BASE_ARCHIVE: &str = "airlock-base.tar";
