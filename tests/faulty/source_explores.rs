//! What a guest can reach: `/airbyte`, mounts that it may read, and nothing else.

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::Guest;

#[test]
fn a_guest_reaches_its_own_directory_and_nothing_else() {
    let guest = Guest::new("source-explores");
    let outside = guest.workspace.directory("outside");
    symlink(&outside, guest.airbyte().join("link")).unwrap();
    let data = guest.workspace.directory("data");
    fs::write(data.join("file"), "kept").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let config = json!({"port": listener.local_addr().unwrap().port()});

    let mount = format!("{}:/data", data.display());
    let run = guest.read(&config, &["one"]).option("--mount", mount).env("SECRET", "of the host").stdin("not for it\n");
    let finished = run.run().exits(0);
    let outcomes: HashMap<&str, &Value> = finished
        .records("one")
        .into_iter()
        .map(|record| (record["attempt"].as_str().unwrap(), &record["outcome"]))
        .collect();

    for allowed in ["write to /airbyte", "read a mount", "read stdin"] {
        assert_eq!(outcomes[allowed], "done", "{allowed}");
    }
    for denied in [
        "write to /",
        "write above /airbyte",
        "write through a link",
        "write to a mount",
        "create in a mount",
        "remove from a mount",
        "move out of a mount",
        "read /etc/passwd",
        "read the host's /proc",
        "connect",
        "send a datagram",
        "look a name up",
    ] {
        assert!(outcomes[denied].as_str().unwrap().starts_with("denied: "), "{denied}: {}", outcomes[denied]);
    }
    assert_eq!(outcomes["what stdin holds"], "");
    assert_eq!(outcomes["environment"], &json!([]));
    assert_eq!(outcomes["arguments"], &json!([]));

    assert_eq!(fs::read_to_string(guest.airbyte().join("written")).unwrap(), "kept");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "kept");
    assert!(!guest.workspace.path().join("written").exists());
    assert!(listener.accept().is_err(), "nobody has connected");
}

#[test]
fn a_source_without_a_directory_has_a_private_one_that_goes_with_it() {
    let guest = Guest::new("source-explores");
    let temporary = guest.workspace.directory("tmp");
    let catalog = crate::harness::workspace::configured_catalog(&["one"]);
    let finished = crate::harness::Airlock::of(&guest.path)
        .arg("read")
        .option("--config", guest.workspace.json("config.json", &json!({})))
        .option("--catalog", guest.workspace.json("catalog.json", &catalog))
        .env("TMPDIR", &temporary)
        .run()
        .exits(0);
    assert_eq!(finished.records("one")[0], &json!({"attempt": "write to /airbyte", "outcome": "done"}));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "it is gone");
}
