//! The views of OTLP's data that translation needs, independent of where it came from.

use std::borrow::Cow;

use model::{Exemplar, Labels, MetricType, Timestamp};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar as ProtoExemplar, HistogramDataPoint, Metric, exemplar, number_data_point,
};

use super::names::NameKind;
use super::values::text;

/// The bit of the flags that says that there is no value.
const NO_RECORDED_VALUE: u32 = 1;
/// Characters that the labels of an exemplar may have together (OpenMetrics 1.0).
const MAX_EXEMPLAR_CHARS: usize = 128;

/// A histogram with explicit bounds, as it came or as it was added up.
#[derive(Clone, Debug)]
pub(super) struct Explicit<'a> {
    pub(super) bounds: Cow<'a, [f64]>,
    pub(super) counts: Cow<'a, [u64]>,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
}

impl<'a> Explicit<'a> {
    pub(super) fn new(point: &'a HistogramDataPoint) -> Self {
        Explicit {
            bounds: Cow::Borrowed(&point.explicit_bounds),
            counts: Cow::Borrowed(&point.bucket_counts),
            count: point.count,
            sum: point.sum,
        }
    }
}

/// Milliseconds of a time in nanoseconds.
pub(super) fn milliseconds(nanos: u64) -> i64 {
    nanos as i64 / 1_000_000
}

/// When counting began; `None` where that is not said.
pub(super) fn start_timestamp(nanos: u64) -> Option<Timestamp> {
    Some(milliseconds(nanos)).filter(|ms| *ms != 0).map(Timestamp)
}

/// Whether the flags say that the series has ended.
pub(super) fn has_no_value(flags: u32) -> bool {
    flags & NO_RECORDED_VALUE != 0
}

pub(super) fn number(value: Option<number_data_point::Value>) -> f64 {
    match value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => 0.0,
    }
}

/// A bound or a quantile as a label value: without an exponent.
pub(super) fn number_label(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// What the name is given for the type.
pub(super) fn name_kind(metric: &Metric) -> NameKind {
    match &metric.data {
        Some(Data::Gauge(_)) => NameKind::Gauge,
        Some(Data::Sum(sum)) if sum.is_monotonic => NameKind::Counter,
        _ => NameKind::Other,
    }
}

/// The type as metadata has it. Deltas are added up, so they are what their sums are.
pub(super) fn metric_type(metric: &Metric) -> MetricType {
    match &metric.data {
        Some(Data::Sum(sum)) if sum.is_monotonic => MetricType::Counter,
        Some(Data::Gauge(_) | Data::Sum(_)) => MetricType::Gauge,
        Some(Data::Histogram(_) | Data::ExponentialHistogram(_)) => MetricType::Histogram,
        Some(Data::Summary(_)) => MetricType::Summary,
        None => MetricType::Unknown,
    }
}

/// What the points say of the time before them; `None` where the type has no such notion.
pub(super) fn temporality(metric: &Metric) -> Option<AggregationTemporality> {
    let number = match &metric.data {
        Some(Data::Sum(sum)) => sum.aggregation_temporality,
        Some(Data::Histogram(histogram)) => histogram.aggregation_temporality,
        Some(Data::ExponentialHistogram(histogram)) => histogram.aggregation_temporality,
        Some(Data::Gauge(_) | Data::Summary(_)) | None => return None,
    };
    Some(AggregationTemporality::try_from(number).unwrap_or(AggregationTemporality::Unspecified))
}

/// Times of the points in nanoseconds, in their order.
pub(super) fn times(metric: &Metric) -> Box<dyn Iterator<Item = u64> + '_> {
    match &metric.data {
        Some(Data::Gauge(gauge)) => Box::new(gauge.data_points.iter().map(|p| p.time_unix_nano)),
        Some(Data::Sum(sum)) => Box::new(sum.data_points.iter().map(|p| p.time_unix_nano)),
        Some(Data::Histogram(histogram)) => Box::new(histogram.data_points.iter().map(|p| p.time_unix_nano)),
        Some(Data::ExponentialHistogram(histogram)) => Box::new(histogram.data_points.iter().map(|p| p.time_unix_nano)),
        Some(Data::Summary(summary)) => Box::new(summary.data_points.iter().map(|p| p.time_unix_nano)),
        None => Box::new(std::iter::empty()),
    }
}

/// The attributes of a point; none where there is no such point.
pub(super) fn attributes(metric: &Metric, point: u32) -> &[KeyValue] {
    let at = point as usize;
    let attributes = match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.get(at).map(|p| &p.attributes),
        Some(Data::Sum(sum)) => sum.data_points.get(at).map(|p| &p.attributes),
        Some(Data::Histogram(histogram)) => histogram.data_points.get(at).map(|p| &p.attributes),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.get(at).map(|p| &p.attributes),
        Some(Data::Summary(summary)) => summary.data_points.get(at).map(|p| &p.attributes),
        None => None,
    };
    attributes.map_or(&[], Vec::as_slice)
}

/// Exemplars; those without a value are left out.
pub(super) fn exemplars(exemplars: &[ProtoExemplar]) -> Vec<Exemplar> {
    exemplars.iter().filter_map(convert_exemplar).collect()
}

fn convert_exemplar(exemplar: &ProtoExemplar) -> Option<Exemplar> {
    let value = match exemplar.value? {
        exemplar::Value::AsDouble(value) => value,
        exemplar::Value::AsInt(value) => value as f64,
    };
    let ids = [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)];
    let mut labels: Vec<(&str, Cow<'_, str>)> = Vec::new();
    for (name, id) in ids {
        if id.iter().any(|byte| *byte != 0) {
            labels.push((name, Cow::Owned(id.iter().map(|byte| format!("{byte:02x}")).collect())));
        }
    }
    let ids = labels.len();
    labels.extend(exemplar.filtered_attributes.iter().map(|kv| (kv.key.as_str(), text(kv.value.as_ref()))));
    let chars: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if chars > MAX_EXEMPLAR_CHARS {
        labels.truncate(ids);
    }
    let timestamp = Some(milliseconds(exemplar.time_unix_nano)).filter(|ms| *ms != 0).map(Timestamp);
    Some(Exemplar { labels: Labels::from_pairs(labels), value, timestamp })
}
