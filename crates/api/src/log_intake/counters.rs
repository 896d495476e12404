//! What the ways in count, under Loki's names.

use model::Tenant;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::refusals::Refusals;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TenantLabels {
    tenant: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DiscardLabels {
    tenant: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MutationLabels {
    reason: &'static str,
    truncated: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    protocol: &'static str,
    outcome: &'static str,
}

/// Counters of all ways in.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogCounters {
    lines: Family<TenantLabels, Counter>,
    bytes: Family<TenantLabels, Counter>,
    discarded: Family<DiscardLabels, Counter>,
    discarded_bytes: Family<DiscardLabels, Counter>,
    mutated: Family<MutationLabels, Counter>,
    mutated_bytes: Family<MutationLabels, Counter>,
    stored: Counter,
    requests: Family<RequestLabels, Counter>,
}

impl LogCounters {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, metric: &Family<TenantLabels, Counter>| {
            registry.register(name, help, metric.clone());
        };
        add("loki_distributor_lines_received", "The total number of lines received per tenant", &self.lines);
        add(
            "loki_distributor_bytes_received",
            "The total number of uncompressed bytes received per tenant, structured metadata included",
            &self.bytes,
        );
        registry.register(
            "loki_discarded_samples",
            "The total number of samples that were discarded",
            self.discarded.clone(),
        );
        registry.register(
            "loki_discarded_bytes",
            "The total number of bytes that were discarded",
            self.discarded_bytes.clone(),
        );
        registry.register(
            "loki_mutated_samples",
            "The total number of samples that have been mutated",
            self.mutated.clone(),
        );
        registry.register(
            "loki_mutated_bytes",
            "The total number of bytes that have been mutated",
            self.mutated_bytes.clone(),
        );
        registry.register(
            "afferent_log_entries_stored",
            "Log entries that were stored, without those that were there before",
            self.stored.clone(),
        );
        registry.register(
            "afferent_log_push_requests",
            "Requests with log entries, by protocol and what became of them",
            self.requests.clone(),
        );
    }

    pub(crate) fn received(&self, tenant: &Tenant, lines: u64, bytes: u64) {
        let labels = TenantLabels { tenant: tenant.to_string() };
        self.lines.get_or_create(&labels).inc_by(lines);
        self.bytes.get_or_create(&labels).inc_by(bytes);
    }

    pub(crate) fn truncated(&self, (lines, bytes): (u64, u64)) {
        if lines > 0 {
            let labels = MutationLabels { reason: "line_too_long", truncated: "true" };
            self.mutated.get_or_create(&labels).inc_by(lines);
            self.mutated_bytes.get_or_create(&labels).inc_by(bytes);
        }
    }

    pub(crate) fn discarded(&self, tenant: &Tenant, refusals: &Refusals) {
        for (reason, entries, bytes) in refusals.by_reason() {
            let labels = DiscardLabels { tenant: tenant.to_string(), reason: reason.as_str() };
            self.discarded.get_or_create(&labels).inc_by(entries);
            self.discarded_bytes.get_or_create(&labels).inc_by(bytes);
        }
    }

    pub(crate) fn stored(&self, entries: u64) {
        self.stored.inc_by(entries);
    }

    pub(crate) fn request(&self, protocol: &'static str, outcome: &'static str) {
        self.requests.get_or_create(&RequestLabels { protocol, outcome }).inc();
    }
}
