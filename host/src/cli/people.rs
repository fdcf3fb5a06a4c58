//! What is said to people, on stderr: `error:` and `hint:`, in colour on a terminal only.

use std::io::Write;

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Says what went wrong, and what to do where that is known. A stderr that takes nothing is no reason to fail.
pub fn error(text: &str, hint: Option<&str>) {
    let mut stderr = anstream::stderr();
    let _ = writeln!(stderr, "{ERROR}error:{ERROR:#} {text}");
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "{HINT}hint:{HINT:#} {hint}");
    }
}
