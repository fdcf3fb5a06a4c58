//! Which types the fields of records have, found by looking at values, as JSON Schema in Airbyte's dialect.
//!
//! Knows nothing of files.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::BitOrAssign;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::timestamp;

/// Records with more fields than this have the first ones listed.
pub const MOST_FIELDS: usize = 10_000;

/// Objects deeper than this are objects of anything.
const MOST_DEPTH: usize = 8;
/// An object in a record with more names than this uses them as data, and its properties are not listed.
const MOST_PROPERTIES: usize = 1000;

/// What the values of a field have been, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// Nothing.
    pub const NULL: Kinds = Kinds(1);
    /// A truth value.
    pub const BOOLEAN: Kinds = Kinds(2);
    /// A whole number.
    pub const INTEGER: Kinds = Kinds(4);
    /// Any other number.
    pub const NUMBER: Kinds = Kinds(8);
    /// A text that is none of the following.
    pub const TEXT: Kinds = Kinds(16);
    /// A date.
    pub const DATE: Kinds = Kinds(32);
    /// A date and time with an offset.
    pub const TIMESTAMP_WITH_TIMEZONE: Kinds = Kinds(64);
    /// A date and time without one.
    pub const TIMESTAMP_WITHOUT_TIMEZONE: Kinds = Kinds(128);
    const OBJECT: Kinds = Kinds(256);
    const ARRAY: Kinds = Kinds(512);

    const TEXTS: u16 = 16 | 32 | 64 | 128;

    fn has(self, kind: Kinds) -> bool {
        self.0 & kind.0 != 0
    }

    /// What a JSON value is by its first byte: for one that no type holds.
    fn of_beginning(value: &str) -> Kinds {
        match value.as_bytes().first() {
            Some(b'{') => Kinds::OBJECT,
            Some(b'[') => Kinds::ARRAY,
            Some(b'"') => Kinds::TEXT,
            _ => Kinds::NUMBER,
        }
    }

    /// What a text of JSON is.
    fn of_text(text: &str) -> Kinds {
        let text = text.as_bytes();
        if !text.first().is_some_and(u8::is_ascii_digit) {
            return Kinds::TEXT;
        }
        if timestamp::is_date(text) {
            return Kinds::DATE;
        }
        match timestamp::parse(text) {
            Some((_, true)) => Kinds::TIMESTAMP_WITH_TIMEZONE,
            Some((_, false)) => Kinds::TIMESTAMP_WITHOUT_TIMEZONE,
            None => Kinds::TEXT,
        }
    }

    /// The schema of a CSV column: one type, for each of its values was text.
    pub fn column_schema(self) -> Value {
        let without_null = Kinds(self.0 & !Kinds::NULL.0);
        match without_null {
            Kinds::BOOLEAN => json!({"type": ["null", "boolean"]}),
            Kinds::INTEGER => json!({"type": ["null", "integer"]}),
            Kinds::NUMBER => json!({"type": ["null", "number"]}),
            Kinds(mixed) if mixed == Kinds::INTEGER.0 | Kinds::NUMBER.0 => json!({"type": ["null", "number"]}),
            one => one.text_schema(),
        }
    }

    fn text_schema(self) -> Value {
        let mut schema = json!({"type": ["null", "string"]});
        let (format, airbyte_type) = match Kinds(self.0 & !Kinds::NULL.0) {
            Kinds::DATE => ("date", None),
            Kinds::TIMESTAMP_WITH_TIMEZONE => ("date-time", Some("timestamp_with_timezone")),
            Kinds::TIMESTAMP_WITHOUT_TIMEZONE => ("date-time", Some("timestamp_without_timezone")),
            _ => return schema,
        };
        schema["format"] = json!(format);
        if let Some(airbyte_type) = airbyte_type {
            schema["airbyte_type"] = json!(airbyte_type);
        }
        schema
    }
}

impl BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Kinds) {
        self.0 |= other.0;
    }
}

/// The types that a schema declares, without null.
pub fn declared_types(schema: &Value) -> Vec<&str> {
    let types = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    types.into_iter().filter(|name| *name != "null").collect()
}

/// The schema of records with these properties.
pub fn of_records(properties: Map<String, Value>) -> Value {
    json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": properties})
}

/// What the values of one place of JSON documents have been.
#[derive(Debug, Default)]
pub struct Seen {
    kinds: Kinds,
    /// The fields of objects.
    fields: BTreeMap<String, Seen>,
    too_many_fields: bool,
    items: Option<Box<Seen>>,
}

impl Seen {
    /// Looks at a record, which is valid JSON. It fails if it can not say what each of the fields is.
    pub fn look_at(&mut self, record: &[u8]) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_slice(record);
        match (Look { seen: self, depth: 0 }.deserialize(&mut deserializer)) {
            Ok(()) => Ok(()),
            // No type holds `1e400` and the half of a surrogate pair. Then the other fields must not suffer from it.
            Err(_) => self.look_at_each_field(record),
        }
    }

    fn look_at_each_field(&mut self, record: &[u8]) -> serde_json::Result<()> {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(record)?;
        for (name, value) in fields {
            let Some(seen) = self.field(name, MOST_FIELDS) else {
                continue;
            };
            let mut deserializer = serde_json::Deserializer::from_str(value.get());
            if (Look { seen: &mut *seen, depth: 1 }.deserialize(&mut deserializer)).is_err() {
                seen.kinds |= Kinds::of_beginning(value.get());
            }
        }
        Ok(())
    }

    /// Whether not all fields are listed.
    pub fn has_too_many_fields(&self) -> bool {
        self.too_many_fields
    }

    /// The properties of the objects that it has been.
    pub fn into_properties(self) -> Map<String, Value> {
        self.fields.into_iter().map(|(name, seen)| (name, seen.into_schema())).collect()
    }

    fn into_schema(self) -> Value {
        let kinds = self.kinds;
        let is_text = kinds.0 & Kinds::TEXTS != 0;
        let mut types = vec!["null"];
        for (kind, name) in [
            (kinds.has(Kinds::BOOLEAN), "boolean"),
            (kinds.has(Kinds::INTEGER) && !kinds.has(Kinds::NUMBER), "integer"),
            (kinds.has(Kinds::NUMBER), "number"),
            (is_text, "string"),
            (kinds.has(Kinds::OBJECT), "object"),
            (kinds.has(Kinds::ARRAY), "array"),
        ] {
            if kind {
                types.push(name);
            }
        }
        if types.len() == 1 || types == ["null", "string"] {
            return kinds.text_schema();
        }
        let mut schema = json!({ "type": types });
        if kinds.has(Kinds::OBJECT) && !self.too_many_fields && !self.fields.is_empty() {
            let properties = self.fields.into_iter().map(|(name, seen)| (name, seen.into_schema()));
            schema["properties"] = Value::Object(properties.collect());
        }
        if let Some(items) = self.items {
            if items.kinds != Kinds::default() {
                schema["items"] = items.into_schema();
            }
        }
        schema
    }

    fn field(&mut self, name: String, most: usize) -> Option<&mut Seen> {
        if self.fields.len() >= most && !self.fields.contains_key(&name) {
            self.too_many_fields = true;
            return None;
        }
        Some(self.fields.entry(name).or_default())
    }
}

/// Walks through a document without keeping its values.
struct Look<'a> {
    seen: &'a mut Seen,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.seen.kinds |= Kinds::NULL;
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.seen.kinds |= Kinds::BOOLEAN;
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.seen.kinds |= Kinds::INTEGER;
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.seen.kinds |= if i64::try_from(number).is_ok() { Kinds::INTEGER } else { Kinds::NUMBER };
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.seen.kinds |= Kinds::NUMBER;
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.seen.kinds |= Kinds::of_text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.seen.kinds |= Kinds::ARRAY;
        if self.depth >= MOST_DEPTH {
            while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let seen = self.seen.items.get_or_insert_with(Box::default);
        while items.next_element_seed(Look { seen: &mut *seen, depth: self.depth + 1 })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.seen.kinds |= Kinds::OBJECT;
        while let Some(name) = fields.next_key::<String>()? {
            let field = match self.depth {
                0 => self.seen.field(name, MOST_FIELDS),
                1..MOST_DEPTH => self.seen.field(name, MOST_PROPERTIES),
                _ => None,
            };
            match field {
                Some(seen) => fields.next_value_seed(Look { seen, depth: self.depth + 1 })?,
                None => {
                    fields.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema_of(documents: &[&str]) -> Value {
        let mut seen = Seen::default();
        for document in documents {
            seen.look_at(document.as_bytes()).unwrap();
        }
        seen.into_schema()["properties"].take()
    }

    #[test]
    fn fields_have_every_type_that_they_had() {
        let schema = schema_of(&[
            r#"{"i":1,"n":1,"s":"a","b":true,"z":null,"m":1,"o":{"x":1},"a":[1],"d":"2024-01-01","t":"2024-01-01T00:00:00Z"}"#,
            r#"{"i":null,"n":0.5,"s":"2024-01-01","b":false,"m":"a","o":{"y":"b"},"a":["x",null],"d":"2024-12-31","t":null}"#,
            r#"{"l":"2024-01-01T00:00:00","e":[],"big":18446744073709551615,"p":{}}"#,
        ]);
        assert_eq!(
            schema,
            json!({
                "i": {"type": ["null", "integer"]},
                "n": {"type": ["null", "number"]},
                "s": {"type": ["null", "string"]},
                "b": {"type": ["null", "boolean"]},
                "z": {"type": ["null", "string"]},
                "m": {"type": ["null", "integer", "string"]},
                "o": {"type": ["null", "object"], "properties":
                    {"x": {"type": ["null", "integer"]}, "y": {"type": ["null", "string"]}}},
                "a": {"type": ["null", "array"], "items": {"type": ["null", "integer", "string"]}},
                "d": {"type": ["null", "string"], "format": "date"},
                "t": {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
                "l": {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
                "e": {"type": ["null", "array"]},
                "big": {"type": ["null", "number"]},
                "p": {"type": ["null", "object"]},
            })
        );
    }

    #[test]
    fn names_that_are_data_and_deep_nesting_are_not_listed() {
        let names: Vec<String> = (0..=MOST_PROPERTIES).map(|number| format!("\"{number}\":1")).collect();
        let schema = schema_of(&[&format!("{{\"map\":{{{}}}}}", names.join(","))]);
        assert_eq!(schema, json!({"map": {"type": ["null", "object"]}}));
        let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        assert!(schema_of(&[&deep]).to_string().matches("object").count() <= MOST_DEPTH);
    }

    #[test]
    fn the_fields_of_records_are_listed_up_to_a_limit() {
        let record = |count: usize| {
            let fields: Vec<String> = (0..count).map(|number| format!("\"field_{number}\":1")).collect();
            format!("{{{}}}", fields.join(","))
        };
        let mut seen = Seen::default();
        seen.look_at(record(MOST_FIELDS).as_bytes()).unwrap();
        assert!(!seen.has_too_many_fields());
        seen.look_at(record(MOST_FIELDS + 1).as_bytes()).unwrap();
        assert!(seen.has_too_many_fields());
        assert_eq!(seen.into_properties().len(), MOST_FIELDS);
    }

    #[test]
    fn a_value_that_no_type_holds_hides_no_other() {
        let schema =
            schema_of(&[r#"{"n":1e400,"t":"\ud800","o":{"n":-1e400,"x":1},"a":[1e400],"i":1,"d":"2024-01-01"}"#]);
        for (field, expected) in [
            ("n", json!({"type": ["null", "number"]})),
            ("t", json!({"type": ["null", "string"]})),
            ("i", json!({"type": ["null", "integer"]})),
            ("d", json!({"type": ["null", "string"], "format": "date"})),
        ] {
            assert_eq!(schema[field], expected, "{field}");
        }
        assert_eq!(schema["o"]["type"], json!(["null", "object"]));
        assert_eq!(schema["a"]["type"], json!(["null", "array"]));
        assert!(Seen::default().look_at(br#"{"\ud800":1}"#).is_err(), "a name that is no text");
    }

    #[test]
    fn a_column_of_text_has_one_type() {
        for (kinds, schema) in [
            (&[][..], json!({"type": ["null", "string"]})),
            (&[Kinds::NULL], json!({"type": ["null", "string"]})),
            (&[Kinds::NULL, Kinds::INTEGER], json!({"type": ["null", "integer"]})),
            (&[Kinds::INTEGER, Kinds::NUMBER], json!({"type": ["null", "number"]})),
            (&[Kinds::INTEGER, Kinds::BOOLEAN], json!({"type": ["null", "string"]})),
            (&[Kinds::DATE, Kinds::NULL], json!({"type": ["null", "string"], "format": "date"})),
            (&[Kinds::DATE, Kinds::TIMESTAMP_WITH_TIMEZONE], json!({"type": ["null", "string"]})),
        ] {
            let mut all = Kinds::default();
            kinds.iter().for_each(|kind| all |= *kind);
            assert_eq!(all.column_schema(), schema, "{kinds:?}");
        }
    }
}
