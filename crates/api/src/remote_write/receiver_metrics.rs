//! What the receiver counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::negotiate::Version;
use super::portion::Written;
use crate::ingest::problems::Problems;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    version: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Counters of one receiver.
#[derive(Clone, Debug, Default)]
pub(super) struct ReceiverMetrics {
    written: Family<KindLabels, Counter>,
    rejected: Family<ReasonLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    pub(super) cached_series: Gauge,
}

impl ReceiverMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "afferent_remote_write_written",
            "Samples, histograms and exemplars that remote write has stored",
            self.written.clone(),
        );
        registry.register(
            "afferent_remote_write_rejected_samples",
            "Samples and histograms of remote write that were not stored, by reason",
            self.rejected.clone(),
        );
        registry.register(
            "afferent_remote_write_refused_requests",
            "Requests of remote write of which nothing more was stored, by reason",
            self.refused.clone(),
        );
        registry.register(
            "afferent_remote_write_cached_series",
            "Series whose references remote write remembers",
            self.cached_series.clone(),
        );
    }

    /// Counts what became of the samples of one request.
    pub(super) fn count(&self, version: Version, written: Written, problems: &Problems) {
        let version = version.message();
        for (kind, count) in
            [("float", written.samples), ("histogram", written.histograms), ("exemplar", written.exemplars)]
        {
            if count > 0 {
                self.written.get_or_create(&KindLabels { version, kind }).inc_by(count);
            }
        }
        for (reason, count) in problems.samples_by_reason() {
            self.rejected.get_or_create(&ReasonLabels { reason }).inc_by(count);
        }
    }

    /// Counts a request that failed as a whole.
    pub(super) fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabels { reason }).inc();
    }
}
