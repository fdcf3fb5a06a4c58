//! The configuration.

use schemars::JsonSchema;
use serde::Deserialize;

// What a user configures. The schema is Airbyte's to the letter, so that a configuration of its connector works here.
// No doc comments: they would become descriptions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "CSV Destination Spec")]
pub struct Config {
    #[schemars(
        description = "Path to the directory where csv files will be written. The destination uses the local mount \"/local\" and any data files will be placed inside that local mount. For more information check out our <a href=\"https://docs.airbyte.com/integrations/destinations/local-csv\">docs</a>",
        example = "/local"
    )]
    pub destination_path: String,

    // Absent is a comma. The schema names `,` as the default, but does not allow it as a value: the host refuses it
    // before it comes here, and null as well.
    #[serde(default)]
    #[schemars(
        description = "The character delimiting individual cells in the CSV data.",
        extend("default" = ",")
    )]
    delimiter: Option<Delimiter>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum Delimiter {
    #[serde(rename = "Comma: ,")]
    Comma,
    #[serde(rename = "Semicolon: ;")]
    Semicolon,
    // A backslash and a `t`: not a tab.
    #[serde(rename = "Tab: \\t")]
    Tab,
    #[serde(rename = "Space: ' '")]
    Space,
    #[serde(rename = "Pipe: |")]
    Pipe,
}

impl Config {
    /// What stands between two columns.
    pub fn delimiter(&self) -> u8 {
        match self.delimiter.unwrap_or(Delimiter::Comma) {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
            Delimiter::Space => b' ',
            Delimiter::Pipe => b'|',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn delimiter(configured: &Value) -> Result<u8, serde_json::Error> {
        let config = json!({"destination_path": "/local", "delimiter": configured});
        serde_json::from_value::<Config>(config).map(|config| config.delimiter())
    }

    #[test]
    fn every_delimiter_of_the_specification_is_known() {
        let specification: Value =
            serde_json::from_str(include_str!("../../../tests/golden/destination-csv.spec.json")).unwrap();
        let schema = &specification["connectionSpecification"]["properties"]["delimiter"];
        let delimiters: Vec<u8> =
            schema["enum"].as_array().unwrap().iter().map(|name| delimiter(name).unwrap()).collect();
        assert_eq!(delimiters, b",;\t |");
    }

    #[test]
    fn the_delimiter_may_be_left_out() {
        let config: Config = serde_json::from_value(json!({"destination_path": "/local"})).unwrap();
        assert_eq!(config.delimiter(), b',');
        assert_eq!(delimiter(&Value::Null).unwrap(), b',');
        for wrong in [json!("Colon: :"), json!(","), json!("Tab: \t"), json!(""), json!(1)] {
            assert!(delimiter(&wrong).is_err(), "{wrong}");
        }
    }
}
