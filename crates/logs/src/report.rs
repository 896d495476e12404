//! What the store tells about itself: errors, recovery, statistics.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

/// Why a store cannot be opened, flushed or closed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The data directory cannot be used.
    #[error("cannot {action} {path}: {source}; check that the directory exists, is writable and has free space")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The write-ahead log cannot be used.
    #[error(transparent)]
    Wal(#[from] blocks::wal::WalError),
    /// A deletion's filter is none.
    #[error("the filter of a deletion is wrong: {0}")]
    Filter(String),
    /// The store was closed before.
    #[error("the store is closed")]
    Closed,
}

/// What a start found on disk. Damage is listed here and never stops the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryReport {
    /// Time from the beginning of the start to its end.
    pub elapsed: Duration,
    /// Streams in the head after the start.
    pub streams: u64,
    /// Blocks that count.
    pub blocks: u64,
    /// Entries taken from the log.
    pub replayed_entries: u64,
    /// Log segments read.
    pub segments: u64,
    /// Bytes of log read.
    pub wal_bytes: u64,
    /// Bytes cut from the end of the log, left by a write that was never acknowledged.
    pub torn_bytes: u64,
    /// Places where records of the log were damaged and skipped.
    pub damaged_records: u64,
    /// Bytes of those places.
    pub damaged_bytes: u64,
    /// Files of the log that were set aside as `.quarantine`, and blocks that cannot be read.
    pub quarantined_files: Vec<String>,
    /// Blocks that the catalogue lists and whose file is not there.
    pub missing_blocks: Vec<u64>,
    /// What else went wrong and was got over.
    pub problems: Vec<String>,
}

impl RecoveryReport {
    /// True where acknowledged entries may be missing.
    pub fn found_damage(&self) -> bool {
        self.damaged_records > 0 || !self.quarantined_files.is_empty() || !self.missing_blocks.is_empty()
    }
}

/// The whole store in numbers, all tenants together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Tenants with streams in memory or blocks.
    pub tenants: u64,
    /// Streams in the heads.
    pub streams: u64,
    /// Entries in the heads.
    pub head_entries: u64,
    /// Estimate of the heads' memory in bytes.
    pub head_bytes: u64,
    /// Entries taken since the start, without those replayed.
    pub entries_appended: u64,
    /// Bytes of their lines and metadata.
    pub bytes_appended: u64,
    /// Entries that were there already.
    pub duplicates: u64,
    /// Entries refused since the start, by reason.
    pub entries_rejected: Vec<(&'static str, u64)>,
    /// Bytes of log on disk.
    pub wal_bytes: u64,
    /// Bytes of log written since the start.
    pub wal_written_bytes: u64,
    /// Flushes since the start.
    pub flushes: u64,
    /// Entries moved to blocks since the start.
    pub flushed_entries: u64,
    /// Time since the last flush began.
    pub since_flush: Duration,
    /// Blocks that count.
    pub blocks: u64,
    /// Bytes of their files.
    pub block_bytes: u64,
    /// Entries in them; some may be in two.
    pub block_entries: u64,
    /// The blocks by level.
    pub levels: Vec<LevelStats>,
    /// First and last millisecond of all blocks; `None` where there is no block.
    pub block_range: Option<(i64, i64)>,
    /// Deletions that blocks still hold entries of.
    pub deletions: u64,
    /// Compaction jobs done since the start, and those that failed.
    pub compactions: u64,
    /// Compaction jobs that failed since the start.
    pub failed_compactions: u64,
    /// Blocks that could not be read by queries and compactions since the start.
    pub damaged_reads: u64,
    /// Memory of the cache for blocks.
    pub block_cache_bytes: u64,
    /// How long the start took.
    pub replay_time: Duration,
}

/// The blocks of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LevelStats {
    /// 0 for flushes; from 1 on blocks of growing windows.
    pub level: u8,
    /// How many.
    pub blocks: u64,
    /// Bytes of their files.
    pub bytes: u64,
}
