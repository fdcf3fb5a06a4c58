//! Airlock through the door its users use: the built binary, real components, real files and pipes.

mod harness;
