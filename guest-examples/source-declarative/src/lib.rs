//! Airbyte's low-code manifests as an Airlock connector: one component interprets every manifest, as the Python CDK's
//! `source-declarative-manifest` does.
//!
//! A manifest goes through `manifest` (YAML, references, parameters) into typed components, each family in a folder of its own with
//! the language's names. A read goes one way: `stream_read` takes slices of `partition_routing` and `incremental`, `retriever` reads
//! their pages through `requester` and `pagination`, `record_selection` and `transformations` make records of them, and the session
//! writes those. Whatever of a manifest is a template is evaluated by `template`.

mod authentication;
mod checks;
mod concurrency;
mod datetime;
mod declarative_source;
mod decoders;
mod dpath;
mod dynamic_streams;
mod error_handling;
mod field_path;
mod incremental;
mod manifest;
mod pagination;
mod parent_cache;
mod partition_routing;
mod query_properties;
mod record;
mod record_selection;
mod request_options;
mod requester;
mod retriever;
mod schemas;
mod session;
mod source;
mod specification;
mod stream;
mod stream_read;
mod stream_slice;
mod template;
#[cfg(test)]
mod tests;
mod transformations;

airlock_sdk::export_source!(source::Declarative, IndependentStreams);
