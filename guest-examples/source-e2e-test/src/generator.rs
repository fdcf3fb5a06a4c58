//! Draws records of a shape, as JSON text. The same seed and stream give the same records, in the same order.

use std::io::Write;

use fastrand::Rng;

use crate::shape::{Format, Shape};

/// The records of one stream.
pub struct Generator {
    random: Rng,
    record: Vec<u8>,
}

impl Generator {
    /// For a stream. Its name takes part, so that streams of one schema have different records.
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a, which will be the same for ever; the standard library's hashes need not be.
        let name = stream
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Generator { random: Rng::with_seed(seed ^ name), record: Vec::new() }
    }

    /// The next record, on one line.
    pub fn record(&mut self, shape: &Shape) -> &[u8] {
        self.record.clear();
        write(shape, &mut self.random, &mut self.record);
        &self.record
    }
}

fn write(shape: &Shape, random: &mut Rng, json: &mut Vec<u8>) {
    match shape {
        Shape::Given(values) => {
            json.extend_from_slice(&values[count(random, 0, values.len() - 1)]);
        }
        Shape::Boolean => json.extend_from_slice(if random.bool() { b"true" } else { b"false" }),
        Shape::Integer { first, last, step } => write_display(random.i64(*first..=*last) * step, json),
        Shape::Number { lowest, highest, without_ends } => {
            write_number(random, (*lowest, *highest), *without_ends, json);
        }
        Shape::Text { shortest, longest } => {
            json.push(b'"');
            json.extend((0..count(random, *shortest, *longest)).map(|_| random.u8(b'a'..=b'z')));
            json.push(b'"');
        }
        Shape::Formatted(format) => {
            json.push(b'"');
            write_formatted(*format, random, json);
            json.push(b'"');
        }
        Shape::Array { items, fewest, most } => {
            let count = count(random, *fewest, *most);
            write_all(b"[", (0..count).map(|_| (&b""[..], &**items)), b"]", random, json);
        }
        Shape::Tuple(items) => write_all(b"[", items.iter().map(|item| (&b""[..], item)), b"]", random, json),
        Shape::Object(fields) => {
            write_all(b"{", fields.iter().map(|(key, value)| (&**key, value)), b"}", random, json);
        }
        Shape::Any(shapes) => {
            write(&shapes[count(random, 0, shapes.len() - 1)], random, json);
        }
    }
}

/// The same on every machine: what fastrand draws of a usize depends on its width.
fn count(random: &mut Rng, least: usize, most: usize) -> usize {
    random.u64(least as u64..=most as u64) as usize
}

fn write_all<'a>(
    open: &[u8],
    parts: impl Iterator<Item = (&'a [u8], &'a Shape)>,
    close: &[u8],
    random: &mut Rng,
    json: &mut Vec<u8>,
) {
    json.extend_from_slice(open);
    for (index, (key, value)) in parts.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(key);
        write(value, random, json);
    }
    json.extend_from_slice(close);
}

fn write_number(random: &mut Rng, (lowest, highest): (f64, f64), without_ends: bool, json: &mut Vec<u8>) {
    let share = random.f64();
    let mut number = lowest * (1.0 - share) + highest * share;
    // Nobody wants to read seventeen digits.
    if highest - lowest >= 1.0 && number.abs() < 1e12 {
        number = (number * 100.0).round() / 100.0;
    }
    number = number.clamp(lowest, highest);
    if without_ends && (number == lowest || number == highest) {
        number = lowest / 2.0 + highest / 2.0;
    }
    // Debug, unlike Display, keeps a number one with a fraction (`5.0`), and knows exponents.
    write_display(format_args!("{number:?}"), json);
}

fn write_formatted(format: Format, random: &mut Rng, json: &mut Vec<u8>) {
    let word = |random: &mut Rng| -> String {
        (0..count(random, 4, 10)).map(|_| char::from(random.u8(b'a'..=b'z'))).collect()
    };
    let date = |random: &mut Rng| {
        // Every month has 28 days.
        format!("{:04}-{:02}-{:02}", random.u32(1970..=2037), random.u32(1..=12), random.u32(1..=28))
    };
    let time = |random: &mut Rng| format!("{:02}:{:02}:{:02}", random.u32(0..24), random.u32(0..60), random.u32(0..60));
    let text = match format {
        Format::Date => date(random),
        Format::DateTime { zone } => format!("{}T{}{}", date(random), time(random), if zone { "Z" } else { "" }),
        Format::Time { zone } => format!("{}{}", time(random), if zone { "Z" } else { "" }),
        Format::Email => format!("{}@example.com", word(random)),
        Format::Hostname => format!("{}.example.com", word(random)),
        Format::Uri => format!("https://example.com/{}", word(random)),
        Format::Ipv4 => format!("192.0.2.{}", random.u8(..)),
        Format::Ipv6 => format!("2001:db8::{:x}", random.u16(1..)),
        // Of letters, every sixteen are base64.
        Format::Base64 => (0..16).map(|_| char::from(random.u8(b'a'..=b'z'))).collect(),
        Format::Uuid => {
            let id = random.u128(..);
            format!(
                "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                id as u32,
                (id >> 32) as u16,
                (id >> 48) & 0xfff,
                0x8000 | (id >> 60) & 0x3fff,
                (id >> 74) & 0xffff_ffff_ffff
            )
        }
    };
    json.extend_from_slice(text.as_bytes());
}

fn write_display(value: impl std::fmt::Display, json: &mut Vec<u8>) {
    // A Vec takes everything.
    let _ = write!(json, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn draw(schema: &Value, seed: u64, count: usize) -> Vec<Value> {
        let shape = Shape::of_record(schema).unwrap_or_else(|problem| panic!("{schema}: {problem}"));
        let mut generator = Generator::new(seed, "data_stream");
        let mut next = || serde_json::from_slice(generator.record(&shape)).expect("JSON");
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn seed_and_stream_decide_the_records() {
        let shape = Shape::of_record(&json!({"properties": {"column1": {"type": "string"}}})).unwrap();
        let records = |seed, stream| {
            let mut generator = Generator::new(seed, stream);
            (0..20).map(|_| generator.record(&shape).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(records(1, "one"), records(1, "one"));
        assert_ne!(records(1, "one"), records(2, "one"));
        assert_ne!(records(1, "one"), records(1, "two"));
        let first = String::from_utf8(records(42, "data_stream").remove(0)).unwrap();
        assert_eq!(first, r#"{"column1":"wijnm"}"#, "a seed gives the same in every version");
    }

    #[test]
    fn records_are_valid_by_their_schema() {
        let fields = [
            json!({}),
            json!(true),
            json!({"type": "string"}),
            json!({"type": "string", "minLength": 30, "maxLength": 31}),
            json!({"type": "string", "maxLength": 2}),
            json!({"type": "string", "minLength": 4, "maxLength": 4}),
            json!({"type": ["null", "string"], "maxLength": 0}),
            json!({"type": "integer"}),
            json!({"type": "integer", "minimum": -3, "maximum": -3}),
            json!({"type": "integer", "minimum": 1.5, "exclusiveMaximum": 3}),
            json!({"type": "integer", "maximum": -5}),
            json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
            json!({"type": "integer", "minimum": 10, "maximum": 20, "multipleOf": 7}),
            json!({"type": "number"}),
            json!({"type": "number", "minimum": 0.001, "maximum": 0.002}),
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.01}),
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
            json!({"type": "number", "maximum": -1e300}),
            json!({"type": "number", "minimum": f64::MIN, "maximum": f64::MAX}),
            json!({"type": "number", "airbyte_type": "integer"}),
            json!({"type": "boolean"}),
            json!({"type": "null"}),
            json!({"enum": ["a\"b", 1, null, {"x": [1]}]}),
            json!({"enum": [null]}),
            json!({"const": {"deep": ["er"]}}),
            json!({"type": "array"}),
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 5}),
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 40}),
            json!({"type": "array", "items": {"items": {"items": {"items": {"type": "boolean"}}}}}),
            json!({"type": "array", "items": [{"type": "integer"}, {"type": "string"}], "maxItems": 1}),
            json!({"type": "array", "items": {"const": 1}, "uniqueItems": true}),
            json!({"type": "array", "items": false}),
            json!({"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}}),
            json!({"properties": {"inner": {"properties": {"x": {"type": "integer"}}}}, "additionalProperties": false}),
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
            json!({"type": ["integer", "string", "null"]}),
            json!({"$ref": "#/definitions/tree"}),
            json!({"format": "date"}),
            json!({"format": "date-time"}),
            json!({"format": "time"}),
            json!({"format": "email", "maxLength": 22}),
            json!({"format": "hostname"}),
            json!({"format": "uri"}),
            json!({"format": "ipv4"}),
            json!({"format": "ipv6"}),
            json!({"format": "uuid"}),
            json!({"format": "unknown"}),
            json!({"type": "string", "contentEncoding": "base64"}),
        ];
        let properties: serde_json::Map<String, Value> =
            fields.iter().enumerate().map(|(index, field)| (format!("field {index}"), field.clone())).collect();
        let required: Vec<&String> = properties.keys().collect();
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            "definitions": {"tree": {
                "type": "object", "required": ["n"],
                "properties": {"n": {"type": "integer"}, "left": {"$ref": "#/definitions/tree"}},
            }},
        });
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for record in draw(&schema, 3, 500) {
            let problems: Vec<String> =
                validator.iter_errors(&record).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(problems.is_empty(), "{problems:?}");
        }
    }

    #[test]
    fn every_choice_is_drawn_and_null_is_not() {
        let schema = json!({"properties": {"a": {"enum": [1, 2, null]}, "b": {"type": ["boolean", "null"]},
            "c": {"oneOf": [{"const": 1}, {"const": 2}, {"type": "null"}]}, "d": {"type": "integer", "maximum": 2}}});
        let records = draw(&schema, 5, 200);
        let mut seen = [("a", vec![]), ("b", vec![]), ("c", vec![]), ("d", vec![])];
        for (field, values) in &mut seen {
            *values = records.iter().map(|record| record[*field].to_string()).collect();
            values.sort();
            values.dedup();
        }
        let seen: Vec<Vec<&str>> = seen.iter().map(|(_, values)| values.iter().map(String::as_str).collect()).collect();
        assert_eq!(seen, [vec!["1", "2"], vec!["false", "true"], vec!["1", "2"], vec!["0", "1", "2"]]);
    }

    #[test]
    fn a_time_without_a_zone_has_none() {
        let schema = json!({"properties": {
            "with": {"format": "date-time", "airbyte_type": "timestamp_with_timezone"},
            "without": {"format": "date-time", "airbyte_type": "timestamp_without_timezone"},
        }});
        for record in draw(&schema, 1, 20) {
            assert!(record["with"].as_str().unwrap().ends_with('Z'));
            assert_eq!(record["without"].as_str().unwrap().len(), 19);
        }
    }
}
