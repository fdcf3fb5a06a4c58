//! Records that are plainly JSON: one pass over a batch finds its lines, and for each whether it is one whole JSON object. It is a
//! shortcut, many times as fast as a general parser: what it takes is right, and what it does not take may be right as well. Knows
//! nothing of what becomes of a record.
//!
//! The pass goes from one byte of meaning to the next: 64 bytes at a time become a bit set of those that end or interrupt a string
//! (quotes, backslashes, control characters), so that no string is looked at byte by byte. Members as most records have them, with a
//! text or a number and without blanks, are passed from quote to quote: where the next quote is does not depend on what was read at
//! the one before, so the processor looks at several of them at once.

use std::ops::Range;

/// How many bytes become bits at once.
const BLOCK_BYTES: usize = 64;

/// How many bytes are looked at together where a string ends: its quote, and what follows it.
const MARK_BYTES: usize = 4;

/// A block, and what is looked at together with its last byte.
type Window = [u8; BLOCK_BYTES + MARK_BYTES];

/// Deeper nesting is left to a general parser: each level is a bit.
const MAX_DEPTH: u32 = 64;

/// Goes through a batch, line by line.
pub struct JsonScanner<'a> {
    text: Text<'a>,
    /// What has not been looked at yet.
    at: usize,
    /// Where the block begins that the marks are of.
    block: usize,
    /// Those that have not been passed. Kept from line to line: the first ones of a line are known before the line is looked at.
    marks: u64,
}

impl<'a> JsonScanner<'a> {
    /// From the beginning of a batch, which must be UTF-8: that is not looked at.
    pub fn new(batch: &'a str) -> JsonScanner<'a> {
        let mut scanner = JsonScanner { text: Text::new(batch.as_bytes()), at: 0, block: 0, marks: 0 };
        scanner.go_to(0);
        scanner
    }

    /// From here on.
    pub fn go_to(&mut self, at: usize) {
        self.at = at;
        self.block = at - at % BLOCK_BYTES;
        (_, self.marks) = self.text.block(self.block);
    }

    /// Where the next line begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The object on the next line, without the white space around it. None at the end, and where the line is not plainly an object:
    /// then `position` is still its beginning. What is taken has no carriage return.
    pub fn next_object(&mut self) -> Option<Range<usize>> {
        let text = &self.text;
        let start = text.after_blanks(self.at);
        if text.byte(start) != b'{' {
            return None;
        }
        let mut marks = Marks { text, window: text.window(self.block), block: self.block, bits: self.marks };
        let end = text.after_object(&mut marks, start + 1)?;
        let mut line_end = text.after_blanks(end);
        if text.byte(line_end) == b'\r' {
            line_end += 1;
        }
        if line_end < text.batch.len() && text.byte(line_end) != b'\n' {
            return None;
        }
        (self.block, self.marks) = (marks.block, marks.bits);
        self.at = line_end + 1;
        Some(start..end)
    }
}

/// A batch. Behind its end come zeros, which no token has: what is looked for is found or refused there at the latest.
struct Text<'a> {
    batch: &'a [u8],
    /// Where the first block begins whose window reaches behind the end.
    tail_start: usize,
    /// The bytes from there on.
    tail: [u8; 2 * BLOCK_BYTES + MARK_BYTES],
}

impl<'a> Text<'a> {
    fn new(batch: &'a [u8]) -> Text<'a> {
        let tail_start = batch.len().saturating_sub(MARK_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
        let rest = &batch[tail_start..];
        let mut tail = [0; 2 * BLOCK_BYTES + MARK_BYTES];
        tail[..rest.len()].copy_from_slice(rest);
        Text { batch, tail_start, tail }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.batch.get(at).copied().unwrap_or(0)
    }

    /// The window of the block that begins there.
    #[inline(always)]
    fn window(&self, start: usize) -> &Window {
        self.batch.get(start..).and_then(<[u8]>::first_chunk).unwrap_or_else(|| {
            let window = self.tail.get(start - self.tail_start..).and_then(<[u8]>::first_chunk);
            window.unwrap_or(&[0; BLOCK_BYTES + MARK_BYTES])
        })
    }

    /// The same, and the block's marks.
    // Not a rare case, but one in which the callers need not keep everything in registers.
    #[cold]
    #[inline(never)]
    fn block(&self, start: usize) -> (&Window, u64) {
        let window = self.window(start);
        (window, window.first_chunk().map_or(0, special))
    }

    /// Where the object ends that was entered before `at`.
    #[inline(always)]
    fn after_object(&self, marks: &mut Marks<'_>, mut at: usize) -> Option<usize> {
        // What encloses what is at hand, innermost lowest: 1 for an object, 0 for an array.
        let mut enclosing: u64 = 1;
        let mut depth = 1;
        // Whether something must come, for there was a comma before.
        let mut after_comma = false;
        'part: loop {
            at = self.after_blanks(at);
            let in_object = enclosing & 1 == 1;
            let closing = if in_object { b'}' } else { b']' };
            let mut closed = !after_comma && self.byte(at) == closing;
            if !closed {
                at = 'value: {
                    if in_object {
                        if self.byte(at) != b'"' {
                            return None;
                        }
                        marks.pass_to(at + 1);
                        // A key was entered. Members that are followed by another one without blanks stay in this loop.
                        loop {
                            let key_end = marks.string_end()?;
                            if key_end.begins(b"\":\"") {
                                marks.next();
                                let text_end = marks.string_end()?;
                                if !text_end.begins(b"\",\"") {
                                    break 'value text_end.at + 1;
                                }
                            } else if let [b'"', b':', b'0'..=b'9' | b'-', _] = key_end.bytes() {
                                let number_end = self.after_number(key_end.at + 2)?;
                                if !self.has(number_end, b",\"") {
                                    break 'value number_end;
                                }
                            } else {
                                at = self.after_blanks(key_end.at + 1);
                                if self.byte(at) != b':' {
                                    return None;
                                }
                                at = self.after_blanks(at + 1);
                                break;
                            }
                            // The next key's quote: between it and the last mark there is none.
                            marks.next();
                        }
                    }
                    match self.byte(at) {
                        b'"' => {
                            marks.pass_to(at + 1);
                            marks.string_end()?.at + 1
                        }
                        opening @ (b'{' | b'[') => {
                            if depth == MAX_DEPTH {
                                return None;
                            }
                            depth += 1;
                            enclosing = enclosing << 1 | u64::from(opening == b'{');
                            after_comma = false;
                            at += 1;
                            continue 'part;
                        }
                        b't' => self.after_word(at, b"true")?,
                        b'f' => self.after_word(at, b"false")?,
                        b'n' => self.after_word(at, b"null")?,
                        _ => self.after_number(at)?,
                    }
                }
            }
            // After a value, or at the end of what encloses.
            loop {
                if !closed {
                    at = self.after_blanks(at);
                    let closing = if enclosing & 1 == 1 { b'}' } else { b']' };
                    match self.byte(at) {
                        b',' => {
                            after_comma = true;
                            at += 1;
                            break;
                        }
                        byte if byte == closing => {}
                        _ => return None,
                    }
                }
                closed = false;
                at += 1;
                depth -= 1;
                enclosing >>= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
    }

    /// JSON's white space but line breaks, which end a record, and carriage returns, which are not plain.
    #[inline(always)]
    fn after_blanks(&self, mut at: usize) -> usize {
        while let b' ' | b'\t' = self.byte(at) {
            at += 1;
        }
        at
    }

    #[inline(always)]
    fn has(&self, at: usize, bytes: &[u8; 2]) -> bool {
        self.batch.get(at..).and_then(<[u8]>::first_chunk) == Some(bytes)
    }

    #[cold]
    fn after_escape(&self, backslash: usize) -> Option<usize> {
        match self.byte(backslash + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(backslash + 2),
            b'u' => {
                let digits = self.batch.get(backslash + 2..backslash + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(backslash + 6)
            }
            _ => None,
        }
    }

    fn after_word(&self, at: usize, word: &[u8]) -> Option<usize> {
        (self.batch.get(at..at + word.len())? == word).then_some(at + word.len())
    }

    fn after_number(&self, mut at: usize) -> Option<usize> {
        if self.byte(at) == b'-' {
            at += 1;
        }
        at = match self.byte(at) {
            b'0' => at + 1,
            _ => self.after_digits(at)?,
        };
        if self.byte(at) == b'.' {
            at = self.after_digits(at + 1)?;
        }
        if let b'e' | b'E' = self.byte(at) {
            at += 1;
            if let b'+' | b'-' = self.byte(at) {
                at += 1;
            }
            at = self.after_digits(at)?;
        }
        Some(at)
    }

    /// At least one.
    #[inline(always)]
    fn after_digits(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(word) = self.batch.get(at..).and_then(<[u8]>::first_chunk) {
            let others = others_than_digits(*word);
            if others != 0 {
                at += others.trailing_zeros() as usize / 8;
                return (at > start).then_some(at);
            }
            at += word.len();
        }
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        (at > start).then_some(at)
    }
}

/// The marks of a text, one after the other: the bytes that mean something within a string.
struct Marks<'a> {
    text: &'a Text<'a>,
    window: &'a Window,
    /// Where the block begins that the bits are of.
    block: usize,
    /// The marks that have not been passed: a bit each, the lowest for the first.
    bits: u64,
}

impl Marks<'_> {
    /// Passes the next one.
    #[inline(always)]
    fn next(&mut self) -> Mark {
        while self.bits == 0 {
            self.block += BLOCK_BYTES;
            (self.window, self.bits) = self.text.block(self.block);
        }
        let place = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        let bytes = self.window[place..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        Mark { at: self.block + place, bytes }
    }

    /// Passes all before this place.
    #[inline(always)]
    fn pass_to(&mut self, at: usize) {
        if at - self.block >= BLOCK_BYTES {
            self.block = at - at % BLOCK_BYTES;
            (self.window, self.bits) = self.text.block(self.block);
        }
        self.bits &= u64::MAX << (at % BLOCK_BYTES);
    }

    /// The closing quote of the string that was entered.
    #[inline(always)]
    fn string_end(&mut self) -> Option<Mark> {
        loop {
            let mark = self.next();
            match mark.bytes()[0] {
                b'"' => return Some(mark),
                b'\\' => {
                    let after = self.text.after_escape(mark.at)?;
                    self.pass_to(after);
                }
                _ => return None,
            }
        }
    }
}

/// A byte that means something within a string.
struct Mark {
    at: usize,
    /// It and those behind it, the first one lowest: compared as one number.
    bytes: u32,
}

impl Mark {
    #[inline(always)]
    fn bytes(&self) -> [u8; MARK_BYTES] {
        self.bytes.to_le_bytes()
    }

    #[inline(always)]
    fn begins(&self, with: &[u8; 3]) -> bool {
        self.bytes & 0x00ff_ffff == u32::from_le_bytes([with[0], with[1], with[2], 0])
    }
}

/// The lowest bit that is set is in the first byte that is not a digit; none is if all are.
fn others_than_digits(word: [u8; 8]) -> u64 {
    // Digits become 0 to 9, and stay below 128 with 118 more. What is no digit has the high bit then, or had it before; only such a
    // byte can carry into the next, so that all before the first of them are as they should be.
    let values = u64::from_le_bytes(word) ^ 0x3030_3030_3030_3030;
    (values | values.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080
}

/// Which bytes end or interrupt a string: quotes, backslashes and control characters.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn special(block: &[u8; BLOCK_BYTES]) -> u64 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
        _mm_xor_si128,
    };
    let mut bits = 0;
    for (index, part) in block.chunks_exact(16).enumerate() {
        // SAFETY: every x86-64 processor has SSE2, and the part has the 16 bytes that are loaded.
        let mask = unsafe {
            let bytes = _mm_loadu_si128(part.as_ptr().cast::<__m128i>());
            let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
            // With this bit turned over, the quote (0x22) is 0x20, and nothing else comes to be below that.
            let turned = _mm_xor_si128(bytes, _mm_set1_epi8(2));
            let others = _mm_cmpeq_epi8(_mm_min_epu8(turned, _mm_set1_epi8(0x20)), turned);
            _mm_movemask_epi8(_mm_or_si128(backslashes, others))
        };
        bits |= u64::from(mask as u16) << (16 * index);
    }
    bits
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn special(block: &[u8; BLOCK_BYTES]) -> u64 {
    special_in_words(block)
}

/// The same, eight bytes at a time, for any processor.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn special_in_words(block: &[u8; BLOCK_BYTES]) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    /// The high bit of each byte that is 0. (The lower bits make sure that no byte borrows of its neighbour.)
    const fn zeros(word: u64) -> u64 {
        !(((word & !HIGH) + !HIGH) | word) & HIGH
    }
    let mut bits = 0;
    for (index, part) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*part);
        let quotes = zeros(word ^ (LOW * b'"' as u64));
        let backslashes = zeros(word ^ (LOW * b'\\' as u64));
        let controls = zeros(word & (LOW * 0xe0));
        // The eight high bits, side by side.
        let mask = ((quotes | backslashes | controls) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= mask << (8 * index);
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    /// The objects of the lines that are taken, in their order, and where the first line is that is not.
    fn scan(batch: &str) -> (Vec<&str>, usize) {
        let mut scanner = JsonScanner::new(batch);
        let objects = std::iter::from_fn(|| scanner.next_object()).map(|object| &batch[object]).collect();
        (objects, scanner.position())
    }

    #[test]
    fn what_is_plainly_an_object_is_taken() {
        let deep = format!("{}1{}", "{\"a\":".repeat(64), "}".repeat(64));
        for object in [
            "{}",
            "{ }",
            r#"{"a":1}"#,
            r#"{"a" : -0.5e+10 , "b":[ ] , "c":[1,"x",{"d":null},[true,false]]}"#,
            r#"{"":"","\"\\\/\b\f\n\r\t\u00e9\uD800":"é – 🦀"}"#,
            "{\t\"a\"\t:0}",
            deep.as_str(),
        ] {
            assert_eq!(scan(object).0, [object]);
            assert_eq!(scan(&format!(" {object}\t\r\n{object}")), (vec![object; 2], 2 * object.len() + 5));
        }
    }

    #[test]
    fn what_is_none_is_not() {
        let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
        for line in [
            "",
            "[]",
            "1",
            "{",
            "}",
            "{]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":[1,]}",
            "{\"a\":[,1]}",
            "{\"a\":1 2}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":+1}",
            "{\"a\":tru}",
            "{\"a\":truee}",
            "{\"a\":nul",
            "{'a':1}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\0\"}",
            "{\"a\":1}{}",
            "{\"a\":1} x",
            "{\"a\":[}",
            "{\"a\":{]}",
            "{\"a\":\"b",
            "{\"a\"\n:1}",
            "{\"a\"\r:1}",
            "{\"a\":\"b\",\"c\"}",
            "{\"a\":\"b\",\"",
            "{\"a\":\"b\",\"c\":\"",
            "{\"a\":\"b\";\"c\":1}",
            "{\"a\":\"b\",1:\"c\"}",
            "{\"a\":1,\"b\"}",
            "{\"a\":1,\"b\",\"c\":2}",
            "{\"a\":-,\"b\":2}",
            "{\"a\":00,\"b\":2}",
            "{\"a\":\"b\":\"c\":\"d\"}",
            "{\"a\",\"b\":\"c\"}",
            "[\"a\",\"b\"]",
            "{\"a\":[\"b\":\"c\"]}",
            "{\"a\":1",
            "{a:1}",
            deep.as_str(),
        ] {
            assert_eq!(scan(line), (vec![], 0), "{line}");
            assert_eq!(scan(&format!("{{}}\n{line}\n{{}}")), (vec!["{}"], 3), "{line}");
        }
    }

    /// How a general parser sees it: the plain objects of the lines from the beginning on, and where the first line is that has none.
    fn parse(batch: &str) -> (Vec<&str>, usize) {
        let mut objects = Vec::new();
        let mut position = 0;
        for line in batch.split_inclusive('\n') {
            let end = line.strip_suffix('\n').unwrap_or(line);
            let object = end.strip_suffix('\r').unwrap_or(end).trim_matches([' ', '\t']);
            let plain = object.starts_with('{') && !object.contains('\r');
            if !plain || serde_json::from_str::<IgnoredAny>(object).is_err() {
                break;
            }
            objects.push(object);
            position += line.len();
        }
        (objects, position)
    }

    /// The same as a general parser. (A position may be one further where there is no line break at the end.)
    fn agrees(batch: &str) -> bool {
        let (objects, position) = scan(batch);
        (objects, position.min(batch.len())) == parse(batch)
    }

    #[test]
    fn wherever_blocks_begin_and_batches_end_it_is_the_same() {
        for shift in 0..=BLOCK_BYTES {
            let text = "x".repeat(shift);
            let line = format!(
                "{{\"a\":\"{text}\",\"b\\\"\":12345678.5,\"c\\\\\":\"\",\"d\":{{\"e\":[\"f\",\"\\u00e9\\n\"]}},\"g\":\"{text}\"}}\n"
            );
            let lines = line.repeat(2);
            for end in line.len() - 5..=lines.len() {
                assert!(agrees(&lines[..end]), "{shift} {end}");
            }
            // Nothing but the batch itself says where it ends.
            assert_eq!(scan(&lines).0.len(), 2);
        }
    }

    /// Lines such as sources send, with pieces of them cut out, put in or written over.
    fn batches() -> impl Strategy<Value = String> {
        let text = "[a-c ,:{}\\[\\]0-9é]{0,40}";
        let value = prop_oneof![
            6 => text.prop_map(|text| format!("\"{text}\"")),
            2 => (text, "\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-f]{2}", text).prop_map(|(a, escape, b)| format!("\"{a}{escape}{b}\"")),
            2 => any::<i64>().prop_map(|number| number.to_string()),
            2 => any::<f32>().prop_map(|number| serde_json::json!(number).to_string()),
            1 => Just("[1.5e3,{\"d\":true},\"x\",\"y\",[ ]]".to_owned()),
            1 => Just("{\"e\":\"f\",\"g\":-0,\"h\":{}}".to_owned()),
        ];
        let key = prop_oneof![8 => "[a-z_é]{0,20}", 1 => Just("k\\\"".to_owned()), 1 => Just("\\\\".to_owned())];
        let colon = prop_oneof![9 => Just(":"), 1 => Just(" :\t ")];
        let member = (key, colon, value).prop_map(|(key, colon, value)| format!("\"{key}\"{colon}{value}"));
        let comma = prop_oneof![4 => Just(","), 1 => Just(", ")];
        let line_break = prop_oneof![8 => Just("\n"), 1 => Just("\r\n")];
        let object = (proptest::collection::vec(member, 0..8), comma)
            .prop_map(|(members, comma)| format!("{{{}}}", members.join(comma)));
        // The same twice, as the records of a stream are alike.
        let lines = (object, line_break).prop_map(|(object, line_break)| format!("{object}{line_break}").repeat(2));
        let piece = prop_oneof![
            2 => Just(String::new()),
            1 => prop::sample::select(vec!["\"", "\\", "\",\"", "\":\"", ",", ":", "{", "}", "]", "\n", "\r", "0", "-"]).prop_map(str::to_owned),
            1 => "[{}\\[\\]\":,a0-9.eE+\\- \\\\\\r\\n\\t\u{0}é]{1,3}",
        ];
        let change = (any::<prop::sample::Index>(), 0..3_usize, piece);
        (proptest::collection::vec(lines, 0..4), proptest::collection::vec(change, 0..3)).prop_map(
            |(lines, changes)| {
                let mut text: Vec<char> = lines.concat().chars().collect();
                for (from, count, piece) in changes {
                    let from = from.index(text.len() + 1);
                    let to = text.len().min(from + count);
                    text.splice(from..to, piece.chars());
                }
                text.into_iter().collect()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_taken_is_what_a_general_parser_takes(batch in batches()) {
            prop_assert!(agrees(&batch), "{:?} {:?}", scan(&batch), parse(&batch));
        }

        #[test]
        fn digits_end_where_they_do(word: [u8; 8], digits in 0..=8_usize) {
            let mut word = word;
            word[..digits].fill(b'7');
            let expected = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(8);
            prop_assert_eq!(others_than_digits(word).trailing_zeros() as usize / 8, expected);
        }

        #[test]
        fn bits_are_the_same_on_every_processor(block: [u8; BLOCK_BYTES]) {
            let expected = (0..BLOCK_BYTES).filter(|at| matches!(block[*at], b'"' | b'\\' | ..=0x1f)).map(|at| 1 << at).sum::<u64>();
            prop_assert_eq!(special(&block), expected);
            prop_assert_eq!(special_in_words(&block), expected);
        }
    }
}
