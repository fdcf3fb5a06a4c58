//! What a server says is wrong, found in the body of its response: the CDK's JsonErrorMessageParser.

use serde_json::Value;

use super::response_filter::Evidence;
use crate::manifest::is_true;

/// Where the message may be, the first that has something counts.
const FIELDS: [&str; 12] = [
    "message",
    "messages",
    "error",
    "errors",
    "failures",
    "failure",
    "detail",
    "err",
    "error_message",
    "msg",
    "reason",
    "status_message",
];

/// The message of a response. None where there is none.
pub fn error_message(evidence: &Evidence<'_>) -> Option<String> {
    match evidence.json() {
        Some(json) => of_json(json),
        None => std::str::from_utf8(evidence.response().bytes()).ok().map(str::to_owned),
    }
}

fn of_json(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => Some(values.iter().filter_map(of_json).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            of_json(FIELDS.iter().filter_map(|name| fields.get(*name)).find(|value| is_true(value))?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What the CDK's parser gives of the same.
    #[test]
    fn a_message_is_found_where_apis_put_it() {
        for (body, message) in [
            (json!({"message": "a", "error": "b"}), Some("a")),
            (json!({"message": "", "error": {"msg": "b"}}), Some("b")),
            (json!({"errors": [{"detail": "a"}, "b", 3, {"x": 1}]}), Some("a, b")),
            (json!({"status_message": "s"}), Some("s")),
            (json!("text"), Some("text")),
            (json!([]), Some("")),
            (json!({"error": 5}), None),
            (json!({"data": "x"}), None),
        ] {
            assert_eq!(of_json(&body).as_deref(), message, "{body}");
        }
    }
}
