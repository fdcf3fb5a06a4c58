//! What goes wrong in the middle of a read: whose fault it is, what is saved, and what is left behind in the server.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Source, assert_each_once, numbers, seen, states};
use crate::harness::postgres::{Database, Options, Server};

/// What a connector may take, and a test may wait for what is to happen soon.
const PATIENCE: Duration = Duration::from_secs(20);

const ROWS: i64 = 250_000;

fn large(database: &Database) {
    database.sql(&format!(
        "CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT g, repeat('x', 100) FROM generate_series(1, {ROWS}) g; ANALYZE a"
    ));
}

/// What the connections of the connector do in the server, a line for each.
fn backends(database: &Database) -> String {
    database.administrate(
        "SELECT state, wait_event, query FROM pg_stat_activity
         WHERE application_name LIKE '%airlock%' AND datname = current_database()",
    )
}

/// Until they do what was asked for. The server does not tell when a connection changes: it can only be asked.
#[track_caller]
fn wait_for_backends(database: &Database, condition: impl Fn(&str) -> bool) {
    let start = Instant::now();
    loop {
        let backends = backends(database);
        if condition(&backends) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "still: {backends}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_stream_that_may_not_be_read_is_no_harm_to_the_others() {
    let database = Server::shared().database();
    database.administrate(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY);
         CREATE TABLE d (id int PRIMARY KEY);
         INSERT INTO a VALUES (1); INSERT INTO b VALUES (2); INSERT INTO c VALUES (3); INSERT INTO d VALUES (4);
         GRANT SELECT ON a, b, c, d TO airbyte;",
    );
    let source = Source::of(&database);
    let everything = source.full_refresh();
    database.administrate("REVOKE SELECT ON b FROM airbyte; DROP TABLE d");
    let finished = source.read(&everything, None).exits(1);
    assert_eq!((numbers(&finished, "a", "id"), numbers(&finished, "c", "id")), (vec![1], vec![3]));
    for (stream, last) in [("a", "COMPLETE"), ("b", "INCOMPLETE"), ("c", "COMPLETE"), ("d", "INCOMPLETE")] {
        assert_eq!(finished.statuses(stream).last(), Some(&last), "{stream}");
    }
    let told: Vec<String> = finished
        .errors()
        .iter()
        .map(|error| {
            assert_eq!(error["failure_type"], "config_error", "{error}");
            error["message"].as_str().unwrap().to_owned()
        })
        .collect();
    for stream in ["b", "d"] {
        assert!(
            told.iter()
                .any(|message| message.contains(&format!("{stream}\"")) || message.contains(&format!(".{stream}"))),
            "{stream}: {told:?}"
        );
    }
    assert_eq!(states(&finished).len(), 2);
}

#[test]
fn a_statement_timeout_fails_its_stream() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1);
         CREATE VIEW slow AS SELECT g AS id, pg_sleep(0.01)::text AS t FROM generate_series(1, 100000) g;
         CREATE TABLE z (id int PRIMARY KEY); INSERT INTO z VALUES (2);",
    );
    let source = Source::of(&database);
    let everything = source.full_refresh();
    database.administrate(&format!("ALTER DATABASE {} SET statement_timeout = '1s'", database.name()));
    let finished = source.read(&everything, None).exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "transient_error");
    assert!(message.contains("statement_timeout"), "{message}");
    assert_eq!(finished.errors()[0]["stream_descriptor"], json!({"name": "slow", "namespace": "public"}));
    assert_eq!((numbers(&finished, "a", "id"), numbers(&finished, "z", "id")), (vec![1], vec![2]));
    assert_eq!(finished.statuses("slow").last(), Some(&"INCOMPLETE"));
}

#[test]
fn an_error_in_the_middle_of_a_view_tells_no_value() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT g, g::text FROM generate_series(1, 1000) g;
         UPDATE a SET t = 'a-secret-value' WHERE id = 900;
         CREATE VIEW v AS SELECT id, t::int AS t FROM a",
    );
    let source = Source::of(&database);
    let stream = source.stream("v");
    let finished = source.read(&super::catalog([super::configured(stream, None)]), None).exits(1);
    let told = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
    assert!(!told.contains("a-secret-value"), "{:?}", finished.errors());
    let (_, message) = finished.error();
    assert!(message.contains("22P02") || message.contains('v'), "{message}");
}

#[test]
fn a_stopped_read_leaves_no_work_in_the_server() {
    let database = Server::shared().database();
    large(&database);
    // So much work is left after the first rows that it would not end by itself.
    database.sql(
        "CREATE VIEW endless AS SELECT a.id, pg_sleep(CASE WHEN a.id > 1000 THEN 1000 ELSE 0 END)::text AS t FROM a",
    );
    let source = Source::of(&database);
    let streams = [("a", Signal::TERM), ("a", Signal::KILL), ("endless", Signal::TERM), ("endless", Signal::INT)];
    for (name, signal) in streams {
        let catalog = super::catalog([super::configured(source.stream(name), None)]);
        let reading = source.start(&catalog, None);
        if name == "endless" {
            wait_for_backends(&database, |backends| backends.contains("PgSleep"));
            reading.signal(signal);
        }
        let start = Instant::now();
        let watched = reading.watch(|reading, records, _| {
            if name == "a" && records == 50_000 {
                reading.signal(signal);
            }
        });
        assert!(!watched.status.success(), "{name} {signal:?}");
        assert!(start.elapsed() < PATIENCE, "{name} {signal:?}: {:?}", start.elapsed());
        wait_for_backends(&database, str::is_empty);
    }
}

#[test]
fn a_lost_connection_may_be_tried_again() {
    let database = Server::shared().database();
    large(&database);
    database.sql("CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1)");
    let source = Source::of(&database);
    let catalog = super::catalog([super::configured(source.stream("a"), None)]);
    let mut ended = false;
    let watched = source.start(&catalog, None).watch(|_, _, states| {
        if states == 1 && !ended {
            database.administrate(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%airlock%' AND datname = current_database()",
            );
            ended = true;
        }
    });
    assert_eq!(watched.status.code(), Some(1), "{}", watched.stderr);
    assert_eq!(watched.errors.len(), 1, "{:?}", watched.errors);
    assert_eq!(watched.errors[0]["failure_type"], "transient_error", "{:?}", watched.errors);
    let (before, state) = watched.committed();
    let after = source.start(&catalog, state.as_deref()).watch(|_, _, _| ());
    assert!(after.status.success(), "{:?}", after.errors);
    assert_each_once([before, &after.ids].concat(), 1..=ROWS);
}

#[test]
fn a_server_that_goes_down_comes_back_to_its_states() {
    let mut server = Server::start(&Options::default());
    let database = server.database();
    large(&database);
    let source = Source::of(&database);
    let catalog = source.full_refresh();
    let name = database.name().to_owned();
    let mut reading = Some(source.start(&catalog, None));
    let mut watched = None;
    // The server is stopped while the read is under way.
    std::thread::scope(|scope| {
        let (told, stop) = std::sync::mpsc::channel();
        let watch = reading.take().unwrap();
        let handle = scope.spawn(move || {
            watch.watch(|_, _, states| {
                if states == 1 {
                    let _ = told.send(());
                }
            })
        });
        stop.recv().expect("a state comes");
        server.stop();
        watched = Some(handle.join().unwrap());
    });
    let watched = watched.unwrap();
    assert_eq!(watched.status.code(), Some(1));
    assert!(watched.errors.iter().all(|error| error["failure_type"] == "transient_error"), "{:?}", watched.errors);
    assert!(!watched.errors.is_empty());
    let (before, state) = watched.committed();
    assert!(!before.is_empty());
    let down = source.read(&catalog, state.as_deref()).exits(1);
    assert_eq!(down.error().0, "transient_error");
    server.start_again();
    assert_eq!(source.config["database"], name);
    let after = source.start(&catalog, state.as_deref()).watch(|_, _, _| ());
    assert!(after.status.success(), "{:?}", after.errors);
    assert_each_once([before, &after.ids].concat(), 1..=ROWS);
}

#[test]
fn a_server_without_room_for_another_connection_is_told() {
    let database = Server::shared().database();
    database.administrate(&format!("ALTER DATABASE {} CONNECTION LIMIT 0", database.name()));
    let source = Source::of(&database);
    let message = source.check().expect("there is no room");
    assert!(message.contains("too many connections"), "{message}");
    let finished = source.command("discover").run().exits(1);
    let (kind, message) = finished.error();
    assert!(kind == "transient_error" && message.contains("too many connections"), "{kind}: {message}");
}

#[test]
fn a_row_that_is_locked_and_a_table_that_is_not() {
    // Readers wait for nobody but who changes a table itself.
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)");
    let source = Source::of(&database);
    let catalog = source.full_refresh();
    let mut psql = database.psql(crate::harness::postgres::USER);
    let mut psql = psql.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = psql.stdin.take().unwrap();
    let mut stdout = std::io::BufReader::new(psql.stdout.take().unwrap());
    std::io::Write::write_all(&mut stdin, b"BEGIN; UPDATE a SET id = 2; SELECT 'locked';\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "locked\n");
    let finished = seen(source.read(&catalog, None).exits(0));
    assert_eq!(numbers(&finished, "a", "id"), [1], "what is not committed is not read");
    drop(stdin);
    psql.wait().unwrap();
}

#[test]
fn a_row_of_many_megabytes_passes() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a VALUES (1, 'x'), (2, repeat('0123456789', 5000000)), (3, 'y')",
    );
    let source = Source::of(&database);
    let catalog = source.full_refresh();
    let finished = source.reading(&catalog, None).run_tool().exits(0);
    let stdout = String::from_utf8(finished.stdout).unwrap();
    let lengths: Vec<usize> = stdout
        .lines()
        .filter(|line| line.starts_with("{\"type\":\"RECORD\""))
        .map(|line| line.matches("0123456789").count())
        .collect();
    assert_eq!(lengths, [0, 5_000_000, 0]);
}

#[test]
fn a_message_of_the_server_is_no_state_and_no_record() {
    let database = Server::shared().database();
    database.sql(
        "CREATE FUNCTION talks(g int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '{\"type\":\"RECORD\"} %', g; RETURN g; END $$;
         CREATE VIEW v AS SELECT talks(g) AS id FROM generate_series(1, 100) g",
    );
    let source = Source::of(&database);
    let finished = source.read(&source.full_refresh(), None).exits(0);
    let expected: Vec<Value> = (1..=100).map(|id| json!({"id": id})).collect();
    assert_eq!(finished.records("v"), expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_view_that_fails_is_the_users_to_correct() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 10);
         CREATE VIEW divides AS SELECT id, 1 / (id - 5) AS x FROM a;
         CREATE FUNCTION gone(id int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN no_such_function(id); END';
         CREATE VIEW misses AS SELECT id, gone(id) AS x FROM a;
         CREATE FUNCTION unset(id int) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT current_setting(''app.none'') || id';
         CREATE VIEW sets AS SELECT id, unset(id) AS x FROM a",
    );
    let source = Source::of(&database);
    let finished = source.read(&source.full_refresh(), None).exits(1);
    assert_eq!(numbers(&finished, "a", "id").len(), 10);
    for (view, code) in [("divides", "22012"), ("misses", "42883"), ("sets", "42704")] {
        let errors = finished.errors();
        let error = errors.iter().find(|error| error["stream_descriptor"]["name"] == view);
        let error = error.unwrap_or_else(|| panic!("{view}: {errors:?}"));
        assert_eq!(error["failure_type"], "config_error", "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(code) && message.contains("correct it"), "{message}");
    }
}
