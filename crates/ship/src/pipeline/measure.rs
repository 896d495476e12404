//! What pipelines count: dropped lines by reason, and the metrics of `metrics` stages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use config::promtail::{GaugeAction, MetricAction, MetricStage};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::entry::{Entry, Extract};

/// Series that one metric of a stage may have.
const MOST_SERIES: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByLabel {
    label_name: String,
    label_value: String,
}

/// Everything that pipelines count.
#[derive(Debug, Default)]
pub struct Measures {
    dropped: Family<Reason, Counter>,
    dropped_by_label: Family<ByLabel, Counter>,
    custom: Arc<Custom>,
}

impl Measures {
    /// Adds the counters under Promtail's names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "logentry_dropped_lines",
            "A count of all log lines dropped as a result of a pipeline stage",
            self.dropped.clone(),
        );
        registry.register(
            "logentry_dropped_lines_by_label",
            "A count of all log lines dropped as a result of a pipeline stage",
            self.dropped_by_label.clone(),
        );
        registry.register_collector(Box::new(CustomCollector(self.custom.clone())));
    }

    pub(crate) fn count_dropped(&self, reason: &str) {
        self.dropped.get_or_create(&Reason { reason: reason.to_owned() }).inc();
    }

    /// Lines dropped for a reason.
    pub fn dropped(&self, reason: &str) -> u64 {
        self.dropped.get_or_create(&Reason { reason: reason.to_owned() }).get()
    }

    /// Removes series of `metrics` stages that nobody has touched for as long as they may idle.
    pub fn expire(&self, now: i64) {
        for metric in self.custom.0.lock().values_mut() {
            let idle = metric.max_idle;
            metric.series.retain(|_, series| now.saturating_sub(series.touched) < idle);
        }
    }
}

/// Counts lines dropped for one reason.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    counter: Counter,
    measures: Arc<Measures>,
}

impl Dropped {
    pub(crate) fn new(measures: &Arc<Measures>, reason: &str) -> Self {
        let counter = measures.dropped.get_or_create(&Reason { reason: reason.to_owned() }).clone();
        Dropped { counter, measures: measures.clone() }
    }

    pub(crate) fn count(&self) {
        self.counter.inc();
    }

    pub(super) fn count_by_label(&self, name: &str, value: &str) {
        let labels = ByLabel { label_name: name.to_owned(), label_value: value.to_owned() };
        self.measures.dropped_by_label.get_or_create(&labels).inc();
    }
}

type SeriesLabels = Vec<(String, String)>;

/// Metrics of stages by name.
#[derive(Debug, Default)]
struct Custom(Mutex<BTreeMap<String, Metric>>);

#[derive(Debug)]
struct Metric {
    help: String,
    action: MetricAction,
    max_idle: i64,
    series: BTreeMap<SeriesLabels, Series>,
}

impl Metric {
    fn new(stage: &MetricStage) -> Self {
        Metric {
            help: stage.description.clone(),
            action: stage.action.clone(),
            max_idle: stage.max_idle.ms().saturating_mul(1_000_000),
            series: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Series {
    touched: i64,
    value: f64,
    /// Of a histogram: how many values, and how many in each bucket.
    count: u64,
    buckets: Vec<u64>,
}

/// `metrics`.
#[derive(Debug)]
pub(crate) struct MetricsStep {
    stages: Vec<MetricStage>,
    custom: Arc<Custom>,
}

impl MetricsStep {
    pub(super) fn new(stages: &[MetricStage], measures: &Arc<Measures>) -> Self {
        let mut metrics = measures.custom.0.lock();
        for stage in stages {
            let metric = metrics.entry(stage.name.clone()).or_insert_with(|| Metric::new(stage));
            // After a reload it may be another one.
            if metric.action != stage.action {
                *metric = Metric::new(stage);
            }
            metric.help.clone_from(&stage.description);
        }
        MetricsStep { stages: stages.to_vec(), custom: measures.custom.clone() }
    }

    pub(super) fn apply(&self, entry: &Entry<'_>, now: i64) {
        for stage in &self.stages {
            if let Some(change) = change(stage, entry) {
                self.record(stage, entry, change, now);
            }
        }
    }

    fn record(&self, stage: &MetricStage, entry: &Entry<'_>, change: Change, now: i64) {
        let visible = entry.labels.pairs().into_iter().filter(|(name, _)| !name.starts_with("__"));
        let labels: SeriesLabels = visible.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut metrics = self.custom.0.lock();
        let Some(metric) = metrics.get_mut(&stage.name) else { return };
        if metric.series.len() >= MOST_SERIES && !metric.series.contains_key(&labels) {
            return;
        }
        let series = metric.series.entry(labels).or_default();
        series.touched = now;
        match change {
            Change::Set(value) => series.value = value,
            Change::Add(value) => series.value += value,
            Change::Observe(value) => {
                let MetricAction::Histogram(bounds) = &metric.action else { return };
                series.buckets.resize(bounds.len() + 1, 0);
                series.buckets[bounds.partition_point(|bound| *bound < value)] += 1;
                series.value += value;
                series.count += 1;
            }
        }
    }
}

enum Change {
    Set(f64),
    Add(f64),
    Observe(f64),
}

/// What a line does to a metric (Promtail `metricStage.Process`).
fn change(stage: &MetricStage, entry: &Entry<'_>) -> Option<Change> {
    if let MetricAction::Counter { match_all: true, count_entry_bytes, add } = stage.action {
        return match (count_entry_bytes, add) {
            (true, _) => Some(Change::Add(entry.line.len() as f64)),
            (false, false) => Some(Change::Add(1.0)),
            // There is no value to add.
            (false, true) => None,
        };
    }
    let value = entry.extracted.get(&stage.source)?;
    if let Some(expected) = &stage.value
        && *value.as_bytes()? != *expected.as_bytes()
    {
        return None;
    }
    Some(match &stage.action {
        MetricAction::Counter { add: false, .. } => Change::Add(1.0),
        // A counter never goes down.
        MetricAction::Counter { add: true, .. } => Change::Add(number(&value).filter(|v| *v >= 0.0)?),
        MetricAction::Gauge(GaugeAction::Set) => Change::Set(number(&value)?),
        MetricAction::Gauge(GaugeAction::Inc) => Change::Add(1.0),
        MetricAction::Gauge(GaugeAction::Dec) => Change::Add(-1.0),
        MetricAction::Gauge(GaugeAction::Add) => Change::Add(number(&value)?),
        MetricAction::Gauge(GaugeAction::Sub) => Change::Add(-number(&value)?),
        MetricAction::Histogram(_) => Change::Observe(number(&value)?),
    })
}

/// A number, or the seconds of a duration.
fn number(value: &Extract) -> Option<f64> {
    match value {
        Extract::Number(number) => Some(*number),
        Extract::Bool(value) => Some(f64::from(u8::from(*value))),
        Extract::Null => None,
        Extract::Text(text) => {
            let text = std::str::from_utf8(text).ok()?;
            let seconds = || gotemplate::time::duration::parse(text).map(|nanos| nanos as f64 / 1e9);
            model::float::parse_go(text).or_else(seconds)
        }
    }
}

#[derive(Debug)]
struct CustomCollector(Arc<Custom>);

impl Collector for CustomCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, metric) in self.0.0.lock().iter() {
            let plain = name.strip_suffix("_total").unwrap_or(name);
            // A counter is written with the suffix `_total`; one that is called otherwise keeps its name as another type.
            let (name, kind) = match &metric.action {
                MetricAction::Counter { .. } if plain != name => (plain, MetricType::Counter),
                MetricAction::Counter { .. } => (name.as_str(), MetricType::Unknown),
                MetricAction::Gauge(_) => (name.as_str(), MetricType::Gauge),
                MetricAction::Histogram(_) => (name.as_str(), MetricType::Histogram),
            };
            let mut family = encoder.encode_descriptor(name, &metric.help, None, kind)?;
            for (labels, series) in &metric.series {
                let shown = Shown { series, kind, action: &metric.action };
                shown.encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

struct Shown<'a> {
    series: &'a Series,
    kind: MetricType,
    action: &'a MetricAction,
}

impl EncodeMetric for Shown<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match self.action {
            MetricAction::Histogram(bounds) => {
                let bounds = bounds.iter().copied().chain([f64::MAX]);
                let buckets: Vec<(f64, u64)> = bounds.zip(self.series.buckets.iter().copied()).collect();
                encoder.encode_histogram::<NoLabelSet>(self.series.value, self.series.count, &buckets, None)
            }
            MetricAction::Counter { .. } if matches!(self.kind, MetricType::Counter) => {
                encoder.encode_counter::<NoLabelSet, _, u64>(&self.series.value, None)
            }
            _ => encoder.encode_gauge(&self.series.value),
        }
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}
