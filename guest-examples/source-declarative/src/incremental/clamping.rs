//! Clamping: bounds of intervals that lie on whole days, weeks or months only. Knows nothing of how a stream is divided otherwise.

use airlock_sdk::{Result, system_error};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime, Weekday};

use crate::datetime::DateTime;
use crate::manifest::{self, FromManifest, Node};
use crate::template::{Scope, Template};

/// A cursor's `clamping`.
#[derive(Debug)]
pub struct Clamping {
    target: Template,
    weekday: Option<Weekday>,
}

impl FromManifest for Clamping {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        // It has no type.
        let component = node.component()?;
        let weekday = match component.field("target_details") {
            Some(details) => details.entries()?.iter().find(|(name, _)| *name == "weekday").map(weekday).transpose()?,
            None => None,
        };
        let clamping = Clamping { target: component.required("target")?, weekday };
        component.finish();
        Ok(clamping)
    }
}

fn weekday((_, node): &(&str, Node<'_>)) -> manifest::Result<Weekday> {
    match node.read::<String>()?.as_str() {
        "MONDAY" => Ok(Weekday::Mon),
        "TUESDAY" => Ok(Weekday::Tue),
        "WEDNESDAY" => Ok(Weekday::Wed),
        "THURSDAY" => Ok(Weekday::Thu),
        "FRIDAY" => Ok(Weekday::Fri),
        "SATURDAY" => Ok(Weekday::Sat),
        "SUNDAY" => Ok(Weekday::Sun),
        other => Err(node.invalid(format!("is {other:?}, and must be a day of the week, such as MONDAY"))),
    }
}

impl Clamping {
    pub fn period(&self, scope: &Scope) -> Result<Period> {
        match (self.target.text(scope)?.as_str(), self.weekday) {
            ("DAY", _) => Ok(Period::Day),
            ("WEEK", Some(weekday)) => Ok(Period::Week(weekday)),
            ("WEEK", None) => {
                Err(system_error("The manifest can not be used: clamping to WEEK needs target_details with a weekday."))
            }
            ("MONTH", _) => Ok(Period::Month),
            (other, _) => Err(system_error(format!(
                "The manifest can not be used: clamping has the target {other:?}, and must have one of DAY, WEEK, MONTH."
            ))),
        }
    }
}

/// What bounds are whole numbers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Day,
    /// A week begins with this day.
    Week(Weekday),
    Month,
}

impl Period {
    /// The begin of the period that the time is in. None before the calendar's begin.
    pub fn floor(self, time: DateTime) -> Option<DateTime> {
        let date = time.local.date();
        let date = match self {
            Period::Day => date,
            Period::Week(weekday) => date.checked_sub_days(Days::new(date.weekday().days_since(weekday).into()))?,
            Period::Month => date.with_day(1)?,
        };
        Some(at_midnight(time, date))
    }

    /// The first begin of a period that is not before the time. On the day with which a week or a month begins, that is the begin of
    /// this day. None after the calendar's end.
    pub fn ceiling(self, time: DateTime) -> Option<DateTime> {
        let floor = self.floor(time)?;
        let date = floor.local.date();
        let is_on_bound = match self {
            Period::Day => floor == time,
            Period::Week(_) | Period::Month => date == time.local.date(),
        };
        let next = match self {
            _ if is_on_bound => date,
            Period::Day => date.checked_add_days(Days::new(1))?,
            Period::Week(_) => date.checked_add_days(Days::new(7))?,
            Period::Month => date.checked_add_months(Months::new(1))?,
        };
        Some(at_midnight(time, next))
    }
}

fn at_midnight(time: DateTime, date: NaiveDate) -> DateTime {
    DateTime { local: date.and_time(NaiveTime::MIN), ..time }
}
