//! A date that the manifest or the config gives, within bounds: the language's MinMaxDatetime. Knows nothing of cursors.

use airlock_sdk::{Result, system_error};

use crate::datetime::DateTime;
use crate::manifest::{self, FromManifest, Node};
use crate::template::{Scope, Template};

#[derive(Debug)]
pub struct MinMaxDatetime {
    datetime: Template,
    /// Empty for the cursor's.
    datetime_format: String,
    min_datetime: Option<Template>,
    max_datetime: Option<Template>,
}

impl FromManifest for MinMaxDatetime {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        if node.value.is_string() {
            let datetime = node.read()?;
            return Ok(MinMaxDatetime {
                datetime,
                datetime_format: String::new(),
                min_datetime: None,
                max_datetime: None,
            });
        }
        let component = node.component()?;
        if component.kind() != "MinMaxDatetime" {
            return Err(component.other_kind(&["MinMaxDatetime"], &[]));
        }
        let datetime = MinMaxDatetime {
            datetime: component.required("datetime")?,
            datetime_format: component.optional("datetime_format")?.unwrap_or_default(),
            min_datetime: component.optional("min_datetime")?,
            max_datetime: component.optional("max_datetime")?,
        };
        component.field("datetime_format").as_ref().into_iter().for_each(super::remark_formats);
        component.finish();
        Ok(datetime)
    }
}

impl MinMaxDatetime {
    /// The date as it is now. `format` is the cursor's.
    pub fn evaluate(&self, format: &str, scope: &Scope) -> Result<DateTime> {
        let format = if self.datetime_format.is_empty() { format } else { &self.datetime_format };
        let parse = |text: &str| {
            DateTime::parse(text, format)
                .map_err(|problem| system_error(format!("The date of a cursor can not be used: {problem}.")))
        };
        let bound = |bound: &Option<Template>| match bound {
            None => Ok(None),
            Some(bound) => match bound.text(scope)?.as_str() {
                "" => Ok(None),
                text => parse(text).map(Some),
            },
        };
        let mut time = parse(&self.datetime.text(scope)?)?;
        if let Some(least) = bound(&self.min_datetime)?.filter(|least| *least > time) {
            time = least;
        }
        if let Some(greatest) = bound(&self.max_datetime)?.filter(|greatest| *greatest < time) {
            time = greatest;
        }
        Ok(time)
    }
}
