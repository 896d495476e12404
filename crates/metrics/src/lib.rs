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
mod cardinality;
mod chunk;
mod churn;
pub mod codec;
mod compact;
mod epochs;
mod flush;
mod head;
mod headlog;
mod import;
mod limits;
mod losses;
mod merge;
mod options;
mod pace;
mod record;
mod recover;
mod replay;
mod report;
mod select;
mod shelf;
mod stats;
mod store;
mod top;

use blocks::{bytes, patience};

pub use blocks::catalogue::{BlockEntry, Loss};
pub use blocks::plan::Job;
pub use blocks::wal::SyncMode;
pub use cardinality::{Cardinality, CardinalityRequest};
pub use churn::MetricChurn;
pub use compact::{DownsampleStep, RetentionRule};
pub use import::Importer;
pub use limits::{LimitTable, TenantLimits};
pub use losses::DamageReport;
pub use options::StoreOptions;
pub use pace::{Pace, Rate};
pub use report::{
    HeadStats, LevelStats, NamedCount, PendingWork, RecoveryReport, SeriesExemplars, StoreError, StoreStats,
};
pub use store::Store;
