//! Does with raw sockets what its config lists, and says in one record for each attempt what came of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use test_guests::output::StreamWriter;
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, lines};

struct Sockets;

impl Source for Sockets {
    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        for attempt in config["attempts"].as_array().into_iter().flatten() {
            let (what, at) = (attempt[0].as_str().unwrap_or_default(), attempt[1].as_str().unwrap_or_default());
            let outcome = match tried(what, at) {
                Ok(found) => json!({"attempt": what, "at": at, "found": found}),
                Err(error) => json!({"attempt": what, "at": at, "error": format!("{:?}: {error}", error.kind())}),
            };
            writer.write(&lines([&outcome]))?;
        }
        Ok(())
    }
}

fn tried(what: &str, at: &str) -> std::io::Result<String> {
    match what {
        // To each of the addresses that the name has, or to a literal one.
        "connect" => {
            let mut stream = TcpStream::connect(at)?;
            stream.write_all(b"hello\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        }
        "resolve" => {
            let found: Vec<String> = (at, 1).to_socket_addrs()?.map(|address| address.ip().to_string()).collect();
            Ok(found.join(" "))
        }
        "resolve many" => {
            let count = at.parse().unwrap_or(0);
            let found = (0..count).filter(|number| (format!("n{number}.example.com"), 1).to_socket_addrs().is_ok());
            Ok(found.count().to_string())
        }
        "listen" => TcpListener::bind(at).map(|_| String::new()),
        "send a datagram" => UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", at).map(|_| String::new()),
        _ => Ok("nothing was tried".to_owned()),
    }
}

export_source!(Sockets);
