//! Where a stream stands, and where a read begins.

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The state of a stream, in the shape of Airbyte's source-faker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The seed of the configuration. It is for the reader: a read goes by the configuration's.
    pub seed: Option<i64>,
    /// The `updated_at` of the last record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// How many users are done. Products have none: they are done at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_offset: Option<u64>,
}

/// What a read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It begins after so many users.
    After(u64),
    /// It brings no record: all are done, and they are not to come again.
    Nowhere,
}

impl Begin {
    /// Where a read of a stream begins.
    ///
    /// A read that was stopped in the middle goes on there. One that came to its end begins anew, or brings nothing
    /// if records are not always updated.
    pub fn from(position: Option<&Position>, config: &Config) -> Self {
        let Some(position) = position else {
            return Begin::After(0);
        };
        match position.loop_offset {
            Some(done) if done < config.count => Begin::After(done),
            _ if position.updated_at.is_some() && !config.always_updated => Begin::Nowhere,
            _ => Begin::After(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(updated_at: Option<&str>, loop_offset: Option<u64>, always_updated: bool) -> Begin {
        let position = Position { seed: Some(1), updated_at: updated_at.map(str::to_owned), loop_offset };
        let config = Config { count: 10, always_updated, ..Config::default() };
        Begin::from(Some(&position), &config)
    }

    #[test]
    fn the_middle_goes_on_and_the_end_begins_anew_or_not_at_all() {
        let at = Some("2026-01-01T00:00:00+00:00");
        for always_updated in [true, false] {
            assert_eq!(begin(at, Some(4), always_updated), Begin::After(4));
            assert_eq!(begin(None, None, always_updated), Begin::After(0));
        }
        assert_eq!(begin(at, Some(10), true), Begin::After(0));
        assert_eq!(begin(at, None, true), Begin::After(0));
        assert_eq!(begin(at, Some(10), false), Begin::Nowhere);
        assert_eq!(begin(at, Some(99), false), Begin::Nowhere);
        assert_eq!(begin(at, None, false), Begin::Nowhere);
        assert_eq!(Begin::from(None, &Config::default()), Begin::After(0));
    }

    #[test]
    fn airbytes_states_are_read() {
        for text in [
            r#"{"seed":null,"updated_at":"","loop_offset":3}"#,
            r#"{"seed":1,"updated_at":"2026-01-01T00:00:00+00:00"}"#,
        ] {
            assert!(serde_json::from_str::<Position>(text).is_ok(), "{text}");
        }
    }
}
