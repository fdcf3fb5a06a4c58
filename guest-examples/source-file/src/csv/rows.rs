//! Rows and fields of CSV, and where they are. Knows nothing of headers and types.
//!
//! What can mean one thing only is taken (RFC 4180, any line ends, quotes inside of a field that does not begin with
//! one); text behind a closing quote and a quote that is never closed are errors.

use memchr::memchr2;

use crate::bytes::Bytes;
use crate::problem::{Column, Problem};

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between fields.
    pub delimiter: u8,
    /// What stands around fields that hold a delimiter or a line break; none if quotes mean nothing.
    pub quote: Option<u8>,
    /// Whether two quotes mean one, within quotes.
    pub double_quote: bool,
    /// What makes the byte behind it mean itself.
    pub escape: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect { delimiter: b',', quote: Some(b'"'), double_quote: true, escape: None }
    }
}

/// The field ends here, or something must be looked at.
const STOP: u8 = 1;
/// JSON escapes it.
const ESCAPED_IN_JSON: u8 = 2;
const NOT_ASCII: u8 = 4;
/// The field was in quotes.
const QUOTED: u8 = 8;
/// It holds doubled quotes or escapes.
const WRAPPED: u8 = 16;

#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
    flags: u8,
}

/// A field as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// What it says.
    pub text: &'a [u8],
    /// Whether it stood in quotes.
    pub is_quoted: bool,
    /// Whether JSON takes every byte of it as it is.
    pub is_plain: bool,
}

/// Goes through the rows of a file.
pub struct Rows {
    bytes: Bytes,
    dialect: Dialect,
    /// What each byte means outside of quotes, and within.
    unquoted: [u8; 256],
    quoted: [u8; 256],
    fields: Vec<Place>,
    /// The length of the row that is looked at, with its line end.
    length: usize,
    /// The line that the row begins in, and how many it has.
    line: u64,
    lines: u64,
}

enum Found {
    Row,
    /// The row goes on behind what is there.
    Incomplete,
}

impl Rows {
    /// The rows of some content.
    pub fn new(bytes: Bytes, dialect: Dialect) -> Rows {
        let mut unquoted = [0; 256];
        for (byte, class) in unquoted.iter_mut().enumerate() {
            *class = class_in_json(byte as u8);
        }
        let mut quoted = unquoted;
        for byte in [Some(dialect.delimiter), dialect.escape, Some(b'\n'), Some(b'\r')].into_iter().flatten() {
            unquoted[usize::from(byte)] = STOP;
        }
        for byte in [dialect.quote, dialect.escape, Some(b'\n'), Some(b'\r')].into_iter().flatten() {
            quoted[usize::from(byte)] = STOP;
        }
        Rows { bytes, dialect, unquoted, quoted, fields: Vec::new(), length: 0, line: 1, lines: 0 }
    }

    /// Goes to the next row; blank lines are passed over. False at the end.
    pub fn next(&mut self) -> Result<bool, Problem> {
        self.take();
        loop {
            if self.bytes.data().is_empty() && !self.fill()? {
                return Ok(false);
            }
            match self.find()? {
                Found::Incomplete => {
                    self.fill()?;
                }
                Found::Row if self.is_blank() => self.take(),
                Found::Row => break,
            }
        }
        if self.fields.iter().any(|place| place.flags & NOT_ASCII != 0) {
            self.require_utf8()?;
        }
        Ok(true)
    }

    /// Takes so many lines off, whatever they hold.
    pub fn skip_lines(&mut self, count: u64) -> Result<(), Problem> {
        for _ in 0..count {
            let length = loop {
                match memchr2(b'\n', b'\r', self.bytes.data()) {
                    Some(place) => {
                        let data = self.bytes.data();
                        if data[place] == b'\r' && data.len() == place + 1 && !self.bytes.is_whole() {
                            self.fill()?;
                            continue;
                        }
                        break place + 1 + usize::from(data[place] == b'\r' && data.get(place + 1) == Some(&b'\n'));
                    }
                    None => {
                        // What is no line end is not needed any more, but for what comes behind it.
                        let length = self.bytes.data().len();
                        self.bytes.consume(length);
                        if !self.fill()? {
                            return Ok(());
                        }
                    }
                }
            };
            self.bytes.consume(length);
            self.line += 1;
        }
        Ok(())
    }

    /// Goes on at a later place, where a row begins. False if there is no such place any more.
    pub fn go_on_at(&mut self, offset: u64, line: u64) -> Result<bool, Problem> {
        self.take();
        let there = self.bytes.skip_to(offset).map_err(|error| Problem::unreadable(self.line, error))?;
        self.line = line;
        Ok(there)
    }

    /// How many fields the row has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// What is wrong with a row of another width than this.
    pub fn wrong_width(&self, columns: usize) -> Problem {
        let what = format!(
            "the row has {}, and there {} {}. Check the row, and the separator and quotes in reader_options.",
            counted(self.fields.len(), "field"),
            if columns == 1 { "is" } else { "are" },
            counted(columns, "column")
        );
        Problem::new(self.line, what)
    }

    /// A field of the row. What had to be unwrapped lies in `scratch`.
    #[inline]
    pub fn field<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Field<'a> {
        let Place { start, end, flags } = self.fields[index];
        let raw = &self.bytes.data()[start..end];
        let is_quoted = flags & QUOTED != 0;
        let is_plain = flags & ESCAPED_IN_JSON == 0;
        if flags & WRAPPED == 0 {
            return Field { text: raw, is_quoted, is_plain };
        }
        self.unwrap(raw, is_quoted, scratch);
        Field { text: scratch, is_quoted, is_plain }
    }

    /// The line that the row begins in.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Where the row begins: its place in the content, and its line.
    pub fn place(&self) -> (u64, u64) {
        (self.bytes.offset(), self.line)
    }

    /// Where the next row begins: its place in the content, and its line.
    pub fn next_place(&self) -> (u64, u64) {
        (self.bytes.offset() + self.length as u64, self.line + self.lines)
    }

    fn take(&mut self) {
        self.bytes.consume(self.length);
        self.line += self.lines;
        (self.length, self.lines) = (0, 0);
        self.fields.clear();
    }

    fn fill(&mut self) -> Result<bool, Problem> {
        self.bytes.fill().map_err(|error| Problem::unreadable(self.line, error))
    }

    /// Whether nothing stands on the line but white space, as pandas has it.
    fn is_blank(&self) -> bool {
        let [Place { start, end, flags }] = self.fields.as_slice() else {
            return false;
        };
        flags & QUOTED == 0 && self.bytes.data()[*start..*end].iter().all(|byte| matches!(byte, b' ' | b'\t'))
    }

    /// Finds the fields of the row that `data` begins with.
    fn find(&mut self) -> Result<Found, Problem> {
        self.fields.clear();
        let data = self.bytes.data();
        let is_whole = self.bytes.is_whole();
        let Dialect { delimiter, quote, escape, .. } = self.dialect;
        let mut lines = 0;
        let mut at = 0;
        loop {
            let mut place = Place { start: at, end: at, flags: 0 };
            if quote.is_some() && data.get(at).copied() == quote {
                let Some(end) = self.close_quote(data, at + 1, &mut place.flags, &mut lines) else {
                    if !is_whole {
                        return Ok(Found::Incomplete);
                    }
                    let what = "a quote is opened here and never closed. Close it, or set quotechar or \
                                \"quoting\": 3 in reader_options.";
                    return Err(Problem::new(self.line + lines_in(&data[..at]), what).at(self.column_of(data, at)));
                };
                place.start = at + 1;
                place.end = end;
                at = end + 1;
                if data.get(at).is_some_and(|byte| *byte != delimiter && *byte != b'\n' && *byte != b'\r') {
                    let line = self.line + lines_in(&data[..at]);
                    let opened = self.line + lines_in(&data[..place.start]);
                    // A quote that is missing is in the line where the field begins, or soon behind it.
                    let where_opened =
                        if opened < line { format!(" of a field that begins in line {opened}") } else { String::new() };
                    let what = format!(
                        "there is text behind the closing quote{where_opened}. Close or double the quotes within \
                         quotes, or set quotechar, escapechar or \"quoting\": 3 in reader_options."
                    );
                    return Err(Problem::new(line, what).at(self.column_of(data, at)));
                }
            } else {
                loop {
                    at += run(&self.unquoted, &data[at..], &mut place.flags);
                    if escape.is_none() || data.get(at).copied() != escape {
                        break;
                    }
                    let Some(escaped) = data.get(at + 1) else {
                        if !is_whole {
                            return Ok(Found::Incomplete);
                        }
                        let what = "the file ends behind an escapechar: it is cut off.";
                        return Err(Problem::new(self.line + lines_in(&data[..at]), what));
                    };
                    lines += u64::from(*escaped == b'\n');
                    place.flags |= WRAPPED | ESCAPED_IN_JSON | class_in_json(*escaped);
                    at += 2;
                }
                place.end = at;
            }
            self.fields.push(place);
            match data.get(at) {
                Some(byte) if *byte == delimiter => at += 1,
                Some(b'\n') => {
                    at += 1;
                    lines += 1;
                    break;
                }
                Some(_) => {
                    // A carriage return, with or without a line feed.
                    if at + 1 == data.len() && !is_whole {
                        return Ok(Found::Incomplete);
                    }
                    at += 1 + usize::from(data.get(at + 1) == Some(&b'\n'));
                    lines += 1;
                    break;
                }
                None if is_whole => break,
                None => return Ok(Found::Incomplete),
            }
        }
        (self.length, self.lines) = (at, lines);
        Ok(Found::Row)
    }

    /// Where the quote is that closes the field, if it is there and so is what comes behind it.
    fn close_quote(&self, data: &[u8], start: usize, flags: &mut u8, lines: &mut u64) -> Option<usize> {
        let Dialect { quote: Some(quote), double_quote, escape, .. } = self.dialect else {
            return None;
        };
        *flags |= QUOTED;
        let mut at = start;
        loop {
            at += run(&self.quoted, data.get(at..)?, flags);
            let byte = *data.get(at)?;
            if byte == quote && (double_quote || Some(byte) != escape) {
                match data.get(at + 1) {
                    Some(next) if *next == quote && double_quote => {
                        *flags |= WRAPPED | ESCAPED_IN_JSON;
                        at += 2;
                    }
                    Some(_) => return Some(at),
                    None => return self.bytes.is_whole().then_some(at),
                }
            } else if Some(byte) == escape {
                let escaped = *data.get(at + 1)?;
                *flags |= WRAPPED | ESCAPED_IN_JSON | class_in_json(escaped);
                *lines += u64::from(escaped == b'\n');
                at += 2;
            } else {
                *flags |= ESCAPED_IN_JSON;
                *lines += u64::from(byte == b'\n' || data.get(at + 1) != Some(&b'\n'));
                at += 1;
            }
        }
    }

    fn unwrap(&self, raw: &[u8], is_quoted: bool, scratch: &mut Vec<u8>) {
        scratch.clear();
        let mut rest = raw.iter();
        while let Some(byte) = rest.next() {
            let wraps = Some(*byte) == self.dialect.escape
                || (is_quoted && Some(*byte) == self.dialect.quote && self.dialect.double_quote);
            scratch.push(if wraps { *rest.next().unwrap_or(byte) } else { *byte });
        }
    }

    fn require_utf8(&self) -> Result<(), Problem> {
        let row = &self.bytes.data()[..self.length];
        let Err(error) = std::str::from_utf8(row) else {
            return Ok(());
        };
        let place = error.valid_up_to();
        let what = "a byte is not UTF-8. Name the file's encoding in reader_options, as in {\"encoding\": \"latin1\"}.";
        Err(Problem::new(self.line + lines_in(&row[..place]), what).at(self.column_of(row, place)))
    }

    /// How far it is from the start of its line.
    fn column_of(&self, data: &[u8], place: usize) -> Column {
        let line_start = memchr::memrchr2(b'\n', b'\r', &data[..place]).map_or(0, |end| end + 1);
        Column::Byte((place - line_start) as u64 + 1)
    }
}

/// How many bytes there are before one at which to stop. Adds what they are to `flags`.
#[inline]
fn run(classes: &[u8; 256], bytes: &[u8], flags: &mut u8) -> usize {
    let mut seen = 0;
    let length = bytes.iter().position(|byte| {
        let class = classes[usize::from(*byte)];
        seen |= class;
        class == STOP
    });
    *flags |= seen & !STOP;
    length.unwrap_or(bytes.len())
}

fn class_in_json(byte: u8) -> u8 {
    match byte {
        0..0x20 | b'"' | b'\\' => ESCAPED_IN_JSON,
        0x80.. => NOT_ASCII,
        _ => 0,
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Line ends of any kind.
fn lines_in(bytes: &[u8]) -> u64 {
    let mut returns = 0;
    for place in memchr::memchr_iter(b'\r', bytes) {
        returns += u64::from(bytes.get(place + 1) != Some(&b'\n'));
    }
    memchr::memchr_iter(b'\n', bytes).count() as u64 + returns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn rows_of(content: &[u8], piece: usize, dialect: Dialect) -> Result<Vec<Vec<Vec<u8>>>, Problem> {
        let mut rows = Rows::new(Bytes::in_pieces(content, piece), dialect);
        let mut all = Vec::new();
        let mut scratch = Vec::new();
        while rows.next()? {
            all.push((0..rows.len()).map(|index| rows.field(index, &mut scratch).text.to_vec()).collect());
        }
        assert_eq!(rows.next_place().0, content.len() as u64);
        Ok(all)
    }

    fn texts(content: &str, dialect: Dialect) -> Vec<Vec<String>> {
        let rows = rows_of(content.as_bytes(), 1, dialect).unwrap();
        let text = |field: Vec<u8>| String::from_utf8(field).unwrap();
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    #[test]
    fn fields_are_what_they_say() {
        let plain = Dialect::default();
        assert_eq!(
            texts("a,b\r\n1,\n\n,\"\"\r\"x\"\"y\",\"1\n2,\"", plain.clone()),
            [["a", "b"], ["1", ""], ["", ""], ["x\"y", "1\n2,"]]
        );
        assert_eq!(texts(" \t\na\n  \r\n\" \"\n ,\n ", plain.clone()), [vec!["a"], vec![" "], vec![" ", ""]]);
        assert_eq!(texts("5\" pipe,it's\n", plain.clone()), [["5\" pipe", "it's"]]);
        assert_eq!(texts("\"\"\"\"\n", plain.clone()), [["\""]]);
        let escaped = Dialect { escape: Some(b'\\'), double_quote: false, ..plain.clone() };
        assert_eq!(texts("a\\,b,\"c\\\"d\\\\\"\n", escaped), [["a,b", "c\"d\\"]]);
        let tabs = Dialect { delimiter: b'\t', quote: None, ..plain.clone() };
        assert_eq!(texts("\"a\t1,2\n", tabs), [["\"a", "1,2"]]);
        let apostrophes = Dialect { quote: Some(b'\''), ..plain };
        assert_eq!(texts("'a,''b',\"c\n", apostrophes), [["a,'b", "\"c"]]);
    }

    #[test]
    fn broken_rows_name_their_line_and_column_and_not_their_content() {
        for (content, place) in [
            (&b"a,b\n1,\"secret"[..], "line 2, column 3: a quote is opened"),
            (b"a\n\"x\ny\",\"secret\n\n", "line 3, column 4: a quote is opened"),
            (
                b"\"a\nb\"secret,c\n",
                "line 2, column 3: there is text behind the closing quote of a field that begins in line 1. ",
            ),
            (b"\"a\"secret,c\n", "line 1, column 4: there is text behind the closing quote. "),
            (b"a\r\nb\rsecret\xff\n", "line 3, column 7: a byte is not UTF-8"),
            (b"\"x\n\xe9secret\"\n", "line 2, column 1: a byte is not UTF-8"),
        ] {
            let problem = rows_of(content, 2, Dialect::default()).unwrap_err();
            let message = problem.in_file(Path::new("f.csv")).message;
            assert!(message.starts_with(&format!("f.csv, {place}")), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn lines_are_counted_and_places_can_be_gone_to() {
        let content = b"a\n\"1\n2\"\n\n\r\nb\r\nc";
        let mut rows = Rows::new(Bytes::in_pieces(content, 3), Dialect::default());
        let mut places = Vec::new();
        while rows.next().unwrap() {
            places.push((rows.line(), rows.next_place()));
        }
        assert_eq!(places, [(1, (2, 2)), (2, (8, 4)), (6, (14, 7)), (7, (15, 7))]);
        let mut rows = Rows::new(Bytes::in_pieces(content, 3), Dialect::default());
        assert!(rows.go_on_at(8, 4).unwrap() && rows.next().unwrap());
        assert_eq!((rows.line(), rows.field(0, &mut Vec::new()).text), (6, &b"b"[..]));
        let mut rows = Rows::new(Bytes::in_pieces(content, 3), Dialect::default());
        assert!(!rows.go_on_at(99, 4).unwrap());
        let mut rows = Rows::new(Bytes::in_pieces(&b"# x\r\n# \"y\ra\n"[..], 1), Dialect::default());
        rows.skip_lines(2).unwrap();
        assert!(rows.next().unwrap());
        assert_eq!((rows.line(), rows.field(0, &mut Vec::new()).text), (3, &b"a"[..]));
    }

    fn fields() -> impl Strategy<Value = Vec<Vec<String>>> {
        let field = prop_oneof![3 => "[a-z0-9 ]{0,6}", 2 => "[a\",\r\n;'ü]{0,6}"];
        (1..5_usize).prop_flat_map(move |width| {
            proptest::collection::vec(proptest::collection::vec(field.clone(), width), 0..8)
        })
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read(
            rows in fields(),
            piece in 1..40_usize,
            always in any::<bool>(),
            crlf in any::<bool>(),
        ) {
            let mut writer = csv::WriterBuilder::new();
            writer.quote_style(if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary });
            writer.terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') });
            let mut writer = writer.from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let content = writer.into_inner().unwrap();
            let read = rows_of(&content, piece, Dialect::default()).unwrap();
            // Without quotes around it, white space alone is a blank line.
            let blank = |field: &String| !always && !field.is_empty() && field.bytes().all(|byte| byte == b' ');
            let expected: Vec<Vec<Vec<u8>>> = rows
                .iter()
                .filter(|row| row.len() > 1 || !row.iter().all(blank))
                .map(|row| row.iter().map(|field| field.as_bytes().to_vec()).collect())
                .collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn pieces_make_no_difference_and_no_bytes_panic(
            content in proptest::collection::vec(
                prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'\\'), any::<u8>()], 0..60),
            piece in 1..9_usize,
            escape in any::<bool>(),
            double_quote in any::<bool>(),
        ) {
            let dialect = Dialect { escape: escape.then_some(b'\\'), double_quote, ..Dialect::default() };
            let message = |problem: Problem| problem.in_file(Path::new("f")).message;
            let whole = rows_of(&content, 1000, dialect.clone()).map_err(message);
            let pieced = rows_of(&content, piece, dialect).map_err(message);
            prop_assert_eq!(whole, pieced);
        }
    }
}
