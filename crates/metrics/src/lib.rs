//! The metric store: a head sharded by series, a write-ahead log that makes it durable, and the files it is flushed to.
//!
//! It knows no query language and no protocol: samples enter through [`model::SampleSink`], series leave through
//! [`model::SeriesSource`].

mod options;
mod report;
mod store;

pub use blocks::wal::SyncMode;
pub use options::StoreOptions;
pub use report::{HeadStats, NamedCount, RecoveryReport, SeriesExemplars, StoreError, StoreStats};
pub use store::Store;
