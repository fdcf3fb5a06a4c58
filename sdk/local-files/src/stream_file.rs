//! One open file of lines: its header, what is added to it, what of it is safe, and how it is put right after a crash.
//!
//! Knows nothing of generations and checkpoints.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use airlock_sdk::{Failure, Result, config_error};

use crate::disk;
use crate::format::RecordFormat;

/// A file that only grows, but for the end that nobody was promised.
pub struct StreamFile {
    path: PathBuf,
    file: File,
    /// Where the records begin.
    header_length: u64,
    /// Where the next line goes.
    length: u64,
    /// What no failure may take away any more: it was there before, or it was synced and told so.
    safe_length: u64,
    synced: bool,
}

/// How much is read at once.
const PIECE: usize = 256 * 1024;

impl StreamFile {
    /// Opens a file to add lines to it, and makes it, with its header, if there is none. A last line without its line
    /// break is made whole if it is a record, and cut off if a crash tore it.
    ///
    /// The directory is not synced: a new file is safe when it is.
    pub fn open(path: PathBuf, format: &impl RecordFormat) -> Result<Self> {
        let file = disk::open(&path)?;
        let header = format.header();
        let length = match Beginning::of(&file, &path, header)? {
            Beginning::Foreign => return Err(foreign(&path, header)),
            Beginning::Unfinished => {
                // Synced before any record follows, so that a crash never leaves half a header with records after it.
                disk::write_at(&file, &path, header, 0)?;
                disk::sync(&file, &path)?;
                header.len() as u64
            }
            Beginning::Header => end_with_a_whole_line(&file, &path, format)?,
        };
        Ok(StreamFile { path, file, header_length: header.len() as u64, length, safe_length: length, synced: true })
    }

    /// Refuses a file that could not be opened to add lines to it, because it has another header. Changes nothing.
    pub fn refuse_foreign(path: &Path, format: &impl RecordFormat) -> Result<()> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            result => result.map_err(|error| disk::failure("read", path, error))?,
        };
        match Beginning::of(&file, path, format.header())? {
            Beginning::Foreign => Err(foreign(path, format.header())),
            Beginning::Unfinished | Beginning::Header => Ok(()),
        }
    }

    /// How long it is.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.length == self.header_length
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds whole lines.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.synced = false;
        disk::write_at(&self.file, &self.path, lines, self.length)?;
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Adds the records of another file.
    pub fn append_from(&mut self, other: &StreamFile) -> Result<()> {
        let mut piece = vec![0; PIECE];
        let mut offset = other.header_length;
        while offset < other.length {
            let count = read_at(&other.file, &other.path, &mut piece, offset)?;
            if count == 0 {
                break;
            }
            self.append(&piece[..count])?;
            offset += count as u64;
        }
        Ok(())
    }

    /// Syncs what was added. From here on no failure takes it away.
    pub fn make_safe(&mut self) -> Result<()> {
        if !self.synced {
            disk::sync(&self.file, &self.path)?;
            self.synced = true;
        }
        self.safe_length = self.length;
        Ok(())
    }

    /// Cuts off what was added after the last `make_safe`. Returns how many bytes that were.
    pub fn cut_back(&mut self) -> Result<u64> {
        // More than `length` may be there: a write can fail half-way.
        let found = length_of(&self.file, &self.path)?;
        self.cut_to(self.safe_length)?;
        Ok(found.saturating_sub(self.safe_length))
    }

    /// Cuts the file off at a length, if it is longer. The header stays.
    pub fn cut_to(&mut self, length: u64) -> Result<()> {
        let length = length.max(self.header_length);
        if length_of(&self.file, &self.path)? > length {
            disk::cut(&self.file, &self.path, length)?;
            disk::sync(&self.file, &self.path)?;
            self.length = length;
            self.safe_length = self.safe_length.min(length);
        }
        Ok(())
    }

    /// Renames it over another file of its directory.
    pub fn rename(&mut self, path: PathBuf) -> Result<()> {
        disk::rename(&self.path, &path)?;
        self.path = path;
        Ok(())
    }
}

/// What a file begins with.
enum Beginning {
    /// The header of the format, whole.
    Header,
    /// Less than the header, as a new file has it or a crash leaves it. No record was ever acknowledged.
    Unfinished,
    /// Something else.
    Foreign,
}

impl Beginning {
    fn of(file: &File, path: &Path, header: &[u8]) -> Result<Self> {
        let length = length_of(file, path)?;
        let mut found = vec![0; header.len()];
        let count = read_full(file, path, &mut found, 0)?;
        let found = &found[..count];
        Ok(if found == header {
            Beginning::Header
        } else if length <= header.len() as u64
            // A filesystem can know of the length before it has the bytes: then there are zeros.
            && (header.starts_with(found) || found.iter().all(|byte| *byte == 0))
        {
            Beginning::Unfinished
        } else {
            Beginning::Foreign
        })
    }
}

fn foreign(path: &Path, header: &[u8]) -> Failure {
    config_error(format!(
        "{} does not begin with the line `{}`, so nothing can be added to it: another program wrote it, or this one \
         with another configuration. Move it away, set the configuration back, or choose another destination_path.",
        path.display(),
        String::from_utf8_lossy(header.trim_ascii_end()),
    ))
}

/// Deals with a last line that has no line break. Returns how long the file is then.
fn end_with_a_whole_line(file: &File, path: &Path, format: &impl RecordFormat) -> Result<u64> {
    let found = length_of(file, path)?;
    let length = length_of_whole_lines(file, path, found)?;
    if length == found {
        return Ok(length);
    }
    let mut last_line = vec![0; (found - length) as usize];
    read_full(file, path, &mut last_line, length)?;
    let length = match format.missing_end(&last_line) {
        Some(end) => {
            log::warn!("The last line of {} has no line break, but is a whole record: it gets one.", path.display());
            disk::write_at(file, path, end, found)?;
            found + end.len() as u64
        }
        None => {
            log::warn!(
                "{} ends with a torn line, as a crash leaves it: its {} bytes are cut off. Their record was never \
                 acknowledged.",
                path.display(),
                last_line.len()
            );
            disk::cut(file, path, length)?;
            length
        }
    };
    disk::sync(file, path)?;
    Ok(length)
}

fn length_of(file: &File, path: &Path) -> Result<u64> {
    let metadata = file.metadata().map_err(|error| disk::failure("read", path, error))?;
    Ok(metadata.len())
}

/// The length up to and with the last line break.
fn length_of_whole_lines(file: &File, path: &Path, length: u64) -> Result<u64> {
    let mut piece = [0; 4096];
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(piece.len() as u64);
        let filled = read_full(file, path, &mut piece[..(end - begin) as usize], begin)?;
        if let Some(line_break) = memchr::memrchr(b'\n', &piece[..filled]) {
            return Ok(begin + line_break as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Reads until the buffer is full, or the file ends. Returns how much that is.
fn read_full(file: &File, path: &Path, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let count = read_at(file, path, &mut buffer[filled..], offset + filled as u64)?;
        if count == 0 {
            break;
        }
        filled += count;
    }
    Ok(filled)
}

fn read_at(file: &File, path: &Path, buffer: &mut [u8], offset: u64) -> Result<usize> {
    loop {
        match rustix::io::pread(file.as_fd(), &mut *buffer, offset) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map_err(|error| disk::failure("read", path, error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::crash;
    use crate::format::tests::{PLAIN, WITH_HEADER};
    use airlock_sdk::FailureKind;
    use tempfile::tempdir;

    #[test]
    fn a_torn_tail_is_cut_off() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        let long = "y".repeat(10_000);
        for (before, after) in [
            ("", ""),
            ("{}\n", "{}\n"),
            ("{}\n{\"a\":", "{}\n"),
            ("{\"a\":", ""),
            ("{}\n{}\n{}", "{}\n{}\n"),
            (&format!("{{}}\n{long}"), "{}\n"),
            (&long, ""),
            (&format!("{long}\n"), &format!("{long}\n")),
        ] {
            fs::write(&path, before).unwrap();
            let file = StreamFile::open(path.clone(), &PLAIN).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
            assert_eq!(file.length(), after.len() as u64);
        }
    }

    #[test]
    fn lines_are_added_and_cut_back_to_what_is_safe() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        fs::write(&path, "1\n").unwrap();
        let mut file = StreamFile::open(path.clone(), &PLAIN).unwrap();
        file.append(b"2\n").unwrap();
        file.make_safe().unwrap();
        file.append(b"3\n4\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n3\n4\n");
        assert_eq!(file.cut_back().unwrap(), 4);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
        assert_eq!(file.cut_back().unwrap(), 0);
        file.append(b"5\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n5\n");
    }

    #[test]
    fn nothing_is_synced_twice() {
        let directory = tempdir().unwrap();
        let mut file = StreamFile::open(directory.path().join("x.jsonl"), &PLAIN).unwrap();
        crash::start_again();
        file.make_safe().unwrap();
        file.append(b"1\n").unwrap();
        file.make_safe().unwrap();
        file.make_safe().unwrap();
        assert_eq!(crash::start_again(), ["write x.jsonl", "sync x.jsonl"]);
    }

    #[test]
    fn a_file_is_added_whole() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        let mut file = StreamFile::open(path.clone(), &PLAIN).unwrap();
        file.append(b"1\n").unwrap();
        let lines = "a line\n".repeat(100_000);
        let mut other = StreamFile::open(directory.path().join("y.jsonl"), &PLAIN).unwrap();
        other.append(lines.as_bytes()).unwrap();
        file.append_from(&other).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("1\n{lines}"));
    }

    const HEADER: &str = WITH_HEADER.header;

    #[test]
    fn a_new_file_begins_with_its_header() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        crash::start_again();
        let mut file = StreamFile::open(path.clone(), &WITH_HEADER).unwrap();
        assert_eq!(crash::start_again(), ["open x.jsonl", "write x.jsonl", "sync x.jsonl"]);
        assert!(file.is_empty());
        file.append(b"1\n").unwrap();
        assert!(!file.is_empty());
        file.cut_back().unwrap();
        file.cut_to(0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), HEADER);
        file.append(b"2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}2\n"));

        let file = StreamFile::open(path.clone(), &WITH_HEADER).unwrap();
        assert_eq!(crash::start_again().last().unwrap(), "open x.jsonl", "what is right stays as it is");
        assert_eq!(file.length(), HEADER.len() as u64 + 2);
    }

    #[test]
    fn a_header_that_a_crash_tore_is_made_whole() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        for length in 0..=HEADER.len() {
            for before in [&HEADER.as_bytes()[..length], &vec![0; length]] {
                fs::write(&path, before).unwrap();
                StreamFile::refuse_foreign(&path, &WITH_HEADER).unwrap();
                let file = StreamFile::open(path.clone(), &WITH_HEADER).unwrap();
                assert!(file.is_empty());
                assert_eq!(fs::read_to_string(&path).unwrap(), HEADER);
            }
        }
    }

    #[test]
    fn a_file_with_another_header_is_refused_and_left_alone() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        for before in [
            "id,time",
            "secret\n",
            "id,time,data\n1,2,{}\n",
            "id time data\r\n",
            "\u{feff}id time data\n",
            " ",
            "\0 \0",
        ] {
            fs::write(&path, before).unwrap();
            let failure = StreamFile::refuse_foreign(&path, &WITH_HEADER).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains("x.jsonl") && failure.message.contains("`id time data`"), "{failure}");
            assert!(!failure.message.contains("secret"), "{failure}");
            assert_eq!(StreamFile::open(path.clone(), &WITH_HEADER).err(), Some(failure));
            assert_eq!(fs::read_to_string(&path).unwrap(), before);
        }
        StreamFile::refuse_foreign(&directory.path().join("nothing"), &WITH_HEADER).unwrap();
        assert!(!directory.path().join("nothing").exists());
    }

    #[test]
    fn a_last_line_without_its_line_break_is_made_whole_or_cut_off() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        for (before, after) in [("1 1 {}\n2 2 {}", "1 1 {}\n2 2 {}\n"), ("1 1 {}\n2 2 {", "1 1 {}\n"), ("1 1", "")] {
            fs::write(&path, format!("{HEADER}{before}")).unwrap();
            let mut file = StreamFile::open(path.clone(), &WITH_HEADER).unwrap();
            file.append(b"3\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}{after}3\n"));
            file.cut_back().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}{after}"));
        }
    }

    #[test]
    fn the_header_of_a_file_that_is_added_stays_behind() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        let mut file = StreamFile::open(path.clone(), &WITH_HEADER).unwrap();
        let mut other = StreamFile::open(directory.path().join("y.jsonl"), &WITH_HEADER).unwrap();
        file.append_from(&other).unwrap();
        assert!(file.is_empty());
        other.append(b"1\n2\n").unwrap();
        file.append_from(&other).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}1\n2\n"));
    }
}
