//! What a connector may say to the platform beside its data.

use serde::Serialize;

use crate::failure::{Result, interrupted};
use crate::host;
use crate::state::object_to_json;

/// Says that the configuration has changed (a refreshed token, for example): a whole new config. The platform keeps it
/// for the next run. Returns when the message has left the process, so that what the old configuration held may be
/// given up after it.
pub fn config_changed(config: &impl Serialize) -> Result<()> {
    let config = object_to_json(config, "A changed configuration")?;
    host::config_changed(&config).map_err(interrupted)
}

/// Sends a measurement to the platform: Airbyte's TRACE ANALYTICS.
pub fn analytics(kind: &str, value: Option<&str>) {
    host::analytics(kind, value);
}
