//! Airlock on the small manifests, beside what the CDK did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

use super::bench::Bench;
use super::comparison::parts;
use super::{case, document};

/// Cases that run beside each other: most of their time is waits that APIs ask for.
const AT_ONCE: usize = 4;

/// The document says which cases differ, and in what: a case that agreed and does not any more fails here.
#[test]
fn airlock_does_what_the_cdk_did_but_where_the_document_says_so() {
    let wished = std::env::var("AIRLOCK_CASE").unwrap_or_default();
    let mut differing = BTreeMap::new();
    let mut components: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, replayed) in replayed(case::names().into_iter().filter(|name| name.contains(&wished)).collect()) {
        components_of(&case::recorded(&name)["manifest"], &name, &mut components);
        let mut told = Vec::new();
        for (title, lines) in replayed {
            lines.iter().for_each(|line| println!("{name}, {title}: {line}"));
            if !lines.is_empty() {
                told.push(format!("{title} ({})", parts(&lines)));
            }
        }
        if !told.is_empty() {
            differing.insert(name, told.join(", "));
        }
    }
    if !wished.is_empty() {
        assert!(differing.is_empty(), "{differing:#?}");
        return;
    }
    let rows: Vec<String> = differing.iter().map(|(name, told)| format!("| {name} | {told} |")).collect();
    let component = |(component, cases): (&String, &BTreeSet<String>)| {
        let wrong: Vec<&str> = cases.iter().filter(|case| differing.contains_key(*case)).map(String::as_str).collect();
        let wrong_named = if wrong.len() > 6 { format!("{} cases", wrong.len()) } else { wrong.join(", ") };
        format!("| {component} | {} | {wrong_named} |", cases.len() - wrong.len())
    };
    let components: Vec<String> = components.iter().map(component).collect();
    document::holds("cases", "| Case | Command, and what differs |", &rows);
    document::holds("components", "| Component | Cases that agree | Cases that differ |", &components);
}

/// The differences of cases, by command.
fn replayed(names: Vec<String>) -> BTreeMap<String, Vec<(String, Vec<String>)>> {
    let names = Mutex::new(names.into_iter());
    let next = || names.lock().expect("nobody panics").next();
    let some = || {
        let mut bench = Bench::new();
        std::iter::from_fn(next).map(|name| (name.clone(), case::replay(&name, &mut bench))).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its case is told above")).collect()
    })
}

/// The types of the components that a manifest uses.
fn components_of(node: &Value, case: &str, components: &mut BTreeMap<String, BTreeSet<String>>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| components_of(item, case, components)),
        Value::Object(fields) => {
            let kind = node["type"].as_str().filter(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()));
            if let Some(kind) = kind {
                components.entry(kind.to_owned()).or_default().insert(case.to_owned());
            }
            fields.values().for_each(|field| components_of(field, case, components));
        }
        _ => {}
    }
}
