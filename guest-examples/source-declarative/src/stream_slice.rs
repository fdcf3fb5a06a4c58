//! A slice of a stream: what one sequence of pages is read for. Knows nothing of who makes slices.

use serde_json::Value;

use crate::manifest::Object;
use crate::template::Scope;

/// The CDK's StreamSlice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamSlice {
    /// The partition: `{"parent_id": 7, "parent_slice": {}}`. Part of the state's key.
    pub partition: Object,
    /// The interval: `{"start_time": …, "end_time": …}`.
    pub cursor_slice: Object,
    /// What the parent's record has for the child beside, and what is no part of the state.
    pub extra_fields: Object,
}

impl StreamSlice {
    /// The value of `stream_slice['…']`: of the interval or of the partition.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.cursor_slice.get(name).or_else(|| self.partition.get(name))
    }

    /// The scope in which this is `stream_slice`.
    pub fn scope(&self, scope: &Scope) -> Scope {
        scope.with_slice(self)
    }
}
