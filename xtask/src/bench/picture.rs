//! The picture of the README: bars of what BENCHMARKS.md says in its tables, so that the two never differ. It must not know how
//! anything was measured.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::document::Document;
use super::markdown;

/// One group of bars.
struct Panel {
    title: &'static str,
    unit: &'static str,
    scale: Scale,
    bars: Vec<Bar>,
}

#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Linear,
    /// Each line to the right is ten times the one before.
    Logarithmic,
}

struct Bar {
    label: String,
    /// None where it was not measured.
    value: Option<f64>,
}

/// What is drawn: a title, the table and its column, what the column's numbers are, and the scale.
const PANELS: [(&str, &str, &str, &str, Scale); 4] = [
    ("Start: spec, from nothing", "start", "CPU ms", "milliseconds of CPU", Scale::Logarithmic),
    ("read: records of source-faker", "read", RATE, "MB for each second of CPU", Scale::Linear),
    ("write: into destination-local-json", "write-files", RATE, "MB for each second of CPU", Scale::Linear),
    ("A REST API, read in pages", "rest", RATE, "MB for each second of CPU", Scale::Linear),
];
const RATE: &str = "MB a CPU s";

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
/// Where bars begin and how long they may be. What is left holds the number of the longest.
const BARS_FROM: f64 = 300.0;
const LONGEST: f64 = 380.0;
const HEIGHT_OF_TITLE: f64 = 34.0;
const HEIGHT_OF_ROW: f64 = 26.0;
const THICKNESS: f64 = 16.0;
const HEIGHT_OF_AXIS: f64 = 18.0;
const BETWEEN_PANELS: f64 = 16.0;
/// As many characters as fit before the bars.
const LONGEST_LABEL: usize = 42;
/// So that the least is seen.
const SHORTEST: f64 = 2.0;

/// The colours of both modes; the picture brings its own background, for a page's is not known.
const STYLE: &str = "\
    text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
    .title{font-weight:600}.note{font-size:12px;fill:#59636e}\
    .ground{fill:#fff}.ours{fill:#0a7f6b}.others{fill:#aab4bf}.grid{stroke:#d1d9e0}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}\
    .ground{fill:#0d1117}.ours{fill:#3fb99f}.others{fill:#656d76}.grid{stroke:#3d444d}}";

/// The picture as SVG.
pub fn draw(document: &Document) -> Result<String> {
    let mut panels = Vec::new();
    for (title, table, column, unit, scale) in PANELS {
        let column = markdown::column(document.table(table)?, column)
            .with_context(|| format!("the table {table} has no column `{column}` for the picture"))?;
        let bars = column.into_iter().map(|(label, value)| Bar { label: plain(&label), value: number(&value) });
        panels.push(Panel { title, unit, scale, bars: bars.collect() });
    }
    Ok(svg(&panels))
}

fn svg(panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut top = MARGIN;
    for panel in panels {
        top = panel.draw(&mut body, top) + BETWEEN_PANELS;
    }
    let height = top - BETWEEN_PANELS + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>Airlock's speed beside others'</title>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n{body}</svg>\n"
    )
}

impl Panel {
    /// Gives the y below it.
    fn draw(&self, body: &mut String, top: f64) -> f64 {
        text(body, MARGIN, top + 14.0, "title", self.title);
        let better = if self.scale == Scale::Logarithmic { "less is better, logarithmic" } else { "more is better" };
        text(body, BARS_FROM, top + 14.0, "note", &format!("{} ({better})", self.unit));
        let first = top + HEIGHT_OF_TITLE;
        let bottom = first + HEIGHT_OF_ROW * self.bars.len() as f64;
        let domain = Domain::of(self.scale, self.bars.iter().filter_map(|bar| bar.value));
        for (value, shown) in domain.grid() {
            let x = BARS_FROM + domain.length(value);
            let _ = writeln!(
                body,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                first - 6.0,
                bottom
            );
            text(body, x + 3.0, bottom + 10.0, "note", &shown);
        }
        for (index, bar) in self.bars.iter().enumerate() {
            let y = first + HEIGHT_OF_ROW * index as f64;
            let baseline = y + THICKNESS - 4.0;
            text(body, MARGIN, baseline, "", &shortened(&bar.label));
            let Some(value) = bar.value else {
                text(body, BARS_FROM + 4.0, baseline, "note", "not measured");
                continue;
            };
            let length = domain.length(value).max(SHORTEST);
            let class = if bar.label.starts_with("airlock") { "ours" } else { "others" };
            let _ = writeln!(
                body,
                "<rect class=\"{class}\" x=\"{BARS_FROM}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{THICKNESS}\" rx=\"2\"/>"
            );
            text(body, BARS_FROM + length + 6.0, baseline, "", &shown(value));
        }
        if self.scale == Scale::Logarithmic { bottom + HEIGHT_OF_AXIS } else { bottom }
    }
}

/// From which value to which the bars go.
struct Domain {
    scale: Scale,
    /// Powers of ten, if logarithmic.
    from: f64,
    to: f64,
}

impl Domain {
    fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), v| (least.min(v), most.max(v)));
        match scale {
            _ if most == 0.0 => Self { scale: Scale::Linear, from: 0.0, to: 1.0 },
            Scale::Linear => Self { scale, from: 0.0, to: most },
            Scale::Logarithmic => Self { scale, from: least.log10().floor(), to: most.log10().ceil() },
        }
    }

    fn length(&self, value: f64) -> f64 {
        let place = if self.scale == Scale::Logarithmic { value.log10() } else { value };
        // All may be the same power of ten.
        let span = (self.to - self.from).max(f64::MIN_POSITIVE);
        LONGEST * ((place - self.from) / span).clamp(0.0, 1.0)
    }

    /// The values that have a line, and what stands at it.
    fn grid(&self) -> Vec<(f64, String)> {
        if self.scale == Scale::Linear {
            return Vec::new();
        }
        (self.from as i32..=self.to as i32)
            .map(|power| 10_f64.powi(power))
            .map(|value| (value, value.to_string()))
            .collect()
    }
}

fn text(body: &mut String, x: f64, y: f64, class: &str, content: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\"{class}>{}</text>", escaped(content));
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // No document of XML may have them.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A cell without Markdown's marks.
fn plain(cell: &str) -> String {
    cell.replace("\\|", "|").replace(['`', '*'], "")
}

/// From a cell like `1,234.5`.
fn number(cell: &str) -> Option<f64> {
    cell.replace(',', "").parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0)
}

fn shown(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST_LABEL {
        return label.to_owned();
    }
    label.chars().take(LONGEST_LABEL - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, value: impl Into<Option<f64>>) -> Bar {
        Bar { label: label.to_owned(), value: value.into() }
    }

    fn panel(scale: Scale, bars: Vec<Bar>) -> String {
        svg(&[Panel { title: "a <title> & more", unit: "ms", scale, bars }])
    }

    #[test]
    fn bars_are_as_long_as_their_values_say() {
        let picture = panel(Scale::Linear, vec![bar("airlock", 50.0), bar("another", 100.0), bar("slow", 0.01)]);
        assert!(picture.contains("<rect class=\"ours\" x=\"300\" y=\"54.0\" width=\"190.0\""), "{picture}");
        assert!(picture.contains("<rect class=\"others\" x=\"300\" y=\"80.0\" width=\"380.0\""), "{picture}");
        assert!(picture.contains("width=\"2.0\""), "the least is seen: {picture}");
        assert!(picture.contains(">100</text>") && picture.contains(">0.01</text>"), "{picture}");
    }

    #[test]
    fn a_logarithmic_scale_goes_from_power_to_power() {
        let picture = panel(Scale::Logarithmic, vec![bar("hello", 0.6), bar("airlock", 2.0), bar("python", 2500.0)]);
        // From 0.1 to 10000: five powers, each a line with its number.
        assert_eq!(picture.matches("<line ").count(), 6, "{picture}");
        let expected = LONGEST * (2_f64.log10() + 1.0) / 5.0;
        assert!(picture.contains(&format!("width=\"{expected:.1}\"")), "{picture}");
        let one = panel(Scale::Logarithmic, vec![bar("all the same", 10.0)]);
        assert!(!one.contains("NaN") && !one.contains("inf"), "{one}");
    }

    #[test]
    fn what_was_not_measured_is_said_and_text_is_escaped() {
        let picture = panel(Scale::Linear, vec![bar("\"a\" < 'b'\u{1}", None)]);
        assert!(picture.contains(">&quot;a&quot; &lt; &#39;b&#39; </text>"), "{picture}");
        assert!(
            picture.contains(">not measured</text>") && picture.contains("a &lt;title&gt; &amp; more"),
            "{picture}"
        );
        assert!(!picture.contains("NaN"), "{picture}");
    }

    #[test]
    fn nothing_is_outside_of_the_picture() {
        let long = "a label that is much longer than anything that a table has in its first column";
        let picture = panel(Scale::Linear, vec![bar(long, 123_456.0), bar("airlock", 3.0)]);
        assert!(picture.contains('…'), "{picture}");
        let height: f64 =
            picture.split("height=\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok()).expect("one");
        for y in picture.split(" y=\"").skip(1).map(|rest| rest.split('"').next().and_then(|y| y.parse::<f64>().ok())) {
            assert!(y.is_some_and(|y| y > 0.0 && y < height), "{picture}");
        }
        // A number after the longest bar.
        const { assert!(BARS_FROM + LONGEST + 6.0 + 8.0 * 7.0 < WIDTH) };
    }

    #[test]
    fn cells_are_read_as_numbers() {
        assert_eq!(number("1,234.5"), Some(1234.5));
        for cell in ["", "not measured: no image", "NaN", "0.00"] {
            assert_eq!(number(cell), None, "{cell}");
        }
        assert_eq!(plain("`spec` of **a \\| b**"), "spec of a | b");
    }
}
