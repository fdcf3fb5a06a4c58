//! Airbyte's declarative CDK, kept running by `cdk.py`: it reads and resolves manifests, and runs commands as
//! `source-declarative-manifest` does. It must not know what is compared.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::airbyte_clients::script_at;
use crate::harness::Workspace;

pub struct Cdk {
    child: Child,
    jobs: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _workspace: Workspace,
}

impl Cdk {
    pub fn start() -> Cdk {
        let workspace = Workspace::new();
        let mut command = script_at("declarative/cdk.py", &workspace);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let jobs = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it was asked for"));
        Cdk { child, jobs, answers, _workspace: workspace }
    }

    /// One job; an error is what the CDK raised.
    fn ask(&mut self, job: &Value) -> Result<Value, String> {
        let jobs = self.jobs.as_mut().expect("it is open until the end");
        writeln!(jobs, "{job}").and_then(|()| jobs.flush()).expect("the CDK listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the CDK answers");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }

    /// What stands in a YAML file.
    pub fn load(&mut self, path: &Path) -> Result<Value, String> {
        self.ask(&json!({"work": "load", "path": path})).map(|mut answer| answer["value"].take())
    }

    /// The manifest of a package's folder, with the files beside it put in.
    pub fn package(&mut self, folder: &Path) -> Result<Value, String> {
        self.ask(&json!({"work": "package", "folder": folder})).map(|mut answer| answer["manifest"].take())
    }

    /// The manifest without references, and with values for templates that need the config only.
    pub fn resolve(&mut self, manifest: &Value, config: &Value) -> Result<Value, String> {
        let job = json!({"work": "resolve", "manifest": manifest, "config": config});
        self.ask(&job).map(|mut answer| answer["manifest"].take())
    }

    /// Runs a command in a directory, where its stdout and stderr are left as files; its exit code.
    pub fn command(&mut self, directory: &Path, manifest: &Value, arguments: &[String]) -> Result<i32, String> {
        let job = json!({"work": "command", "directory": directory, "manifest": manifest, "arguments": arguments});
        self.ask(&job).map(|answer| answer["code"].as_i64().unwrap_or(-1) as i32)
    }
}

impl Drop for Cdk {
    fn drop(&mut self) {
        self.jobs.take();
        let _ = self.child.wait();
    }
}
