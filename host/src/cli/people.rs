//! What is said to people, on stderr: `error:` and `hint:`, in colour on a terminal only, and what is being done.

use std::io::Write;

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Says what went wrong, and what to do where that is known. A stderr that takes nothing is no reason to fail.
pub fn error(text: &str, hint: Option<&str>) {
    let mut stderr = anstream::stderr();
    let lines: Vec<String> = text.lines().map(printable).collect();
    let _ = writeln!(stderr, "{ERROR}error:{ERROR:#} {}", lines.join("\n"));
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "{HINT}hint:{HINT:#} {hint}");
    }
}

/// Says what is being done, to those who wait for it: to a terminal only.
#[cfg(feature = "compiler")]
pub fn progress(text: &str) {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        let _ = writeln!(anstream::stderr(), "{}", printable(text));
    }
}

/// One line for a terminal. What a connector's author wrote may stand in it: what would move the cursor, or make a line look like
/// another, is made visible.
pub fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }).collect()
}
