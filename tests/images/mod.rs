//! Connector images: what is made, looked at without the code that made it; what is refused; and that engines run them.

pub mod archive;
pub mod base;
mod build;
mod compile;
mod engines;
mod pull;
mod refusals;
mod registry;
