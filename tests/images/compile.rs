//! `compile --platform`: code for machines that are not this one.

use std::fs;

use serde_json::Value;

use crate::harness::{Airlock, Workspace, test_guest};

/// This machine's, and another.
pub const PLATFORMS: [&str; 2] =
    if cfg!(target_arch = "aarch64") { ["linux/arm64", "linux/amd64"] } else { ["linux/amd64", "linux/arm64"] };

/// As `compile` and `inspect` say it.
fn target(platform: &str) -> &'static str {
    if platform == "linux/arm64" { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

#[test]
fn code_is_for_the_platform_that_is_named_and_refused_on_others() {
    let workspace = Workspace::new();
    let source = test_guest("source-states");
    let compile = |name: &str, platform: Option<&str>| {
        let output = workspace.path().join(name);
        let compile = Airlock::new(["compile"]).arg(&source).option("--output", &output);
        let compile = platform.into_iter().fold(compile, |compile, platform| compile.option("--platform", platform));
        let finished = compile.run_tool().exits(0);
        assert!(finished.stderr.is_empty(), "{}", finished.stderr);
        (output, String::from_utf8(finished.stdout).unwrap())
    };
    let [here, elsewhere] = PLATFORMS;
    let (native, said) = compile("native.cwasm", None);
    assert!(said.contains(target(here)), "{said}");
    let (named, _) = compile("named.cwasm", Some(here));
    assert_eq!(fs::read(&native).unwrap(), fs::read(&named).unwrap(), "this machine's is what is meant");
    Airlock::of(&named).arg("spec").run().exits(0);

    let (foreign, said) = compile("foreign.cwasm", Some(elsewhere));
    assert!(said.contains(target(elsewhere)), "{said}");
    let refused = Airlock::of(&foreign).arg("spec").run().exits(1);
    let (kind, message) = refused.error();
    assert_eq!(kind, "config_error");
    for part in [target(elsewhere), &format!("this is airlock {}", env!("CARGO_PKG_VERSION")), target(here)] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let shown = Airlock::new(["inspect", "--json"]).arg(&foreign).run_tool().exits(0);
    let code = serde_json::from_slice::<Value>(&shown.stdout).unwrap()["code"].clone();
    assert_eq!((&code["target"], &code["runs_here"]), (&Value::from(target(elsewhere)), &Value::from(false)), "{code}");
}

#[test]
fn there_are_two_platforms() {
    let help = Airlock::new(["compile", "--help"]).run_tool().exits(0);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(PLATFORMS.iter().all(|platform| help.contains(platform)), "{help}");
    for wrong in ["", "amd64", "linux/s390x", "windows/amd64"] {
        let compile = Airlock::new(["compile"]).arg(test_guest("source-states")).option("--platform", wrong);
        let finished = compile.run_tool().exits(2);
        let text = "the platforms are linux/amd64 and linux/arm64";
        assert!(finished.stdout.is_empty() && finished.stderr.contains(text), "{wrong}: {}", finished.stderr);
    }
}

#[test]
fn compiled_code_is_told_from_a_component() {
    let workspace = Workspace::new();
    let compiled = workspace.path().join("source.cwasm");
    let source = test_guest("source-states");
    Airlock::new(["compile"]).arg(&source).option("--output", &compiled).run_tool().exits(0);
    let metadata = workspace.file("metadata.yaml", "data: {}");
    for command in [&["compile"][..], &["embed"], &["image", "build", "--tag", "a:1"]] {
        let run = Airlock::new(command).arg(&compiled).option("--metadata", &metadata);
        let finished = run.run_tool().exits(1);
        assert!(finished.stderr.contains("is native code") && finished.stderr.contains(".wasm"), "{}", finished.stderr);
    }
}
