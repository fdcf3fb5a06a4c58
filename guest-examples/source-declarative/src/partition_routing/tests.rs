//! Partition routers against the Python CDK: their partitions, and what each puts into requests.

use serde_json::{Value, json};

use super::*;
use crate::manifest::{Node, Object, Remarks};
use crate::retriever::Going;
use crate::session::Session;

/// What the CDK's routers said.
const ROUTERS: &str = include_str!("routers.json");

#[test]
fn routers_say_what_the_cdks_say() {
    let cases: Vec<Value> = serde_json::from_str(ROUTERS).unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let name = &case["name"];
        let remarks = Remarks::default();
        let declared: PartitionRouter = Node::root(&case["router"], &remarks).read().unwrap();
        assert_eq!(remarks.take(), [] as [String; 0]);
        let session = Session::new(Object::new());
        let router = Router::open(Some(&declared), &session, &Object::new()).unwrap();
        let mut partitions = Vec::new();
        router
            .partitions(&mut |slice| {
                let options = router.request_options(&slice, &session.scope)?;
                partitions.push(json!({
                    "partition": slice.partition,
                    "extra_fields": slice.extra_fields,
                    "parameters": options.parameters,
                    "headers": options.headers,
                    "body_data": options.body_data.unwrap_or_else(|| json!({})),
                    "body_json": options.body_json,
                }));
                Ok(Going::On)
            })
            .unwrap();
        assert_eq!(Value::from(partitions).to_string(), case["partitions"].to_string(), "the partitions of {name}");
        let parent_state = router.parent_state().map_or(Value::Null, |state| Object::clone(&state).into());
        assert_eq!(parent_state, case["parent_state"], "the parents' state of {name}");
    }
}

#[test]
fn enough_is_enough() {
    let list = json!({"type": "ListPartitionRouter", "cursor_field": "a", "values": ["x", "y"]});
    let routers = [
        list.clone(),
        json!([list, list]),
        json!({"type": "GroupingPartitionRouter", "group_size": 1, "underlying_partition_router": list}),
        json!({"type": "UnionPartitionRouter", "partition_field": "a", "partition_routers": [list, list]}),
    ];
    for declared in routers {
        let remarks = Remarks::default();
        let declared: PartitionRouter = Node::root(&declared, &remarks).read().unwrap();
        let session = Session::new(Object::new());
        let router = Router::open(Some(&declared), &session, &Object::new()).unwrap();
        let mut count = 0;
        let going = router.partitions(&mut |_| {
            count += 1;
            Ok(Going::Enough)
        });
        assert_eq!((going.unwrap(), count), (Going::Enough, 1));
    }
}

#[test]
fn what_is_no_router_is_told() {
    let list = json!({"type": "ListPartitionRouter", "cursor_field": "a", "values": ["x"]});
    let option = json!({"type": "RequestOption", "inject_into": "header", "field_name": "h"});
    let sending =
        json!({"type": "ListPartitionRouter", "cursor_field": "a", "values": ["x"], "request_option": option});
    let parent = |field: &str, value: Value| {
        let mut parent =
            json!({"type": "ParentStreamConfig", "parent_key": "id", "partition_field": "p", "stream": {}});
        parent[field] = value;
        json!({"type": "SubstreamPartitionRouter", "parent_stream_configs": [parent]})
    };
    let wrong = [
        (json!({"type": "Other"}), "the manifest is of the type Other, and must be one of ListPartitionRouter, "),
        (json!({"type": "ListPartitionRouter", "cursor_field": "a"}), "the manifest lacks the field values"),
        (
            json!({"type": "SubstreamPartitionRouter", "parent_stream_configs": []}),
            "the manifest needs at least one parent stream",
        ),
        (
            parent("parent_key", json!("a/*/b")),
            "parent_stream_configs[0].parent_key has a wildcard, which is not supported",
        ),
        (parent("extra_fields", json!([["a", "b?"]])), "parent_stream_configs[0].extra_fields[0] has a wildcard"),
        (
            parent("lazy_read_pointer", json!(["a", "*"])),
            "parent_stream_configs[0].lazy_read_pointer[1] has a wildcard, which a lazy_read_pointer may not have",
        ),
        (
            json!({"type": "GroupingPartitionRouter", "group_size": 0, "underlying_partition_router": list}),
            "the manifest has a group_size of 0",
        ),
        (
            json!({"type": "GroupingPartitionRouter", "group_size": 1, "underlying_partition_router": sending}),
            "the manifest has a router with a request_option, which a GroupingPartitionRouter does not allow",
        ),
        (
            json!({"type": "UnionPartitionRouter", "partition_field": "a", "partition_routers": [list, sending]}),
            "the manifest has a router with a request_option, which a UnionPartitionRouter does not allow",
        ),
        (
            json!({"type": "UnionPartitionRouter", "partition_field": "a", "partition_routers": [list]}),
            "the manifest needs at least two",
        ),
    ];
    for (declared, message) in wrong {
        let remarks = Remarks::default();
        let problem = Node::root(&declared, &remarks).read::<PartitionRouter>().unwrap_err().to_string();
        assert!(problem.starts_with(message), "{problem}");
    }
}

#[test]
fn what_can_not_be_divided_is_told() {
    let list = json!({"type": "ListPartitionRouter", "cursor_field": "a", "values": ["x"]});
    let wrong = [
        (json!({"type": "ListPartitionRouter", "cursor_field": "a", "values": "7"}), "must come to a list"),
        (
            json!({"type": "UnionPartitionRouter", "partition_field": "b", "partition_routers": [list, list]}),
            "they must be the same",
        ),
    ];
    for (declared, message) in wrong {
        let remarks = Remarks::default();
        let declared: PartitionRouter = Node::root(&declared, &remarks).read().unwrap();
        let session = Session::new(Object::new());
        let failure = Router::open(Some(&declared), &session, &Object::new()).unwrap_err();
        assert!(failure.message.contains(message), "{}", failure.message);
    }
    let declared = json!({"type": "GroupingPartitionRouter", "group_size": 1, "underlying_partition_router": {
        "type": "UnionPartitionRouter", "partition_field": "a", "partition_routers": [list, list],
    }});
    let remarks = Remarks::default();
    let declared: PartitionRouter = Node::root(&declared, &remarks).read().unwrap();
    let session = Session::new(Object::new());
    assert!(Router::open(Some(&declared), &session, &Object::new()).is_ok());
}
