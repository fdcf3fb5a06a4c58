//! The author's tools: what they print is for people. Knows nothing of the protocol's streams.

#[cfg(feature = "compiler")]
mod compile;

use std::path::PathBuf;
use std::process::ExitCode;

/// A tool and what it is run with.
pub enum ToolRequest {
    /// Compiles a component ahead of time.
    Compile {
        /// The component.
        input: PathBuf,
        /// Where its code goes.
        output: Option<PathBuf>,
    },
}

/// Runs a tool and gives the exit code.
pub fn run(request: ToolRequest) -> ExitCode {
    match request {
        #[cfg(feature = "compiler")]
        ToolRequest::Compile { input, output } => compile::compile(&input, output),
        #[cfg(not(feature = "compiler"))]
        ToolRequest::Compile { input, output } => {
            let output = output.unwrap_or_else(|| input.with_extension("cwasm"));
            let error = format!("{} can not be made: this airlock was built without its compiler", output.display());
            crate::cli::people::error(&error, Some("use the full one, which `cargo xtask build` makes"));
            crate::exit_code::FAILURE.into()
        }
    }
}
