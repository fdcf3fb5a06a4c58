//! The client against a server that follows a script, told in as small pieces as a network may bring. What a real server
//! says is tested through the connectors.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use airlock_sdk::FailureKind;

use crate::dial::Line;
use crate::{BinaryRows, ConnectOptions, Connection, Encryption, Error, Result};

/// A server that says everything at once, whatever it is asked, and then closes the connection, or says nothing more.
struct Script {
    says: VecDeque<u8>,
    /// The most that one read gives.
    piece: usize,
    /// Whether a read now and then gives up, as a socket's timeout does.
    stalls: bool,
    stalled: bool,
    /// Whether it keeps the connection when it has said everything.
    stays: bool,
    /// It takes nothing while it has more to say than this. How often it took nothing is counted.
    deaf_above: Rc<Cell<usize>>,
    refusals: Rc<Cell<usize>>,
    heard: Rc<RefCell<Vec<u8>>>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stalled = self.stalls && !self.stalled;
        if self.stalled {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.stays && self.says.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let piece = self.piece.min(buffer.len());
        self.says.read(&mut buffer[..piece])
    }
}

impl Write for Script {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.says.len() > self.deaf_above.get() {
            self.refusals.set(self.refusals.get() + 1);
            return Err(ErrorKind::WouldBlock.into());
        }
        let piece = self.piece.min(data.len());
        self.heard.borrow_mut().extend_from_slice(&data[..piece]);
        Ok(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn options() -> ConnectOptions {
    ConnectOptions {
        host: "db".to_owned(),
        port: 5432,
        database: "shop".to_owned(),
        username: "reader".to_owned(),
        password: Some("secret".to_owned()),
        encryption: Encryption::Disable,
        application_name: "test".to_owned(),
        connect_timeout: Duration::from_secs(60),
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{code}\0Mwhat happened\0DAlice\0\0").as_bytes())
}

/// A login without a password, and the answer to the settings.
fn login() -> Vec<u8> {
    [
        message(b'R', &0u32.to_be_bytes()),
        message(b'S', b"server_version\x0015.18 (Debian)\0"),
        message(b'K', &[0; 8]),
        ready(b'I'),
        message(b'C', b"SET\0"),
        ready(b'I'),
    ]
    .concat()
}

impl Script {
    fn of(says: &[Vec<u8>]) -> Script {
        Script {
            says: says.concat().into(),
            piece: usize::MAX,
            stalls: false,
            stalled: false,
            stays: false,
            deaf_above: Rc::new(Cell::new(usize::MAX)),
            refusals: Rc::default(),
            heard: Rc::default(),
        }
    }

    fn connect(self, time: Duration) -> Result<Connection> {
        let line = Line { transport: Box::new(self), is_encrypted: false };
        Connection::over(line, &options(), Instant::now() + time)
    }
}

fn connect_in(says: &[Vec<u8>], piece: usize, stalls: bool) -> (Result<Connection>, Rc<RefCell<Vec<u8>>>) {
    let script = Script { piece, stalls, ..Script::of(says) };
    let heard = Rc::clone(&script.heard);
    (script.connect(Duration::from_secs(60)), heard)
}

fn connect(says: &[Vec<u8>]) -> Result<Connection> {
    connect_in(says, usize::MAX, false).0
}

/// `COPY` in binary, in messages of this content.
fn copied(messages: &[&[u8]]) -> Vec<u8> {
    let mut says = message(b'H', &[1, 0, 2, 0, 1, 0, 1]);
    for content in messages {
        says.extend(message(b'd', content));
    }
    says.extend([message(b'c', b""), message(b'C', b"COPY 2\0"), ready(b'I')].concat());
    says
}

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const ROW: &[u8] = b"\0\x02\0\0\0\x03abc\xff\xff\xff\xff";
const OTHER_ROW: &[u8] = b"\0\x02\0\0\0\0\0\0\0\x01x";
const TRAILER: &[u8] = b"\xff\xff";

type Values = Vec<Vec<Option<Vec<u8>>>>;

fn all(rows: &mut BinaryRows<'_>) -> Result<Values> {
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        let count = row.len();
        let row: Vec<_> = row.map(|value| value.map(<[u8]>::to_vec)).collect();
        assert_eq!(row.len(), count);
        values.push(row);
    }
    Ok(values)
}

fn expected() -> Values {
    vec![vec![Some(b"abc".to_vec()), None], vec![Some(Vec::new()), Some(b"x".to_vec())]]
}

#[test]
fn a_login_says_who_and_how() {
    let (connection, heard) = connect_in(&[login()], 1, true);
    let connection = connection.unwrap();
    assert_eq!(connection.server_version(), 150_018);
    assert!(connection.is_usable() && !connection.is_in_transaction());
    let heard = String::from_utf8_lossy(&heard.borrow()).into_owned();
    for part in [
        "user\0reader\0",
        "database\0shop\0",
        "TimeZone\0UTC\0",
        "SET IntervalStyle = 'postgres'",
        "SET client_min_messages = error",
    ] {
        assert!(heard.contains(part), "{heard:?}");
    }
}

#[test]
fn rows_come_whole_however_they_are_cut() {
    for messages in [
        &[HEADER, ROW, OTHER_ROW, TRAILER][..],
        &[&[HEADER, ROW].concat(), OTHER_ROW, TRAILER],
        &[&[HEADER, ROW, OTHER_ROW, TRAILER].concat()],
        &[&HEADER[..5], &HEADER[5..], &ROW[..1], &ROW[1..4], &ROW[4..], OTHER_ROW, TRAILER],
        &[HEADER, &[ROW, &OTHER_ROW[..7]].concat(), &[&OTHER_ROW[7..], TRAILER].concat()],
        &[HEADER, &[ROW, OTHER_ROW, &TRAILER[..1]].concat(), &TRAILER[1..]],
        &[HEADER, b"", ROW, b"", OTHER_ROW, b"", TRAILER],
    ] {
        for (piece, stalls) in [(usize::MAX, false), (1, true), (7, false)] {
            let says = [login(), copied(messages), message(b'C', b"DELETE 5\0"), ready(b'T')];
            let mut connection = connect_in(&says, piece, stalls).0.unwrap();
            let mut rows = connection.copy_out_binary("COPY").unwrap();
            assert_eq!(all(&mut rows).unwrap(), expected(), "{messages:?}");
            assert!(rows.next().unwrap().is_none());
            drop(rows);
            assert_eq!(connection.execute("DELETE").unwrap(), 5);
            assert!(connection.is_in_transaction());
        }
    }
}

#[test]
fn rows_of_any_length_fit() {
    for length in [1000, 70_000, 262_144, 3 << 20] {
        let mut row = b"\0\x01".to_vec();
        row.extend(u32::try_from(length).unwrap().to_be_bytes());
        row.resize(row.len() + length, b'x');
        let content = [HEADER, &row, &row, &row, TRAILER];
        let mut connection = connect_in(&[login(), copied(&content)], 100_000, false).0.unwrap();
        let mut rows = connection.copy_out_binary("COPY").unwrap();
        let lengths: Vec<usize> =
            all(&mut rows).unwrap().into_iter().map(|row| row[0].as_ref().unwrap().len()).collect();
        assert_eq!(lengths, [length; 3]);
    }
}

#[test]
fn rows_that_are_none_are_told() {
    for (messages, why) in [
        (&[&b"PGCOPX"[..]][..], "does not begin as one"),
        (&[b"PGCOPY\n\xff\r\n\0\0\x01\0\0\0\0\0\0"], "unknown format"),
        (&[b"PGCOPY\n\xff\r\n\0\0\0\0\0\xff\xff\xff\xff"], "unknown format"),
        (&[HEADER], "without their end"),
        (&[HEADER, ROW], "without their end"),
        (&[HEADER, &ROW[..5], TRAILER], "without their end"),
        (&[HEADER, b"\xff\xfe"], "can not be read"),
        (&[HEADER, b"\0\x01\xff\xff\xff\xfe"], "can not be read"),
        (&[HEADER, b"\0\x04\x7f\xff\xff\xff"], "can not be read"),
        (&[HEADER, b"\0\x04\x3f\xff\xff\xff"], "without their end"),
        (&[HEADER, TRAILER, ROW], "after their end"),
        (&[HEADER, &[TRAILER, ROW].concat()], "can not be read"),
    ] {
        let mut connection = connect(&[login(), copied(messages)]).unwrap();
        let mut rows = connection.copy_out_binary("COPY").unwrap();
        let error = all(&mut rows).unwrap_err();
        assert!(error.to_string().contains(why), "{messages:?}: {error}");
        assert!(matches!(rows.next(), Ok(None)));
    }
}

#[test]
fn an_error_within_rows_leaves_a_connection_that_can_be_used() {
    let says = [
        login(),
        message(b'H', &[1, 0, 0]),
        message(b'd', &[HEADER, ROW].concat()),
        error("ERROR", "22012"),
        ready(b'E'),
        message(b'C', b"ROLLBACK\0"),
        ready(b'I'),
    ];
    let mut connection = connect(&says).unwrap();
    let mut rows = connection.copy_out_binary("COPY").unwrap();
    assert!(rows.next().unwrap().is_some());
    let error = rows.next().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Some("22012"));
    drop(rows);
    assert!(connection.is_usable() && connection.is_in_transaction());
    connection.execute("ROLLBACK").unwrap();
    assert!(!connection.is_in_transaction());
}

#[test]
fn a_query_gives_texts_and_nulls() {
    let says = [
        login(),
        message(b'T', b"\0\x02a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"),
        message(b'D', b"\0\x02\0\0\0\x01x\xff\xff\xff\xff"),
        message(b'S', b"TimeZone\0UTC\0"),
        message(b'C', b"SELECT 1\0"),
        ready(b'I'),
    ];
    let mut connection = connect(&says).unwrap();
    let rows = connection.query_with("SELECT $1", &[Some("x")]).unwrap();
    assert_eq!(rows.columns(), ["a", "b"]);
    assert_eq!((rows.len(), rows.value()), (1, Some("x")));
    let row = rows.first().unwrap();
    assert_eq!((row.len(), row.get(1), row.get(2)), (2, None, None));
    assert_eq!(connection.parameter("TimeZone"), Some("UTC"));
}

#[test]
fn a_database_without_an_encoding_is_read_as_it_is() {
    let says = [
        message(b'R', &0u32.to_be_bytes()),
        message(b'S', b"server_encoding\0SQL_ASCII\0"),
        ready(b'I'),
        message(b'C', b"SET\0"),
        ready(b'I'),
        message(b'C', b"SET\0"),
        ready(b'I'),
        message(b'T', b"\0\x01a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        message(b'D', b"\0\x01\0\0\0\x04caf\xe9"),
        message(b'C', b"SELECT 1\0"),
        ready(b'I'),
    ];
    let (connection, heard) = connect_in(&says, usize::MAX, false);
    assert_eq!(connection.unwrap().query("SELECT a").unwrap().value(), Some("caf\u{fffd}"));
    assert!(String::from_utf8_lossy(&heard.borrow()).contains("SET client_encoding = 'SQL_ASCII'"));
}

#[test]
fn what_is_no_postgresql_is_told_at_once() {
    for says in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "\x4a\0\0\0\x0a8.0.36\0",
        "RRRRRRRRRR",
        "R\0\0\0\0",
    ] {
        let error = connect(&[says.into()]).unwrap_err();
        assert!(matches!(error, Error::Protocol { during_login: true, .. }), "{says:?}: {error}");
        assert_eq!(airlock_sdk::Failure::from(error).kind, FailureKind::ConfigError);
    }
    assert!(matches!(connect(&[]).unwrap_err(), Error::Lost { .. }));
}

#[test]
fn a_login_is_refused_for_a_reason() {
    let refused = |says: Vec<u8>| connect(&[says]).unwrap_err();
    assert!(refused(error("FATAL", "28P01")).is_wrong_password());
    assert!(refused(error("FATAL", "28000")).is_not_admitted());
    assert!(refused(error("FATAL", "3D000")).is_missing_database());
    assert!(refused(error("FATAL", "53300")).is_too_many_connections());
    assert!(refused(error("FATAL", "57P03")).is_not_ready());
    for (question, word) in [(7u32, "Kerberos"), (9, "SSPI")] {
        assert!(refused(message(b'R', &question.to_be_bytes())).to_string().contains(word));
    }
    let sasl = |mechanisms: &[u8]| message(b'R', &[&10u32.to_be_bytes(), mechanisms].concat());
    assert!(matches!(refused(sasl(b"SCRAM-SHA-256-PLUS\0\0")), Error::Unsupported { .. }));
    let rounds = message(b'R', &[&11u32.to_be_bytes()[..], b"r=x,s=QQ==,i=4000000000"].concat());
    let error = refused([sasl(b"SCRAM-SHA-256\0\0"), rounds].concat());
    assert!(error.to_string().contains("100000 times"), "{error}");
    // A server that lets in whoever answered its first question has not shown that it knows the password.
    let error = refused([sasl(b"SCRAM-SHA-256\0\0"), login()].concat());
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    let error = refused(
        [sasl(b"SCRAM-SHA-256\0\0"), message(b'R', &[&11u32.to_be_bytes()[..], b"r=x,s=QQ==,i=1"].concat())].concat(),
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_password_is_sent_as_it_was_asked_for() {
    let (connection, heard) = connect_in(&[message(b'R', b"\0\0\0\x05salt"), login()], usize::MAX, false);
    connection.unwrap();
    let heard = String::from_utf8_lossy(&heard.borrow()).into_owned();
    assert!(heard.contains("p\0\0\0(md5") && !heard.contains("secret"), "{heard:?}");
}

#[test]
fn what_is_written_arrives_and_is_counted() {
    let says = [login(), message(b'G', &[0, 0, 0]), message(b'C', b"COPY 3\0"), ready(b'I')];
    let (connection, heard) = connect_in(&says, 1000, false);
    let mut connection = connection.unwrap();
    heard.borrow_mut().clear();
    let mut copy = connection.copy_in("COPY").unwrap();
    let row = [&[b'y'; 49_999][..], b"\n"].concat();
    for _ in 0..3 {
        copy.write(&row).unwrap();
    }
    assert_eq!(copy.finish().unwrap(), 3);
    let heard = heard.borrow();
    let mut rest = &heard[10..];
    let mut data = Vec::new();
    while rest[0] == b'd' {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        assert!(length <= 64 * 1024 + 4);
        data.extend_from_slice(&rest[5..=length]);
        rest = &rest[length + 1..];
    }
    assert_eq!(data, row.repeat(3));
    assert_eq!(rest, b"c\0\0\0\x04");
}

#[test]
fn rows_that_are_given_up_are_not_written() {
    for end in [|copy: crate::CopyIn<'_>| copy.abort("tired").unwrap(), |copy: crate::CopyIn<'_>| drop(copy)] {
        let says = [
            login(),
            message(b'G', &[0, 0, 0]),
            error("ERROR", "57014"),
            ready(b'I'),
            message(b'C', b"DELETE 1\0"),
            ready(b'I'),
        ];
        let (connection, heard) = connect_in(&says, usize::MAX, false);
        let mut connection = connection.unwrap();
        let mut copy = connection.copy_in("COPY").unwrap();
        copy.write(b"1\n").unwrap();
        end(copy);
        assert_eq!(connection.execute("DELETE").unwrap(), 1);
        assert!(heard.borrow().windows(5).any(|bytes| bytes[0] == b'f'));
        assert!(!heard.borrow().ends_with(b"c\0\0\0\x04"));
    }
}

#[test]
fn an_unasked_server_can_not_be_asked_again() {
    let mut connection = connect(&[login(), error("FATAL", "57P01")]).unwrap();
    assert!(connection.query("SELECT").unwrap_err().is_not_ready());
    assert!(!connection.is_usable());
    assert!(matches!(connection.query("SELECT").unwrap_err(), Error::Lost { .. }));
}

#[test]
fn a_server_that_says_nothing_after_the_login_is_not_waited_for() {
    let whole = login();
    for length in [0, whole.len() - 20, whole.len() - 1] {
        let script = Script { stays: true, ..Script::of(&[whole[..length].to_vec()]) };
        let error = script.connect(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{length}: {error}");
    }
}

#[test]
fn before_the_login_is_over_no_message_is_long() {
    for tag in *b"EN" {
        // 2 GiB are announced, and a part has come.
        let says = [&[tag, 0x7f, 0xff, 0xff, 0xff][..], &[b'x'; 100]].concat();
        let script = Script { stays: true, ..Script::of(&[says]) };
        let error = script.connect(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::Protocol { during_login: true, .. }), "{error}");
    }
}

#[test]
fn notices_that_nobody_reads_do_not_stop_what_is_written() {
    let notice = message(b'N', &[b'x'; 1000]);
    let notices = notice.repeat(4000);
    let says = [login(), message(b'G', &[0, 0, 0])].concat();
    let answer = [message(b'C', b"COPY 1\0"), ready(b'I')].concat();
    let script = Script { piece: 64 * 1024, stays: true, ..Script::of(&[says, notices, answer]) };
    let (deaf_above, refusals) = (Rc::clone(&script.deaf_above), Rc::clone(&script.refusals));
    let mut connection = script.connect(Duration::from_secs(60)).unwrap();
    let copy = connection.copy_in("COPY").unwrap();
    deaf_above.set(16 * 1024);
    assert_eq!(copy.finish().unwrap(), 1);
    assert!((1..3).contains(&refusals.get()), "{} times the server was waited for", refusals.get());
}

#[test]
fn an_answer_that_takes_too_much_memory_is_given_up() {
    let row = message(b'D', &[b"\0\x01\0\0\x75\x30".to_vec(), vec![b'x'; 30_000]].concat());
    let says = [login(), row.repeat(100), message(b'C', b"SELECT 100\0"), ready(b'I')];
    let mut connection = connect(&says).unwrap();
    // There is no server to be told to stop.
    connection.options.host = String::new();
    connection.ask_simply("SELECT").unwrap();
    let error = connection.rows(2 << 20).unwrap_err();
    assert!(error.to_string().starts_with("db:5432 answers a query with more than 2 MiB"), "{error}");
    let mut connection = connect(&says).unwrap();
    connection.ask_simply("SELECT").unwrap();
    assert_eq!(connection.rows(4 << 20).unwrap().len(), 100);
}

/// Whatever comes, the client ends: in rows or in an error, and without memory for what was only announced.
#[test]
fn no_bytes_harm() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let answers: [Vec<u8>; 4] = [
        copied(&[HEADER, ROW, OTHER_ROW, TRAILER]),
        [
            message(b'T', b"\0\x01a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            message(b'D', b"\0\x01\0\0\0\x01x"),
            message(b'C', b"SELECT 1\0"),
            ready(b'I'),
        ]
        .concat(),
        [error("ERROR", "22012"), ready(b'E')].concat(),
        [message(b'G', &[0, 0, 0]), message(b'N', b"SNOTICE\0\0"), message(b'C', b"COPY 3\0"), ready(b'I')].concat(),
    ];
    let mut ended_well = 0;
    for round in 0..12_000 {
        let mut says = [login(), answers[round % 4].clone(), answers[(round / 4) % 4].clone()].concat();
        // The first answers are whole, so that not all ends at the login.
        let from = if round % 5 == 0 { 0 } else { login().len() };
        for _ in 0..random.below(4) {
            let place = from + random.below(says.len() - from);
            match random.below(4) {
                0 => says[place] = random.byte(),
                1 => says[place] ^= 1 << random.below(8),
                2 => says.insert(place, random.byte()),
                _ => {
                    says.remove(place);
                }
            }
        }
        let piece = [usize::MAX, 1, 5][random.below(3)];
        let Ok(mut connection) = connect_in(&[says], piece, round % 7 == 0).0 else { continue };
        // There is no server to be told to stop.
        connection.options.host = String::new();
        for _ in 0..2 {
            let went_well = match round % 3 {
                0 => connection.query("SELECT").is_ok(),
                1 => match connection.copy_out_binary("COPY") {
                    Ok(mut rows) => all(&mut rows).is_ok(),
                    Err(_) => false,
                },
                _ => match connection.copy_in("COPY") {
                    Ok(mut copy) => copy.write(b"1\n").is_ok() && copy.finish().is_ok(),
                    Err(_) => false,
                },
            };
            ended_well += usize::from(went_well);
        }
    }
    assert!(ended_well > 500, "only {ended_well} answers were understood: the script is out of date");
}

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }
}
