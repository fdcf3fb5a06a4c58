//! A PostgreSQL server for as long as a benchmark runs. It must not know what is asked of it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::measure::command_of;
use crate::command;
use crate::postgres::Postgres;

/// Where it listens.
pub const ADDRESS: &str = "127.0.0.1";
/// Who logs in, without a password, and into which database.
pub const USER: &str = "postgres";

/// Ends the server when the end of stdin says that the process that started it is gone.
const SUPERVISOR: &str = r#""$@" < /dev/null & server=$!; read -r _; kill -QUIT $server; wait $server"#;

/// A server that runs, and its files, which are removed with it.
pub struct Server {
    supervisor: Child,
    // Removed after the server has ended.
    _data: TempDir,
    psql: Vec<OsString>,
    port: u16,
}

impl Server {
    pub fn start(postgres: &Postgres) -> Result<Self> {
        let data = postgres.directory().context("cannot make a directory for a server")?;
        let mut initialize = postgres.program("initdb");
        initialize.args(["--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        command::output(initialize.arg("--username").arg(USER).arg("--pgdata").arg(data.path()))?;

        let port =
            TcpListener::bind((ADDRESS, 0)).and_then(|free| free.local_addr()).context("no port is free")?.port();
        let mut server = postgres.program("postgres");
        server.arg("-D").arg(data.path()).arg("-p").arg(port.to_string());
        for setting in ["unix_socket_directories=", "fsync=off", "autovacuum=off", "max_wal_size=4GB"] {
            server.args(["-c", setting]);
        }
        server.args(["-c", &format!("listen_addresses={ADDRESS}")]);
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR, "sh"]).args(words(&server));
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut supervisor = shell.spawn().context("cannot start a shell")?;
        let log = supervisor.stderr.take().context("a shell has no stderr")?;
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            let mut said = Vec::new();
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if line.contains("ready to accept connections") {
                    let _ = ready.send(Ok(()));
                    said.clear();
                } else if said.len() < 100 {
                    said.push(line);
                }
            }
            let _ = ready.send(Err(said.join("\n")));
        });

        let mut psql = postgres.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--host", ADDRESS, "--username", USER]);
        psql.arg("--port").arg(port.to_string());
        let started = Self { supervisor, _data: data, psql: words(&psql), port };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(started),
            Ok(Err(said)) => bail!("PostgreSQL does not start:\n{said}"),
            Err(_) => bail!("PostgreSQL does not start"),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The command line that runs SQL and prints what comes of it.
    pub fn psql(&self, sql: &str) -> Vec<OsString> {
        self.psql.iter().cloned().chain(["--command".into(), sql.into()]).collect()
    }

    /// Runs SQL.
    pub fn run(&self, sql: &str) -> Result<()> {
        command::output(&mut command_of(&self.psql(sql))?).map(|_| ())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

fn words(command: &Command) -> Vec<OsString> {
    [command.get_program()].into_iter().chain(command.get_args()).map(OsString::from).collect()
}
