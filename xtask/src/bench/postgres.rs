//! `read` of a table of PostgreSQL: source-postgres beside a native program with its own types and values, and beside psql, which
//! prints what the server sends. It calls programs from outside, as a user would, and must not know how they work inside.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::lines::{self, LOG};
use super::measure::{Meter, Program, command_of};
use super::postgres_server::{ADDRESS, Server, USER};
use super::report::{self, Work};
use super::turns::{Contestant, in_turn};
use super::{AIRLOCK, FEW, Findings, NATIVE, progress};
use crate::postgres::Postgres;
use crate::{build, command, dist};

/// How large the benchmark is.
pub struct Options {
    /// How many rows the table has.
    pub rows: u64,
    /// How often each program runs.
    pub runs: usize,
}

const SCHEMA: &str = "public";
const KEY: &str = "id";
const STATE: &str = r#"{"type":"STATE""#;

/// What shops and their like have: numbers, short texts, some longer ones, times, a little JSON.
const COLUMNS: &str = "id bigint PRIMARY KEY, customer_id integer NOT NULL, code uuid NOT NULL, status text NOT NULL, \
    email varchar(100), note text, total numeric(12,2) NOT NULL, weight double precision, is_paid boolean NOT NULL, tags text[], \
    details jsonb, ordered_on date NOT NULL, created_at timestamp NOT NULL, updated_at timestamptz NOT NULL";

/// The same for each number `i`, wherever it runs.
const VALUES: &str = r#"i, i * 7919 % 100000, md5(i::text)::uuid, (ARRAY['new', 'paid', 'shipped', 'returned'])[i % 4 + 1],
    'customer' || i % 100000 || '@example.com',
    CASE WHEN i % 3 > 0 THEN 'Order ' || i || ' was placed by telephone, and is to be delivered in the "morning".' END,
    (i % 1000000) / 100.0, CASE WHEN i % 10 > 0 THEN (i % 100000) / 7.0 END, i % 2 = 0, ARRAY['tag' || i % 10, 'new'],
    jsonb_build_object('channel', 'telephone', 'items', i % 5, 'gift', i % 7 = 0), date '2020-01-01' + (i % 2000)::integer,
    timestamp '2020-01-01' + i * interval '17.000123 seconds', timestamptz '2020-01-01 00:00Z' + i * interval '19.5 seconds'"#;

/// Compares what has to be equal, and measures.
pub fn measure(postgres: &Postgres, options: &Options, directory: &Path) -> Result<Findings> {
    let [yardstick, usage] = build::yardstick()?;
    let compiled = directory.join("source-postgres.cwasm");
    let mut compile = command_of(&[dist::airlock().into_os_string(), "compile".into()])?;
    command::output(compile.arg(dist::connector("source-postgres")).arg("--output").arg(&compiled))?;
    progress("postgres: starting a server");
    let server = Server::start(postgres)?;
    let bench = Bench { server, directory, yardstick, compiled };

    bench.fill(FEW)?;
    progress("postgres: comparing the yardstick's lines with the host's");
    // Where states stand is for the host to say.
    lines::ensure_equal(&bench.read(FEW)?, &bench.native_read(FEW), &[LOG, STATE])?;

    bench.fill(options.rows)?;
    let read = bench.read(options.rows)?;
    progress("postgres: counting bytes");
    let work = Work { bytes: length_of_output(&read)?, records: options.rows };
    let contestants = [
        (AIRLOCK, read),
        (NATIVE, bench.native_read(options.rows)),
        ("psql, `COPY … TO STDOUT`", bench.psql(options.rows)),
    ];
    let contestants = contestants.map(|(name, arguments)| Contestant::new(name, Program::new(arguments), options.runs));
    let rows = in_turn(&Meter { usage }, "postgres", contestants.into())?;
    Ok(Findings { tables: vec![("postgres", report::throughput(work, NATIVE, &rows))], promises: Vec::new() })
}

/// The server, and what reads of it.
struct Bench<'a> {
    server: Server,
    directory: &'a Path,
    yardstick: PathBuf,
    compiled: PathBuf,
}

impl Bench<'_> {
    /// Makes a table of so many rows.
    fn fill(&self, rows: u64) -> Result<()> {
        progress(&format!("postgres: making {rows} rows"));
        let table = table(rows);
        self.server.run(&format!(
            "CREATE TABLE {table} ({COLUMNS}); INSERT INTO {table} SELECT {VALUES} FROM generate_series(1, {rows}::bigint) AS i"
        ))?;
        // The first to read a row would write that it is there.
        self.server.run(&format!("VACUUM (ANALYZE) {table}"))
    }

    /// `airlock read` of the table, with the connector compiled ahead.
    fn read(&self, rows: u64) -> Result<Vec<OsString>> {
        let config = self.directory.join("config.json");
        save(
            &config,
            &json!({
                "host": ADDRESS, "port": self.server.port(), "database": USER, "schemas": [SCHEMA], "username": USER,
                "ssl_mode": {"mode": "disable"},
            }),
        )?;
        let discovered = command::output(&mut command_of(&self.airlock("discover", &config))?)?;
        let messages = discovered.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut streams = messages.filter_map(|message| message["catalog"]["streams"].as_array().cloned()).flatten();
        let stream = streams.find(|stream| stream["name"] == table(rows));
        let stream = stream.context("source-postgres did not find the table")?;
        let catalog = self.directory.join(format!("{rows}.json"));
        save(
            &catalog,
            &json!({"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}),
        )?;
        let mut read = self.airlock("read", &config);
        read.extend(["--catalog".into(), catalog.into()]);
        Ok(read)
    }

    fn airlock(&self, command: &str, config: &Path) -> Vec<OsString> {
        let airlock = dist::airlock();
        let words = [airlock.as_path(), "--connector".as_ref(), self.compiled.as_path(), command.as_ref()];
        words.into_iter().chain(["--config".as_ref(), config]).map(|word| word.as_os_str().to_owned()).collect()
    }

    fn native_read(&self, rows: u64) -> Vec<OsString> {
        let connection = format!("host={ADDRESS} port={} user={USER} dbname={USER}", self.server.port());
        let words = ["read-postgres", connection.as_str(), SCHEMA, &table(rows), KEY].map(OsString::from);
        [self.yardstick.clone().into_os_string()].into_iter().chain(words).collect()
    }

    fn psql(&self, rows: u64) -> Vec<OsString> {
        self.server.psql(&format!("COPY (SELECT * FROM {} ORDER BY {KEY}) TO STDOUT", table(rows)))
    }
}

fn table(rows: u64) -> String {
    format!("orders_{rows}")
}

fn length_of_output(arguments: &[OsString]) -> Result<u64> {
    let mut command = command_of(arguments)?;
    let shown = command::display(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let mut output = child.stdout.take().with_context(|| format!("`{shown}` has no output"))?;
    let bytes = io::copy(&mut output, &mut io::sink()).with_context(|| format!("cannot read from `{shown}`"))?;
    let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(bytes)
}

fn save(path: &Path, content: &Value) -> Result<()> {
    fs::write(path, content.to_string()).with_context(|| format!("cannot write {}", path.display()))
}
