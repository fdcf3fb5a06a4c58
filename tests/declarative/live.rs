//! What needs the CDK to run: the recordings are still what it does, and the manifests of packages.

use super::bench::{Bench, Program};
use super::cdk::Cdk;
use super::comparison::{Extent, compare};
use super::told::Told;
use super::{case, document, packages};

#[test]
fn the_recordings_are_what_the_cdk_does() {
    let (mut cdk, mut bench) = (Cdk::start(), Bench::new());
    let wished = std::env::var("AIRLOCK_CASE").unwrap_or_default();
    let mut wrong = Vec::new();
    for name in case::names().into_iter().filter(|name| name.contains(&wished)) {
        let now = case::record(&name, &mut bench, &mut cdk);
        if case::is_recording() {
            case::keep(&name, &now);
            continue;
        }
        let recorded = case::recorded(&name);
        let told = |value: &serde_json::Value| Told(value.as_object().cloned().unwrap_or_default());
        for (was, is) in
            recorded["runs"].as_array().into_iter().flatten().zip(now["runs"].as_array().into_iter().flatten())
        {
            let lines = told(&was["told"]).differences(&told(&is["told"]), ["recorded", "now"]);
            wrong.extend(lines.into_iter().map(|line| format!("{name}, {}: {line}", was["title"])));
        }
    }
    assert!(wrong.is_empty(), "{}\nAIRLOCK_RECORD=1 records them anew", wrong.join("\n"));
}

/// The manifests of Airbyte's own connectors, against a server that is made from each.
#[test]
fn airlock_runs_airbytes_manifests_as_the_document_says() {
    let (mut cdk, mut bench) = (Cdk::start(), Bench::new());
    let mut rows = Vec::new();
    for folder in packages::all() {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().replace('_', "-");
        let manifest = cdk.package(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        let extent = Extent {
            spec: false,
            check: true,
            full_refresh: false,
            again: true,
            troubles: false,
            beside: Some(Program::Airlock),
            verbose: false,
        };
        let given = packages::given(&name.replace('-', "_"));
        let comparison = compare(&mut bench, &mut cdk, &manifest, &given, extent);
        comparison.differences.iter().for_each(|(command, lines)| {
            lines.iter().for_each(|line| println!("{name}, {command}: {line}"));
        });
        // Where the CDK falls over, it is chance how far it comes.
        let reads = match comparison.is_broken_off {
            true => "the CDK falls over".to_owned(),
            false => format!("{} of {}", comparison.streams_with_records, comparison.streams),
        };
        let verdict = comparison.verdict().unwrap_or_else(|| "nothing".to_owned());
        let needs_code = comparison.notes.iter().any(|note| note.contains("Custom connector code is not permitted"));
        let verdict = if needs_code { format!("it needs Python code; {verdict}") } else { verdict };
        rows.push(format!("| {name} | {reads} | {verdict} |"));
    }
    document::holds("packages", "| Connector | Streams of which the CDK reads records | What differs |", &rows);
}
