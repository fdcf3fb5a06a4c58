//! Whether two programs print the same lines: a comparison of speed means nothing where they do not do the same. It must not know
//! the programs.

use std::ffi::OsString;

use anyhow::{Result, bail, ensure};

use super::measure::command_of;
use crate::command;

/// What the host logs for people comes on top of what the yardstick prints.
pub const LOG: &str = r#"{"type":"LOG""#;

/// An error unless the yardstick prints what the host prints, all but the host's lines that begin like one of `left_out`. What
/// the clock puts into lines is not compared.
pub fn ensure_equal(host: &[OsString], native: &[OsString], left_out: &[&str]) -> Result<()> {
    let print =
        |program: &[OsString]| Ok::<_, anyhow::Error>(without_times(&command::output(&mut command_of(program)?)?));
    let (host, native) = (print(host)?, print(native)?);
    let is_compared = |line: &&str| !left_out.iter().any(|beginning| line.starts_with(beginning));
    let host: Vec<&str> = host.lines().filter(is_compared).collect();
    let native: Vec<&str> = native.lines().collect();
    if let Some(line) = host.iter().zip(&native).position(|(host, native)| host != native) {
        bail!("the yardstick does not write what the host writes: line {} differs", line + 1);
    }
    ensure!(host.len() == native.len(), "the yardstick writes more or fewer lines than the host");
    ensure!(!host.is_empty(), "the host writes no lines");
    Ok(())
}

/// Protocol lines without what the clock puts into them. All else is compared byte by byte.
fn without_times(lines: &str) -> String {
    let without = |text: String, field: &str| {
        let mut pieces = text.split(field);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |kept, piece| kept + field + piece.trim_start_matches(|c| !matches!(c, ',' | '"' | '}')))
    };
    let text = without(lines.to_owned(), "\"emitted_at\":");
    without(text, "\"updated_at\":\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_not_compared_and_all_else_is() {
        let line = |id: u64, time: u64| {
            format!("{{\"record\":{{\"data\":{{\"id\":{id},\"updated_at\":\"{time}\"}},\"emitted_at\":{time}}}}}\n")
        };
        assert_eq!(without_times(&line(1, 5)), without_times(&line(1, 6)));
        assert_ne!(without_times(&line(1, 5)), without_times(&line(2, 5)));
        assert_ne!(without_times("{\"a\":1,\"b\":2}"), without_times("{\"b\":2,\"a\":1}"), "bytes count");
    }

    #[test]
    fn programs_that_print_something_else_are_told_apart() {
        let print = |text: &str| ["printf".into(), text.into()] as [OsString; 2];
        let host = print(r#"{"type":"LOG"}\n{"id":1}\n{"id":2}\n"#);
        ensure_equal(&host, &print(r#"{"id":1}\n{"id":2}\n"#), &[LOG]).expect("the same");
        let error = ensure_equal(&host, &print(r#"{"id":1}\n{"id":3}\n"#), &[LOG]).expect_err("another record");
        assert!(error.to_string().contains("line 2 differs"), "{error}");
        ensure_equal(&host, &print(r#"{"id":1}\n"#), &[LOG]).expect_err("a record less");
        ensure_equal(&print(""), &print(""), &[LOG]).expect_err("nothing was compared");
    }
}
