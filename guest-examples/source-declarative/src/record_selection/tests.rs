//! What is found in bodies. The expected values are those of the Python CDK's DpathExtractor.

use airlock_sdk::http::Client;
use airlock_sdk::testing::{Host, HttpResponse as Answer};
use serde_json::json;

use super::extractor::*;
use super::*;
use crate::decoders::Decoder;
use crate::field_path::Search;
use crate::manifest::{Object, Remarks};
use crate::requester::HttpResponse;

fn path(segments: &Value) -> Search {
    Search::of(segments.as_array().unwrap().iter().cloned().map(Ok)).unwrap()
}

/// What an extractor finds, once in a page's text and once in parsed values.
fn found(extractor: &PreparedExtractor<'_>, body: &str) -> [std::result::Result<Value, String>; 2] {
    let items = |decoded: &Decoded<'_>| {
        let items = extractor.extract(decoded).map_err(|failure| failure.message)?.items();
        items
            .map(|item| match item.map_err(|failure| failure.message)? {
                Item::Part(part) => Ok(serde_json::from_str(part.text()).unwrap()),
                Item::Value(value) => Ok(value),
                Item::Dropped => Ok(json!("dropped")),
            })
            .collect::<std::result::Result<Value, String>>()
    };
    let bodies = match serde_json::from_str(body).unwrap() {
        Value::Array(bodies) => bodies,
        body => vec![body],
    };
    let parsed = items(&Decoded::Values(bodies));
    let body = body.to_owned();
    let mut of_page = None;
    let host = Host::new().answering(move |_| Answer::new(200).body(body.clone()));
    let run = host.run(|| {
        let response = HttpResponse::of(Client::new("http://127.0.0.1/")?.get("x").send()?);
        let decoder = Decoder::Json;
        let decoded = decoder.decode(&response);
        assert!(matches!(decoded, Decoded::Page(_)));
        of_page = Some(items(&decoded));
        Ok(())
    });
    run.result.unwrap();
    [of_page.unwrap(), parsed]
}

#[test]
fn a_path_leads_where_dpath_leads() {
    for (segments, body, expected) in [
        (json!([]), "[]", json!([])),
        (json!([]), "{}", json!([])),
        (json!([]), "null", json!([])),
        (json!([]), "0", json!([])),
        (json!([]), "5", json!([5])),
        (json!([]), r#""a""#, json!(["a"])),
        (json!([]), r#"[1,null,{},{"a":1},[],[1,{"b":1}],"x"]"#, json!([1, {"a": 1}, 1, {"b": 1}, "x"])),
        (json!(["data"]), r#"{"data":[{"a":1},{},null,1,"x",[2]]}"#, json!([{"a": 1}, {}, null, 1, "x", [2]])),
        (json!(["data"]), r#"{"data":{"a":1}}"#, json!([{"a": 1}])),
        (json!(["data"]), r#"{"data":{}}"#, json!([])),
        (json!(["data"]), r#"{"data":null}"#, json!([])),
        (json!(["data"]), r#"{"data":"abc"}"#, json!(["abc"])),
        (json!(["data"]), r#"{"data":0}"#, json!([])),
        (json!(["data"]), r#"{"data":-0.0}"#, json!([])),
        (json!(["data"]), r#"{"data":7}"#, json!([7])),
        (json!(["data"]), r#"[{"data":[1]},{"data":[2]},{"x":1}]"#, json!([1, 2])),
        (json!(["data"]), r#""data""#, json!([])),
        (json!(["data", 0]), r#"{"data":[{"a":1},{"a":2}]}"#, json!([{"a": 1}])),
        (json!(["data", -1]), r#"{"data":[{"a":1},{"a":2}]}"#, json!([{"a": 2}])),
        (json!(["data", -3]), r#"{"data":[{"a":1},{"a":2}]}"#, json!([])),
        (json!(["data", "*"]), r#"{"data":[{"a":1},{},null,[1]]}"#, json!([{"a": 1}, {}, null, [1]])),
        (json!(["data", "*"]), r#"{"data":{"x":{"a":1},"y":[1]}}"#, json!([{"a": 1}, [1]])),
        (json!(["*"]), r#"{"x":{"a":1},"y":[1],"z":0}"#, json!([{"a": 1}, [1], 0])),
        (json!(["data", "*", "items"]), r#"{"data":[{"items":[1,2]},{"items":[3]},{}]}"#, json!([[1, 2], [3]])),
        (json!(["*"]), "[[1],[2]]", json!([1, 2])),
        (json!(["*"]), "5", json!([])),
        (json!(["da*"]), r#"{"data":[1],"other":2}"#, json!([1])),
        (json!(["d?ta"]), r#"{"data":[1]}"#, json!([1])),
        (json!(["[d]ata"]), r#"{"data":[1]}"#, json!([1])),
        (json!(["[!d]ata"]), r#"{"data":[1]}"#, json!([])),
        (json!(["[data"]), r#"{"[data":[1]}"#, json!([1])),
        (json!(["a.b"]), r#"{"a.b":[1]}"#, json!([1])),
        (json!(["a\"b"]), r#"{"a\"b":[1]}"#, json!([1])),
        (json!([""]), r#"{"":[5]}"#, json!([5])),
        (json!(["a"]), r#"{"a":[1],"a":[2]}"#, json!([2])),
        (json!(["A"]), r#"{"a":[1]}"#, json!([])),
        (json!([0]), r#"{"0":[1]}"#, json!([])),
        (json!(["data", "*", "a"]), r#"{"data":"abc"}"#, json!([])),
    ] {
        let extractor = PreparedExtractor::Dpath { path: path(&segments), expander: None };
        assert_eq!(found(&extractor, body), [Ok(expected.clone()), Ok(expected)], "{segments} in {body}");
    }
    let extractor = PreparedExtractor::Dpath { path: path(&json!(["da*"])), expander: None };
    for failure in found(&extractor, r#"{"data":[1],"dab":2}"#) {
        assert!(failure.unwrap_err().contains("several values"));
    }
}

#[test]
fn two_stars_lead_any_way_down() {
    let nested = r#"{"data":{"items":[{"id":1,"sub":{"items":[{"id":2}]}}],"x":{"a":1}},"meta":{"id":9}}"#;
    let one = r#"{"data":{"x":{"items":[{"id":1},{"id":2}]}}}"#;
    let lists = r#"{"a":[[{"v":1}],[{"v":2}]]}"#;
    let items = json!([{"id": 1}, {"id": 2}]);
    for (segments, body, expected) in [
        (json!(["**", "items"]), one, Some(items.clone())),
        (json!(["data", "**", "items"]), one, Some(items.clone())),
        (json!(["data", "x", "**", "items"]), one, Some(items.clone())),
        (json!(["**", "it*"]), one, Some(items)),
        (json!(["**", "nope"]), one, Some(json!([]))),
        (json!(["nope", "**"]), one, Some(json!([]))),
        (json!(["data", "**"]), one, None),
        (json!(["**"]), one, None),
        (json!(["**"]), r#"{"a":1}"#, Some(json!([1]))),
        (json!(["**"]), r#"{"a":{}}"#, Some(json!([]))),
        (json!(["**"]), "5", Some(json!([]))),
        (json!(["***", "items"]), one, Some(json!([]))),
        (json!(["**", "items"]), nested, None),
        (json!(["**", "items", "*"]), nested, Some(json!([{"id": 1, "sub": {"items": [{"id": 2}]}}, {"id": 2}]))),
        (json!(["**", "items", "*", "id"]), nested, Some(json!([1, 2]))),
        (
            json!(["**", "*"]),
            nested,
            Some(json!([
                {"items": [{"id": 1, "sub": {"items": [{"id": 2}]}}], "x": {"a": 1}},
                {"id": 9},
                [{"id": 1, "sub": {"items": [{"id": 2}]}}],
                {"a": 1},
                {"id": 1, "sub": {"items": [{"id": 2}]}},
                1,
                {"items": [{"id": 2}]},
                [{"id": 2}],
                {"id": 2},
                2,
                1,
                9
            ])),
        ),
        (json!(["a", "**", "v"]), lists, None),
        (json!(["*", "**", "v"]), lists, Some(json!([1, 2]))),
        (json!(["**", "a", "*"]), r#"{"a":{"b":{"a":[1]}}}"#, Some(json!([{"a": [1]}, 1]))),
        (json!(["**", 1, "v"]), r#"{"a":{"1":{"v":1}},"b":[{"v":2},{"v":3}]}"#, Some(json!([3]))),
        (json!(["b", "**", "*"]), r#"{"b":[{"v":2},{"v":3}]}"#, Some(json!([{"v": 2}, {"v": 3}, 2, 3]))),
    ] {
        let extractor = PreparedExtractor::Dpath { path: path(&segments), expander: None };
        for found in found(&extractor, body) {
            assert_eq!(found.ok(), expected, "{segments} in {body}");
        }
    }
    assert!(Search::of(["**", "a", "**"].map(|segment| Ok(json!(segment))).into_iter()).is_err());
    let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "1") + &"}".repeat(100_000);
    let host = Host::new().answering(move |_| Answer::new(200).body(deep.clone()));
    let run = host.run(|| {
        let response = HttpResponse::of(Client::new("http://127.0.0.1/")?.get("x").send()?);
        let extractor = PreparedExtractor::Dpath { path: path(&json!(["**", "z"])), expander: None };
        let decoder = Decoder::Json;
        extractor.extract(&decoder.decode(&response)).map(drop)
    });
    assert!(run.result.unwrap_err().message.contains("deeper than the 200 levels"));
}

fn extractor(manifest: &Value) -> RecordExtractor {
    Node::root(manifest, &Remarks::default()).read().unwrap()
}

/// Without templates, for those are another's concern.
fn dpath(field_path: &[&str]) -> Value {
    json!({"type": "DpathExtractor", "field_path": field_path})
}

fn combined(manifest: &Value, body: &str) -> Value {
    let session = Session::new(Object::new());
    let extractor = extractor(manifest);
    let [of_page, parsed] = found(&extractor.prepare(&session).unwrap(), body);
    assert_eq!(of_page, parsed);
    of_page.unwrap()
}

#[test]
fn records_are_combined_from_several_paths() {
    let of = |mode: &str, skip: bool| {
        json!({"type": "CombinedExtractor", "mode": mode, "skip_empty_records": skip,
            "extractors": [dpath(&["a"]), dpath(&["b"])]})
    };
    let body = r#"{"a": [{"x": 1}, null, {}], "b": [{"y": 2}]}"#;
    assert_eq!(combined(&of("union", false), body), json!([{"x": 1}, null, {}, {"y": 2}]));
    assert_eq!(combined(&of("union", true), body), json!([{"x": 1}, "dropped", "dropped", {"y": 2}]));
    assert_eq!(combined(&of("first_match", false), body), json!([{"x": 1}, null, {}]));
    let body = r#"{"a": [null, {}], "b": [null, {"y": 2}]}"#;
    assert_eq!(combined(&of("first_match", false), body), json!([null, {}]));
    assert_eq!(combined(&of("first_match", true), body), json!(["dropped", {"y": 2}]));
    assert_eq!(combined(&of("first_match", true), "{}"), json!([]));
}

#[test]
fn records_are_expanded_from_lists_in_records() {
    let of = |expander: &Value, body: &Value| {
        let mut manifest = dpath(&["data"]);
        manifest["record_expander"] = json!({"type": "RecordExpander"});
        manifest["record_expander"].as_object_mut().unwrap().extend(expander.as_object().unwrap().clone());
        combined(&manifest, &json!({"data": body}).to_string())
    };
    let body = json!([
        {"id": 1, "lines": {"data": [{"a": 1}, 5], "more": 1}},
        {"id": 2, "lines": {"data": []}},
        {"id": 3},
        7,
    ]);
    let at = json!(["lines", "data"]);
    assert_eq!(of(&json!({"expand_records_from_field": at}), &body), json!([{"a": 1}, 5, 7]));
    assert_eq!(
        of(&json!({"expand_records_from_field": at, "on_no_records": "emit_parent"}), &body),
        json!([{"a": 1}, 5, {"id": 2, "lines": {"data": []}}, {"id": 3}, 7])
    );
    let first = &body[0];
    assert_eq!(
        of(&json!({"expand_records_from_field": at, "remain_original_record": true}), &body),
        json!([{"a": 1, "original_record": first}, {"value": 5, "original_record": first}, 7])
    );
    assert_eq!(
        of(&json!({"expand_records_from_field": at, "merge_parent": true}), &body).to_string(),
        r#"[{"id":1,"lines":{"more":1},"a":1},{"id":1,"lines":{"more":1},"value":5},7]"#
    );
    let fields = json!([
        {"type": "ParentFieldPath", "parent_path": ["id"], "record_path": ["parent", "id"]},
        {"type": "ParentFieldPath", "parent_path": ["nope"], "record_path": ["nope"]},
    ]);
    assert_eq!(
        of(&json!({"expand_records_from_field": at, "parent_fields": fields}), &body),
        json!([{"a": 1, "parent": {"id": 1}, "nope": null}, {"value": 5, "parent": {"id": 1}, "nope": null}, 7])
    );
    let body = json!({"sections": [{"items": [1, 2]}, {"items": [3]}, {"items": "x"}]});
    let at = json!(["sections", "*", "items"]);
    assert_eq!(of(&json!({"expand_records_from_field": at}), &body), json!([1, 2, 3]));
    assert_eq!(
        of(&json!({"expand_records_from_field": at, "merge_parent": true}), &body)[2],
        json!({"sections": [{}, {}, {"items": "x"}], "value": 3})
    );
}
