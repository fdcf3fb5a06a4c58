//! Which streams there are (what `discover` returns) and how they are to be synced (what `read` and `write` get).
//!
//! Airbyte's documents, read tolerantly: every optional field may be absent or `null`, fields and modes that are not
//! known here are kept out of the way.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::failure::{Result, system_error};
use crate::schema;
use crate::stream_name::StreamName;

/// The streams that a source has: Airbyte's AirbyteCatalog.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The streams.
    #[serde(default, deserialize_with = "null_is_default")]
    pub streams: Vec<Stream>,
}

impl Catalog {
    /// A catalog of these streams.
    pub fn new(streams: impl IntoIterator<Item = Stream>) -> Self {
        Catalog { streams: streams.into_iter().collect() }
    }
}

/// How a stream can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// Everything, each time.
    FullRefresh,
    /// What is new since the last time.
    Incremental,
    /// A mode that this SDK does not know.
    #[serde(untagged)]
    Other(String),
}

/// What a destination does with the records of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationSyncMode {
    /// Adds them to what is there.
    Append,
    /// Replaces what is there.
    Overwrite,
    /// Adds them, and keeps the newest of each primary key.
    AppendDedup,
    /// A mode that this SDK does not know.
    #[serde(untagged)]
    Other(String),
}

/// A stream that a source has: Airbyte's AirbyteStream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// The stream's name.
    pub name: String,
    /// The namespace that the stream is in, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The JSON Schema of the stream's records.
    #[serde(default)]
    pub json_schema: Value,
    /// How it can be read.
    #[serde(default, deserialize_with = "null_is_default")]
    pub supported_sync_modes: Vec<SyncMode>,
    /// Whether the source decides which field tells new records from old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_defined_cursor: Option<bool>,
    /// The path of the field that tells new records from old ones, if the user chooses no other.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub default_cursor_field: Vec<String>,
    /// The paths of the fields that identify a record.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub source_defined_primary_key: Vec<Vec<String>>,
    /// Whether a full refresh goes on where an earlier attempt stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_resumable: Option<bool>,
    /// Whether its records are files, which the platform moves beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_file_based: Option<bool>,
}

impl Stream {
    /// A stream whose records are `R`s, read as a full refresh: the schema is derived from the type.
    pub fn of<R: JsonSchema>(name: impl Into<StreamName>) -> Self {
        Self::with_schema(name, schema::of_record::<R>())
    }

    /// A stream whose records follow this JSON Schema, read as a full refresh.
    pub fn with_schema(name: impl Into<StreamName>, json_schema: Value) -> Self {
        let StreamName { name, namespace } = name.into();
        Stream {
            name,
            namespace,
            json_schema,
            supported_sync_modes: vec![SyncMode::FullRefresh],
            source_defined_cursor: None,
            default_cursor_field: Vec::new(),
            source_defined_primary_key: Vec::new(),
            is_resumable: None,
            is_file_based: None,
        }
    }

    /// It can be read incrementally too, by this field, and the user does not choose another.
    #[must_use]
    pub fn incremental(mut self, cursor_field: impl Into<String>) -> Self {
        if !self.supported_sync_modes.contains(&SyncMode::Incremental) {
            self.supported_sync_modes.push(SyncMode::Incremental);
        }
        self.source_defined_cursor = Some(true);
        self.default_cursor_field = vec![cursor_field.into()];
        self
    }

    /// These fields, each at the top of the record, identify it.
    #[must_use]
    pub fn primary_key<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.source_defined_primary_key = fields.into_iter().map(|field| vec![field.into()]).collect();
        self
    }

    /// A full refresh goes on where an earlier attempt stopped.
    #[must_use]
    pub fn resumable(mut self) -> Self {
        self.is_resumable = Some(true);
        self
    }
}

/// What is to be synced, and how: Airbyte's ConfiguredAirbyteCatalog.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfiguredCatalog {
    /// The streams.
    #[serde(default, deserialize_with = "null_is_default")]
    pub streams: Vec<ConfiguredStream>,
}

impl ConfiguredCatalog {
    /// The stream of this name, if it is to be synced.
    pub fn stream(&self, name: impl Into<StreamName>) -> Option<&ConfiguredStream> {
        let name = name.into();
        self.streams
            .iter()
            .find(|configured| configured.stream.name == name.name && configured.stream.namespace == name.namespace)
    }

    pub(crate) fn from_json(catalog: &str) -> Result<Self> {
        serde_json::from_str(catalog).map_err(|error| {
            system_error("The configured catalog is not what Airbyte's protocol says: no stream can be told from it.")
                .with_internal(error)
        })
    }
}

/// A stream that is to be synced: Airbyte's ConfiguredAirbyteStream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfiguredStream {
    /// The stream, as `discover` described it.
    pub stream: Stream,
    /// How it is read.
    #[serde(default = "full_refresh", deserialize_with = "null_is_full_refresh")]
    pub sync_mode: SyncMode,
    /// What the destination does with its records.
    #[serde(default = "append", deserialize_with = "null_is_append")]
    pub destination_sync_mode: DestinationSyncMode,
    /// The path of the field that tells new records from old ones; empty if none was chosen.
    #[serde(default, deserialize_with = "null_is_default")]
    pub cursor_field: Vec<String>,
    /// The paths of the fields that identify a record; empty if none were chosen.
    #[serde(default, deserialize_with = "null_is_default")]
    pub primary_key: Vec<Vec<String>>,
    /// Which generation of the stream this sync writes. It grows when a refresh begins.
    #[serde(default)]
    pub generation_id: Option<i64>,
    /// Generations below this one are given up when the stream is complete.
    #[serde(default)]
    pub minimum_generation_id: Option<i64>,
    /// Which sync this is.
    #[serde(default)]
    pub sync_id: Option<i64>,
}

impl ConfiguredStream {
    /// The stream's name.
    pub fn name(&self) -> StreamName {
        StreamName::from(&self.stream)
    }
}

impl From<&Stream> for StreamName {
    fn from(stream: &Stream) -> Self {
        StreamName { name: stream.name.clone(), namespace: stream.namespace.clone() }
    }
}

impl From<&ConfiguredStream> for StreamName {
    fn from(configured: &ConfiguredStream) -> Self {
        configured.name()
    }
}

fn full_refresh() -> SyncMode {
    SyncMode::FullRefresh
}

fn append() -> DestinationSyncMode {
    DestinationSyncMode::Append
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn null_is_full_refresh<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SyncMode, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(full_refresh))
}

fn null_is_append<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DestinationSyncMode, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(append))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nulls_absence_and_unknown_words_are_read() {
        let catalog = ConfiguredCatalog::from_json(
            r#"{"streams":[
                {"stream":{"name":"a","namespace":null,"json_schema":{},"supported_sync_modes":null,
                           "source_defined_cursor":null,"default_cursor_field":null,"source_defined_primary_key":null,
                           "is_resumable":null,"is_file_based":false},
                 "sync_mode":"sideways","destination_sync_mode":"soft_delete","cursor_field":null,"primary_key":null,
                 "generation_id":null,"minimum_generation_id":null,"sync_id":null,"mapper":[]},
                {"stream":{"name":"a","namespace":"public"},"sync_mode":"incremental","destination_sync_mode":"append_dedup",
                 "cursor_field":["at"],"primary_key":[["id"]],"generation_id":3,"minimum_generation_id":0,"sync_id":9},
                {"stream":{"name":"b"}}
            ],"more":1}"#,
        )
        .unwrap();
        let [first, second, third] = catalog.streams.as_slice() else {
            panic!("three streams");
        };
        assert_eq!(first.sync_mode, SyncMode::Other("sideways".into()));
        assert_eq!(first.destination_sync_mode, DestinationSyncMode::Other("soft_delete".into()));
        assert_eq!((first.generation_id, first.cursor_field.len()), (None, 0));
        assert_eq!(second.sync_mode, SyncMode::Incremental);
        assert_eq!(second.destination_sync_mode, DestinationSyncMode::AppendDedup);
        assert_eq!(second.primary_key, [["id"]]);
        assert_eq!((second.generation_id, second.minimum_generation_id, second.sync_id), (Some(3), Some(0), Some(9)));
        assert_eq!(third.sync_mode, SyncMode::FullRefresh);
        assert_eq!(third.destination_sync_mode, DestinationSyncMode::Append);
        assert_eq!(catalog.stream("a"), Some(first));
        assert_eq!(catalog.stream(StreamName::in_namespace("public", "a")), Some(second));
        assert_eq!(catalog.stream("c"), None);
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        let plain = Stream::with_schema("a", json!({"type": "object"}));
        assert_eq!(
            serde_json::to_value(&plain).unwrap(),
            json!({"name": "a", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]})
        );
        let rich = plain.incremental("at").primary_key(["id", "part"]).resumable();
        assert_eq!(
            serde_json::to_value(&rich).unwrap(),
            json!({"name": "a", "json_schema": {"type": "object"},
                "supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": true,
                "default_cursor_field": ["at"], "source_defined_primary_key": [["id"], ["part"]],
                "is_resumable": true})
        );
    }
}
