//! Counters of a store, what they look like in an exposition, and the lists of `/api/v1/status/tsdb`.

use std::fmt;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{METRIC_NAME, RejectReason};
use parking_lot::RwLock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::head::Head;
use crate::top::Top;
use crate::{BlockEntry, HeadStats, LevelStats, Store};

pub(crate) const REASONS: [RejectReason; 11] = [
    RejectReason::OutOfOrder,
    RejectReason::DuplicateTimestamp,
    RejectReason::TooOld,
    RejectReason::TooFarInFuture,
    RejectReason::InvalidLabels,
    RejectReason::InvalidHistogram,
    RejectReason::UnknownSeries,
    RejectReason::SeriesLimit,
    RejectReason::TooManyLabels,
    RejectReason::LabelNameTooLong,
    RejectReason::LabelValueTooLong,
];

/// What a store counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) appended: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) rejected: [AtomicU64; REASONS.len()],
    /// Samples of batches that were refused whole: for lack of memory, and because too much waited to be logged.
    pub(crate) over_memory: AtomicU64,
    pub(crate) log_is_full: AtomicU64,
    pub(crate) exemplars: AtomicU64,
    pub(crate) series_created: AtomicU64,
    pub(crate) series_removed: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flushed_samples: AtomicU64,
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
    pub(crate) fn reject(&self, reason: RejectReason) {
        let at = REASONS.iter().position(|r| *r == reason).expect("every reason is listed");
        add(&self.rejected[at], 1);
    }

    /// Samples refused by reason. Senders repeat what was refused for lack of room, and it counts each time.
    pub(crate) fn refused(&self) -> Vec<(&'static str, u64)> {
        let rejected = REASONS.iter().zip(&self.rejected).map(|(reason, count)| (reason.as_str(), get(count)));
        rejected.chain([("over_memory", get(&self.over_memory)), ("log_is_full", get(&self.log_is_full))]).collect()
    }
}

/// Blocks and bytes by level.
pub(crate) fn levels<'e>(entries: impl Iterator<Item = &'e BlockEntry>) -> Vec<LevelStats> {
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

/// First and last sample of all blocks.
pub(crate) fn range<'e>(entries: impl Iterator<Item = &'e BlockEntry>) -> Option<(i64, i64)> {
    entries
        .map(|entry| (entry.range.start.ms(), entry.range.end.ms()))
        .reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
}

/// Numbers about one head.
pub(crate) fn head_stats(head: &Head, top: usize) -> HeadStats {
    let index = head.index.read();
    let [mut metrics, mut values, mut bytes, mut pairs] = [(); 4].map(|()| Top::new(top));
    let mut label_pairs = 0;
    for (symbol, name) in &index.names {
        let name_text = index.symbols.text(*symbol);
        let mut value_bytes = 0;
        for (value, postings) in &name.values {
            let value_text = index.symbols.text(*value);
            if name_text == METRIC_NAME {
                metrics.offer(postings.len(), value_text);
            }
            pairs.offer_pair(postings.len(), name_text, value_text);
            // As Prometheus counts: every series pays for its value.
            value_bytes += value_text.len() as u64 * postings.len();
        }
        label_pairs += name.values.len() as u64;
        values.offer(name.values.len() as u64, name_text);
        bytes.offer(value_bytes, name_text);
    }
    HeadStats {
        active_series: head.active.load(Ordering::Relaxed) as u64,
        series: head.known.load(Ordering::Relaxed) as u64,
        chunks: head.chunks.load(Ordering::Relaxed).max(0) as u64,
        label_pairs,
        min_time: head.min_time.load(Ordering::Relaxed),
        max_time: head.max_time.load(Ordering::Relaxed),
        series_count_by_metric_name: metrics.names(),
        label_value_count_by_label_name: values.names(),
        memory_in_bytes_by_label_name: bytes.names(),
        series_count_by_label_value_pair: pairs.pairs(),
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
        let counters = store.counters();
        let wal = store.wal_counters();
        let out_of_order = get(&counters.rejected[0]);
        let too_old = get(&counters.rejected[2]);
        // Names are Prometheus' own where it has one; the encoder adds `_total`.
        let compactions = &store.compactor().counters;
        let totals: [(&str, &str, u64); 24] = [
            ("prometheus_tsdb_head_samples_appended", "Samples taken", stats.samples_appended),
            ("prometheus_tsdb_head_out_of_order_samples_appended", "Samples taken out of order", get(&counters.late)),
            ("prometheus_tsdb_out_of_order_samples", "Samples refused as out of order", out_of_order),
            ("prometheus_tsdb_too_old_samples", "Samples refused as too old", too_old),
            ("prometheus_tsdb_exemplar_exemplars_appended", "Exemplars taken", get(&counters.exemplars)),
            ("prometheus_tsdb_head_series_created", "Series made", get(&counters.series_created)),
            ("prometheus_tsdb_head_series_removed", "Series evicted from the head", get(&counters.series_removed)),
            ("prometheus_tsdb_wal_corruptions", "Damaged places found in the log", get(&counters.corruptions)),
            ("prometheus_tsdb_wal_writes_failed", "Failed writes and syncs of the log", get(&wal.failures)),
            (
                "afferent_metrics_damaged_reads",
                "Rows of blocks that could not be read and were left out",
                stats.damaged_reads,
            ),
            ("afferent_metrics_wal_written_bytes", "Bytes written to the log", stats.wal_written_bytes),
            ("afferent_metrics_wal_syncs", "Syncs of the log", get(&wal.syncs)),
            ("afferent_metrics_flushed_samples", "Samples moved from the head to blocks", stats.flushed_samples),
            ("afferent_metrics_flushes", "Flushes of the head", get(&counters.flushes)),
            ("prometheus_tsdb_compactions", "Compaction jobs done", get(&compactions.jobs)),
            ("prometheus_tsdb_compactions_failed", "Compactions that failed", get(&compactions.failures)),
            ("prometheus_tsdb_time_retentions", "Blocks dropped for their age", get(&compactions.expired_by_time)),
            ("prometheus_tsdb_size_retentions", "Blocks dropped for their size", get(&compactions.expired_by_size)),
            ("afferent_metrics_compaction_samples_read", "Samples read by jobs", get(&compactions.samples_read)),
            (
                "afferent_metrics_compaction_samples_written",
                "Samples written by jobs",
                get(&compactions.samples_written),
            ),
            (
                "afferent_metrics_compaction_bytes_read",
                "Bytes of blocks that were replaced",
                get(&compactions.bytes_read),
            ),
            (
                "afferent_metrics_compaction_bytes_written",
                "Bytes of blocks that jobs wrote",
                get(&compactions.bytes_written),
            ),
            ("afferent_metrics_compaction_damaged_rows", "Rows left out as damaged", get(&compactions.damaged_rows)),
            ("afferent_metrics_flush_failures", "Flushes of the head that failed", get(&counters.flush_failures)),
        ];
        for (name, help, value) in totals {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let held = store.compactor().held.ids().len();
        let gauges: [(&str, &str, f64); 12] = [
            ("prometheus_tsdb_head_series", "Series that take samples", stats.active_series as f64),
            ("prometheus_tsdb_head_chunks", "Chunks in memory", stats.chunks as f64),
            ("afferent_metrics_series", "Series in the head", stats.series as f64),
            ("prometheus_tsdb_wal_segment_current", "Number of the log's segment", get(&wal.segment) as f64),
            ("prometheus_tsdb_wal_storage_size_bytes", "Bytes of the log on disk", stats.wal_bytes as f64),
            ("prometheus_tsdb_storage_blocks_bytes", "Bytes of all blocks", stats.block_bytes as f64),
            ("prometheus_tsdb_blocks_loaded", "Blocks that count", stats.blocks as f64),
            ("prometheus_tsdb_data_replay_duration_seconds", "Time of the last start", stats.replay_time.as_secs_f64()),
            ("afferent_metrics_head_memory_bytes", "Estimate of the head's memory", stats.memory_bytes as f64),
            ("afferent_metrics_block_cache_bytes", "Memory of cached pages of blocks", stats.block_cache_bytes as f64),
            (
                "afferent_metrics_compaction_held_blocks",
                "Blocks that cannot be read and are left out of compaction for a while",
                held as f64,
            ),
            ("afferent_metrics_tenants", "Tenants with data", stats.tenants as f64),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let help = "Samples refused, by reason";
        let mut rejected =
            encoder.encode_descriptor("afferent_metrics_samples_rejected", help, None, MetricType::Counter)?;
        for (reason, value) in &stats.samples_rejected {
            let counter = ConstCounter::new(*value);
            counter.encode(rejected.encode_family(&ReasonLabel { reason })?)?;
        }
        Ok(())
    }
}

/// Heads by tenant, shared by all who read.
pub(crate) type Heads = RwLock<std::collections::BTreeMap<model::Tenant, std::sync::Arc<Head>>>;
