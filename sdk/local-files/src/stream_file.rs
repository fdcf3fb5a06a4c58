//! One open file of lines: what is added to it, what of it is safe, and how it is put right after a crash.
//!
//! Knows nothing of generations and checkpoints.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use airlock_sdk::Result;

use crate::disk;

/// A file that only grows, but for the end that nobody was promised.
pub struct StreamFile {
    path: PathBuf,
    file: File,
    /// Where the next line goes.
    length: u64,
    /// What no failure may take away any more: it was there before, or it was synced and told so.
    safe_length: u64,
    synced: bool,
}

/// How much is read at once.
const PIECE: usize = 256 * 1024;

impl StreamFile {
    /// Opens a file to add lines to it, and makes it if there is none. A last line without its line break, left by a
    /// crash, is cut off.
    ///
    /// The directory is not synced: a new file is safe when it is.
    pub fn open(path: PathBuf) -> Result<Self> {
        let file = disk::open(&path)?;
        let found = length_of(&file, &path)?;
        let length = length_of_whole_lines(&file, &path, found)?;
        if length < found {
            log::warn!(
                "{} ends with a torn line, as a crash leaves it: its {} bytes are cut off. Their record was never \
                 acknowledged.",
                path.display(),
                found - length
            );
            disk::cut(&file, &path, length)?;
            disk::sync(&file, &path)?;
        }
        Ok(StreamFile { path, file, length, safe_length: length, synced: true })
    }

    /// How long it is.
    pub fn length(&self) -> u64 {
        self.length
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

    /// Adds the lines of another file.
    pub fn append_from(&mut self, other: &StreamFile) -> Result<()> {
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
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

    /// Cuts the file off at a length, if it is longer.
    pub fn cut_to(&mut self, length: u64) -> Result<()> {
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
        let mut filled = 0;
        while begin + (filled as u64) < end {
            let wanted = (end - begin) as usize;
            let count = read_at(file, path, &mut piece[filled..wanted], begin + filled as u64)?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        if let Some(line_break) = memchr::memrchr(b'\n', &piece[..filled]) {
            return Ok(begin + line_break as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
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
            let file = StreamFile::open(path.clone()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
            assert_eq!(file.length(), after.len() as u64);
        }
    }

    #[test]
    fn lines_are_added_and_cut_back_to_what_is_safe() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        fs::write(&path, "1\n").unwrap();
        let mut file = StreamFile::open(path.clone()).unwrap();
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
        let mut file = StreamFile::open(directory.path().join("x.jsonl")).unwrap();
        disk::crash::start_again();
        file.make_safe().unwrap();
        file.append(b"1\n").unwrap();
        file.make_safe().unwrap();
        file.make_safe().unwrap();
        assert_eq!(disk::crash::start_again(), ["write x.jsonl", "sync x.jsonl"]);
    }

    #[test]
    fn a_file_is_added_whole() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("x.jsonl");
        let mut file = StreamFile::open(path.clone()).unwrap();
        file.append(b"1\n").unwrap();
        let lines = "a line\n".repeat(100_000);
        let mut other = StreamFile::open(directory.path().join("y.jsonl")).unwrap();
        other.append(lines.as_bytes()).unwrap();
        file.append_from(&other).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("1\n{lines}"));
    }
}
