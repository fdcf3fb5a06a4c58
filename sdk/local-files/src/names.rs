//! How the files of a stream are called. Touches no file.
//!
//! For a format whose files end in `.jsonl`, and whose notes end in `.json`:
//!
//! | File | Name |
//! |---|---|
//! | the stream's records | `_airbyte_raw_users.jsonl` |
//! | a replacement while it is written | `._airbyte_raw_users.generation-5.jsonl` |
//! | the same where there is no generation to go on with | `._airbyte_raw_users.replacement.jsonl` |
//! | which generation the records are | `._airbyte_raw_users.json` |
//!
//! The first is Airbyte's. A stream's part of it has no dot, so no name can be taken for a file of another stream; and
//! the others are hidden, so `*.jsonl` is what is whole.

use std::collections::HashMap;

use airlock_sdk::{Result, StreamName, config_error};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::format::RecordFormat;

/// The names of the files of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNames {
    stem: String,
    extension: &'static str,
    note_extension: &'static str,
}

/// Which temporary file of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Temporary {
    /// A replacement that no later attempt can go on with.
    Replacement,
    /// The replacement by a generation; a later attempt goes on with it.
    Generation(i64),
}

impl FileNames {
    /// The names for a stream. Airbyte ignores its namespace.
    pub fn of<F: RecordFormat>(stream: &StreamName) -> Self {
        FileNames {
            stem: format!("_airbyte_raw_{}", normalized(&stream.name)),
            extension: F::EXTENSION,
            note_extension: F::NOTE_EXTENSION,
        }
    }

    /// The names for the streams of a sync, in their order. Two streams with the same are refused.
    pub fn of_all<'a, F: RecordFormat>(streams: impl IntoIterator<Item = &'a StreamName>) -> Result<Vec<Self>> {
        let mut owners: HashMap<String, &StreamName> = HashMap::new();
        let mut all = Vec::new();
        for stream in streams {
            let names = FileNames::of::<F>(stream);
            if let Some(other) = owners.insert(names.stem.clone(), stream) {
                return Err(config_error(format!(
                    "The streams {} and {} would both be written to {}, because namespaces are ignored and characters \
                     other than letters, digits and \"_\" are replaced: leave one of them out, or write it in a \
                     connection with another destination_path.",
                    described(other),
                    described(stream),
                    names.records(),
                )));
            }
            all.push(names);
        }
        Ok(all)
    }

    /// The file that users read.
    pub fn records(&self) -> String {
        format!("{}.{}", self.stem, self.extension)
    }

    /// How all the others begin.
    pub fn hidden(&self) -> String {
        format!(".{}.", self.stem)
    }

    /// A file that is to become the one that users read.
    pub fn temporary(&self, temporary: Temporary) -> String {
        match temporary {
            Temporary::Replacement => format!(".{}.replacement.{}", self.stem, self.extension),
            Temporary::Generation(id) => format!(".{}.generation-{id}.{}", self.stem, self.extension),
        }
    }

    /// The note of which generation the records are.
    pub fn note(&self) -> String {
        format!(".{}.{}", self.stem, self.note_extension)
    }

    /// The note while it is written.
    pub fn note_draft(&self) -> String {
        format!("{}.new", self.note())
    }

    /// Which temporary file of this stream a file is, if it is one.
    pub fn recognize(&self, file_name: &str) -> Option<Temporary> {
        if file_name == self.temporary(Temporary::Replacement) {
            return Some(Temporary::Replacement);
        }
        let id = file_name
            .strip_prefix('.')?
            .strip_prefix(&self.stem)?
            .strip_prefix(".generation-")?
            .strip_suffix(self.extension)?
            .strip_suffix('.')?
            .parse()
            .ok()?;
        Some(Temporary::Generation(id)).filter(|found| self.temporary(*found) == file_name)
    }
}

/// A stream's name for a message.
pub fn described(stream: &StreamName) -> String {
    match &stream.namespace {
        Some(namespace) => format!("\"{}\" (namespace \"{namespace}\")", stream.name),
        None => format!("\"{}\"", stream.name),
    }
}

/// Airbyte's StandardNameTransformer: accents are taken off, white space becomes one `_`, and so does every other
/// character that is no ASCII letter, digit or `_`.
fn normalized(name: &str) -> String {
    let mut result = String::with_capacity(name.len());
    let mut after_space = false;
    for character in name.nfkd().filter(|character| !is_combining_mark(*character)) {
        let space = matches!(character, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r');
        if character.is_ascii_alphanumeric() {
            result.push(character);
        } else if !(space && after_space) {
            result.push('_');
        }
        after_space = space;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::Lines;
    use airlock_sdk::FailureKind;

    #[test]
    fn names_are_airbytes() {
        for (stream, file) in [
            ("users", "_airbyte_raw_users.jsonl"),
            ("Users_2", "_airbyte_raw_Users_2.jsonl"),
            ("exchange rate", "_airbyte_raw_exchange_rate.jsonl"),
            ("a \t b", "_airbyte_raw_a_b.jsonl"),
            ("a/../b.c-d", "_airbyte_raw_a____b_c_d.jsonl"),
            ("crème brûlée", "_airbyte_raw_creme_brulee.jsonl"),
            ("ﬁle\u{a0}x", "_airbyte_raw_file_x.jsonl"),
            ("日本🦀", "_airbyte_raw____.jsonl"),
            ("", "_airbyte_raw_.jsonl"),
        ] {
            assert_eq!(FileNames::of::<Lines>(&stream.into()).records(), file, "{stream}");
        }
    }

    #[test]
    fn streams_for_the_same_file_are_refused_by_name() {
        let in_two_namespaces = [
            StreamName::in_namespace("one", "users"),
            StreamName::new("orders"),
            StreamName::in_namespace("two", "users"),
        ];
        let failure = FileNames::of_all::<Lines>(&in_two_namespaces).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        for part in ["\"users\" (namespace \"one\")", "\"users\" (namespace \"two\")", "_airbyte_raw_users.jsonl"] {
            assert!(failure.message.contains(part), "{failure}");
        }

        let alike = [StreamName::new("a b"), StreamName::new("a-b")];
        let failure = FileNames::of_all::<Lines>(&alike).unwrap_err();
        assert!(failure.message.contains("\"a b\" and \"a-b\""), "{failure}");

        let different = [StreamName::new("a"), StreamName::new("b")];
        assert_eq!(FileNames::of_all::<Lines>(&different).unwrap().len(), 2);
    }

    #[test]
    fn a_temporary_file_is_recognized_by_its_stream_only() {
        let users = FileNames::of::<Lines>(&"users".into());
        let others = [
            FileNames::of::<Lines>(&"users_generation_5".into()),
            FileNames::of::<Lines>(&"users.generation-5".into()),
            FileNames::of::<Lines>(&"user".into()),
        ];
        for temporary in [Temporary::Replacement, Temporary::Generation(5), Temporary::Generation(i64::MAX)] {
            let file_name = users.temporary(temporary);
            assert_eq!(users.recognize(&file_name), Some(temporary));
            for other in &others {
                assert_eq!(other.recognize(&file_name), None, "{file_name}");
            }
        }
        for file_name in [
            users.records(),
            users.note(),
            users.note_draft(),
            "._airbyte_raw_users.generation-05.jsonl".to_owned(),
            "._airbyte_raw_users.generation-.jsonl".to_owned(),
            "._airbyte_raw_users.generation-5.jsonl.bak".to_owned(),
        ] {
            assert_eq!(users.recognize(&file_name), None, "{file_name}");
        }
    }
}
