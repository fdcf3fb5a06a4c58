//! The command line and its two faces: Airbyte's commands, whose stdout is for the platform, and the author's tools, whose
//! stdout is for people. Turns arguments into requests and knows nothing of how they are carried out.

mod arguments;
pub mod people;

pub use arguments::parse;

use crate::command::Invocation;
use crate::tool::ToolRequest;

/// What the command line asks for.
pub enum Request {
    /// One of Airbyte's commands.
    Airbyte(Box<Invocation>),
    /// One of the author's tools.
    Tool(ToolRequest),
}
