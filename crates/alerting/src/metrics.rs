//! What alerting says of itself, under Alertmanager's names where it has one.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct State {
    pub(crate) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Received {
    pub(crate) status: &'static str,
    pub(crate) version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Integration {
    pub(crate) integration: String,
    pub(crate) receiver_name: String,
}

fn seconds() -> Histogram {
    Histogram::new([1.0, 5.0, 10.0, 15.0, 20.0])
}

/// Counters and gauges.
#[derive(Debug)]
pub struct AlertingMetrics {
    pub(crate) received: Family<Received, Counter>,
    pub(crate) invalid: Counter,
    pub(crate) alerts: Family<State, Gauge>,
    pub(crate) silences: Family<State, Gauge>,
    pub(crate) groups: Gauge,
    pub(crate) outbox: Gauge,
    pub(crate) dead: Gauge,
    pub(crate) sent: Family<Integration, Counter>,
    pub(crate) failed: Family<Integration, Counter>,
    pub(crate) latency: Family<Integration, Histogram, fn() -> Histogram>,
    pub(crate) reload_ok: Gauge,
}

impl Default for AlertingMetrics {
    fn default() -> Self {
        AlertingMetrics {
            received: Family::default(),
            invalid: Counter::default(),
            alerts: Family::default(),
            silences: Family::default(),
            groups: Gauge::default(),
            outbox: Gauge::default(),
            dead: Gauge::default(),
            sent: Family::default(),
            failed: Family::default(),
            latency: Family::new_with_constructor(seconds),
            reload_ok: Gauge::default(),
        }
    }
}

impl AlertingMetrics {
    /// Makes them part of a registry.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("alertmanager");
        r.register("alerts_received", "Reports of alerts", self.received.clone());
        r.register("alerts_invalid", "Reports that were refused", self.invalid.clone());
        r.register("alerts", "Alerts by state", self.alerts.clone());
        r.register("silences", "Silences by state", self.silences.clone());
        r.register("dispatcher_aggregation_groups", "Groups of alerts", self.groups.clone());
        r.register("notifications", "Attempts to notify", self.sent.clone());
        r.register("notifications_failed", "Attempts to notify that failed", self.failed.clone());
        r.register("notification_latency_seconds", "Seconds that an attempt took", self.latency.clone());
        r.register("outbox_items", "Notifications that wait for their receiver", self.outbox.clone());
        r.register("dead_letters", "Notifications that a receiver refused", self.dead.clone());
        r.register("config_last_reload_successful", "Whether the last reload worked", self.reload_ok.clone());
    }
}
