//! A job of the API's, from its begin to its end. Knows nothing of other jobs.

use std::time::{Duration, SystemTime};

use airlock_sdk::{Result, system_error};

use super::context;
use super::status::JobStatus;
use crate::requester::HttpResponse;
use crate::stream_slice::StreamSlice;

/// A job, which does what is to be done for one slice.
#[derive(Debug)]
pub struct Job {
    /// Which one of the stream's it is.
    pub number: u64,
    pub slice: StreamSlice,
    /// The how manyeth for its slice it is, from 1 on.
    pub attempt: u32,
    /// None where the API did not even begin with it.
    creation: Option<HttpResponse>,
    /// What the API answered when it was done.
    completion: Option<HttpResponse>,
    status: JobStatus,
    /// When it must be done.
    ends: Option<SystemTime>,
    /// When it may be tried again.
    pub retry_at: Option<SystemTime>,
}

impl Job {
    pub fn created(number: u64, slice: StreamSlice, attempt: u32, creation: HttpResponse, timeout: Duration) -> Self {
        Job {
            number,
            slice,
            attempt,
            creation: Some(creation),
            completion: None,
            status: JobStatus::Running,
            ends: airlock_sdk::time().checked_add(timeout),
            retry_at: None,
        }
    }

    /// A job that could not be begun: it is tried again as one that failed.
    pub fn failed(number: u64, slice: StreamSlice, attempt: u32) -> Self {
        let (creation, completion) = (None, None);
        Job { number, slice, attempt, creation, completion, status: JobStatus::Failed, ends: None, retry_at: None }
    }

    pub fn status(&self) -> JobStatus {
        let is_late = self.ends.is_some_and(|ends| airlock_sdk::time() > ends);
        if is_late { JobStatus::TimedOut } else { self.status }
    }

    pub fn update(&mut self, status: JobStatus) {
        if status != JobStatus::Running && self.status() != JobStatus::TimedOut {
            self.ends = None;
        }
        self.status = status;
    }

    pub fn was_created(&self) -> bool {
        self.creation.is_some()
    }

    pub fn complete(&mut self, response: HttpResponse) {
        self.completion = Some(response);
    }

    pub fn creation(&self) -> Result<&HttpResponse> {
        self.creation.as_ref().ok_or_else(|| system_error("A job was never begun."))
    }

    pub fn completion(&self) -> Result<&HttpResponse> {
        self.completion.as_ref().ok_or_else(|| system_error("A job is not done."))
    }

    /// The slice in which a template finds what the API answered when the job was begun.
    pub fn slice_with_creation(&self) -> Result<StreamSlice> {
        let mut slice = self.slice.clone();
        slice.extra_fields.insert("creation_response".to_owned(), context(self.creation()?)?);
        Ok(slice)
    }
}
