//! What can be set about a store, and the defaults that hold when nothing is.

use std::sync::Arc;
use std::time::Duration;

use blocks::files::FileStore;
use blocks::wal::SyncMode;
use model::Resident;

use crate::{LimitTable, RetentionRule};

/// Options of a [`Store`](crate::Store). Times are milliseconds, sizes bytes.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// When a write counts as durable.
    pub sync: SyncMode,
    /// Samples older than this are dropped and no longer accepted.
    pub retention_ms: i64,
    /// The oldest blocks go until the rest have at most so many bytes.
    pub max_block_bytes: Option<u64>,
    /// What is kept longer, shorter or thinner than the rest.
    pub retention_rules: Vec<RetentionRule>,
    /// How much older than the newest sample of its series a sample may be.
    pub out_of_order_window_ms: i64,
    /// How far ahead of the clock a sample may be.
    pub future_limit_ms: i64,
    /// The head is flushed at least this often (wall time).
    pub flush_interval: Duration,
    /// The head is flushed once the log has grown by so many bytes; bounds the time of a restart.
    pub flush_wal_bytes: u64,
    /// A log segment is closed at this size.
    pub wal_segment_bytes: u64,
    /// What each tenant may send; [`Store::set_limits`](crate::Store::set_limits) changes it later.
    pub limits: LimitTable,
    /// A series leaves the head when so many milliseconds have passed since a flush last found samples of it; a series that
    /// went stale leaves with its last sample.
    pub idle_series_ms: i64,
    /// Where finished blocks lie; `None` for `blocks/` in the store's own directory.
    pub files: Option<Arc<dyn FileStore>>,
    /// Most memory that pages of blocks take for the sake of later reads.
    pub block_cache_bytes: usize,
    /// Above this estimate of the head's memory, batches are refused.
    pub memory_limit_bytes: Option<u64>,
    /// What the process takes: while that is too much, batches are refused, and cached pages are dropped.
    pub resident: Option<Arc<Resident>>,
    /// Exemplars kept for each tenant; the oldest goes first.
    pub exemplar_capacity: usize,
    /// Independently locked parts of a head, rounded up to a power of two; `None` takes twice the number of cores.
    pub shards: Option<usize>,
    /// Whether the store flushes and cleans up by itself. Tests that own time say no and call [`Store::maintain`](crate::Store::maintain).
    pub background: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            sync: SyncMode::Always,
            retention_ms: 24 * 3600 * 1000,
            max_block_bytes: None,
            retention_rules: Vec::new(),
            out_of_order_window_ms: 30 * 60 * 1000,
            future_limit_ms: 10 * 60 * 1000,
            flush_interval: Duration::from_secs(300),
            flush_wal_bytes: 64 << 20,
            wal_segment_bytes: 32 << 20,
            limits: LimitTable::default(),
            idle_series_ms: 10 * 60 * 1000,
            files: None,
            block_cache_bytes: 64 << 20,
            memory_limit_bytes: None,
            resident: None,
            exemplar_capacity: 100_000,
            shards: None,
            background: true,
        }
    }
}
