//! Python's `ast.literal_eval`: what the CDK makes of every template's text. Knows no templates.

use super::value::Value;

/// Literals within each other. Python's parser ends where there are 200 brackets.
const MAX_DEPTH: u32 = 100;

/// The value of a text that is a literal of Python. None of any other text.
pub fn literal<'v>(text: &str) -> Option<Value<'v>> {
    let first = text.trim_start_matches([' ', '\t']).chars().next()?;
    // Most texts are none, and show it at once.
    let may_be = first.is_ascii_digit()
        || matches!(first, '"' | '\'' | '(' | '[' | '{' | '+' | '-' | '.' | '\n' | '#' | '\\')
        || matches!(first, 'T' | 'F' | 'N' | 's' | 'r' | 'R' | 'u' | 'U');
    if !may_be || text.contains('\0') {
        return None;
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim_start_matches([' ', '\t']);
    let mut reader = Reader { rest: text, depth: 0, brackets: 0 };
    reader.blank_lines();
    let value = reader.tuple(true)?;
    reader.blanks();
    reader.blank_lines();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
    depth: u32,
    /// How many are open: within them, a line's end is a blank.
    brackets: u32,
}

impl Reader<'_> {
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Lines with nothing in them.
    fn blank_lines(&mut self) {
        while let Some((line, after)) = self.rest.split_once('\n') {
            let line = line.trim_start_matches([' ', '\t', '\u{c}']);
            if !line.is_empty() && !line.starts_with('#') {
                return;
            }
            self.rest = after;
        }
        let line = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
        if line.is_empty() || line.starts_with('#') {
            self.rest = "";
        }
    }

    fn blanks(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
            self.take("\\\n");
            if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = self.rest.get(end..).unwrap_or_default();
            }
            if self.brackets > 0 {
                self.take("\n");
            }
            if self.rest.len() == before {
                return;
            }
        }
    }

    /// A value, or several that make a tuple.
    fn tuple<'v>(&mut self, may_be_one: bool) -> Option<Value<'v>> {
        let first = self.value()?;
        self.blanks();
        if may_be_one && !self.rest.starts_with(',') {
            return Some(first);
        }
        let mut elements = vec![first];
        while self.take(",") {
            self.blanks();
            if self.rest.is_empty() || self.rest.starts_with([')', '\n']) {
                break;
            }
            elements.push(self.value()?);
            self.blanks();
        }
        Some(Value::tuple(elements))
    }

    fn value<'v>(&mut self) -> Option<Value<'v>> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        self.blanks();
        let value = self.value_within();
        self.depth -= 1;
        value
    }

    fn value_within<'v>(&mut self) -> Option<Value<'v>> {
        match self.rest.chars().next()? {
            '(' => self.in_brackets(|reader| {
                if reader.take(")") {
                    return Some(Value::tuple(Vec::new()));
                }
                let value = reader.tuple(true)?;
                reader.blanks();
                reader.take(")").then_some(value)
            }),
            '[' => self.in_brackets(|reader| reader.elements("]").map(Value::list)),
            '{' => self.in_brackets(Self::dict_or_set),
            '+' | '-' => self.signed(),
            '0'..='9' | '.' => self.number(),
            '"' | '\'' => self.texts(),
            'r' | 'R' | 'u' | 'U' if self.rest.get(1..2).is_some_and(|next| matches!(next, "'" | "\"")) => self.texts(),
            _ => {
                let end =
                    self.rest.find(|next: char| next != '_' && !next.is_alphanumeric()).unwrap_or(self.rest.len());
                let (name, after) = self.rest.split_at_checked(end)?;
                let value = match name {
                    "None" => Value::None,
                    "True" => Value::Bool(true),
                    "False" => Value::Bool(false),
                    "set" => {
                        self.rest = after;
                        self.blanks();
                        let is_call = self.take("(") && {
                            self.rest = self.rest.trim_start_matches([' ', '\t', '\n']);
                            self.take(")")
                        };
                        return is_call.then(|| Value::Set(std::rc::Rc::default()));
                    }
                    _ => return None,
                };
                self.rest = after;
                Some(value)
            }
        }
    }

    fn in_brackets<'v>(&mut self, read: impl FnOnce(&mut Self) -> Option<Value<'v>>) -> Option<Value<'v>> {
        self.rest = self.rest.get(1..)?;
        self.brackets += 1;
        self.blanks();
        let value = read(self);
        self.brackets -= 1;
        value
    }

    fn elements<'v>(&mut self, end: &str) -> Option<Vec<Value<'v>>> {
        let mut elements = Vec::new();
        loop {
            self.blanks();
            if self.take(end) {
                return Some(elements);
            }
            elements.push(self.value()?);
            self.blanks();
            if !self.take(",") {
                return self.take(end).then_some(elements);
            }
        }
    }

    fn dict_or_set<'v>(&mut self) -> Option<Value<'v>> {
        if self.take("}") {
            return Some(Value::dict(Vec::new()));
        }
        let first = self.value()?;
        self.blanks();
        if !first.is_hashable() {
            return None;
        }
        if self.take(":") {
            let mut entries = vec![(first, self.value()?)];
            loop {
                self.blanks();
                let is_more = self.take(",");
                self.blanks();
                if self.take("}") {
                    return Some(Value::dict(entries));
                }
                if !is_more {
                    return None;
                }
                let key = self.value().filter(Value::is_hashable)?;
                self.blanks();
                if !self.take(":") {
                    return None;
                }
                entries.push((key, self.value()?));
            }
        }
        let mut elements = vec![first];
        if self.take(",") {
            elements.extend(self.elements("}")?);
        } else if !self.take("}") {
            return None;
        }
        if !elements.iter().all(Value::is_hashable) {
            return None;
        }
        let mut set: Vec<Value<'v>> = Vec::new();
        for element in elements {
            if !set.iter().any(|known| known.equals(&element)) {
                set.push(element);
            }
        }
        Some(Value::Set(std::rc::Rc::new(set)))
    }

    /// A number with a sign. Two signs, or a sign of something else, are none.
    fn signed<'v>(&mut self) -> Option<Value<'v>> {
        let is_negative = self.rest.starts_with('-');
        self.rest = self.rest.get(1..)?;
        self.blanks();
        let value = if self.rest.starts_with('(') { self.value()? } else { self.number()? };
        match value {
            Value::Int(int) => Some(Value::Int(if is_negative { -int } else { int })),
            Value::Float(float) => Some(Value::Float(if is_negative { -float } else { float })),
            _ => None,
        }
    }

    fn number<'v>(&mut self) -> Option<Value<'v>> {
        let end = self.number_end();
        let (number, after) = self.rest.split_at_checked(end)?;
        // A name or another number that follows at once, and the imaginary unit.
        if after.starts_with(|next: char| next == '_' || next == '.' || next.is_alphanumeric()) {
            return None;
        }
        let digits = number.replace('_', "");
        let radix = match digits.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            Some("0b" | "0B") => 2,
            _ => 10,
        };
        let value = if radix != 10 {
            Value::Int(i128::from_str_radix(digits.get(2..)?, radix).ok()?)
        } else if digits.contains(['.', 'e', 'E']) {
            Value::Float(digits.parse().ok()?)
        } else {
            if digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0') {
                return None;
            }
            Value::Int(digits.parse().ok()?)
        };
        self.rest = after;
        Some(value)
    }

    fn number_end(&self) -> usize {
        let rest = self.rest;
        let radix = match rest.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            Some("0b" | "0B") => 2,
            _ => 10,
        };
        let digits = |at: usize, radix: u32, underscore_first: bool| {
            let mut end = at;
            let mut may_be_underscore = underscore_first;
            for (index, next) in rest.get(at..).unwrap_or_default().char_indices() {
                if next.is_digit(radix) {
                    end = at + index + 1;
                    may_be_underscore = true;
                } else if next == '_' && may_be_underscore {
                    may_be_underscore = false;
                } else {
                    break;
                }
            }
            end
        };
        if radix != 10 {
            return digits(2, radix, true);
        }
        let mut end = digits(0, 10, false);
        let whole = end;
        if rest.get(end..).is_some_and(|rest| rest.starts_with('.')) {
            end = digits(end + 1, 10, false);
            if end == whole + 1 && whole == 0 {
                return 0;
            }
        }
        if rest.get(end..).is_some_and(|rest| rest.starts_with(['e', 'E'])) {
            let sign = usize::from(rest.get(end + 1..).is_some_and(|rest| rest.starts_with(['+', '-'])));
            let exponent = digits(end + 1 + sign, 10, false);
            if exponent > end + 1 + sign {
                end = exponent;
            }
        }
        end
    }

    /// Texts in a row, which are one.
    fn texts<'v>(&mut self) -> Option<Value<'v>> {
        let mut text = String::new();
        loop {
            let is_raw = self.rest.starts_with(['r', 'R']);
            self.rest = self.rest.trim_start_matches(['r', 'R', 'u', 'U']);
            let quote = match self.rest.get(..3) {
                Some(quote @ ("\"\"\"" | "'''")) => quote.to_owned(),
                _ => self.rest.get(..1)?.to_owned(),
            };
            self.rest = self.rest.get(quote.len()..)?;
            let end = text_end(self.rest, &quote)?;
            let inside = self.rest.get(..end)?;
            if is_raw {
                text.push_str(inside);
            } else {
                text.push_str(&unescape(inside)?);
            }
            self.rest = self.rest.get(end + quote.len()..)?;
            self.blanks();
            let next = self.rest.trim_start_matches(['r', 'R', 'u', 'U']);
            let is_more = self.rest.len() - next.len() <= 1 && next.starts_with(['"', '\'']);
            if !is_more {
                return Some(Value::text(text));
            }
        }
    }
}

fn text_end(text: &str, quote: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' if quote.len() == 1 => return None,
            _ if text.get(at..)?.starts_with(quote) => return Some(at),
            _ => {}
        }
    }
    None
}

/// A text without Python's escapes. None where one is wrong, or a character's name.
pub fn unescape(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        let escape = rest.next()?;
        let hex = |rest: &mut std::str::Chars<'_>, count: usize| {
            let code = u32::from_str_radix(rest.as_str().get(..count)?, 16).ok()?;
            (0..count).for_each(|_| {
                rest.next();
            });
            Some(code)
        };
        match escape {
            '\n' => {}
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            '\\' | '\'' | '"' => out.push(escape),
            'x' => out.push(char::from_u32(hex(&mut rest, 2)?)?),
            'u' => {
                let mut code = hex(&mut rest, 4)?;
                // Two halves of one character: Python joins them when it writes them.
                if (0xd800..0xdc00).contains(&code) {
                    rest = rest.as_str().strip_prefix("\\u")?.chars();
                    let low = hex(&mut rest, 4).filter(|low| (0xdc00..0xe000).contains(low))?;
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                out.push(char::from_u32(code)?);
            }
            'U' => out.push(char::from_u32(hex(&mut rest, 8)?)?),
            'N' => return None,
            '0'..='7' => {
                let mut code = escape.to_digit(8)?;
                for _ in 0..2 {
                    let Some(digit) = rest.as_str().chars().next().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    rest.next();
                }
                out.push(char::from_u32(code)?);
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Some(out)
}
