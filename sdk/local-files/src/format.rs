//! The seam between what all files share and what one format is. Knows no file and no stream.

/// How records become the lines of a file, and how such a file is called.
pub trait RecordFormat {
    /// How the names of its files end, without the dot.
    const EXTENSION: &'static str;

    /// How the name of the hidden note beside a stream's file ends, without the dot. Each format has its own: two may
    /// write to one directory.
    const NOTE_EXTENSION: &'static str;

    /// What each file begins with: whole lines, or nothing. A file that begins otherwise is not added to.
    fn header(&self) -> &[u8] {
        &[]
    }

    /// Adds a record as one line, with its line break. The line has no other.
    fn add_line(&mut self, record: &RawRecord<'_>, lines: &mut Vec<u8>);

    /// A file's last line has no line break: what is missing, if the line is a whole record all the same, as an editor
    /// or another program may leave it. None if a crash tore it: then it is cut off.
    fn missing_end(&self, _last_line: &[u8]) -> Option<&'static [u8]> {
        None
    }
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
    #[derive(Clone, Copy, Debug)]
    pub struct Lines {
        pub header: &'static str,
        mends: bool,
    }

    /// The least that a format can be.
    pub const PLAIN: Lines = Lines { header: "", mends: false };

    /// All that a format can be.
    pub const WITH_HEADER: Lines = Lines { header: "id time data\n", mends: true };

    impl RecordFormat for Lines {
        const EXTENSION: &'static str = "jsonl";
        const NOTE_EXTENSION: &'static str = "json";

        fn header(&self) -> &[u8] {
            self.header.as_bytes()
        }

        fn add_line(&mut self, record: &RawRecord<'_>, lines: &mut Vec<u8>) {
            write!(lines, "{} {} ", record.id, record.emitted_at).unwrap();
            lines.extend_from_slice(record.data);
            lines.push(b'\n');
        }

        fn missing_end(&self, last_line: &[u8]) -> Option<&'static [u8]> {
            (self.mends && last_line.ends_with(b"}")).then_some(b"\n")
        }
    }
}
