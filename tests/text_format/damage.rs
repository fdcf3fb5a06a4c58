//! Files that were cut off or changed on their way: an error that names the file, never a crash of the host.

use super::{Source, told};
use crate::harness::{Airlock, Workspace};

#[track_caller]
fn spec(component: &[u8]) -> crate::harness::Finished {
    let workspace = Workspace::new();
    Airlock::of(&workspace.file("hostile.wasm", component)).option("--timeout", "30s").arg("spec").run()
}

#[test]
fn a_component_that_was_cut_off_is_told_to_be_damaged() {
    let whole = Source::default().component();
    for twentieth in 0..20 {
        let finished = spec(&whole[..whole.len() * twentieth / 20]);
        told(&finished, "config_error");
    }
}

#[test]
fn a_component_of_which_bytes_changed_ends_by_the_rules() {
    let whole = Source::default().component();
    let mut random = fastrand::Rng::with_seed(17);
    for attempt in 0..60 {
        let mut changed = whole.clone();
        for _ in 0..=attempt % 4 {
            let place = random.usize(8..changed.len());
            changed[place] = random.u8(..);
        }
        let finished = spec(&changed);
        // Some changes change nothing that counts, and some only what the connector says.
        assert!(matches!(finished.status.code(), Some(0 | 1)), "{attempt}: {:?} {}", finished.status, finished.stderr);
        if finished.status.code() == Some(1) {
            finished.error();
        }
        assert!(!finished.stderr.contains("panicked"), "{attempt}: {}", finished.stderr);
    }
}
