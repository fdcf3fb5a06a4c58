//! What a sync means to do with what a destination has of a stream: add to it, or replace it.
//!
//! Airbyte counts generations of a stream: the number grows when a refresh begins, an attempt that is tried again keeps it. So a
//! replacement of a generation is gone on with by the next attempt, whose states say where.

use crate::catalog::{ConfiguredStream, DestinationSyncMode};
use crate::failure::{Result, config_error, system_error};

/// What a sync means to do with what a destination has of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Add to what is there.
    Append,
    /// Put something new in its place when the stream is complete. A failed sync can not be gone on with.
    Replace,
    /// Put this generation in its place when the stream is complete.
    ReplaceByGeneration {
        /// Which one.
        generation: Generation,
        /// Whether each new sync begins again, although the generation is the same: Airbyte's `overwrite`.
        overwrite: bool,
    },
}

/// Which generation of a stream, written by which sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Airbyte's `generation_id`, at least 1.
    pub id: i64,
    /// Airbyte's `sync_id`.
    pub sync_id: Option<i64>,
}

impl Intent {
    /// What the configured catalog asks for. What can not be done is refused.
    pub fn of(configured: &ConfiguredStream) -> Result<Self> {
        let stream = configured.name();
        let overwrite = match &configured.destination_sync_mode {
            // Whether records are also deduplicated is another question.
            DestinationSyncMode::Append | DestinationSyncMode::AppendDedup => false,
            DestinationSyncMode::Overwrite => true,
            DestinationSyncMode::Other(mode) => {
                return Err(config_error(format!(
                    "The stream {stream} is configured with the destination sync mode \"{mode}\", which this destination \
                     does not have: choose one of those that it is offered with."
                ))
                .for_stream(stream));
            }
        };
        let generation_id = configured.generation_id;
        let minimum = configured.minimum_generation_id;
        if minimum.is_some_and(|id| id != 0 && Some(id) != generation_id) && generation_id.is_some() {
            return Err(system_error(format!(
                "The stream {stream} is to keep some of its generations and lose others (generation_id {}, \
                 minimum_generation_id {}), which this destination can not do: refresh the stream to keep everything, or \
                 nothing.",
                generation_id.unwrap_or_default(),
                minimum.unwrap_or_default(),
            ))
            .for_stream(stream));
        }
        // Airbyte counts from 1; 0 stands for a stream that never had a refresh.
        let Some(id) = generation_id.filter(|id| *id > 0) else {
            return Ok(if overwrite { Intent::Replace } else { Intent::Append });
        };
        if !overwrite && minimum != generation_id {
            return Ok(Intent::Append);
        }
        Ok(Intent::ReplaceByGeneration { generation: Generation { id, sync_id: configured.sync_id }, overwrite })
    }
}

impl Generation {
    /// Whether it is surely written by the sync of this number, and not by another one of the same generation.
    pub fn is_of_sync(self, sync_id: Option<i64>) -> bool {
        // PyAirbyte gives 1 for the generation and for the sync, every time: that does not tell one sync from the next.
        let tells = (self.id, self.sync_id) != (1, Some(1));
        tells && self.sync_id.is_some() && self.sync_id == sync_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use serde_json::{Value, json};

    fn intent(mode: &str, generation: Value, minimum: Value, sync: Value) -> Result<Intent> {
        let configured: ConfiguredStream = serde_json::from_value(json!({
            "stream": {"name": "users", "json_schema": {}},
            "sync_mode": "full_refresh",
            "destination_sync_mode": mode,
            "generation_id": generation,
            "minimum_generation_id": minimum,
            "sync_id": sync,
        }))
        .unwrap();
        Intent::of(&configured)
    }

    fn by_generation(id: i64, sync_id: Option<i64>, overwrite: bool) -> Intent {
        Intent::ReplaceByGeneration { generation: Generation { id, sync_id }, overwrite }
    }

    #[test]
    fn the_catalog_decides() {
        let null = Value::Null;
        for (mode, generation, minimum, sync, expected) in [
            ("append", null.clone(), null.clone(), null.clone(), Intent::Append),
            ("append", json!(0), json!(0), json!(1), Intent::Append),
            ("append", json!(5), json!(0), json!(1), Intent::Append),
            ("append", json!(5), null.clone(), null.clone(), Intent::Append),
            ("append", null.clone(), json!(5), null.clone(), Intent::Append),
            ("append", json!(5), json!(5), json!(1), by_generation(5, Some(1), false)),
            ("append_dedup", json!(5), json!(0), json!(1), Intent::Append),
            ("append_dedup", json!(5), null.clone(), null.clone(), Intent::Append),
            ("append_dedup", json!(5), json!(5), null.clone(), by_generation(5, None, false)),
            ("overwrite", null.clone(), null.clone(), null.clone(), Intent::Replace),
            ("overwrite", json!(0), json!(0), json!(1), Intent::Replace),
            ("overwrite", json!(5), json!(5), json!(1), by_generation(5, Some(1), true)),
            ("overwrite", json!(5), json!(0), json!(1), by_generation(5, Some(1), true)),
            ("overwrite", json!(5), null.clone(), null.clone(), by_generation(5, None, true)),
        ] {
            let what = format!("{mode} {generation} {minimum} {sync}");
            assert_eq!(intent(mode, generation, minimum, sync).unwrap(), expected, "{what}");
        }
    }

    #[test]
    fn what_can_not_be_done_is_refused() {
        for mode in ["update", "soft_delete", "sideways"] {
            let failure = intent(mode, Value::Null, Value::Null, Value::Null).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains(mode), "{failure}");
            assert_eq!(failure.stream(), Some(&"users".into()));
        }
        for (mode, generation, minimum) in
            [("append", 5, 3), ("overwrite", 5, 3), ("append", 5, 6), ("overwrite", 5, 6)]
        {
            let failure = intent(mode, json!(generation), json!(minimum), json!(1)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::SystemError);
        }
    }

    #[test]
    fn the_same_sync_is_told_by_its_id() {
        let generation = |id, sync_id| Generation { id, sync_id };
        assert!(generation(5, Some(7)).is_of_sync(Some(7)));
        assert!(!generation(5, Some(8)).is_of_sync(Some(7)));
        assert!(!generation(5, None).is_of_sync(Some(7)));
        assert!(!generation(5, None).is_of_sync(None));
        assert!(generation(2, Some(1)).is_of_sync(Some(1)));
        assert!(!generation(1, Some(1)).is_of_sync(Some(1)));
    }
}
