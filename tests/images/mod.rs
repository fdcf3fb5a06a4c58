//! Connector images: what is made, looked at without the code that made it; what is refused; and that engines run them.

mod archive;
pub mod base;
mod build;
mod compile;
mod engines;
mod pull;
mod refusals;
mod registry;
