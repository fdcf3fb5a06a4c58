//! The destination as the SDK wants it.

use airlock_sdk::{ConfiguredCatalog, Destination, Input, Result, Specification, export_destination};

use crate::config::Config;
use crate::json_lines::JsonLines;

/// Files of JSON lines in a directory.
struct LocalJson;

export_destination!(LocalJson);

impl Destination for LocalJson {
    type Config = Config;

    fn specification() -> Specification {
        airlock_local_files::specification::<Config>()
            .documentation_url("https://docs.airbyte.io/integrations/destinations/local-json")
    }

    fn check(config: Config) -> Result<()> {
        airlock_local_files::check(&config.destination_path)
    }

    fn write(config: Config, catalog: ConfiguredCatalog, input: Input) -> Result<()> {
        airlock_local_files::write(&config.destination_path, JsonLines, &catalog, input)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use airlock_local_files::testing::set_airbyte_directory;
    use airlock_sdk::testing::{Host, records, stream_complete};
    use serde_json::{Value, json};

    #[test]
    fn the_specification_is_airbytes() {
        let expected: Value =
            serde_json::from_str(include_str!("../../../tests/golden/destination-local-json.spec.json")).unwrap();
        let json = LocalJson::specification().to_json().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    }

    #[test]
    fn the_examples_work() {
        let root = tempfile::tempdir().unwrap();
        set_airbyte_directory(root.path());
        let example = |text| serde_json::from_str::<Value>(text).unwrap();
        let config = example(include_str!("../examples/config.json"));
        let catalog = example(include_str!("../examples/catalog.json"));
        let run = Host::new().write::<LocalJson>(
            &config,
            &catalog,
            [records("users", 1, &[json!({"id": 1})]), stream_complete("users"), stream_complete("products")],
        );
        assert_eq!(run.result, Ok(()));
        let directory = root.path().join("local/json_data");
        let users = fs::read_to_string(directory.join("_airbyte_raw_users.jsonl")).unwrap();
        assert!(users.ends_with("\"_airbyte_emitted_at\":1,\"_airbyte_data\":{\"id\":1}}\n"), "{users}");
        assert_eq!(fs::read_to_string(directory.join("_airbyte_raw_products.jsonl")).unwrap(), "");
    }
}
