//! What the store tells about itself: recovery, statistics, exemplars.

use std::time::Duration;

use blocks::plan::Job;
use model::{Exemplar, Labels};
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
    /// A directory without a catalogue was given a bucket that cannot be asked for one.
    #[error(
        "cannot open {path}: {reason}; nothing was changed: see to the bucket's address, the credentials and the network, and \
         start again, for only the bucket knows whether it holds blocks of this directory already"
    )]
    Bucket {
        /// The directory.
        path: String,
        /// What is known, with the bucket's name.
        reason: String,
    },
    /// The blocks lie elsewhere than they were looked for.
    #[error("cannot open {path}: {reason}")]
    Misplaced {
        /// The directory.
        path: String,
        /// Where they are, and what to do.
        reason: String,
    },
    /// The write-ahead log cannot be used.
    #[error(transparent)]
    Wal(#[from] blocks::wal::WalError),
    /// The store was closed before.
    #[error("the store is closed")]
    Closed,
}

/// What a start found on disk. Damage is listed here and never stops the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryReport {
    /// Time from the beginning of the start to its end.
    pub elapsed: Duration,
    /// Series in the head after the start.
    pub series: u64,
    /// Blocks that count.
    pub blocks: u64,
    /// Samples taken from the log.
    pub replayed_samples: u64,
    /// Log segments read.
    pub segments: u64,
    /// Bytes of log read.
    pub wal_bytes: u64,
    /// Bytes cut from the end of the log, left by a write that was never acknowledged.
    pub torn_bytes: u64,
    /// Places where records of a log were damaged and skipped.
    pub damaged_records: u64,
    /// Bytes of those places.
    pub damaged_bytes: u64,
    /// Samples whose series definition was in a damaged record.
    pub orphaned_samples: u64,
    /// Files of the log that were set aside as `.quarantine`, and blocks that cannot be read.
    pub quarantined_files: Vec<String>,
    /// Blocks that the catalogue lists and whose file is not there.
    pub missing_blocks: Vec<u64>,
    /// Segments of the log that are not there though others come after them.
    pub missing_segments: Vec<u64>,
    /// What else went wrong and was got over.
    pub problems: Vec<String>,
}

impl RecoveryReport {
    /// Damaged places, files that cannot be read, and segments of the log that are gone.
    pub fn corruptions(&self) -> u64 {
        self.damaged_records + (self.quarantined_files.len() + self.missing_segments.len()) as u64
    }

    /// True where acknowledged data may be missing.
    pub fn found_damage(&self) -> bool {
        let files = self.quarantined_files.len() + self.missing_blocks.len() + self.missing_segments.len();
        self.damaged_records > 0 || self.orphaned_samples > 0 || files > 0
    }
}

/// A name and a number, as `/api/v1/status/tsdb` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedCount {
    /// Metric name, label name, or `name=value`.
    pub name: String,
    /// How many, or how many bytes.
    pub value: u64,
}

/// One tenant's head in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeadStats {
    /// Series with an open chunk.
    pub active_series: u64,
    /// All series in the head, active ones included.
    pub series: u64,
    /// Chunks in memory, open ones included.
    pub chunks: u64,
    /// Different label pairs.
    pub label_pairs: u64,
    /// Oldest sample time in milliseconds, `i64::MAX` where there is none.
    pub min_time: i64,
    /// Newest sample time in milliseconds, `i64::MIN` where there is none.
    pub max_time: i64,
    /// Metric names with most series.
    pub series_count_by_metric_name: Vec<NamedCount>,
    /// Label names with most values.
    pub label_value_count_by_label_name: Vec<NamedCount>,
    /// Label names whose values take most bytes.
    pub memory_in_bytes_by_label_name: Vec<NamedCount>,
    /// Label pairs with most series.
    pub series_count_by_label_value_pair: Vec<NamedCount>,
}

/// The whole store in numbers, all tenants together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Tenants with data.
    pub tenants: u64,
    /// Series with an open chunk.
    pub active_series: u64,
    /// All series in the heads. Those that have gone stale are in blocks only.
    pub series: u64,
    /// Chunks in memory, open ones included.
    pub chunks: u64,
    /// Samples taken since the start, without those replayed.
    pub samples_appended: u64,
    /// Samples refused since the start, by [`model::RejectReason::as_str`].
    pub samples_rejected: Vec<(&'static str, u64)>,
    /// Bytes of log on disk.
    pub wal_bytes: u64,
    /// Bytes of log written since the start.
    pub wal_written_bytes: u64,
    /// Estimate of the head's memory.
    pub memory_bytes: u64,
    /// Blocks that count, and the bytes of their files.
    pub blocks: u64,
    /// Bytes of these blocks.
    pub block_bytes: u64,
    /// The same by level.
    pub levels: Vec<LevelStats>,
    /// First and last sample of all blocks, in milliseconds; `None` where there is no block.
    pub block_range: Option<(i64, i64)>,
    /// Samples that are in blocks still take memory, because a reader began before they were there.
    pub flush_is_pending: bool,
    /// Samples moved to blocks since the start.
    pub flushed_samples: u64,
    /// Memory of the cache for pages of blocks.
    pub block_cache_bytes: u64,
    /// Look-ups in that cache since the start that found their value, and that did not.
    pub block_cache_hits: u64,
    /// Look-ups that had to read.
    pub block_cache_misses: u64,
    /// Rows of blocks that queries and compactions could not read since the start, and left out.
    pub damaged_reads: u64,
    /// How long the start took.
    pub replay_time: Duration,
}

/// What a store has still to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingWork {
    /// Samples are on their way into a block.
    pub flush_is_running: bool,
    /// Time since the last flush began; `None` while one is running.
    pub since_flush: Option<Duration>,
    /// Merges of blocks that are due.
    pub merges: Vec<Job>,
    /// Blocks that are past their retention, and the bytes of their files.
    pub expired_blocks: u64,
    /// Bytes of these.
    pub expired_bytes: u64,
    /// Deletions that blocks still hold samples of.
    pub deletions: u64,
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

/// The exemplars of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// Labels of the series.
    pub labels: Labels,
    /// Its exemplars in order of time; `timestamp` is always present.
    pub exemplars: Vec<Exemplar>,
}
