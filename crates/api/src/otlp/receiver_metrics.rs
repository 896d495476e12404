//! What the receiver counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::translate::Written;
use crate::ingest::problems::Problems;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransportLabels {
    transport: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CategoryLabels {
    category: &'static str,
}

/// Counters of one receiver.
#[derive(Clone, Debug, Default)]
pub(super) struct ReceiverMetrics {
    requests: Family<TransportLabels, Counter>,
    written: Family<KindLabels, Counter>,
    rejected: Family<ReasonLabels, Counter>,
    points: Counter,
    rejected_points: Counter,
    warnings: Family<CategoryLabels, Counter>,
    pub(super) delta_series: Gauge,
}

impl ReceiverMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "afferent_otlp_requests",
            "Requests with OTLP metrics, by transport and outcome",
            self.requests.clone(),
        );
        registry.register(
            "afferent_otlp_written",
            "Samples, histograms and exemplars of OTLP that were stored",
            self.written.clone(),
        );
        registry.register(
            "afferent_otlp_rejected_samples",
            "Samples and histograms of OTLP that were not stored, by reason",
            self.rejected.clone(),
        );
        registry.register("afferent_otlp_points", "Data points received over OTLP", self.points.clone());
        registry.register(
            "afferent_otlp_rejected_points",
            "Data points of OTLP of which something was not stored",
            self.rejected_points.clone(),
        );
        registry.register(
            "prometheus_api_otlp_translation_warnings",
            "The total number of warnings produced while translating OTLP metrics to the Prometheus model, by category",
            self.warnings.clone(),
        );
        registry.register(
            "afferent_otlp_delta_series",
            "Series of delta temporality that are being added up",
            self.delta_series.clone(),
        );
    }

    /// Counts a request that was stored, wholly or in part.
    pub(super) fn take(
        &self,
        transport: &'static str,
        written: Written,
        points: u64,
        refused: u64,
        problems: &Problems,
    ) {
        let outcome = if problems.is_empty() { "stored" } else { "partial" };
        self.requests.get_or_create(&TransportLabels { transport, outcome }).inc();
        self.points.inc_by(points);
        self.rejected_points.inc_by(refused);
        self.count(written, problems);
    }

    /// Counts what was stored and what was not.
    pub(super) fn count(&self, written: Written, problems: &Problems) {
        let Written { samples, histograms, exemplars } = written;
        for (kind, count) in [("float", samples), ("histogram", histograms), ("exemplar", exemplars)] {
            if count > 0 {
                self.written.get_or_create(&KindLabels { kind }).inc_by(count);
            }
        }
        for (reason, count) in problems.samples_by_reason() {
            self.rejected.get_or_create(&ReasonLabels { reason }).inc_by(count);
        }
    }

    /// Counts a request that failed as a whole.
    pub(super) fn refuse(&self, transport: &'static str, outcome: &'static str) {
        self.requests.get_or_create(&TransportLabels { transport, outcome }).inc();
    }

    /// Counts what Prometheus warns of.
    pub(super) fn warn(&self, category: &'static str, count: u64) {
        if count > 0 {
            self.warnings.get_or_create(&CategoryLabels { category }).inc_by(count);
        }
    }
}
