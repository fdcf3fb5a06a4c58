//! The script of the platform's pods inside an image: its shell, its programs, its user.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::container::{Container, Engine, give};
use crate::harness::Workspace;
use crate::pods::{self, ENVIRONMENT, Place};

/// The volume that the platform's own containers share with the connector's.
const VOLUME: &str = "/source";

/// Pods in an engine.
struct Pods<'a>(&'a dyn Engine);

impl Place for Pods<'_> {
    fn command(&self, connector: &Path, workspace: &Workspace, script: &str) -> Command {
        let mut container = Container::of(connector)
            .script(script)
            .mount_writable(workspace.path(), VOLUME)
            // In a pod it goes with the container; here it is looked into.
            .mount_writable(&workspace.directory("airbyte"), "/airbyte")
            .with_writable_root();
        container.directory = Some(VOLUME.to_owned());
        container.environment = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        self.0.command(&container)
    }

    fn directory(&self, _: &Workspace) -> PathBuf {
        VOLUME.into()
    }

    fn give(&self, pipe: &Path) {
        give(pipe);
    }
}

pub fn run(engine: &dyn Engine) {
    let pods = Pods(engine);
    pods::every_command_runs(&pods);
    pods::a_failure_is_in_the_exit_code_and_on_stdout_alone(&pods);
    pods::a_cancelled_sync_ends(&pods);
}
