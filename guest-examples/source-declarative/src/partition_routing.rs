//! Partitions: what a stream is divided into by something else than time. The language's ListPartitionRouter, SubstreamPartitionRouter and
//! others. Knows nothing of intervals.

use crate::manifest::{self, FromManifest, Node};

/// One router of a stream's partitions, or several whose partitions are combined.
#[derive(Debug)]
pub enum PartitionRouter {}

impl FromManifest for PartitionRouter {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Err(node.unsupported("is not supported yet"))
    }
}
