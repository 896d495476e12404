//! What is counted of queries, under the names of Prometheus' engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use promql::engine::QueryStats;

use super::quantiles::Quantiles;
use crate::errors::ErrorKind;

/// The parts of a query that are timed.
const SLICES: [&str; 4] = ["queue_time", "prepare_time", "inner_eval", "result_sort"];
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
/// Upper bounds in seconds.
const BUCKETS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SliceLabels {
    slice: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

/// Counters of queries; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct QueryMetrics {
    /// At work or waiting.
    pub(super) queries: Gauge,
    most: Gauge,
    samples: Counter,
    samples_read: Counter,
    durations: Family<SliceLabels, Histogram, fn() -> Histogram>,
    summary: Arc<[Mutex<Quantiles>; 4]>,
    pub(super) slow: Counter,
    pub(super) killed: Counter,
    refused: Family<RefusalLabels, Counter>,
}

impl QueryMetrics {
    pub(crate) fn new(most_at_a_time: usize) -> Self {
        let most = Gauge::default();
        most.set(most_at_a_time as i64);
        QueryMetrics {
            queries: Gauge::default(),
            most,
            samples: Counter::default(),
            samples_read: Counter::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            summary: Arc::new(std::array::from_fn(|_| Mutex::new(Quantiles::new(Instant::now())))),
            slow: Counter::default(),
            killed: Counter::default(),
            refused: Family::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let gauges = [
            ("queries", "The current number of queries being executed or waiting", &self.queries),
            ("queries_concurrent_max", "The max number of concurrent queries", &self.most),
        ];
        for (name, help, gauge) in gauges {
            registry.register(format!("prometheus_engine_{name}"), help, gauge.clone());
        }
        let counters = [
            (
                "prometheus_engine_query_samples",
                "The total number of samples loaded by all queries (full window per step for range-vector)",
                &self.samples,
            ),
            (
                "prometheus_engine_query_samples_read",
                "The total number of samples read by all queries (only new points per step for range-vector)",
                &self.samples_read,
            ),
            ("afferent_slow_queries", "Queries that took longer than --query.slow-threshold", &self.slow),
            ("afferent_killed_queries", "Queries that an operator ended", &self.killed),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "afferent_refused_queries",
            "Queries that got no place: the queue was full, or their time was up in it",
            self.refused.clone(),
        );
        registry.register(
            "prometheus_engine_query_duration_histogram_seconds",
            "The duration of various parts of PromQL query execution",
            self.durations.clone(),
        );
        registry.register_collector(Box::new(Summary(self.summary.clone())));
    }

    pub(super) fn observe(&self, stats: &QueryStats, waited: Duration) {
        self.samples.inc_by(stats.total_queryable_samples);
        let timings = &stats.timings;
        let now = Instant::now();
        let durations = [waited, timings.prepare, timings.inner_eval, timings.result_sort];
        for ((slice, duration), quantiles) in SLICES.into_iter().zip(durations).zip(self.summary.iter()) {
            self.durations.get_or_create(&SliceLabels { slice }).observe(duration.as_secs_f64());
            quantiles.lock().observe(duration, now);
        }
    }

    pub(super) fn count_samples_read(&self, samples: u64) {
        self.samples_read.inc_by(samples);
    }

    pub(super) fn count_refusal(&self, kind: ErrorKind) {
        let reason = if kind == ErrorKind::Timeout { "queue_timeout" } else { "queue_full" };
        self.refused.get_or_create(&RefusalLabels { reason }).inc();
    }
}

/// Prometheus' summary of durations. The text format has no other summary writer here, so its three names are written one by one.
#[derive(Debug)]
struct Summary(Arc<[Mutex<Quantiles>; 4]>);

impl Collector for Summary {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        const NAME: &str = "prometheus_engine_query_duration_seconds";
        let now = Instant::now();
        let mut quantiles = encoder.encode_descriptor(NAME, "Query timings", None, MetricType::Unknown)?;
        for (slice, durations) in SLICES.into_iter().zip(self.0.iter()) {
            for q in QUANTILES {
                let value = durations.lock().quantile(q, now);
                let labels = [("slice", slice.to_owned()), ("quantile", q.to_string())];
                ConstGauge::new(value).encode(quantiles.encode_family(&labels)?)?;
            }
        }
        let totals: Vec<(f64, u64)> = self.0.iter().map(|durations| durations.lock().totals()).collect();
        let sum = format!("{NAME}_sum");
        let mut sums = encoder.encode_descriptor(&sum, "Query timings", None, MetricType::Unknown)?;
        for (slice, (sum, _)) in SLICES.into_iter().zip(&totals) {
            ConstGauge::new(*sum).encode(sums.encode_family(&[("slice", slice)])?)?;
        }
        let count = format!("{NAME}_count");
        let mut counts = encoder.encode_descriptor(&count, "Query timings", None, MetricType::Unknown)?;
        for (slice, (_, count)) in SLICES.into_iter().zip(&totals) {
            ConstGauge::new(*count as i64).encode(counts.encode_family(&[("slice", slice)])?)?;
        }
        Ok(())
    }
}
