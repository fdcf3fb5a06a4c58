//! Pages of a slice. The expected requests and records are those of the Python CDK with the same manifest and the same answers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use airlock_sdk::testing::{Host, HttpResponse as Answer};
use airlock_sdk::{Failure, FailureKind};

use super::*;
use airlock_sdk::http::Records;

use crate::manifest::{Object, Problem, Reason, Remarks};
use crate::request_options::RequestOptions;

/// What is read, and what a data feed has had before.
#[derive(Default)]
struct Taken {
    records: Vec<Value>,
    /// Records with an `a` below this are old.
    oldest: i64,
    /// So many are wanted.
    most: Option<usize>,
    whole_pages: usize,
}

impl SliceReader for Taken {
    fn request_options(&self, _slice: &StreamSlice) -> Result<RequestOptions> {
        Ok(RequestOptions { parameters: self.slicer_options(), ..RequestOptions::default() })
    }

    fn should_be_synced(&self, record: &Record<'_>) -> Result<bool> {
        Ok(record.field("a")?.and_then(|a| a.as_i64()).is_none_or(|a| a >= self.oldest))
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        self.records.push(Value::Object(record.into_object()?));
        Ok(if self.most == Some(self.records.len()) { Going::Enough } else { Going::On })
    }

    fn take_all(&mut self, records: Records<'_>) -> Result<Going> {
        self.whole_pages += 1;
        for part in records.parts() {
            if self.take(Record::of_part(part))? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        Ok(Going::On)
    }
}

impl Taken {
    fn slicer_options(&self) -> Object {
        match self.oldest {
            0 => Object::new(),
            oldest => Object::from_iter([("since".to_owned(), json!(oldest))]),
        }
    }
}

struct Outcome {
    result: Result<Going>,
    /// Without the origin.
    requests: Vec<String>,
    records: Vec<Value>,
    whole_pages: usize,
}

fn retriever(fields: &Value) -> std::result::Result<SimpleRetriever, Problem> {
    let mut manifest = json!({
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url_base": "http://127.0.0.1", "path": "/data", "http_method": "GET"},
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
        },
    });
    manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Node::root(&manifest, &Remarks::default()).read()
}

fn read_into(mut taken: Taken, rules: RecordRules<'_>, fields: &Value, answers: Vec<Answer>) -> Outcome {
    let retriever = retriever(fields).unwrap();
    let mut answers = VecDeque::from(answers);
    let requests = Rc::new(RefCell::new(Vec::new()));
    let asked = Rc::clone(&requests);
    let host = Host::new().answering(move |request| {
        asked.borrow_mut().push(request.url.trim_start_matches("http://127.0.0.1").to_owned());
        answers.pop_front().unwrap_or_else(|| Answer::json(&json!({})))
    });
    let mut result = Ok(Going::On);
    host.run(|| {
        let session = Session::new(Object::new());
        let slice = StreamSlice::default();
        result = retriever.prepare(&session, &rules).and_then(|retriever| retriever.read_slice(&slice, &mut taken));
        Ok(())
    });
    Outcome { result, requests: requests.take(), records: taken.records, whole_pages: taken.whole_pages }
}

fn read(fields: &Value, answers: Vec<Answer>) -> Outcome {
    read_into(Taken::default(), RecordRules::default(), fields, answers)
}

/// Pages of so many records each.
fn pages(counts: &[i64]) -> Vec<Answer> {
    counts.iter().map(|count| Answer::json(&rows(*count))).collect()
}

fn rows(count: i64) -> Value {
    json!({"data": (0..count).map(|a| json!({"a": a})).collect::<Vec<_>>()})
}

fn with(mut body: Value, name: &str, value: Value) -> Answer {
    body[name] = value;
    Answer::json(&body)
}

fn option(name: &str) -> Value {
    json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": name})
}

fn paginator(strategy: Value) -> Value {
    json!({"paginator": {"type": "DefaultPaginator", "page_token_option": option("t"), "pagination_strategy": strategy}})
}

fn sized(strategy: Value) -> Value {
    let mut fields = paginator(strategy);
    fields["paginator"]["page_size_option"] = option("l");
    fields
}

fn by_path(strategy: Value) -> Value {
    let mut fields = paginator(strategy);
    fields["paginator"]["page_token_option"] = json!({"type": "RequestPath"});
    fields
}

#[test]
fn pages_are_counted_or_their_records() {
    let offset = |page_size: Value| json!({"type": "OffsetIncrement", "page_size": page_size});
    let page = |page_size: Value| json!({"type": "PageIncrement", "page_size": page_size});
    let injected = |mut strategy: Value| {
        strategy["inject_on_first_request"] = json!(true);
        strategy
    };
    let from = |mut strategy: Value, first: i64| {
        strategy["start_from_page"] = json!(first);
        strategy
    };
    for (fields, counts, requests) in [
        (sized(offset(json!(2))), &[2, 2, 1][..], &["/data?l=2", "/data?t=2&l=2", "/data?t=4&l=2"][..]),
        (sized(injected(offset(json!("2")))), &[2, 0], &["/data?t=0&l=2", "/data?t=2&l=2"]),
        (paginator(offset(Value::Null)), &[3, 1, 0], &["/data", "/data?t=3", "/data?t=4"]),
        (sized(offset(json!("{{ config.get('n', 2) }}"))), &[2, 1], &["/data?l=2", "/data?t=2&l=2"]),
        (sized(page(json!(2))), &[2, 2, 1], &["/data?l=2", "/data?t=1&l=2", "/data?t=2&l=2"]),
        (paginator(from(injected(page(json!(2))), 1)), &[2, 2, 0], &["/data?t=1", "/data?t=2", "/data?t=3"]),
        (paginator(from(page(Value::Null), -1)), &[2, 2, 0], &["/data"]),
        (json!({"paginator": {"type": "NoPagination"}}), &[2], &["/data"]),
        (json!({}), &[2], &["/data"]),
    ] {
        let outcome = read(&fields, pages(counts));
        assert_eq!(outcome.result, Ok(Going::On), "{fields}");
        assert_eq!(outcome.requests, requests, "{fields}");
    }
    let fields = paginator(offset(json!("{{ response.n or 2 }}")));
    let outcome =
        read(&fields, vec![with(rows(1), "n", json!(1)), with(rows(1), "n", json!(1)), with(rows(0), "n", json!(1))]);
    assert_eq!(outcome.requests, ["/data", "/data?t=1", "/data?t=2"]);
}

#[test]
fn records_that_are_filtered_count_for_the_server_and_not_for_a_cursor() {
    let selector = json!({
        "type": "RecordSelector",
        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
        "record_filter": {"type": "RecordFilter", "condition": "{{ record.a == 0 }}"},
    });
    let mut fields = paginator(json!({"type": "PageIncrement", "page_size": 2}));
    fields["record_selector"] = selector.clone();
    let outcome = read(&fields, pages(&[2, 2, 1]));
    assert_eq!(outcome.requests, ["/data", "/data?t=1", "/data?t=2"]);
    assert_eq!(outcome.records, [json!({"a": 0}), json!({"a": 0}), json!({"a": 0})]);
    let mut fields = paginator(json!({
        "type": "CursorPagination",
        "cursor_value": "{{ last_record['a'] }}-{{ last_page_size }}",
        "stop_condition": "{{ last_record is none }}",
    }));
    fields["record_selector"] = selector;
    let outcome = read(&fields, vec![Answer::json(&rows(2)), Answer::json(&json!({"data": [{"a": 4}]}))]);
    assert_eq!(
        (outcome.requests, outcome.records),
        (vec!["/data".to_owned(), "/data?t=0-1".to_owned()], vec![json!({"a": 0})])
    );
}

#[test]
fn a_cursor_is_what_its_template_says() {
    let next = json!({"type": "CursorPagination", "cursor_value": "{{ response.next }}"});
    let outcome =
        read(&paginator(next.clone()), vec![with(rows(1), "next", json!("x y")), with(rows(1), "next", json!(""))]);
    assert_eq!(outcome.requests, ["/data", "/data?t=x+y"]);
    let fields = sized(json!({
        "type": "CursorPagination", "cursor_value": "{{ response.next }}",
        "stop_condition": "{{ last_page_size < page_size }}", "page_size": 2,
    }));
    let outcome = read(&fields, vec![with(rows(2), "next", json!(12)), with(rows(1), "next", json!(13))]);
    assert_eq!(outcome.requests, ["/data?l=2", "/data?t=12&l=2"]);
    let last = json!({"type": "CursorPagination", "cursor_value": "{{ last_record['a'] if last_record else None }}"});
    let outcome = read(&paginator(last), pages(&[2, 3, 0]));
    assert_eq!(
        (outcome.requests, outcome.whole_pages),
        (["/data", "/data?t=1", "/data?t=2"].map(str::to_owned).to_vec(), 3)
    );
    // A server that leads in a circle is followed, as the CDK does.
    let same = || with(rows(1), "next", json!("x"));
    let outcome = read(&paginator(next.clone()), vec![same(), same(), same()]);
    assert_eq!(outcome.requests, ["/data", "/data?t=x", "/data?t=x", "/data?t=x"]);
    let outcome = read(&paginator(next), vec![Answer::new(200).body("<html>")]);
    assert_eq!((outcome.result, outcome.requests.len()), (Ok(Going::On), 1));
}

#[test]
fn a_link_leads_to_the_next_page() {
    let next = json!({"type": "CursorPagination", "cursor_value": "{{ response.next }}"});
    let outcome =
        read(&by_path(next), vec![with(rows(1), "next", json!("/data?z=1")), with(rows(1), "next", Value::Null)]);
    assert_eq!(outcome.requests, ["/data", "/data?z=1"]);
    let link = json!({
        "type": "CursorPagination", "cursor_value": "{{ headers['link']['next']['url'] }}",
        "stop_condition": "{{ 'next' not in headers['link'] }}",
    });
    let first = Answer::json(&rows(1)).header("Link", "</data?p=2>; rel=\"next\"");
    let outcome = read(&by_path(link), vec![first, Answer::json(&rows(1))]);
    assert_eq!(outcome.requests, ["/data", "/data?p=2"]);
    let header = json!({
        "type": "CursorPagination", "cursor_value": "{{ headers['X-Next'] }}", "stop_condition": "{{ not headers.get('X-Next') }}",
    });
    let outcome = read(&paginator(header), vec![Answer::json(&rows(1)).header("X-Next", "q"), Answer::json(&rows(1))]);
    assert_eq!(outcome.requests, ["/data", "/data?t=q"]);
}

#[test]
fn a_data_feed_is_read_to_the_page_that_ends_with_an_old_record() {
    let fields = paginator(json!({"type": "PageIncrement"}));
    let answers =
        || [[9, 8], [7, 4], [3, 2]].map(|page| Answer::json(&json!({"data": page.map(|a| json!({"a": a}))}))).to_vec();
    let read = |is_data_feed, is_client_side_incremental| {
        let rules = RecordRules { is_data_feed, is_client_side_incremental, ..RecordRules::default() };
        let outcome = read_into(Taken { oldest: 5, ..Taken::default() }, rules, &fields, answers());
        let records: Vec<_> = outcome.records.iter().map(|record| record["a"].as_i64().unwrap()).collect();
        (records, outcome.requests)
    };
    let two = ["/data?since=5", "/data?t=1&since=5"].map(str::to_owned).to_vec();
    assert_eq!(read(true, false), (vec![9, 8, 7], two.clone()));
    assert_eq!(read(true, true), (vec![9, 8, 7], two));
    let (records, requests) = read(false, true);
    // The server's records are counted, not those that are left.
    assert_eq!((records, requests.len()), (vec![9, 8, 7], 4));
    assert_eq!(read(false, false).0, [9, 8, 7, 4, 3, 2]);
}

#[test]
fn slicers_options_go_into_the_first_request_only_where_that_is_said() {
    let mut fields = paginator(json!({"type": "PageIncrement"}));
    fields["ignore_stream_slicer_parameters_on_paginated_requests"] = json!(true);
    let outcome = read_into(Taken { oldest: 5, ..Taken::default() }, RecordRules::default(), &fields, pages(&[1, 0]));
    assert_eq!(outcome.requests, ["/data?since=5", "/data?t=1"]);
}

#[test]
fn a_page_that_nobody_looks_into_is_given_whole() {
    let outcome = read(&paginator(json!({"type": "PageIncrement"})), pages(&[3, 2, 0]));
    assert_eq!((outcome.records.len(), outcome.whole_pages), (5, 3));
    let rules = RecordRules { is_client_side_incremental: true, ..RecordRules::default() };
    assert_eq!(read_into(Taken::default(), rules, &json!({}), pages(&[3])).whole_pages, 0);
}

#[test]
fn nothing_is_asked_for_when_there_is_enough() {
    for rules in [RecordRules::default(), RecordRules { is_client_side_incremental: true, ..RecordRules::default() }] {
        let taken = Taken { most: Some(1), ..Taken::default() };
        let outcome = read_into(taken, rules, &paginator(json!({"type": "PageIncrement"})), pages(&[3, 3]));
        assert_eq!((outcome.result, outcome.records.len(), outcome.requests.len()), (Ok(Going::Enough), 1, 1));
    }
}

#[test]
fn what_is_no_object_fails_the_stream_behind_the_records_before_it() {
    for odd in [json!(5), Value::Null, json!([]), json!("x"), json!(true)] {
        let outcome = read(&json!({}), vec![Answer::json(&json!({"data": [{"a": 1}, odd, {"a": 2}]}))]);
        let failure: Failure = outcome.result.unwrap_err();
        assert_eq!((failure.kind, outcome.records), (FailureKind::SystemError, vec![json!({"a": 1})]), "{odd}");
    }
    // The CDK ends the whole sync here, and says nothing of it.
    let outcome = read(&json!({}), vec![Answer::json(&json!({"data": [{"a": 1}, {}, {"a": 2}]}))]);
    assert_eq!(outcome.records.len(), 3);
}

#[test]
fn what_does_not_go_together_is_said_before_anything_is_read() {
    let problem = |fields: &Value| retriever(fields).map(drop).unwrap_err();
    let with = |mut fields: Value, name: &str, value: Value| {
        fields[name] = value;
        fields
    };
    let csv = with(paginator(json!({"type": "PageIncrement"})), "decoder", json!({"type": "CsvDecoder"}));
    let both = json!({"type": "CombinedExtractor", "extractors": [{"type": "DpathExtractor", "field_path": []}]});
    let combined = json!({"record_selector": {"type": "RecordSelector", "extractor": both}});
    let by_offset =
        with(combined.clone(), "paginator", paginator(json!({"type": "OffsetIncrement"}))["paginator"].clone());
    for (fields, reason) in [
        (csv, Reason::Invalid),
        (with(combined, "decoder", json!({"type": "JsonlDecoder"})), Reason::Invalid),
        (by_offset, Reason::Invalid),
        (sized(json!({"type": "PageIncrement"})), Reason::Invalid),
        (sized(json!({"type": "PageIncrement", "page_size": "abc"})), Reason::Invalid),
        (paginator(json!({"type": "CursorPagination", "cursor_value": "{{ page_size }}"})), Reason::Invalid),
        (paginator(json!({"type": "CustomPaginationStrategy", "class_name": "a.B"})), Reason::NeedsPython),
        (
            json!({"record_selector": {"type": "RecordSelector", "extractor": {"type": "CustomRecordExtractor", "class_name": "a.B"}}}),
            Reason::NeedsPython,
        ),
        (json!({"type": "AsyncRetriever"}), Reason::Unsupported),
    ] {
        assert_eq!(problem(&fields).reason, reason, "{fields}");
    }
    let mut fields = sized(json!({"type": "PageIncrement", "page_size": 2}));
    fields["paginator"]["page_size_option"] = option("t");
    assert_eq!(read(&fields, vec![]).result.unwrap_err().kind, FailureKind::SystemError);
    let failure =
        read(&sized(json!({"type": "PageIncrement", "page_size": "{{ 'abc' }}"})), vec![]).result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SystemError);
}

#[test]
fn a_slice_begins_anew_after_so_many_records_once() {
    let mut fields = paginator(json!({"type": "PageIncrement"}));
    fields["pagination_reset"] = json!({"type": "PaginationReset", "action": "RESET", "limits": {"type": "PaginationResetLimits", "number_of_records": 3}});
    let outcome = read(&fields, pages(&[2, 2, 2, 0]));
    assert_eq!(
        (outcome.result, outcome.requests),
        (Ok(Going::On), ["/data", "/data?t=1", "/data", "/data?t=1"].map(str::to_owned).to_vec())
    );
    let outcome = read(&fields, pages(&[2, 2, 2, 2]));
    assert_eq!((outcome.result.unwrap_err().kind, outcome.records.len()), (FailureKind::SystemError, 8));
    // Without a cursor there is nothing to split by.
    fields["pagination_reset"]["action"] = json!("SPLIT_USING_CURSOR");
    assert_eq!(read(&fields, pages(&[2, 2, 2, 2])).records.len(), 8);
    fields["pagination_reset"]["action"] = json!("SPLIT");
    assert_eq!(retriever(&fields).map(drop).unwrap_err().reason, Reason::Invalid);
}
