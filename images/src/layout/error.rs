//! Why a layout can not be read.

use std::io;

/// Why a layout can not be read. The text is the rest of a sentence that begins with the name of the layout: `base.tar is empty`.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It is not there, or the system does not give it.
    #[error("can not be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is something else, or damaged.
    #[error("{problem}")]
    Invalid {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: &'static str,
    },
}

impl LayoutError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            LayoutError::Unreadable(_) => "name an OCI layout: a directory, or an archive of one",
            LayoutError::Invalid { hint, .. } => hint,
        }
    }

    pub(super) fn invalid(problem: impl Into<String>, hint: &'static str) -> LayoutError {
        LayoutError::Invalid { problem: problem.into(), hint }
    }

    /// What no tool writes.
    pub(super) fn damaged(problem: impl Into<String>) -> LayoutError {
        LayoutError::invalid(problem, DAMAGED)
    }
}

/// What a stranger wrote, on one line and not too long.
pub(super) fn quoted(text: &str) -> String {
    let (shown, more) = text.char_indices().nth(MAXIMUM_QUOTED).map_or((text, ""), |(end, _)| (&text[..end], "…"));
    format!("{shown:?}{more}")
}

const MAXIMUM_QUOTED: usize = 100;

const DAMAGED: &str = "it is damaged, or was not made by a tool for images; make or fetch it again";
