//! Schemas that a server tells: the language's DynamicSchemaLoader. Its first record lists the fields, or has one each.

use airlock_sdk::{Result, system_error};
use serde_json::{Value, json};

use crate::dpath;
use crate::manifest::{self, FromManifest, Node, Object};
use crate::record::Record;
use crate::request_options::RequestOptions;
use crate::retriever::{Going, SimpleRetriever, SliceReader};
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use crate::template::{Condition, Template};
use crate::transformations::Transformation;

/// The language's DynamicSchemaLoader.
#[derive(Debug)]
pub struct DynamicSchemaLoader {
    retriever: SimpleRetriever,
    schema_filter: Option<Condition>,
    schema_transformations: Vec<Transformation>,
    schema_type_identifier: SchemaTypeIdentifier,
}

/// Where the fields stand in the record, and where in a field its name and type do.
#[derive(Debug)]
struct SchemaTypeIdentifier {
    schema_pointer: Vec<Template>,
    key_pointer: Vec<Template>,
    type_pointer: Vec<Template>,
    types_mapping: Vec<TypesMap>,
}

/// What a type of the server's is called here.
#[derive(Debug)]
struct TypesMap {
    target_type: Value,
    current_type: Value,
    condition: Option<Condition>,
}

impl FromManifest for DynamicSchemaLoader {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let loader = DynamicSchemaLoader {
            retriever: component.required("retriever")?,
            schema_filter: component.field("schema_filter").map(|filter| condition(&filter)).transpose()?.flatten(),
            schema_transformations: component.optional("schema_transformations")?.unwrap_or_default(),
            schema_type_identifier: component.required("schema_type_identifier")?,
        };
        component.finish();
        Ok(loader)
    }
}

/// The condition of a RecordFilter.
fn condition(node: &Node<'_>) -> manifest::Result<Option<Condition>> {
    let component = node.component()?;
    if component.kind() != "RecordFilter" {
        return Err(component.other_kind(&["RecordFilter"], &[]));
    }
    let condition = component.optional("condition")?;
    component.finish();
    Ok(condition)
}

impl FromManifest for SchemaTypeIdentifier {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let identifier = SchemaTypeIdentifier {
            schema_pointer: component.optional("schema_pointer")?.unwrap_or_default(),
            key_pointer: component.required("key_pointer")?,
            type_pointer: component.optional("type_pointer")?.unwrap_or_default(),
            types_mapping: component.optional("types_mapping")?.unwrap_or_default(),
        };
        component.finish();
        Ok(identifier)
    }
}

impl FromManifest for TypesMap {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let map = TypesMap {
            target_type: component.required("target_type")?,
            current_type: component.required("current_type")?,
            condition: component.optional("condition")?,
        };
        component.finish();
        Ok(map)
    }
}

impl DynamicSchemaLoader {
    pub fn schema(&self, session: &Session) -> Result<Value> {
        let mut first = FirstRecord(None);
        self.retriever.read_slice(session, &StreamSlice::default(), &mut first)?;
        let mut properties = Object::new();
        if let Some(record) = first.0.filter(|record| !record.is_empty()) {
            let record = Value::Object(record);
            for field in self.fields(&record, session)? {
                let (name, schema) = self.schema_type_identifier.property(&field, session)?;
                properties.insert(name, schema);
            }
        }
        let mut record = Record::of_object(self.filtered(properties, session)?);
        for transformation in &self.schema_transformations {
            transformation.apply(&mut record, &session.scope)?;
        }
        Ok(json!({
            "$schema": "https://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": true,
            "properties": record.object()?,
        }))
    }

    fn fields(&self, record: &Value, session: &Session) -> Result<Vec<Value>> {
        match extract(record, &self.schema_type_identifier.schema_pointer, session)? {
            Some(Value::Array(fields)) => Ok(fields),
            // Python goes through an object's keys.
            Some(Value::Object(fields)) => Ok(fields.into_iter().map(|(name, _)| Value::String(name)).collect()),
            _ => Err(system_error("A dynamic schema's schema_pointer leads to no list of fields.")),
        }
    }

    fn filtered(&self, properties: Object, session: &Session) -> Result<Object> {
        let Some(filter) = &self.schema_filter else { return Ok(properties) };
        let mut kept = Object::new();
        for (name, schema) in properties {
            let record = Value::Object(Object::from_iter([(name.clone(), schema.clone())]));
            if filter.holds(&session.scope.with_json("record", &record))? {
                kept.insert(name, schema);
            }
        }
        Ok(kept)
    }
}

impl SchemaTypeIdentifier {
    fn property(&self, field: &Value, session: &Session) -> Result<(String, Value)> {
        let name = match extract(field, &self.key_pointer, session)? {
            Some(Value::String(name)) => name,
            other => {
                let other = other.map_or_else(|| "nothing".to_owned(), |other| other.to_string());
                return Err(system_error(format!("Expected key to be a string. Got {other}")));
            }
        };
        let told = match self.type_pointer.as_slice() {
            [] => None,
            pointer => extract(field, pointer, session)?,
        };
        let kind = self.mapped(told.unwrap_or_else(|| "string".into()), field, session)?;
        Ok((name, airbyte_type(&kind, 0)?))
    }

    fn mapped(&self, told: Value, field: &Value, session: &Session) -> Result<Value> {
        let scope = session.scope.with_json("raw_schema", field);
        for map in &self.types_mapping {
            let holds = map.condition.as_ref().map_or(Ok(true), |condition| condition.holds(&scope))?;
            if holds && map.current_type == told {
                return Ok(map.target_type.clone());
            }
        }
        Ok(told)
    }
}

fn extract(value: &Value, pointer: &[Template], session: &Session) -> Result<Option<Value>> {
    if pointer.is_empty() {
        return Ok(Some(value.clone()));
    }
    let path = pointer.iter().map(|part| part.evaluate(&session.scope)).collect::<Result<Vec<Value>>>()?;
    dpath::get(value, &path).map(|found| found.cloned())
}

/// The JSON schema of a type: its name, two names, or an array of something.
fn airbyte_type(kind: &Value, depth: usize) -> Result<Value> {
    match kind {
        Value::String(name) => named_type(name),
        Value::Array(names) => match names.as_slice() {
            [Value::String(one), Value::String(other)] => Ok(json!({"oneOf": [named_type(one)?, named_type(other)?]})),
            _ => Err(no_type(kind)),
        },
        Value::Object(complex) if depth < 50 => {
            let name = complex.get("field_type").and_then(Value::as_str).ok_or_else(|| no_type(kind))?;
            let mut schema = named_type(name)?;
            if let Some(items) = complex.get("items").filter(|items| !items.is_null()) {
                if name != "array" {
                    return Err(system_error("'items' can only be used when 'field_type' is an array."));
                }
                schema["items"] = airbyte_type(items, depth + 1)?;
            }
            Ok(schema)
        }
        _ => Err(no_type(kind)),
    }
}

fn no_type(kind: &Value) -> airlock_sdk::Failure {
    system_error(format!("Invalid data type. Available string or two items list of string. Got {kind}."))
}

fn named_type(name: &str) -> Result<Value> {
    Ok(match name {
        "string" => json!({"type": ["null", "string"]}),
        "boolean" => json!({"type": ["null", "boolean"]}),
        "date" => json!({"type": ["null", "string"], "format": "date"}),
        "timestamp_without_timezone" => {
            json!({"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_without_timezone"})
        }
        "timestamp_with_timezone" => json!({"type": ["null", "string"], "format": "date-time"}),
        "time_without_timezone" => {
            json!({"type": ["null", "string"], "format": "time", "airbyte_type": "time_without_timezone"})
        }
        "time_with_timezone" => {
            json!({"type": ["null", "string"], "format": "time", "airbyte_type": "time_with_timezone"})
        }
        "integer" => json!({"type": ["null", "integer"]}),
        "number" => json!({"type": ["null", "number"]}),
        "array" => json!({"type": ["null", "array"]}),
        "object" => json!({"type": ["null", "object"]}),
        _ => return Err(system_error(format!("Invalid Airbyte data type: {name}"))),
    })
}

/// Takes one record, and no more.
struct FirstRecord(Option<Object>);

impl SliceReader for FirstRecord {
    fn request_options(&self, _slice: &StreamSlice) -> Result<RequestOptions> {
        Ok(RequestOptions::default())
    }

    fn should_be_synced(&self, _record: &Record<'_>) -> Result<bool> {
        Ok(true)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        self.0 = Some(record.object()?.clone());
        Ok(Going::Enough)
    }
}
