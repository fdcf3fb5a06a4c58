//! Partition routers: the partitions that a stream is divided into, and what each puts into requests. Knows nothing of cursors and
//! state but the parents'.

mod declared;
mod grouping;
mod parent_stream;
mod record_path;
mod router;

#[cfg(test)]
mod tests;

pub use declared::PartitionRouter;
pub use parent_stream::FIRST_PAGE;
pub use router::Router;
