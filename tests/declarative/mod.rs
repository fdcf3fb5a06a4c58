//! source-declarative beside Airbyte's declarative CDK: both run the same manifest against the same server, and what they ask,
//! emit and keep as state must be equal.

mod api;
mod asked;
mod bench;
mod case;
mod cdk;
mod comparison;
mod configuration;
mod document;
mod endpoint;
mod moments;
mod packages;
mod records;
mod templates;
mod told;
mod trouble;

mod cases;
mod guide;
mod live;
mod one;
