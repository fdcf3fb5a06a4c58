//! From a template's text to tokens, as Jinja's lexer does. Knows no grammar.

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// Text outside of tags.
    Data(String),
    OutputBegin,
    OutputEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Text(String),
    Int(i128),
    Float(f64),
    Operator(&'static str),
}

const OPERATORS: [&str; 26] = [
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
];

/// The tokens of a template, or what is wrong with it.
pub fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let mut lexer = Lexer { rest: source, tokens: Vec::new() };
    while !lexer.rest.is_empty() {
        lexer.data()?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    rest: &'s str,
    tokens: Vec<Token>,
}

impl<'s> Lexer<'s> {
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Text to the next tag, and that tag.
    fn data(&mut self) -> Result<(), String> {
        let Some(begin) = self
            .rest
            .match_indices('{')
            .map(|(at, _)| at)
            .find(|at| self.rest.get(at + 1..).is_some_and(|after| after.starts_with(['{', '%', '#'])))
        else {
            self.push_data(self.rest, false);
            self.rest = "";
            return Ok(());
        };
        let (data, tag) = self.rest.split_at_checked(begin).unwrap_or((self.rest, ""));
        let kind = tag.chars().nth(1).unwrap_or_default();
        self.rest = tag.get(2..).unwrap_or_default();
        // A minus takes away the blanks before the tag; a plus means nothing here.
        let is_stripped = self.rest.starts_with('-');
        self.push_data(data, is_stripped);
        if self.rest.starts_with(['-', '+']) {
            self.skip(1);
        }
        match kind {
            '#' => self.comment(),
            '{' => {
                self.tokens.push(Token::OutputBegin);
                self.expression("}}", Token::OutputEnd)
            }
            _ => match self.raw_begin() {
                Some(rest) => {
                    self.rest = rest;
                    self.raw()
                }
                None => {
                    self.tokens.push(Token::BlockBegin);
                    self.expression("%}", Token::BlockEnd)
                }
            },
        }
    }

    fn push_data(&mut self, data: &str, is_stripped: bool) {
        let data = if is_stripped { data.trim_end() } else { data };
        if !data.is_empty() {
            self.tokens.push(Token::Data(data.to_owned()));
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let end = self.rest.find("#}").ok_or("a comment {# has no end #}")?;
        let is_stripped = self.rest.get(..end).is_some_and(|comment| comment.ends_with('-'));
        self.skip(end + 2);
        if is_stripped {
            self.rest = self.rest.trim_start();
        }
        Ok(())
    }

    /// What comes after `raw %}`, if that is the tag.
    fn raw_begin(&self) -> Option<&'s str> {
        let rest = self.rest.trim_start().strip_prefix("raw")?.trim_start();
        rest.strip_prefix("-%}").map(str::trim_start).or_else(|| rest.strip_prefix("%}"))
    }

    /// Text to `{% endraw %}`.
    fn raw(&mut self) -> Result<(), String> {
        let mut at = 0;
        while let Some(begin) = self.rest.get(at..).and_then(|rest| rest.find("{%")) {
            let begin = at + begin;
            let tag = self.rest.get(begin + 2..).unwrap_or_default();
            let inside = tag.strip_prefix(['-', '+']).unwrap_or(tag).trim_start();
            if let Some(end) = inside.strip_prefix("endraw") {
                let end = end.trim_start();
                let (end, is_stripped) = match end.strip_prefix('-') {
                    Some(end) => (end, true),
                    None => (end.strip_prefix('+').unwrap_or(end), false),
                };
                if let Some(after) = end.strip_prefix("%}") {
                    let data = self.rest.get(..begin).unwrap_or_default();
                    self.push_data(data, tag.starts_with('-'));
                    self.rest = if is_stripped { after.trim_start() } else { after };
                    return Ok(());
                }
            }
            at = begin + 2;
        }
        Err("{% raw %} has no end {% endraw %}".to_owned())
    }

    /// What stands in a tag, to its end.
    fn expression(&mut self, end: &str, end_token: Token) -> Result<(), String> {
        let mut open = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if open.is_empty() {
                let is_stripped = self.rest.starts_with('-');
                let is_plus = end == "%}" && self.rest.starts_with('+');
                let at_end = if is_stripped || is_plus { self.rest.get(1..) } else { Some(self.rest) };
                if let Some(after) = at_end.and_then(|rest| rest.strip_prefix(end)) {
                    self.rest = if is_stripped { after.trim_start() } else { after };
                    self.tokens.push(end_token);
                    return Ok(());
                }
            }
            let Some(first) = self.rest.chars().next() else {
                return Err(format!("a tag has no end {end}"));
            };
            if first == '"' || first == '\'' {
                self.text(first)?;
            } else if first.is_ascii_digit() {
                self.number()?;
            } else if first == '_' || first.is_alphabetic() {
                let is_name = |next: char| next == '_' || next.is_alphanumeric();
                let end = self.rest.find(|next| !is_name(next)).unwrap_or(self.rest.len());
                self.tokens.push(Token::Name(self.rest.get(..end).unwrap_or_default().to_owned()));
                self.skip(end);
            } else {
                let operator = OPERATORS.into_iter().find(|operator| self.rest.starts_with(operator));
                let operator = operator.ok_or_else(|| format!("the character {first:?} has no meaning in a tag"))?;
                match operator {
                    "(" => open.push(")"),
                    "[" => open.push("]"),
                    "{" => open.push("}"),
                    ")" | "]" | "}" if open.pop() != Some(operator) => {
                        return Err(format!("{operator} closes nothing"));
                    }
                    _ => {}
                }
                self.tokens.push(Token::Operator(operator));
                self.skip(operator.len());
            }
        }
    }

    /// A text in quotes.
    fn text(&mut self, quote: char) -> Result<(), String> {
        let inside = self.rest.get(1..).unwrap_or_default();
        let mut is_escaped = false;
        for (at, character) in inside.char_indices() {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                _ if character == quote => {
                    let text = super::literal::unescape(inside.get(..at).unwrap_or_default());
                    self.tokens.push(Token::Text(text.ok_or("a text has an escape \\ that is none")?));
                    self.skip(at + 2);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(format!("a text has no end {quote}"))
    }

    fn number(&mut self) -> Result<(), String> {
        let too_large = || "a number is too large".to_owned();
        let after_dot = matches!(self.tokens.last(), Some(Token::Operator(".")));
        let radix = match self.rest.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            Some("0b" | "0B") => 2,
            _ => 10,
        };
        if radix != 10 {
            let digits = self.rest.get(2..).unwrap_or_default();
            let end = digits.find(|next: char| next != '_' && !next.is_digit(radix)).unwrap_or(digits.len());
            let digits: String = digits.chars().take(end).filter(|next| *next != '_').collect();
            if !digits.is_empty() {
                self.tokens.push(Token::Int(i128::from_str_radix(&digits, radix).map_err(|_| too_large())?));
                self.skip(end + 2);
                return Ok(());
            }
        }
        let whole = digits(self.rest);
        let mut end = whole;
        let mut is_float = false;
        if !after_dot {
            let fraction = self.rest.get(end..).and_then(|rest| rest.strip_prefix('.')).map_or(0, digits);
            if fraction > 0 {
                end += 1 + fraction;
                is_float = true;
            }
            let exponent = self.rest.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E']));
            if let Some(exponent) = exponent {
                let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                let length = digits(unsigned);
                if length > 0 {
                    end += 1 + (exponent.len() - unsigned.len()) + length;
                    is_float = true;
                }
            }
        }
        let text: String = self.rest.chars().take(end).filter(|next| *next != '_').collect();
        if is_float {
            self.tokens.push(Token::Float(text.parse().map_err(|_| too_large())?));
        } else {
            // A zero in front is a number of its own, and two numbers in a row are none.
            if text.len() > 1 && text.starts_with('0') && text.bytes().any(|byte| byte != b'0') {
                return Err(format!("the number {text} begins with a zero"));
            }
            self.tokens.push(Token::Int(text.parse().map_err(|_| too_large())?));
        }
        self.skip(end);
        Ok(())
    }
}

/// How long the number at the begin of a text is: digits, with single underscores within.
fn digits(text: &str) -> usize {
    let mut end = 0;
    let mut is_after_digit = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                end = at + 1;
                is_after_digit = true;
            }
            b'_' if is_after_digit => is_after_digit = false,
            _ => break,
        }
    }
    end
}
