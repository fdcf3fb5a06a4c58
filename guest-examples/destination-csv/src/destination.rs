//! The destination as the SDK wants it.

use airlock_sdk::{ConfiguredCatalog, Destination, Input, Result, Specification, export_destination};

use crate::config::Config;
use crate::csv_rows::CsvRows;

/// CSV files in a directory.
struct Csv;

export_destination!(Csv);

impl Destination for Csv {
    type Config = Config;

    fn specification() -> Specification {
        airlock_local_files::specification::<Config>()
            .documentation_url("https://docs.airbyte.com/integrations/destinations/local-csv")
    }

    fn check(config: Config) -> Result<()> {
        airlock_local_files::check(&config.destination_path)
    }

    fn write(config: Config, catalog: ConfiguredCatalog, input: Input) -> Result<()> {
        airlock_local_files::write(&config.destination_path, CsvRows::new(config.delimiter()), &catalog, input)
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
            serde_json::from_str(include_str!("../../../tests/golden/destination-csv.spec.json")).unwrap();
        let json = Csv::specification().to_json().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    }

    #[test]
    fn the_examples_work() {
        let root = tempfile::tempdir().unwrap();
        set_airbyte_directory(root.path());
        let example = |text| serde_json::from_str::<Value>(text).unwrap();
        let config = example(include_str!("../examples/config.json"));
        let catalog = example(include_str!("../examples/catalog.json"));
        let run = Host::new().write::<Csv>(
            &config,
            &catalog,
            [records("users", 1, &[json!({"id": 1})]), stream_complete("users"), stream_complete("products")],
        );
        assert_eq!(run.result, Ok(()));
        let directory = root.path().join("local/csv_data");
        let header = "\"_airbyte_ab_id\",_airbyte_emitted_at,_airbyte_data\r\n";
        let users = fs::read_to_string(directory.join("_airbyte_raw_users.csv")).unwrap();
        assert!(users.starts_with(header) && users.ends_with(",1,\"{\"\"id\"\":1}\"\r\n"), "{users}");
        assert_eq!(fs::read_to_string(directory.join("_airbyte_raw_products.csv")).unwrap(), header);
    }
}
