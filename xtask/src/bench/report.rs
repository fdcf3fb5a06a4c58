//! The figures of several runs as tables in Markdown. It must not know what was measured.

use std::fmt::Write;
use std::time::Duration;

use super::measure::Usage;

/// One of those that are compared, with all its runs.
pub struct Measured {
    pub name: String,
    pub runs: Vec<Usage>,
}

/// How much work a run was.
#[derive(Clone, Copy)]
pub struct Work {
    pub bytes: u64,
    pub records: u64,
}

/// A table of throughput. The last column compares each with the yardstick, which is the row of that name.
pub fn throughput(work: Work, yardstick: &str, rows: &[Measured]) -> String {
    let mut text = String::from(
        "| | CPU s | wall s | MB a CPU s | records a CPU s | peak MiB | runs | share of native (CPU) |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let native = rows.iter().find(|row| row.name == yardstick);
    for row in rows {
        let cpu = median(row, |usage| usage.cpu).as_secs_f64();
        let share = native.map_or(f64::NAN, |native| ratio(native, row));
        let _ = writeln!(
            text,
            "| {} | {cpu:.2} | {:.2} | {:.0} | {} | {:.0} | {} | {share:.2} |",
            row.name,
            median(row, |usage| usage.wall).as_secs_f64(),
            work.bytes as f64 / 1e6 / cpu,
            thousands((work.records as f64 / cpu) as u64),
            peak(row),
            row.runs.len(),
        );
    }
    text
}

/// A table of processes that do next to nothing: how long they take to start.
pub fn start(rows: &[Measured]) -> String {
    let mut text = String::from("| | CPU ms | wall ms | peak MiB | runs |\n|---|--:|--:|--:|--:|\n");
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.0} | {} |",
            row.name,
            median(row, |usage| usage.cpu).as_secs_f64() * 1e3,
            median(row, |usage| usage.wall).as_secs_f64() * 1e3,
            peak(row),
            row.runs.len(),
        );
    }
    text
}

/// A table of memory alone.
pub fn memory(rows: &[(u64, Measured)]) -> String {
    let mut text = String::from("| | records | peak MiB | CPU s |\n|---|--:|--:|--:|\n");
    for (records, row) in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {:.2} |",
            row.name,
            thousands(*records),
            peak(row),
            median(row, |usage| usage.cpu).as_secs_f64()
        );
    }
    text
}

/// How much of its CPU time the yardstick needs for the same: the median over pairs of runs, which stood side by side, so
/// that what the machine does besides touches both.
pub fn ratio(yardstick: &Measured, row: &Measured) -> f64 {
    // One run of a slow program is set against the middle of the others'.
    if row.runs.len() < yardstick.runs.len() {
        return median(yardstick, |usage| usage.cpu).as_secs_f64() / median(row, |usage| usage.cpu).as_secs_f64();
    }
    let pairs = yardstick.runs.iter().zip(&row.runs);
    let mut ratios: Vec<f64> =
        pairs.map(|(yardstick, run)| yardstick.cpu.as_secs_f64() / run.cpu.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

fn median(row: &Measured, what: impl Fn(&Usage) -> Duration) -> Duration {
    let mut values: Vec<Duration> = row.runs.iter().map(what).collect();
    values.sort();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The largest of all runs, in MiB.
pub fn peak(row: &Measured) -> f64 {
    row.runs.iter().map(|usage| usage.peak_memory).max().unwrap_or_default() as f64 / f64::from(1 << 20)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, cpu_ms: &[u64]) -> Measured {
        let runs = cpu_ms.iter().map(|ms| Usage {
            cpu: Duration::from_millis(*ms),
            wall: Duration::from_millis(2 * ms),
            peak_memory: 3 << 20,
        });
        Measured { name: name.to_owned(), runs: runs.collect() }
    }

    #[test]
    fn a_share_is_the_middle_of_the_pairs() {
        let native = measured("native", &[100, 200, 90]);
        // The pairs give 0.5, 0.8 and 0.9.
        assert_eq!(ratio(&native, &measured("host", &[200, 250, 100])), 0.8);
        assert_eq!(ratio(&native, &measured("slow", &[10_000])), 0.01);
    }

    #[test]
    fn tables_have_a_row_for_each() {
        let rows = [measured("native", &[500, 500, 500]), measured("host", &[1000, 1000, 1000])];
        let text = throughput(Work { bytes: 50_000_000, records: 1_234_567 }, "native", &rows);
        assert!(text.contains("| native | 0.50 | 1.00 | 100 | 2,469,134 | 3 | 3 | 1.00 |"), "{text}");
        assert!(text.contains("| host | 1.00 | 2.00 | 50 | 1,234,567 | 3 | 3 | 0.50 |"), "{text}");
        assert!(start(&rows).contains("| native | 500.0 | 1000.0 | 3 | 3 |"));
        assert!(memory(&[(12_000, measured("host", &[1000]))]).contains("| host | 12,000 | 3.0 | 1.00 |"));
    }
}
