//! Airbyte's manifests beside an API that fails: statuses, broken and empty answers, each stream with another one. What a trouble
//! comes to hangs on error handlers, parents, cursors and pages, and these manifests have them as people write them.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use super::bench::Bench;
use super::cdk::Cdk;
use super::comparison::{Comparison, compare_in_trouble};
use super::live::settled;
use super::packages;

/// Packages that are looked at beside each other: much of the time is waits that an API asks for.
const AT_ONCE: usize = 3;

/// At least so many packages are of use: the CDK takes their manifests.
const PACKAGES: usize = 45;

/// At least so many of their streams meet something.
const STREAMS: usize = 250;

#[test]
fn what_goes_wrong_goes_wrong_in_both() {
    let wished = std::env::var("AIRLOCK_CASE").unwrap_or_default();
    let packages = packages::all().into_iter().enumerate();
    let packages = packages.filter(|(_, folder)| folder.to_string_lossy().contains(&wished));
    let packages = Mutex::new(packages.collect::<Vec<_>>().into_iter());
    let next = || packages.lock().expect("nobody panics").next();
    let some = || {
        let (mut cdk, mut bench) = (Cdk::start(), Bench::new());
        std::iter::from_fn(next).map(|package| one(&mut cdk, &mut bench, package)).collect::<Vec<_>>()
    };
    let seen: Vec<(String, Comparison)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its package is told above")).collect()
    });
    let mut differing = Vec::new();
    let (mut packages, mut streams) = (0, 0);
    // One that the CDK refuses, or that needs Python code, meets nothing: docs/declarative.md says which these are.
    for (name, comparison) in seen.iter().filter(|(_, comparison)| !comparison.is_refused) {
        packages += 1;
        streams += comparison.streams;
        if let Some(verdict) = comparison.verdict() {
            differing.push(format!("{name}: {verdict}"));
            comparison.differences.values().flatten().for_each(|line| println!("{name}: {line}"));
            comparison.notes.iter().for_each(|note| println!("{name}: {note}"));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(!wished.is_empty() || packages >= PACKAGES && streams >= STREAMS, "{packages} packages, {streams} streams");
}

/// A package, whose number is the round in which troubles are dealt to its streams.
fn one(cdk: &mut Cdk, bench: &mut Bench, (round, folder): (usize, PathBuf)) -> (String, Comparison) {
    let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = cdk.package(&folder).unwrap_or_else(|error| panic!("{package}: {error}"));
    let given = packages::given(&package);
    let seen = settled(
        || compare_in_trouble(bench, cdk, &manifest, &given, round),
        |comparison| comparison.is_refused || comparison.verdict().is_none(),
    );
    (package, seen)
}
