//! A stream as the manifest declares it: the language's DeclarativeStream, and StateDelegatingStream, which is one of two. Knows how it
//! is made of components, and not how it is read.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::datetime::{DateTime, Duration};
use crate::incremental::{IncrementalSync, NO_CURSOR, StateMigration};
use crate::manifest::{self, FromManifest, Node, Object};
use crate::record_selection::RecordRules;
use crate::retriever::Retriever;
use crate::schemas::SchemaLoader;
use crate::session::Session;
use crate::template::Template;
use crate::transformations::Transformation;

/// A stream of the manifest.
#[derive(Debug)]
pub enum Stream {
    Declarative(Box<DeclarativeStream>),
    StateDelegating(Box<StateDelegatingStream>),
}

/// The language's DeclarativeStream.
#[derive(Debug)]
pub struct DeclarativeStream {
    pub name: String,
    /// A field, fields, or paths of fields.
    pub primary_key: Vec<Vec<String>>,
    pub retriever: Retriever,
    pub incremental_sync: Option<IncrementalSync>,
    /// None only where a stream stands around a retriever that the manifest has elsewhere.
    pub schema_loader: Option<SchemaLoader>,
    pub transformations: Vec<Transformation>,
    /// What becomes of states that older versions of the connector saved.
    pub state_migrations: Vec<StateMigration>,
    /// That it has a state says that it was read to its end: another stream takes its place then.
    pub is_replaced_by_its_state: bool,
}

/// The language's StateDelegatingStream: how a stream is read the first time, and how it is afterwards.
#[derive(Debug)]
pub struct StateDelegatingStream {
    full_refresh_stream: DeclarativeStream,
    incremental_stream: DeclarativeStream,
    /// How long the API keeps what a state goes on from.
    api_retention_period: Option<Template>,
}

impl Stream {
    /// The stream as it is read where there is a state, or where there is none.
    pub fn of_state(&self, has_state: bool) -> &DeclarativeStream {
        match self {
            Stream::Declarative(stream) => stream,
            Stream::StateDelegating(stream) if has_state => &stream.incremental_stream,
            Stream::StateDelegating(stream) => &stream.full_refresh_stream,
        }
    }
}

impl Stream {
    /// The stream as it goes on from a state, and that state. It begins anew where the API does not keep any more what is missing.
    pub fn going_on(&self, session: &Session, state: Option<Object>) -> Result<(&DeclarativeStream, Option<Object>)> {
        let chosen = self.of_state(state.is_some());
        match (self, state) {
            (Stream::StateDelegating(stream), Some(state)) if stream.is_too_old(session, &state)? => {
                Ok((&stream.full_refresh_stream, None))
            }
            (_, state) => Ok((chosen, state)),
        }
    }
}

impl StateDelegatingStream {
    fn is_too_old(&self, session: &Session, state: &Object) -> Result<bool> {
        let period = self.api_retention_period.as_ref().map(|period| period.text(&session.scope)).transpose()?;
        let Some(period) = period.filter(|period| !period.is_empty()) else { return Ok(false) };
        let streams = [&self.full_refresh_stream, &self.incremental_stream];
        if streams.iter().any(|stream| matches!(stream.incremental_sync, Some(IncrementalSync::IncrementingCount(_)))) {
            return Err(system_error(format!(
                "Stream {} has an IncrementingCountCursor, which can not stand beside api_retention_period: it knows no dates.",
                self.full_refresh_stream.name
            )));
        }
        let oldest = Duration::parse(&period).and_then(|period| DateTime::now().minus(&period)).map_err(|problem| {
            system_error(format!("The api_retention_period {period:?} can not be used: {problem}."))
        })?;
        for stream in streams {
            let time = match &stream.incremental_sync {
                // Its whole was read, whenever that was.
                None if state.get(NO_CURSOR).is_some_and(|mark| mark != &Value::Bool(false)) => return Ok(false),
                None => None,
                Some(cursor) => cursor.time_of_state(session, stream.retriever.partitions(), state)?,
            };
            if let Some(time) = time {
                if time < oldest {
                    log::warn!(
                        "Stream {} goes on from {time}, and the API keeps what is no older than {period}: it is read anew.",
                        stream.name
                    );
                }
                return Ok(time < oldest);
            }
        }
        Ok(true)
    }
}

impl DeclarativeStream {
    /// A stream around a retriever that belongs to none.
    pub fn of_retriever(name: &str, retriever: Retriever) -> Self {
        DeclarativeStream {
            name: name.to_owned(),
            primary_key: Vec::new(),
            retriever,
            incremental_sync: None,
            schema_loader: None,
            transformations: Vec::new(),
            state_migrations: Vec::new(),
            is_replaced_by_its_state: false,
        }
    }

    /// What the stream says of the records that its retriever reads.
    pub fn record_rules(&self, has_state: bool) -> RecordRules<'_> {
        RecordRules {
            stream_name: &self.name,
            transformations: &self.transformations,
            schema_loader: self.schema_loader.as_ref(),
            is_client_side_incremental: self.incremental_sync.as_ref().is_some_and(IncrementalSync::is_client_side),
            is_data_feed: self.incremental_sync.as_ref().is_some_and(IncrementalSync::is_data_feed),
            has_state,
        }
    }

    /// The stream as `discover` tells it.
    pub fn in_catalog(&self, session: &Session) -> Result<airlock_sdk::Stream> {
        let schema =
            self.schema_loader.as_ref().map_or_else(|| Ok(Value::Object(Object::new())), |of| of.schema(session))?;
        let mut stream = airlock_sdk::Stream::with_schema(self.name.as_str(), schema);
        stream.is_resumable = Some(false);
        stream.is_file_based = Some(false);
        if let Some(cursor) = &self.incremental_sync {
            stream = stream.incremental(cursor.cursor_field(&session.scope)?).resumable();
            stream.source_defined_cursor = Some(!cursor.allows_another_field());
        }
        if let Some(nested) = self.primary_key.iter().find(|path| path.len() != 1) {
            return Err(system_error(format!(
                "Nested primary keys are not supported. Found {} in stream {}.",
                nested.join("."),
                self.name
            )));
        }
        stream.source_defined_primary_key = self.primary_key.clone();
        Ok(stream)
    }
}

impl FromManifest for Stream {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        match node.component()?.kind() {
            "StateDelegatingStream" => Ok(Stream::StateDelegating(node.read()?)),
            _ => Ok(Stream::Declarative(node.read()?)),
        }
    }
}

impl FromManifest for StateDelegatingStream {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let name: String = component.required("name")?;
        let full_refresh_stream: DeclarativeStream = component.required("full_refresh_stream")?;
        let stream = StateDelegatingStream {
            full_refresh_stream: DeclarativeStream { is_replaced_by_its_state: true, ..full_refresh_stream },
            incremental_stream: component.required("incremental_stream")?,
            api_retention_period: component.optional("api_retention_period")?,
        };
        let other = [&stream.full_refresh_stream, &stream.incremental_stream].into_iter().find(|of| of.name != name);
        if let Some(other) = other {
            return Err(
                node.invalid(format!("is called {name:?} and has a stream in it that is called {:?}", other.name))
            );
        }
        component.finish();
        Ok(stream)
    }
}

impl FromManifest for DeclarativeStream {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "DeclarativeStream" {
            return Err(component.other_kind(&["DeclarativeStream"], &["StateDelegatingStream"]));
        }
        let name: String = component.optional("name")?.unwrap_or_default();
        let stream = DeclarativeStream {
            primary_key: component.field("primary_key").map_or_else(|| Ok(Vec::new()), |key| primary_key(&key))?,
            retriever: component.required("retriever")?,
            incremental_sync: component.optional("incremental_sync")?,
            schema_loader: Some(match component.field("schema_loader") {
                Some(loader) => loader.read()?,
                None => SchemaLoader::usual(&name, component.parameters()),
            }),
            transformations: component.optional("transformations")?.unwrap_or_default(),
            state_migrations: component.optional("state_migrations")?.unwrap_or_default(),
            is_replaced_by_its_state: false,
            name,
        };
        if stream.retriever.has_first_pages_in_parents() {
            if let Some(cursor) = component.field("incremental_sync") {
                let says = |name: &str| cursor.value.get(name).is_some_and(|value| !value.is_null());
                if !matches!(stream.incremental_sync, Some(IncrementalSync::DatetimeBased(_)))
                    || says("step")
                    || says("cursor_granularity")
                {
                    return Err(cursor.invalid(
                        "stands beside a lazy_read_pointer, and must be a DatetimeBasedCursor without step and cursor_granularity then",
                    ));
                }
            }
        }
        stream.retriever.check_cursor(stream.incremental_sync.as_ref(), node)?;
        component.refuse_fields(&["file_uploader"])?;
        component.skip_fields(&["description"]);
        component.finish();
        Ok(stream)
    }
}

fn primary_key(node: &Node<'_>) -> manifest::Result<Vec<Vec<String>>> {
    match node.value {
        Value::String(field) => Ok(vec![vec![field.clone()]]),
        _ => node
            .elements()?
            .iter()
            .map(|field| match field.value {
                Value::String(field) => Ok(vec![field.clone()]),
                _ => field.read(),
            })
            .collect(),
    }
}
