//! What a metric family says of itself: type, help, unit.

use serde::Serialize;

/// The type of a metric family, by Prometheus' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricType {
    /// Only goes up, or starts again.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// A histogram of current values.
    GaugeHistogram,
    /// Quantiles, sum and count.
    Summary,
    /// Constant 1 with facts in labels.
    Info,
    /// One of several states.
    StateSet,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl MetricType {
    /// The name in exposition formats and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::GaugeHistogram => "gaugehistogram",
            MetricType::Summary => "summary",
            MetricType::Info => "info",
            MetricType::StateSet => "stateset",
            MetricType::Unknown => "unknown",
        }
    }
}

/// Type, help text and unit of a metric family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Metadata {
    /// Type.
    #[serde(rename = "type")]
    pub metric_type: MetricType,
    /// Help text, unescaped.
    pub help: String,
    /// Unit, empty where none is given.
    pub unit: String,
}
