//! What must be so in every engine.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::container::{Container, Engine, terminate};
use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};

/// The commands of a source, with its files where Airbyte's programs mount them.
pub fn a_source_speaks_the_protocol(engine: &dyn Engine) {
    let workspace = Workspace::new();
    let config = json!({"count": 2000, "seed": 1, "always_updated": false});
    workspace.json("config.json", &config);
    workspace.json("wrong.json", &json!({"count": "many"}));
    workspace.json("catalog.json", &configured_catalog(&["users", "products"]));
    let faker = connector("source-faker");
    // The last is below the directory that is the connector's own.
    for directory in ["/config", "/secrets", "/airbyte/tmp"] {
        let file = |name: &str| format!("{directory}/{name}.json");
        let run = |arguments: &[&str]| -> Finished {
            Container::of(&faker).arguments(arguments).mount(workspace.path(), directory).run(engine, "")
        };
        let check = |name: &str| {
            let checked = run(&["check", "--config", &file(name)]).exits(0);
            checked.messages[0]["connectionStatus"]["status"].clone()
        };
        assert_eq!(check("config"), "SUCCEEDED", "{directory}");
        if directory == "/airbyte/tmp" {
            continue;
        }
        assert_eq!(check("wrong"), "FAILED");
        let natively = |command: &str| {
            let catalog = workspace.path().join("catalog.json");
            let run = Airlock::of(&faker).arg(command).option("--config", workspace.path().join("config.json"));
            if command == "read" { run.option("--catalog", catalog).run() } else { run.run() }.exits(0)
        };
        let discovered = run(&["discover", "--config", &file("config")]).exits(0);
        assert_eq!(discovered.messages, natively("discover").messages);
        let read = run(&["read", "--config", &file("config"), "--catalog", &file("catalog")]).exits(0);
        let expected = natively("read");
        for stream in ["users", "products"] {
            assert_eq!(stable_records(&read, stream), stable_records(&expected, stream), "{stream}");
        }
        assert_eq!(read.records("users").len(), 2000);
        assert_eq!(read.states().len(), expected.states().len());

        let refused = run(&["read", "--config", &file("wrong"), "--catalog", &file("catalog")]).exits(1);
        assert_eq!(refused.error().0, "config_error");
        let misused = run(&["read", "--config", &file("config")]).exits(2);
        assert!(misused.stderr.contains("--catalog") && misused.messages.is_empty(), "{}", misused.stderr);
    }
    let specified = Container::of(&faker).arguments(&["spec"]).run(engine, "").exits(0);
    let golden: Value = serde_json::from_str(include_str!("../../golden/source-faker.spec.json")).unwrap();
    assert_eq!(specified.messages, [golden]);
}

/// The records, but for the time at which they were made.
fn stable_records(finished: &Finished, stream: &str) -> Vec<Value> {
    let mut records: Vec<Value> = finished.records(stream).into_iter().cloned().collect();
    for record in &mut records {
        record.as_object_mut().expect("a record is an object").remove("updated_at");
    }
    records
}

/// A destination reads stdin and writes below /airbyte, which is airbyte's own in the image and as a volume.
pub fn a_destination_writes_below_airbyte(engine: &dyn Engine) {
    let workspace = Workspace::new();
    workspace.json("config.json", &json!({"destination_path": "/local/out"}));
    workspace.json("catalog.json", &configured_catalog(&["one"]));
    let airbyte = workspace.directory("airbyte");
    let records: String = (1..=5000).map(|number| record_line("one", number)).collect();
    let input = records + &state_line("one", 5000) + &status_line("one", "COMPLETE");
    let write = || {
        Container::of(&connector("destination-local-json"))
            .arguments(&["write", "--config", "/config/config.json", "--catalog", "/config/catalog.json"])
            .mount(workspace.path(), "/config")
    };
    let states = |finished: Finished| finished.exits(0).states().len();
    assert_eq!(states(write().with_writable_root().run(engine, &input)), 1, "in the image");
    assert_eq!(states(write().mount_writable(&airbyte, "/airbyte").run(engine, &input)), 1, "in a volume");
    let file = airbyte.join("local/out/_airbyte_raw_one.jsonl");
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 5000);
    let owner = fs::metadata(&file).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (1000, 1000));
}

/// Tries to write where a connector has no business, and says what the process is.
const LOOK_AROUND: &str = r#"
for file in /x /bin/x /etc/passwd /usr/bin/airlock /connector/x /connector/connector.cwasm; do
    echo x >> $file && echo "written $file"
done 2> /dev/null
echo x > /airbyte/x && echo "written /airbyte/x"
echo "$PWD $HOME $AIRBYTE_ENTRYPOINT $AIRLOCK_AIRBYTE_DIR $AIRLOCK_CONNECTOR"
cat /proc/self/status /proc/net/dev
"#;

/// Who it is, and what it may touch: with a root file system that nobody can write to, and with one that root could.
pub fn it_is_airbyte_and_may_write_below_airbyte_only(engine: &dyn Engine) {
    let container = || Container::of(&connector("source-faker")).script(LOOK_AROUND);
    for container in [container(), container().with_writable_root()] {
        let finished = container.run_tool(engine, "").exits(0);
        let text = String::from_utf8(finished.stdout).expect("text");
        let written: Vec<&str> = text.lines().filter(|line| line.starts_with("written ")).collect();
        assert_eq!(written, ["written /airbyte/x"], "{}{text}", finished.stderr);
        for line in [
            "/airbyte /airbyte /usr/bin/airlock /airbyte /connector/connector.cwasm",
            "Uid:\t1000\t1000\t1000\t1000",
            "Gid:\t1000\t1000\t1000\t1000",
            "CapPrm:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "CapBnd:\t0000000000000000",
            "NoNewPrivs:\t1",
        ] {
            assert!(text.lines().any(|other| other == line), "no {line:?} in {text}");
        }
        // Not even loopback is up, but it is there.
        let interfaces =
            text.lines().filter_map(|line| line.trim().split_once(": ").filter(|(_, rest)| rest.len() > 60));
        assert_eq!(interfaces.map(|(name, _)| name).collect::<Vec<_>>(), ["lo"], "{text}");
    }
}

/// What an engine sends to the first process of a container: airlock itself.
pub fn sigterm_ends_it(engine: &dyn Engine) {
    let finished = endless_read().1.run_until_record(engine, terminate);
    check_terminated(finished);
}

/// A read of more records than anybody waits for, and its files.
pub fn endless_read() -> (Workspace, Container) {
    let workspace = Workspace::new();
    workspace.json("config.json", &json!({"count": 1_000_000_000, "seed": 1}));
    workspace.json("catalog.json", &configured_catalog(&["users"]));
    let container = Container::of(&connector("source-faker"))
        .arguments(&["read", "--config", "/config/config.json", "--catalog", "/config/catalog.json"])
        .mount(workspace.path(), "/config");
    (workspace, container)
}

/// It ended by SIGTERM, with whole lines.
#[track_caller]
pub fn check_terminated(finished: Finished) {
    let finished = finished.exits(143);
    assert!(!finished.of_type("RECORD").is_empty());
}
