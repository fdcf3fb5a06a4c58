//! What is done when an API refuses the interval of a slice: the language's RequestWindowSplitting. Knows nothing of pages.

use airlock_sdk::{Failure, Result, config_error, transient_error};

use super::SliceReader;
use crate::datetime::Duration;
use crate::incremental::IncrementalSync;
use crate::manifest::{self, FromManifest, Node};
use crate::stream_slice::StreamSlice;

/// No slice is split more often. Splitting ends before, at the cursor's granularity, for any interval that makes sense.
const MOST_SPLITS: u32 = 10;

/// The language's RequestWindowSplitting.
#[derive(Debug)]
pub struct RequestWindowSplitting {
    /// Follows the message where an interval can not be split any more.
    failure_message: String,
    /// An interval that is no longer is not split.
    smallest: Option<Duration>,
    /// As the manifest has it.
    smallest_text: String,
}

impl FromManifest for RequestWindowSplitting {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let field = component.field("min_split_window").filter(|window| window.value != "");
        let smallest = field.map(|field| {
            let text = field.read::<String>()?;
            match Duration::parse(&text) {
                Ok(window) if !window.has_months() && window.microseconds() > 0 => Ok((window, text)),
                Ok(_) => Err(field.invalid("must be longer than nothing, and without months and years")),
                Err(problem) => Err(field.invalid(format!("is wrong: {problem}"))),
            }
        });
        let (smallest, smallest_text) = smallest.transpose()?.unzip();
        let failure_message: Option<String> = component.optional("failure_message")?;
        component.finish();
        Ok(RequestWindowSplitting {
            failure_message: failure_message.unwrap_or_default().trim().to_owned(),
            smallest,
            smallest_text: smallest_text.unwrap_or_default(),
        })
    }
}

/// A slice whose interval the API refused.
pub struct RefusedWindow<'w> {
    pub stream_name: &'w str,
    pub slice: &'w StreamSlice,
    /// How often it was split already.
    pub splits: u32,
    /// What the error handler says.
    pub message: &'w str,
}

impl RequestWindowSplitting {
    /// The two slices that are read in the place of the one that was refused.
    pub fn split(&self, refused: &RefusedWindow<'_>, reader: &dyn SliceReader) -> Result<[StreamSlice; 2]> {
        let RefusedWindow { stream_name, slice, splits, .. } = *refused;
        let rules = reader.datetime_rules().ok_or_else(|| not_supported(stream_name))?;
        if splits >= MOST_SPLITS {
            return Err(self.failure(
                refused,
                format!("Stream {stream_name} could not split its request window to a size the API accepts within {MOST_SPLITS} splits."),
            ));
        }
        let Some(halves) = rules.halves(slice, self.smallest.as_ref())? else {
            let smallest = match self.smallest_text.as_str() {
                "" => String::new(),
                text => format!(", its configured `min_split_window` ({text})"),
            };
            return Err(self.failure(
                refused,
                format!(
                    "The API kept rejecting stream {stream_name}'s request window even at the smallest window its cursor \
                     allows{smallest}, or splitting the window further would not make progress."
                ),
            ));
        };
        log::info!(
            "Stream {stream_name}: the API rejected the window {}, which is read in two halves.",
            serde_json::Value::Object(slice.cursor_slice.clone())
        );
        Ok(halves)
    }

    fn failure(&self, refused: &RefusedWindow<'_>, message: String) -> Failure {
        let message = match self.failure_message.as_str() {
            "" => message,
            more => format!("{message} {more}"),
        };
        transient_error(message).with_internal(format!(
            "the API rejected the window {}: {}",
            serde_json::Value::Object(refused.slice.cursor_slice.clone()),
            refused.message
        ))
    }

    /// Whether a cursor's slices can be split at all. `node` is the stream.
    pub fn check_cursor(cursor: Option<&IncrementalSync>, node: &Node<'_>) -> manifest::Result<()> {
        let needs = "has a retriever with request_window_splitting";
        let Some(IncrementalSync::DatetimeBased(cursor)) = cursor else {
            return Err(node.invalid(format!("{needs}, which needs a DatetimeBasedCursor with a cursor_granularity")));
        };
        if cursor.is_client_side_incremental {
            return Err(
                node.invalid(format!("{needs} and a cursor with is_client_side_incremental, which do not go together"))
            );
        }
        cursor.check_granularity().map_err(|problem| node.invalid(format!("{needs}, and its cursor {problem}")))
    }
}

/// A stream's error handler wants to split intervals where nothing says how.
pub fn not_supported(stream_name: &str) -> Failure {
    config_error(format!(
        "Stream {stream_name} resolves to a request window split but is not set up to split its window. Add \
         `request_window_splitting` to the stream's retriever (this requires a datetime-based incremental cursor with \
         `cursor_granularity` set), or remove the `SPLIT_REQUEST_WINDOW` action from its error handler."
    ))
}
