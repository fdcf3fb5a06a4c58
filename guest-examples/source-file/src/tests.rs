//! Whole commands, through a host in memory, over files of the test.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use airlock_sdk::testing::{Event, Host, Run};
use airlock_sdk::{FailureKind, Interruption};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use super::*;

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempdir().unwrap())
    }

    /// Writes a file that was changed in this second.
    fn write(&self, name: &str, content: impl AsRef<[u8]>, second: u64) {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(second);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn config(&self, name: &str, format: &str, more: Value) -> Value {
        let url = self.0.path().join(name);
        let mut config =
            json!({"dataset_name": "rows", "format": format, "url": url, "provider": {"storage": "local"}});
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        config
    }
}

fn discovered(config: &Value) -> Result<airlock_sdk::Stream> {
    let catalog = FileSource::discover(serde_json::from_value(config.clone()).unwrap())?;
    Ok(catalog.streams.into_iter().next().unwrap())
}

fn catalog(config: &Value, sync_mode: &str) -> Value {
    let stream = discovered(config).unwrap();
    json!({"streams": [{"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": "append"}]})
}

fn read(config: &Value, catalog: &Value, state: Option<&Value>) -> Run {
    host(state).read::<FileSource>(config, catalog)
}

fn host(state: Option<&Value>) -> Host {
    Host::new().with_state(state.map(|state| ("rows", state.clone())))
}

fn check(config: &Value) -> Result<()> {
    FileSource::check(serde_json::from_value(config.clone()).unwrap())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The ids of the records.
fn ids(run: &Run) -> Vec<u64> {
    run.records("rows").iter().map(|record| record["id"].as_u64().unwrap()).collect()
}

/// The same records in every format: name, format, content.
fn contents(ids: std::ops::Range<u64>) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let objects: Vec<Value> = ids.clone().map(|id| json!({"id": id, "text": format!("line\n\"{id}\" ü")})).collect();
    let mut csv = "id,text\r\n".to_owned();
    for id in ids {
        csv.push_str(&format!("{id},\"line\n\"\"{id}\"\" ü\"\r\n\r\n"));
    }
    let lines: String = objects.iter().map(|object| format!("{object}\n\n")).collect();
    let pretty = serde_json::to_string_pretty(&objects).unwrap();
    let utf16: Vec<u8> = csv.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big_endian: Vec<u8> = format!("\u{feff}{csv}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    vec![
        ("a.csv", "csv", csv.clone().into_bytes()),
        ("a.csv.gz", "csv", gzip(csv.as_bytes())),
        ("utf16.csv", "csv", utf16),
        ("utf16.csv", "csv", gzip(&big_endian)),
        ("a.jsonl", "jsonl", lines.clone().into_bytes()),
        // Two members, as `cat` makes them.
        ("b", "jsonl", [gzip(&lines.as_bytes()[..200]), gzip(&lines.as_bytes()[200..])].concat()),
        ("a.json", "json", pretty.into_bytes()),
    ]
}

fn options_for(name: &str) -> Value {
    if name == "utf16.csv" { json!({"reader_options": "{\"encoding\": \"utf-16\"}"}) } else { json!({}) }
}

#[test]
fn an_interrupted_read_goes_on_in_the_middle_of_a_file() {
    for (name, format, content) in contents(0..100) {
        let files = Files::new();
        files.write(name, content, 1);
        let config = files.config(name, format, options_for(name));
        for sync_mode in ["full_refresh", "incremental"] {
            let catalog = catalog(&config, sync_mode);
            let whole = read(&config, &catalog, None);
            assert_eq!(whole.result, Ok(()), "{name}");
            assert_eq!(ids(&whole), (0..100).collect::<Vec<_>>(), "{name}");
            assert_eq!(whole.records("rows")[7]["text"], "line\n\"7\" ü");
            assert!(whole.checkpoints("rows").len() > 5, "{name}: {}", whole.checkpoints("rows").len());
            for taken in (0..).step_by(3).take(8) {
                let first = Host::new()
                    .interrupting_after(taken, Interruption::Cancelled)
                    .read::<FileSource>(&config, &catalog);
                assert!(first.result.is_err());
                let covered = covered(&first);
                let state = first.checkpoints("rows").pop();
                let second = read(&config, &catalog, state.as_ref());
                assert_eq!(second.result, Ok(()), "{name}");
                assert_eq!(ids(&second), (covered as u64..100).collect::<Vec<_>>(), "{name} after {taken}");
            }
        }
    }
}

/// How many records the last state of a run covers.
fn covered(run: &Run) -> usize {
    let mut records = 0;
    let mut covered = 0;
    for event in &run.events {
        match event {
            Event::Records { lines, .. } => records += lines.lines().count(),
            Event::Checkpoint { .. } => covered = records,
            _ => {}
        }
    }
    covered
}

#[test]
fn what_came_before_a_malformed_row_has_left_with_its_state() {
    for (name, format, good, bad) in [
        ("a.csv", "csv", "id,n\n1,2\n\n2,3\n", "3,secret\n"),
        ("a.csv", "csv", "id,n\n1,2\n\n2,3\n", "3,4,5\n"),
        ("a.jsonl", "jsonl", "{\"id\":1}\n\n\n{\"id\":2}\n", "{\"id\":secret}\n"),
        ("a.json", "json", "[\n{\"id\":1},\n\n{\"id\":2}", ",\n{\"id\":secret}]"),
    ] {
        let files = Files::new();
        let ending = if format == "json" { "]" } else { "" };
        files.write(name, format!("{good}{ending}"), 1);
        let config = files.config(name, format, json!({}));
        let catalog = catalog(&config, "incremental");
        files.write(name, format!("{good}{bad}"), 2);
        let run = read(&config, &catalog, None);
        let failure = run.result.clone().unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert!(failure.message.contains(&format!("{name}, line 5")), "{failure}");
        assert!(!failure.message.contains("secret") && failure.message.contains(name), "{failure}");
        assert_eq!((ids(&run), covered(&run)), (vec![1, 2], 2), "{name}");
        let again = read(&config, &catalog, run.checkpoints("rows").last());
        assert_eq!(again.result.unwrap_err().message, failure.message);
        assert!(again.events.iter().all(|event| !matches!(event, Event::Records { .. })), "nothing comes twice");
    }
}

#[test]
fn a_first_record_that_is_malformed_is_not_passed_over_the_next_time() {
    for (name, format, options, good, bad) in [
        ("a.csv", "csv", "{\"header\": null}", "1,2\n2,3\n", "secret,2\n2,3\n"),
        ("a.csv", "csv", "{}", "id,n\n1,2\n2,3\n", "id,n\n1,secret\n2,3\n"),
        ("a.jsonl", "jsonl", "", "{\"id\":1}\n{\"id\":2}\n", "\u{feff}\n{\"id\":1,}\n{\"id\":2}\n"),
        ("a.json", "json", "", "[{\"id\":1},{\"id\":2}]", "\u{feff} [{\"id\":1,},{\"id\":2}]"),
    ] {
        let files = Files::new();
        files.write(name, good, 1);
        let config = files.config(name, format, json!({"reader_options": options}));
        let catalog = catalog(&config, "full_refresh");
        files.write(name, bad, 2);
        let first = read(&config, &catalog, None);
        let again = read(&config, &catalog, first.checkpoints("rows").last());
        assert_eq!(first.result.unwrap_err().message, again.result.unwrap_err().message);
        assert!(first.events.iter().chain(&again.events).all(|event| !matches!(event, Event::Records { .. })));
    }
}

#[test]
fn a_cut_off_or_damaged_gzip_file_is_told() {
    let whole = gzip(&b"id\n1\n".repeat(50));
    let mut changed = whole.clone();
    let place = changed.len() - 6;
    changed[place] ^= 1;
    for (content, words) in [
        (gzip(b"id\n1\n2\n")[..20].to_vec(), "cut off"),
        (whole[..3].to_vec(), "cut off"),
        (b"id\n1\n".to_vec(), "not gzip"),
        (Vec::new(), "not gzip"),
        ([&gzip(b"id\n1\n")[..], &b"junk".repeat(9)].concat(), "something behind the end"),
        (changed, "damaged"),
    ] {
        let files = Files::new();
        files.write("a.csv.gz", content, 1);
        let failure = check(&files.config("a.csv.gz", "csv", json!({}))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError, "{failure}");
        assert!(failure.message.contains(words) && failure.message.contains("a.csv.gz, line"), "{failure}");
    }
}

#[test]
fn gzip_has_several_members_and_padding_and_nothing_else() {
    let files = Files::new();
    let config = files.config("a.csv.gz", "csv", json!({}));
    let members = [gzip(b"id\n1\n"), gzip(b""), vec![0; 3], gzip(b"2\n3\n"), vec![0; 100_000]].concat();
    files.write("a.csv.gz", &members, 1);
    let catalog = catalog(&config, "full_refresh");
    let run = read(&config, &catalog, None);
    assert_eq!((run.result.clone(), ids(&run)), (Ok(()), vec![1, 2, 3]));

    for garbage in [&b"x"[..], b"something else", b"\0\0x", b"\x1f\x8bx"] {
        files.write("a.csv.gz", [&members[..], garbage].concat(), 2);
        let run = read(&config, &catalog, None);
        let failure = run.result.clone().unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        let words = if garbage.starts_with(b"\x1f") { "compressed data end early" } else { "something behind the end" };
        assert!(failure.message.contains(words), "{failure}");
        assert_eq!(ids(&run), [1, 2, 3], "what came before has left");
    }
}

#[test]
fn a_byte_order_mark_says_what_the_encoding_is() {
    let files = Files::new();
    for (mark, bytes_of) in [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)] {
        let text = |text: &str| [mark.to_vec(), text.encode_utf16().flat_map(bytes_of).collect()].concat();
        for (name, format, content) in [
            ("a.csv", "csv", text("id\tname\r\n1\tZo\u{eb}\r\n")),
            ("a.csv.gz", "csv", gzip(&text("id\tname\r\n1\tZo\u{eb}\r\n"))),
            ("a.json", "json", text("[{\"id\": 1, \"name\": \"Zo\u{eb}\"}]")),
        ] {
            files.write(name, content, 1);
            let options = if format == "csv" { json!({"reader_options": "{\"sep\": \"\\t\"}"}) } else { json!({}) };
            let config = files.config(name, format, options);
            let run = read(&config, &catalog(&config, "full_refresh"), None);
            assert_eq!(run.result, Ok(()), "{name}");
            assert_eq!(run.records("rows"), [json!({"id": 1, "name": "Zo\u{eb}"})], "{name}");
        }
    }
}

#[test]
fn changed_files_come_whole_and_others_not() {
    let files = Files::new();
    files.write("b.csv", "id\n1\n2\n", 10);
    files.write("a.csv", "id\n3\n", 10);
    files.write("c.csv", "id\n4\n", 20);
    let config = files.config("*.csv", "csv", json!({}));
    let catalog = catalog(&config, "incremental");
    let first = read(&config, &catalog, None);
    assert_eq!(ids(&first), [3, 1, 2, 4], "the oldest first, then by name");
    let state = first.checkpoints("rows").pop().unwrap();
    assert_eq!(state["files"].as_object().unwrap().len(), 3);
    let again = read(&config, &catalog, Some(&state));
    assert_eq!((ids(&again), again.checkpoints("rows")), (vec![], vec![state.clone()]));

    // Replaced by an older file, replaced by one of the same time, a new one of an old time, and one is gone.
    files.write("b.csv", "id\n5\n", 5);
    files.write("c.csv", "id\n66\n", 20);
    files.write("d.csv", "id\n7\n", 1);
    fs::remove_file(files.0.path().join("a.csv")).unwrap();
    let second = read(&config, &catalog, Some(&state));
    assert_eq!(ids(&second), [7, 5, 66]);
    let state = second.checkpoints("rows").pop().unwrap();
    assert_eq!(state["files"].as_object().unwrap().len(), 3, "{state}");
    // A full refresh brings all again, whatever a complete state says.
    let full = read(&config, &super::tests::catalog(&config, "full_refresh"), Some(&state));
    assert_eq!(ids(&full), [7, 5, 66]);
}

#[test]
fn a_file_that_changes_in_an_interrupted_read_comes_from_its_start() {
    let (name, format, content) = contents(0..100).swap_remove(0);
    let files = Files::new();
    files.write(name, &content, 1);
    let config = files.config(name, format, json!({}));
    let catalog = catalog(&config, "incremental");
    let first = Host::new().interrupting_after(9, Interruption::Cancelled).read::<FileSource>(&config, &catalog);
    let state = first.checkpoints("rows").pop().unwrap();
    assert!(state["reading"]["offset"].as_u64().unwrap() > 0);
    files.write(name, &content, 2);
    assert_eq!(ids(&read(&config, &catalog, Some(&state))).len(), 100);
}

#[test]
fn another_encoding_begins_the_file_anew() {
    let files = Files::new();
    let mut content = b"id,n\n1,\xc3\xa9\n2,x\n".to_vec();
    files.write("a.csv", &content, 1);
    let config = files.config("a.csv", "csv", json!({}));
    let catalog = catalog(&config, "full_refresh");
    content.extend(b"3,\xe9\n");
    files.write("a.csv", &content, 2);
    let first = read(&config, &catalog, None);
    assert!(first.result.as_ref().unwrap_err().message.contains("line 4, column 3: a byte is not UTF-8"));
    assert_eq!(ids(&first), [1, 2]);
    let config = files.config("a.csv", "csv", json!({"reader_options": "{\"encoding\": \"latin1\"}"}));
    let second = read(&config, &catalog, first.checkpoints("rows").last());
    assert_eq!(ids(&second), [1, 2, 3]);
    assert_eq!(second.records("rows")[2]["n"], "é");
}

#[test]
fn a_record_that_has_no_end_is_told() {
    let long = "x".repeat(3 << 20);
    for (format, content) in [
        ("csv", format!("id\n1\n\"{long}")),
        ("jsonl", format!("{{\"id\":1}}\n{{\"id\":\"{long}")),
        ("json", format!("[{{\"id\":1}},\n{{\"id\":\"{long}")),
    ] {
        let files = Files::new();
        files.write("long", content, 1);
        let failure = check(&files.config("long", format, json!({}))).unwrap_err();
        assert!(failure.message.contains("one record is longer than 1 MiB"), "{failure}");
        assert!(failure.message.contains(if format == "csv" { "line 3" } else { "line 2" }), "{failure}");
    }
}

#[test]
fn the_file_that_was_interrupted_comes_first() {
    let (name, format, content) = contents(0..100).swap_remove(0);
    let files = Files::new();
    files.write(name, &content, 10);
    let config = files.config("*.csv", format, json!({}));
    let catalog = catalog(&config, "incremental");
    let first = Host::new().interrupting_after(9, Interruption::Cancelled).read::<FileSource>(&config, &catalog);
    let covered = covered(&first) as u64;
    files.write("older.csv", "id,text\n500,x\n", 1);
    let second = read(&config, &catalog, first.checkpoints("rows").last());
    assert_eq!(ids(&second), (covered..100).chain([500]).collect::<Vec<_>>());
}

#[test]
fn a_cursor_moves_on_when_all_was_read_and_not_before() {
    let files = Files::new();
    // Not sorted: the greatest comes first.
    let rows: Vec<u64> = (0..100).rev().collect();
    let text =
        |rows: &[u64]| rows.iter().map(|id| format!("{{\"id\":{id},\"pad\":\"xxxxxxxx\"}}\n")).collect::<String>();
    files.write("a.jsonl", text(&rows), 1);
    let config = files.config("a.jsonl", "jsonl", json!({"cursor_field": "id", "primary_key": ["id"]}));
    let catalog = catalog(&config, "incremental");
    let first = Host::new().interrupting_after(5, Interruption::Closed).read::<FileSource>(&config, &catalog);
    let state = first.checkpoints("rows").pop().unwrap();
    assert_eq!((&state["highest"], state.get("cursor")), (&json!("99"), None));
    let second = read(&config, &catalog, Some(&state));
    assert_eq!(covered(&first) + ids(&second).len(), 100);
    let state = second.checkpoints("rows").pop().unwrap();
    assert_eq!((&state["cursor"], state.get("highest")), (&json!("99"), None));

    // 100 is new, as a number; what has no cursor comes with every change of its file.
    files.write("a.jsonl", text(&[5, 100, 99]) + "{\"pad\":1}\n{\"id\":null}\n", 2);
    let third = read(&config, &catalog, Some(&state));
    assert_eq!(third.records("rows"), [json!({"id": 100, "pad": "xxxxxxxx"}), json!({"pad": 1}), json!({"id": null})]);
    let state = third.checkpoints("rows").pop().unwrap();
    assert_eq!(state["cursor"], "100");
    assert!(read(&config, &catalog, Some(&state)).records("rows").is_empty(), "the file has not changed");

    files.write("a.jsonl", text(&[101]) + "{\"id\":\"secret\"}\n", 3);
    let failure = read(&config, &catalog, Some(&state)).result.unwrap_err();
    assert!(failure.message.contains("a.jsonl, line 2, column \"id\": the cursor is not of the type"), "{failure}");
}

#[test]
fn fields_are_discovered_in_every_format() {
    let files = Files::new();
    let content = "\u{feff}id,at,zip,big,empty,flag,day,mixed\n\
        1,2024-01-01T00:00:00Z,007,99999999999999999999,,TRUE,2024-01-01,1\n\
        2,,010,1,NA,false,,x\n";
    files.write("a.csv", content, 1);
    let config = files.config("a.csv", "csv", json!({"primary_key": ["id"], "cursor_field": "at"}));
    let stream = discovered(&config).unwrap();
    let properties = &stream.json_schema["properties"];
    let text = json!({"type": ["null", "string"]});
    assert_eq!(
        *properties,
        json!({
            "id": {"type": ["null", "integer"]},
            "at": {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
            "zip": text, "big": text, "empty": text, "mixed": text,
            "flag": {"type": ["null", "boolean"]},
            "day": {"type": ["null", "string"], "format": "date"},
        })
    );
    assert_eq!(stream.default_cursor_field, ["at"]);
    assert_eq!(stream.source_defined_primary_key, [["id"]]);
    let run = read(&config, &catalog(&config, "incremental"), None);
    assert_eq!(
        run.records("rows")[0],
        json!({"id": 1, "at": "2024-01-01T00:00:00Z", "zip": "007", "big": "99999999999999999999", "empty": null,
            "flag": true, "day": "2024-01-01", "mixed": "1"})
    );
    let typed = files.config("a.csv", "csv", json!({"reader_options": "{\"dtype\": {\"id\": \"str\"}}"}));
    assert_eq!(discovered(&typed).unwrap().json_schema["properties"]["id"], text);

    files.write("b.json", "{\"a\": {\"b\": [1]}}", 1);
    let stream = discovered(&files.config("b.json", "json", json!({}))).unwrap();
    assert_eq!(stream.json_schema["properties"]["a"]["properties"]["b"]["items"]["type"], json!(["null", "integer"]));
    assert_eq!((stream.source_defined_cursor, stream.default_cursor_field.len()), (Some(true), 0));
}

#[test]
fn all_comes_where_it_takes_the_place_of_what_is_there() {
    let files = Files::new();
    files.write("a.csv", "id\n1\n", 1);
    let by_file = files.config("*.csv", "csv", json!({}));
    let by_key = files.config("*.csv", "csv", json!({"primary_key": ["id"]}));
    for (config, mode, second_brings) in
        [(&by_file, "append", vec![2]), (&by_file, "overwrite", vec![1, 2]), (&by_key, "overwrite", vec![2])]
    {
        files.write("b.csv", "id\n", 1);
        let mut catalog = catalog(config, "incremental");
        catalog["streams"][0]["destination_sync_mode"] = json!(mode);
        let first = read(config, &catalog, None);
        files.write("b.csv", "id\n2\n", 2);
        let second = read(config, &catalog, first.checkpoints("rows").last());
        assert_eq!(ids(&second), second_brings, "{mode}");
    }
}

#[test]
fn files_may_have_other_columns_and_what_the_catalog_lacks_is_left_out() {
    let files = Files::new();
    files.write("1.csv", "id,a\n1,x\n", 1);
    files.write("2.csv", "b;id\n", 2);
    files.write("3.csv", "", 3);
    files.write("4.csv", "b,id\ny,2\n", 4);
    let config = files.config("[134].csv", "csv", json!({}));
    let mut catalog = catalog(&config, "full_refresh");
    let run = read(&config, &catalog, None);
    assert_eq!(run.records("rows"), [json!({"id": 1, "a": "x"}), json!({"b": "y", "id": 2})]);
    assert!(run.events.iter().any(|event| matches!(event, Event::Log(text) if text.contains("3.csv is empty"))));
    catalog["streams"][0]["stream"]["json_schema"]["properties"].as_object_mut().unwrap().remove("a");
    let run = read(&config, &catalog, None);
    assert_eq!(run.records("rows")[0], json!({"id": 1}));
    assert!(run.events.iter().any(|event| matches!(event, Event::Log(text) if text.contains("the columns a."))));
}

#[test]
fn a_check_says_what_does_not_work() {
    let files = Files::new();
    files.write("a.csv", "id,n\n1,2\n", 1);
    files.write("empty.csv", "\n", 1);
    files.write("header.csv", "id", 1);
    files.write("empty.jsonl", " \n", 1);
    files.write("empty.json", "", 1);
    files.write("array.json", "[]", 1);
    files.write("cut.csv", "id\n1\n\"secret", 1);
    fs::create_dir(files.0.path().join("directory")).unwrap();
    let config = |name: &str, format: &str| files.config(name, format, json!({}));
    for good in [config("a.csv", "csv"), config("header.csv", "csv"), config("array.json", "json")] {
        assert_eq!(check(&good), Ok(()), "{good}");
    }
    for (config, words) in [
        (config("missing.csv", "csv"), "There is no file or directory"),
        (config("*.txt", "csv"), "No file matches"),
        (config("directory", "csv"), "There is no file in the directory"),
        (config("empty.csv", "csv"), "is empty"),
        (config("empty.jsonl", "jsonl"), "is empty"),
        (config("empty.json", "json"), "line 1: the file is empty"),
        (config("cut.csv", "csv"), "line 3, column 1: a quote is opened"),
        (config("a.csv", "jsonl"), "line 1: a record is a JSON object"),
        (files.config("a.csv", "csv", json!({"cursor_field": "x"})), "\"x\", which the option `cursor_field`"),
        (files.config("a.csv", "csv", json!({"primary_key": ["x"]})), "\"x\", which the option `primary_key`"),
    ] {
        let failure = check(&config).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError, "{failure}");
        assert!(failure.message.contains(words) && !failure.message.contains("secret"), "{failure}");
    }
}

#[test]
fn a_stream_that_does_not_exist_is_told() {
    let files = Files::new();
    files.write("a.csv", "id\n1\n", 1);
    let config = files.config("a.csv", "csv", json!({}));
    let mut catalog = catalog(&config, "full_refresh");
    catalog["streams"][0]["stream"]["name"] = json!("others");
    let run = read(&config, &catalog, None);
    let told = run.events.iter().any(
        |event| matches!(event, Event::Finished { failed: Some(message), .. } if message.contains("no stream others")),
    );
    assert!(told, "{:?}", run.events);
}

#[test]
fn the_specification_has_every_option() {
    let specification: Value = serde_json::from_str(&FileSource::specification().to_json().unwrap()).unwrap();
    let schema = schemars::schema_for!(Config);
    let names = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&specification["connectionSpecification"]["properties"]), names(&schema.as_value()["properties"]));
    assert_eq!(specification["connectionSpecification"]["required"], schema.as_value()["required"]);
    let examples = &specification["connectionSpecification"]["properties"]["reader_options"]["examples"];
    for example in examples.as_array().unwrap() {
        let config = Files::new().config("a.csv", "csv", json!({"reader_options": example}));
        serde_json::from_value::<Config>(config).unwrap().dataset().unwrap();
    }
}

#[test]
fn the_examples_are_true() {
    let mut config: Value = serde_json::from_str(include_str!("../examples/config.json")).unwrap();
    let catalog: Value = serde_json::from_str(include_str!("../examples/catalog.json")).unwrap();
    // What the README mounts at /data.
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    config["url"] = json!(config["url"].as_str().unwrap().replace("/data", data));
    let run = read(&config, &catalog, None);
    assert_eq!(run.result, Ok(()));
    assert_eq!(
        run.records("cities")[1],
        json!({"id": 2, "name": "Windhoek", "country": "NA", "population": 486_169, "founded": "1890-10-18",
            "twin": true})
    );
    let configured: ConfiguredCatalog = serde_json::from_value(catalog).unwrap();
    assert_eq!(configured.streams[0].stream, discovered(&config).unwrap());
}
