//! Pages and intervals that an API refuses: what of it a manifest may declare, as the Python CDK takes or refuses it. What is then read
//! is compared end to end.

use airlock_sdk::testing::Host;
use airlock_sdk::{FailureKind, Result};
use serde_json::{Value, json};

use super::page_size::PageSizeReduction;
use crate::manifest::{Node, Reason, Remarks};
use crate::stream::Stream;

fn option(name: &str) -> Value {
    json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": name})
}

/// A stream with both, as it should be.
fn stream() -> Value {
    let filter = |action: &str| json!({"type": "HttpResponseFilter", "http_codes": [502], "action": action});
    let filters = [filter("REDUCE_PAGE_SIZE"), filter("SPLIT_REQUEST_WINDOW")];
    json!({
        "type": "DeclarativeStream",
        "name": "items",
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {
                "type": "HttpRequester", "url_base": "http://127.0.0.1",
                "error_handler": {"type": "DefaultErrorHandler", "response_filters": filters},
            },
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
            "paginator": {
                "type": "DefaultPaginator", "page_token_option": option("from"), "page_size_option": option("limit"),
                "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}", "page_size": 100},
            },
            "page_size_reduction": {"type": "PageSizeReduction"},
            "request_window_splitting": {"type": "RequestWindowSplitting"},
        },
        "incremental_sync": {
            "type": "DatetimeBasedCursor", "cursor_field": "day", "datetime_format": "%Y-%m-%d",
            "start_datetime": "2024-01-01", "step": "P1M", "cursor_granularity": "P1D",
        },
    })
}

/// Reads the stream with some values changed, each at a pointer. Null takes a value away.
fn read(changes: &[(&str, Value)]) -> (std::result::Result<Stream, crate::manifest::Problem>, Vec<String>) {
    let mut stream = stream();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        stream.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    let remarks = Remarks::default();
    let read = Node::root(&stream, &remarks).read();
    (read, remarks.take())
}

#[test]
fn both_may_be_declared() {
    let (read, remarks) = read(&[]);
    assert!(read.is_ok(), "{read:?}");
    assert_eq!(remarks, [] as [String; 0]);
}

#[test]
fn what_can_not_work_is_refused() {
    let retriever = "/retriever";
    let at = |path: &str| format!("{retriever}/{path}");
    let strategy = "paginator/pagination_strategy";
    for (path, value) in [
        ("page_size_reduction", Value::Null),
        ("request_window_splitting", Value::Null),
        ("paginator", Value::Null),
        ("paginator/page_size_option", Value::Null),
        ("paginator/page_token_option", json!({"type": "RequestPath"})),
        (strategy, json!({"type": "PageIncrement", "page_size": 100})),
        ("page_size_reduction/minimum_page_size", json!(100)),
        ("page_size_reduction/minimum_page_size", json!(0)),
        ("page_size_reduction/reduction_factor", json!(1)),
        ("page_size_reduction/max_attempts", json!(0)),
        ("page_size_reduction/backoff_seconds", json!(-1)),
        ("page_size_reduction/reset_policy", json!("SOMETIMES")),
        ("paginator/pagination_strategy/stop_condition", json!("{{ last_page_size < 100 }}")),
        ("request_window_splitting/min_split_window", json!("P1M")),
        ("request_window_splitting/min_split_window", json!("PT0S")),
        ("requester/query_properties", json!({"type": "QueryProperties", "property_list": ["a"]})),
    ] {
        let (read, _) = read(&[(&at(path), value.clone())]);
        assert_eq!(read.map(drop).unwrap_err().reason, Reason::Invalid, "{path}: {value}");
    }
    for (path, value) in [
        ("/incremental_sync", Value::Null),
        ("/incremental_sync/is_client_side_incremental", json!(true)),
        ("/incremental_sync/cursor_granularity", json!("PT1H")),
        ("/incremental_sync", json!({"type": "IncrementingCountCursor", "cursor_field": "id"})),
    ] {
        let (read, _) = read(&[(path, value.clone())]);
        let problem = read.map(drop).unwrap_err();
        assert!(problem.what.contains("request_window_splitting"), "{path}: {value}: {problem}");
    }
}

#[test]
fn what_may_not_do_what_is_meant_is_told() {
    let told = |path: &str, value: Value| read(&[(path, value)]).1.concat();
    assert!(told("/retriever/requester/error_handler", Value::Null).contains("it has no effect"));
    let reduction = json!({"type": "PageSizeReduction", "minimum_page_size": 2});
    assert!(told("/retriever/page_size_reduction", reduction).contains("is not reached"));
    let condition = "/retriever/paginator/pagination_strategy/stop_condition";
    assert!(told(condition, json!("{{ response.count < 5 }}")).contains("could not be checked"));
    assert_eq!(told(condition, json!("{{ last_page_size < page_size }}")), "");
}

#[test]
fn others_can_not_ask_for_other_pages() {
    let login = json!({
        "type": "SessionTokenAuthenticator", "session_token_path": ["t"], "request_authentication": {"type": "Bearer"},
        "login_requester": {
            "type": "HttpRequester", "url_base": "http://127.0.0.1",
            "error_handler": {"type": "DefaultErrorHandler", "response_filters": [
                {"type": "HttpResponseFilter", "http_codes": [502], "action": "SPLIT_REQUEST_WINDOW"},
            ]},
        },
    });
    let (read, _) = read(&[("/retriever/requester/authenticator", login)]);
    assert!(read.map(drop).unwrap_err().what.contains("SPLIT_REQUEST_WINDOW"));
}

/// The waits and the sizes of PageSizeReducer, and the kind of its failure.
#[test]
fn pages_get_smaller_as_those_of_the_cdk() {
    let reduced = |fields: Value, page_size: i64, refusals: usize| {
        let mut declared = json!({"type": "PageSizeReduction"});
        declared.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
        let reduction: PageSizeReduction = Node::root(&declared, &Remarks::default()).read().unwrap();
        let mut sizes = Vec::new();
        let mut result: Result<()> = Ok(());
        let run = Host::new().run(|| {
            let mut reducer = reduction.begin(Some(page_size), "items");
            for _ in 0..refusals {
                result = reducer.reduce("no");
                if result.is_err() {
                    break;
                }
                sizes.push(reducer.reduced().unwrap_or(page_size));
            }
            Ok(())
        });
        let waits: Vec<f64> = run.waits().iter().map(|wait| wait.as_secs_f64()).collect();
        (sizes, waits, result.err().map(|failure| failure.kind))
    };
    assert_eq!(
        reduced(json!({}), 100, 9),
        (vec![50, 25, 12, 6, 3], vec![0.5, 1.0, 1.5, 2.0, 2.5], Some(FailureKind::TransientError))
    );
    assert_eq!(reduced(json!({}), 8, 9), (vec![4, 2, 1], vec![0.5, 1.0, 1.5], Some(FailureKind::TransientError)));
    assert_eq!(
        reduced(json!({"reduction_factor": 3.0, "backoff_seconds": 2.0, "max_attempts": 2}), 100, 2),
        (vec![33, 11], vec![2.0, 4.0], None)
    );
    assert_eq!(
        reduced(json!({"minimum_page_size": 30, "retries_at_minimum_page_size": 2, "backoff_seconds": 1.0}), 100, 9),
        (vec![50, 30, 30, 30], vec![1.0, 2.0, 1.0, 2.0], Some(FailureKind::TransientError))
    );
    assert_eq!(reduced(json!({"minimum_page_size": 30}), 20, 9), (vec![], vec![], Some(FailureKind::ConfigError)));
    assert_eq!(
        reduced(json!({"reduction_factor": 1.1, "max_attempts": 9}), 11, 9),
        (vec![9, 8, 7, 6, 5, 4, 3, 2, 1], vec![0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5], None)
    );
    assert_eq!(reduced(json!({"reduction_factor": 1.5}), 1, 9), (vec![], vec![], Some(FailureKind::TransientError)));
}
