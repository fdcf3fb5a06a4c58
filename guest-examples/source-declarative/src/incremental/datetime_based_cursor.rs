//! The language's DatetimeBasedCursor as a manifest declares it, and what it comes to with a config. Knows nothing of state.

use std::borrow::Cow;
use std::rc::Rc;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::clamping::Clamping;
use super::datetime_cursor::{DatetimeRules, End};
use super::min_max_datetime::MinMaxDatetime;
use crate::datetime::Duration;
use crate::manifest::{self, FromManifest, Node};
use crate::request_options::{RequestOption, RequestOptions};
use crate::stream_slice::StreamSlice;
use crate::template::{Scope, Template};

/// What directives of a format tell apart, in microseconds.
const FORMAT_UNITS: &[(&str, i64)] = &[
    ("%epoch_microseconds", 1),
    ("%s_as_float", 1),
    ("%f", 1),
    ("%_ms", 1_000),
    ("%ms", 1_000),
    ("%S", 1_000_000),
    ("%s", 1_000_000),
    ("%M", 60_000_000),
    ("%H", 3_600_000_000),
    ("%I", 3_600_000_000),
    ("%d", 86_400_000_000),
];

#[derive(Debug)]
pub struct DatetimeBasedCursor {
    pub cursor_field: Template,
    pub allow_catalog_defined_cursor_field: bool,
    pub is_data_feed: bool,
    pub is_client_side_incremental: bool,
    pub global_substream_cursor: bool,
    start_datetime: MinMaxDatetime,
    end_datetime: Option<Rc<MinMaxDatetime>>,
    datetime_format: String,
    cursor_datetime_formats: Vec<String>,
    cursor_granularity: Option<Duration>,
    step: Option<Template>,
    lookback_window: Option<Template>,
    start_time_option: Option<RequestOption>,
    end_time_option: Option<RequestOption>,
    partition_field_start: Template,
    partition_field_end: Template,
    clamping: Option<Clamping>,
    is_compare_strictly: bool,
}

impl FromManifest for DatetimeBasedCursor {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let cursor_granularity = match component.field("cursor_granularity") {
            Some(granularity) => {
                let text = granularity.read::<String>()?;
                let parsed = (!text.is_empty()).then(|| Duration::parse(&text)).transpose();
                parsed.map_err(|problem| granularity.invalid(format!("is wrong: {problem}")))?
            }
            None => None,
        };
        let is_text = |field: &Node<'_>| field.value.as_str() != Some("");
        let cursor = DatetimeBasedCursor {
            cursor_field: component.required("cursor_field")?,
            allow_catalog_defined_cursor_field: component
                .optional("allow_catalog_defined_cursor_field")?
                .unwrap_or_default(),
            is_data_feed: component.optional("is_data_feed")?.unwrap_or_default(),
            is_client_side_incremental: component.optional("is_client_side_incremental")?.unwrap_or_default(),
            global_substream_cursor: component.optional("global_substream_cursor")?.unwrap_or_default(),
            start_datetime: component.required("start_datetime")?,
            end_datetime: component
                .field("end_datetime")
                .filter(is_text)
                .map(|end| end.read().map(Rc::new))
                .transpose()?,
            datetime_format: component.required("datetime_format")?,
            cursor_datetime_formats: component.optional("cursor_datetime_formats")?.unwrap_or_default(),
            cursor_granularity,
            step: component.field("step").filter(is_text).map(|step| duration_template(&step)).transpose()?,
            lookback_window: component.field("lookback_window").map(|window| duration_template(&window)).transpose()?,
            start_time_option: component.optional("start_time_option")?,
            end_time_option: component.optional("end_time_option")?,
            partition_field_start: component
                .optional("partition_field_start")?
                .unwrap_or_else(|| Template::of("start_time")),
            partition_field_end: component.optional("partition_field_end")?.unwrap_or_else(|| Template::of("end_time")),
            clamping: component.optional("clamping")?,
            is_compare_strictly: component.optional("is_compare_strictly")?.unwrap_or_default(),
        };
        if cursor.step.is_some() != cursor.cursor_granularity.is_some() {
            return Err(component.node.invalid("has one of step and cursor_granularity, and must have both or none"));
        }
        for name in ["datetime_format", "cursor_datetime_formats"] {
            component.field(name).as_ref().into_iter().for_each(super::remark_formats);
        }
        component.finish();
        Ok(cursor)
    }
}

impl DatetimeBasedCursor {
    /// What all its cursors of one read share. `chosen_field` is the user's word for the cursor field.
    pub fn rules(&self, scope: &Scope, chosen_field: Option<&str>) -> Result<Rc<DatetimeRules>> {
        let mut formats = self.cursor_datetime_formats.clone();
        formats.push(self.datetime_format.clone());
        let period = self.clamping.as_ref().map(|clamping| clamping.period(scope)).transpose()?;
        let end = self.end_datetime.as_ref().map_or(End::Now, |end| End::Declared(Rc::clone(end), scope.clone()));
        Ok(Rc::new(DatetimeRules {
            cursor_field: chosen_field.map_or_else(|| self.cursor_field.text(scope), |field| Ok(field.to_owned()))?,
            boundary_fields: self.boundary_fields(scope)?,
            start: self.start_datetime.evaluate(&self.datetime_format, scope)?,
            end,
            formats,
            datetime_format: self.datetime_format.clone(),
            granularity: self.cursor_granularity,
            step: duration(self.step.as_ref(), scope)?,
            lookback_window: duration(self.lookback_window.as_ref(), scope)?,
            period,
            is_compare_strictly: self.is_compare_strictly,
        }))
    }

    /// Whether its intervals have a smallest one that `datetime_format` can tell from the next; else the rest of a sentence that says why
    /// not.
    pub fn check_granularity(&self) -> std::result::Result<(), String> {
        let Some(granularity) = &self.cursor_granularity else {
            return Err("lacks a cursor_granularity: there is no interval that is too small to be split".to_owned());
        };
        if granularity.has_months() {
            return Ok(());
        }
        if granularity.microseconds() <= 0 {
            return Err("has a cursor_granularity that is not longer than nothing".to_owned());
        }
        let format = &self.datetime_format;
        let units = FORMAT_UNITS.iter().filter(|(directive, _)| format.contains(directive)).map(|(_, unit)| *unit);
        match units.min() {
            Some(unit) if granularity.microseconds() < unit => Err(format!(
                "has a cursor_granularity that is finer than what the datetime_format {format:?} can tell apart"
            )),
            _ => Ok(()),
        }
    }

    pub fn request_options(&self, slice: &StreamSlice, scope: &Scope) -> Result<RequestOptions> {
        let mut options = RequestOptions::default();
        let (start, end) = self.boundary_fields(scope)?;
        for (option, field) in [(&self.start_time_option, start), (&self.end_time_option, end)] {
            if let Some(option) = option {
                options.inject(option, slice.get(&field).cloned().unwrap_or(Value::Null), scope)?;
            }
        }
        Ok(options)
    }

    fn boundary_fields(&self, scope: &Scope) -> Result<(String, String)> {
        Ok((self.partition_field_start.text(scope)?, self.partition_field_end.text(scope)?))
    }
}

/// A duration that is a template, or right as it stands.
fn duration_template(node: &Node<'_>) -> manifest::Result<Template> {
    let text = match node.value {
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        other => other.as_str().map(Cow::Borrowed),
    };
    let literal = text.filter(|text| !text.is_empty() && !text.contains('{'));
    match literal.map(|text| Duration::parse(&text)) {
        Some(Err(problem)) => Err(node.invalid(format!("is wrong: {problem}"))),
        _ => node.read(),
    }
}

/// A duration that a template comes to. None where it comes to nothing, or to no time at all.
fn duration(template: Option<&Template>, scope: &Scope) -> Result<Option<Duration>> {
    let Some(template) = template else { return Ok(None) };
    match template.text(scope)?.as_str() {
        "" => Ok(None),
        text => match Duration::parse(text) {
            Ok(duration) => Ok(Some(duration).filter(|duration| !duration.is_zero())),
            Err(problem) => Err(system_error(format!("{} can not be used: {problem}.", template.path()))),
        },
    }
}
