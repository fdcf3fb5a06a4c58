//! What is said to people, on stderr: `error:` and `hint:`, in colour on a terminal only.

use anstream::eprintln;
use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Says what went wrong, and what to do where that is known.
pub fn error(text: &str, hint: Option<&str>) {
    eprintln!("{ERROR}error:{ERROR:#} {text}");
    if let Some(hint) = hint {
        eprintln!("{HINT}hint:{HINT:#} {hint}");
    }
}
