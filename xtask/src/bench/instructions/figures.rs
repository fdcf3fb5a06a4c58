//! The committed figures: a file with an entry for each combination of what counts depend on. It must not know what is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

/// What counts depend on besides the code: other compilers make other instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combination {
    pub processor: String,
    /// The loader, and what copies memory.
    pub c_library: String,
    pub host_rust: String,
    pub guest_rust: String,
}

impl fmt::Display for Combination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, c_library, host_rust, guest_rust } = self;
        write!(formatter, "{processor}, {c_library}, the host by Rust {host_rust}, guests by Rust {guest_rust}")
    }
}

/// How many instructions each job takes.
pub type Counts = BTreeMap<String, u64>;

/// All that are committed.
#[derive(Debug, Default, PartialEq)]
pub struct Figures {
    entries: Vec<(Combination, Counts)>,
}

impl Figures {
    /// # Errors
    /// When the file can not be read, or is not what [`Figures::write`] has written.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let hint = "`git checkout` brings it back, or write `[]` and count anew";
        Self::parse(&text).with_context(|| format!("{} is damaged; hint: {hint}", path.display()))
    }

    pub fn of(&self, combination: &Combination) -> Option<&Counts> {
        self.entries.iter().find(|(known, _)| known == combination).map(|(_, counts)| counts)
    }

    /// In place of those that are there.
    pub fn put(&mut self, combination: &Combination, counts: Counts) {
        self.entries.retain(|(known, _)| known != combination);
        self.entries.push((combination.clone(), counts));
        self.entries.sort_by_key(|(combination, _)| combination.to_string());
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.text()).with_context(|| format!("cannot write {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let entries = value.as_array().context("it is no list")?.iter().map(|entry| {
            let field = |name: &str| {
                entry[name].as_str().map(str::to_owned).with_context(|| format!("an entry has no text `{name}`"))
            };
            let counts = entry["instructions"].as_object().context("an entry has no `instructions`")?;
            let count = |(job, count): (&String, &Value)| {
                let count = count.as_u64().filter(|count| *count > 0);
                count.map(|count| (job.clone(), count)).ok_or_else(|| anyhow!("the figure of {job} is no count"))
            };
            let combination = Combination {
                processor: field("processor")?,
                c_library: field("c_library")?,
                host_rust: field("host_rust")?,
                guest_rust: field("guest_rust")?,
            };
            Ok((combination, counts.iter().map(count).collect::<Result<Counts>>()?))
        });
        Ok(Self { entries: entries.collect::<Result<_>>()? })
    }

    fn text(&self) -> String {
        let entries = self.entries.iter().map(|(combination, counts)| {
            let Combination { processor, c_library, host_rust, guest_rust } = combination;
            json!({
                "processor": processor,
                "c_library": c_library,
                "host_rust": host_rust,
                "guest_rust": guest_rust,
                "instructions": counts,
            })
        });
        format!("{:#}\n", Value::Array(entries.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combination(guest_rust: &str) -> Combination {
        let [processor, c_library, host_rust, guest_rust] =
            ["x86_64 with AVX2", "glibc 2.36", "1.95.0", guest_rust].map(str::to_owned);
        Combination { processor, c_library, host_rust, guest_rust }
    }

    fn counts(spec: u64) -> Counts {
        [("spec".to_owned(), spec)].into()
    }

    #[test]
    fn figures_are_of_one_combination() {
        let mut figures = Figures::default();
        figures.put(&combination("1.95.0"), counts(5));
        figures.put(&combination("1.85.1"), counts(6));
        figures.put(&combination("1.95.0"), counts(7));
        let read = Figures::parse(&figures.text()).expect("what was written");
        assert_eq!(read, figures);
        assert_eq!(read.of(&combination("1.95.0")), Some(&counts(7)));
        assert_eq!(read.of(&combination("1.85.1")), Some(&counts(6)));
        assert_eq!(read.of(&combination("1.96.0")), None);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_says_where() {
        let damaged = |text: &str| format!("{:#}", Figures::parse(text).expect_err("damaged"));
        assert!(damaged("{}").contains("no list"));
        let entry = Figures { entries: vec![(combination("1.95.0"), counts(5))] }.text();
        assert!(damaged(&entry.replace("host_rust", "rust")).contains("`host_rust`"));
        assert!(damaged(&entry.replace(": 5", ": -5")).contains("the figure of spec"));
        assert!(damaged(&entry.replace(": 5", ": 0")).contains("the figure of spec"));
    }
}
