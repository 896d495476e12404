//! What sending says of itself, under Prometheus' names.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabel {
    alertmanager: String,
}

type Counters = Family<TargetLabel, Counter>;
type Gauges = Family<TargetLabel, Gauge>;

fn seconds() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

#[derive(Debug)]
pub(super) struct NotifierMetrics {
    pub(super) discovered: Gauge,
    sent: Counters,
    errors: Counters,
    dropped: Counters,
    latency: Family<TargetLabel, Histogram, fn() -> Histogram>,
    queue_length: Gauges,
    queue_capacity: Gauges,
}

impl Default for NotifierMetrics {
    fn default() -> Self {
        NotifierMetrics {
            discovered: Gauge::default(),
            sent: Family::default(),
            errors: Family::default(),
            dropped: Family::default(),
            latency: Family::new_with_constructor(seconds),
            queue_length: Family::default(),
            queue_capacity: Family::default(),
        }
    }
}

impl NotifierMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("prometheus_notifications");
        let m = self;
        registry.register("alertmanagers_discovered", "Alertmanagers that get alerts", m.discovered.clone());
        registry.register("sent", "Alerts sent", m.sent.clone());
        registry.register("errors", "Alerts that could not be sent", m.errors.clone());
        registry.register(
            "dropped",
            "Alerts given up: errors, and those that the queue had no room for",
            m.dropped.clone(),
        );
        registry.register("latency_seconds", "Seconds until a batch is answered", m.latency.clone());
        registry.register("queue_length", "Alerts that wait", m.queue_length.clone());
        registry.register("queue_capacity", "Alerts that may wait", m.queue_capacity.clone());
    }

    pub(super) fn added(&self, url: &str, capacity: usize) {
        let label = label(url);
        self.queue_capacity.get_or_create(&label).set(capacity as i64);
        for family in [&self.sent, &self.errors, &self.dropped] {
            drop(family.get_or_create(&label));
        }
    }

    pub(super) fn removed(&self, url: &str) {
        let label = label(url);
        for family in [&self.sent, &self.errors, &self.dropped] {
            family.remove(&label);
        }
        self.latency.remove(&label);
        self.queue_length.remove(&label);
        self.queue_capacity.remove(&label);
    }

    pub(super) fn waiting(&self, url: &str, count: usize) {
        self.queue_length.get_or_create(&label(url)).set(count as i64);
    }

    pub(super) fn dropped(&self, url: &str, count: usize) {
        self.dropped.get_or_create(&label(url)).inc_by(count as u64);
    }

    pub(super) fn sent(&self, url: &str, count: usize, seconds: f64, ok: bool) {
        let label = label(url);
        self.latency.get_or_create(&label).observe(seconds);
        let count = count as u64;
        self.sent.get_or_create(&label).inc_by(count);
        if !ok {
            self.errors.get_or_create(&label).inc_by(count);
            self.dropped.get_or_create(&label).inc_by(count);
        }
    }
}

fn label(url: &str) -> TargetLabel {
    TargetLabel { alertmanager: url.to_owned() }
}
