//! What the API calls the states of a job: the language's AsyncJobStatusMap. Knows nothing of what follows from them.

use std::collections::HashMap;

use crate::manifest::{self, FromManifest, Node};

/// What may become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    Running,
    Completed,
    Failed,
    TimedOut,
    /// There is nothing to be read.
    Skipped,
}

/// The language's AsyncJobStatusMap.
#[derive(Debug)]
pub struct StatusMapping(HashMap<String, JobStatus>);

impl FromManifest for StatusMapping {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let mut mapping = HashMap::new();
        for (name, status) in [
            ("running", JobStatus::Running),
            ("completed", JobStatus::Completed),
            ("failed", JobStatus::Failed),
            ("timeout", JobStatus::TimedOut),
            ("skipped", JobStatus::Skipped),
        ] {
            let Some(told) = component.field(name) else {
                match status {
                    JobStatus::Skipped => continue,
                    _ => return Err(node.invalid(format!("lacks the field {name}: a list, if it is an empty one"))),
                }
            };
            for told in told.elements()? {
                if mapping.insert(told.read()?, status).is_some() {
                    return Err(told.invalid("stands for two states of a job, and may stand for one only"));
                }
            }
        }
        component.finish();
        Ok(StatusMapping(mapping))
    }
}

impl StatusMapping {
    pub fn get(&self, told: &str) -> Option<JobStatus> {
        self.0.get(told).copied()
    }
}
