//! Dates as Python reads and writes them: `golden.json` is what its CDK, isodate and dateutil made of them.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    /// A text, its format, and what is read. Null where it raises an error.
    parsed: Vec<(String, String, Option<String>)>,
    formatted: Vec<(String, String, String)>,
    /// A duration, Python's `str` of it, and a time with it and without it.
    durations: Vec<(String, [Option<String>; 3])>,
    iso8601: Vec<(String, Option<String>)>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

fn isoformat(datetime: Result<DateTime>) -> Option<String> {
    datetime.ok().map(|datetime| datetime.isoformat('T'))
}

#[test]
fn texts_are_read_as_by_the_cdk() {
    let differs = |(text, format, expected): &(String, String, Option<String>)| {
        let found = isoformat(DateTime::parse(text, format));
        (found != *expected).then(|| format!("{text:?} by {format:?}: {found:?} for {expected:?}"))
    };
    let differences: Vec<String> = golden().parsed.iter().filter_map(differs).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn texts_are_written_as_by_the_cdk() {
    let differs = |(datetime, format, expected): &(String, String, String)| {
        let found = DateTime::parse_iso8601(datetime).unwrap().format(format);
        (found != *expected).then(|| format!("{datetime} by {format:?}: {found:?} for {expected:?}"))
    };
    let differences: Vec<String> = golden().formatted.iter().filter_map(differs).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn durations_are_those_of_isodate() {
    let base = DateTime::parse_iso8601("2024-03-31T12:00:00+00:00").unwrap();
    let mut differences = Vec::new();
    for (text, expected) in golden().durations {
        let duration = Duration::parse(&text).ok();
        let found = [
            duration.map(|duration| duration.to_string()),
            duration.and_then(|duration| isoformat(base.plus(&duration))),
            duration.and_then(|duration| isoformat(base.minus(&duration))),
        ];
        if found != expected {
            differences.push(format!("{text}: {found:?} for {expected:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn iso_8601_is_read_as_by_dateutil() {
    let differs = |(text, expected): &(String, Option<String>)| {
        let found = isoformat(DateTime::parse_iso8601(text));
        (found != *expected).then(|| format!("{text:?}: {found:?} for {expected:?}"))
    };
    let differences: Vec<String> = golden().iso8601.iter().filter_map(differs).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
