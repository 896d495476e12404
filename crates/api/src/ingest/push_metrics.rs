//! What the smaller ways in count, by protocol.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::rows::Stored;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabels {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    protocol: &'static str,
    reason: &'static str,
}

/// Counters of all protocols that push through [`super::Intake::append`].
#[derive(Clone, Debug, Default)]
pub(crate) struct PushMetrics {
    written: Family<ProtocolLabels, Counter>,
    rejected: Family<ReasonLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    /// Groups of the Pushgateway that the start could not read.
    pub(crate) damaged: Gauge,
}

impl PushMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "afferent_push_written_samples",
            "Samples that pushes other than remote write have stored",
            self.written.clone(),
        );
        registry.register(
            "afferent_push_rejected_samples",
            "Samples of pushes that were not stored, by reason",
            self.rejected.clone(),
        );
        registry.register(
            "afferent_push_refused_requests",
            "Pushes of which nothing more was stored, by reason",
            self.refused.clone(),
        );
        registry.register(
            "afferent_push_damaged_groups",
            "Files of pushed groups that could not be read at the start and were put aside",
            self.damaged.clone(),
        );
    }

    fn wrote(&self, protocol: &'static str, samples: u64) {
        if samples > 0 {
            self.written.get_or_create(&ProtocolLabels { protocol }).inc_by(samples);
        }
    }

    /// Counts samples that were not stored.
    pub(crate) fn rejected(&self, protocol: &'static str, reason: &'static str, samples: u64) {
        if samples > 0 {
            self.rejected.get_or_create(&ReasonLabels { protocol, reason }).inc_by(samples);
        }
    }

    /// Counts what became of rows.
    pub(crate) fn count(&self, protocol: &'static str, stored: &Stored) {
        self.wrote(protocol, stored.samples);
        for rejection in &stored.rejected {
            self.rejected(protocol, rejection.reason.as_str(), 1);
        }
    }

    /// Counts a request that failed as a whole.
    pub(crate) fn refused(&self, protocol: &'static str, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabels { protocol, reason }).inc();
    }
}
