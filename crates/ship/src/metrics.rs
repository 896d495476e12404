//! The shipper's own metrics, under Promtail's names.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::pipeline::measure::Measures;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PathLabel {
    pub(crate) path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct HostLabel {
    pub(crate) host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TenantLabels {
    pub(crate) host: String,
    pub(crate) tenant: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DropLabels {
    pub(crate) host: String,
    pub(crate) tenant: String,
    pub(crate) reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) status_code: String,
    pub(crate) host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
    }
}

/// All counters of a shipper. They outlive it, so that one that follows with another configuration counts on.
#[derive(Debug)]
pub struct ShipMetrics {
    pub(crate) measures: Arc<Measures>,
    pub(crate) read_bytes: Family<PathLabel, Counter>,
    pub(crate) read_lines: Family<PathLabel, Counter>,
    pub(crate) file_bytes: Family<PathLabel, Gauge>,
    pub(crate) files_active: Gauge,
    pub(crate) targets_active: Gauge,
    pub(crate) targets_failed: Family<ReasonLabel, Counter>,
    pub(crate) encoded_bytes: Family<HostLabel, Counter>,
    pub(crate) sent_bytes: Family<HostLabel, Counter>,
    pub(crate) sent_entries: Family<HostLabel, Counter>,
    pub(crate) dropped_bytes: Family<DropLabels, Counter>,
    pub(crate) dropped_entries: Family<DropLabels, Counter>,
    pub(crate) mutated_bytes: Family<DropLabels, Counter>,
    pub(crate) mutated_entries: Family<DropLabels, Counter>,
    pub(crate) durations: Family<RequestLabels, Histogram, Durations>,
    pub(crate) retries: Family<TenantLabels, Counter>,
    pub(crate) syslog_entries: Counter,
    pub(crate) syslog_errors: Counter,
    pub(crate) syslog_empty: Counter,
    pub(crate) docker_entries: Counter,
    pub(crate) docker_errors: Counter,
    pub(crate) journal_lines: Counter,
    pub(crate) journal_errors: Counter,
    pub(crate) push_entries: Counter,
    pub(crate) buffer_bytes: Gauge<i64, std::sync::atomic::AtomicI64>,
    pub(crate) buffer_waits: Gauge<u64, AtomicU64>,
    pub(crate) write_failures: Counter,
}

impl Default for ShipMetrics {
    fn default() -> Self {
        ShipMetrics {
            measures: Arc::default(),
            read_bytes: Family::default(),
            read_lines: Family::default(),
            file_bytes: Family::default(),
            files_active: Gauge::default(),
            targets_active: Gauge::default(),
            targets_failed: Family::default(),
            encoded_bytes: Family::default(),
            sent_bytes: Family::default(),
            sent_entries: Family::default(),
            dropped_bytes: Family::default(),
            dropped_entries: Family::default(),
            mutated_bytes: Family::default(),
            mutated_entries: Family::default(),
            durations: Family::new_with_constructor(Durations),
            retries: Family::default(),
            syslog_entries: Counter::default(),
            syslog_errors: Counter::default(),
            syslog_empty: Counter::default(),
            docker_entries: Counter::default(),
            docker_errors: Counter::default(),
            journal_lines: Counter::default(),
            journal_errors: Counter::default(),
            push_entries: Counter::default(),
            buffer_bytes: Gauge::default(),
            buffer_waits: Gauge::default(),
            write_failures: Counter::default(),
        }
    }
}

impl ShipMetrics {
    /// Adds the counters, under Promtail's names.
    pub fn register(&self, r: &mut Registry) {
        self.measures.register(r);
        r.register("promtail_read_bytes", "Number of bytes read, by file", self.read_bytes.clone());
        r.register("promtail_read_lines", "Number of lines read, by file", self.read_lines.clone());
        r.register("promtail_file_bytes_total", "Number of bytes total, by file", self.file_bytes.clone());
        r.register("promtail_files_active_total", "Number of active files", self.files_active.clone());
        r.register("promtail_targets_active_total", "Number of active total", self.targets_active.clone());
        r.register("promtail_targets_failed", "Number of failed targets", self.targets_failed.clone());
        r.register("promtail_encoded_bytes", "Number of bytes encoded and ready to send", self.encoded_bytes.clone());
        r.register("promtail_sent_bytes", "Number of bytes sent", self.sent_bytes.clone());
        r.register("promtail_sent_entries", "Number of log entries sent to the ingester", self.sent_entries.clone());
        r.register(
            "promtail_dropped_bytes",
            "Number of bytes dropped because they were refused by the receiver",
            self.dropped_bytes.clone(),
        );
        r.register(
            "promtail_dropped_entries",
            "Number of log entries dropped because they were refused by the receiver",
            self.dropped_entries.clone(),
        );
        r.register(
            "promtail_mutated_bytes",
            "The total number of bytes that have been cut off",
            self.mutated_bytes.clone(),
        );
        r.register(
            "promtail_mutated_entries",
            "The total number of log entries that have been cut",
            self.mutated_entries.clone(),
        );
        r.register("promtail_request_duration_seconds", "Duration of send requests", self.durations.clone());
        r.register("promtail_batch_retries", "Number of times batches has had to be retried", self.retries.clone());
        r.register(
            "promtail_syslog_target_entries",
            "Total number of successful entries sent to the syslog target",
            self.syslog_entries.clone(),
        );
        r.register(
            "promtail_syslog_target_parsing_errors",
            "Total number of parsing errors while receiving syslog messages",
            self.syslog_errors.clone(),
        );
        r.register(
            "promtail_syslog_empty_messages",
            "Total number of empty messages receiving from syslog",
            self.syslog_empty.clone(),
        );
        r.register(
            "promtail_docker_target_entries",
            "Total number of successful entries sent to the Docker target",
            self.docker_entries.clone(),
        );
        r.register(
            "promtail_docker_target_parsing_errors",
            "Total number of parsing errors while receiving Docker messages",
            self.docker_errors.clone(),
        );
        r.register(
            "promtail_journal_target_lines",
            "Total number of successful journal lines read",
            self.journal_lines.clone(),
        );
        r.register(
            "promtail_journal_target_parsing_errors",
            "Total number of parsing errors while reading journal messages",
            self.journal_errors.clone(),
        );
        r.register("promtail_push_target_entries", "Number of log entries received by push", self.push_entries.clone());
        r.register("afferent_ship_buffer_bytes", "Bytes of the buffer on disk", self.buffer_bytes.clone());
        r.register(
            "afferent_ship_buffer_waits",
            "How often sources had to wait for room in the buffer",
            self.buffer_waits.clone(),
        );
        r.register(
            "afferent_ship_buffer_write_failures",
            "Batches that could not be written to the buffer at the first try",
            self.write_failures.clone(),
        );
    }
}
