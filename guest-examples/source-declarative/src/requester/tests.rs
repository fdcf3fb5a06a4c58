//! Requests as they go over the wire, and what is made of responses. What is expected is what the Python CDK does with the same manifest.

use std::cell::RefCell;
use std::rc::Rc;

use airlock_sdk::testing::{Event, Host, HttpRequest, HttpResponse, HttpTrouble, Run};
use airlock_sdk::{Failure, FailureKind, StreamWriter};
use serde_json::{Value, json};

use super::{Body, HttpRequester, Outcome};
use crate::manifest::{self, Node, Object, Remarks};
use crate::request_options::RequestOptions;
use crate::session::Session;

/// Reads a requester below https://api.example, with `fields` in the place of or beside what it has.
pub fn requester(fields: Value) -> manifest::Result<HttpRequester> {
    let mut manifest = json!({"type": "HttpRequester", "url_base": "https://api.example/v1", "path": "/users"});
    let manifest_fields = manifest.as_object_mut().unwrap();
    manifest_fields.extend(fields.as_object().cloned().unwrap());
    let remarks = Remarks::default();
    let read = Node::root(&manifest, &remarks).read();
    assert_eq!(remarks.take(), Vec::<String>::new());
    read
}

pub fn object(value: Value) -> Object {
    value.as_object().cloned().unwrap_or_default()
}

/// Sends one request to a server that answers so, and gives what came of it.
pub fn run(
    requester: &HttpRequester,
    config: Value,
    options: RequestOptions,
    answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static,
) -> (Run, Option<Outcome>) {
    let came = Rc::new(RefCell::new(None));
    let host = Host::new().answering(answer);
    let run = host.run(|| {
        let session = Session::new(object(config));
        let scope = session.scope.clone();
        let outcome = requester.send(&session, None, options, &scope)?;
        came.replace(Some(outcome));
        Ok(())
    });
    let came = came.take();
    (run, came)
}

/// The request that is sent.
pub fn sent(fields: Value, config: Value, options: RequestOptions) -> HttpRequest {
    let requester = requester(fields).unwrap();
    let (run, _) = run(&requester, config, options, |_| HttpResponse::json(&json!([])));
    assert_eq!(run.result, Ok(()));
    run.requests()[0].clone()
}

/// The failure of a request that is answered so, how often it was sent, and what was waited in between.
pub fn failure(fields: Value, answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static) -> (Failure, Vec<f64>) {
    let requester = requester(fields).unwrap();
    let (run, _) = run(&requester, json!({}), RequestOptions::default(), answer);
    let waits: Vec<f64> = run.waits().iter().map(|wait| wait.as_secs_f64()).collect();
    assert_eq!(run.requests().len(), waits.len() + 1);
    (run.result.unwrap_err(), waits)
}

pub fn status(status: u16) -> impl FnMut(&HttpRequest) -> HttpResponse {
    move |_| HttpResponse::new(status).body(r#"{"message": "no"}"#)
}

#[test]
fn a_request_is_what_the_manifest_says() {
    let request = sent(
        json!({
            "request_parameters": {"q": "a b&c", "ids": "{{ config['ids'] }}", "none": "{{ config['none'] }}", "n": "5"},
            "request_headers": {"X-Number": "{{ config['number'] }}", "Accept": "text/csv"},
        }),
        json!({"ids": ["1", "2"], "number": 3, "none": null}),
        RequestOptions { parameters: object(json!({"page": 2, "all": true})), ..RequestOptions::default() },
    );
    assert_eq!(request.method, "GET");
    // Python's `str` of None is sent by the CDK, too: only a literal of the types that may stand there is taken for one.
    assert_eq!(request.url, "https://api.example/v1/users?q=a+b%26c&ids=1&ids=2&none=None&n=5&page=2&all=True");
    assert_eq!(request.header("x-number"), Some("3"));
    assert_eq!(request.header("accept"), Some("text/csv"));
    assert_eq!(request.header("content-type"), None);
    assert!(request.body.is_empty());
    assert_eq!(sent(json!({}), json!({}), RequestOptions::default()).header("accept"), Some("*/*"));
}

#[test]
fn urls_are_made_of_their_parts() {
    let url = |fields: Value| sent(fields, json!({}), RequestOptions::default()).url;
    assert_eq!(url(json!({"url_base": "https://api.example/v1/?key=1", "path": ""})), "https://api.example/v1/?key=1");
    assert_eq!(url(json!({"url_base": null, "url": "https://api.example/a", "path": null})), "https://api.example/a");
    assert_eq!(url(json!({"url_base": null, "url": "https://api.example/a"})), "https://api.example/a/users");
    assert_eq!(url(json!({"path": "https://other.example/b"})), "https://other.example/b");
    let deduplicated = json!({"path": "users?limit=5", "request_parameters": {"limit": "5", "page": "1"}});
    assert_eq!(url(deduplicated), "https://api.example/v1/users?limit=5&page=1");
}

#[test]
fn a_path_of_the_paginator_takes_the_place_of_the_own() {
    let requester = requester(json!({})).unwrap();
    let run = Host::new().answering(|_| HttpResponse::json(&json!([]))).run(|| {
        let session = Session::new(Object::new());
        for path in ["https://api.example/v2/next?page=2", "/next", "next", ""] {
            requester.send(&session, Some(path), RequestOptions::default(), &session.scope)?;
        }
        Ok(())
    });
    assert_eq!(run.result, Ok(()));
    let urls: Vec<&str> = run.requests().iter().map(|request| request.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://api.example/v2/next?page=2",
            "https://api.example/next",
            "https://api.example/v1/next",
            "https://api.example/v1/users"
        ]
    );
}

#[test]
fn bodies_are_as_requests_writes_them() {
    let body = |fields: Value, options: RequestOptions| {
        let mut fields = fields;
        fields["http_method"] = json!("POST");
        let request = sent(fields, json!({"n": 5}), options);
        let content_type = request.header("content-type").map(str::to_owned);
        (String::from_utf8(request.body).unwrap(), content_type)
    };
    let none = RequestOptions::default;
    let json_type = Some("application/json".to_owned());
    let form_type = Some("application/x-www-form-urlencoded".to_owned());
    assert_eq!(
        body(json!({"request_body_json": {"a": "é", "n": 1}}), none()),
        (r#"{"a": "\u00e9", "n": 1}"#.to_owned(), json_type.clone())
    );
    let form = json!({"request_body_data": {"a": "x y", "n": "{{ config['n'] }}"}});
    assert_eq!(body(form.clone(), none()), ("a=x+y&n=5".to_owned(), form_type.clone()));
    let more = RequestOptions { body_data: Some(json!({"page": 2})), ..none() };
    assert_eq!(body(form, more), ("a=x+y&n=5&page=2".to_owned(), form_type.clone()));
    assert_eq!(body(json!({"request_body_data": "q={{ config['n'] }}"}), none()), ("q=5".to_owned(), None));
    let of_kind = |kind: &str, value: Value| json!({"request_body": {"type": kind, "value": value}});
    assert_eq!(body(of_kind("RequestBodyPlainText", json!("text")), none()), ("text".to_owned(), None));
    assert_eq!(body(of_kind("RequestBodyUrlEncodedForm", json!({"a": "b"})), none()), ("a=b".to_owned(), form_type));
    assert_eq!(
        body(of_kind("RequestBodyGraphQL", json!({"query": "query { a }"})), none()),
        (r#"{"query": "query { a }"}"#.to_owned(), json_type.clone())
    );
    let paged = RequestOptions { body_json: object(json!({"variables": {"after": "x"}})), ..none() };
    assert_eq!(
        body(of_kind("RequestBodyJsonObject", json!({"a": 1})), paged),
        (r#"{"a": 1, "variables": {"after": "x"}}"#.to_owned(), json_type)
    );
    let own = json!({"request_body_json": {"a": 1}, "request_headers": {"content-type": "application/vnd.api+json"}});
    assert_eq!(body(own, none()).1.as_deref(), Some("application/vnd.api+json"));
}

#[test]
fn options_of_two_must_not_collide() {
    let requester = requester(json!({"request_parameters": {"page": "1"}})).unwrap();
    let options = RequestOptions { parameters: object(json!({"page": "1"})), ..RequestOptions::default() };
    let (run, _) = run(&requester, json!({}), options, |_| HttpResponse::json(&json!([])));
    let failure = run.result.unwrap_err();
    assert!(failure.message.contains("\"page\""), "{}", failure.message);
    assert_eq!(failure.kind, FailureKind::SystemError);
}

#[test]
fn what_is_not_supported_is_told_when_it_is_read() {
    for (fields, path) in [
        (json!({"query_properties": {"type": "QueryProperties"}}), "query_properties"),
        (json!({"request_parameters": {"f": {"type": "QueryProperties"}}}), "request_parameters.f"),
        (json!({"http_method": "DELETE"}), "http_method"),
        (json!({"error_handler": {"type": "CustomErrorHandler", "class_name": "a.B"}}), "error_handler"),
        (json!({"request_body_json": {"a": 1}, "request_body_data": "x"}), "request_body_json"),
    ] {
        assert_eq!(requester(fields).unwrap_err().path, path);
    }
}

/// Five retries, after 1, 2, 4, 8 and 16 seconds.
#[test]
fn what_may_pass_is_tried_again() {
    let (failed, waits) = failure(json!({}), status(503));
    assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0]);
    assert_eq!(failed.kind, FailureKind::TransientError);
    assert_eq!(
        failed.message,
        "Exhausted available request attempts. Please see logs for more details. Exception: HTTP Status Code: 503. \
         Error: Service unavailable."
    );
    let (failed, waits) = failure(json!({}), status(422));
    assert_eq!((failed.kind, waits.len()), (FailureKind::SystemError, 5));
    assert!(failed.message.contains("422 Client Error: Unprocessable Entity for url: https://api.example/v1/users"));
    let (failed, waits) = failure(json!({}), |_| HttpResponse::none(HttpTrouble::Refused));
    assert_eq!((failed.kind, waits.len()), (FailureKind::SystemError, 5));
    let mut busy = 2;
    let requester = requester(json!({})).unwrap();
    let (run, outcome) = run(&requester, json!({}), RequestOptions::default(), move |_| {
        busy -= 1;
        if busy >= 0 { HttpResponse::new(500) } else { HttpResponse::json(&json!({"id": 1})) }
    });
    assert_eq!((&run.result, run.requests().len()), (&Ok(()), 3));
    assert!(matches!(outcome, Some(Outcome::Response(response)) if matches!(response.body, Body::Json(_))));
}

#[test]
fn what_does_not_pass_fails_at_once() {
    for (code, kind, message) in [
        (
            400,
            FailureKind::SystemError,
            "HTTP Status Code: 400. Error: Bad request. Please check your request parameters.",
        ),
        (
            401,
            FailureKind::ConfigError,
            "HTTP Status Code: 401. Error: Unauthorized. Please ensure you are authenticated correctly.",
        ),
        (
            404,
            FailureKind::SystemError,
            "HTTP Status Code: 404. Error: Not found. The requested resource was not found on the server.",
        ),
    ] {
        let (failed, waits) = failure(json!({}), status(code));
        assert_eq!((failed.kind, failed.message.as_str(), waits.len()), (kind, message, 0));
        assert!(failed.internal_message().unwrap().contains("error message: 'no'"));
    }
}

/// A 429 waits longer and longer as well, and ends with words of its own.
#[test]
fn a_rate_limit_ends() {
    let (failed, waits) = failure(json!({}), status(429));
    assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0]);
    assert_eq!((failed.kind, failed.message.as_str()), (FailureKind::TransientError, "API rate limit exceeded."));
    // The platform hears of it each time.
    let requester = requester(json!({"error_handler": {"type": "DefaultErrorHandler", "max_retries": 1}})).unwrap();
    let run = Host::new().answering(status(429)).run(|| {
        let session = Session::new(Object::new());
        session.begin_stream(StreamWriter::open("users")?);
        requester.send(&session, None, RequestOptions::default(), &session.scope).map(drop)
    });
    let told = |event: &&Event| matches!(event, Event::Running { reasons, .. } if reasons.contains("RATE_LIMITED"));
    assert_eq!(run.events.iter().filter(told).count(), 2);
}

#[test]
fn interruptions_are_not_tried_again() {
    let requester = requester(json!({})).unwrap();
    let host = Host::new().answering(status(503)).interrupting_after(0, airlock_sdk::Interruption::Cancelled);
    let run = host.run(|| {
        let session = Session::new(Object::new());
        requester.send(&session, None, RequestOptions::default(), &session.scope).map(drop)
    });
    assert_eq!(run.requests().len(), 0);
    assert!(run.result.is_err());
}

/// Sends a request for each path, and gives the URLs that were asked for and what was waited in between.
fn sequence(
    requester: &HttpRequester,
    budget: Option<Value>,
    paths: &[&str],
    answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static,
) -> (Vec<String>, Vec<u64>) {
    let run = Host::new().answering(answer).run(|| {
        let session = Session::new(Object::new());
        if let Some(budget) = budget {
            let remarks = Remarks::default();
            session.limit_calls(Node::root(&budget, &remarks).read()?);
        }
        for path in paths {
            requester.send(&session, Some(path), RequestOptions::default(), &session.scope)?;
        }
        Ok(())
    });
    assert_eq!(run.result, Ok(()));
    let urls = run.requests().iter().map(|request| request.url.replace("https://api.example/v1/", "")).collect();
    // What is left of a second after the time that the calls take is no wait to be counted.
    let waits = run.waits().iter().map(|wait| wait.as_secs_f64().round() as u64).filter(|wait| *wait > 0).collect();
    (urls, waits)
}

#[test]
fn a_response_is_kept_where_the_manifest_says_so() {
    let empty = |_: &HttpRequest| HttpResponse::json(&json!([]));
    let urls = |fields: Value, paths: &[&str], status: u16| {
        sequence(&requester(fields).unwrap(), None, paths, move |request| match status {
            200 => empty(request),
            status => HttpResponse::new(status),
        })
        .0
    };
    let kept = || json!({"use_cache": true});
    assert_eq!(urls(kept(), &["a?x=1&y=2", "a?y=2&x=1", "b", "a?x=1&y=2"], 200), ["a?x=1&y=2", "b"]);
    assert_eq!(urls(json!({}), &["a", "a"], 200), ["a", "a"]);
    assert_eq!(urls(json!({"use_cache": true, "http_method": "POST"}), &["a", "a"], 200), ["a", "a"]);
    assert_eq!(urls(kept(), &["a", "a"], 201), ["a", "a"]);
    assert_eq!(urls(json!({"use_cache": false}), &["a", "a"], 200), ["a", "a"]);
}

#[test]
fn a_kept_response_is_for_the_same_headers_and_body() {
    let count = |first: Value, second: Value| {
        let requesters = [first, second].map(|mut fields| {
            fields["use_cache"] = json!(true);
            requester(fields).unwrap()
        });
        let run = Host::new().answering(|_| HttpResponse::json(&json!([]))).run(|| {
            let session = Session::new(Object::new());
            for requester in &requesters {
                requester.send(&session, None, RequestOptions::default(), &session.scope)?;
            }
            Ok(())
        });
        run.requests().len()
    };
    let header = |value: &str| json!({"request_headers": {"A": value}});
    assert_eq!(count(header("1"), header("1")), 1);
    assert_eq!(count(header("1"), header("2")), 2);
    let body = |value: &str| json!({"request_body_json": {"a": value}});
    assert_eq!(count(body("1"), body("2")), 2);
}

#[test]
fn calls_are_limited_to_a_budget() {
    let fixed = |limit: u64, matchers: Value| {
        let policy =
            json!({"type": "FixedWindowCallRatePolicy", "period": "PT1M", "call_limit": limit, "matchers": matchers});
        json!({
            "type": "HTTPAPIBudget", "policies": [policy], "ratelimit_reset_header": "reset",
            "ratelimit_remaining_header": "left",
        })
    };
    let requester = requester(json!({})).unwrap();
    let waits = |budget: Value, answer: fn(usize) -> HttpResponse, calls: usize| {
        let mut answered = 0;
        let answer = move |_: &HttpRequest| {
            answered += 1;
            answer(answered - 1)
        };
        sequence(&requester, Some(budget), &vec!["users"; calls], answer).1
    };
    let list = |_| HttpResponse::json(&json!([]));
    let now = || airlock_sdk::time().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let reset = now() + 30;
    let told = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&told);
    let (_, waited) = sequence(&requester, Some(fixed(2, json!([]))), &["users"; 5], move |_| {
        heard.borrow_mut().push(());
        HttpResponse::json(&json!([])).header("reset", reset)
    });
    assert_eq!(told.borrow().len(), 5);
    assert!(matches!(waited[..], [first, ..] if (28..=31).contains(&first)), "{waited:?}");
    let left = |call: usize| match call {
        0 => HttpResponse::json(&json!([])).header("left", 0).header("reset", {
            airlock_sdk::time().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs() + 20
        }),
        _ => HttpResponse::json(&json!([])),
    };
    assert!(matches!(waits(fixed(10, json!([])), left, 3)[..], [wait] if (18..=21).contains(&wait)));
    let other = json!([{"type": "HttpRequestRegexMatcher", "url_path_pattern": "^/other"}]);
    assert_eq!(waits(fixed(1, other), list, 3), [0; 0]);
    let matchers = json!([{
        "type": "HttpRequestRegexMatcher", "method": "get", "url_base": "https://api.example/", "params": {"a": 1},
        "url_path_pattern": "users$",
    }]);
    assert_eq!(waits(fixed(1, matchers), list, 3), [0; 0]);
    let moving = json!({"type": "HTTPAPIBudget", "policies": [
        {"type": "MovingWindowCallRatePolicy", "matchers": [], "rates": [
            {"type": "Rate", "limit": 3, "interval": "PT2S"}, {"type": "Rate", "limit": 5, "interval": "PT6S"},
        ]},
    ]});
    // As the CDK: three at once, two after 2 seconds, three after 6.
    assert_eq!(waits(moving, list, 8), [2, 4]);
    let unlimited = json!({"type": "HTTPAPIBudget", "policies": [{"type": "UnlimitedCallRatePolicy", "matchers": []}]});
    assert_eq!(waits(unlimited, list, 3), [0; 0]);
    let heavy = json!([{"type": "HttpRequestRegexMatcher", "weight": 2}]);
    let (_, waited) = sequence(&requester, Some(fixed(4, heavy)), &["users"; 3], move |_| {
        HttpResponse::json(&json!([])).header("reset", now() + 10)
    });
    assert!(matches!(waited[..], [first, ..] if (8..=11).contains(&first)), "{waited:?}");
}
