//! Much of everything: streams, odd names, large records and documents, hostile JSON, long syncs. Nothing is lost or mixed up,
//! what can not pass is refused by name, and memory does not grow with a sync.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::lines::{record_line, state_line};
use crate::harness::process::peak_memory;
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector, test_guest};

/// A namespace, if there is one, and a name.
type Name = (Option<&'static str>, &'static str);

/// A name of 300 characters.
const LONG: &str = match std::str::from_utf8(&[b'l'; 300]) {
    Ok(text) => text,
    Err(_) => "",
};

struct Scale {
    workspace: Workspace,
    airbyte: PathBuf,
}

impl Scale {
    fn new() -> Scale {
        let workspace = Workspace::new();
        let airbyte = workspace.directory("airbyte");
        Scale { workspace, airbyte }
    }

    fn run(&self, connector: &Path, command: &str, config: &Value, catalog: &Value) -> Airlock {
        Airlock::of(connector)
            .arg(command)
            .option("--airbyte-dir", &self.airbyte)
            .option("--config", self.workspace.json("config.json", config))
            .option("--catalog", self.workspace.json("catalog.json", catalog))
    }

    fn read(&self, config: &Value, catalog: &Value) -> Airlock {
        self.run(&test_guest("source-many"), "read", config, catalog)
    }

    /// One good record and what is in the file, and so on: see the guest.
    fn read_verbatim(&self, records: &str) -> Airlock {
        fs::write(self.airbyte.join("records"), records).unwrap();
        self.run(&test_guest("source-verbatim"), "read", &json!({}), &configured_catalog(&["one"]))
    }

    fn write(&self, catalog: &Value, input: impl Into<Vec<u8>>) -> Airlock {
        let config = json!({"destination_path": "/local"});
        self.run(&connector("destination-local-json"), "write", &config, catalog).stdin(input)
    }

    /// The lines of a stream's file, each from where its data begin.
    fn data_lines(&self, stream: &str) -> Vec<String> {
        let text = fs::read_to_string(self.airbyte.join(format!("local/_airbyte_raw_{stream}.jsonl"))).unwrap();
        text.lines().map(|line| line.split_once("\"_airbyte_data\":").unwrap().1.to_owned()).collect()
    }
}

fn catalog_of(names: &[Name]) -> Value {
    let mut catalog = configured_catalog(&names.iter().map(|(_, name)| *name).collect::<Vec<_>>());
    for (configured, (namespace, _)) in catalog["streams"].as_array_mut().unwrap().iter_mut().zip(names) {
        configured["stream"]["namespace"] = json!(namespace);
    }
    catalog
}

/// The name of a stream in an object that gives it under this key.
fn name_of<'a>(object: &'a Value, key: &str) -> (Option<&'a str>, &'a str) {
    (object["namespace"].as_str(), object[key].as_str().unwrap())
}

/// What was said of each stream: its records, its states and its statuses, in their order.
fn said(finished: &Finished) -> BTreeMap<(Option<&str>, &str), Vec<String>> {
    let mut said: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for message in &finished.messages {
        let (name, what) = match message["type"].as_str().unwrap() {
            "RECORD" => (name_of(&message["record"], "stream"), format!("record {}", message["record"]["data"]["id"])),
            "STATE" => {
                let stream = &message["state"]["stream"];
                (name_of(&stream["stream_descriptor"], "name"), format!("state {}", stream["stream_state"]["id"]))
            }
            "TRACE" => {
                let status = &message["trace"]["stream_status"];
                (name_of(&status["stream_descriptor"], "name"), status["status"].as_str().unwrap().to_owned())
            }
            other => panic!("{other}: {message}"),
        };
        said.entry(name).or_default().push(what);
    }
    said
}

/// What is said of each stream that has three records, two of them in its first turn.
const OF_THREE_RECORDS: [&str; 8] =
    ["STARTED", "RUNNING", "record 1", "record 2", "state 2", "record 3", "state 3", "COMPLETE"];

#[test]
fn a_hundred_and_twenty_streams_arrive_each_in_its_file() {
    let scale = Scale::new();
    let names: Vec<String> = (0..120).map(|number| format!("stream_{number}")).collect();
    let catalog = configured_catalog(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let read = scale.read(&json!({"records": 30, "turn": 7, "text_bytes": [10, 2000]}), &catalog).run().exits(0);
    let written = scale.write(&catalog, read.stdout.clone()).run().exits(0);
    let echoed = written.states();
    assert_eq!((read.states().len(), echoed.len(), written.messages.len()), (600, 600, 600));
    for (number, name) in names.iter().enumerate() {
        assert_eq!(read.statuses(name), ["STARTED", "RUNNING", "COMPLETE"]);
        let of_stream = |state: &&&Value| state["stream"]["stream_descriptor"]["name"] == name.as_str();
        let states = echoed.iter().filter(of_stream).map(|state| &state["stream"]["stream_state"]["id"]);
        assert_eq!(states.collect::<Vec<_>>(), [7, 14, 21, 28, 30], "{name}");
        let lines = scale.data_lines(name);
        assert_eq!(lines.len(), 30, "{name}");
        for (line, id) in lines.iter().zip(1..) {
            assert!(line.starts_with(&format!("{{\"id\":{id},\"stream\":{number},")), "{name}: {line}");
        }
    }
}

#[test]
fn a_destination_has_more_files_open_than_a_shell_gives() {
    let scale = Scale::new();
    let names: Vec<String> = (0..120).map(|number| format!("stream_{number}")).collect();
    let catalog = configured_catalog(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let input: String = names.iter().map(|name| record_line(name, 1) + &state_line(name, 1)).collect();
    let written = scale.write(&catalog, input).with_open_files(64).run().exits(0);
    assert_eq!(written.states().len(), 120);
}

#[test]
fn streams_are_told_apart_by_name_and_namespace_whatever_is_in_them() {
    let names: &[Name] = &[
        (None, "users"),
        (None, "Users"),
        (Some(""), "users"),
        (Some("one"), "users"),
        (Some("One"), "users"),
        (Some("one.two"), "users"),
        (Some("one"), "two.users"),
        (None, "one.users"),
        (Some("users"), ""),
        (None, ""),
        (None, " "),
        (None, "-x"),
        (None, "--config"),
        (None, "."),
        (None, ".."),
        (None, "../../etc/passwd"),
        (None, "/etc/passwd"),
        (None, "CON"),
        (None, "quo\"ted"),
        (None, "back\\slash"),
        (None, "two\nlines"),
        (None, "carriage\rreturn"),
        (None, "\0"),
        (Some("\0"), "users"),
        (None, "\u{7}\u{1b}[31m"),
        (None, "\u{2028}\u{feff}"),
        (None, "{}%s"),
        (None, "\u{e9}"),
        (None, "e\u{301}"),
        (Some("名前空間"), "日本語"),
        (None, "🦀"),
        (None, LONG),
    ];
    let scale = Scale::new();
    let catalog = catalog_of(names);
    let names_of_config: Vec<Value> = names.iter().map(|(namespace, name)| json!([namespace, name])).collect();
    let config = json!({"records": 3, "turn": 2, "names": names_of_config});

    let many = test_guest("source-many");
    let discover = Airlock::of(&many).arg("discover").option("--config", scale.workspace.json("names.json", &config));
    let discovered = discover.run().exits(0);
    let streams = discovered.messages[0]["catalog"]["streams"].as_array().unwrap();
    assert_eq!(streams.iter().map(|stream| name_of(stream, "name")).collect::<Vec<_>>(), names);

    let read = scale.read(&config, &catalog).run().exits(0);
    let said_by_source = said(&read);
    assert_eq!(said_by_source.len(), names.len());
    for name in names {
        assert_eq!(said_by_source[name], OF_THREE_RECORDS, "{name:?}");
    }
    for message in read.of_type("RECORD") {
        let record = &message["record"];
        assert_eq!(name_of(record, "stream"), names[record["data"]["stream"].as_u64().unwrap() as usize]);
    }

    let echo = scale.run(&test_guest("destination-echo"), "write", &json!({"quiet": true}), &catalog);
    let written = echo.stdin(read.stdout.clone()).run().exits(0);
    let echoes: Vec<&Value> = written.states();
    let mut sent: Vec<Value> = read.states().into_iter().cloned().collect();
    sent.iter_mut().for_each(|state| {
        let records = state["sourceStats"]["recordCount"].clone();
        state["destinationStats"] = json!({"recordCount": records, "rejectedRecordCount": 0.0});
    });
    assert_eq!(echoes, sent.iter().collect::<Vec<_>>());

    // The states that came back are found again, each by its stream.
    let state = scale.workspace.file("state.jsonl", &written.stdout);
    let nothing_new = scale.read(&config, &catalog).option("--state", state).run().exits(0);
    let said_again = said(&nothing_new);
    assert_eq!(said_again.len(), names.len());
    assert!(said_again.values().all(|said| said == &["STARTED", "COMPLETE"]), "{said_again:?}");
}

#[test]
fn odd_names_make_one_file_each_in_the_directory_or_are_refused() {
    // As Airbyte names files: what is no letter, digit or underscore becomes one.
    let files: &[(Name, &str)] = &[
        ((None, "users"), "users"),
        ((None, "Users"), "Users"),
        ((Some("one"), "two.users"), "two_users"),
        ((None, "../../etc/passwd"), "______etc_passwd"),
        ((None, "CON"), "CON"),
        ((None, "-x"), "_x"),
        ((None, "🦀 crab"), "__crab"),
        ((None, "two\nlines"), "two_lines"),
        ((None, "quo\"ted\\"), "quo_ted_"),
        ((None, "\0nul"), "_nul"),
        ((None, "crème"), "creme"),
        ((None, ""), ""),
    ];
    let names: Vec<Name> = files.iter().map(|(name, _)| *name).collect();
    let scale = Scale::new();
    let catalog = catalog_of(&names);
    let read = scale.read(&json!({"records": 3, "turn": 2}), &catalog).run().exits(0);
    assert_eq!(scale.write(&catalog, read.stdout).run().exits(0).states().len(), 2 * names.len());
    for (number, (name, file)) in files.iter().enumerate() {
        let expected: Vec<String> =
            (1..=3).map(|id| format!("{{\"id\":{id},\"stream\":{number},\"text\":\"\"}}}}")).collect();
        assert_eq!(scale.data_lines(file), expected, "{name:?}");
    }
    assert_eq!(fs::read_dir(scale.airbyte.join("local")).unwrap().count(), names.len());
    assert_eq!(fs::read_dir(&scale.airbyte).unwrap().count(), 1, "nothing beside it");

    for (names, expected) in [
        (&[(None, "users"), (Some(""), "users")][..], "both be written to"),
        (&[(Some("one"), "users"), (Some("two"), "users")], "both be written to"),
        (&[(None, "a/b"), (None, "a.b")], "both be written to"),
        (&[(None, "🦀"), (None, "日")], "both be written to"),
        (&[(None, LONG)], "too long"),
    ] {
        let scale = Scale::new();
        let finished = scale.write(&catalog_of(names), "").run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error");
        assert!(message.contains(expected), "{message}");
        let written = fs::read_dir(scale.airbyte.join("local")).into_iter().flatten().count();
        assert_eq!(written, 0, "nothing is written: {names:?}");
    }
}

/// One record line, with these data.
fn line_with(data: &str) -> String {
    record_line("one", 7).replace("{\"n\":7}", data)
}

#[test]
fn json_that_many_parsers_stumble_over_passes_byte_for_byte() {
    let nested = |depth: usize| format!("{{\"n\":4,\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let cases = [
        r#"{"n":4,"v":1e400}"#.to_owned(),
        r#"{"n":4,"v":-1E-999999999999999999999}"#.to_owned(),
        r#"{"n":4,"v":123456789012345678901234567890}"#.to_owned(),
        r#"{"n":4,"v":[-0.0,-0,0.10,1.0E+2]}"#.to_owned(),
        format!("{{\"n\":4,\"v\":{}}}", "9".repeat(5000)),
        r#"{"n":4,"n":4,"a":{"b":1,"b":2}}"#.to_owned(),
        r#"{"n":4,"v":"\ud800","\udfff":"\ud83d \u0041"}"#.to_owned(),
        r#"{"n":4,"v":"\u0000","\u0000":1}"#.to_owned(),
        r#"{"":1,"n":4," ":{"":{}}}"#.to_owned(),
        "{\"n\":4,\"v\":\"\u{7f}\u{85}\u{2028}\u{feff}\u{10ffff}\"}".to_owned(),
        nested(127),
        nested(128),
        nested(1000),
        nested(100_000),
    ];
    for data in &cases {
        let shown = &data[..data.len().min(60)];
        let scale = Scale::new();
        let read = scale.read_verbatim(data).run_tool().exits(0);
        let envelope = format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"one\",\"data\":{data},\"emitted_at\":");
        let lines = String::from_utf8(read.stdout).unwrap();
        assert_eq!(lines.lines().filter(|line| line.starts_with(&envelope)).count(), 1, "read {shown}");

        // On to the destination, which is given it as the source printed it.
        scale.write(&configured_catalog(&["one"]), lines).run().exits(0);
        let written = scale.data_lines("one");
        assert_eq!(written.iter().filter(|line| line.strip_suffix('}') == Some(data)).count(), 1, "write {shown}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_stream_and_its_number() {
    for data in [
        r#"{"n":NaN}"#,
        r#"{"n":Infinity}"#,
        r#"{"n":04}"#,
        r#"{"n":+4}"#,
        r#"{"n":4,}"#,
        r#"{"n":.5}"#,
        r#"{"n":"\x41"}"#,
        r#"{"n":"\u12"}"#,
        "{\"n\":\"a\tb\"}",
        "{\"n\":\"\u{0}\"}",
        "{n:4}",
    ] {
        let scale = Scale::new();
        let read = scale.read_verbatim(data).run().exits(1);
        assert!(read.error().1.starts_with("Record 4 of stream one is not "), "{data}: {:?}", read.error());
        assert_eq!(read.records("one").len(), 3, "{data}");

        let input = record_line("one", 1) + &state_line("one", 1) + &line_with(data) + &state_line("one", 2);
        let written = scale.write(&configured_catalog(&["one"]), input).run().exits(1);
        assert!(written.error().1.starts_with("Line 3 of the input "), "{data}: {:?}", written.error());
        assert_eq!((written.states().len(), scale.data_lines("one").len()), (1, 1), "{data}");
    }
}

#[test]
fn records_of_50_bytes_and_of_20_megabytes_share_a_stream() {
    let scale = Scale::new();
    let catalog = configured_catalog(&["one"]);
    let config = json!({"records": 6, "turn": 2, "text_bytes": [20_000_000, 20, 1_000_000]});
    let read = scale.read(&config, &catalog).run_tool().exits(0);
    let written = scale.write(&catalog, read.stdout).run().exits(0);
    assert_eq!(written.states().len(), 3);
    let lines = scale.data_lines("one");
    // One is in the word `text`.
    let lengths: Vec<usize> = lines.iter().map(|line| line.matches('x').count() - 1).collect();
    assert_eq!(lengths, [20, 1_000_000, 20_000_000].repeat(2));
    assert!(lines.iter().zip(1..).all(|(line, id)| line.starts_with(&format!("{{\"id\":{id},"))));
}

#[test]
fn the_limit_of_a_record_is_the_same_on_both_ways() {
    let data = |bytes: usize| format!("{{\"n\":4,\"a\":\"{}\"}}", "x".repeat(bytes - 14));
    for (bytes, code) in [(999_999, 0), (1_000_000, 0), (1_000_001, 1)] {
        let scale = Scale::new();
        let limited = |run: Airlock| run.option("--max-record-bytes", "1000000").run().exits(code);
        let read = limited(scale.read_verbatim(&data(bytes)));
        assert_eq!(read.records("one").len(), if code == 0 { 7 } else { 3 }, "{bytes}");
        let input = record_line("one", 1) + &line_with(&data(bytes)) + &record_line("one", 2) + &state_line("one", 2);
        let written = limited(scale.write(&configured_catalog(&["one"]), input));
        assert_eq!(written.states().len(), usize::from(code == 0), "{bytes}");
        if code == 1 {
            for (finished, place) in [(read, "Record 4 of stream one "), (written, "Line 2 of the input ")] {
                let (_, message) = finished.error();
                assert!(message.starts_with(place) && message.contains("--max-record-bytes"), "{message}");
            }
        }
    }
}

#[test]
fn documents_are_as_large_as_they_come() {
    let scale = Scale::new();
    let mut catalog = configured_catalog(&["one"]);
    let columns: serde_json::Map<String, Value> =
        (0..1000).map(|column| (format!("column_{column}"), json!({"type": ["null", "string"]}))).collect();
    catalog["streams"][0]["stream"]["json_schema"]["properties"] = json!(columns);
    let config = json!({"records": 2, "state_bytes": 10_000_000, "unused": "u".repeat(1_000_000)});
    let read = scale.read(&config, &catalog).run_tool().exits(0);
    let stdout = String::from_utf8(read.stdout).unwrap();
    let blob = |id: u64| format!("{{\"id\":{id},\"text\":\"{}\"}}", "s".repeat(10_000_000));
    for id in 1..=2 {
        assert!(stdout.contains(&blob(id)));
    }

    // A record with all its columns, and the large states.
    let row: serde_json::Map<String, Value> =
        (0..1000).map(|column| (format!("column_{column}"), json!("v".repeat(20)))).collect();
    let row = json!(row).to_string();
    let written = scale.write(&catalog, line_with(&row) + &stdout).run_tool().exits(0);
    let echoed = String::from_utf8(written.stdout).unwrap();
    let states: Vec<&str> = echoed.lines().filter(|line| line.starts_with("{\"type\":\"STATE\"")).collect();
    assert_eq!(states.len(), 2);
    assert!(states.iter().zip(1..).all(|(state, id)| state.contains(&blob(id))));
    assert_eq!(scale.data_lines("one")[0], row + "}");

    let state = scale.workspace.file("state.jsonl", &echoed);
    let nothing_new = scale.read(&config, &catalog).option("--state", state).run().exits(0);
    assert_eq!(nothing_new.outline(), ["STARTED", "COMPLETE"]);
}

#[test]
fn documents_that_are_too_deep_are_refused() {
    let scale = Scale::new();
    let deep = "{\"a\":".repeat(200) + "1" + &"}".repeat(200);
    let config = scale.workspace.file("deep.json", format!("{{\"deep\":{deep}}}"));
    let finished = Airlock::of(&test_guest("source-many")).arg("check").option("--config", config).run().exits(1);
    let (kind, message) = finished.error();
    assert!(kind == "config_error" && message.contains("--config") && message.contains("recursion limit"), "{message}");

    // A state is the connector's own, and nobody looks into it on its way.
    let catalog = configured_catalog(&["one"]);
    let state = state_line("one", 5).replace("{\"n\":5}", &deep);
    let written = scale.write(&catalog, state).run_tool().exits(0);
    assert!(String::from_utf8(written.stdout).unwrap().contains(&deep));
}

/// How much more memory a long sync may take than a short one.
const MORE_MEMORY: u64 = 8 * 1024;

#[test]
fn a_long_read_takes_no_more_memory_than_a_short_one() {
    let peak = |count: u64| {
        let scale = Scale::new();
        let config = json!({"count": count, "seed": 1, "records_per_slice": 5000});
        let run = scale.run(&connector("source-faker"), "read", &config, &configured_catalog(&["users"]));
        let mut child = run.spawn();
        let mut stdout = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
        // More is left than a pipe holds: it can not have ended before it was looked at.
        let mut line = Vec::new();
        for _ in 0..count - 2000 {
            line.clear();
            assert!(stdout.read_until(b'\n', &mut line).unwrap() > 0);
        }
        let peak = peak_memory(child.id());
        stdout.read_to_end(&mut Vec::new()).unwrap();
        assert!(child.wait().unwrap().success());
        peak
    };
    let (short, long) = (peak(10_000), peak(300_000));
    println!("read: {short} kB for 10,000 records, {long} kB for 300,000");
    assert!(long < short + MORE_MEMORY, "{short} kB, {long} kB");
}

#[test]
fn a_long_write_takes_no_more_memory_than_a_short_one() {
    let text = "x".repeat(400);
    let peak = |count: u64| {
        let scale = Scale::new();
        let mut child = scale.write(&configured_catalog(&["one"]), "").spawn();
        let mut stdin = child.stdin.take().unwrap();
        let mut echoes = BufReader::new(child.stdout.take().unwrap());
        let mut in_force = String::new();
        echoes.read_line(&mut in_force).unwrap();
        assert!(in_force.contains("In force"), "{in_force}");
        for number in 1..=count {
            let data = format!("{{\"n\":{number},\"text\":\"{text}\"}}");
            let mut lines = line_with(&data);
            if number % 5000 == 0 {
                lines += &state_line("one", number);
            }
            stdin.write_all(lines.as_bytes()).unwrap();
        }
        for number in (5000..=count).step_by(5000) {
            let mut echo = String::new();
            echoes.read_line(&mut echo).unwrap();
            assert!(echo.contains(&format!("{{\"n\":{number}}}")), "{echo}");
        }
        let peak = peak_memory(child.id());
        drop(stdin);
        assert!(child.wait().unwrap().success());
        peak
    };
    let (short, long) = (peak(10_000), peak(300_000));
    println!("write: {short} kB for 10,000 records, {long} kB for 300,000");
    assert!(long < short + MORE_MEMORY, "{short} kB, {long} kB");
}
