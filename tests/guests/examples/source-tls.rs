//! Talks TLS over sockets of its own, as its config lists, and says in one record for each conversation what came of it. With
//! `misuse` it does with sessions what nobody should.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use test_guests::output::StreamWriter;
use test_guests::tls::{ClientOptions, Identity, Session, TlsError, Trust};
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, lines};

/// So much is read from a socket, or encrypted, at once.
const PIECE_BYTES: usize = 64 * 1024;

struct Tls;

impl Source for Tls {
    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        for conversation in config["conversations"].as_array().into_iter().flatten() {
            // Not empty: such records are dropped.
            let mut outcome = json!({"tried": true});
            let told = match conversation["misuse"].as_str() {
                Some(misuse) => misused(misuse, conversation, &mut outcome),
                None if conversation["plain"] == true => talked_plainly(conversation, &mut outcome),
                None => talked(conversation, &mut outcome),
            };
            if let Err(error) = told {
                outcome["error"] = json!(error);
            }
            writer.write(&lines([&outcome]))?;
        }
        Ok(())
    }
}

fn options(conversation: &Value) -> ClientOptions {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let identity = &conversation["identity"];
    ClientOptions {
        server_name: text(&conversation["server_name"]),
        trust: match &conversation["trust"] {
            Value::String(trust) if trust == "anyone" => Trust::Anyone,
            Value::String(authorities) => Trust::Authorities(authorities.clone()),
            _ => Trust::System,
        },
        verify_name: conversation["verify_name"] != false,
        identity: identity.is_object().then(|| Identity {
            certificates: text(&identity["certificates"]),
            private_key: text(&identity["private_key"]),
        }),
        application_protocols: conversation["protocols"].as_array().into_iter().flatten().map(text).collect(),
    }
}

fn shown(error: TlsError) -> String {
    match error {
        TlsError::Invalid(why) => format!("invalid: {why}"),
        TlsError::Untrusted(why) => format!("untrusted: {why}"),
        TlsError::Failed(why) => format!("failed: {why}"),
    }
}

fn of_socket(error: io::Error) -> String {
    format!("socket: {:?}", error.kind())
}

/// What is said first: how much the client says after that, and how much it wants to hear.
fn request(conversation: &Value) -> (String, usize) {
    let count = |name: &str| conversation[name].as_u64().unwrap_or(0) as usize;
    (format!("{} {}\n", count("say"), count("hear")), count("say"))
}

/// Adds what was heard to the outcome: all of it as text if it is little, else how much it is; and whether it is what servers of
/// these tests say, the numbers of bytes.
#[derive(Default)]
struct Heard {
    bytes: usize,
    start: Vec<u8>,
    wrong: bool,
}

impl Heard {
    fn add(&mut self, data: &[u8]) {
        let expected = |place: usize| (place % 251) as u8;
        self.wrong |= data.iter().zip(self.bytes..).any(|(byte, place)| *byte != expected(place));
        self.bytes += data.len();
        self.start.extend(data.iter().take(100_usize.saturating_sub(self.start.len())));
    }

    fn tell(&self, outcome: &mut Value) {
        outcome["heard"] = json!(self.bytes);
        outcome["text"] = json!(String::from_utf8_lossy(&self.start));
        outcome["as_expected"] = json!(!self.wrong);
    }
}

fn talked(conversation: &Value, outcome: &mut Value) -> Result<(), String> {
    let (session, first) = Session::connect(&options(conversation)).map_err(shown)?;
    let mut socket = TcpStream::connect(conversation["at"].as_str().unwrap_or_default()).map_err(of_socket)?;
    socket.write_all(&first).map_err(of_socket)?;
    // How much of what came is given to the session at once.
    let piece = conversation["piece"].as_u64().unwrap_or(u64::MAX) as usize;
    let mut buffer = vec![0; PIECE_BYTES];
    let mut heard = Heard::default();
    let mut said = false;
    let told = loop {
        let length = match socket.read(&mut buffer) {
            Ok(length) => length,
            Err(error) => break Err(of_socket(error)),
        };
        if length == 0 {
            outcome["cut"] = json!(true);
            break session.receive(&[]).map(|_| ()).map_err(shown);
        }
        let mut ended = false;
        let mut failed = None;
        for part in buffer[..length].chunks(piece) {
            match session.receive(part) {
                Ok(received) => {
                    heard.add(&received.data);
                    ended = received.ended;
                    socket.write_all(&received.to_send).map_err(of_socket)?;
                    if received.established && !said {
                        said = true;
                        outcome["protocol"] = json!(session.application_protocol());
                        say(&session, &mut socket, conversation)?;
                    }
                }
                Err(error) => failed = Some(shown(error)),
            }
        }
        if let Some(error) = failed {
            // The server is told why. It may be gone.
            let _ = socket.write_all(&session.close());
            break Err(error);
        }
        if ended {
            outcome["ended"] = json!(true);
            let _ = socket.write_all(&session.close());
            break Ok(());
        }
    };
    heard.tell(outcome);
    told
}

fn say(session: &Session, socket: &mut TcpStream, conversation: &Value) -> Result<(), String> {
    let (request, mut left) = request(conversation);
    socket.write_all(&session.encrypt(request.as_bytes()).map_err(shown)?).map_err(of_socket)?;
    let piece = vec![b'x'; conversation["say_at_once"].as_u64().map_or(PIECE_BYTES, |bytes| bytes as usize)];
    while left > 0 {
        let part = &piece[..piece.len().min(left)];
        socket.write_all(&session.encrypt(part).map_err(shown)?).map_err(of_socket)?;
        left -= part.len();
    }
    Ok(())
}

/// The same without TLS: what it costs is the difference.
fn talked_plainly(conversation: &Value, outcome: &mut Value) -> Result<(), String> {
    let mut socket = TcpStream::connect(conversation["at"].as_str().unwrap_or_default()).map_err(of_socket)?;
    let (request, mut left) = request(conversation);
    socket.write_all(request.as_bytes()).map_err(of_socket)?;
    let piece = vec![b'x'; PIECE_BYTES];
    while left > 0 {
        let part = &piece[..piece.len().min(left)];
        socket.write_all(part).map_err(of_socket)?;
        left -= part.len();
    }
    let mut buffer = vec![0; PIECE_BYTES];
    let mut heard = Heard::default();
    loop {
        match socket.read(&mut buffer).map_err(of_socket)? {
            0 => break,
            length => heard.add(&buffer[..length]),
        }
    }
    heard.tell(outcome);
    Ok(())
}

fn misused(misuse: &str, conversation: &Value, outcome: &mut Value) -> Result<(), String> {
    let options = options(conversation);
    let connect = || Session::connect(&options).map_err(shown);
    match misuse {
        "none" => connect().map(|_| ()),
        "encrypt before all" => {
            let (session, _) = connect()?;
            outcome["first"] = json!(session.encrypt(b"secret").err().map(shown));
            // That was no failure of the session: it still waits for the server.
            session.receive(b"").map(|_| ()).map_err(shown)
        }
        "garbage" => {
            let (session, _) = connect()?;
            outcome["first"] = json!(session.receive(&[0x55; 1000]).err().map(shown));
            outcome["then"] = json!(session.encrypt(b"secret").err().map(shown));
            outcome["to_close"] = json!(session.close().len());
            session.receive(b"more").map(|_| ()).map_err(shown)
        }
        // A record that begins and never ends, and much more than a record can be.
        "huge" => {
            let (session, _) = connect()?;
            let mut record = vec![0x16, 3, 3, 0x40, 0];
            record.resize(conversation["bytes"].as_u64().unwrap_or(0) as usize, 0);
            session.receive(&record).map(|_| ()).map_err(shown)
        }
        // A message of the handshake that says of itself that it is the longest there can be, in records without an end.
        "long message" => {
            let (session, _) = connect()?;
            let mut record = vec![0x16, 3, 3, 0x40, 0];
            record.resize(5 + 0x4000, 0);
            record[5..9].copy_from_slice(&[2, 0xff, 0xff, 0xff]);
            (0..10_000).try_for_each(|_| session.receive(&record).map(|_| ())).map_err(shown)
        }
        // One byte at a time, and none.
        "drop by drop" => {
            let (session, _) = connect()?;
            for byte in [0x16, 3, 3, 0, 200] {
                session.receive(&[byte]).map_err(shown)?;
                session.receive(&[]).map_err(shown)?;
            }
            outcome["established"] = json!(session.receive(&[2]).map_err(shown)?.established);
            Ok(())
        }
        "close first" => {
            let (session, _) = connect()?;
            outcome["to_close"] = json!(session.close().len());
            outcome["again"] = json!(session.close().len());
            session.encrypt(b"secret").map(|_| ()).map_err(shown)
        }
        "many" => {
            let count = conversation["count"].as_u64().unwrap_or(0);
            let sessions = (0..count).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
            outcome["sessions"] = json!(sessions.len());
            Ok(())
        }
        "dropped" => {
            for _ in 0..conversation["count"].as_u64().unwrap_or(0) {
                connect()?;
            }
            Ok(())
        }
        _ => Err("nothing was done".to_owned()),
    }
}

export_source!(Tls);
