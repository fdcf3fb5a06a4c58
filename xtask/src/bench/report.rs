//! The figures of several runs as tables in Markdown. It must not know what was measured, or where the tables go.

use std::fmt::{self, Write};
use std::time::Duration;

use super::markdown;
use super::measure::Usage;
use super::turns::Measured;

/// How much work a run was.
#[derive(Clone, Copy)]
pub struct Work {
    pub bytes: u64,
    pub records: u64,
}

/// One that was to be compared and is not there.
pub struct Missing {
    pub name: String,
    pub reason: String,
}

/// How two compare: of pairs of runs that stood side by side, the middle, the lowest and the highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
}

impl Ratio {
    /// A figure that was measured once.
    pub fn single(value: f64) -> Self {
        Self { median: value, lowest: value, highest: value }
    }

    /// How many times as much one took as another. Where one ran less often, each of its runs is set against the middle of
    /// the other's.
    pub fn of(one: &Measured, other: &Measured, what: impl Fn(&Usage) -> Duration) -> Self {
        let seconds = |row: &Measured| -> Vec<f64> { row.runs.iter().map(|run| what(run).as_secs_f64()).collect() };
        let middle = |row: &Measured, count| vec![row.median(&what).as_secs_f64(); count];
        let (ones, others) = match (seconds(one), seconds(other)) {
            (ones, others) if ones.len() < others.len() => (ones, middle(other, one.runs.len())),
            (ones, others) if ones.len() > others.len() => (middle(one, others.len()), others),
            same => same,
        };
        let mut ratios: Vec<f64> = ones.iter().zip(&others).map(|(one, other)| one / other).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |index: usize| ratios.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(ratios.len() / 2), lowest: at(0), highest: at(ratios.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, lowest, highest] = [self.median, self.lowest, self.highest].map(digits);
        write!(formatter, "{median} ({lowest} to {highest})")
    }
}

/// Three digits or so, and all that are before the point.
pub fn digits(number: f64) -> String {
    match number {
        100.0.. => format!("{number:.0}"),
        10.0..100.0 => format!("{number:.1}"),
        0.1..10.0 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// CPU time of a run.
pub fn cpu(usage: &Usage) -> Duration {
    usage.cpu
}

/// Wall time of a run.
pub fn wall(usage: &Usage) -> Duration {
    usage.wall
}

/// A table of throughput. The last columns compare each with the yardstick, which is the row of that name.
pub fn throughput(work: Work, yardstick: &str, rows: &[Measured]) -> String {
    // "native yardstick" is native, and others are who they are.
    let whose = yardstick.split(' ').next().unwrap_or(yardstick);
    let mut text = format!(
        "| | CPU s | wall s | MB a CPU s | records a CPU s | peak MiB | runs | share of {whose} (CPU) | share of {whose} (wall) |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let native = rows.iter().find(|row| row.name == yardstick);
    for row in rows {
        let share = |what: fn(&Usage) -> Duration| match native {
            Some(native) if native.name != row.name => Ratio::of(native, row, what).to_string(),
            _ => "1".to_owned(),
        };
        let seconds = row.median(cpu).as_secs_f64();
        let _ = writeln!(
            text,
            "| {} | {seconds:.2} | {:.2} | {:.0} | {} | {:.0} | {} | {} | {} |",
            row.name,
            row.median(wall).as_secs_f64(),
            work.bytes as f64 / 1e6 / seconds,
            thousands((work.records as f64 / seconds) as u64),
            row.peak(),
            row.runs.len(),
            share(cpu),
            share(wall),
        );
    }
    text
}

/// A table of throughput by size: for each, what it is called, how much work it was, and the host's runs and the yardstick's.
pub fn sizes(rows: &[(&str, Work, [Measured; 2])]) -> String {
    let mut text = String::from(
        "| a record | records | airlock: MB a CPU s | records a CPU s | native: MB a CPU s | records a CPU s | \
         share of native (CPU) | share of native (wall) |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (size, work, [host, native]) in rows {
        let rate = |row: &Measured| {
            let seconds = row.median(cpu).as_secs_f64();
            let records = thousands((work.records as f64 / seconds) as u64);
            format!("{:.0} | {records}", work.bytes as f64 / 1e6 / seconds)
        };
        let _ = writeln!(
            text,
            "| {size} | {} | {} | {} | {} | {} |",
            thousands(work.records),
            rate(host),
            rate(native),
            Ratio::of(native, host, cpu),
            Ratio::of(native, host, wall),
        );
    }
    text
}

/// A table of what a second instance gains: for each load, what it is called, how many records there were, and the runs of one
/// instance and of two.
pub fn parallel(rows: &[(&str, u64, [Measured; 2])]) -> String {
    let mut text = String::from(
        "| | | records | CPU s | wall s | records a second | peak MiB | runs | times as fast (wall) |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (load, records, instances) in rows {
        for row in instances {
            let seconds = row.median(wall).as_secs_f64();
            let is_first = row.name == instances[0].name;
            let gain = if is_first { "1".to_owned() } else { Ratio::of(&instances[0], row, wall).to_string() };
            let _ = writeln!(
                text,
                "| {load} | {} | {} | {:.2} | {seconds:.2} | {} | {:.0} | {} | {gain} |",
                row.name,
                thousands(*records),
                row.median(cpu).as_secs_f64(),
                thousands((*records as f64 / seconds) as u64),
                row.peak(),
                row.runs.len(),
            );
        }
    }
    text
}

/// A table of processes that do next to nothing: how long they take to start. The first is what the others are compared with.
pub fn start(rows: &[Measured]) -> String {
    let mut text =
        String::from("| | CPU ms | wall ms | peak MiB | runs | times the first (CPU) |\n|---|--:|--:|--:|--:|--:|\n");
    for (index, row) in rows.iter().enumerate() {
        let times = if index == 0 { "1".to_owned() } else { Ratio::of(row, &rows[0], cpu).to_string() };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} | {} | {times} |",
            row.name,
            digits(row.median(cpu).as_secs_f64() * 1e3),
            digits(row.median(wall).as_secs_f64() * 1e3),
            row.peak(),
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
            row.peak(),
            row.median(cpu).as_secs_f64()
        );
    }
    text
}

/// Adds rows for those that are not there, with the reason in words.
pub fn add_missing(table: &mut String, missing: &[Missing]) {
    let columns = table.lines().next().map_or(2, |heading| heading.matches('|').count() - 1);
    for Missing { name, reason } in missing {
        let _ = writeln!(
            table,
            "| {name} | not measured: {} |{}",
            markdown::cell(reason),
            " |".repeat(columns.saturating_sub(2))
        );
    }
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
    fn a_ratio_is_the_middle_of_the_pairs_with_the_lowest_and_the_highest() {
        let native = measured("native", &[100, 200, 90]);
        // The pairs give 0.5, 0.8 and 0.9.
        let share = Ratio::of(&native, &measured("host", &[200, 250, 100]), cpu);
        assert_eq!(share.to_string(), "0.80 (0.50 to 0.90)");
    }

    #[test]
    fn who_ran_less_often_is_set_against_the_middle_of_the_others_runs() {
        let native = measured("native", &[100, 200, 90]);
        let slow = measured("slow", &[10_000, 20_000]);
        assert_eq!(Ratio::of(&native, &slow, cpu), Ratio { median: 0.01, lowest: 0.005, highest: 0.01 });
        assert_eq!(Ratio::of(&slow, &native, cpu).to_string(), "200 (100 to 200)");
        assert_eq!(Ratio::of(&native, &slow, cpu).to_string(), "0.0100 (0.0050 to 0.0100)");
    }

    #[test]
    fn tables_have_a_row_for_each() {
        let rows = [measured("native", &[500, 500, 500]), measured("host", &[1000, 1000, 1000])];
        let work = Work { bytes: 50_000_000, records: 1_234_567 };
        let text = throughput(work, "native", &rows);
        assert!(text.contains("| native | 0.50 | 1.00 | 100 | 2,469,134 | 3 | 3 | 1 | 1 |"), "{text}");
        let host = "| host | 1.00 | 2.00 | 50 | 1,234,567 | 3 | 3 | 0.50 (0.50 to 0.50) | 0.50 (0.50 to 0.50) |";
        assert!(text.contains(host), "{text}");
        let text = start(&rows);
        assert!(text.contains("| native | 500 | 1000 | 3.0 | 3 | 1 |\n| host | 1000 |"), "{text}");
        assert!(text.contains("| 2.00 (2.00 to 2.00) |"), "{text}");
        assert!(memory(&[(12_000, measured("host", &[1000]))]).contains("| host | 12,000 | 3.0 | 1.00 |"));
        let [native, host] = rows;
        let text = sizes(&[("50 bytes", work, [host, native])]);
        let row =
            "| 50 bytes | 1,234,567 | 50 | 1,234,567 | 100 | 2,469,134 | 0.50 (0.50 to 0.50) | 0.50 (0.50 to 0.50) |";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn a_second_instance_is_set_against_the_first() {
        let text = parallel(&[("light", 1_000, [measured("one", &[1000]), measured("two", &[500])])]);
        assert!(text.contains("| light | one | 1,000 | 1.00 | 2.00 | 500 | 3 | 1 | 1 |"), "{text}");
        assert!(text.contains("| light | two | 1,000 | 0.50 | 1.00 | 1,000 | 3 | 1 | 2.00 (2.00 to 2.00) |"), "{text}");
    }

    #[test]
    fn who_is_not_there_has_a_row_with_the_reason() {
        let mut text = memory(&[]);
        let missing = Missing { name: "Python".to_owned(), reason: "no\n  network | none".to_owned() };
        add_missing(&mut text, &[missing]);
        assert!(text.ends_with("|--:|\n| Python | not measured: no network \\| none | | |\n"), "{text}");
    }
}
