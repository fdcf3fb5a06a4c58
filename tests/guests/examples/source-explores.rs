//! Tries to reach what is none of its business, and says in one record for each attempt what became of it.

use std::fs;
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use test_guests::output::StreamWriter;
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, lines};

struct Explores;

impl Source for Explores {
    fn properties() -> Value {
        json!({"port": {"type": "integer"}})
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let address = ("127.0.0.1", config["port"].as_u64().unwrap_or_default() as u16);
        let mut stdin = String::new();
        let attempts = [
            ("write to /airbyte", attempt(fs::write("/airbyte/written", "kept"))),
            ("write to /", attempt(fs::write("/written", "lost"))),
            ("write above /airbyte", attempt(fs::write("/airbyte/../written", "lost"))),
            ("write through a link", attempt(fs::write("/airbyte/link/written", "lost"))),
            ("read a mount", attempt(fs::read_to_string("/data/file"))),
            ("write to a mount", attempt(fs::write("/data/file", "lost"))),
            ("create in a mount", attempt(fs::write("/data/other", "lost"))),
            ("remove from a mount", attempt(fs::remove_file("/data/file"))),
            ("move out of a mount", attempt(fs::rename("/data/file", "/airbyte/file"))),
            ("read /etc/passwd", attempt(fs::read_to_string("/etc/passwd"))),
            ("read the host's /proc", attempt(fs::read_dir("/proc"))),
            ("connect", attempt(TcpStream::connect(address))),
            ("send a datagram", attempt(UdpSocket::bind("0.0.0.0:0").and_then(|it| it.send_to(b"x", address)))),
            ("look a name up", attempt(("localhost", 80).to_socket_addrs())),
            ("read stdin", attempt(std::io::stdin().read_to_string(&mut stdin))),
        ];
        let mut found: Vec<Value> = Vec::new();
        for (attempt, outcome) in attempts {
            found.push(json!({"attempt": attempt, "outcome": outcome}));
        }
        found.push(json!({"attempt": "what stdin holds", "outcome": stdin}));
        let environment: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
        found.push(json!({"attempt": "environment", "outcome": environment}));
        let arguments: Vec<String> = std::env::args().collect();
        found.push(json!({"attempt": "arguments", "outcome": arguments}));
        StreamWriter::open(&streams[0])?.write(&lines(&found))?;
        Ok(())
    }
}

fn attempt<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("denied: {error}"),
    }
}

export_source!(Explores);
