//! What needs the CDK to run: the recordings are still what it does, and the manifests of packages.

mod troubles;

use serde_json::Value;

use super::bench::{Bench, Program};
use super::cdk::Cdk;
use super::comparison::{Comparison, Extent, compare};
use super::told::Told;
use super::{case, document, packages};

/// How often what differs is looked at.
const TRIES: u32 = 3;

#[test]
fn the_recordings_are_what_the_cdk_does() {
    let (mut cdk, mut bench) = (Cdk::start(), Bench::new());
    let wished = std::env::var("AIRLOCK_CASE").unwrap_or_default();
    let mut wrong = Vec::new();
    for name in case::names().into_iter().filter(|name| name.contains(&wished)) {
        if case::is_recording() {
            case::keep(&name, &case::record(&name, &mut bench, &mut cdk));
            continue;
        }
        wrong.extend(settled(|| changes(&name, &case::record(&name, &mut bench, &mut cdk)), Vec::is_empty));
    }
    assert!(wrong.is_empty(), "{}\nAIRLOCK_RECORD=1 records them anew", wrong.join("\n"));
}

/// What the CDK does now and did otherwise when it was recorded.
fn changes(name: &str, now: &Value) -> Vec<String> {
    let recorded = case::recorded(name);
    let told = |value: &Value| Told(value.as_object().cloned().unwrap_or_default());
    let runs = |of: &Value| of["runs"].as_array().cloned().unwrap_or_default();
    let mut changes = Vec::new();
    for (was, is) in runs(&recorded).iter().zip(runs(now)) {
        let lines = told(&was["told"]).differences(&told(&is["told"]), ["recorded", "now"]);
        changes.extend(lines.into_iter().map(|line| format!("{name}, {}: {line}", was["title"])));
    }
    changes
}

/// The CDK reads with several threads, so that two of its runs can differ: what is not as it should be is looked at again.
fn settled<T>(mut look: impl FnMut() -> T, is_as_it_should_be: impl Fn(&T) -> bool) -> T {
    let mut seen = look();
    for _ in 1..TRIES {
        if is_as_it_should_be(&seen) {
            break;
        }
        seen = look();
    }
    seen
}

/// At least so many packages have a stream that is read incrementally, and so many tell a state before the last.
const INCREMENTAL: usize = 15;
const MANY_STATES: usize = 3;

/// The manifests of Airbyte's own connectors, against a server that is made from each. A sync that one program ended, or that was
/// broken off at a state, goes on in both.
#[test]
fn airlock_runs_airbytes_manifests_as_the_document_says() {
    let extent = Extent {
        spec: false,
        check: true,
        full_refresh: false,
        again: true,
        troubles: false,
        beside: Some(Program::Airlock),
        verbose: false,
    };
    let seen = packages::look(|bench, cdk, package| {
        settled(
            || {
                let comparison = compare(bench, cdk, &package.manifest, &package.given, extent);
                (row(&package.name, &comparison), comparison)
            },
            |(row, _)| case::is_recording() || document::has("packages", row),
        )
    });
    let with = |part: &str| {
        let has = |comparison: &Comparison| comparison.differences.keys().any(|title| title.contains(part));
        seen.iter().filter(|(_, comparison)| has(comparison)).count()
    };
    let (again, on) = (with("read again"), with("read on"));
    let rows: Vec<String> = seen.iter().map(|(row, _)| row.clone()).collect();
    document::holds("packages", "| Connector | Streams of which the CDK reads records | What differs |", &rows);
    assert!(again >= INCREMENTAL && on >= MANY_STATES, "{again} were read again, {on} read on");
}

fn row(name: &str, comparison: &Comparison) -> String {
    for (command, lines) in &comparison.differences {
        lines.iter().for_each(|line| println!("{name}, {command}: {line}"));
    }
    // Where the CDK falls over, it is chance how far it comes.
    let mut reads = match (comparison.is_refused, comparison.is_broken_off) {
        (true, _) => "the CDK refuses the manifest".to_owned(),
        (false, true) => "the CDK falls over".to_owned(),
        (false, false) => format!("{} of {}", comparison.streams_with_records, comparison.streams),
    };
    for (stream, why) in comparison.unread.iter().filter(|_| !comparison.is_broken_off) {
        reads += &format!("; {stream}: {why}");
    }
    let verdict = comparison.verdict().unwrap_or_else(|| "nothing".to_owned());
    let needs_code = comparison.notes.iter().any(|note| note.contains("Custom connector code is not permitted"));
    let verdict = if needs_code { format!("it needs Python code; {verdict}") } else { verdict };
    format!("| {name} | {reads} | {verdict} |")
}
