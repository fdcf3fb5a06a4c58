//! destination-csv: Airbyte's files, with one header each whatever happens, and nothing that a STATE acknowledged is lost.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::golden::assert_spec;
use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};

const HEADER: &str = "\"_airbyte_ab_id\",_airbyte_emitted_at,_airbyte_data\r\n";

/// A row as Airbyte's connector writes it.
const ROW: &str = "c1f7b3a0-4b53-4e7e-957f-b478555b0001,1700000000000,\"{\"\"n\"\":0}\"\r\n";

struct Destination {
    workspace: Workspace,
    directory: PathBuf,
    config: Value,
}

impl Destination {
    fn new() -> Destination {
        Destination::with_config(json!({"destination_path": "/local/out"}))
    }

    fn with_config(config: Value) -> Destination {
        let workspace = Workspace::new();
        let directory = workspace.directory("airbyte");
        Destination { workspace, directory, config }
    }

    fn command(&self, connector_name: &str, catalog: &Value) -> Airlock {
        Airlock::of(&connector(connector_name))
            .arg("write")
            .option("--config", self.workspace.json("config.json", &self.config))
            .option("--catalog", self.workspace.json("catalog.json", catalog))
            .option("--airbyte-dir", &self.directory)
    }

    fn write(&self, catalog: &Value, input: &str) -> Finished {
        self.command("destination-csv", catalog).stdin(input).run()
    }

    /// A run that has acknowledged a record with the number 1 when this returns. Its input stays open while the second
    /// that is returned is kept: the end of it must not be why the run ends.
    fn start(&self, catalog: &Value) -> (Child, ChildStdin) {
        let mut child = self.command("destination-csv", catalog).spawn();
        let mut input = child.stdin.take().unwrap();
        input.write_all((record_line("a", 1) + &state_line("a", 1)).as_bytes()).unwrap();
        let mut stdout = BufReader::new(child.stdout.as_mut().unwrap());
        let mut in_force = String::new();
        stdout.read_line(&mut in_force).unwrap();
        assert!(in_force.contains("In force"), "{in_force}");
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"type\":\"STATE\""), "{line}");
        (child, input)
    }

    fn file(&self, stream: &str) -> PathBuf {
        self.directory.join(format!("local/out/_airbyte_raw_{stream}.csv"))
    }

    fn put(&self, stream: &str, content: &str) {
        fs::create_dir_all(self.directory.join("local/out")).unwrap();
        fs::write(self.file(stream), content).unwrap();
    }

    fn text(&self, stream: &str) -> String {
        fs::read_to_string(self.file(stream)).unwrap()
    }

    /// The data of a stream's file, as a reader of CSV finds it; the header is where it belongs, and nowhere else.
    fn data(&self, stream: &str, delimiter: u8) -> Vec<String> {
        let text = self.text(stream);
        assert_eq!(text.matches("_airbyte_ab_id").count(), 1, "{text}");
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), ["_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_data"].as_slice());
        reader.records().map(|row| row.unwrap()[2].to_owned()).collect()
    }

    /// The numbers of the records in a stream's file.
    fn numbers(&self, stream: &str) -> Vec<u64> {
        let data = self.data(stream, b',');
        data.iter().map(|data| serde_json::from_str::<Value>(data).unwrap()["n"].as_u64().unwrap()).collect()
    }

    /// How many files there are, hidden ones too.
    fn files(&self) -> usize {
        fs::read_dir(self.directory.join("local/out")).map_or(0, Iterator::count)
    }
}

/// The stream `a`, written in this mode by this generation where there is one.
fn catalog(mode: &str, generation: Option<i64>, minimum: Option<i64>) -> Value {
    let mut catalog = configured_catalog(&["a"]);
    let stream = &mut catalog["streams"][0];
    stream["destination_sync_mode"] = json!(mode);
    stream["generation_id"] = json!(generation);
    stream["minimum_generation_id"] = json!(minimum);
    stream["sync_id"] = json!(generation.map(|generation| generation * 10));
    catalog
}

fn overwrite(generation: Option<i64>) -> Value {
    catalog("overwrite", generation, generation)
}

fn state_is_acknowledged(finished: &Finished) -> bool {
    !finished.states().is_empty()
}

#[test]
fn the_spec_is_airbytes() {
    assert_spec("destination-csv");
}

#[test]
fn check_tries_the_directory_and_the_delimiter() {
    let workspace = Workspace::new();
    let directory = workspace.directory("airbyte");
    let check = |config: Value| {
        let config = workspace.json("config.json", &config);
        let check = Airlock::of(&connector("destination-csv")).arg("check").option("--config", config);
        let finished = check.option("--airbyte-dir", &directory).run().exits(0);
        finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"].clone()
    };
    assert_eq!(check(json!({"destination_path": "/some/where", "delimiter": "Tab: \\t"}))["status"], "SUCCEEDED");
    assert_eq!(fs::read_dir(directory.join("local/some/where")).unwrap().count(), 0);
    assert_eq!(check(json!({"destination_path": "/local/../../etc"}))["status"], "FAILED");
    // Null and the default as the schema names it are not among the values that the schema allows.
    for delimiter in [json!("Colon: :"), json!("Tab: \t"), json!(","), Value::Null] {
        let refused = check(json!({"destination_path": "/local", "delimiter": delimiter}));
        assert_eq!(refused["status"], "FAILED");
        assert!(refused["message"].as_str().unwrap().contains("Semicolon: ;"), "{refused}");
    }
}

#[test]
fn a_record_is_written_as_airbyte_does_and_its_data_byte_for_byte() {
    let destination = Destination::new();
    let data = r#"{"n":1,"text":"\u00e4, ä;\n","number":12345678901234567890.10,"null":null,"nested":{"a":[1, 2]}}"#;
    let mut catalog = configured_catalog(&["My crème-1"]);
    catalog["streams"][0]["stream"]["namespace"] = json!("shop/..");
    let line = format!(
        r#"{{"type":"RECORD","record":{{"stream":"My crème-1","namespace":"shop/..","data":{data},"emitted_at":1700000000123}}}}"#
    );
    assert!(destination.write(&catalog, &format!("{line}\n")).exits(0).messages.is_empty());
    let text = destination.text("My_creme_1");
    let (id, rest) = text.strip_prefix(HEADER).unwrap().split_at(36);
    assert_eq!(rest, format!(",1700000000123,\"{}\"\r\n", data.replace('"', "\"\"")));
    assert_eq!((&id[14..15], id.matches('-').count()), ("4", 4), "a random UUID: {id}");
    assert_eq!(destination.data("My_creme_1", b','), [data]);
    assert_eq!(destination.files(), 1);
}

#[test]
fn every_delimiter_of_the_specification_is_used() {
    let data = r#"{"text":"a,b;c\td|e 'f' \"g\"","tab":	1}"#;
    for (delimiter, character) in [
        (json!("Comma: ,"), b','),
        (json!("Semicolon: ;"), b';'),
        (json!("Tab: \\t"), b'\t'),
        (json!("Space: ' '"), b' '),
        (json!("Pipe: |"), b'|'),
        (Value::Null, b','),
    ] {
        let mut config = json!({"destination_path": "out", "delimiter": delimiter});
        if delimiter.is_null() {
            config.as_object_mut().unwrap().remove("delimiter");
        }
        let destination = Destination::with_config(config);
        let line =
            format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"data\":{data},\"emitted_at\":1}}}}\n");
        for _ in 0..2 {
            destination.write(&configured_catalog(&["a"]), &line).exits(0);
        }
        let header = HEADER.replace(',', &char::from(character).to_string());
        assert!(destination.text("a").starts_with(&header), "{delimiter}");
        assert_eq!(destination.data("a", character), [data, data], "{delimiter}");
    }
}

#[test]
fn append_adds_to_a_file_of_airbytes_without_another_header() {
    let destination = Destination::new();
    destination.put("a", &format!("{HEADER}{ROW}"));
    let catalog = configured_catalog(&["a"]);
    for number in 1..=2 {
        let finished = destination.write(&catalog, &(record_line("a", number) + &state_line("a", number))).exits(0);
        assert!(state_is_acknowledged(&finished));
    }
    assert_eq!(destination.numbers("a"), [0, 1, 2]);
    assert!(destination.text("a").starts_with(&format!("{HEADER}{ROW}")));
    // A sync that brings nothing.
    destination.write(&configured_catalog(&["a", "b"]), "").exits(0);
    assert_eq!(destination.numbers("a"), [0, 1, 2]);
    assert_eq!(destination.text("b"), HEADER);
}

#[test]
fn a_file_with_another_header_is_refused_before_anything_is_written() {
    for content in [
        "id,secret\n1,2\n",
        "secret",
        &format!("{HEADER}{ROW}").replace(',', ";"),
        &format!("{HEADER}{ROW}").replace("\r\n", "\n"),
        &format!("{HEADER}{ROW}").replacen('"', "", 2),
        ROW,
    ] {
        let destination = Destination::new();
        destination.put("a", content);
        let input = record_line("b", 1) + &record_line("a", 1) + &state_line("a", 1);
        let finished = destination.write(&configured_catalog(&["b", "a"]), &input).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error");
        assert!(message.contains("_airbyte_raw_a.csv") && message.contains(HEADER.trim_end()), "{message}");
        assert!(!String::from_utf8_lossy(&finished.stdout).contains("secret"), "no content");
        assert!(finished.states().is_empty());
        assert_eq!(destination.text("a"), content);
        assert_eq!(destination.files(), 1, "nothing of b");

        // To be overwritten, it can be anything.
        destination.write(&overwrite(None), &record_line("a", 1)).exits(0);
        assert_eq!(destination.numbers("a"), [1]);
    }
}

#[test]
fn a_last_line_without_its_line_break_is_kept_if_it_is_a_row_and_cut_off_if_it_is_torn() {
    let row = ROW.trim_end();
    for (end, expected) in
        [(row, &[0, 0, 1][..]), (&format!("{row}\r"), &[0, 0, 1]), (&row[..60], &[0, 1]), ("c1f7", &[0, 1])]
    {
        let destination = Destination::new();
        destination.put("a", &format!("{HEADER}{ROW}{end}"));
        let finished = destination.write(&configured_catalog(&["a"]), &record_line("a", 1)).exits(0);
        assert_eq!(finished.logs("WARN").len(), 1, "{:?}", finished.messages);
        assert_eq!(destination.numbers("a"), expected, "{end:?}");
        assert!(destination.text("a").starts_with(&format!("{HEADER}{ROW}")));
    }
}

#[test]
fn a_header_that_a_crash_tore_is_made_whole() {
    for content in ["", "\"_air", HEADER.trim_end(), &HEADER[..HEADER.len() - 1], &"\0".repeat(HEADER.len())] {
        let destination = Destination::new();
        destination.put("a", content);
        destination.write(&configured_catalog(&["a"]), &record_line("a", 1)).exits(0);
        assert_eq!(destination.numbers("a"), [1], "{content:?}");
    }
}

#[test]
fn a_failing_source_leaves_the_earlier_file_and_its_generation_is_gone_on_with() {
    let destination = Destination::new();
    let complete = record_line("a", 1) + &state_line("a", 1) + &status_line("a", "COMPLETE");
    destination.write(&overwrite(Some(1)), &complete).exits(0);
    assert_eq!(destination.numbers("a"), [1]);

    let failed = status_line("a", "STARTED") + &record_line("a", 2) + &state_line("a", 2) + &record_line("a", 3);
    let finished = destination.write(&overwrite(Some(2)), &failed).exits(1);
    assert!(state_is_acknowledged(&finished));
    assert_eq!(destination.numbers("a"), [1]);
    destination.write(&overwrite(Some(2)), &(record_line("a", 3) + &status_line("a", "COMPLETE"))).exits(0);
    assert_eq!(destination.numbers("a"), [2, 3]);

    // An append to a refresh that was never completed adds its rows, and not its header.
    let finished = destination.write(&catalog("append", Some(3), Some(3)), &failed).exits(1);
    assert!(state_is_acknowledged(&finished));
    destination.write(&catalog("append", Some(3), Some(0)), &record_line("a", 4)).exits(0);
    assert_eq!(destination.numbers("a"), [2, 3, 2, 4]);
}

#[test]
fn without_a_generation_nothing_is_acknowledged_before_the_swap() {
    let destination = Destination::new();
    destination.put("a", &format!("{HEADER}{ROW}"));
    let failed = status_line("a", "STARTED") + &record_line("a", 1) + &state_line("a", 1);
    assert!(!state_is_acknowledged(&destination.write(&overwrite(None), &failed).exits(1)));
    assert_eq!(destination.text("a"), format!("{HEADER}{ROW}"));
    assert_eq!(destination.files(), 1);
    let complete = failed + &status_line("a", "COMPLETE");
    assert!(state_is_acknowledged(&destination.write(&overwrite(None), &complete).exits(0)));
    assert_eq!(destination.numbers("a"), [1]);
    // A source with nothing to give empties the file, but for its header.
    destination.write(&overwrite(None), &status_line("a", "COMPLETE")).exits(0);
    assert_eq!(destination.text("a"), HEADER);
}

#[test]
fn an_interrupted_sync_keeps_what_is_acknowledged_and_is_gone_on_with() {
    let append = configured_catalog(&["a"]);
    let rest: String = (2..=5).map(|number| record_line("a", number)).collect();
    let rest = rest + &state_line("a", 5);

    let destination = Destination::new();
    let (mut child, mut input) = destination.start(&append);
    input.write_all(record_line("a", 2).as_bytes()).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert_eq!(destination.numbers("a"), [1]);
    destination.write(&append, &rest).exits(0);
    assert_eq!(destination.numbers("a"), [1, 2, 3, 4, 5]);

    // Nobody can clean up after a crash: what was not acknowledged may be there, and then twice.
    let destination = Destination::new();
    let (mut child, mut input) = destination.start(&append);
    let many: String = (2..=5).cycle().take(40_000).map(|number| record_line("a", number)).collect();
    input.write_all(many.as_bytes()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    destination.write(&append, &rest).exits(0);
    let numbers = destination.numbers("a");
    assert_eq!(numbers[0], 1);
    assert_eq!(numbers[numbers.len() - 4..], [2, 3, 4, 5]);
    assert!(numbers[1..].iter().all(|number| (2..=5).contains(number)));

    // Of a generation, the earlier file is whole all the time.
    let destination = Destination::new();
    destination.put("a", &format!("{HEADER}{ROW}"));
    let (mut child, _input) = destination.start(&overwrite(Some(2)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(destination.text("a"), format!("{HEADER}{ROW}"));
    destination.write(&overwrite(Some(2)), &rest).exits(0);
    assert_eq!(destination.numbers("a"), [1, 2, 3, 4, 5]);
}

#[test]
fn a_directory_can_be_shared_with_json_lines() {
    let destination = Destination::new();
    for generation in 1..=2 {
        for (name, other) in
            [("destination-csv", "destination-local-json"), ("destination-local-json", "destination-csv")]
        {
            let input = record_line("a", generation) + &state_line("a", 1) + &status_line("a", "COMPLETE");
            let catalog = overwrite(Some(generation as i64));
            let finished = destination.command(name, &catalog).stdin(input).run().exits(0);
            assert!(state_is_acknowledged(&finished));
            assert!(finished.logs("WARN").is_empty(), "{name} takes nothing of {other} for its own");
        }
        assert_eq!(destination.numbers("a"), [generation]);
        let json = fs::read_to_string(destination.file("a").with_extension("jsonl")).unwrap();
        assert!(json.ends_with(&format!("{{\"n\":{generation}}}}}\n")), "{json}");
    }
    assert_eq!(destination.files(), 4, "two files, each with its note");
}

#[test]
fn streams_that_would_share_a_file_are_refused_before_anything_is_written() {
    let destination = Destination::new();
    let mut catalog = configured_catalog(&["a b", "a-b"]);
    catalog["streams"][1]["stream"]["namespace"] = json!("other");
    let finished = destination.write(&catalog, &record_line("a b", 1)).exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error");
    assert!(message.contains("_airbyte_raw_a_b.csv") && message.contains("other"), "{message}");
    assert_eq!(destination.files(), 0);
}

#[test]
fn a_sync_from_the_faker_arrives_whole() {
    let destination = Destination::new();
    let streams = ["products", "users", "purchases"];
    let config = destination.workspace.json("faker.json", &json!({"count": 3000, "seed": 5}));
    let catalog = configured_catalog(&streams);
    let catalog_file = destination.workspace.json("faker_catalog.json", &catalog);
    let read = Airlock::of(&connector("source-faker")).arg("read");
    let read = read.option("--config", config).option("--catalog", catalog_file).run().exits(0);
    let written = destination.write(&catalog, std::str::from_utf8(&read.stdout).unwrap()).exits(0);
    assert_eq!(written.states().len(), read.states().len());
    for stream in streams {
        let data: Vec<Value> =
            destination.data(stream, b',').iter().map(|data| serde_json::from_str(data).unwrap()).collect();
        assert_eq!(data.iter().collect::<Vec<_>>(), read.records(stream), "{stream}");
    }
}
