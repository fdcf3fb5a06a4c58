//! Records that are plainly JSON: one pass over a batch finds its lines, and for each whether it is one whole JSON object. It is a
//! shortcut, several times as fast as a general parser: what it takes is right, and what it does not take may be right as well. Knows
//! nothing of what becomes of a record.
//!
//! The pass goes from one byte of meaning to the next: 64 bytes at a time become a bit set of those that end or interrupt a string
//! (quotes, backslashes, control characters), so that no string is looked at byte by byte.

use std::ops::Range;

/// How many bytes become bits at once.
const BLOCK_BYTES: usize = 64;

/// Deeper nesting is left to a general parser: each level is a bit.
const MAX_DEPTH: u32 = 64;

/// Goes through a batch, line by line.
pub struct JsonScanner<'a> {
    batch: &'a [u8],
    /// What has not been looked at yet.
    at: usize,
    /// Where the block begins that `special` is of.
    block: usize,
    /// The bytes of the block, from `at` on, that mean something within a string: a bit each, the lowest the first.
    special: u64,
    carriage_returns: bool,
}

impl<'a> JsonScanner<'a> {
    /// From the beginning of a batch, which must be UTF-8: that is not looked at.
    pub fn new(batch: &'a str) -> JsonScanner<'a> {
        let mut scanner = JsonScanner { batch: batch.as_bytes(), at: 0, block: 0, special: 0, carriage_returns: false };
        scanner.go_to(0);
        scanner
    }

    /// From here on.
    pub fn go_to(&mut self, at: usize) {
        self.at = at;
        self.block = at - at % BLOCK_BYTES;
        self.special = self.block_at(self.block) & (u64::MAX << (at % BLOCK_BYTES));
    }

    /// Where the next line begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether there was a carriage return between the tokens of a line that was taken.
    pub fn carriage_returns(&self) -> bool {
        self.carriage_returns
    }

    /// The object on the next line, without the white space around it. None at the end, and where the line is not plainly an object:
    /// then `position` is still its beginning.
    pub fn next_object(&mut self) -> Option<Range<usize>> {
        let line = self.at;
        let found = self.object_on_line();
        if found.is_none() {
            self.go_to(line);
        }
        found
    }

    fn object_on_line(&mut self) -> Option<Range<usize>> {
        let start = self.after_space(self.at);
        if self.byte(start) != b'{' {
            return None;
        }
        let end = self.after_object(start + 1)?;
        let line_end = self.after_space(end);
        if line_end < self.batch.len() && self.byte(line_end) != b'\n' {
            return None;
        }
        self.at = line_end + 1;
        Some(start..end)
    }

    /// Where the object ends that was entered before `at`.
    fn after_object(&mut self, mut at: usize) -> Option<usize> {
        // What encloses what is at hand, innermost lowest: 1 for an object, 0 for an array.
        let mut enclosing: u64 = 1;
        let mut depth = 1;
        // Whether something must come, for there was a comma before.
        let mut after_comma = false;
        loop {
            at = self.after_space(at);
            let in_object = enclosing & 1 == 1;
            let closing = if in_object { b'}' } else { b']' };
            let mut closed = !after_comma && self.byte(at) == closing;
            if !closed {
                if in_object {
                    if self.byte(at) != b'"' {
                        return None;
                    }
                    let end = self.after_string(at)?;
                    at = self.after_space(end);
                    if self.byte(at) != b':' {
                        return None;
                    }
                    at = self.after_space(at + 1);
                }
                match self.byte(at) {
                    b'"' => at = self.after_string(at)?,
                    opening @ (b'{' | b'[') => {
                        if depth == MAX_DEPTH {
                            return None;
                        }
                        depth += 1;
                        enclosing = enclosing << 1 | u64::from(opening == b'{');
                        after_comma = false;
                        at += 1;
                        continue;
                    }
                    b't' => at = self.after_word(at, b"true")?,
                    b'f' => at = self.after_word(at, b"false")?,
                    b'n' => at = self.after_word(at, b"null")?,
                    _ => at = self.after_number(at)?,
                }
            }
            // After a value, or at the end of what encloses.
            loop {
                if !closed {
                    at = self.after_space(at);
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

    /// The byte there; 0, which nothing begins or ends with, behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.batch.get(at).copied().unwrap_or(0)
    }

    /// JSON's white space but the line break, which ends a record.
    #[inline(always)]
    fn after_space(&mut self, mut at: usize) -> usize {
        while let byte @ (b' ' | b'\t' | b'\r') = self.byte(at) {
            self.carriage_returns |= byte == b'\r';
            at += 1;
        }
        at
    }

    /// Where the string ends that begins with the quote at `at`.
    #[inline(always)]
    fn after_string(&mut self, at: usize) -> Option<usize> {
        let mut from = at + 1;
        loop {
            let special = self.next_special(from)?;
            match self.byte(special) {
                b'"' => return Some(special + 1),
                b'\\' => from = self.after_escape(special)?,
                _ => return None,
            }
        }
    }

    /// The first byte from `from` on that means something in a string. Those before are forgotten.
    #[inline(always)]
    fn next_special(&mut self, from: usize) -> Option<usize> {
        let mut here = from.wrapping_sub(self.block);
        if here < BLOCK_BYTES {
            self.special &= u64::MAX << here;
        } else {
            self.block = from - from % BLOCK_BYTES;
            here = from % BLOCK_BYTES;
            self.special = self.block_at(self.block) & (u64::MAX << here);
        }
        while self.special == 0 {
            self.block += BLOCK_BYTES;
            if self.block >= self.batch.len() {
                return None;
            }
            self.special = self.block_at(self.block);
        }
        Some(self.block + self.special.trailing_zeros() as usize)
    }

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
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        (at > start).then_some(at)
    }

    /// The bits of the block that begins there. Behind the end there are none.
    #[inline(always)]
    fn block_at(&self, start: usize) -> u64 {
        match self.batch.get(start..).and_then(<[u8]>::first_chunk::<BLOCK_BYTES>) {
            Some(block) => special(block),
            None => {
                let rest = self.batch.get(start..).unwrap_or_default();
                // Blanks: they mean nothing in a string.
                let mut block = [b' '; BLOCK_BYTES];
                block[..rest.len()].copy_from_slice(rest);
                special(&block)
            }
        }
    }
}

/// Which bytes end or interrupt a string: quotes, backslashes and control characters.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn special(block: &[u8; BLOCK_BYTES]) -> u64 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let mut bits = 0;
    for (index, part) in block.chunks_exact(16).enumerate() {
        // SAFETY: every x86-64 processor has SSE2, and the part has the 16 bytes that are loaded.
        let mask = unsafe {
            let bytes = _mm_loadu_si128(part.as_ptr().cast::<__m128i>());
            let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
            let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
            let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls))
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
            "{\t\"a\"\r:0}",
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
            "{\"a\":1",
            "{a:1}",
            deep.as_str(),
        ] {
            assert_eq!(scan(line), (vec![], 0), "{line}");
            assert_eq!(scan(&format!("{{}}\n{line}\n{{}}")), (vec!["{}"], 3), "{line}");
        }
    }

    /// Objects with pieces of them replaced, or anything.
    fn batches() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            6 => Just(r#"{"a":1,"b":"x","c":{"d":[1.5e3,null]}}"#.to_owned()),
            6 => Just(format!("{{\"long\":\"{}\",\"b\":true}}", "lorem ipsum ".repeat(9))),
            3 => Just("\n".to_owned()),
            1 => "[{}\\[\\]\":,a0-9.eE+\\- \\\\\\r\\n\\t\u{0}é]{1,3}",
        ];
        let cut = any::<(prop::sample::Index, prop::sample::Index, bool)>();
        (proptest::collection::vec(piece, 0..12), cut).prop_map(|(pieces, (from, to, cuts))| {
            let text: Vec<char> = pieces.concat().chars().collect();
            let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
            let (from, to) = if cuts { (from.min(to), to.max(from).min(from.min(to) + 3)) } else { (0, 0) };
            text[..from].iter().chain(&text[to..]).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_taken_is_what_a_general_parser_takes(batch in batches()) {
            let (objects, position) = scan(&batch);
            let mut lines = batch.split_inclusive('\n');
            let mut place = 0;
            for object in objects {
                let line = lines.next().unwrap();
                place += line.len();
                prop_assert_eq!(object, line.trim_ascii());
                prop_assert!(object.starts_with('{') && serde_json::from_str::<IgnoredAny>(object).is_ok(), "{}", object);
            }
            // Nothing of this is nested deeply, so that it takes all that is right.
            if let Some(line) = lines.next() {
                prop_assert_eq!(position, place);
                let line = line.trim_ascii();
                prop_assert!(!line.starts_with('{') || serde_json::from_str::<IgnoredAny>(line).is_err(), "{}", line);
            }
        }

        #[test]
        fn bits_are_the_same_on_every_processor(block: [u8; BLOCK_BYTES]) {
            let expected = (0..BLOCK_BYTES).filter(|at| matches!(block[*at], b'"' | b'\\' | ..=0x1f)).map(|at| 1 << at).sum::<u64>();
            prop_assert_eq!(special(&block), expected);
            prop_assert_eq!(special_in_words(&block), expected);
        }
    }
}
