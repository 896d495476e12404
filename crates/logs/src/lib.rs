//! The log store: a head of streams, a write-ahead log that makes it durable, and the blocks that it is flushed to.
//!
//! It knows no query language and no protocol: entries enter through [`model::LogSink`], pages leave through
//! [`model::LogSource`].
//!
//! ```text
//! append -> log + head (chunks of streams) -> acknowledged -> flush: pages of a block -> compaction -> retention
//! select -> chunks of the head + pages of blocks, merged where they overlap
//! ```

mod block;
mod chunk_page;
mod compact;
mod entries;
mod filter;
mod flush;
mod head;
mod memory_page;
mod options;
mod page;
mod record;
mod recover;
mod report;
mod select;
mod shelf;
mod stats;
mod store;
mod upkeep;

pub use blocks::wal::SyncMode;
pub use options::{EntryFilter, FilterCompiler, LogLimitTable, LogLimits, RetentionRule, StoreOptions, StreamRate};
pub use report::{LevelStats, RecoveryReport, StoreError, StoreStats};
pub use store::Store;

/// No page reaches across a multiple of this, the smallest window of compaction, in nanoseconds.
const WINDOW_NANOS: i64 = 2 * 3_600 * 1_000_000_000;
