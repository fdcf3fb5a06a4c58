//! PostgreSQL on loopback: one server that all tests share, with a database for each, and servers of a test's own where it
//! changes the server. They end with the process of the tests, however that ends.
//!
//! They need what `cargo xtask clients` finds or fetches; tests of it are left out by `--skip _postgres::`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::thread;

use serde_json::{Value, json};

/// Owns the databases of tests, and is what connectors log in as. It has to show a password, by SCRAM.
pub const USER: &str = "airbyte";
/// What may not be seen, of every user that has one.
pub const PASSWORD: &str = "a-word-nobody-guesses";
/// Shows its password by MD5.
pub const MD5_USER: &str = "md5_user";
/// Shows its password in the clear.
pub const CLEAR_USER: &str = "clear_user";
/// There is one, but no entry in pg_hba.conf lets it in.
pub const REFUSED_USER: &str = "refused_user";
/// The superuser needs no password.
const ADMINISTRATOR: &str = "postgres";

/// Who may come in, and how, in a server's pg_hba.conf.
const ACCESS: &str = "\
    host all postgres 127.0.0.1/32 trust\n\
    host all md5_user 127.0.0.1/32 md5\n\
    host all clear_user 127.0.0.1/32 password\n\
    host all airbyte,+airbyte,no_such_user 127.0.0.1/32 scram-sha-256\n";

/// For tests, which lose nothing when the machine goes down.
const SETTINGS: &str = "\
    listen_addresses = '127.0.0.1'\n\
    unix_socket_directories = ''\n\
    fsync = off\n\
    full_page_writes = off\n\
    max_connections = 50\n\
    shared_buffers = 64MB\n\
    max_wal_size = 256MB\n\
    autovacuum = off\n\
    log_min_messages = log\n";

/// A user that is nobody else on any system.
const NOBODY: u32 = 65534;

/// Ends the server and removes its files when the process of the tests is gone, and with it the other end of stdin, or when it
/// is told so there.
const SUPERVISOR: &str = r#"
trap '' INT
"$@" < /dev/null &
server=$!
exec 2> /dev/null # only the server holds the pipe: it ends with it
read -r wish
kill -QUIT $server
wait $server
[ "$wish" = keep ] || rm -rf "$0"
"#;

/// Where PostgreSQL's programs are.
#[track_caller]
fn programs() -> PathBuf {
    let Some(programs) = std::env::var_os("AIRLOCK_POSTGRES").map(PathBuf::from) else {
        panic!(
            "AIRLOCK_POSTGRES is not set: run the tests by `cargo xtask test`, or after `eval \"$(cargo xtask clients)\"`, \
             or without a database: `cargo test … -- --skip _postgres::`"
        );
    };
    assert!(programs.join("postgres").exists(), "{} has no PostgreSQL: run `cargo xtask clients`", programs.display());
    programs
}

/// One of them, as a user that it runs as.
fn program(name: &str) -> Command {
    let program = programs().join(name);
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    // It refuses to run as root.
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}")).arg("--clear-groups");
    command.arg("--").arg(program);
    command
}

/// Gives a file to the user that servers run as. They want theirs unread by others.
fn give(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

/// A new directory of the servers' user.
fn data_directory() -> PathBuf {
    let directory =
        tempfile::Builder::new().prefix("airlock-postgres-").tempdir().expect("a temporary directory").keep();
    give(&directory, 0o700);
    directory
}

fn write(data: &Path, name: &str, content: &str) {
    fs::write(data.join(name), content).expect("written");
    give(&data.join(name), 0o600);
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A program that ends, and whose directory is removed, with the process of the tests.
struct Supervised {
    supervisor: Child,
    wishes: Option<ChildStdin>,
    directory: PathBuf,
}

impl Supervised {
    fn start(program: &Command, directory: PathBuf) -> Supervised {
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR]).arg(&directory).arg(program.get_program()).args(program.get_args());
        let started = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut supervisor = started.expect("there is a shell");
        let wishes = supervisor.stdin.take();
        Supervised { supervisor, wishes, directory }
    }

    /// Ends the program at once. Its directory stays if it is to be kept.
    fn stop(&mut self, keep: bool) {
        if let Some(mut wishes) = self.wishes.take() {
            let _ = wishes.write_all(if keep { b"keep\n" } else { b"\n" });
        }
        let _ = self.supervisor.wait();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop(false);
    }
}

/// Data that servers start from. They are made once, for that takes a second.
static PRISTINE: LazyLock<Supervised> = LazyLock::new(|| {
    let data = data_directory();
    let mut initialize = program("initdb");
    initialize.args(["--no-sync", "--no-instructions", "--wal-segsize=1", "--username", ADMINISTRATOR]);
    initialize.args(["--auth", "reject", "--encoding", "UTF8", "--locale", "C.UTF-8", "--pgdata"]).arg(&data);
    succeed(&mut initialize);
    write(&data, "postgresql.conf", SETTINGS);
    let mut users = String::new();
    for (user, encryption) in
        [(USER, "scram-sha-256"), (CLEAR_USER, "scram-sha-256"), (REFUSED_USER, "scram-sha-256"), (MD5_USER, "md5")]
    {
        users +=
            &format!("SET password_encryption = '{encryption}';\nCREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}';\n");
    }
    let mut single = program("postgres");
    single.args(["--single", "-D"]).arg(&data).arg("postgres");
    let mut single =
        single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    single.stdin.take().expect("it was asked for").write_all(users.as_bytes()).expect("it reads");
    assert!(single.wait().expect("it ends").success());
    Supervised::start(&Command::new("true"), data)
});

static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(&Options::default()));

/// What makes a server another one than the shared one.
#[derive(Default)]
pub struct Options<'a> {
    /// More lines of postgresql.conf.
    pub settings: &'a str,
    /// Lines of pg_hba.conf before those that all servers have.
    pub access: &'a str,
    /// Files beside them: name and content.
    pub files: &'a [(&'a str, &'a str)],
}

/// A server that runs.
pub struct Server {
    supervised: Supervised,
    port: u16,
    log: Arc<Mutex<String>>,
    databases: AtomicUsize,
}

impl Server {
    /// The one that all tests share: whoever changes more of it than a database starts another.
    #[track_caller]
    pub fn shared() -> &'static Server {
        // Each test is to say why, and not only the first.
        programs();
        &SHARED
    }

    /// A server of the test's own. It ends when it is dropped.
    pub fn start(options: &Options) -> Server {
        let data = data_directory();
        succeed(Command::new("cp").arg("-a").arg(PRISTINE.directory.join(".")).arg(&data));
        write(&data, "pg_hba.conf", &format!("{}\n{ACCESS}", options.access));
        write(&data, "postgresql.conf", &format!("{SETTINGS}{}\n", options.settings));
        for (name, content) in options.files {
            write(&data, name, content);
        }
        Server::launch(data, free_port())
    }

    fn launch(data: PathBuf, port: u16) -> Server {
        let mut server = program("postgres");
        server.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        let mut supervised = Supervised::start(&server, data);
        let stderr = BufReader::new(supervised.supervisor.stderr.take().expect("it was asked for"));
        let log = Arc::new(Mutex::new(String::new()));
        let (ready, is_ready) = mpsc::channel();
        let kept = log.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains("ready to accept connections") {
                    let _ = ready.send(());
                }
                *kept.lock().expect("nobody panics while it holds it") += &(line + "\n");
            }
        });
        let server = Server { supervised, port, log, databases: AtomicUsize::new(0) };
        assert!(is_ready.recv().is_ok(), "the server does not start: {}", server.log());
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panics while it holds it").clone()
    }

    /// Ends it at once, with all connections.
    pub fn stop(&mut self) {
        self.supervised.stop(true);
    }

    /// Starts it again where it was, with what it had.
    pub fn start_again(&mut self) {
        self.stop();
        let data = std::mem::take(&mut self.supervised.directory);
        *self = Server::launch(data, self.port);
    }

    /// A new database of this server, which belongs to [`USER`].
    pub fn database(&self) -> Database<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        self.database_with(&format!("test_{number}"), "")
    }

    /// One of this name, and made in this way.
    pub fn database_with(&self, name: &str, how: &str) -> Database<'_> {
        let administration = Database::of(self, ADMINISTRATOR);
        let quoted = name.replace('"', "\"\"");
        administration.administrate(&format!("CREATE DATABASE \"{quoted}\" OWNER {USER} {how}"));
        Database::of(self, name)
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// A database of a server.
pub struct Database<'a> {
    server: &'a Server,
    name: String,
}

impl<'a> Database<'a> {
    /// One that is there.
    pub fn of(server: &'a Server, name: &str) -> Database<'a> {
        Database { server, name: name.to_owned() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL as the owner, each statement by itself. What it prints is what comes back.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.run(USER, sql)
    }

    /// Runs SQL as the superuser.
    #[track_caller]
    pub fn administrate(&self, sql: &str) -> String {
        self.run(ADMINISTRATOR, sql)
    }

    #[track_caller]
    fn run(&self, user: &str, sql: &str) -> String {
        let mut psql = self.psql(user);
        let mut psql =
            psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stdin = psql.stdin.take().expect("it was asked for");
        let input = sql.to_owned();
        let writer = thread::spawn(move || {
            // It stops at an error: that is told below.
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = psql.wait_with_output().expect("it ends");
        writer.join().expect("the writer does not panic");
        let shown: String = sql.chars().take(500).collect();
        assert!(output.status.success(), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// A psql that takes SQL on stdin, and prints nothing but values.
    pub fn psql(&self, user: &str) -> Command {
        let mut psql = program("psql");
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--set",
            "ON_ERROR_STOP=1",
            "--host",
            "127.0.0.1",
        ]);
        psql.arg("--port")
            .arg(self.server.port.to_string())
            .arg("--username")
            .arg(user)
            .arg("--dbname")
            .arg(&self.name);
        psql.env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "prefer").env("PGOPTIONS", "-c client_min_messages=warning");
        psql
    }

    /// The rows of a query, each value as PostgreSQL writes it, none for NULL.
    #[track_caller]
    pub fn rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let text = self.sql(&format!("SET TimeZone = 'UTC'; COPY ({query}) TO STDOUT;"));
        text.split_terminator('\n').map(|line| line.split('\t').map(copied).collect()).collect()
    }

    /// The first value of a query.
    #[track_caller]
    pub fn value(&self, query: &str) -> String {
        self.rows(query).first().and_then(|row| row.first().cloned().flatten()).expect("a value")
    }

    /// A configuration of source-postgres and of destination-postgres that may read and write it.
    pub fn config(&self) -> Value {
        json!({
            "host": "127.0.0.1", "port": self.server.port(), "database": self.name, "username": USER, "password": PASSWORD,
            "ssl_mode": {"mode": "disable"}, "tunnel_method": {"tunnel_method": "NO_TUNNEL"},
        })
    }
}

/// A value in COPY's text format.
fn copied(value: &str) -> Option<String> {
    if value == "\\N" {
        return None;
    }
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next().expect("a backslash is followed by something") {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                other => other,
            },
            other => other,
        });
    }
    Some(text)
}
