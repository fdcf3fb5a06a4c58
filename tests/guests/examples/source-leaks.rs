//! Says the secrets of its config in every place where something can be said that is neither record nor state.

use std::io::{Write, stderr, stdout};

use test_guests::host::{self, LogLevel};
use test_guests::output::{Outcome, StreamWriter};
use test_guests::types::{ConnectionStatus, Failure, FailureKind, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, records};

struct Leaks;

impl Source for Leaks {
    fn properties() -> Value {
        json!({
            "password": {"type": "string", "airbyte_secret": true, "maxLength": 10_000},
            "pin": {"type": "integer", "airbyte_secret": true},
            "short": {"airbyte_secret": true},
            "where": {"type": "string"},
            "text": {"type": "string"}
        })
    }

    fn check(config: &Value) -> Result<ConnectionStatus, Failure> {
        if config["where"] == "check failure" {
            return Err(failure(config));
        }
        Ok(ConnectionStatus::Failed(format!("{} is wrong", password(config))))
    }

    fn discover(config: &Value) -> Result<String, Failure> {
        Err(failure(config))
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let password = password(config);
        let writer = StreamWriter::open(&streams[0])?;
        match config["where"].as_str().unwrap_or_default() {
            "log" => host::log(LogLevel::Info, config["text"].as_str().unwrap_or_default()),
            "print" => print(&mut stdout(), password),
            "print to stderr" => print(&mut stderr(), password),
            "panic" => {
                // The last 8 KiB are told with the crash: they begin in the middle of a secret.
                let _ = write!(stderr(), "{}", format!("{password} ").repeat(3000));
                panic!("with {password}");
            }
            "exit" => {
                print(&mut stderr(), password);
                std::process::exit(7);
            }
            "failure" => return Err(failure(config)),
            "stream failure" => {
                StreamWriter::finish(writer, &Outcome::Failed(failure(config)))?;
            }
            "reasons" => {
                let escaped: String = password.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                let pin = &config["pin"];
                writer.running(&format!(
                    r#"[{{"type":"RATE_LIMITED","{escaped}":{{"n":[{pin}.5,{pin},"{escaped}"]}}}}]"#
                ))?;
                writer.running(r#"[{"type":"RATE_LIMITED","n":1.10}]"#)?;
            }
            "analytics" => host::analytics(&format!("of {password}"), Some(password)),
            "stream" => {
                let name = StreamName { name: password.to_owned(), namespace: Some(password.to_owned()) };
                StreamWriter::open(&name)?;
            }
            "renewal" => {
                host::config_changed(&json!({"password": "the-fresh-one"}).to_string())?;
                host::log(LogLevel::Info, &format!("{password} became the-fresh-one"));
            }
            "renewal without end" => {
                let huge = json!({"password": "x".repeat(2_000_000)}).to_string();
                host::log(LogLevel::Info, &format!("{:?}", host::config_changed(&huge)));
            }
            "refusals" => {
                host::log(LogLevel::Info, &format!("{:?}", host::config_changed(&format!("{{\"{password}"))));
                writer.write(&records(1..=1))?;
                writer.write(format!("{{\"{password}\": {password}}}\n").as_bytes())?;
            }
            "data" => {
                writer.write(format!("{{\"{password}\": \"{password}\"}}\n").as_bytes())?;
                writer.checkpoint(&json!({password: password}).to_string())?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn password(config: &Value) -> &str {
    config["password"].as_str().unwrap_or_default()
}

/// Byte by byte, where a line is cut, and without a line break at the end.
fn print(to: &mut impl Write, password: &str) {
    let line = format!("{}{password}\n{password} {password}", "x".repeat(64 * 1024 - 3));
    let (long, rest) = line.split_at(line.len() - 3 * password.len());
    let _ = to.write_all(long.as_bytes());
    for byte in rest.bytes() {
        let _ = to.write_all(&[byte]);
        let _ = to.flush();
    }
}

fn failure(config: &Value) -> Failure {
    let password = password(config);
    Failure {
        kind: FailureKind::ConfigError,
        message: format!("message {password}"),
        internal_message: Some(format!("internal {password}")),
        stack_trace: Some(format!("{}{password}", "y".repeat(1024 * 1024 - 3))),
        stream_name: Some(StreamName { name: password.to_owned(), namespace: Some(password.to_owned()) }),
        details: Some(json!({password: {"deep": [password, config["pin"]], password: true}}).to_string()),
    }
}

export_source!(Leaks);
