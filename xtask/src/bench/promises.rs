//! What the project promises of its speed, and whether a run has kept it. It must not know how anything is measured.

use std::fmt::{self, Write};

use super::markdown;
use super::report::{Ratio, digits};

/// What may be said of a ratio.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Above(f64),
}

/// One promise.
pub struct Promise {
    /// What it is of, in words.
    pub what: &'static str,
    pub bound: Bound,
    /// Or why there is no figure.
    pub measured: Result<Ratio, String>,
}

impl Promise {
    /// Judged by the middle of the pairs. What was not measured is neither kept nor broken.
    pub fn is_broken(&self) -> bool {
        self.measured.as_ref().is_ok_and(|ratio| !self.bound.holds(ratio.median))
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Above(bound) => value > bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(formatter, "at least {}", digits(*bound)),
            Self::AtMost(bound) => write!(formatter, "at most {}", digits(*bound)),
            Self::Above(bound) => write!(formatter, "above {}", digits(*bound)),
        }
    }
}

/// A table of what is promised and what was measured. Promises that this run has not looked at keep the rows that they had.
pub fn table(promises: &[Promise], former: &str) -> String {
    let mut rows: Vec<Vec<String>> = markdown::rows(former);
    for promise in promises {
        let measured = match &promise.measured {
            Ok(ratio) => ratio.to_string(),
            Err(reason) => format!("not measured: {}", markdown::cell(reason)),
        };
        let kept = match &promise.measured {
            Ok(_) if promise.is_broken() => "**no**",
            Ok(_) => "yes",
            Err(_) => "",
        };
        let row = vec![promise.what.to_owned(), promise.bound.to_string(), measured, kept.to_owned()];
        match rows.iter_mut().find(|former| former.first() == row.first()) {
            Some(former) => *former = row,
            None => rows.push(row),
        }
    }
    let mut text = String::from("| | promised | measured | kept |\n|---|---|---|---|\n");
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(what: &'static str, bound: Bound, median: f64) -> Promise {
        Promise { what, bound, measured: Ok(Ratio { median, lowest: 0.5, highest: 3.0 }) }
    }

    #[test]
    fn the_middle_of_the_pairs_decides() {
        let is_broken = |bound, median| promise("it", bound, median).is_broken();
        assert!(is_broken(Bound::AtLeast(0.7), 0.69) && !is_broken(Bound::AtLeast(0.7), 0.7));
        assert!(is_broken(Bound::AtMost(3.0), 3.01) && !is_broken(Bound::AtMost(3.0), 3.0));
        assert!(is_broken(Bound::Above(1.0), 1.0) && !is_broken(Bound::Above(1.0), 1.01));
        assert!(is_broken(Bound::AtLeast(0.7), f64::NAN), "what is no number keeps no promise");
        let unknown = Promise { what: "it", bound: Bound::Above(1.0), measured: Err("no image".to_owned()) };
        assert!(!unknown.is_broken());
    }

    #[test]
    fn the_table_keeps_what_was_not_measured_now() {
        let first = table(&[promise("a", Bound::AtLeast(0.7), 0.8), promise("b", Bound::AtMost(3.0), 3.5)], "");
        assert!(
            first.contains("| a | at least 0.70 | 0.80 (0.50 to 3.00) | yes |\n| b | at most 3.00 | 3.50"),
            "{first}"
        );
        assert!(first.ends_with("| **no** |\n"), "{first}");
        let second = table(&[promise("b", Bound::AtMost(3.0), 2.5), promise("c", Bound::Above(1.0), 2.0)], &first);
        let names: Vec<String> = markdown::rows(&second).into_iter().map(|row| row[0].clone()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(second.contains("| b | at most 3.00 | 2.50 (0.50 to 3.00) | yes |"), "{second}");
        let unknown = Promise { what: "c", bound: Bound::Above(1.0), measured: Err("no image".to_owned()) };
        assert!(table(&[unknown], &second).contains("| c | above 1.00 | not measured: no image |  |"));
    }
}
