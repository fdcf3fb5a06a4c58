//! JSON as text: whether it is valid, and where its parts are. One pass over it answers the first, and notes what it takes to
//! answer the second without another. Knows nothing of pages, paths and records.

use std::ops::Range;

/// Arrays and objects that stand so deep are noted: the records of `data.items`, and what is around them.
const NOTED_DEPTH: usize = 4;

/// So many are noted, 8 bytes each: a server decides how many there are. Where the others end is looked for again.
const MOST_NOTED: usize = 1 << 20;

/// What is known of a text that is valid JSON.
pub(super) struct Outline {
    /// Where the value begins: a mark may stand before it.
    start: usize,
    /// Arrays and objects, in the order of their beginnings.
    noted: Vec<Noted>,
    has_line_breaks: bool,
}

/// Where an array or an object is. The end is behind its bracket.
#[derive(Clone, Copy)]
struct Noted {
    start: u32,
    end: u32,
}

impl Outline {
    /// Of the text that begins there. None, if it is not JSON in UTF-8 with nothing behind it.
    pub fn of(bytes: &[u8], start: usize) -> Option<Outline> {
        // In what is noted there is no room for longer ones.
        let most_noted = if u32::try_from(bytes.len()).is_ok() { MOST_NOTED } else { 0 };
        Outline::with_most(bytes, start, most_noted)
    }

    fn with_most(bytes: &[u8], start: usize, most_noted: usize) -> Option<Outline> {
        let mut scan = Scan {
            bytes,
            most_noted,
            noted: Vec::new(),
            enclosing: Vec::new(),
            places: [None; NOTED_DEPTH],
            has_line_breaks: false,
        };
        scan.document(start)?;
        let Scan { noted, has_line_breaks, .. } = scan;
        Some(Outline { start: white_space_ends(bytes, start), noted, has_line_breaks })
    }
}

/// A text that is valid JSON, to find parts in. Parts are places in it.
#[derive(Clone, Copy)]
pub(super) struct JsonText<'a> {
    bytes: &'a [u8],
    outline: &'a Outline,
}

impl<'a> JsonText<'a> {
    /// The outline must be the text's own.
    pub fn new(bytes: &'a [u8], outline: &'a Outline) -> Self {
        JsonText { bytes, outline }
    }

    /// What stands there.
    pub fn get(self, part: Range<usize>) -> &'a [u8] {
        self.bytes.get(part).unwrap_or_default()
    }

    /// Whether a line may break between two tokens. It can nowhere else.
    pub fn has_line_breaks(self) -> bool {
        self.outline.has_line_breaks
    }

    /// The whole value.
    pub fn root(self) -> Range<usize> {
        self.value_at(self.outline.start, &mut 0)
    }

    /// The first byte of a value: it says of which kind it is.
    pub fn first(self, value: &Range<usize>) -> u8 {
        self.bytes.get(value.start).copied().unwrap_or_default()
    }

    /// The elements of an array. None, if it is none.
    pub fn elements(self, value: &Range<usize>) -> Option<Elements<'a>> {
        (self.first(value) == b'[').then(|| Elements::behind(self, value.start))
    }

    /// The names of an object, in their quotes, and the values. None, if it is none.
    pub fn fields(self, value: &Range<usize>) -> Option<impl Iterator<Item = (&'a [u8], Range<usize>)> + use<'a>> {
        let mut names = (self.first(value) == b'{').then(|| Elements::behind(self, value.start))?;
        Some(std::iter::from_fn(move || {
            let name = names.next()?;
            let colon = white_space_ends(self.bytes, name.end);
            let value = self.value_at(colon + 1, &mut names.noted);
            names.at = value.end;
            Some((self.get(name), value))
        }))
    }

    /// `noted` is among what is noted, not behind the value.
    fn value_at(self, at: usize, noted: &mut usize) -> Range<usize> {
        let start = white_space_ends(self.bytes, at);
        start..self.end_of(start, noted)
    }

    /// Where the value that begins here ends. Here, if none does.
    fn end_of(self, start: usize, noted: &mut usize) -> usize {
        let rest = self.bytes.get(start..).unwrap_or_default();
        match rest.first() {
            Some(b'"') => string_ends(self.bytes, start),
            Some(b'[' | b'{') => {
                let is_before = |noted: &&Noted| (noted.start as usize) < start;
                *noted += self.outline.noted.iter().skip(*noted).take_while(is_before).count();
                match self.outline.noted.get(*noted) {
                    Some(found) if found.start as usize == start => found.end as usize,
                    _ => brackets_end(self.bytes, start),
                }
            }
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                start + rest.iter().position(is_end).unwrap_or(rest.len())
            }
        }
    }
}

/// The elements of an array, one after the other.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    text: JsonText<'a>,
    at: usize,
    /// How many of those that are noted have been passed by: so each is looked at once.
    noted: usize,
}

impl<'a> Elements<'a> {
    fn behind(text: JsonText<'a>, bracket: usize) -> Self {
        let noted = text.outline.noted.partition_point(|noted| noted.start as usize <= bracket);
        Elements { text, at: bracket + 1, noted }
    }
}

impl Iterator for Elements<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let comma = white_space_ends(self.text.bytes, self.at);
        let start = if self.text.bytes.get(comma) == Some(&b',') { comma + 1 } else { comma };
        let element = self.text.value_at(start, &mut self.noted);
        self.at = element.end;
        // At the closing bracket no value begins.
        (!element.is_empty()).then_some(element)
    }
}

fn white_space_ends(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Behind the quote that ends this string of a valid text.
fn string_ends(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        at = plain_ends(bytes, at);
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return at + 1,
            Some(0x80..) => at = foreign_ends(bytes, at),
            Some(_) => at += 1,
        }
    }
}

/// Behind the bracket that ends this array or object of a valid text.
fn brackets_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_ends(bytes, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Where within a string the next byte stands that is not just a letter of ASCII: a quote, a backslash, a control character, or a
/// part of another letter. In the last seven bytes of the text it stops at any.
#[inline]
fn plain_ends(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*word);
        let (quotes, backslashes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
        // The highest bit of each byte that goes below zero, up to the first that does.
        let below = word.wrapping_sub(ONES * 0x20) | quotes.wrapping_sub(ONES) | backslashes.wrapping_sub(ONES);
        let found = (below | word) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at
}

/// Where the letters end that are not of ASCII.
fn foreign_ends(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(u8::is_ascii).unwrap_or(rest.len())
}

/// The pass over a text that may be anything.
struct Scan<'a> {
    bytes: &'a [u8],
    most_noted: usize,
    noted: Vec<Noted>,
    /// What is around what is looked at, from outside to inside.
    enclosing: Vec<Kind>,
    /// Of the outermost of them, the places among those that are noted.
    places: [Option<usize>; NOTED_DEPTH],
    has_line_breaks: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Array,
    Object,
}

impl Scan<'_> {
    /// None, if this is no JSON with nothing behind it.
    fn document(&mut self, start: usize) -> Option<()> {
        let mut at = start;
        'value: loop {
            match self.token(&mut at)? {
                b'"' => at = self.string(at)?,
                b'-' | b'0'..=b'9' => at = self.number(at)?,
                b'{' => {
                    self.open(at, Kind::Object);
                    at += 1;
                    if self.token(&mut at)? != b'}' {
                        at = self.name(at)?;
                        continue 'value;
                    }
                }
                b'[' => {
                    self.open(at, Kind::Array);
                    at += 1;
                    if self.token(&mut at)? != b']' {
                        continue 'value;
                    }
                }
                b't' => at = self.word(at, b"true")?,
                b'f' => at = self.word(at, b"false")?,
                b'n' => at = self.word(at, b"null")?,
                _ => return None,
            }
            // A value has ended, or what closes it comes.
            loop {
                let Some(kind) = self.enclosing.last().copied() else {
                    return self.token(&mut at).is_none().then_some(());
                };
                match (self.token(&mut at)?, kind) {
                    (b',', Kind::Object) => {
                        at += 1;
                        self.token(&mut at)?;
                        at = self.name(at)?;
                        continue 'value;
                    }
                    (b',', Kind::Array) => {
                        at += 1;
                        continue 'value;
                    }
                    (b'}', Kind::Object) | (b']', Kind::Array) => {
                        at += 1;
                        self.close(at);
                    }
                    _ => return None,
                }
            }
        }
    }

    #[inline(always)]
    fn at(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The next byte that is not white space. None at the end.
    #[inline(always)]
    fn token(&mut self, at: &mut usize) -> Option<u8> {
        match self.at(*at) {
            Some(byte) if byte > b' ' => Some(byte),
            _ => self.token_after_white_space(at),
        }
    }

    #[cold]
    #[inline(never)]
    fn token_after_white_space(&mut self, at: &mut usize) -> Option<u8> {
        let end = white_space_ends(self.bytes, *at);
        self.has_line_breaks |= self.bytes.get(*at..end)?.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        *at = end;
        self.at(end)
    }

    fn open(&mut self, at: usize, kind: Kind) {
        if let Some(place) = self.places.get_mut(self.enclosing.len()) {
            *place = (self.noted.len() < self.most_noted).then_some(self.noted.len());
            if place.is_some() {
                self.noted.push(Noted { start: at as u32, end: 0 });
            }
        }
        self.enclosing.push(kind);
    }

    fn close(&mut self, end: usize) {
        self.enclosing.pop();
        let place = self.places.get(self.enclosing.len()).copied().flatten();
        if let Some(noted) = place.and_then(|place| self.noted.get_mut(place)) {
            noted.end = end as u32;
        }
    }

    /// A field's name and its colon.
    #[inline(always)]
    fn name(&mut self, at: usize) -> Option<usize> {
        if self.at(at)? != b'"' {
            return None;
        }
        let mut at = self.string(at)?;
        (self.token(&mut at)? == b':').then_some(at + 1)
    }

    #[inline(always)]
    fn string(&self, start: usize) -> Option<usize> {
        let end = plain_ends(self.bytes, start + 1);
        match self.at(end)? {
            b'"' => Some(end + 1),
            _ => self.rest_of_string(end),
        }
    }

    /// From something in a string on that is more than a letter.
    #[inline(never)]
    fn rest_of_string(&self, mut at: usize) -> Option<usize> {
        loop {
            match self.at(at)? {
                b'"' => return Some(at + 1),
                b'\\' => match self.at(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                    b'u' if self.bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                    _ => return None,
                },
                0..0x20 => return None,
                0x80.. => {
                    let end = foreign_ends(self.bytes, at);
                    std::str::from_utf8(self.bytes.get(at..end)?).ok()?;
                    at = end;
                }
                _ => at += 1,
            }
            at = plain_ends(self.bytes, at);
        }
    }

    fn number(&self, start: usize) -> Option<usize> {
        let digits = |mut at: usize| {
            while self.at(at).is_some_and(|byte| byte.is_ascii_digit()) {
                at += 1;
            }
            at
        };
        let some_digits = |at: usize| Some(digits(at)).filter(|end| *end > at);
        let mut at = start;
        if self.at(at)? == b'-' {
            at += 1;
        }
        // A number does not begin with a zero, unless that is all there is before the point.
        at = if self.at(at)? == b'0' { at + 1 } else { some_digits(at)? };
        if self.at(at) == Some(b'.') {
            at = some_digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.at(at) {
            let signed = matches!(self.at(at + 1), Some(b'+' | b'-'));
            at = some_digits(at + 1 + usize::from(signed))?;
        }
        Some(at)
    }

    fn word(&self, at: usize, word: &[u8]) -> Option<usize> {
        let end = at + word.len();
        (self.bytes.get(at..end)? == word).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use serde::de::IgnoredAny;
    use serde_json::{Map, Value, json};

    use super::*;

    const TEXTS: [&str; 9] =
        ["", "a", "\"", "\\", "12345678", "[{,:}]", "Zürich, \u{1f600}", "line\nbreak", "долгая дорога в дюнах"];

    fn document(random: &mut Rng, depth: u32) -> Value {
        let text = TEXTS[random.usize(..TEXTS.len())];
        match random.u32(..if depth == 0 { 6 } else { 10 }) {
            0 => Value::Null,
            1 => json!(random.bool()),
            2 => json!(random.i64(..)),
            3 => json!(random.f64() * 10_f64.powi(random.i32(-20..20))),
            4 | 5 => json!(text),
            6 | 7 => (0..random.usize(..4)).map(|_| document(random, depth - 1)).collect(),
            _ => {
                let fields = random.usize(..4);
                let field = |_| (TEXTS[random.usize(..TEXTS.len())].to_owned(), document(random, depth - 1));
                (0..fields).map(field).collect::<Map<_, _>>().into()
            }
        }
    }

    /// Every part of a value, as it is found in the text.
    fn found(json: JsonText<'_>, value: &Range<usize>) -> Value {
        let text = json.get(value.clone());
        match (json.elements(value), json.fields(value)) {
            (Some(elements), _) => elements.map(|element| found(json, &element)).collect(),
            (_, Some(fields)) => fields
                .map(|(name, value)| (serde_json::from_slice(name).unwrap(), found(json, &value)))
                .collect::<Map<_, _>>()
                .into(),
            _ => serde_json::from_slice(text).unwrap(),
        }
    }

    /// However much of it is noted.
    #[test]
    fn each_part_is_found_where_a_parser_finds_it() {
        let mut random = Rng::with_seed(3);
        for _ in 0..5000 {
            let document = document(&mut random, 7);
            let pretty = random.bool();
            let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
            let text = format!("{} {}", text.unwrap(), if random.bool() { "\r" } else { "" });
            let document: Value = serde_json::from_str(&text).unwrap();
            for most_noted in [MOST_NOTED, random.usize(..10), 0] {
                let outline = Outline::with_most(text.as_bytes(), 0, most_noted).expect(&text);
                let json = JsonText::new(text.as_bytes(), &outline);
                assert_eq!(found(json, &json.root()), document, "{text}");
                assert_eq!(json.has_line_breaks(), text.contains(['\n', '\r']), "{text}");
                assert!(outline.noted.len() <= most_noted);
            }
        }
    }

    fn is_json(bytes: &[u8]) -> bool {
        std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
    }

    /// What others take for JSON is JSON, and nothing else is.
    #[test]
    fn any_bytes_are_judged_as_a_parser_judges_them() {
        let mut random = Rng::with_seed(7);
        let (mut valid, mut invalid) = (0, 0);
        let odd = b"\"\\[]{},:+-.eE019tfnu/ \t\r\n\0\x1f\x7f\x80\xc3\xbc\xed\xa0\xff";
        for _ in 0..50_000 {
            let mut bytes = document(&mut random, 4).to_string().into_bytes();
            for _ in 0..random.usize(..3) {
                let (at, byte) = (random.usize(..bytes.len()), odd[random.usize(..odd.len())]);
                match random.u32(..3) {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => {}
                }
            }
            let expected = is_json(&bytes);
            assert_eq!(Outline::of(&bytes, 0).is_some(), expected, "{:?}", String::from_utf8_lossy(&bytes));
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
        assert!(valid > 10_000 && invalid > 10_000, "{valid} {invalid}");
    }

    #[test]
    fn the_edges_of_json_are_where_they_are_for_a_parser() {
        for text in [
            "",
            " ",
            "[",
            "]",
            "[]]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "[}",
            "{]",
            "01",
            "-",
            "-0",
            "-01",
            "1.",
            ".1",
            "1.5e",
            "1e+",
            "1E-9",
            "0e0",
            "1e5x",
            "+1",
            "nul",
            "nulll",
            "true false",
            "\"\\u123g\"",
            "\"\\u12aF\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\\",
            "\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "\u{feff}1",
            "[1]\u{a0}",
            "{} {}",
            "NaN",
            "\"a\"\u{0}",
            "[1\u{b}]",
        ] {
            for text in [text.to_owned(), format!("[{text}]"), format!(" {{\"long enough\": {text}\r\n}}\t")] {
                assert_eq!(Outline::of(text.as_bytes(), 0).is_some(), is_json(text.as_bytes()), "{text:?}");
            }
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}{}", "[{\"a\":".repeat(300_000), "0");
        assert!(Outline::of(deep.as_bytes(), 0).is_none());
        let deep = deep + &"}]".repeat(300_000);
        let outline = Outline::of(deep.as_bytes(), 0).expect("it is closed");
        assert_eq!(JsonText::new(deep.as_bytes(), &outline).root(), 0..deep.len());
        assert!(outline.noted.len() <= NOTED_DEPTH);
    }
}
