//! source-file: what Airbyte's source-file does with local files, of any size.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Airlock, Finished, Workspace, connector};

/// A directory of the test that is the connector's `/data`.
struct Mounted {
    workspace: Workspace,
}

impl Mounted {
    fn new() -> Mounted {
        let workspace = Workspace::new();
        workspace.directory("data");
        Mounted { workspace }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.workspace.path().join("data").join(name)
    }

    /// Writes a file that was changed in this second.
    fn write(&self, name: &str, content: impl AsRef<[u8]>, second: u64) {
        fs::write(self.path(name), content).unwrap();
        let file = File::options().write(true).open(self.path(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }

    fn run(&self, command: &str, config: &Value) -> Airlock {
        let config = self.workspace.json("config.json", config);
        let mount = format!("{}:/data", self.workspace.path().join("data").display());
        Airlock::of(&connector("source-file")).arg(command).option("--config", config).option("--mount", mount)
    }

    /// What `check` answers: none for a success.
    fn check(&self, config: &Value) -> Option<String> {
        let finished = self.run("check", config).run().exits(0);
        let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
        (status["status"] == "FAILED").then(|| status["message"].as_str().unwrap().to_owned())
    }

    fn discover(&self, config: &Value) -> Value {
        let finished = self.run("discover", config).run().exits(0);
        finished.of_type("CATALOG")[0]["catalog"]["streams"][0].clone()
    }

    /// A read with the discovered catalog.
    fn read(&self, config: &Value, sync_mode: &str, state: Option<&[Value]>) -> Finished {
        let catalog = configured(&self.discover(config), sync_mode);
        self.read_with(config, &catalog, state)
    }

    fn read_with(&self, config: &Value, catalog: &Value, state: Option<&[Value]>) -> Finished {
        let run = self.run("read", config).option("--catalog", self.workspace.json("catalog.json", catalog));
        match state {
            Some(state) => run.option("--state", self.workspace.json("state.json", &json!(state))).run(),
            None => run.run(),
        }
    }
}

fn configured(stream: &Value, sync_mode: &str) -> Value {
    json!({"streams": [{"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": "append",
        "generation_id": 1, "minimum_generation_id": 0, "sync_id": 1}]})
}

fn config(url: &str, format: &str) -> Value {
    json!({"dataset_name": "rows", "format": format, "url": url, "provider": {"storage": "local"}})
}

fn with(mut config: Value, option: &str, value: Value) -> Value {
    config[option] = value;
    config
}

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn states(finished: &Finished) -> Vec<Value> {
    finished.states().into_iter().cloned().collect()
}

fn ids(finished: &Finished) -> Vec<u64> {
    finished.records("rows").iter().map(|record| record["id"].as_u64().unwrap()).collect()
}

const CSV: &str = "\u{feff}id,name,zip,price,active,day,at,note\r\n\
    1,Ada,00501,1.50,true,2024-02-29,2024-02-29T23:59:59Z,\"two\r\nlines, \"\"quoted\"\"\"\r\n\
    2,Zoë,10115,12345678901234567890.123456789,FALSE,,2024-03-01T00:00:00.5+01:00,\r\n\
    \r\n\
    3,,NA,NaN,,2024-03-02,,\"\"";

#[test]
fn the_spec_and_a_discovered_catalog_are_these() {
    let expected: Value = serde_json::from_str(include_str!("golden/source-file.spec.json")).unwrap();
    let spec = Airlock::of(&connector("source-file")).arg("spec").run().exits(0);
    assert_eq!(spec.messages, [expected]);

    let mounted = Mounted::new();
    mounted.write("a.csv", CSV, 1);
    let options = with(config("/data/a.csv", "csv"), "primary_key", json!(["id"]));
    let expected: Value = serde_json::from_str(include_str!("golden/source-file.catalog.json")).unwrap();
    assert_eq!(mounted.run("discover", &options).run().exits(0).of_type("CATALOG"), [&expected]);
}

#[test]
fn a_configuration_of_airbytes_source_file_is_valid() {
    // The specification of Airbyte's source-file 0.6.0 says what is one.
    let airbyte: Value = serde_json::from_str(include_str!("golden/airbyte-source-file-0.6.0.spec.json")).unwrap();
    let theirs = jsonschema::validator_for(&airbyte["connectionSpecification"]).unwrap();
    let spec = Airlock::of(&connector("source-file")).arg("spec").run().exits(0);
    let ours = jsonschema::validator_for(&spec.messages[0]["spec"]["connectionSpecification"]).unwrap();
    for (format, options) in [("csv", Some("{\"sep\": \";\"}")), ("json", None), ("jsonl", Some("{}"))] {
        let mut config = config("/local/a.csv", format);
        if let Some(options) = options {
            config["reader_options"] = json!(options);
        }
        assert!(theirs.is_valid(&config) && ours.is_valid(&config), "{config}");
    }
}

#[test]
fn every_format_gives_its_records_compressed_or_not() {
    let mounted = Mounted::new();
    let csv_records = [
        json!({"id": 1, "name": "Ada", "zip": "00501", "price": 1.50, "active": true, "day": "2024-02-29",
            "at": "2024-02-29T23:59:59Z", "note": "two\r\nlines, \"quoted\""}),
        json!({"id": 2, "name": "Zoë", "zip": "10115", "price": 12345678901234567890.123456789, "active": false,
            "day": null, "at": "2024-03-01T00:00:00.5+01:00", "note": null}),
        json!({"id": 3, "name": null, "zip": "NA", "price": null, "active": null, "day": "2024-03-02", "at": null,
            "note": ""}),
    ];
    let json_records = [json!({"id": 1, "o": {"a": [1, null]}}), json!({"id": 2, "text": "\u{2028}\n\"ü"})];
    let lines: String = json_records.iter().map(|record| format!("{record}\r\n")).collect();
    let array = serde_json::to_string_pretty(&json_records).unwrap();
    let latin1 = b"id;name\n1;Zo\xeb\n";
    let semicolons = json!("{\"sep\": \";\", \"encoding\": \"latin1\"}");
    for (name, config, content, expected) in [
        ("a.csv", config("/data/a.csv", "csv"), CSV.as_bytes().to_vec(), csv_records.to_vec()),
        ("a.csv.gz", config("file:///data/a.csv.gz", "csv"), gzip(CSV), csv_records.to_vec()),
        (
            "l.csv",
            with(config("/data/l.csv", "csv"), "reader_options", semicolons),
            latin1.to_vec(),
            vec![json!({"id": 1, "name": "Zoë"})],
        ),
        ("a.jsonl", config("/data/a.jsonl", "jsonl"), lines.clone().into_bytes(), json_records.to_vec()),
        ("b.jsonl", config("/data/b.jsonl", "jsonl"), gzip(&lines), json_records.to_vec()),
        ("a.json", config("/data/a.json", "json"), array.clone().into_bytes(), json_records.to_vec()),
        ("a.json.gz", config("/data/a.json.gz", "json"), gzip(&array), json_records.to_vec()),
        ("o.json", config("/data/o.json", "json"), b"{\"id\":\n1}".to_vec(), vec![json!({"id": 1})]),
    ] {
        mounted.write(name, content, 1);
        assert_eq!(mounted.check(&config), None, "{name}");
        let finished = mounted.read(&config, "full_refresh", None).exits(0);
        assert_eq!(finished.records("rows"), expected.iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(finished.statuses("rows"), ["STARTED", "RUNNING", "COMPLETE"], "{name}");
    }
    // Every digit is there, which a test that parses numbers does not see.
    let finished = mounted.read(&config("/data/a.csv", "csv"), "full_refresh", None).exits(0);
    let stdout = String::from_utf8(finished.stdout).unwrap();
    assert!(stdout.contains("\"price\":1.50,") && stdout.contains("\"price\":12345678901234567890.123456789,"));
}

#[test]
fn records_fit_the_discovered_catalog() {
    let mounted = Mounted::new();
    mounted.write("a.csv", CSV, 1);
    let config = config("/data/a.csv", "csv");
    let validator = jsonschema::validator_for(&mounted.discover(&config)["json_schema"]).unwrap();
    let finished = mounted.read(&config, "full_refresh", None).exits(0);
    assert_eq!(finished.records("rows").len(), 3);
    for record in finished.records("rows") {
        assert!(validator.is_valid(record), "{record}");
    }
}

#[test]
fn a_file_is_found_in_airbyte_in_local_and_in_a_mount_and_nowhere_else() {
    let mounted = Mounted::new();
    let airbyte = mounted.workspace.directory("airbyte");
    fs::create_dir(airbyte.join("local")).unwrap();
    for path in ["airbyte/a.csv", "airbyte/local/b.csv", "data/c.csv", "outside.csv"] {
        mounted.workspace.file(path, "id\n1\n");
    }
    symlink(mounted.workspace.path().join("outside.csv"), mounted.path("link.csv")).unwrap();
    symlink("c.csv", mounted.path("inside.csv")).unwrap();
    let check = |url: &str, more: &[&str]| {
        let run = mounted.run("check", &config(url, "csv")).option("--airbyte-dir", &airbyte);
        let finished = more.iter().fold(run, |run, argument| run.arg(*argument)).run().exits(0);
        finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"].clone()
    };
    for url in ["/airbyte/a.csv", "a.csv", "/local/b.csv", "file:///local/b.csv", "/data/c.csv", "/data/inside.csv"] {
        assert_eq!(check(url, &[])["status"], "SUCCEEDED", "{url}");
    }
    let mount = format!("{}:/local", mounted.path("").display());
    assert_eq!(check("/local/c.csv", &["--mount", &mount])["status"], "SUCCEEDED");
    let outside = mounted.workspace.path().join("outside.csv");
    for url in [
        "/airbyte/b.csv",
        "/data/link.csv",
        "/data/../outside.csv",
        "/data/../data/../../outside.csv",
        "/etc/passwd",
        "/local/a.csv",
        "/nowhere/*.csv",
        outside.to_str().unwrap(),
    ] {
        let status = check(url, &[]);
        assert_eq!(status["status"], "FAILED", "{url}");
        let message = status["message"].as_str().unwrap();
        let path = if url == "/local/a.csv" { "/airbyte/local/a.csv" } else { url.trim_end_matches("/*.csv") };
        assert!(message.starts_with(&format!("There is no file or directory {path}: ")), "{message}");
        assert!(message.contains("--mount") && message.contains("--airbyte-dir"), "{message}");
    }
}

#[test]
fn a_check_names_what_is_wrong() {
    let mounted = Mounted::new();
    fs::create_dir(mounted.path("directory")).unwrap();
    mounted.write("a.csv", "id\n1\n", 1);
    mounted.write("empty.csv", "", 1);
    rustix::fs::mkfifoat(rustix::fs::CWD, mounted.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
    fs::create_dir(mounted.path("names")).unwrap();
    File::create(mounted.path("names").join(OsStr::from_bytes(b"a\xff.csv"))).unwrap();
    let csv = |name: &str| config(&format!("/data/{name}"), "csv");
    for (config, words) in [
        (csv("pipe"), "/data/pipe is no regular file"),
        (csv("names"), "/data/names: the name of a file in it is not UTF-8"),
        (csv("directory"), "/data/directory"),
        (csv("*.tsv"), "/data/*.tsv"),
        (csv("empty.csv"), "/data/empty.csv is empty"),
        (with(csv("a.csv"), "format", json!("parquet")), "\"csv\", \"json\" or \"jsonl\""),
        (with(csv("a.csv"), "provider", json!({"storage": "HTTPS", "user_agent": false})), "no network yet"),
        (with(csv("a.csv"), "url", json!("s3://bucket/a.csv")), "no network yet"),
        (with(csv("a.csv"), "reader_options", json!("{'sep': ' '}")), "not a JSON object"),
        (with(csv("a.csv"), "reader_options", json!("{\"seperator\": \";\"}")), "`seperator`"),
        (with(csv("a.csv"), "cursor_field", json!("at")), "\"at\""),
        (with(csv("a.csv"), "cursor_feild", json!("id")), "cursor_feild"),
    ] {
        let message = mounted.check(&config).unwrap_or_else(|| panic!("{config}"));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_malformed_file_is_placed_and_what_came_before_has_left_with_its_state() {
    for (name, format, good, bad, place) in [
        ("a.csv", "csv", "id,n\n1,2\n2,\"\n\"\n", &b"3,4,secret\n"[..], "line 5: the row has 3 fields"),
        ("a.csv", "csv", "id,n\n1,2\n2,3\n", b"3,\"secret", "line 4, column 3: a quote is opened"),
        ("a.csv", "csv", "id,n\n1,2\n2,3\n", b"3,secret\n", "line 4, column \"n\": the value is no integer"),
        ("a.csv", "csv", "id,n\n1,a\n2,b\n", b"3,secret\xff\n", "line 4, column 9: a byte is not UTF-8"),
        (
            "a.jsonl",
            "jsonl",
            "{\"id\":1}\n\n{\"id\":2}\n",
            b"{\"secret\":}\n",
            "line 4, column 11: this is no valid JSON",
        ),
        (
            "a.jsonl",
            "jsonl",
            "{\"id\":1}\n{\"id\":2}\n",
            b"{\"id\":\"secret",
            "line 3, column 13: the JSON object ends",
        ),
    ] {
        let mounted = Mounted::new();
        let config = config(&format!("/data/{name}"), format);
        mounted.write(name, good, 1);
        let catalog = configured(&mounted.discover(&config), "incremental");
        mounted.write(name, [good.as_bytes(), bad].concat(), 2);
        let finished = mounted.read_with(&config, &catalog, None).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error");
        assert!(message.starts_with(&format!("/data/{name}, {place}")), "{message}");
        assert!(!String::from_utf8_lossy(&finished.stdout).contains("secret"), "{message}");
        assert_eq!(ids(&finished), [1, 2]);
        assert_eq!(finished.statuses("rows"), ["STARTED", "RUNNING", "INCOMPLETE"]);
        let [state] = finished.states()[..] else { panic!("one state") };
        assert_eq!(state["sourceStats"]["recordCount"], 2.0);

        // Once it is mended, the file comes whole, for it is another one.
        mounted.write(name, good, 3);
        assert_eq!(ids(&mounted.read_with(&config, &catalog, Some(&states(&finished))).exits(0)), [1, 2]);
    }
}

#[test]
fn a_torn_gzip_file_is_told() {
    let mounted = Mounted::new();
    let rows: String = (0..200_000).map(|id| format!("{id},{}\n", id * 7919 % 10_007)).collect();
    let whole = gzip(format!("id,n\n{rows}"));
    mounted.write("a.csv.gz", &whole, 1);
    let config = config("/data/a.csv.gz", "csv");
    let catalog = configured(&mounted.discover(&config), "full_refresh");
    mounted.write("a.csv.gz", &whole[..whole.len() / 2], 2);
    let finished = mounted.read_with(&config, &catalog, None).exits(1);
    let message = finished.error().1;
    assert!(message.starts_with("/data/a.csv.gz, line ") && message.contains("cut off"), "{message}");
    let read = ids(&finished);
    assert!(read.len() > 10_000 && read.iter().copied().eq(0..read.len() as u64), "{}", read.len());
    assert_eq!(finished.states().len(), 1);
}

#[test]
fn only_changed_files_come_in_the_next_sync() {
    let mounted = Mounted::new();
    mounted.write("a.jsonl", "{\"id\":1}\n", 100);
    mounted.write("b.jsonl", "{\"id\":2}\n", 100);
    mounted.write("c.jsonl", "{\"id\":3}\n", 50);
    let config = config("/data/*.jsonl", "jsonl");
    let first = mounted.read(&config, "incremental", None).exits(0);
    assert_eq!(ids(&first), [3, 1, 2]);
    let again = mounted.read(&config, "incremental", Some(&states(&first))).exits(0);
    assert_eq!((ids(&again).len(), again.states().len()), (0, 1));

    mounted.write("b.jsonl", "{\"id\":4}\n{\"id\":5}\n", 30);
    mounted.write("d.jsonl", "{\"id\":6}\n", 100);
    fs::remove_file(mounted.path("a.jsonl")).unwrap();
    let second = mounted.read(&config, "incremental", Some(&states(&again))).exits(0);
    assert_eq!(ids(&second), [4, 5, 6], "an older file in the place of another counts as changed");
    let state = second.states()[0]["stream"]["stream_state"].clone();
    assert_eq!(
        state["files"]["/data/b.jsonl"],
        json!({"modified": "1970-01-01T00:00:30.000000000Z", "size": 18}),
        "{state}"
    );
    assert_eq!(
        state["files"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["/data/b.jsonl", "/data/c.jsonl", "/data/d.jsonl"]
    );
}

#[test]
fn only_records_with_a_greater_cursor_come_in_the_next_sync() {
    let mounted = Mounted::new();
    mounted.write("a.csv", "id,at\n10,2024-01-02T00:00:00Z\n9,2024-01-01T00:00:00Z\n", 1);
    for (cursor, saved) in [("id", "10"), ("at", "2024-01-02T00:00:00Z")] {
        mounted.write("a.csv", "id,at\n10,2024-01-02T00:00:00Z\n9,2024-01-01T00:00:00Z\n", 1);
        let config = with(config("/data/a.csv", "csv"), "cursor_field", json!(cursor));
        let first = mounted.read(&config, "incremental", None).exits(0);
        assert_eq!(ids(&first), [10, 9]);
        assert_eq!(first.states()[0]["stream"]["stream_state"]["cursor"], saved);
        // 100 is less than 9 as a text, and the last moment is before the state's by its offset.
        mounted.write(
            "a.csv",
            "id,at\n100,2024-01-02T00:00:00.1Z\n10,2024-01-02T00:00:00Z\n9,2024-01-02T00:30:00+01:00\n",
            2,
        );
        let second = mounted.read(&config, "incremental", Some(&states(&first))).exits(0);
        assert_eq!(ids(&second), [100], "{cursor}");
        let third = mounted.read(&config, "incremental", Some(&states(&second))).exits(0);
        assert!(ids(&third).is_empty());
    }
}

/// Writes so many bytes of records at least, and says how many records they are.
fn write_large(
    path: &Path,
    bytes: u64,
    start: &str,
    separator: &str,
    record: impl Fn(u64) -> String,
    end: &str,
) -> u64 {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let (mut written, mut records) = (0, 0);
    file.write_all(start.as_bytes()).unwrap();
    while written < bytes {
        let text = record(records) + separator;
        file.write_all(text.as_bytes()).unwrap();
        written += text.len() as u64;
        records += 1;
    }
    file.write_all((record(records) + end).as_bytes()).unwrap();
    file.into_inner().unwrap().sync_data().unwrap();
    records + 1
}

/// The most memory that a process has had, in KiB.
fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says it");
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn a_large_file_takes_no_memory_and_states_come_on_the_way() {
    const BYTES: u64 = 72 << 20;
    let object = |id: u64| format!("{{\"id\": {id},\n \"text\": \"{}\"}}", "x".repeat((id % 300) as usize));
    let row = |id: u64| format!("{id},\"{}\"", "x".repeat((id % 300) as usize));
    for (name, format) in [("large.csv", "csv"), ("large.json", "json")] {
        let mounted = Mounted::new();
        let records = match format {
            "csv" => write_large(&mounted.path(name), BYTES, "id,text\n", "\n", row, ""),
            _ => write_large(&mounted.path(name), BYTES, "[", ",\n", object, "]\n"),
        };
        let config = config(&format!("/data/{name}"), format);
        // This compiles the component, too, which takes more memory than any read.
        let catalog = configured(&mounted.discover(&config), "full_refresh");
        let run = mounted.run("read", &config).option("--catalog", mounted.workspace.json("catalog.json", &catalog));
        let mut child = run.spawn();
        let mut stdout = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
        let (mut states, mut read, mut peak) = (0, 0, None);
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).unwrap() > 0 {
            read += u64::from(line.starts_with(b"{\"type\":\"RECORD\""));
            if line.starts_with(b"{\"type\":\"STATE\"") {
                states += 1;
                // Some 8 MiB are still to come, and no pipe holds so much: it can not have ended.
                if states == 4 {
                    peak = Some(peak_memory(child.id()));
                }
            }
            line.clear();
        }
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert!(child.wait().unwrap().success(), "{stderr}");
        assert_eq!((read, states), (records, 5), "{name}: every 16 MiB, and at the end");
        let peak = peak.unwrap();
        assert!(peak < 48 << 10, "{name}: {peak} KiB");
    }
}

#[test]
fn a_file_that_is_removed_is_left_out_and_one_that_is_cut_off_gives_no_half_rows() {
    let mounted = Mounted::new();
    let row = |id: u64| format!("{id},\"{}\"", "y".repeat(200));
    let records = write_large(&mounted.path("1.csv"), 20 << 20, "id,text\n", "\n", row, "\n");
    mounted.write("2.csv", "id,text\n1,a\n", 9_999_999_999);
    let config = config("/data", "csv");
    let catalog = mounted.workspace.json("catalog.json", &configured(&mounted.discover(&config), "full_refresh"));
    // Nobody reads on until the change is made, so the most of the large file is still to be read.
    let read = |change: &dyn Fn()| {
        let mut child = mounted.run("read", &config).option("--catalog", &catalog).spawn();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("{\"type\":\"RECORD\"") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "a record comes");
        }
        change();
        let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        (child.wait().unwrap().success(), lines)
    };
    let count = |lines: &[Value]| lines.iter().filter(|line| line["type"] == "RECORD").count() as u64 + 1;

    let (succeeded, lines) = read(&|| fs::remove_file(mounted.path("2.csv")).unwrap());
    assert_eq!((succeeded, count(&lines)), (true, records));

    let cut_off = || File::options().write(true).open(mounted.path("1.csv")).unwrap().set_len(1000).unwrap();
    let (succeeded, lines) = read(&cut_off);
    assert!(!succeeded && count(&lines) < records);
    let texts = lines.iter().filter_map(|line| line["record"]["data"]["text"].as_str());
    assert!(texts.into_iter().all(|text| text.len() == 200));
    let error = lines.iter().find(|line| line["trace"]["type"] == "ERROR").map(|line| &line["trace"]["error"]).unwrap();
    assert_eq!(error["failure_type"], "transient_error", "{error}");
    assert!(error["message"].as_str().unwrap().contains("/data/1.csv, line "), "{error}");
    assert!(error["message"].as_str().unwrap().contains("became shorter"), "{error}");
}

#[test]
fn a_sync_that_was_stopped_goes_on_in_the_middle_of_the_file() {
    let mounted = Mounted::new();
    let row = |id: u64| format!("{id},\"{}\"", "y".repeat(200));
    let records = write_large(&mounted.path("large.csv"), 40 << 20, "id,text\n", "\n", row, "\n");
    let config = config("/data/large.csv", "csv");
    let catalog = configured(&mounted.discover(&config), "full_refresh");
    let run = mounted.run("read", &config).option("--catalog", mounted.workspace.json("catalog.json", &catalog));
    let mut child = run.spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (mut seen, mut state) = (0, None);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line).unwrap() > 0 {
        seen += u64::from(line.starts_with(b"{\"type\":\"RECORD\""));
        if line.starts_with(b"{\"type\":\"STATE\"") {
            if state.is_none() {
                // Another 24 MiB are to come: it is in the middle of its work.
                kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            }
            state = Some((seen, serde_json::from_slice::<Value>(&line).unwrap()["state"].clone()));
        }
        line.clear();
    }
    assert!(!child.wait().unwrap().success(), "it was stopped");
    let (covered, state) = state.unwrap();
    assert!(state["stream"]["stream_state"]["reading"]["offset"].as_u64().unwrap() >= 16 << 20, "{state}");
    let rest = ids(&mounted.read_with(&config, &catalog, Some(&[state])).exits(0));
    assert!(rest.into_iter().eq(covered..records), "every record behind the {covered}th, once");
}
