//! Understands a JSON Schema, once, for records to be drawn of it. What it says of a record's content is kept or refused,
//! with its place, so that a validator finds no fault with them. (Values of an `enum` or `const` are taken as they are,
//! whatever stands beside.)
//!
//! Knows nothing of streams, and nothing random.

use std::fmt;

use serde_json::{Map, Value};

/// What values look like.
#[derive(Debug, PartialEq)]
pub enum Shape {
    /// One of these, as JSON text. There is one at least.
    Given(Vec<Vec<u8>>),
    /// True or false.
    Boolean,
    /// A number from first to last, both included, times a step.
    Integer { first: i64, last: i64, step: i64 },
    /// A number between two.
    Number { lowest: f64, highest: f64, without_ends: bool },
    /// Letters.
    Text { shortest: usize, longest: usize },
    /// A text that means something.
    Formatted(Format),
    /// So many values of one shape.
    Array { items: Box<Shape>, fewest: usize, most: usize },
    /// A value of each shape.
    Tuple(Vec<Shape>),
    /// Values with names: `"name":`, as JSON text.
    Object(Vec<(Vec<u8>, Shape)>),
    /// A value of one of these shapes. There is one at least.
    Any(Vec<Shape>),
}

/// Texts that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Date,
    DateTime { zone: bool },
    Time { zone: bool },
    Email,
    Hostname,
    Uri,
    Ipv4,
    Ipv6,
    Uuid,
    Base64,
}

impl Format {
    /// How few and how many characters its texts have here.
    fn lengths(self) -> (usize, usize) {
        match self {
            Format::Date => (10, 10),
            Format::DateTime { zone } => (19 + usize::from(zone), 19 + usize::from(zone)),
            Format::Time { zone } => (8 + usize::from(zone), 8 + usize::from(zone)),
            Format::Email | Format::Hostname => (16, 22),
            Format::Uri => (24, 30),
            Format::Ipv4 => (9, 11),
            Format::Ipv6 => (11, 14),
            Format::Uuid => (36, 36),
            Format::Base64 => (16, 16),
        }
    }
}

/// Why a schema can not be used, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    place: String,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// Schemas nested deeper are refused: each level costs stack.
const DEEPEST: usize = 32;
/// More schemas than this, with every `$ref` counted each time, are refused.
const MOST_SCHEMAS: usize = 10_000;
/// A larger record is refused: there is only so much memory.
const LARGEST_RECORD: usize = 16 * 1024 * 1024;
/// How far numbers reach where one end is open.
const REACH: i64 = 1_000_000;
/// Where the integers of 64 bits end, as a number of 64 bits can say it.
const INTEGERS_END: f64 = i64::MAX as f64;
/// How long texts are where nothing else is said.
const LENGTHS: (usize, usize) = (4, 20);

/// Keywords that limit what is valid, and that are not understood here.
const UNSUPPORTED: [&str; 17] = [
    "allOf",
    "not",
    "if",
    "pattern",
    "contains",
    "contentMediaType",
    "propertyNames",
    "patternProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "minProperties",
    "maxProperties",
    "prefixItems",
    "$dynamicRef",
    "$recursiveRef",
    "unevaluatedProperties",
];

/// Keywords that can stand beside `oneOf` and `anyOf`, for they limit nothing.
const ANNOTATIONS: [&str; 9] =
    ["title", "description", "default", "examples", "$schema", "$id", "$comment", "definitions", "$defs"];

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

impl Shape {
    /// Understands the schema of a record.
    pub fn of_record(schema: &Value) -> Result<Shape, Problem> {
        let mut reader = Reader { root: schema, references: Vec::new(), depth: 0, schemas: 0, arrays: 0 };
        let shape = reader.shape("#", schema)?;
        match shape {
            Some(shape) if !shape.is_object() => {
                Err(problem("#", "a record is an object, and this is the schema of something else"))
            }
            Some(shape) if shape.largest() > LARGEST_RECORD => {
                Err(problem("#", "a record could be larger than 16 MiB"))
            }
            Some(shape) => Ok(shape),
            None => Err(problem("#", "no value is valid by it")),
        }
    }

    fn is_object(&self) -> bool {
        match self {
            Shape::Object(_) => true,
            Shape::Any(shapes) => shapes.iter().all(Shape::is_object),
            Shape::Given(values) => values.iter().all(|value| value.starts_with(b"{")),
            _ => false,
        }
    }

    /// About how many bytes the largest value has.
    fn largest(&self) -> usize {
        let sum = |sizes: &mut dyn Iterator<Item = usize>| sizes.fold(2_usize, usize::saturating_add);
        match self {
            Shape::Given(values) => values.iter().map(Vec::len).max().unwrap_or(0),
            Shape::Boolean => 5,
            Shape::Integer { .. } | Shape::Number { .. } => 24,
            Shape::Text { longest, .. } => longest.saturating_add(2),
            Shape::Formatted(_) => 40,
            Shape::Array { items, most, .. } => items.largest().saturating_add(1).saturating_mul(*most),
            Shape::Tuple(items) => sum(&mut items.iter().map(Shape::largest)),
            Shape::Object(fields) => {
                sum(&mut fields.iter().map(|(key, value)| key.len().saturating_add(value.largest())))
            }
            Shape::Any(shapes) => shapes.iter().map(Shape::largest).max().unwrap_or(0),
        }
    }
}

struct Reader<'a> {
    root: &'a Value,
    /// The `$ref`s that are being followed.
    references: Vec<&'a str>,
    depth: usize,
    schemas: usize,
    /// How many arrays this is in.
    arrays: usize,
}

type Fields = Map<String, Value>;

impl<'a> Reader<'a> {
    /// None where no value can be, or none that ends: it is left out, if that is allowed.
    fn shape(&mut self, place: &str, schema: &'a Value) -> Result<Option<Shape>, Problem> {
        let fields = match schema {
            Value::Bool(true) => return Ok(Some(any_text())),
            Value::Bool(false) => return Ok(None),
            Value::Object(fields) => fields,
            _ => return Err(problem(place, "a schema is a JSON object")),
        };
        self.schemas += 1;
        if self.depth == DEEPEST || self.schemas > MOST_SCHEMAS {
            return Err(problem(place, "the schema is too large: take a part of it"));
        }
        self.depth += 1;
        let shape = self.shape_of(place, fields);
        self.depth -= 1;
        shape
    }

    fn shape_of(&mut self, place: &str, fields: &'a Fields) -> Result<Option<Shape>, Problem> {
        if let Some(reference) = fields.get("$ref") {
            return self.referred(place, reference);
        }
        if let Some(keyword) = UNSUPPORTED.iter().find(|keyword| fields.contains_key(**keyword)) {
            return Err(problem(&below(place, keyword), "this keyword is not supported: take it out"));
        }
        if let Some(value) = fields.get("const") {
            return Ok(Some(Shape::Given(vec![json(value)])));
        }
        if let Some(values) = fields.get("enum") {
            let values = values.as_array().filter(|values| !values.is_empty());
            let values = values.ok_or_else(|| problem(&below(place, "enum"), "an enum lists its values"))?;
            // As in Airbyte's, there is no null where there can be something else.
            let mut given: Vec<_> = values.iter().filter(|value| !value.is_null()).map(json).collect();
            if given.is_empty() {
                given.push(json(&Value::Null));
            }
            return Ok(Some(Shape::Given(given)));
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(schemas) = fields.get(keyword) {
                return self.alternatives(place, keyword, fields, schemas);
            }
        }
        let mut shapes = Vec::new();
        // At the top a record is meant.
        let types = types(place, fields, if self.depth == 1 { "object" } else { "string" })?;
        for name in &types {
            let shape = match *name {
                "string" => Some(text(place, fields)?),
                "integer" => Some(integer(place, fields)?),
                "number" if fields.get("airbyte_type").is_some_and(|kind| kind == "integer") => {
                    Some(integer(place, fields)?)
                }
                "number" => Some(number(place, fields)?),
                "boolean" => Some(Shape::Boolean),
                "array" => self.array(place, fields)?,
                "object" => self.object(place, fields)?,
                _ if types.len() == 1 => Some(Shape::Given(vec![json(&Value::Null)])),
                _ => None,
            };
            shapes.extend(shape);
        }
        Ok(any(shapes))
    }

    fn referred(&mut self, place: &str, reference: &'a Value) -> Result<Option<Shape>, Problem> {
        let place = &below(place, "$ref");
        let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
        let pointer = pointer.ok_or_else(|| problem(place, "only references within the schema are followed"))?;
        let Some(schema) = self.root.pointer(pointer) else {
            return Err(problem(place, "what it refers to is not there"));
        };
        if self.references.contains(&pointer) {
            return Ok(None);
        }
        self.references.push(pointer);
        let shape = self.shape(&format!("#{pointer}"), schema);
        self.references.pop();
        shape
    }

    fn alternatives(
        &mut self,
        place: &str,
        keyword: &str,
        fields: &Fields,
        schemas: &'a Value,
    ) -> Result<Option<Shape>, Problem> {
        let place_of_all = below(place, keyword);
        let other = fields.keys().find(|key| *key != keyword && !ANNOTATIONS.contains(&key.as_str()));
        if let Some(other) = other {
            let what = format!("beside {keyword} this keyword is not supported: write it into each of the schemas");
            return Err(problem(&below(place, other), &what));
        }
        let schemas = schemas.as_array().ok_or_else(|| problem(&place_of_all, "it lists schemas"))?;
        let null = Shape::Given(vec![json(&Value::Null)]);
        let mut shapes = Vec::new();
        for (index, schema) in schemas.iter().enumerate() {
            shapes.extend(self.shape(&below(&place_of_all, &index.to_string()), schema)?);
        }
        if shapes.iter().any(|shape| *shape != null) {
            shapes.retain(|shape| *shape != null);
        }
        Ok(any(shapes))
    }

    fn array(&mut self, place: &str, fields: &'a Fields) -> Result<Option<Shape>, Problem> {
        let fewest = length(place, fields, "minItems")?.unwrap_or(0);
        let mut most = length(place, fields, "maxItems")?.unwrap_or(usize::MAX);
        if most < fewest {
            return Err(problem(&below(place, "maxItems"), "it is smaller than minItems"));
        }
        if fields.get("uniqueItems").is_some_and(|unique| unique == true) {
            if fewest > 1 {
                let what = "with more than one item this keyword is not supported: take it or minItems out";
                return Err(problem(&below(place, "uniqueItems"), what));
            }
            most = most.min(1);
        }
        // Arrays in arrays are shorter, or a record of them would grow without measure.
        let usual = if self.arrays == 0 { 3 } else { 1 };
        self.arrays += 1;
        let place = &below(place, "items");
        let array = match fields.get("items") {
            Some(Value::Array(items)) if items.len() < fewest => {
                Err(problem(place, "there are fewer of them than minItems"))
            }
            Some(Value::Array(items)) => self.tuple(place, &items[..items.len().min(most)]),
            items => {
                let shape = items.map_or(Ok(Some(any_text())), |items| self.shape(place, items))?;
                let most = most.min(usual.max(fewest));
                Ok(match shape {
                    Some(items) => Some(Shape::Array { items: Box::new(items), fewest: fewest.max(most.min(1)), most }),
                    None if fewest == 0 => Some(Shape::Given(vec![b"[]".to_vec()])),
                    None => None,
                })
            }
        };
        self.arrays -= 1;
        array
    }

    fn tuple(&mut self, place: &str, items: &'a [Value]) -> Result<Option<Shape>, Problem> {
        let mut shapes = Vec::new();
        for (index, schema) in items.iter().enumerate() {
            match self.shape(&below(place, &index.to_string()), schema)? {
                Some(shape) => shapes.push(shape),
                None => return Ok(None),
            }
        }
        Ok(Some(Shape::Tuple(shapes)))
    }

    fn object(&mut self, place: &str, fields: &'a Fields) -> Result<Option<Shape>, Problem> {
        let required = required(place, fields)?;
        let place_of_all = below(place, "properties");
        let empty = Fields::new();
        let properties = match fields.get("properties") {
            None => None,
            Some(Value::Object(properties)) => Some(properties),
            Some(_) => return Err(problem(&place_of_all, "it is a JSON object with a schema for each property")),
        };
        let mut shapes = Vec::new();
        for (name, schema) in properties.into_iter().flatten() {
            match self.shape(&below(&place_of_all, name), schema)? {
                Some(shape) => shapes.push((key(name), shape)),
                None if required.contains(&name.as_str()) => return Ok(None),
                None => {}
            }
        }
        for name in required {
            if properties.unwrap_or(&empty).contains_key(name) {
                continue;
            }
            let shape = match fields.get("additionalProperties") {
                Some(schema) => self.shape(&below(place, "additionalProperties"), schema)?,
                None => Some(any_text()),
            };
            match shape {
                Some(shape) => shapes.push((key(name), shape)),
                None => return Ok(None),
            }
        }
        Ok(Some(Shape::Object(shapes)))
    }
}

/// The types that a schema allows; one that says nothing of it allows this one.
fn types<'a>(place: &str, fields: &'a Fields, otherwise: &'static str) -> Result<Vec<&'a str>, Problem> {
    let place = below(place, "type");
    let names: Vec<&Value> = match fields.get("type") {
        None => return Ok(vec![implied_type(fields).unwrap_or(otherwise)]),
        Some(Value::Array(names)) if !names.is_empty() => names.iter().collect(),
        Some(name) => vec![name],
    };
    let mut types = Vec::new();
    for name in names {
        match name.as_str().filter(|name| TYPES.contains(name)) {
            Some(name) => types.push(name),
            None => {
                return Err(problem(&place, &format!("a type is one of {}, or a list of them", TYPES.join(", "))));
            }
        }
    }
    Ok(types)
}

/// The type of a schema that does not say one, by what else it says.
fn implied_type(fields: &Fields) -> Option<&'static str> {
    let of_types = [
        ("object", &["properties", "required", "additionalProperties"][..]),
        ("array", &["items", "minItems", "maxItems", "uniqueItems"]),
        ("number", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
        ("string", &["minLength", "maxLength", "format", "contentEncoding"]),
    ];
    let found = of_types.iter().find(|(_, keywords)| keywords.iter().any(|keyword| fields.contains_key(*keyword)));
    found.map(|(name, _)| *name)
}

fn required<'a>(place: &str, fields: &'a Fields) -> Result<Vec<&'a str>, Problem> {
    let names = match fields.get("required") {
        None => return Ok(Vec::new()),
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    let mut names: Vec<&str> =
        names.ok_or_else(|| problem(&below(place, "required"), "it lists names of properties"))?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn text(place: &str, fields: &Fields) -> Result<Shape, Problem> {
    let zone =
        !fields.get("airbyte_type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("without_timezone"));
    let format = match fields.get("format").and_then(Value::as_str) {
        Some("date") => Some(Format::Date),
        Some("date-time") => Some(Format::DateTime { zone }),
        Some("time") => Some(Format::Time { zone }),
        Some("email" | "idn-email") => Some(Format::Email),
        Some("hostname" | "idn-hostname") => Some(Format::Hostname),
        Some("uri" | "url" | "iri" | "uri-reference" | "iri-reference") => Some(Format::Uri),
        Some("ipv4") => Some(Format::Ipv4),
        Some("ipv6") => Some(Format::Ipv6),
        Some("uuid") => Some(Format::Uuid),
        // A format that is not known says nothing, as JSON Schema has it.
        _ => None,
    };
    let format = match fields.get("contentEncoding") {
        None => format,
        Some(encoding) if encoding == "base64" => Some(Format::Base64),
        Some(_) => return Err(problem(&below(place, "contentEncoding"), "only base64 is supported: take it out")),
    };
    let shortest = length(place, fields, "minLength")?.unwrap_or(0);
    let longest = length(place, fields, "maxLength")?.unwrap_or(usize::MAX);
    if longest < shortest {
        return Err(problem(&below(place, "maxLength"), "it is smaller than minLength"));
    }
    match format.map(|format| (format, format.lengths())) {
        Some((_, (least, largest))) if least < shortest || longest < largest => {
            let what = format!(
                "texts of this format have {least} to {largest} characters here: minLength or maxLength forbids it"
            );
            Err(problem(&below(place, "format"), &what))
        }
        Some((format, _)) => Ok(Shape::Formatted(format)),
        None => {
            let longest = longest.min(LENGTHS.1.max(shortest));
            Ok(Shape::Text { shortest: shortest.max(LENGTHS.0).min(longest), longest })
        }
    }
}

fn integer(place: &str, fields: &Fields) -> Result<Shape, Problem> {
    for keyword in ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"] {
        let asks_for_more = match limit(place, fields, keyword)? {
            Some(limit) if keyword.ends_with("inimum") => limit > INTEGERS_END,
            Some(limit) => limit < -INTEGERS_END,
            None => false,
        };
        if asks_for_more {
            return Err(problem(&below(place, keyword), "no integer of 64 bits is within this limit"));
        }
    }
    // The casts end at the ends of i64.
    let at_least = limit(place, fields, "minimum")?.map(|limit| limit.ceil() as i64);
    let above = limit(place, fields, "exclusiveMinimum")?.map(|limit| (limit.floor() as i64).saturating_add(1));
    let at_most = limit(place, fields, "maximum")?.map(|limit| limit.floor() as i64);
    let under = limit(place, fields, "exclusiveMaximum")?.map(|limit| (limit.ceil() as i64).saturating_sub(1));
    let lowest = at_least.max(above);
    let highest = match (at_most, under) {
        (Some(at_most), Some(under)) => Some(at_most.min(under)),
        (at_most, under) => at_most.or(under),
    };
    let first = match (lowest, highest) {
        (Some(lowest), _) => lowest,
        (None, Some(highest)) if highest < 0 => highest.saturating_sub(REACH),
        (None, _) => 0,
    };
    let last = highest.unwrap_or_else(|| first.saturating_add(REACH));
    let step = match limit(place, fields, "multipleOf")? {
        None => 1,
        Some(step) if step >= 1.0 && step.fract() == 0.0 => step as i64,
        Some(_) => return Err(problem(&below(place, "multipleOf"), "of an integer it is a whole number from 1")),
    };
    let first = first.div_euclid(step) + i64::from(first.rem_euclid(step) != 0);
    let last = last.div_euclid(step);
    if first > last {
        return Err(problem(place, "no integer is within its limits"));
    }
    Ok(Shape::Integer { first, last, step })
}

fn number(place: &str, fields: &Fields) -> Result<Shape, Problem> {
    if fields.contains_key("multipleOf") {
        return Err(problem(&below(place, "multipleOf"), "it is supported for integers only: take it out"));
    }
    let (at_least, above) = (limit(place, fields, "minimum")?, limit(place, fields, "exclusiveMinimum")?);
    let (at_most, under) = (limit(place, fields, "maximum")?, limit(place, fields, "exclusiveMaximum")?);
    let lowest = at_least.into_iter().chain(above).reduce(f64::max);
    let highest = at_most.into_iter().chain(under).reduce(f64::min);
    let reach = REACH as f64;
    let (lowest, highest) = match (lowest, highest) {
        (Some(lowest), Some(highest)) => (lowest, highest),
        (Some(lowest), None) => (lowest, (lowest + reach).min(f64::MAX)),
        (None, Some(highest)) if highest < 0.0 => ((highest - reach).max(f64::MIN), highest),
        (None, Some(highest)) => (0.0, highest),
        (None, None) => (0.0, reach),
    };
    let without_ends = above.is_some() || under.is_some();
    if lowest > highest || (without_ends && lowest == highest) {
        return Err(problem(place, "no number is within its limits"));
    }
    Ok(Shape::Number { lowest, highest, without_ends })
}

fn limit(place: &str, fields: &Fields, keyword: &str) -> Result<Option<f64>, Problem> {
    match fields.get(keyword) {
        None => Ok(None),
        Some(limit) => match limit.as_f64() {
            Some(limit) => Ok(Some(limit)),
            None => Err(problem(&below(place, keyword), "it is a number")),
        },
    }
}

fn length(place: &str, fields: &Fields, keyword: &str) -> Result<Option<usize>, Problem> {
    match limit(place, fields, keyword)? {
        None => Ok(None),
        Some(length) if length >= 0.0 && length.fract() == 0.0 => Ok(Some(length as usize)),
        Some(_) => Err(problem(&below(place, keyword), "it is a whole number from 0")),
    }
}

fn any_text() -> Shape {
    Shape::Text { shortest: LENGTHS.0, longest: LENGTHS.1 }
}

/// One of the shapes; none if there is none.
fn any(mut shapes: Vec<Shape>) -> Option<Shape> {
    match shapes.len() {
        0 | 1 => shapes.pop(),
        _ => Some(Shape::Any(shapes)),
    }
}

fn json(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn key(name: &str) -> Vec<u8> {
    format!("{}:", Value::from(name)).into_bytes()
}

/// The place of what a JSON Pointer leads to from another place.
fn below(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn problem(place: &str, what: &str) -> Problem {
    Problem { place: place.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(schema: Value) -> String {
        Shape::of_record(&schema).expect_err("a refusal").to_string()
    }

    #[test]
    fn a_problem_says_where_it_is() {
        for (schema, place) in [
            (json!([123, 456]), "#:"),
            (json!({"type": "string"}), "#:"),
            (json!({"type": "invalid_type"}), "#/type:"),
            (json!({"properties": {"a/b": {"type": "invalid_type"}}}), "#/properties/a~1b/type:"),
            (json!({"properties": {"a": ["invalid"]}}), "#/properties/a:"),
            (json!({"properties": {"a": {"properties": 7}}}), "#/properties/a/properties:"),
            (json!({"properties": {"a": {"items": {"enum": []}}}}), "#/properties/a/items/enum:"),
            (json!({"properties": {"a": {"items": [true, {"minLength": -1}]}}}), "#/properties/a/items/1/minLength:"),
            (json!({"properties": {"a": {"pattern": "^a"}}}), "#/properties/a/pattern:"),
            (json!({"properties": {"a": {"anyOf": [{}, {"type": 1}]}}}), "#/properties/a/anyOf/1/type:"),
            (json!({"properties": {"a": {"oneOf": [{}], "type": "string"}}}), "#/properties/a/type:"),
            (json!({"properties": {"a": {"$ref": "#/definitions/b"}}}), "#/properties/a/$ref:"),
            (json!({"properties": {"a": {"$ref": "https://example.com"}}}), "#/properties/a/$ref:"),
            (
                json!({"definitions": {"b": {"type": 1}}, "properties": {"a": {"$ref": "#/definitions/b"}}}),
                "#/definitions/b/type:",
            ),
            (json!({"required": "a"}), "#/required:"),
            (json!({"properties": {"a": {"type": "integer", "minimum": "1"}}}), "#/properties/a/minimum:"),
            (json!({"properties": {"a": {"type": "integer", "minimum": 2, "maximum": 1}}}), "#/properties/a:"),
            (json!({"properties": {"a": {"type": "integer", "minimum": 1e30}}}), "#/properties/a/minimum:"),
            (
                json!({"properties": {"a": {"type": "integer", "exclusiveMaximum": -1e30}}}),
                "#/properties/a/exclusiveMaximum:",
            ),
            (json!({"properties": {"a": {"type": "number", "minimum": 1, "exclusiveMaximum": 1}}}), "#/properties/a:"),
            (json!({"properties": {"a": {"format": "uuid", "maxLength": 20}}}), "#/properties/a/format:"),
            (json!({"properties": {"a": {"minItems": 2, "uniqueItems": true}}}), "#/properties/a/uniqueItems:"),
        ] {
            let refusal = refusal(schema.clone());
            assert!(refusal.starts_with(&format!("{place} ")), "{schema}: {refusal}");
        }
    }

    #[test]
    fn what_would_not_end_is_left_out_or_refused() {
        let node = |required: Value| {
            json!({"properties": {"next": {"$ref": "#"}, "all": {"items": {"$ref": "#"}}, "n": {"type": "null"}},
                   "required": required})
        };
        let Ok(Shape::Object(fields)) = Shape::of_record(&node(json!([]))) else { panic!("an object") };
        // In which order depends on a feature of serde_json that another crate of the workspace may switch on.
        let mut keys: Vec<&[u8]> = fields.iter().map(|(key, _)| key.as_slice()).collect();
        keys.sort_unstable();
        assert_eq!(keys, [&b"\"all\":"[..], b"\"n\":", b"\"next\":"]);
        assert!(refusal(node(json!(["next"]))).contains("no value"));

        // Each level has two of the next.
        let definition = |number: usize| {
            let next = json!({"$ref": format!("#/definitions/{}", number + 1)});
            (number.to_string(), json!({"properties": {"a": next, "b": next}}))
        };
        let mut definitions: Map<String, Value> = (0..40).map(definition).collect();
        definitions.insert("40".to_owned(), json!(true));
        assert!(refusal(json!({"definitions": definitions, "$ref": "#/definitions/0"})).contains("too large"));

        let deep = (0..100).fold(json!({}), |inner, _| json!({"items": inner}));
        assert!(refusal(json!({"properties": {"a": deep}})).contains("too large"));
        for field in [
            json!({"minLength": 1e15}),
            json!({"minItems": 1e15}),
            json!({"items": {"minItems": 1e5}, "minItems": 1e5}),
        ] {
            assert!(refusal(json!({"properties": {"a": field}})).contains("16 MiB"));
        }
    }
}
