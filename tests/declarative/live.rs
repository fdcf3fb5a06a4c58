//! What needs the CDK to run: the recordings are still what it does, and the manifests of packages.

use super::bench::Bench;
use super::case;
use super::cdk::Cdk;
use super::told::Told;

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
