//! Records that an API prepares in the background: the language's AsyncRetriever. A job for each slice, whose results are downloaded when
//! it is done. Knows nothing of how many jobs run and when they are looked at.

mod job;
mod jobs;
mod old_names;
mod status;

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use airlock_sdk::http::Records;
use airlock_sdk::{Result, system_error};
use serde_json::{Value, json};

use super::simple::PreparedSimpleRetriever;
use super::{Going, SimpleRetriever, SliceReader, TakeSlice};
use crate::decoders::Decoder;
use crate::manifest::{self, Component, FromManifest, Node, Object};
use crate::pagination::Paginator;
use crate::partition_routing::PartitionRouter;
use crate::record::Record;
use crate::record_selection::{PreparedExtractor, PreparedSelector, RecordExtractor, RecordRules, RecordSelector};
use crate::request_options::RequestOptions;
use crate::requester::{HttpRequester, HttpResponse, Outcome};
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use crate::template::{Scope, Template, python_int, python_text};
use job::Job;
use jobs::Jobs;
use status::{JobStatus, StatusMapping};

/// The language's AsyncRetriever.
#[derive(Debug)]
pub struct AsyncRetriever {
    /// None for one partition.
    pub partition_router: Option<PartitionRouter>,
    record_selector: RecordSelector,
    decoder: Decoder,
    status_extractor: RecordExtractor,
    status_mapping: StatusMapping,
    download_target_extractor: Option<RecordExtractor>,
    creation_requester: HttpRequester,
    polling_requester: HttpRequester,
    download_target_requester: Option<HttpRequester>,
    abort_requester: Option<HttpRequester>,
    delete_requester: Option<HttpRequester>,
    download: SimpleRetriever,
    /// In minutes.
    polling_job_timeout: Option<Template>,
    /// In seconds.
    failed_retry_wait_time: Option<Template>,
}

impl FromManifest for AsyncRetriever {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        match old_names::renamed(node)? {
            Some(renamed) => AsyncRetriever::of_present_names(&Node { value: &renamed, ..node.clone() }),
            None => AsyncRetriever::of_present_names(node),
        }
    }
}

impl AsyncRetriever {
    fn of_present_names(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let retriever = AsyncRetriever {
            partition_router: PartitionRouter::of_retriever(&component)?,
            record_selector: component.required("record_selector")?,
            decoder: component.optional("decoder")?.unwrap_or_default(),
            status_extractor: component.required("status_extractor")?,
            status_mapping: component.required("status_mapping")?,
            download_target_extractor: component.optional("download_target_extractor")?,
            creation_requester: needed(requester(&component, "creation_requester")?, node, "creation_requester")?,
            polling_requester: needed(requester(&component, "polling_requester")?, node, "polling_requester")?,
            download_target_requester: requester(&component, "download_target_requester")?,
            abort_requester: requester(&component, "abort_requester")?,
            delete_requester: requester(&component, "delete_requester")?,
            download: download(&component)?,
            polling_job_timeout: component.optional("polling_job_timeout")?,
            failed_retry_wait_time: component.optional("failed_retry_wait_time_in_seconds")?,
        };
        if retriever.download_target_requester.is_some() && retriever.download_target_extractor.is_none() {
            return Err(node.invalid("has a download_target_requester and lacks a download_target_extractor"));
        }
        component.finish();
        Ok(retriever)
    }
}

fn requester(component: &Component<'_>, name: &'static str) -> manifest::Result<Option<HttpRequester>> {
    let Some(field) = component.field(name) else { return Ok(None) };
    let requester: HttpRequester = field.read()?;
    if requester.properties().is_some() {
        return Err(field.unsupported("asks for QueryProperties, which is not supported in an AsyncRetriever"));
    }
    requester.refuse_actions_of_pages(&field)?;
    Ok(Some(requester))
}

fn needed(requester: Option<HttpRequester>, node: &Node<'_>, name: &str) -> manifest::Result<HttpRequester> {
    requester.ok_or_else(|| node.invalid(format!("lacks the field {name}")))
}

/// What reads the results of a job.
fn download(component: &Component<'_>) -> manifest::Result<SimpleRetriever> {
    let node = &component.node;
    let requester = needed(requester(component, "download_requester")?, node, "download_requester")?;
    let decoder: Decoder = component.optional("download_decoder")?.unwrap_or_default();
    let paginator: Paginator = component.optional("download_paginator")?.unwrap_or_default();
    if paginator.is_default() && !decoder.is_for_pagination() {
        return Err(node.invalid("has a download_paginator and a download_decoder that goes with none"));
    }
    let Some(extractor) = component.field("download_extractor") else {
        return Ok(SimpleRetriever::of_downloads(requester, RecordExtractor::of_whole_bodies(), decoder, paginator));
    };
    if extractor.component()?.kind() != "ResponseToFileExtractor" {
        return Ok(SimpleRetriever::of_downloads(requester, extractor.read()?, decoder, paginator));
    }
    if paginator.is_default() {
        return Err(extractor.unsupported("stands beside a download_paginator, which is not supported"));
    }
    let file = Decoder::CsvFile(extractor.read()?);
    Ok(SimpleRetriever::of_downloads(requester, RecordExtractor::of_whole_bodies(), file, paginator))
}

impl AsyncRetriever {
    pub fn prepare<'s>(&'s self, session: &'s Session, rules: &RecordRules<'s>) -> Result<PreparedAsyncRetriever<'s>> {
        // Of a cursor, this retriever knows the slices only.
        let rules = RecordRules { is_client_side_incremental: false, is_data_feed: false, ..*rules };
        let target_extractor = self.download_target_extractor.as_ref();
        let retry_wait = whole_number(self.failed_retry_wait_time.as_ref(), session)?;
        if retry_wait.is_some_and(|seconds| seconds < 1) {
            return Err(system_error("The failed_retry_wait_time_in_seconds of an AsyncRetriever must be 1 or more."));
        }
        let minutes = whole_number(self.polling_job_timeout.as_ref(), session)?.filter(|minutes| *minutes != 0);
        Ok(PreparedAsyncRetriever {
            retriever: self,
            session,
            selector: self.record_selector.prepare(session, &rules)?,
            status_extractor: self.status_extractor.prepare(session)?,
            download_target_extractor: target_extractor.map(|extractor| extractor.prepare(session)).transpose()?,
            download: self.download.prepare(session, &RecordRules::default())?,
            timeout: Duration::from_secs(u64::try_from(minutes.unwrap_or(60)).unwrap_or(0).saturating_mul(60)),
            retry_wait: retry_wait.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs),
            completed: RefCell::default(),
        })
    }
}

/// The number that a template comes to. None where there is none, or where it is 0 in the manifest itself.
fn whole_number(template: Option<&Template>, session: &Session) -> Result<Option<i64>> {
    let Some(template) = template.filter(|template| *template.source() != 0 && *template.source() != "") else {
        return Ok(None);
    };
    let value = template.evaluate(&session.scope)?;
    let number = value.as_i64().or_else(|| Some(value.as_f64()?.trunc() as i64));
    let number = number.or_else(|| i64::try_from(python_int(value.as_str()?)?).ok());
    number.map(Some).ok_or_else(|| {
        system_error(format!("{} comes to {}, and must come to a whole number.", template.path(), python_text(&value)))
    })
}

/// An AsyncRetriever made ready for the slices of a stream.
#[derive(Debug)]
pub struct PreparedAsyncRetriever<'s> {
    retriever: &'s AsyncRetriever,
    session: &'s Session,
    selector: PreparedSelector<'s>,
    status_extractor: PreparedExtractor<'s>,
    download_target_extractor: Option<PreparedExtractor<'s>>,
    download: PreparedSimpleRetriever<'s>,
    /// How long a job may run.
    timeout: Duration,
    /// How long a job that failed waits until it is tried again.
    retry_wait: Option<Duration>,
    /// Jobs that are done and whose results have not been read, by the slices that were given for them.
    completed: RefCell<HashMap<u64, Job>>,
}

/// What a slice has in it that a job has been done for.
const JOBS: &str = "jobs";

impl PreparedAsyncRetriever<'_> {
    /// Has a job done for each slice, and gives the slices whose jobs are done.
    pub fn slices(&self, each: &mut dyn FnMut(TakeSlice<'_>) -> Result<Going>, take: TakeSlice<'_>) -> Result<Going> {
        let mut jobs = Jobs::new(self, self.session.max_jobs());
        let generated = each(&mut |slice| jobs.add(slice.clone(), take));
        // Where there are no more slices, those that were there are read all the same.
        match generated {
            Ok(Going::Enough) => return Ok(Going::Enough),
            Err(failure) if failure.interruption().is_some() => return Err(failure),
            Err(failure) => jobs.fail(failure)?,
            Ok(Going::On) => {}
        }
        jobs.finish(take)
    }

    /// The slice for which a job has been done.
    fn completed(&self, job: Job) -> StreamSlice {
        let mut completed = self.completed.borrow_mut();
        let number = job.number;
        let extra_fields = Object::from_iter([(JOBS.to_owned(), json!([number]))]);
        let slice = StreamSlice { extra_fields, ..job.slice.clone() };
        completed.insert(number, job);
        slice
    }

    /// Reads the results of a slice's job.
    pub fn read_slice(&self, slice: &StreamSlice, reader: &mut dyn SliceReader) -> Result<Going> {
        let number = slice.extra_fields.get(JOBS).and_then(|jobs| jobs.get(0)).and_then(Value::as_u64);
        let job = number.and_then(|number| self.completed.borrow_mut().remove(&number));
        let Some(job) = job else { return Err(system_error("A slice is read for which no job has been done.")) };
        let mut results =
            Results { selector: &self.selector, scope: slice.scope(&self.session.scope), reader: &mut *reader };
        let (creation, polling) = (context(job.creation()?)?, context(job.completion()?)?);
        for target in self.download_targets(&job, &polling)? {
            let mut slice = job.slice.clone();
            slice.extra_fields.insert("download_target".to_owned(), target);
            slice.extra_fields.insert("creation_response".to_owned(), creation.clone());
            slice.extra_fields.insert("polling_response".to_owned(), polling.clone());
            if self.download.read_slice(&slice, &mut results)? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        if let Some(requester) = &self.retriever.delete_requester {
            self.send(requester, &job.slice_with_creation()?)?;
        }
        Ok(Going::On)
    }

    /// What the results are downloaded from: one download each.
    fn download_targets(&self, job: &Job, polling: &Value) -> Result<Vec<Value>> {
        let Some(extractor) = &self.download_target_extractor else { return Ok(vec!["".into()]) };
        let Some(requester) = &self.retriever.download_target_requester else {
            return extractor.values(&self.retriever.decoder.decode(job.completion()?));
        };
        let extra_fields = Object::from_iter([("polling_response".to_owned(), polling.clone())]);
        let response = self.send(requester, &StreamSlice { extra_fields, ..StreamSlice::default() })?;
        let response = response.ok_or_else(|| no_response("download_target_requester"))?;
        extractor.values(&self.retriever.decoder.decode(&response))
    }

    /// Begins a job for a slice.
    fn create(&self, slice: &StreamSlice) -> Result<HttpResponse> {
        let response = self.send(&self.retriever.creation_requester, slice)?;
        response.filter(HttpResponse::is_ok).ok_or_else(|| no_response("creation_requester"))
    }

    /// Asks what has become of a job.
    fn poll(&self, job: &mut Job) -> Result<JobStatus> {
        let response = self.send(&self.retriever.polling_requester, &job.slice_with_creation()?)?;
        let response = response.ok_or_else(|| no_response("polling_requester"))?;
        let found = self.status_extractor.values(&self.retriever.decoder.decode(&response))?;
        let told = found.first().map_or_else(|| "None".to_owned(), python_text);
        let Some(status) = self.retriever.status_mapping.get(&told) else {
            return Err(system_error(format!(
                "The API says that a job is {told:?}, which the status_mapping of the AsyncRetriever does not have: add it there."
            )));
        };
        if status == JobStatus::Completed {
            job.complete(response);
        }
        Ok(status)
    }

    /// Tells the API that nobody wants the results of a job.
    fn abort(&self, job: &Job) -> Result<()> {
        match &self.retriever.abort_requester {
            Some(requester) => self.send(requester, &job.slice_with_creation()?).map(drop),
            None => Ok(()),
        }
    }

    fn send(&self, requester: &HttpRequester, slice: &StreamSlice) -> Result<Option<HttpResponse>> {
        let scope = slice.scope(&self.session.scope).with_json("next_page_token", &Value::Null);
        match requester.send(self.session, None, RequestOptions::default(), &scope)? {
            Outcome::Response(response) => Ok(Some(response)),
            Outcome::Ignored => Ok(None),
            Outcome::ResetPagination | Outcome::PageTooLarge(_) | Outcome::WindowTooLarge(_) => Err(system_error(
                "An error handler of an AsyncRetriever wants pages to be read another way, and there are none.",
            )),
        }
    }
}

fn no_response(requester: &str) -> airlock_sdk::Failure {
    system_error(format!(
        "The {requester} of an AsyncRetriever needs a response, and its error handler ignores the one it got."
    ))
}

/// A response as a template sees it: the fields of its body, and its headers.
fn context(response: &HttpResponse) -> Result<Value> {
    let body = crate::decoders::json::parse(response.bytes());
    let Some(Value::Object(mut fields)) = body else {
        return Err(system_error(format!(
            "{} was answered with what is no JSON object, as it must be for a job.",
            response.name()
        )));
    };
    if !fields.contains_key("headers") {
        // A template may write their names as the server does, or in lower case.
        let headers = response.headers_object();
        let titled: Object = headers.iter().map(|(name, value)| (titled(name), value.clone())).collect();
        fields.insert("headers".to_owned(), headers.into_iter().chain(titled).collect::<Object>().into());
    }
    Ok(Value::Object(fields))
}

/// `Content-Type` for `content-type`.
fn titled(name: &str) -> String {
    let mut begins = true;
    let letter = |letter: char| {
        let titled = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = letter == '-';
        titled
    };
    name.chars().map(letter).collect()
}

/// Takes what is downloaded, which the stream has rules for.
struct Results<'r, 's> {
    selector: &'r PreparedSelector<'s>,
    scope: Scope,
    reader: &'r mut dyn SliceReader,
}

impl SliceReader for Results<'_, '_> {
    fn request_options(&self, _slice: &StreamSlice) -> Result<RequestOptions> {
        Ok(RequestOptions::default())
    }

    fn should_be_synced(&self, _record: &Record<'_>) -> Result<bool> {
        Ok(true)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        match self.selector.select(record, &self.scope, &mut |_| Ok(true))? {
            Some(record) => self.reader.take(record),
            None => Ok(Going::On),
        }
    }

    fn take_all(&mut self, records: Records<'_>) -> Result<Going> {
        if self.selector.leaves_records() {
            return self.reader.take_all(records);
        }
        for part in records.parts() {
            if self.take(Record::of_part(part))? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        Ok(Going::On)
    }
}

#[cfg(test)]
mod tests;
