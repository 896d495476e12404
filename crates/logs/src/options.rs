//! What can be set about a store, and the defaults that hold when nothing is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use blocks::files::FileStore;
use blocks::wal::SyncMode;
use model::{Matcher, Resident, Tenant};

/// Whether an entry is meant by a deletion: called with its time in nanoseconds, its line, and its structured metadata.
pub type EntryFilter = Arc<dyn Fn(i64, &[u8], &[(&str, &str)]) -> bool + Send + Sync>;

/// Makes a filter of the text that a deletion was given with. The error says what is wrong with the text.
pub type FilterCompiler = Arc<dyn Fn(&str) -> Result<EntryFilter, String> + Send + Sync>;

/// What a tenant may send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogLimits {
    /// Streams that take entries at a time; `None` for no limit.
    pub streams: Option<usize>,
    /// Bytes that one stream may take, a second and at once; `None` for no limit.
    pub stream_rate: Option<StreamRate>,
    /// How far behind the newest entry of its stream an entry may be, in nanoseconds; `None` takes any.
    pub out_of_order_window: Option<i64>,
}

/// How fast a stream may grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamRate {
    /// Bytes a second.
    pub bytes_a_second: f64,
    /// Bytes at once after a pause.
    pub burst_bytes: f64,
}

impl Default for LogLimits {
    /// One hour out of order, as Loki; no other limit.
    fn default() -> Self {
        LogLimits { streams: None, stream_rate: None, out_of_order_window: Some(3_600_000_000_000) }
    }
}

/// The limits of all tenants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogLimitTable {
    /// Of tenants without an entry of their own.
    pub default: LogLimits,
    /// Of single tenants; an entry stands for itself and takes nothing from the default.
    pub overrides: BTreeMap<Tenant, LogLimits>,
}

impl LogLimitTable {
    /// The limits of a tenant.
    pub fn of(&self, tenant: &Tenant) -> LogLimits {
        self.overrides.get(tenant).copied().unwrap_or(self.default)
    }
}

/// How long the streams of a selector are kept. Of several rules that match the one with the highest priority counts, of
/// equal ones the first (Loki's `retention_stream`).
#[derive(Clone, Debug)]
pub struct RetentionRule {
    /// Whose streams; `None` for every tenant.
    pub tenant: Option<Tenant>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Higher ones go before lower ones.
    pub priority: i64,
    /// Age in milliseconds at which entries go.
    pub keep_ms: i64,
}

/// Options of a [`Store`](crate::Store). Times are milliseconds where nothing else is said, sizes bytes.
#[derive(Clone)]
pub struct StoreOptions {
    /// When a write counts as durable.
    pub sync: SyncMode,
    /// Entries older than this are dropped; `None` keeps them for ever.
    pub retention_ms: Option<i64>,
    /// The oldest blocks go until the rest have at most so many bytes.
    pub max_block_bytes: Option<u64>,
    /// What is kept longer or shorter than the rest.
    pub retention_rules: Vec<RetentionRule>,
    /// What each tenant may send; [`Store::set_limits`](crate::Store::set_limits) changes it later.
    pub limits: LogLimitTable,
    /// The head is flushed at least this often (wall time).
    pub flush_interval: Duration,
    /// The head is flushed once it holds so many bytes. At twice as many, batches wait until a flush has ended.
    pub flush_head_bytes: usize,
    /// Of each stream, entries that are newer than so many nanoseconds before its newest stay in memory when the store flushes by
    /// itself, an eighth of them at most: what comes late by less does not overlap with a block.
    pub hold_back: i64,
    /// Above this many bytes in the head, batches are refused.
    pub memory_limit_bytes: Option<u64>,
    /// Lines of a page have about so many bytes.
    pub page_bytes: usize,
    /// A log segment is closed at this size.
    pub wal_segment_bytes: u64,
    /// A stream without entries in memory leaves the head after so long.
    pub idle_stream_ms: i64,
    /// Where finished blocks lie; `None` for `blocks/` in the store's own directory.
    pub files: Option<Arc<dyn FileStore>>,
    /// Most memory that what was read of blocks takes for the sake of later reads.
    pub block_cache_bytes: usize,
    /// What the process takes: while that is too much, batches are refused, and the cache is emptied.
    pub resident: Option<Arc<Resident>>,
    /// Makes filters of the texts of deletions; without one, deletions take no filter.
    pub compile_filter: Option<FilterCompiler>,
    /// Whether the store flushes and compacts by itself. Tests that own time say no and call [`Store::maintain`](crate::Store::maintain).
    pub background: bool,
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("retention_ms", &self.retention_ms)
            .field("flush_head_bytes", &self.flush_head_bytes)
            .field("memory_limit_bytes", &self.memory_limit_bytes)
            .field("page_bytes", &self.page_bytes)
            .finish_non_exhaustive()
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            sync: SyncMode::Always,
            retention_ms: None,
            max_block_bytes: None,
            retention_rules: Vec::new(),
            limits: LogLimitTable::default(),
            flush_interval: Duration::from_secs(180),
            flush_head_bytes: 40 << 20,
            hold_back: 10_000_000_000,
            memory_limit_bytes: Some(128 << 20),
            page_bytes: 1 << 20,
            wal_segment_bytes: 32 << 20,
            idle_stream_ms: 30 * 60 * 1000,
            files: None,
            block_cache_bytes: 32 << 20,
            resident: None,
            compile_filter: None,
            background: true,
        }
    }
}
