//! What is said to people, on stderr: `error:` and `hint:`, in colour on a terminal only, and what is being done.

use std::io::Write;

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
#[cfg(feature = "compiler")]
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Says what went wrong, and what to do where that is known. A stderr that takes nothing is no reason to fail.
pub fn error(text: &str, hint: Option<&str>) {
    let mut stderr = anstream::stderr();
    // Others' words may be in it, and none of their lines must look like one of these.
    let lines: Vec<String> = text.lines().map(printable).collect();
    let _ = writeln!(stderr, "{ERROR}error:{ERROR:#} {}", lines.join("\n  "));
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "{HINT}hint:{HINT:#} {hint}");
    }
}

/// Says what may be wrong. A stderr that takes nothing is no reason to fail.
#[cfg(feature = "compiler")]
pub fn warning(text: &str) {
    let lines: Vec<String> = text.lines().map(printable).collect();
    let _ = writeln!(anstream::stderr(), "{WARNING}warning:{WARNING:#} {}", lines.join("\n  "));
}

/// Says what is being done, to those who wait for it: to a terminal only.
#[cfg(feature = "compiler")]
pub fn progress(text: &str) {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        let _ = writeln!(anstream::stderr(), "{}", printable(text));
    }
}

/// Says what one waits for, on a line that is gone when it is over (none): to a terminal only.
pub fn waiting(text: Option<&str>) {
    let mut stderr = std::io::stderr();
    if std::io::IsTerminal::is_terminal(&stderr) {
        let _ = match text {
            Some(text) => write!(stderr, "{}", printable(text)),
            // To the line's beginning, and away with what is there.
            None => write!(stderr, "\r\x1b[K"),
        };
    }
}

/// One line for a terminal. What a connector's author wrote may stand in it: what would move the cursor, or make a line look like
/// another, is made visible.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if is_invisible(character) { char::REPLACEMENT_CHARACTER } else { character })
        .collect()
}

/// Control characters, and those that nobody sees but that change the order of what is seen.
fn is_invisible(character: char) -> bool {
    let hidden =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    hidden || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_words_around_is_shown_as_what_it_is() {
        assert_eq!(printable("Früh \u{1b}[2J\n0.1.0\u{202e}x"), "Früh \u{fffd}[2J\u{fffd}0.1.0\u{fffd}x");
    }
}
