//! The metric store: a head sharded by series, a write-ahead log that makes it durable, and the files it is flushed to.
//!
//! It knows no query language and no protocol: samples enter through [`model::SampleSink`], series leave through
//! [`model::SeriesSource`].
//!
//! ```text
//! append -> head (open chunks) + log -> acknowledged -> flush: part files -> merge -> retention
//! select -> index -> head and parts, merged series by series
//! ```

// The store is about to be built on blocks; until then only their tests use them.
#[allow(dead_code, unused_imports)]
mod block;
mod bytes;
mod chunk;
mod flush;
mod head;
mod headlog;
mod merge;
mod options;
mod part;
mod parts;
mod record;
mod recover;
mod replay;
mod report;
mod select;
mod stats;
mod store;

pub use blocks::wal::SyncMode;
pub use options::StoreOptions;
pub use report::{HeadStats, NamedCount, RecoveryReport, SeriesExemplars, StoreError, StoreStats};
pub use store::Store;
