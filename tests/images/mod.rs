//! Connector images: what is made, looked at without the code that made it; and what is refused.

mod archive;
pub mod base;
mod build;
mod compile;
mod pull;
mod refusals;
mod registry;
