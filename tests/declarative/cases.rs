//! Airlock on the small manifests, beside what the CDK did.

use super::bench::Bench;
use super::case;

#[test]
fn airlock_does_what_is_recorded_of_the_cdk() {
    let mut bench = Bench::new();
    let wished = std::env::var("AIRLOCK_CASE").unwrap_or_default();
    let mut wrong = Vec::new();
    for name in case::names().into_iter().filter(|name| name.contains(&wished)) {
        for (title, lines) in case::replay(&name, &mut bench) {
            wrong.extend(lines.into_iter().map(|line| format!("{name}, {title}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
