//! States of streams and of all, on the way out and back in, and streams with namespaces.

use serde_json::{Value, json};

use super::{Guest, numbers};
use crate::harness::workspace::configured_catalog;

/// The state that the guest says it was given, from the first record of each stream.
fn given(guest: &Guest, form: &str, state: &Value) -> Value {
    let state = guest.workspace.json("state.json", state);
    let run = guest.read(&json!({"form": form}), &["one"]).option("--state", state);
    run.run().exits(0).records("one")[0]["given"].clone()
}

#[test]
fn a_state_of_a_stream_comes_back_to_it() {
    let guest = Guest::new("source-states");
    let finished = guest.read(&json!({}), &["one", "two"]).run().exits(0);
    let states = finished.states();
    assert_eq!(states.len(), 2);
    assert_eq!(
        states[0],
        &json!({
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "one"}, "stream_state": {"saved": "one"}},
            "sourceStats": {"recordCount": 1.0}
        })
    );
    assert_eq!(finished.records("one")[0]["given"], "none");
    assert_eq!(
        given(&guest, "streams", &json!(states)),
        json!({"streams": {"one": {"saved": "one"}, "two": {"saved": "two"}}})
    );
}

#[test]
fn a_global_state_counts_all_streams_and_comes_back() {
    let guest = Guest::new("source-states");
    let finished = guest.read(&json!({"form": "global"}), &["one", "two"]).run().exits(0);
    let states = finished.states();
    let of_streams = |names: &[&str]| -> Vec<Value> {
        let state = |name: &&str| json!({"stream_descriptor": {"name": name}, "stream_state": {"saved": name}});
        names.iter().map(state).collect()
    };
    let expected = |names: &[&str]| {
        json!({
            "type": "GLOBAL",
            "global": {"shared_state": {"streams_read": names.len()}, "stream_states": of_streams(names)},
            "sourceStats": {"recordCount": 3.0}
        })
    };
    assert_eq!(states, [&expected(&["one"]), &expected(&["one", "two"])]);
    let back = json!({"shared": {"streams_read": 2}, "streams": {"one": {"saved": "one"}, "two": {"saved": "two"}}});
    assert_eq!(given(&guest, "global", &json!([states[1]])), back);
    // PyAirbyte's spelling, and its nulls.
    let spelled = json!([{"type": "GLOBAL", "stream": null, "global_": states[1]["global"], "data": null}]);
    assert_eq!(given(&guest, "global", &spelled), back);
}

#[test]
fn a_state_leaves_after_every_record_it_covers() {
    for form in ["streams", "global"] {
        let finished = Guest::new("source-states").read(&json!({"form": form}), &["one", "two"]).run().exits(0);
        let mut since = 0.0;
        for message in &finished.messages {
            match message["type"].as_str() {
                Some("RECORD") => since += 1.0,
                Some("STATE") => {
                    if form == "global" {
                        assert_eq!(message["state"]["sourceStats"]["recordCount"], since);
                    }
                    since = 0.0;
                }
                _ => {}
            }
        }
    }
}

#[test]
fn both_forms_of_state_in_one_sync_are_refused() {
    let finished = Guest::new("source-states").read(&json!({"form": "both"}), &["one"]).run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    assert!(message.contains("both states of streams and a global one"), "{message}");
    assert_eq!(finished.logs("INFO"), [format!("global checkpoint: refused: {message}")]);
    assert_eq!(finished.states().len(), 1);
    // All that it wrote came before the refusal.
    assert_eq!(numbers(&finished.records("one")[1..]), [1, 2]);
    assert_eq!(finished.statuses("one").last(), Some(&"INCOMPLETE"));
}

#[test]
fn streams_of_the_same_name_in_two_namespaces_are_two() {
    let mut catalog = configured_catalog(&["one", "one", "one"]);
    catalog["streams"][0]["stream"]["namespace"] = json!("a");
    catalog["streams"][1]["stream"]["namespace"] = json!("b");
    // The same as none.
    catalog["streams"][2]["stream"]["namespace"] = Value::Null;
    let guest = Guest::new("source-states");
    let finished = guest.read_catalog(&json!({}), &catalog).run().exits(0);
    let namespaces: Vec<Option<&str>> = finished
        .of_type("RECORD")
        .iter()
        .map(|message| {
            assert_eq!(message["record"]["stream"], "one");
            message["record"].get("namespace").map(|namespace| namespace.as_str().unwrap())
        })
        .collect();
    assert_eq!(namespaces, [[Some("a"); 3], [Some("b"); 3], [None; 3]].concat());
    let descriptors: Vec<&Value> =
        finished.states().iter().map(|state| &state["stream"]["stream_descriptor"]).collect();
    let expected =
        [json!({"name": "one", "namespace": "a"}), json!({"name": "one", "namespace": "b"}), json!({"name": "one"})];
    assert_eq!(descriptors, expected.iter().collect::<Vec<_>>());
    let statuses: Vec<&Value> = finished
        .of_type("TRACE")
        .into_iter()
        .map(|message| &message["trace"]["stream_status"])
        .filter(|status| status["status"] == "COMPLETE")
        .map(|status| &status["stream_descriptor"])
        .collect();
    assert_eq!(statuses, descriptors);

    let state = guest.workspace.json("state.json", &json!(finished.states()));
    let again = guest.read_catalog(&json!({}), &catalog).option("--state", state).run().exits(0);
    let back = json!({"streams": {"a.one": {"saved": "a.one"}, "b.one": {"saved": "b.one"}, "one": {"saved": "one"}}});
    assert_eq!(again.records("one")[0]["given"], back);
}
