//! Counters of a store, its numbers for a status page, and what they look like in an exposition.

use std::fmt;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use blocks::catalogue::BlockEntry;
use model::{LogRejectReason, Tenant};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::{LevelStats, Store, StoreStats};

const REASONS: [LogRejectReason; 3] =
    [LogRejectReason::TooFarBehind, LogRejectReason::StreamLimit, LogRejectReason::StreamRate];

/// What a store counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) rejected: [AtomicU64; REASONS.len()],
    /// Entries of batches that were refused whole: for lack of memory, and because too much waited to be logged.
    pub(crate) over_memory: AtomicU64,
    /// Batches that waited for a flush.
    pub(crate) delayed: AtomicU64,
    pub(crate) log_is_full: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flushed_entries: AtomicU64,
    pub(crate) flush_failures: AtomicU64,
    pub(crate) corruptions: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    if n > 0 {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub(crate) fn reject(&self, reason: LogRejectReason) {
        let at = REASONS.iter().position(|r| *r == reason).expect("every reason is listed");
        add(&self.rejected[at], 1);
    }

    fn refused(&self) -> Vec<(&'static str, u64)> {
        let rejected = REASONS.iter().zip(&self.rejected).map(|(reason, count)| (reason.as_str(), get(count)));
        rejected.chain([("over_memory", get(&self.over_memory)), ("log_is_full", get(&self.log_is_full))]).collect()
    }
}

/// Blocks and bytes by level.
fn levels<'e>(entries: impl Iterator<Item = &'e BlockEntry>) -> Vec<LevelStats> {
    let mut levels: Vec<LevelStats> = Vec::new();
    for entry in entries {
        let at = levels.binary_search_by_key(&entry.level, |level| level.level).unwrap_or_else(|at| {
            levels.insert(at, LevelStats { level: entry.level, ..LevelStats::default() });
            at
        });
        levels[at].blocks += 1;
        levels[at].bytes += entry.bytes;
    }
    levels
}

impl Store {
    /// The store in numbers.
    pub fn stats(&self) -> StoreStats {
        let view = self.shelf().view();
        let entries = &view.manifest.blocks;
        let (shared, counters, wal) = (self.shared(), self.counters(), self.wal_counters());
        let heads = self.heads().read();
        let mut tenants: Vec<&Tenant> = heads.keys().chain(entries.iter().map(|entry| &entry.tenant)).collect();
        tenants.sort_unstable();
        tenants.dedup();
        StoreStats {
            tenants: tenants.len() as u64,
            streams: heads.values().map(|head| head.lock().streams() as u64).sum(),
            head_entries: shared.entries.load(Ordering::Relaxed).max(0) as u64,
            head_bytes: self.head_bytes(),
            entries_appended: get(&shared.appended),
            bytes_appended: get(&shared.appended_bytes),
            duplicates: get(&shared.duplicates),
            entries_rejected: counters.refused(),
            wal_bytes: get(&wal.disk_bytes),
            wal_written_bytes: get(&wal.written_bytes),
            flushes: get(&counters.flushes),
            flushed_entries: get(&counters.flushed_entries),
            since_flush: self.since_flush(),
            blocks: entries.len() as u64,
            block_bytes: entries.iter().map(|entry| entry.bytes).sum(),
            block_entries: entries.iter().map(|entry| entry.samples).sum(),
            levels: levels(entries.iter()),
            block_range: entries
                .iter()
                .map(|entry| (entry.range.start.ms(), entry.range.end.ms()))
                .reduce(|all, one| (all.0.min(one.0), all.1.max(one.1))),
            deletions: view.manifest.tombstones.len() as u64,
            compactions: get(&self.compactor().jobs),
            failed_compactions: get(&self.compactor().failures),
            damaged_reads: get(&self.shelf().damaged_reads),
            block_cache_bytes: self.shelf().shared().counts().bytes as u64,
            replay_time: self.replay_time(),
        }
    }
}

/// Shows a store's numbers in an exposition.
#[derive(Debug)]
pub(crate) struct StoreCollector(pub(crate) Weak<Store>);

#[derive(Clone, Debug, EncodeLabelSet, Hash, PartialEq, Eq)]
struct ReasonLabel {
    reason: &'static str,
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(store) = self.0.upgrade() else { return Ok(()) };
        let stats = store.stats();
        let (counters, wal) = (store.counters(), store.wal_counters());
        let totals: [(&str, &str, u64); 15] = [
            ("afferent_logs_entries_appended", "Entries taken", stats.entries_appended),
            ("afferent_logs_bytes_appended", "Bytes of lines and metadata taken", stats.bytes_appended),
            ("afferent_logs_duplicates", "Entries that were there already", stats.duplicates),
            ("afferent_logs_wal_written_bytes", "Bytes written to the log", stats.wal_written_bytes),
            ("afferent_logs_wal_syncs", "Syncs of the log", get(&wal.syncs)),
            ("afferent_logs_wal_failures", "Failed writes and syncs of the log", get(&wal.failures)),
            ("afferent_logs_corruptions", "Damaged places found at the start", get(&counters.corruptions)),
            ("afferent_logs_flushes", "Flushes of the head", stats.flushes),
            ("afferent_logs_flush_failures", "Flushes of the head that failed", get(&counters.flush_failures)),
            ("afferent_logs_batches_delayed", "Batches that waited for a flush", get(&counters.delayed)),
            ("afferent_logs_flushed_entries", "Entries moved from the head to blocks", stats.flushed_entries),
            ("afferent_logs_compactions", "Compaction jobs done", stats.compactions),
            ("afferent_logs_compactions_failed", "Compaction jobs that failed", stats.failed_compactions),
            ("afferent_logs_blocks_expired", "Blocks dropped by retention", get(&store.compactor().expired)),
            ("afferent_logs_damaged_reads", "Pages of blocks that could not be read", stats.damaged_reads),
        ];
        for (name, help, value) in totals {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let gauges: [(&str, &str, f64); 9] = [
            ("afferent_logs_streams", "Streams in the head", stats.streams as f64),
            ("afferent_logs_head_entries", "Entries in the head", stats.head_entries as f64),
            ("afferent_logs_head_memory_bytes", "Estimate of the head's memory", stats.head_bytes as f64),
            ("afferent_logs_wal_storage_size_bytes", "Bytes of the log on disk", stats.wal_bytes as f64),
            ("afferent_logs_blocks", "Blocks that count", stats.blocks as f64),
            ("afferent_logs_blocks_bytes", "Bytes of all blocks", stats.block_bytes as f64),
            ("afferent_logs_block_cache_bytes", "Memory of the cache for blocks", stats.block_cache_bytes as f64),
            ("afferent_logs_deletions", "Deletions that blocks have yet to follow", stats.deletions as f64),
            ("afferent_logs_replay_duration_seconds", "Time of the last start", stats.replay_time.as_secs_f64()),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let help = "Entries refused, by reason";
        let mut rejected =
            encoder.encode_descriptor("afferent_logs_entries_rejected", help, None, MetricType::Counter)?;
        for (reason, value) in &stats.entries_rejected {
            ConstCounter::new(*value).encode(rejected.encode_family(&ReasonLabel { reason })?)?;
        }
        Ok(())
    }
}
