//! Records that fit a schema: the same for the same page of the same request, in every run. It must not know requests.

use serde_json::{Map, Value, json};

use super::endpoint::{Cursor, Records};
use super::moments;

/// Which record of an endpoint it is.
#[derive(Debug, Clone, Copy)]
pub struct Ordinal {
    /// Which parent, which slice.
    pub partition: usize,
    pub page: usize,
    pub index: usize,
    /// When the slice begins, and ends.
    pub slice: (i64, i64),
}

impl Ordinal {
    /// Unique in an endpoint; the page can be told from it.
    pub fn number(self) -> usize {
        self.partition * 10_000 + (self.page + 1) * 1_000 + self.index
    }

    /// In the slice, and later than the one before.
    fn moment(self) -> i64 {
        let (from, to) = self.slice;
        let step = if to - from > 2 * 86_400 { 3_600 } else { 1 };
        (from + (self.page * 10 + self.index + 1) as i64 * step).min(to.max(from + 1_000))
    }
}

/// The page that a value of a record came from.
pub fn page_of(value: &str) -> Option<usize> {
    let digits: String =
        value.chars().rev().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let number: usize = digits.chars().rev().collect::<String>().parse().ok()?;
    (number / 1_000 % 10).checked_sub(1)
}

pub fn record(records: &Records, ordinal: Ordinal) -> Value {
    let mut record = object(&records.schema, ordinal, 0);
    for key in &records.keys {
        put(&mut record, key, ordinal);
    }
    if let (Some(cursor), Some(fields)) = (&records.cursor, record.as_object_mut()) {
        fields.insert(cursor.field.clone(), cursor_value(cursor, ordinal));
    }
    record
}

fn cursor_value(cursor: &Cursor, ordinal: Ordinal) -> Value {
    let text = match cursor.format.is_empty() {
        true => ordinal.number().to_string(),
        false => moments::format(ordinal.moment(), &cursor.format),
    };
    match (cursor.is_number, text.parse::<i64>()) {
        (true, Ok(number)) => json!(number),
        _ => json!(text),
    }
}

/// A field that must be there.
fn put(record: &mut Value, path: &[String], ordinal: Ordinal) {
    let Some((name, rest)) = path.split_first() else { return };
    let Some(fields) = record.as_object_mut() else { return };
    match rest.is_empty() {
        true => {
            let is_there =
                fields.get(name).is_some_and(|value| !value.is_null() && !value.is_object() && !value.is_array());
            if !is_there {
                fields.insert(name.clone(), json!(ordinal.number()));
            }
        }
        false => {
            let inner = fields.entry(name.clone()).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            put(inner, rest, ordinal);
        }
    }
}

fn object(schema: &Value, ordinal: Ordinal, depth: usize) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    Value::Object(
        properties.map(|(name, schema)| (name.clone(), value(name, schema, ordinal, depth))).collect::<Map<_, _>>(),
    )
}

fn value(name: &str, schema: &Value, ordinal: Ordinal, depth: usize) -> Value {
    if depth > 4 {
        return Value::Null;
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(chosen) = schema[choice].as_array().into_iter().flatten().find(|option| option["type"] != "null") {
            return value(name, chosen, ordinal, depth + 1);
        }
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return values[ordinal.index % values.len()].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    let is_key = name.to_lowercase().ends_with("id") || name == "key";
    match kind.unwrap_or(if schema["properties"].is_object() { "object" } else { "string" }) {
        "object" => object(schema, ordinal, depth + 1),
        "array" if schema["items"].is_object() => json!([value(name, &schema["items"], ordinal, depth + 1)]),
        "array" => json!(["one", "two"]),
        "boolean" => json!(ordinal.index % 2 == 0),
        "integer" | "number" if is_key => json!(ordinal.number()),
        "integer" => json!(ordinal.index * 10 + depth),
        "number" => json!(ordinal.index as f64 + 0.25),
        "null" => Value::Null,
        _ => json!(text(name, schema, ordinal)),
    }
}

fn text(name: &str, schema: &Value, ordinal: Ordinal) -> String {
    let day = || moments::format(ordinal.moment(), "%Y-%m-%d");
    let time = || moments::format(ordinal.moment(), "%Y-%m-%dT%H:%M:%SZ");
    match schema["format"].as_str() {
        Some("date") => day(),
        Some("date-time") => time(),
        _ if name.ends_with("_at") || name.ends_with("date") || name.ends_with("time") => time(),
        // Some letters that JSON and URLs have to escape.
        _ if name == "name" || name == "title" => format!("Zoë & “{name}” {}", ordinal.number()),
        _ => format!("{name}-{}", ordinal.number()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_schema_its_keys_and_its_cursor() {
        let records = Records {
            schema: json!({"properties": {"id": {"type": ["null", "integer"]}, "tags": {"type": "array", "items": {"type": "string"}}}}),
            keys: vec![vec!["id".into()], vec!["owner".into(), "uuid".into()]],
            cursor: Some(Cursor { field: "updated".into(), format: "%s".into(), is_number: true }),
            ..Records::default()
        };
        let ordinal = Ordinal { partition: 3, page: 1, index: 2, slice: (1_000_000_000, 1_000_900_000) };
        let expected =
            json!({"id": 32_002, "tags": ["tags-32002"], "owner": {"uuid": 32_002}, "updated": 1_000_046_800});
        assert_eq!(record(&records, ordinal), expected);
        assert_eq!(page_of("tags-32002"), Some(1));
    }
}
