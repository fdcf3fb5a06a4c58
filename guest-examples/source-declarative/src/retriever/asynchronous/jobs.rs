//! The jobs of a stream: how many run at once, when they are looked at, and which are tried again. What the CDK's AsyncJobOrchestrator
//! does. Knows nothing of requests.

use std::time::Duration;

use airlock_sdk::{Failure, FailureKind, Result, system_error};

use super::job::Job;
use super::status::JobStatus;
use super::{Going, PreparedAsyncRetriever, TakeSlice};
use crate::stream_slice::StreamSlice;

/// Between two looks at what has become of jobs.
const WAIT: Duration = Duration::from_secs(5);

/// So often a slice is tried.
const MAX_ATTEMPTS: u32 = 3;

pub struct Jobs<'r, 's> {
    retriever: &'r PreparedAsyncRetriever<'s>,
    /// How many may run at once.
    most: usize,
    running: Vec<Job>,
    created: u64,
    /// Whether jobs have just been looked at, so that it is to be waited before anything else is done.
    must_wait: bool,
    has_failed: bool,
}

impl<'r, 's> Jobs<'r, 's> {
    pub fn new(retriever: &'r PreparedAsyncRetriever<'s>, most: usize) -> Self {
        Jobs { retriever, most, running: Vec::new(), created: 0, must_wait: false, has_failed: false }
    }

    /// Begins a job for a slice, when there is room for one. Slices whose jobs are done in the meantime are given.
    pub fn add(&mut self, slice: StreamSlice, take: TakeSlice<'_>) -> Result<Going> {
        while self.running.len() >= self.most {
            if self.look(take)? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        self.wait()?;
        let job = self.begin(slice, 1)?;
        self.running.push(job);
        Ok(Going::On)
    }

    /// Gives the slices of all jobs that are not done yet.
    pub fn finish(mut self, take: TakeSlice<'_>) -> Result<Going> {
        while !self.running.is_empty() {
            if self.look(take)? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        match self.has_failed {
            false => Ok(Going::On),
            true => Err(system_error("One or more async jobs failed after exhausting all retry attempts.")),
        }
    }

    /// Something went wrong that is told when the other jobs are done. A failure of the config ends all of them now.
    pub fn fail(&mut self, failure: Failure) -> Result<()> {
        if failure.interruption().is_some() {
            return Err(failure);
        }
        if failure.kind == FailureKind::ConfigError {
            for job in std::mem::take(&mut self.running) {
                if matches!(job.status(), JobStatus::Running | JobStatus::TimedOut) {
                    self.abort(&job);
                }
            }
            return Err(failure);
        }
        log::error!("{}", failure.message);
        self.has_failed = true;
        Ok(())
    }

    /// Lets the time pass that there must be between two looks. Those that failed go before new ones.
    fn wait(&mut self) -> Result<()> {
        if std::mem::take(&mut self.must_wait) {
            airlock_sdk::wait(WAIT)?;
            self.begin_failed_again()?;
        }
        Ok(())
    }

    /// Looks at each job once.
    fn look(&mut self, take: TakeSlice<'_>) -> Result<Going> {
        self.wait()?;
        self.must_wait = true;
        self.poll()?;
        let mut failed = Vec::new();
        let mut running = Vec::new();
        for job in std::mem::take(&mut self.running) {
            match job.status() {
                JobStatus::Completed => {
                    let slice = self.retriever.completed(job);
                    match take(&slice) {
                        Ok(Going::On) => {}
                        ended => return ended,
                    }
                }
                JobStatus::Skipped => log::info!("A job says that there is nothing to be read for its slice."),
                JobStatus::Running => running.push(job),
                status => {
                    if status == JobStatus::TimedOut {
                        self.abort(&job);
                    }
                    if job.attempt < MAX_ATTEMPTS {
                        failed.insert(0, job);
                    } else {
                        let told = if status == JobStatus::Failed { "failed" } else { "was not done in time" };
                        self.has_failed = true;
                        log::error!(
                            "A job {told}, and so did those before it for the same slice: it is not tried any more."
                        );
                    }
                }
            }
        }
        // Those that failed come first.
        failed.append(&mut running);
        self.running = failed;
        Ok(Going::On)
    }

    fn begin_failed_again(&mut self) -> Result<()> {
        for index in 0..self.running.len() {
            let Some(job) = self.running.get_mut(index) else { continue };
            if !matches!(job.status(), JobStatus::Failed | JobStatus::TimedOut) {
                continue;
            }
            if let (Some(wait), JobStatus::Failed, true) = (self.retriever.retry_wait, job.status(), job.was_created())
            {
                let now = airlock_sdk::time();
                if job.retry_at.is_none() {
                    log::info!("A job failed. It is tried again in {} seconds.", wait.as_secs());
                }
                let retry_at = *job.retry_at.get_or_insert(now + wait);
                if now < retry_at {
                    continue;
                }
            }
            let (slice, attempt) = (job.slice.clone(), job.attempt + 1);
            let again = self.begin(slice, attempt)?;
            if let Some(job) = self.running.get_mut(index) {
                *job = again;
            }
        }
        Ok(())
    }

    /// A job that can not be begun is one that failed.
    fn begin(&mut self, slice: StreamSlice, attempt: u32) -> Result<Job> {
        self.created += 1;
        match self.retriever.create(&slice) {
            Ok(response) => Ok(Job::created(self.created, slice, attempt, response, self.retriever.timeout)),
            Err(failure) if failure.interruption().is_some() || failure.kind == FailureKind::ConfigError => {
                self.fail(failure).map(|()| Job::failed(self.created, slice, attempt))
            }
            Err(failure) => {
                log::error!("A job could not be begun: {}", failure.message);
                Ok(Job::failed(self.created, slice, attempt))
            }
        }
    }

    fn poll(&mut self) -> Result<()> {
        let mut index = 0;
        while let Some(job) = self.running.get_mut(index) {
            index += 1;
            if job.status() != JobStatus::Running {
                continue;
            }
            match self.retriever.poll(job) {
                Ok(status) => job.update(status),
                // The CDK asks on and on until the job is late, and fails then. Nothing is known of the job any more.
                Err(failure) => {
                    index -= 1;
                    let job = self.running.remove(index);
                    if failure.interruption().is_none() {
                        self.abort(&job);
                    }
                    self.fail(failure)?;
                }
            }
        }
        Ok(())
    }

    fn abort(&self, job: &Job) {
        if let Err(failure) = self.retriever.abort(job) {
            log::warn!("A job could not be ended: {}", failure.message);
        }
    }
}
