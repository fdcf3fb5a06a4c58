//! Counts against committed figures. It must not know what was counted, or by whom.

use std::fmt::Write;

use super::figures::Counts;

/// How far a count may be from its figure, as a share of it. Counts of one and the same program are up to 1.4 percent apart where
/// threads wait for each other (`write`), and less than 0.1 elsewhere; the middle of five
/// hardly moves.
const TOLERANCE: f64 = 0.02;

/// What has become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Within,
    Worse,
    Better,
    /// There is no figure.
    Unknown,
}

/// A job, what was committed of it, and what was counted.
#[derive(Debug)]
pub struct Row {
    job: String,
    change: Change,
    figure: Option<u64>,
    count: u64,
}

/// Whether a count is further from its figure than counts of the same program are.
pub fn deviates(figure: u64, count: u64) -> bool {
    share(figure, count).abs() > TOLERANCE
}

pub fn compare(committed: &Counts, counted: &Counts) -> Vec<Row> {
    let row = |(job, count): (&String, &u64)| {
        let figure = committed.get(job).copied();
        let change = match figure {
            None => Change::Unknown,
            Some(figure) if !deviates(figure, *count) => Change::Within,
            Some(figure) if *count > figure => Change::Worse,
            Some(_) => Change::Better,
        };
        Row { job: job.clone(), change, figure, count: *count }
    };
    counted.iter().map(row).collect()
}

/// All jobs, for people.
pub fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.job.len()).max().unwrap_or_default();
    let mut text = String::new();
    for row in rows {
        let figure = row.figure.map_or_else(|| "no figure".to_owned(), |figure| figure.to_string());
        let _ = writeln!(text, "{:width$} {:>13} {:>13} {:>8}", row.job, figure, row.count, row.percent());
    }
    text
}

/// The jobs with which it is so, and by how much, if there are any.
pub fn named(rows: &[Row], change: Change) -> Option<String> {
    let name = |row: &Row| match row.figure {
        Some(_) => format!("{} ({})", row.job, row.percent()),
        None => row.job.clone(),
    };
    let names: Vec<String> = rows.iter().filter(|row| row.change == change).map(name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

impl Row {
    fn percent(&self) -> String {
        self.figure.map_or_else(String::new, |figure| format!("{:+.1} %", 100.0 * share(figure, self.count)))
    }
}

fn share(figure: u64, count: u64) -> f64 {
    (count as f64 - figure as f64) / figure as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(job, count)| ((*job).to_owned(), *count)).collect()
    }

    #[test]
    fn a_regression_is_found_and_named_with_its_size() {
        let committed = counts(&[("read", 1000), ("spec", 1000), ("write", 1000), ("idle", 1000)]);
        let counted = counts(&[("read", 1021), ("spec", 1020), ("write", 979), ("idle", 980), ("new", 5)]);
        let rows = compare(&committed, &counted);
        let changes: Vec<(&str, Change)> = rows.iter().map(|row| (row.job.as_str(), row.change)).collect();
        let expected = [
            ("idle", Change::Within),
            ("new", Change::Unknown),
            ("read", Change::Worse),
            ("spec", Change::Within),
            ("write", Change::Better),
        ];
        assert_eq!(changes, expected);
        assert_eq!(named(&rows, Change::Worse).as_deref(), Some("read (+2.1 %)"));
        assert_eq!(named(&rows, Change::Better).as_deref(), Some("write (-2.1 %)"));
        assert_eq!(named(&rows, Change::Unknown).as_deref(), Some("new"));
        assert_eq!(named(&rows[..1], Change::Worse), None);
        let table = table(&rows);
        assert_eq!(table.lines().count(), 5, "{table}");
        assert!(table.contains("no figure") && table.contains("+2.0 %"), "{table}");
    }
}
