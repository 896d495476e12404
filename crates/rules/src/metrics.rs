//! What rules say of themselves, under Prometheus' names.

use std::sync::atomic::AtomicU64;

use model::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A group: `file;name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabel {
    rule_group: String,
}

type Counters = Family<GroupLabel, Counter>;
type Gauges = Family<GroupLabel, Gauge<f64, AtomicU64>>;

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0])
}

/// Counters and gauges of all groups.
#[derive(Debug)]
pub struct RuleMetrics {
    evaluations: Counters,
    failures: Counters,
    evaluation_seconds: Histogram,
    group_seconds: Histogram,
    iterations: Counters,
    missed: Counters,
    interval: Gauges,
    rules: Gauges,
    last_seconds: Gauges,
    last_rules_seconds: Gauges,
    last_samples: Gauges,
    last_time: Gauges,
    last_restore_seconds: Gauges,
}

impl Default for RuleMetrics {
    fn default() -> Self {
        RuleMetrics {
            evaluations: Family::default(),
            failures: Family::default(),
            evaluation_seconds: seconds(),
            group_seconds: seconds(),
            iterations: Family::default(),
            missed: Family::default(),
            interval: Family::default(),
            rules: Family::default(),
            last_seconds: Family::default(),
            last_rules_seconds: Family::default(),
            last_samples: Family::default(),
            last_time: Family::default(),
            last_restore_seconds: Family::default(),
        }
    }
}

impl RuleMetrics {
    /// Makes them part of a registry.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("prometheus_rule");
        let m = self;
        registry.register("evaluations", "Rule evaluations", m.evaluations.clone());
        registry.register("evaluation_failures", "Rule evaluations that failed", m.failures.clone());
        registry.register(
            "evaluation_duration_seconds",
            "Seconds that the evaluation of a rule takes",
            m.evaluation_seconds.clone(),
        );
        registry.register(
            "group_duration_seconds",
            "Seconds that the evaluation of a group takes",
            m.group_seconds.clone(),
        );
        registry.register("group_iterations", "Evaluations of a group that were due", m.iterations.clone());
        registry.register(
            "group_iterations_missed",
            "Evaluations of a group that were left out because the one before was slow",
            m.missed.clone(),
        );
        registry.register("group_interval_seconds", "Seconds between evaluations of a group", m.interval.clone());
        registry.register("group_rules", "Rules of a group", m.rules.clone());
        registry.register(
            "group_last_duration_seconds",
            "Seconds that the last evaluation of a group took",
            m.last_seconds.clone(),
        );
        registry.register(
            "group_last_rule_duration_sum_seconds",
            "Seconds that the rules of a group took in its last evaluation, all together",
            m.last_rules_seconds.clone(),
        );
        registry.register(
            "group_last_evaluation_samples",
            "Samples that the last evaluation of a group produced",
            m.last_samples.clone(),
        );
        registry.register(
            "group_last_evaluation_timestamp_seconds",
            "When a group was last evaluated",
            m.last_time.clone(),
        );
        registry.register(
            "group_last_restore_duration_seconds",
            "Seconds that restoring the alerts of a group took",
            m.last_restore_seconds.clone(),
        );
    }

    pub(crate) fn added(&self, key: &str, interval_ms: i64, rules: usize) {
        let label = label(key);
        self.interval.get_or_create(&label).set(interval_ms as f64 / 1000.0);
        self.rules.get_or_create(&label).set(rules as f64);
        for family in [&self.evaluations, &self.failures, &self.iterations, &self.missed] {
            drop(family.get_or_create(&label));
        }
    }

    pub(crate) fn removed(&self, key: &str) {
        let label = label(key);
        for family in [&self.evaluations, &self.failures, &self.iterations, &self.missed] {
            family.remove(&label);
        }
        let gauges = [
            &self.interval,
            &self.rules,
            &self.last_seconds,
            &self.last_rules_seconds,
            &self.last_samples,
            &self.last_time,
            &self.last_restore_seconds,
        ];
        for family in gauges {
            family.remove(&label);
        }
    }

    pub(crate) fn due(&self, key: &str, missed: u64) {
        self.iterations.get_or_create(&label(key)).inc_by(missed + 1);
        if missed > 0 {
            self.missed.get_or_create(&label(key)).inc_by(missed);
        }
    }

    pub(crate) fn rule_evaluated(&self, key: &str, seconds: f64, failed: bool) {
        self.evaluations.get_or_create(&label(key)).inc();
        self.evaluation_seconds.observe(seconds);
        if failed {
            self.failures.get_or_create(&label(key)).inc();
        }
    }

    pub(crate) fn evaluated(&self, key: &str, samples: usize, seconds: f64, rules_seconds: f64, at: Timestamp) {
        let label = label(key);
        self.group_seconds.observe(seconds);
        self.last_seconds.get_or_create(&label).set(seconds);
        self.last_rules_seconds.get_or_create(&label).set(rules_seconds);
        self.last_samples.get_or_create(&label).set(samples as f64);
        self.last_time.get_or_create(&label).set(at.seconds());
    }

    pub(crate) fn restored(&self, key: &str, seconds: f64) {
        self.last_restore_seconds.get_or_create(&label(key)).set(seconds);
    }
}

fn label(key: &str) -> GroupLabel {
    GroupLabel { rule_group: key.to_owned() }
}
