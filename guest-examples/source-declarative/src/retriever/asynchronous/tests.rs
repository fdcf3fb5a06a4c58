//! Jobs and what is asked for them. What is expected is what the Python CDK does with the same manifest and the same answers, but where
//! it is said that it differs. The cases of the end-to-end tests hold more of it against recordings.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::rc::Rc;

use airlock_sdk::testing::{Host, HttpRequest, HttpResponse as Answer};
use airlock_sdk::{Failure, FailureKind};
use serde_json::json;

use super::*;
use crate::manifest::{Problem, Reason, Remarks};

fn requester(path: &str) -> Value {
    json!({"type": "HttpRequester", "url_base": "http://127.0.0.1", "path": path})
}

fn retriever(fields: &Value) -> std::result::Result<AsyncRetriever, Problem> {
    let mut manifest = json!({
        "type": "AsyncRetriever",
        "status_mapping": {"running": ["working"], "completed": ["done"], "failed": ["failed"], "timeout": ["late"]},
        "status_extractor": {"type": "DpathExtractor", "field_path": ["status"]},
        "creation_requester": requester("create/{{ stream_slice.part }}"),
        "polling_requester": requester("poll/{{ creation_response.id }}"),
        "abort_requester": requester("abort/{{ creation_response.id }}"),
        "download_requester": requester("file/{{ stream_slice.part }}"),
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
    });
    manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Node::root(&manifest, &Remarks::default()).read()
}

struct Outcome {
    result: Result<Going>,
    /// Without the origin.
    requests: Vec<String>,
    records: Vec<Value>,
    waits: Vec<u64>,
}

struct Taken<'t>(&'t mut Vec<Value>);

impl SliceReader for Taken<'_> {
    fn request_options(&self, _slice: &StreamSlice) -> Result<RequestOptions> {
        Ok(RequestOptions::default())
    }

    fn should_be_synced(&self, _record: &Record<'_>) -> Result<bool> {
        Ok(true)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        self.0.push(Value::Object(record.into_object()?));
        Ok(Going::On)
    }
}

/// Reads slices of these parts, so many jobs at once. `told` is what is answered to polls of a part, one after the other, and the last
/// of it from then on.
fn read(fields: &Value, max_jobs: usize, parts: &[&str], told: &[(&str, &[&str])]) -> Outcome {
    let retriever = retriever(fields).unwrap();
    let requests = Rc::new(RefCell::new(Vec::new()));
    let asked = Rc::clone(&requests);
    let told: HashMap<String, Vec<String>> = told
        .iter()
        .map(|(part, told)| ((*part).to_owned(), told.iter().rev().map(|told| (*told).to_owned()).collect()))
        .collect();
    let told = RefCell::new(told);
    let host = Host::new().answering(move |request: &HttpRequest| {
        let path = request.url.trim_start_matches("http://127.0.0.1/").to_owned();
        asked.borrow_mut().push(path.clone());
        match path.split_once('/') {
            Some(("create", "refused")) => Answer::new(400),
            Some(("create", part)) => Answer::json(&json!({"id": part})),
            Some(("poll", part)) => {
                let mut told = told.borrow_mut();
                let status = told.get_mut(part).map_or_else(
                    || "done".to_owned(),
                    |told| if told.len() > 1 { told.pop().unwrap() } else { told[0].clone() },
                );
                Answer::json(&json!({"status": status}))
            }
            Some(("file", "gzip")) => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(b"id,name\r\n4,\"two\nlines\"\r\n").unwrap();
                Answer::new(200).body(encoder.finish().unwrap())
            }
            Some(("file", "long")) => Answer::new(200).body("id\n1\n2,3\n"),
            Some(("file", part)) => Answer::json(&json!([{"part": part}])),
            _ => Answer::json(&json!({})),
        }
    });
    let mut result = Ok(Going::On);
    let mut records = Vec::new();
    let run = host.run(|| {
        let session = Session::new(Object::new());
        session.limit_jobs(max_jobs);
        let retriever = retriever.prepare(&session, &RecordRules::default())?;
        result = retriever.slices(
            &mut |take| {
                for part in parts {
                    let partition = Object::from_iter([("part".to_owned(), json!(part))]);
                    if take(&StreamSlice { partition, ..StreamSlice::default() })? == Going::Enough {
                        return Ok(Going::Enough);
                    }
                }
                Ok(Going::On)
            },
            &mut |slice| retriever.read_slice(slice, &mut Taken(&mut records)),
        );
        Ok(())
    });
    let waits = run.waits().iter().map(Duration::as_secs).collect();
    Outcome { result, requests: requests.take(), records, waits }
}

#[test]
fn jobs_are_looked_at_every_five_seconds_and_as_many_at_once_as_may_be() {
    let told: &[(&str, &[&str])] = &[("a", &["working", "working", "done"])];
    let one = read(&json!({}), 1, &["a", "b"], told);
    assert_eq!(one.requests, ["create/a", "poll/a", "poll/a", "poll/a", "file/a", "create/b", "poll/b", "file/b"]);
    assert_eq!((one.result, one.waits), (Ok(Going::On), vec![5, 5, 5]));
    let two = read(&json!({}), 2, &["a", "b", "c"], told);
    assert_eq!(
        two.requests,
        [
            "create/a", "create/b", "poll/a", "poll/b", "file/b", "create/c", "poll/a", "poll/c", "file/c", "poll/a",
            "file/a"
        ]
    );
    assert_eq!(two.records, [json!({"part": "b"}), json!({"part": "c"}), json!({"part": "a"})]);
}

#[test]
fn a_job_that_fails_is_tried_again_twice() {
    let outcome = read(&json!({}), 1, &["a", "b"], &[("a", &["failed", "late", "failed"])]);
    assert_eq!(
        outcome.requests,
        ["create/a", "poll/a", "create/a", "poll/a", "abort/a", "create/a", "poll/a", "create/b", "poll/b", "file/b"]
    );
    let failure: Failure = outcome.result.unwrap_err();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::SystemError, "One or more async jobs failed after exhausting all retry attempts.")
    );
    let patient = json!({"failed_retry_wait_time_in_seconds": "{{ 12 }}"});
    assert_eq!(read(&patient, 1, &["a"], &[("a", &["failed", "done"])]).waits, [5, 5, 5, 5]);
}

#[test]
fn a_job_that_is_not_done_in_time_is_ended() {
    let outcome = read(&json!({"polling_job_timeout": "{{ -1 }}"}), 1, &["a"], &[("a", &["working"])]);
    let count = |path: &str| outcome.requests.iter().filter(|request| *request == path).count();
    assert_eq!((count("create/a"), count("abort/a"), outcome.records.len()), (3, 3, 0));
    assert_eq!(outcome.result.unwrap_err().kind, FailureKind::SystemError);
}

#[test]
fn what_ends_a_stream_ends_its_jobs() {
    // The CDK asks for a state of no known name again and again, until the job is late.
    let unknown = read(&json!({}), 2, &["a", "b"], &[("a", &["sleeping"])]);
    assert_eq!(unknown.requests, ["create/a", "create/b", "poll/a", "abort/a", "poll/b", "file/b"]);
    assert_eq!(unknown.result.unwrap_err().kind, FailureKind::SystemError);
    let refused = read(&json!({}), 2, &["refused"], &[]);
    assert_eq!((refused.requests.len(), refused.result.unwrap_err().kind), (3, FailureKind::SystemError));
}

#[test]
fn files_are_what_pandas_makes_of_them() {
    let files = json!({"download_extractor": {"type": "ResponseToFileExtractor"}});
    assert_eq!(read(&files, 1, &["gzip"], &[]).records, [json!({"id": "4", "name": "two\nlines"})]);
    let long = read(&files, 1, &["long"], &[]);
    assert_eq!((long.result.unwrap_err().kind, long.records.len()), (FailureKind::SystemError, 1));
}

/// What CDK 6.36 did, of a manifest in its words.
#[test]
fn names_of_before_are_understood() {
    let old = |version: &str, fields: Value| {
        let mut manifest = json!({
            "type": "AsyncRetriever",
            "status_mapping": {"running": ["working"], "completed": ["done"], "failed": ["failed"], "timeout": ["late"]},
            "status_extractor": {"type": "DpathExtractor", "field_path": ["status"]},
            "urls_extractor": {"type": "DpathExtractor", "field_path": ["urls"]},
            "creation_requester": requester("create/1"),
            "polling_requester": requester("poll/{{ stream_slice['create_job_response'].json()['id'] }}"),
            "url_requester": requester("urls/{{ stream_slice.polling_job_response.json().file }}"),
            "download_requester": {"type": "HttpRequester", "url_base": "", "path": "{{stream_slice['url']}}"},
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
        });
        manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let remarks = Remarks::default();
        let read: std::result::Result<AsyncRetriever, Problem> =
            Node { version, ..Node::root(&manifest, &remarks) }.read();
        (read, remarks.take())
    };
    let requests = Rc::new(RefCell::new(Vec::new()));
    let asked = Rc::clone(&requests);
    let host = Host::new().answering(move |request: &HttpRequest| {
        let path = request.url.trim_start_matches("http://127.0.0.1/").to_owned();
        asked.borrow_mut().push(path.clone());
        match path.as_str() {
            "create/1" => Answer::json(&json!({"id": 7})),
            "poll/7" => Answer::json(&json!({"status": "done", "file": "f"})),
            "urls/f" => Answer::json(&json!({"urls": ["http://127.0.0.1/a", "http://127.0.0.1/b"]})),
            _ => Answer::new(200).body("id,name\n1,NA\n"),
        }
    });
    let (retriever, remarks) = old("5.5.0", json!({}));
    assert!(remarks.len() == 1 && remarks[0].contains("urls_extractor is download_target_extractor"), "{remarks:?}");
    let mut records = Vec::new();
    let run = host.run(|| {
        let session = Session::new(Object::new());
        let retriever = retriever.unwrap();
        let retriever = retriever.prepare(&session, &RecordRules::default())?;
        retriever
            .slices(&mut |take| take(&StreamSlice::default()), &mut |slice| {
                retriever.read_slice(slice, &mut Taken(&mut records))
            })
            .map(drop)
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(*requests.borrow(), ["create/1", "poll/7", "urls/f", "a", "b"]);
    assert_eq!(records, [json!({"id": "1", "name": null}), json!({"id": "1", "name": null})]);

    // From 6.7.2 on, what is downloaded is JSON where nothing else is said, and what is said needs no version.
    let download_extractor = |version: &str, decoder: Option<&str>| {
        let mut manifest = json!({"version": version, "urls_extractor": {}});
        if let Some(decoder) = decoder {
            manifest["download_decoder"] = json!({"type": decoder});
        }
        let remarks = Remarks::default();
        let renamed = old_names::renamed(&Node::root(&manifest, &remarks)).unwrap().unwrap();
        renamed.get("download_extractor").cloned()
    };
    assert_eq!(download_extractor("6.7.1", None), Some(json!({"type": "ResponseToFileExtractor"})));
    assert_eq!(download_extractor("6.7.2", None), None);
    assert_eq!(download_extractor("", Some("JsonlDecoder")), None);
    for (version, fields, path) in [
        ("", json!({}), "the manifest"),
        (
            "5.5.0",
            json!({"polling_requester": requester("{{ stream_slice['create_job_response'].text }}")}),
            "polling_requester.path",
        ),
        ("5.5.0", json!({"download_requester": requester("{{ stream_slice[ 'url' ] }}")}), "download_requester.path"),
    ] {
        let problem = old(version, fields).0.map(drop).unwrap_err();
        assert_eq!((problem.reason, problem.path.as_str()), (Reason::Unsupported, path));
    }
    assert_eq!(old_names::translated_text("{{ stream_slice.url_of }}", true), "{{ stream_slice.url_of }}");
    assert_eq!(old_names::translated_text("{{ stream_slice.extra_fields['url'] }}", true), "{{ download_target }}");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_asked() {
    let reason = |fields: Value| retriever(&fields).map(drop).unwrap_err().reason;
    for (fields, wanted) in [
        (json!({"status_mapping": {"running": [], "completed": [], "failed": []}}), Reason::Invalid),
        (
            json!({"status_mapping": {"running": ["a"], "completed": ["a"], "failed": [], "timeout": []}}),
            Reason::Invalid,
        ),
        (json!({"download_target_requester": requester("a")}), Reason::Invalid),
        (json!({"creation_requester": null}), Reason::Invalid),
        (json!({"polling_requester": {"type": "CustomRequester", "class_name": "a.B"}}), Reason::NeedsPython),
    ] {
        assert_eq!(reason(fields.clone()), wanted, "{fields}");
    }
}
