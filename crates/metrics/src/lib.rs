//! The metric store: a head sharded by series, a write-ahead log that makes it durable, and the files it is flushed to.
//!
//! It knows no query language and no protocol: samples enter through [`model::SampleSink`], series leave through
//! [`model::SeriesSource`].
//!
//! ```text
//! append -> head (open chunks) + log -> acknowledged -> flush: a block -> compaction -> retention
//! select -> index of the head + label columns of blocks, joined by the hash of the label set
//! ```

mod block;
mod bytes;
mod chunk;
pub mod codec;
mod compact;
mod epochs;
mod flush;
mod head;
mod headlog;
mod import;
mod merge;
mod options;
mod record;
mod recover;
mod replay;
mod report;
mod select;
mod shelf;
mod stats;
mod store;

pub use blocks::catalogue::BlockEntry;
pub use blocks::wal::SyncMode;
pub use compact::{DownsampleStep, RetentionRule};
pub use import::Importer;
pub use options::StoreOptions;
pub use report::{HeadStats, LevelStats, NamedCount, RecoveryReport, SeriesExemplars, StoreError, StoreStats};
pub use store::Store;
