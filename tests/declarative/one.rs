//! One manifest of the developer's choice, by hand:
//!
//!     AIRLOCK_MANIFEST=/path/to/source-x [AIRLOCK_CONFIG='{"key": "value"}'] cargo test -p airlock-tests -- \
//!         declarative::one --ignored --nocapture

use std::env;
use std::path::Path;

use serde_json::{Value, json};

use super::bench::{Bench, Program};
use super::cdk::Cdk;
use super::comparison::{Comparison, Extent, compare};
use super::packages;

#[test]
#[ignore = "it compares the manifest that AIRLOCK_MANIFEST names"]
fn a_manifest_by_hand() {
    let folders = env::var("AIRLOCK_MANIFEST").expect("AIRLOCK_MANIFEST names a folder with a manifest.yaml");
    let given: Value = env::var("AIRLOCK_CONFIG").map_or(json!({}), |text| serde_json::from_str(&text).expect("JSON"));
    let is_set = |name| env::var_os(name).is_some();
    let mut cdk = Cdk::start();
    let mut bench = Bench::new();
    let mut differing = Vec::new();
    for folder in folders.split(':') {
        let folder = Path::new(folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = cdk.package(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let extent = Extent {
            spec: !is_set("AIRLOCK_QUICK"),
            check: true,
            full_refresh: !is_set("AIRLOCK_QUICK"),
            again: !is_set("AIRLOCK_QUICK"),
            troubles: is_set("AIRLOCK_TROUBLES"),
            beside: match () {
                () if is_set("AIRLOCK_ONLY_CDK") => None,
                () if is_set("AIRLOCK_CDK_TWICE") => Some(Program::Cdk),
                () => Some(Program::Airlock),
            },
            verbose: is_set("AIRLOCK_VERBOSE"),
        };
        let mut config = packages::given(&name);
        given.as_object().into_iter().flatten().for_each(|(field, value)| config[field] = value.clone());
        let comparison = compare(&mut bench, &mut cdk, &manifest, &config, extent);
        print(&name, &comparison);
        if comparison.verdict().is_some() {
            differing.push(name);
        }
    }
    assert!(differing.is_empty(), "these differ: {}", differing.join(", "));
}

fn print(name: &str, comparison: &Comparison) {
    println!(
        "==== {name}: {} streams, {} with records; {} records of {} requests",
        comparison.streams, comparison.streams_with_records, comparison.records, comparison.requests
    );
    comparison.notes.iter().for_each(|note| println!("  note: {note}"));
    for (command, lines) in &comparison.differences {
        println!("  {command}: {}", if lines.is_empty() { "equal" } else { "DIFFERS" });
        lines.iter().for_each(|line| println!("      {line}"));
    }
}
