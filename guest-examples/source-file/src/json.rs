//! JSON lines, and a JSON document that is an object or an array of objects: each object a record, as it is written.

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

use crate::bytes::Bytes;
use crate::problem::{Column, Problem};

/// How objects are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One a line.
    Lines,
    /// One alone, or one array of them.
    Document,
}

/// Goes through the objects of a file.
pub struct JsonRecords {
    bytes: Bytes,
    form: Form,
    place: Place,
    /// The length of the object that is looked at.
    length: usize,
    line: u64,
    /// Line breaks in the object.
    lines: u64,
    one_line: Vec<u8>,
}

/// Where a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    /// Behind `[`.
    ArrayStart,
    /// Behind an object of an array.
    ArrayNext,
    /// Behind all of it.
    End,
}

impl JsonRecords {
    /// The records of some content.
    pub fn new(bytes: Bytes, form: Form) -> JsonRecords {
        JsonRecords { bytes, form, place: Place::Start, length: 0, line: 1, lines: 0, one_line: Vec::new() }
    }

    /// Goes on at a later place, behind a record; or at the start, where it is.
    pub fn go_on_at(&mut self, offset: u64, line: u64) -> Result<bool, Problem> {
        self.take();
        if offset <= self.bytes.offset() {
            return Ok(true);
        }
        if self.form == Form::Document && self.place == Place::Start {
            // An object alone has its end where the content has it.
            self.place = if self.next_byte()? == Some(b'[') { Place::ArrayNext } else { Place::End };
        }
        let there = self.bytes.skip_to(offset).map_err(|error| Problem::unreadable(self.line, error))?;
        self.line = line;
        Ok(there)
    }

    /// Where the next record is looked for.
    pub fn next_place(&self) -> (u64, u64) {
        (self.bytes.offset() + self.length as u64, self.line + self.lines)
    }

    /// The line that the record begins in.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next record, on one line.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Problem> {
        self.take();
        let found = match self.form {
            Form::Lines => self.find_line()?,
            Form::Document => self.find_element()?,
        };
        if !found {
            return Ok(None);
        }
        let raw = &self.bytes.data()[..self.length];
        self.lines = memchr::memchr_iter(b'\n', raw).count() as u64;
        let object = raw.trim_ascii();
        if object.first() != Some(&b'{') {
            return Err(Problem::new(self.line, "a record is a JSON object, and this is none."));
        }
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(object) {
            return Err(self.invalid(object, &error));
        }
        if let Err(error) = std::str::from_utf8(object) {
            // IgnoredAny does not look into texts.
            return Err(not_utf8(self.line, object, error.valid_up_to()));
        }
        if memchr2(b'\n', b'\r', object).is_some() {
            // Between tokens only, for in a text they would not be JSON.
            self.one_line.clear();
            self.one_line.extend(object.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
            return Ok(Some(&self.one_line));
        }
        Ok(Some(object))
    }

    /// A line that is not blank.
    fn find_line(&mut self) -> Result<bool, Problem> {
        let mut looked = 0;
        loop {
            let data = self.bytes.data();
            let end = match memchr(b'\n', &data[looked..]) {
                Some(end) => looked + end + 1,
                None if self.bytes.is_whole() => data.len(),
                None => {
                    looked = data.len();
                    self.fill()?;
                    continue;
                }
            };
            if end == 0 {
                return Ok(false);
            }
            if data[..end].trim_ascii().is_empty() {
                self.line += u64::from(data[end - 1] == b'\n');
                self.bytes.consume(end);
                looked = 0;
                continue;
            }
            self.length = end;
            return Ok(true);
        }
    }

    /// The next element of the array, or the object that is alone.
    fn find_element(&mut self) -> Result<bool, Problem> {
        loop {
            match (self.place, self.next_byte()?) {
                (Place::End, None) => return Ok(false),
                (Place::End, Some(_)) => {
                    let what = "there is something behind the end of the JSON document. If every line is a document, \
                                choose the format jsonl.";
                    return Err(Problem::new(self.line, what));
                }
                (Place::Start, None) => return Err(Problem::new(self.line, "the file is empty, which is no JSON.")),
                (_, None) => {
                    return Err(Problem::new(self.line, "the array has no end: the file is cut off. Copy it again."));
                }
                (Place::Start, Some(b'[')) => {
                    self.bytes.consume(1);
                    self.place = Place::ArrayStart;
                }
                (Place::ArrayStart | Place::ArrayNext, Some(b']')) => {
                    self.bytes.consume(1);
                    self.place = Place::End;
                }
                (Place::ArrayNext, Some(b',')) => {
                    self.bytes.consume(1);
                    if self.next_byte()? != Some(b'{') {
                        return Err(Problem::new(self.line, "behind a comma of the array there is no JSON object."));
                    }
                    return self.find_object().map(|()| true);
                }
                (Place::ArrayNext, Some(_)) => {
                    return Err(Problem::new(self.line, "behind an element of the array there is neither , nor ]."));
                }
                (Place::ArrayStart, Some(b'{')) => return self.find_object().map(|()| true),
                (Place::Start, Some(b'{')) => {
                    self.find_object()?;
                    self.place = Place::End;
                    return Ok(true);
                }
                (Place::Start | Place::ArrayStart, Some(_)) => {
                    let what = "a record is a JSON object, and this is none.";
                    return Err(Problem::new(self.line, what));
                }
            }
        }
    }

    /// The end of the object that `data` begins with.
    fn find_object(&mut self) -> Result<(), Problem> {
        self.place = Place::ArrayNext;
        let mut scan = Scan::default();
        loop {
            if let Some(end) = scan.end_in(self.bytes.data()) {
                self.length = end;
                return Ok(());
            }
            if !self.fill()? {
                let what = "the object has no end: the file is cut off, or a bracket or quote is missing.";
                return Err(Problem::new(self.line, what));
            }
        }
    }

    /// The first byte that is not white space, which is taken off.
    fn next_byte(&mut self) -> Result<Option<u8>, Problem> {
        loop {
            let data = self.bytes.data();
            let space = data.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
            self.line += memchr::memchr_iter(b'\n', &data[..space]).count() as u64;
            self.bytes.consume(space);
            if let Some(byte) = self.bytes.data().first() {
                return Ok(Some(*byte));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) {
        self.bytes.consume(self.length);
        self.line += self.lines;
        (self.length, self.lines) = (0, 0);
    }

    fn fill(&mut self) -> Result<bool, Problem> {
        self.bytes.fill().map_err(|error| Problem::unreadable(self.line, error))
    }

    fn invalid(&self, object: &[u8], error: &serde_json::Error) -> Problem {
        if let Err(error) = std::str::from_utf8(object) {
            return not_utf8(self.line, object, error.valid_up_to());
        }
        let what = if error.is_eof() {
            "the JSON object ends early: it is cut off, or goes on in the next line. If the file is one document, \
             choose the format json."
        } else {
            "this is no valid JSON from here on."
        };
        let line = self.line + (error.line() as u64).saturating_sub(1);
        Problem::new(line, what).at(Column::Byte(error.column() as u64))
    }
}

fn not_utf8(line: u64, object: &[u8], place: usize) -> Problem {
    let before = &object[..place];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let what = "a byte is not UTF-8. Name the file's encoding in reader_options, as in {\"encoding\": \"latin1\"}.";
    Problem::new(line + memchr::memchr_iter(b'\n', before).count() as u64, what)
        .at(Column::Byte((place - line_start) as u64 + 1))
}

/// Looks for the end of an object by its brackets, in as many pieces as it takes.
#[derive(Default)]
struct Scan {
    at: usize,
    depth: usize,
    in_text: bool,
}

impl Scan {
    fn end_in(&mut self, data: &[u8]) -> Option<usize> {
        while self.at < data.len() {
            if self.in_text {
                let found = memchr2(b'"', b'\\', &data[self.at..]);
                let Some(found) = found else {
                    self.at = data.len();
                    return None;
                };
                self.at += found;
                if data[self.at] == b'\\' {
                    if self.at + 1 == data.len() {
                        return None;
                    }
                    self.at += 2;
                } else {
                    self.in_text = false;
                    self.at += 1;
                }
                continue;
            }
            match data[self.at] {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.at += 1;
                        return Some(self.at);
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn read(content: &[u8], form: Form, piece: usize) -> (Vec<String>, Option<String>) {
        let mut records = JsonRecords::new(Bytes::in_pieces(content, piece), form);
        let mut all = Vec::new();
        loop {
            match records.next() {
                Ok(Some(record)) => all.push(String::from_utf8(record.to_vec()).unwrap()),
                Ok(None) => return (all, None),
                Err(problem) => return (all, Some(problem.in_file(Path::new("f")).message)),
            }
        }
    }

    #[test]
    fn lines_pass_as_they_are() {
        let content = b"{\"a\" : 1.10,\"a\":12345678901234567890}\r\n\n  \n {\"b\":\"\\u00e4\xc3\xa4\"} \n{}";
        let (records, problem) = read(content, Form::Lines, 1);
        assert_eq!(records, ["{\"a\" : 1.10,\"a\":12345678901234567890}", "{\"b\":\"\\u00e4ä\"}", "{}"]);
        assert_eq!(problem, None);
        assert_eq!(read(b"", Form::Lines, 1), (vec![], None));
        assert_eq!(read(b"\n \r\n", Form::Lines, 1), (vec![], None));
    }

    #[test]
    fn a_document_is_an_object_or_an_array_of_objects() {
        assert_eq!(read(b" {\n\"a\": {\"b\": []}}\n", Form::Document, 2), (vec!["{\"a\": {\"b\": []}}".into()], None));
        assert_eq!(read(b" [ ]\n", Form::Document, 2), (vec![], None));
        let (records, problem) = read(b"[{\"a\":\"}\\\"]\"},\r\n {\"b\":\r\n2}\n]", Form::Document, 1);
        assert_eq!((records, problem), (vec!["{\"a\":\"}\\\"]\"}".into(), "{\"b\":2}".into()], None));
    }

    #[test]
    fn what_is_wrong_is_placed_and_what_came_before_is_there() {
        for (content, form, before, place) in [
            (&b"{\"a\":1}\n\n{\"b\":secret}\n"[..], Form::Lines, 1, "line 3, column 6: this is no valid JSON"),
            (b"{\"a\":1}\n{\"secret\":", Form::Lines, 1, "line 2, column 10: the JSON object ends early"),
            (b"{\"a\":1}\n[{}]\n", Form::Lines, 1, "line 2: a record is a JSON object"),
            (b"{\"a\":1} {\"b\":2}\n", Form::Lines, 0, "line 1, column 9: this is no valid JSON"),
            (b"{\"a\":\"\xff\"}\n", Form::Lines, 0, "line 1, column 7: a byte is not UTF-8"),
            (b"{\"a\":NaN}\n", Form::Lines, 0, "line 1, column 6: this is no valid JSON"),
            (b"", Form::Document, 0, "line 1: the file is empty"),
            (b"[{\"a\":1},\n{\"a\":secret}]", Form::Document, 1, "line 2, column 6: this is no valid JSON"),
            (b"[{\"a\":1}\n{\"a\":1}]", Form::Document, 1, "line 2: behind an element"),
            (b"[{\"a\":1},\n]", Form::Document, 1, "line 2: behind a comma"),
            (b"[,{\"a\":1}]", Form::Document, 0, "line 1: a record is a JSON object"),
            (b"[1]", Form::Document, 0, "line 1: a record is a JSON object"),
            (b"\"secret\"", Form::Document, 0, "line 1: a record is a JSON object"),
            (b"[{\"a\":1},\n\n{\"a\":", Form::Document, 1, "line 3: the object has no end"),
            (b"[{\"a\":1}\n", Form::Document, 1, "line 2: the array has no end"),
            (b"{\"a\":1}\n{\"a\":1}\n", Form::Document, 1, "line 2: there is something behind"),
            (b"[{\"a\":1}]x", Form::Document, 1, "line 1: there is something behind"),
            (b"[{\"a\":\n\"\xff\"}]", Form::Document, 0, "line 2, column 2: a byte is not UTF-8"),
        ] {
            let (records, problem) = read(content, form, 3);
            let problem = problem.unwrap_or_else(|| panic!("{}", content.escape_ascii()));
            assert_eq!(records.len(), before, "{problem}");
            assert!(problem.starts_with(&format!("f, {place}")), "{}: {problem}", content.escape_ascii());
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn every_place_behind_a_record_can_be_gone_to() {
        for (content, form) in [
            (&b"{\"a\":1}\n\n{\"a\":2}\n{\"a\":3}"[..], Form::Lines),
            (b"[{\"a\":1},\n{\"a\":2} , {\"a\":3}\n]", Form::Document),
            (b" {\"a\":1}\n", Form::Document),
        ] {
            let mut records = JsonRecords::new(Bytes::in_pieces(content, 4), form);
            let mut all = Vec::new();
            let mut places = Vec::new();
            while let Some(record) = records.next().unwrap() {
                all.push(record.to_vec());
                places.push(records.next_place());
            }
            for (done, (offset, line)) in places.into_iter().enumerate() {
                let mut records = JsonRecords::new(Bytes::in_pieces(content, 4), form);
                assert!(records.go_on_at(offset, line).unwrap());
                let mut rest = Vec::new();
                while let Some(record) = records.next().unwrap() {
                    rest.push(record.to_vec());
                }
                assert_eq!(rest, all[done + 1..]);
            }
        }
    }

    fn objects() -> impl Strategy<Value = Vec<Value>> {
        let leaf = prop_oneof![Just(json!(null)), any::<i64>().prop_map(Value::from), ".{0,6}".prop_map(Value::from)];
        let value = leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a\"\\\\{]{0,3}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        });
        proptest::collection::vec(value.prop_map(|value| json!({"v": value})), 0..6)
    }

    proptest! {
        #[test]
        fn an_array_is_its_elements_however_it_is_cut(
            objects in objects(),
            piece in 1..30_usize,
            pretty in any::<bool>(),
        ) {
            let text = if pretty { serde_json::to_vec_pretty(&objects) } else { serde_json::to_vec(&objects) }.unwrap();
            let (records, problem) = read(&text, Form::Document, piece);
            prop_assert_eq!(problem, None);
            let records: Vec<Value> = records.iter().map(|record| serde_json::from_str(record).unwrap()).collect();
            prop_assert_eq!(&records, &objects);
            let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
            let (records, problem) = read(lines.as_bytes(), Form::Lines, piece);
            prop_assert_eq!(problem, None);
            prop_assert_eq!(records.concat(), lines.replace('\n', ""));
        }

        #[test]
        fn no_bytes_panic_and_pieces_make_no_difference(
            content in proptest::collection::vec(proptest::sample::select(vec![
                &b"{\"a\":1}"[..], b"[", b"]", b",", b"{", b"}", b"\"", b"\\", b"\n", b" ", b"\r",
                b"\xff", b"1"]), 0..12),
            piece in 1..9_usize,
        ) {
            let content = content.concat();
            for form in [Form::Lines, Form::Document] {
                prop_assert_eq!(read(&content, form, piece), read(&content, form, 1000));
            }
        }
    }
}
