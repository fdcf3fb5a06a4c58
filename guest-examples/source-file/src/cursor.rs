//! The cursor of records: finding it in a record, and which of two is greater.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use airlock_sdk::{Result, config_error};

use crate::schema::declared_types;
use crate::timestamp;

/// How the values of a cursor compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As numbers, to the last digit.
    Number,
    /// As moments.
    Timestamp,
    /// Byte by byte, which is right for dates.
    Text,
}

/// A cursor: the field, and its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The field's name.
    pub field: String,
    order: Order,
}

impl Cursor {
    /// By a field of the catalog's properties.
    pub fn new(field: &str, properties: Option<&Value>) -> Result<Cursor> {
        let Some(schema) = properties.and_then(|properties| properties.get(field)) else {
            return Err(config_error(format!(
                "The cursor field \"{field}\" is not among the fields of the catalog: select it, or choose another \
                 in the option `cursor_field`."
            )));
        };
        let is_timestamp = schema.get("format").and_then(Value::as_str) == Some("date-time");
        let order = match declared_types(schema).as_slice() {
            ["integer"] | ["number"] => Order::Number,
            ["string"] if is_timestamp => Order::Timestamp,
            ["string"] => Order::Text,
            _ => {
                return Err(config_error(format!(
                    "The cursor field \"{field}\" holds neither numbers nor texts only: choose another in the option \
                     `cursor_field`."
                )));
            }
        };
        Ok(Cursor { field: field.to_owned(), order })
    }

    /// The cursor of a record that is valid JSON; none if it has none. Says what is wrong with it otherwise.
    pub fn of(&self, record: &[u8]) -> Result<Option<String>, &'static str> {
        let mut deserializer = serde_json::Deserializer::from_slice(record);
        let found = FindField(&self.field).deserialize(&mut deserializer).map_err(|_| "can not be found")?;
        let text = match found.map(RawValue::get) {
            None | Some("null") => return Ok(None),
            Some(text) if text.starts_with('"') && self.order != Order::Number => {
                serde_json::from_str(text).map_err(|_| "is no text")?
            }
            Some(text) if text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
                if self.order != Order::Number {
                    return Err("is a number, and the catalog says that it is a text");
                }
                text.to_owned()
            }
            Some(_) => return Err("is not of the type that the catalog says"),
        };
        if self.order == Order::Timestamp && timestamp::parse(text.as_bytes()).is_none() {
            return Err("is no date-time, which the catalog says that it is");
        }
        Ok(Some(text))
    }

    /// Which one is greater.
    pub fn compare(&self, one: &str, other: &str) -> Ordering {
        match self.order {
            Order::Number => compare_numbers(one, other),
            Order::Timestamp => match (timestamp::parse(one.as_bytes()), timestamp::parse(other.as_bytes())) {
                (Some((one, _)), Some((other, _))) => one.cmp(&other),
                // A state of a time when it was no timestamp.
                _ => one.cmp(other),
            },
            Order::Text => one.cmp(other),
        }
    }
}

fn compare_numbers(one: &str, other: &str) -> Ordering {
    match (Decimal::parse(one), Decimal::parse(other)) {
        (Some(one), Some(other)) => one.compare(&other),
        _ => {
            let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NEG_INFINITY);
            number(one).total_cmp(&number(other))
        }
    }
}

/// A number without an exponent, by its digits.
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Decimal<'a>> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_plain.then_some(Decimal { is_negative: sign && !is_zero, whole, fraction })
    }

    fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let size = |number: &Decimal<'a>, other: &Decimal<'_>| {
            let whole = number.whole.len().cmp(&other.whole.len()).then_with(|| number.whole.cmp(other.whole));
            whole.then_with(|| number.fraction.cmp(other.fraction))
        };
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(self, other),
            (true, true) => size(self, other).reverse(),
        }
    }
}

/// Finds one field of an object, and passes over the others. Of two with the same name the last counts.
struct FindField<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for FindField<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FindField<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = fields.next_key_seed(IsName(self.0))? {
            if is_it {
                found = Some(fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a name is this one.
struct IsName<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cursor(schema: Value) -> Cursor {
        Cursor::new("at", Some(&json!({ "at": schema }))).unwrap()
    }

    #[test]
    fn numbers_compare_as_numbers_to_the_last_digit() {
        let cursor = cursor(json!({"type": ["null", "number"]}));
        let sorted = [
            "-1e30",
            "-10.5",
            "-10",
            "-0.1",
            "0",
            "0.09",
            "0.1",
            "9",
            "10",
            "10.0000000000000000001",
            "123456789012345678901234567890",
            "123456789012345678901234567891",
            "1e40",
        ];
        for (index, one) in sorted.iter().enumerate() {
            for (other_index, other) in sorted.iter().enumerate() {
                assert_eq!(cursor.compare(one, other), index.cmp(&other_index), "{one} {other}");
            }
        }
        assert_eq!(cursor.compare("-0", "0.0"), Ordering::Equal);
        assert_eq!(cursor.compare("1.50", "1.5"), Ordering::Equal);
    }

    #[test]
    fn texts_and_moments_compare_as_such() {
        let text = cursor(json!({"type": "string"}));
        assert_eq!(text.compare("9", "10"), Ordering::Greater);
        let moment = cursor(json!({"type": ["null", "string"], "format": "date-time"}));
        assert_eq!(moment.compare("2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.0Z"), Ordering::Equal);
    }

    #[test]
    fn a_cursor_is_found_or_told() {
        let number = cursor(json!({"type": ["null", "integer"]}));
        assert_eq!(number.of(br#"{"x":{"at":1},"\u0061t":2,"y":[1]}"#), Ok(Some("2".into())));
        assert_eq!(number.of(br#"{"at":1,"at":3}"#), Ok(Some("3".into())));
        assert_eq!(number.of(br#"{"at":null}"#), Ok(None));
        assert_eq!(number.of(br#"{"x":1}"#), Ok(None));
        assert!(number.of(br#"{"at":"2"}"#).is_err());
        let text = cursor(json!({"type": "string"}));
        assert_eq!(text.of(br#"{"at":"\u00e4\""}"#), Ok(Some("ä\"".into())));
        assert!(text.of(br#"{"at":2}"#).is_err());
        assert!(text.of(br#"{"at":[2]}"#).is_err());
        let moment = cursor(json!({"type": "string", "format": "date-time"}));
        assert!(moment.of(br#"{"at":"yesterday"}"#).is_err());
    }

    #[test]
    fn a_field_that_can_not_be_a_cursor_is_named() {
        let properties = json!({"flag": {"type": "boolean"}, "mixed": {"type": ["integer", "string"]}});
        for field in ["flag", "mixed", "missing"] {
            let failure = Cursor::new(field, Some(&properties)).unwrap_err();
            assert!(failure.message.contains(field), "{failure}");
        }
    }
}
