//! What is done about responses. What is expected is what the Python CDK does with the same manifest and the same responses.

use airlock_sdk::FailureKind;
use airlock_sdk::testing::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::request_options::RequestOptions;
use crate::requester::Outcome;
use crate::requester::tests::{failure, requester, run, status};

/// A requester's fields with this error handler.
fn handler(fields: Value) -> Value {
    let mut handler = json!({"type": "DefaultErrorHandler"});
    handler.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
    json!({"error_handler": handler})
}

fn backoff(strategy: Value) -> Value {
    handler(json!({"backoff_strategies": [strategy]}))
}

fn filter(fields: Value) -> Value {
    let mut filter = json!({"type": "HttpResponseFilter"});
    filter.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
    handler(json!({"response_filters": [filter]}))
}

/// Answers one after the other, and with the last one for ever.
fn answers(answers: Vec<HttpResponse>) -> impl FnMut(&HttpRequest) -> HttpResponse {
    let mut next = 0;
    move |_| {
        let answer = answers[next.min(answers.len() - 1)].clone();
        next += 1;
        answer
    }
}

/// What came of it, and what was waited.
fn came_of(fields: Value, responses: Vec<HttpResponse>) -> (Option<Outcome>, Vec<f64>) {
    let (run, outcome) = run(&requester(fields).unwrap(), json!({}), RequestOptions::default(), answers(responses));
    (outcome, run.waits().iter().map(|wait| wait.as_secs_f64()).collect())
}

fn header(status: u16, name: &str, value: &str) -> HttpResponse {
    HttpResponse::new(status).header(name, value)
}

fn body(status: u16, body: &str) -> HttpResponse {
    HttpResponse::new(status).body(body)
}

fn fine() -> HttpResponse {
    HttpResponse::json(&json!({}))
}

#[test]
fn retries_are_counted() {
    assert_eq!(failure(handler(json!({"max_retries": 2})), status(503)).1, [1.0, 2.0]);
    assert_eq!(failure(handler(json!({"max_retries": 0})), status(503)).1, [0.0; 0]);
    let requester = requester(handler(json!({"max_retries": "{{ config['r'] }}"}))).unwrap();
    let (run, _) = run(&requester, json!({"r": 1}), RequestOptions::default(), status(503));
    assert_eq!(run.requests().len(), 2);
}

#[test]
fn a_strategy_says_how_long_to_wait() {
    let constant = |seconds| json!({"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": seconds});
    assert_eq!(failure(backoff(constant(3)), status(503)).1, [4.0; 5]);
    // Ten minutes are over.
    assert_eq!(failure(backoff(constant(300)), status(503)).1, [301.0; 2]);
    let exponential = json!({"type": "ExponentialBackoffStrategy"});
    assert_eq!(failure(backoff(exponential), status(503)).1, [11.0, 21.0, 41.0, 81.0, 161.0]);
    let (failed, waits) = failure(backoff(json!({"type": "ExponentialBackoffStrategy", "factor": 2})), status(429));
    assert_eq!((failed.message.as_str(), waits), ("API rate limit exceeded.", vec![5.0, 9.0, 17.0, 33.0, 65.0]));
    let jitter = json!({"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 3, "jitter_range_in_seconds": 2});
    assert!(failure(backoff(jitter), status(503)).1.iter().all(|wait| (4.0..=8.0).contains(wait)));
}

#[test]
fn a_header_says_how_long_to_wait() {
    let strategy = |fields: Value| {
        let mut strategy = json!({"type": "WaitTimeFromHeader", "header": "Retry-After"});
        strategy.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
        backoff(strategy)
    };
    let responses = vec![
        header(503, "Retry-After", "7"),
        header(503, "Retry-After", "soon"),
        HttpResponse::new(429),
        header(503, "retry-after", "2.5"),
        fine(),
    ];
    assert_eq!(came_of(strategy(json!({})), responses).1, [8.0, 1.0, 1.0, 3.5]);
    let responses = vec![header(503, "Retry-After", "12 seconds"), header(503, "Retry-After", "in 12"), fine()];
    assert_eq!(came_of(strategy(json!({"regex": "[-+]?\\d+"})), responses).1, [13.0, 1.0]);
    let most = strategy(json!({"max_waiting_time_in_seconds": 10}));
    let (failed, waits) =
        failure(most, answers(vec![header(503, "Retry-After", "9"), header(503, "Retry-After", "10")]));
    assert_eq!((failed.kind, waits), (FailureKind::TransientError, vec![10.0]));
    assert_eq!(failed.message, "The rate limit wait time is longer than the connector is allowed to wait.");
}

#[test]
fn a_header_says_until_when_to_wait() {
    let strategy =
        |min_wait: Value| backoff(json!({"type": "WaitUntilTimeFromHeader", "header": "X", "min_wait": min_wait}));
    let responses = || vec![header(503, "X", "100"), HttpResponse::new(503), fine()];
    assert_eq!(came_of(strategy(json!(5)), responses()).1, [6.0, 6.0]);
    assert_eq!(came_of(strategy(Value::Null), responses()).1, [1.0, 2.0]);
    let now = airlock_sdk::time().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let responses = vec![header(503, "X", &(now + 60).to_string()), fine()];
    let (_, waits) = came_of(strategy(json!(5)), responses);
    assert!(matches!(waits[..], [wait] if (50.0..=61.0).contains(&wait)), "{waits:?}");
}

#[test]
fn a_body_says_how_long_to_wait() {
    let strategy = backoff(json!({"type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response['wait'] }}"}));
    let responses = vec![
        body(503, r#"{"wait": 4}"#),
        body(503, "[]"),
        body(503, r#"{"wait": "soon"}"#),
        body(503, r#"{"wait": -1}"#),
        fine(),
    ];
    assert_eq!(came_of(strategy, responses).1, [5.0, 1.0, 2.0, 4.0]);
}

/// Each of the CDK's loops begins those inside of it anew.
#[test]
fn loops_are_nested() {
    let statuses = |statuses: &[u16]| statuses.iter().map(|status| HttpResponse::new(*status)).collect::<Vec<_>>();
    let mixed = answers(statuses(&[503, 429, 429, 503, 429, 429, 429]));
    let (failed, waits) = failure(handler(json!({"max_retries": 2})), mixed);
    assert_eq!((failed.message.as_str(), waits), ("API rate limit exceeded.", vec![1.0, 1.0, 2.0, 2.0, 1.0, 2.0]));
    let strategy = json!({"max_retries": 2, "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "X"}]});
    let told = || header(503, "X", "1");
    let mixed = answers(vec![told(), told(), HttpResponse::new(503), told(), told(), told(), told()]);
    assert_eq!(failure(handler(strategy), mixed).1, [2.0, 2.0, 1.0, 2.0, 2.0]);
}

#[test]
fn a_filter_says_what_is_done() {
    for action in ["IGNORE", "SUCCESS"] {
        let (outcome, _) = came_of(filter(json!({"http_codes": [404], "action": action})), vec![body(404, "no")]);
        assert!(matches!(outcome, Some(Outcome::Ignored)), "{action}: {outcome:?}");
    }
    // Who ignores a response that is none of the errors takes it all the same.
    let error = json!({"predicate": "{{ 'error' in response }}", "action": "IGNORE"});
    let (outcome, _) = came_of(filter(error), vec![body(200, r#"{"error": 1}"#)]);
    assert!(matches!(outcome, Some(Outcome::Response(_))));
    let (outcome, _) = came_of(json!({}), vec![HttpResponse::new(304)]);
    assert!(matches!(outcome, Some(Outcome::Response(_))));
    let (outcome, _) = came_of(filter(json!({"http_codes": [403], "action": "RESET_PAGINATION"})), vec![body(403, "")]);
    assert!(matches!(outcome, Some(Outcome::ResetPagination)));
    for action in ["REDUCE_PAGE_SIZE", "SPLIT_REQUEST_WINDOW"] {
        let refused = json!({"http_codes": [502], "action": action, "error_message": "too much"});
        let (outcome, waits) = came_of(filter(refused), vec![body(502, "")]);
        let told = match outcome {
            Some(Outcome::PageTooLarge(told)) if action == "REDUCE_PAGE_SIZE" => told,
            Some(Outcome::WindowTooLarge(told)) if action == "SPLIT_REQUEST_WINDOW" => told,
            outcome => panic!("{action}: {outcome:?}"),
        };
        assert_eq!((told.as_str(), waits.len()), ("too much", 0));
    }
    let slow = filter(json!({"error_message_contains": "slow down", "action": "RATE_LIMITED"}));
    let (outcome, waits) = came_of(slow, vec![body(400, r#"{"error": "please slow down"}"#), fine()]);
    assert!(matches!(outcome, Some(Outcome::Response(_))));
    assert_eq!(waits, [1.0]);
}

#[test]
fn a_filter_says_what_is_told() {
    let error = json!({
        "predicate": "{{ 'error' in response }}",
        "action": "FAIL",
        "error_message": "Bad: {{ response['error'] }} {{ headers['X-A'] }} {{ request_url }}",
    });
    let answer = |_: &HttpRequest| HttpResponse::json(&json!({"error": "x"})).header("x-a", "b");
    let (failed, _) = failure(filter(error), answer);
    assert_eq!(failed.message, "Bad: x b https://api.example/v1/users");
    assert_eq!(failed.kind, FailureKind::SystemError);
    let config = json!({"http_codes": [400], "action": "FAIL", "failure_type": "config_error"});
    let (failed, _) = failure(filter(config), status(400));
    assert_eq!(failed.kind, FailureKind::ConfigError);
    assert_eq!(failed.message, "HTTP Status Code: 400. Error: Bad request. Please check your request parameters.");
    // Only a failure has the kind that the filter says.
    let retry = json!({"http_codes": [400], "action": "RETRY", "failure_type": "config_error"});
    let (failed, waits) = failure(filter(retry), status(400));
    assert_eq!((failed.kind, waits.len()), (FailureKind::SystemError, 5));
    let (failed, _) = failure(filter(json!({"http_codes": [418], "action": "FAIL"})), status(418));
    assert_eq!(
        failed.message,
        "'GET' request to 'https://api.example/v1/users' failed with status code '418' and error message: 'no'."
    );
    let (failed, _) = failure(filter(json!({"http_codes": [403]})), status(403));
    assert_eq!(failed.kind, FailureKind::ConfigError);
}

#[test]
fn handlers_are_asked_one_after_the_other() {
    let composite =
        |handlers: Value| json!({"error_handler": {"type": "CompositeErrorHandler", "error_handlers": handlers}});
    let one = |action: &str, told: &str| {
        json!([{
            "type": "HttpResponseFilter", "http_codes": [400], "action": action, "error_message": told
        }])
    };
    let (failed, waits) = failure(
        composite(json!([
            {"type": "DefaultErrorHandler", "max_retries": 1, "response_filters": one("FAIL", "one")},
            {
                "type": "DefaultErrorHandler", "max_retries": 3, "response_filters": one("RETRY", "two"),
                "backoff_strategies": [{"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 2}],
            },
        ])),
        status(400),
    );
    assert!(failed.message.ends_with("Exception: two"), "{}", failed.message);
    assert_eq!(waits, [3.0]);
    let (run, outcome) = run(
        &requester(composite(json!([
            {"type": "DefaultErrorHandler", "response_filters": one("REDUCE_PAGE_SIZE", "one")},
            {"type": "DefaultErrorHandler", "response_filters": one("IGNORE", "two")},
        ])))
        .unwrap(),
        json!({}),
        RequestOptions::default(),
        status(400),
    );
    assert!(matches!(outcome, Some(Outcome::PageTooLarge(told)) if told == "one"));
    assert_eq!(run.requests().len(), 1);
    // Of failures the last one counts.
    let (failed, _) = failure(
        composite(json!([
            {"type": "DefaultErrorHandler", "response_filters": one("FAIL", "one")},
            {"type": "DefaultErrorHandler"},
        ])),
        status(400),
    );
    assert_eq!(failed.message, "HTTP Status Code: 400. Error: Bad request. Please check your request parameters.");
}

#[test]
fn what_is_not_supported_is_told_when_it_is_read() {
    for (fields, path) in [
        (filter(json!({"action": "EXPLODE"})), "error_handler.response_filters[0].action"),
        (filter(json!({"failure_type": "other"})), "error_handler.response_filters[0].failure_type"),
        (backoff(json!({"type": "Custom", "class_name": "a.B"})), "error_handler.backoff_strategies[0]"),
        (backoff(json!({"type": "ConstantBackoffStrategy"})), "error_handler.backoff_strategies[0]"),
        (json!({"error_handler": {"type": "CompositeErrorHandler", "error_handlers": []}}), "error_handler"),
    ] {
        assert_eq!(requester(fields).unwrap_err().path, path);
    }
}
