//! The seam between what all files share and what one format is. Knows no file and no stream.

/// How records become the lines of a file, and how such a file is called.
pub trait RecordFormat {
    /// How the names of its files end, without the dot.
    const EXTENSION: &'static str;

    /// How the name of the hidden note beside a stream's file ends, without the dot. Each format has its own: two may
    /// write to one directory.
    const NOTE_EXTENSION: &'static str;

    /// Adds a record as one line, with its line break. The line has no other.
    fn add_line(&mut self, record: &RawRecord<'_>, lines: &mut Vec<u8>);
}

/// A record as Airbyte's file destinations write it: three columns.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// `_airbyte_ab_id`: a random UUID.
    pub id: &'a str,
    /// `_airbyte_emitted_at`: when it was read, in milliseconds since 1970.
    pub emitted_at: i64,
    /// `_airbyte_data`: a JSON object on one line, byte for byte as the source gave it.
    pub data: &'a [u8],
}

#[cfg(test)]
pub mod tests {
    use std::io::Write;

    use super::*;

    /// A format of the tests: id, time and data, with a space between.
    pub struct Lines;

    impl RecordFormat for Lines {
        const EXTENSION: &'static str = "jsonl";
        const NOTE_EXTENSION: &'static str = "json";

        fn add_line(&mut self, record: &RawRecord<'_>, lines: &mut Vec<u8>) {
            write!(lines, "{} {} ", record.id, record.emitted_at).unwrap();
            lines.extend_from_slice(record.data);
            lines.push(b'\n');
        }
    }
}
