//! Servers that answer as none should: each ends the stream with a failure that names the request, and none with less than
//! there is.

use std::io::{self, Write};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::world::World;
use super::{asked, assert_fails, config, ids, read, with};
use crate::harness::server::{Connection, Server, begin, respond};

type Answer = fn(&mut Connection) -> io::Result<()>;

/// Answers so for the third of the types, and for the rest as it should.
fn third(answer: Answer) -> Server {
    World::of(5).serve_after(move |request, connection| {
        let odd = request.target.ends_with("type/3");
        if odd {
            answer(connection)?;
        }
        Ok(odd)
    })
}

/// Whatever the third answers, the first two have left, with their state, and no other.
#[track_caller]
fn assert_third_fails(answer: Answer, kind: &str, parts: &[&str]) -> usize {
    let server = third(answer);
    let config = with(config(&server), json!({"max_retries": 1, "timeout_seconds": 2}));
    let finished = assert_fails(read(&config, &["types"]), kind, parts);
    let (_, message) = finished.error();
    assert!(message.contains(&format!("GET {}", server.url("/api/v2/type/3"))), "{message}");
    assert_eq!(ids(&finished, "types"), [1, 2]);
    assert_eq!(finished.states().last().unwrap()["stream"]["stream_state"], json!({"id": 2, "complete": false}));
    asked(&server).iter().filter(|target| *target == "type/3").count()
}

/// Closes the connection.
fn close() -> io::Result<()> {
    Err(io::ErrorKind::Other.into())
}

#[test]
fn a_response_that_breaks_off_is_asked_for_again_and_then_a_transient_error() {
    let broken: [(Answer, &str); 4] = [
        (|_| close(), "before the response"),
        (
            |connection| {
                begin(connection, "200 OK", &[("Content-Length", "1000")])?;
                connection.write_all(b"{\"id\": 3}")?;
                close()
            },
            "within the response",
        ),
        (
            |connection| {
                begin(connection, "200 OK", &[("Transfer-Encoding", "chunked")])?;
                connection.write_all(b"9\r\n{\"id\": 3}\r\nfff\r\nno")?;
                close()
            },
            "within the response",
        ),
        (
            |connection| {
                let whole = gzip(&[b' '; 50_000]);
                respond(connection, "200 OK", &[("Content-Encoding", "gzip")], &whole[..whole.len() / 2])
            },
            "not compressed as it says",
        ),
    ];
    for (answer, part) in broken {
        assert_eq!(assert_third_fails(answer, "transient_error", &[part]), 2, "it was asked for again");
    }
}

#[test]
fn a_response_that_breaks_off_once_is_no_failure() {
    let first = std::sync::Once::new();
    let server = World::of(5).serve_after(move |request, connection| {
        if request.target.ends_with("type/3") {
            let mut broke = false;
            first.call_once(|| broke = true);
            if broke {
                begin(connection, "200 OK", &[("Content-Length", "1000")])?;
                connection.write_all(b"{\"id\": 3, ")?;
                return close().map(|()| true);
            }
        }
        Ok(false)
    });
    let finished = read(&config(&server), &["types"]).run().exits(0);
    assert_eq!(ids(&finished, "types"), [1, 2, 3, 4, 5, 10_001]);
}

#[test]
fn a_body_that_is_shorter_by_its_length_is_broken_json() {
    let answer: Answer = |connection| {
        begin(connection, "200 OK", &[("Content-Length", "10")])?;
        connection.write_all(b"{\"id\": 3, \"name\": \"private\"}")?;
        close()
    };
    assert_third_fails(answer, "system_error", &["JSON"]);
}

#[test]
fn what_is_not_the_json_that_was_expected_is_a_system_error_without_its_content() {
    let odd: [(Answer, &str); 7] = [
        (|connection| respond(connection, "200 OK", &[], b"{\"id\": 3, \"name\": \"private"), "JSON"),
        (|connection| respond(connection, "200 OK", &[], b"<html>private</html>"), "JSON"),
        (|connection| respond(connection, "200 OK", &[], b""), "JSON"),
        (|connection| respond(connection, "200 OK", &[], b"[{\"id\": 3, \"name\": \"private\"}]"), ""),
        (|connection| respond(connection, "200 OK", &[], b"{\"id\": \"private\"}"), ""),
        (|connection| respond(connection, "200 OK", &[], b"null"), ""),
        (|connection| respond(connection, "200 OK", &[], b"{\"id\": 77, \"name\": \"private\"}"), "another entry"),
    ];
    for (answer, part) in odd {
        let server = third(answer);
        let finished = assert_fails(read(&config(&server), &["types"]), "system_error", &["type/3", part]);
        assert!(!String::from_utf8_lossy(&finished.stdout).contains("private"), "{:?}", finished.error());
        assert_eq!(asked(&server).iter().filter(|target| *target == "type/3").count(), 1, "it would be the same again");
    }
}

#[test]
fn a_list_of_another_shape_is_a_system_error() {
    for page in [
        json!([]),
        json!({}),
        json!({"count": 1, "next": null, "results": {"name": "private"}}),
        json!({"count": 1, "next": null, "results": ["private"]}),
        json!({"count": 1, "next": null, "results": [{"name": "private"}]}),
        json!({"count": 1, "next": null, "results": [{"name": "a", "url": "https://pokeapi.co/api/v2/type/private/"}]}),
        json!({"count": 1, "next": true, "results": []}),
        json!({"count": 1, "results": [{"name": "private", "url": "https://pokeapi.co/api/v2/type/99999999999999999999/"}]}),
    ] {
        let body = page.to_string();
        let server = Server::start(move |_, connection| respond(connection, "200 OK", &[], body.as_bytes()));
        let finished = assert_fails(read(&config(&server), &["types"]), "system_error", &["/api/v2/type?limit=4"]);
        assert!(!String::from_utf8_lossy(&finished.stdout).contains("private"), "{:?}", finished.error());
    }
}

fn numbers(from: u64, to: u64, next: Option<&str>) -> Vec<u8> {
    let results: Vec<Value> = (from..=to).map(|id| json!({"name": "x", "url": format!("/type/{id}/")})).collect();
    json!({"count": to, "next": next, "results": results}).to_string().into_bytes()
}

#[test]
fn a_list_that_has_less_than_it_says_is_a_system_error() {
    let entry = |id: u64| json!({"name": "x", "url": format!("/type/{id}/")});
    for (pages, read_before) in [
        // Nothing at all; an end too early; a hole, behind which there is more.
        ([json!({"count": 1, "next": null, "results": null}), json!(null)], 0),
        (
            [
                json!({"count": 3, "next": "type?page=2", "results": [entry(1)]}),
                json!({"count": 3, "results": [entry(2)]}),
            ],
            2,
        ),
        (
            [
                json!({"count": 3, "next": "type?page=2", "results": [entry(1)]}),
                json!({"count": 3, "next": "type?page=3", "results": null}),
            ],
            1,
        ),
    ] {
        let server = World::of(5).serve_after(move |request, connection| {
            let page = request.target.contains("type?").then(|| &pages[usize::from(request.target.contains("page="))]);
            if let Some(page) = page {
                respond(connection, "200 OK", &[], page.to_string().as_bytes())?;
            }
            Ok(page.is_some())
        });
        let finished = assert_fails(read(&config(&server), &["types"]), "system_error", &["/api/v2/type?"]);
        assert_eq!(ids(&finished, "types"), (1..=read_before).collect::<Vec<_>>());
        let last = &finished.states().last().unwrap()["stream"]["stream_state"];
        assert_eq!(last, &json!({"id": read_before, "complete": false}));
    }
}

#[test]
fn no_server_puts_another_key_into_an_encounter() {
    let server = World::of(1).serve_after(|request, connection| {
        let encounters = request.target.ends_with("pokemon/1/encounters");
        if encounters {
            respond(
                connection,
                "200 OK",
                &[],
                b"[{\"pokemon_id\": \"another\", \"location_area\": {\"name\": \"a\"}}]",
            )?;
        }
        Ok(encounters)
    });
    let finished = read(&config(&server), &["pokemon_encounters"]).run().exits(0);
    assert_eq!(finished.records("pokemon_encounters")[0], &json!({"pokemon_id": 1, "location_area": {"name": "a"}}));
    let output = String::from_utf8(finished.stdout).unwrap();
    assert!(!output.contains("another"), "{output}");
}

#[test]
fn more_than_was_asked_for_is_read_all_the_same() {
    let server = World::of(50).serve_after(|request, connection| {
        let list = request.target.contains("type?");
        if list {
            respond(connection, "200 OK", &[], &numbers(1, 40, None))?;
        }
        Ok(list)
    });
    let finished = read(&config(&server), &["types"]).run().exits(0);
    assert_eq!(ids(&finished, "types"), (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_list_that_goes_round_or_back_is_a_system_error() {
    // To itself, and by a new address each time to what was there before.
    let round: [fn(usize) -> String; 2] =
        [|_| "/api/v2/type?limit=4&cursor=s3cret".to_owned(), |page| format!("/api/v2/type?cursor=s3cret{page}")];
    for next in round {
        let pages = std::sync::atomic::AtomicUsize::new(0);
        let server = World::of(9).serve_after(move |request, connection| {
            let list = request.target.contains("type?");
            if list {
                let page = pages.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                respond(connection, "200 OK", &[], &numbers(1, 4, Some(&next(page))))?;
            }
            Ok(list)
        });
        let finished = assert_fails(read(&config(&server), &["types"]), "system_error", &["/api/v2/type"]);
        assert_eq!(ids(&finished, "types"), [1, 2, 3, 4]);
        let output = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
        assert!(!output.contains("s3cret"), "{output}");
    }
}

#[test]
fn a_body_beyond_the_limit_is_a_system_error() {
    // Small as it comes, and 100 MiB when it is decoded.
    static BODY: LazyLock<Vec<u8>> = LazyLock::new(|| {
        [gzip(b"{\"id\": 3, \"name\": \""), gzip(&vec![b'x'; 10 << 20]).repeat(10), gzip(b"\"}")].concat()
    });
    // It is made before anybody waits for it.
    LazyLock::force(&BODY);
    let answer: Answer = |connection| respond(connection, "200 OK", &[("Content-Encoding", "gzip")], &BODY);
    assert_third_fails(answer, "system_error", &["67108864 bytes"]);
}

#[test]
fn a_compressed_body_is_read_like_any() {
    let server = third(|connection| {
        respond(connection, "200 OK", &[("Content-Encoding", "gzip")], &gzip(b"{\"id\": 3, \"name\": \"c\"}"))
    });
    let finished = read(&config(&server), &["types"]).run().exits(0);
    assert_eq!(ids(&finished, "types"), [1, 2, 3, 4, 5, 10_001]);
    assert_eq!(finished.records("types")[2], &json!({"id": 3, "name": "c"}));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes it all")
}
