//! Names and texts within SQL.

use postgres_protocol::escape::{escape_identifier, escape_literal};

/// A name as SQL has it, in double quotes: whatever the name is, it stays one name.
pub fn quote_identifier(name: &str) -> String {
    escape_identifier(name)
}

/// A text as SQL has it, in single quotes: whatever the text is, it stays one text. Where a parameter is possible
/// ([`Connection::query_with`](crate::Connection::query_with)), that is better.
pub fn quote_literal(text: &str) -> String {
    escape_literal(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_within_are_doubled() {
        assert_eq!(quote_identifier("users"), r#""users""#);
        assert_eq!(quote_identifier(r#"o"dd; -- name"#), r#""o""dd; -- name""#);
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"\'"), r" E'\\'''");
    }
}
