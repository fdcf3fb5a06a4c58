//! BENCHMARKS.md: the tables in it are this suite's, each between two marks; the prose around them is its author's. It must not
//! know what the tables say.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a place for a table ends with.
const END: &str = "<!-- end -->";

/// The document as it is read, and written.
pub struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    pub fn open(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// A table; empty where it was never measured.
    ///
    /// # Errors
    /// When there is no place for a table of that name.
    pub fn table(&self, name: &str) -> Result<&str> {
        let (start, end) = self.place(name)?;
        Ok(self.text[start..end].trim())
    }

    /// Puts a table in its place.
    ///
    /// # Errors
    /// When there is none for a table of that name.
    pub fn put(&mut self, name: &str, table: &str) -> Result<()> {
        let (start, end) = self.place(name)?;
        self.text.replace_range(start..end, &format!("\n{}\n\n", table.trim_end()));
        Ok(())
    }

    pub fn save(&self) -> Result<()> {
        fs::write(&self.path, &self.text).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Between the line that begins the place and the one that ends it.
    fn place(&self, name: &str) -> Result<(usize, usize)> {
        let begin = format!("<!-- table: {name} -->\n");
        let found = self.text.find(&begin).and_then(|at| {
            let start = at + begin.len();
            Some((start, start + self.text[start..].find(END)?))
        });
        found.with_context(|| {
            format!(
                "{} has no place for the table {name}; it is between the lines `{}` and `{END}`",
                self.path.display(),
                begin.trim_end()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# Prose\n<!-- table: one -->\n<!-- end -->\nmore\n<!-- table: two -->\n\n| old |\n\n<!-- end -->\nlast\n";

    #[test]
    fn tables_are_put_between_their_marks_and_all_else_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("BENCHMARKS.md");
        fs::write(&path, TEXT).expect("written");
        let mut document = Document::open(&path).expect("readable");
        assert_eq!(document.table("one").expect("a place"), "");
        document.put("one", "| new |\n").expect("a place");
        document.put("two", "| newer |").expect("a place");
        document.save().expect("writable");
        let text = fs::read_to_string(&path).expect("readable");
        let expected = TEXT.replace("one -->\n", "one -->\n\n| new |\n\n").replace("old", "newer");
        assert_eq!(text, expected);

        // The same again changes nothing.
        let mut document = Document::open(&path).expect("readable");
        assert_eq!(document.table("two").expect("a place"), "| newer |");
        document.put("one", "| new |").expect("a place");
        assert_eq!(document.text, expected);
    }

    #[test]
    fn a_table_without_a_place_is_an_error_that_names_it() {
        let document = Document { path: "BENCHMARKS.md".into(), text: TEXT.replace("<!-- end -->\nlast", "") };
        for name in ["three", "two"] {
            let error = document.table(name).expect_err("no place").to_string();
            assert!(error.contains(&format!("<!-- table: {name} -->")) && error.contains(END), "{error}");
        }
    }
}
