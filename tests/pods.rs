//! As the platform runs a connector in a pod: a shell starts the words of AIRBYTE_ENTRYPOINT, with files in the working
//! directory for what goes in, named pipes for what comes out, and files again for how it ended.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Workspace, connector, dist, protocol, test_guest};

/// What the platform starts in place of an image's own entrypoint. COMMAND is a line with the connector's redirections.
const WRAPPER: &str = r#"
echo "Using AIRBYTE_ENTRYPOINT: $AIRBYTE_ENTRYPOINT"
(
    COMMAND
) &
connector=$!
(
    while [ ! -f TERMINATED ]; do
        sleep 1
    done
    kill $connector
) > /dev/null 2>&1 &
watcher=$!
wait $connector
code=$?
echo $code > code.unfinished
mv code.unfinished exitCode.txt
kill $watcher 2> /dev/null
exit $code
"#;

/// What the platform gives every container of a sync, as far as a connector could care.
pub const ENVIRONMENT: [(&str, &str); 8] = [
    ("WORKER_JOB_ID", "7"),
    ("WORKER_JOB_ATTEMPT", "0"),
    ("DEPLOYMENT_MODE", "OSS"),
    ("DATA_CHANNEL_MEDIUM", "STDIO"),
    ("DATA_CHANNEL_FORMAT", "JSONL"),
    ("USE_STREAM_CAPABLE_STATE", "true"),
    ("LOG_LEVEL", "info"),
    ("JAVA_OPTS", "-XX:+ExitOnOutOfMemoryError"),
];

/// Where pods run.
pub trait Place {
    /// The command that runs a script where the connector is. The workspace is its working directory, and `airbyte` below is the
    /// connector's /airbyte.
    fn command(&self, connector: &Path, workspace: &Workspace, script: &str) -> Command;

    /// Where the script finds the workspace.
    fn directory(&self, workspace: &Workspace) -> PathBuf {
        workspace.path().to_owned()
    }

    /// Makes a pipe the connector's own.
    fn give(&self, _pipe: &Path) {}
}

/// A shell of an image, and its PATH, where `sleep` and `mv` must be.
pub struct Shell {
    pub program: PathBuf,
    pub path: PathBuf,
}

impl Place for Shell {
    fn command(&self, connector: &Path, workspace: &Workspace, script: &str) -> Command {
        let airbyte = workspace.directory("airbyte");
        let mut command = Command::new(&self.program);
        command
            .args(["-c", script])
            .current_dir(workspace.path())
            .env_clear()
            .env("PATH", &self.path)
            .env("XDG_CACHE_HOME", dist().join("test-cache"))
            .env("AIRBYTE_ENTRYPOINT", workspace.entrypoint(connector, Some(&airbyte)))
            .envs(ENVIRONMENT);
        command
    }
}

/// A pod of one container, whose working directory is the workspace.
struct Pod<'a> {
    place: &'a dyn Place,
    connector: PathBuf,
    workspace: Workspace,
}

/// How a pod ended.
struct Ended {
    code: Option<i32>,
    /// What the platform reads from the named pipe, or from jobOutput.json.
    messages: Vec<Value>,
    /// What the connector said on stderr, which the platform shows as errors.
    stderr: String,
    /// What the container printed.
    printed: String,
    exit_code_file: String,
}

impl Ended {
    #[track_caller]
    fn expect_code(self, code: i32) -> Vec<Value> {
        assert_eq!(self.code, Some(code), "{}{:?}", self.stderr, self.messages);
        assert_eq!(self.exit_code_file.trim(), code.to_string());
        assert_eq!(self.stderr, "");
        assert!(self.printed.starts_with("Using AIRBYTE_ENTRYPOINT: /"), "{}", self.printed);
        self.messages
    }
}

impl<'a> Pod<'a> {
    fn new(place: &'a dyn Place, connector: &Path) -> Pod<'a> {
        Pod { place, connector: connector.to_owned(), workspace: Workspace::new() }
    }

    fn with(self, name: &str, content: &Value) -> Self {
        self.workspace.json(name, content);
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.workspace.path().join(name)
    }

    /// The same for the script.
    fn inside(&self, name: &str) -> String {
        self.place.directory(&self.workspace).join(name).display().to_string()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.place.command(&self.connector, &self.workspace, &WRAPPER.replace("COMMAND", line));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `spec`, `check` or `discover`: the platform reads a file once the container has ended.
    fn run(&self, command: &str) -> Ended {
        let config = self.inside("connectionConfiguration.json");
        let options = if command == "spec" { String::new() } else { format!("--config {config}") };
        let line = format!("eval \"$AIRBYTE_ENTRYPOINT {command} {options}\" > {}", self.inside("jobOutput.json"));
        let output = self.command(&line).output().expect("the shell starts");
        let printed = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let output_file = fs::read(self.file("jobOutput.json")).unwrap_or_default();
        self.ended(output.status, protocol::messages(&output_file), stderr, printed)
    }

    /// `read`: the platform reads named pipes.
    fn read(&self) -> Ended {
        let state = self.inside("inputState.json");
        let state = if self.file("inputState.json").is_file() { format!("--state {state}") } else { String::new() };
        self.sync(&format!("read {} {state}", self.sync_options()), "2> stderr > stdout", None, |_| true)
    }

    /// `write`: the platform writes to one as well.
    fn write(&self, input: &str) -> Ended {
        let command = format!("write {}", self.sync_options());
        self.sync(&command, "2> stderr > stdout < stdin", Some(input), |_| true)
    }

    fn sync_options(&self) -> String {
        format!("--config {} --catalog {}", self.inside("connectorConfig.json"), self.inside("catalog.json"))
    }

    /// `on_line` is told each line of stdout, and says whether to read on.
    fn sync(
        &self,
        command: &str,
        redirections: &str,
        input: Option<&str>,
        mut on_line: impl FnMut(&str) -> bool + Send,
    ) -> Ended {
        let pipes = ["stderr", "stdout", "stdin"].map(|name| self.file(name));
        assert!(Command::new("mkfifo").args(&pipes).status().expect("mkfifo starts").success());
        pipes.iter().for_each(|pipe| self.place.give(pipe));
        let line = format!("eval \"$AIRBYTE_ENTRYPOINT {command}\" {redirections}");
        let shell = self.command(&line).spawn().expect("the shell starts");
        let (opened, all_opened) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let (stdout, stderr, output) = thread::scope(|scope| {
            let [stderr, stdout, stdin] = &pipes;
            let on_line = &mut on_line;
            let platform = scope.spawn(move || {
                // The order in which the platform opens them: each waits for the connector's side.
                let mut stderr = File::open(stderr).unwrap();
                let stderr = scope.spawn(move || {
                    let mut text = String::new();
                    stderr.read_to_string(&mut text).unwrap();
                    text
                });
                let stdout = File::open(stdout).unwrap();
                let stdout = scope.spawn(move || {
                    let mut text = String::new();
                    let mut lines = BufReader::new(stdout);
                    let mut start = 0;
                    while lines.read_line(&mut text).unwrap() > 0 {
                        if !on_line(&text[start..]) {
                            // Nobody reads on, and the pipe stays open for as long as the container lives.
                            has_ended.recv().unwrap();
                            break;
                        }
                        start = text.len();
                    }
                    text
                });
                let stdin = input.map(|_| OpenOptions::new().write(true).open(stdin).unwrap());
                opened.send(()).unwrap();
                if let (Some(mut stdin), Some(input)) = (stdin, input) {
                    // It may end without reading it all.
                    let _ = stdin.write_all(input.as_bytes());
                }
                (stdout.join().unwrap(), stderr.join().unwrap())
            });
            let output = shell.wait_with_output().unwrap();
            // That nobody waits for it is the rule.
            let _ = ended.send(());
            // If the shell ended without opening them, the platform's side waits for ever: this lets it go on.
            let other_ends = pipes.each_ref().map(|pipe| OpenOptions::new().read(true).write(true).open(pipe).unwrap());
            all_opened.recv().unwrap();
            drop(other_ends);
            let (stdout, stderr) = platform.join().unwrap();
            (stdout, stderr, output)
        });
        let printed = String::from_utf8(output.stdout).unwrap();
        let stderr = stderr + &String::from_utf8(output.stderr).unwrap();
        self.ended(output.status, protocol::messages(stdout.as_bytes()), stderr, printed)
    }

    fn ended(&self, status: ExitStatus, messages: Vec<Value>, stderr: String, printed: String) -> Ended {
        let exit_code_file = fs::read_to_string(self.file("exitCode.txt")).unwrap_or_default();
        Ended { code: status.code(), messages, stderr, printed, exit_code_file }
    }
}

fn count(messages: &[Value], kind: &str) -> usize {
    messages.iter().filter(|message| message["type"] == kind).count()
}

/// Every command of a source and of a destination.
pub fn every_command_runs(place: &dyn Place) {
    let config = json!({"count": 50, "seed": 1, "records_per_slice": 20, "always_updated": false});
    let pod = || Pod::new(place, &connector("source-faker")).with("connectionConfiguration.json", &config);
    assert_eq!(count(&pod().run("spec").expect_code(0), "SPEC"), 1);
    assert_eq!(count(&pod().run("check").expect_code(0), "CONNECTION_STATUS"), 1);
    assert_eq!(count(&pod().run("discover").expect_code(0), "CATALOG"), 1);
    let wrong = pod().with("connectionConfiguration.json", &json!({"count": "many"}));
    let messages = wrong.run("check").expect_code(0);
    assert_eq!(messages[0]["connectionStatus"]["status"], "FAILED");

    let catalog = configured_catalog(&["users", "products"]);
    let source = || {
        let pod = Pod::new(place, &connector("source-faker"));
        pod.with("connectorConfig.json", &config).with("catalog.json", &catalog)
    };
    let read = source().read().expect_code(0);
    assert_eq!((count(&read, "RECORD"), count(&read, "STATE")), (100, 4));
    let states = read.iter().filter(|message| message["type"] == "STATE").map(|message| message["state"].clone());
    let again = source().with("inputState.json", &states.collect()).read().expect_code(0);
    assert_eq!(count(&again, "RECORD"), 0);

    let destination = Pod::new(place, &connector("destination-local-json"))
        .with("connectorConfig.json", &json!({"destination_path": "/local/out"}))
        .with("catalog.json", &catalog);
    let input: String = read.iter().map(|message| format!("{message}\n")).collect();
    let echoed = destination.write(&input).expect_code(0);
    assert_eq!(count(&echoed, "STATE"), 4);
    let written = fs::read_to_string(destination.file("airbyte/local/out/_airbyte_raw_users.jsonl")).unwrap();
    assert_eq!(written.lines().count(), 50);
}

/// What a connector that fails leaves for the platform.
pub fn a_failure_is_in_the_exit_code_and_on_stdout_alone(place: &dyn Place) {
    let catalog = configured_catalog(&["one"]);
    let source = Pod::new(place, &test_guest("source-fails"))
        .with("connectorConfig.json", &json!({"from": "read", "kind": "config_error"}))
        .with("catalog.json", &catalog);
    let messages = source.read().expect_code(1);
    let errors: Vec<&Value> = messages.iter().filter(|message| message["trace"]["type"] == "ERROR").collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["trace"]["error"]["failure_type"], "config_error");
    assert_eq!(count(&messages, "RECORD"), 3);

    // The platform goes on writing for as long as the pipe takes it.
    let destination = Pod::new(place, &connector("destination-local-json"))
        .with("connectorConfig.json", &json!({"destination_path": "/local/out"}))
        .with("catalog.json", &catalog);
    let rest: String = (2..50_000).map(|number| record_line("one", number)).collect();
    let input = record_line("unheard-of", 1) + &state_line("one", 1) + &rest + &status_line("one", "COMPLETE");
    let messages = destination.write(&input).expect_code(1);
    assert_eq!((count(&messages, "STATE"), count(&messages, "TRACE")), (0, 1));
}

/// A sync that is cancelled: the shell goes, the connector is orphaned, and nobody reads its stdout any more. Gives what the
/// connector said on stderr, if it lived long enough: with the first process of a container all end.
pub fn a_cancelled_sync_ends(place: &dyn Place) -> String {
    let source = Pod::new(place, &test_guest("source-endless"))
        .with("connectorConfig.json", &json!({}))
        .with("catalog.json", &configured_catalog(&["one"]));
    let terminated = source.file("TERMINATED");
    let mut records = 0;
    let ended = source.sync(&format!("read {}", source.sync_options()), "2> stderr > stdout", None, |line| {
        records += usize::from(line.starts_with(r#"{"type":"RECORD""#));
        if records == 10 {
            File::create(&terminated).unwrap();
        }
        records < 10
    });
    // That `sync` returned shows that the connector ended: its stderr was read to the end.
    assert_eq!((ended.code, ended.exit_code_file.trim()), (Some(143), "143"));
    assert_eq!(count(&ended.messages, "RECORD"), 10);
    ended.stderr
}

/// Without a container around it, the connector says why it ends.
#[track_caller]
pub fn check_orphan(stderr: &str) {
    assert!(stderr.contains("stdout can not be written to any more"), "{stderr}");
}

/// The shell of the machine, often dash.
fn sh() -> Shell {
    Shell { program: "/bin/sh".into(), path: "/usr/bin:/bin".into() }
}

#[test]
fn every_command_runs_in_sh() {
    every_command_runs(&sh());
}

#[test]
fn a_failure_is_told_in_sh() {
    a_failure_is_in_the_exit_code_and_on_stdout_alone(&sh());
}

#[test]
fn a_cancelled_sync_ends_in_sh() {
    check_orphan(&a_cancelled_sync_ends(&sh()));
}
