//! busybox, which is all that a small image has: the shell of the platform's pods, and the programs that it calls.

use std::os::unix::fs::symlink;

use super::fetched;
use crate::harness::Workspace;
use crate::pods::{self, Shell};

/// An image's programs: busybox under the names that are called, and nothing else.
fn busybox(workspace: &Workspace) -> Shell {
    let programs = workspace.directory("bin");
    for name in ["sh", "sleep", "mv"] {
        symlink(fetched("AIRLOCK_BUSYBOX"), programs.join(name)).expect("a link");
    }
    Shell { program: programs.join("sh"), path: programs }
}

#[test]
fn pods_run_and_end_in_busybox() {
    let workspace = Workspace::new();
    let shell = busybox(&workspace);
    pods::every_command_runs(&shell);
    pods::a_failure_is_in_the_exit_code_and_on_stdout_alone(&shell);
    pods::check_orphan(&pods::a_cancelled_sync_ends(&shell));
}
