//! The configuration.

use schemars::JsonSchema;
use serde::Deserialize;

// What a user configures. The schema is Airbyte's to the letter, so that a configuration of its connector works here.
// No doc comment: it would become a description.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Local Json Destination Spec")]
pub struct Config {
    #[schemars(
        title = "Destination Path",
        description = "Path to the directory where json files will be written. The files will be placed inside that local mount. For more information check out our <a href=\"https://docs.airbyte.io/integrations/destinations/local-json\">docs</a>",
        example = "/json_data"
    )]
    pub destination_path: String,
}
