//! What sending says of itself, under Prometheus' names.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Labels of everything about one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QueueLabels {
    pub(crate) remote_name: String,
    /// Without its password.
    pub(crate) url: String,
}

/// Labels of dropped samples.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DropLabels {
    pub(crate) remote_name: String,
    pub(crate) url: String,
    /// `dropped_series` (relabelling), `too_old` (`sample_age_limit`), `histograms_off` or `exemplars_off` (not to be sent).
    pub(crate) reason: &'static str,
}

type PerQueue = Family<QueueLabels, Counter>;
type FloatGauge = Gauge<f64, AtomicU64>;

fn seconds() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0])
}

/// Counters and gauges of all receivers.
#[derive(Debug)]
pub(crate) struct SendMetrics {
    pub(crate) samples_in: Counter,
    pub(crate) highest_in: FloatGauge,
    pub(crate) outbox_bytes: Gauge,
    pub(crate) outbox_lost: Counter,
    pub(crate) samples: PerQueue,
    pub(crate) exemplars: PerQueue,
    pub(crate) histograms: PerQueue,
    pub(crate) metadata: PerQueue,
    pub(crate) samples_failed: PerQueue,
    pub(crate) samples_retried: PerQueue,
    pub(crate) samples_dropped: Family<DropLabels, Counter>,
    pub(crate) bytes: PerQueue,
    pub(crate) pending: Family<QueueLabels, Gauge>,
    pub(crate) shards: Family<QueueLabels, Gauge>,
    pub(crate) shards_max: Family<QueueLabels, Gauge>,
    pub(crate) highest_sent: Family<QueueLabels, FloatGauge>,
    pub(crate) durations: Family<QueueLabels, Histogram, fn() -> Histogram>,
}

impl SendMetrics {
    pub(crate) fn new() -> Self {
        SendMetrics {
            samples_in: Counter::default(),
            highest_in: FloatGauge::default(),
            outbox_bytes: Gauge::default(),
            outbox_lost: Counter::default(),
            samples: Family::default(),
            exemplars: Family::default(),
            histograms: Family::default(),
            metadata: Family::default(),
            samples_failed: Family::default(),
            samples_retried: Family::default(),
            samples_dropped: Family::default(),
            bytes: Family::default(),
            pending: Family::default(),
            shards: Family::default(),
            shards_max: Family::default(),
            highest_sent: Family::default(),
            durations: Family::new_with_constructor(seconds),
        }
    }

    /// Adds all of them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("prometheus_remote_storage");
        r.register("samples_in", "Samples that came in to be sent", self.samples_in.clone());
        r.register("highest_timestamp_in_seconds", "Newest sample that came in", self.highest_in.clone());
        r.register("samples", "Samples sent and taken by the receiver", self.samples.clone());
        r.register("exemplars", "Exemplars sent and taken by the receiver", self.exemplars.clone());
        r.register("histograms", "Native histograms sent and taken by the receiver", self.histograms.clone());
        r.register("metadata", "Metadata entries sent and taken by the receiver", self.metadata.clone());
        r.register("samples_failed", "Samples that the receiver refused for good", self.samples_failed.clone());
        r.register("samples_retried", "Samples sent again after a failure", self.samples_retried.clone());
        r.register("samples_dropped", "Samples not sent, by reason", self.samples_dropped.clone());
        r.register("bytes", "Bytes of bodies sent, compressed", self.bytes.clone());
        r.register("samples_pending", "Samples on their way", self.pending.clone());
        r.register("shards", "Requests that may be on their way at a time", self.shards.clone());
        r.register("shards_max", "Most requests at a time", self.shards_max.clone());
        r.register("queue_highest_sent_timestamp_seconds", "Newest sample sent", self.highest_sent.clone());
        r.register("sent_batch_duration_seconds", "Time of a request", self.durations.clone());
        let r = registry.sub_registry_with_prefix("afferent_remote_write");
        r.register("outbox_bytes", "Bytes kept on disk until every receiver has them", self.outbox_bytes.clone());
        let lost = "Samples removed unsent because the outbox was larger than it may be, or could not be written";
        r.register("outbox_lost_samples", lost, self.outbox_lost.clone());
    }
}
