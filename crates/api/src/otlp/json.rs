//! OTLP's JSON as the messages of protobuf.
//!
//! The mapping is protobuf's own, but for ids, which are hexadecimal: 64-bit integers are strings or numbers, floats may be the
//! strings `NaN`, `Infinity` and `-Infinity`, names may be camelCase or as in the `.proto` files, unknown ones are skipped, and
//! `null` is the default. The serde code of `opentelemetry-proto` refuses most of this.

pub(super) mod lenient;

use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use serde::Deserialize;

use lenient::{Base64, Hex, Number, Temporality, nullable};

/// Decodes a request.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<proto::ResourceMetrics>, serde_json::Error> {
    let request: Request = serde_json::from_slice(bytes)?;
    Ok(convert(request.resource_metrics))
}

pub(super) fn convert<T, U: From<T>>(list: Vec<T>) -> Vec<U> {
    list.into_iter().map(U::from).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    #[serde(rename = "resourceMetrics", alias = "resource_metrics", deserialize_with = "nullable")]
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResourceMetrics {
    resource: Option<Resource>,
    #[serde(rename = "scopeMetrics", alias = "scope_metrics", deserialize_with = "nullable")]
    scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource {
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<KeyValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ScopeMetrics {
    scope: Option<Scope>,
    #[serde(deserialize_with = "nullable")]
    metrics: Vec<Metric>,
    #[serde(rename = "schemaUrl", alias = "schema_url", deserialize_with = "nullable")]
    schema_url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scope {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    version: String,
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<KeyValue>,
    #[serde(alias = "dropped_attributes_count", rename = "droppedAttributesCount")]
    dropped_attributes_count: Number<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    #[serde(deserialize_with = "nullable")]
    key: String,
    value: Option<AnyValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AnyValue {
    #[serde(alias = "string_value")]
    string_value: Option<String>,
    #[serde(alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(alias = "int_value")]
    int_value: Option<Number<i64>>,
    #[serde(alias = "double_value")]
    double_value: Option<Number<f64>>,
    #[serde(alias = "array_value")]
    array_value: Option<Box<ArrayValue>>,
    #[serde(alias = "kvlist_value")]
    kvlist_value: Option<Box<KeyValueList>>,
    #[serde(alias = "bytes_value")]
    bytes_value: Option<Base64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ArrayValue {
    #[serde(deserialize_with = "nullable")]
    values: Vec<AnyValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeyValueList {
    #[serde(deserialize_with = "nullable")]
    values: Vec<KeyValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metric {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    description: String,
    #[serde(deserialize_with = "nullable")]
    unit: String,
    gauge: Option<Points<NumberPoint>>,
    sum: Option<Points<NumberPoint>>,
    histogram: Option<Points<HistogramPoint>>,
    #[serde(rename = "exponentialHistogram", alias = "exponential_histogram")]
    exponential_histogram: Option<Points<ExponentialPoint>>,
    summary: Option<Points<SummaryPoint>>,
}

/// The data of every type: each has points, and some of the rest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
struct Points<T> {
    #[serde(default, alias = "data_points", deserialize_with = "nullable")]
    data_points: Vec<T>,
    #[serde(default, alias = "aggregation_temporality")]
    aggregation_temporality: Temporality,
    #[serde(default, alias = "is_monotonic", deserialize_with = "nullable")]
    is_monotonic: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NumberPoint {
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<KeyValue>,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number<u64>,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    #[serde(alias = "as_double")]
    as_double: Option<Number<f64>>,
    #[serde(alias = "as_int")]
    as_int: Option<Number<i64>>,
    #[serde(deserialize_with = "nullable")]
    exemplars: Vec<Exemplar>,
    flags: Number<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HistogramPoint {
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<KeyValue>,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number<u64>,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    count: Number<u64>,
    sum: Option<Number<f64>>,
    #[serde(alias = "bucket_counts", deserialize_with = "nullable")]
    bucket_counts: Vec<Number<u64>>,
    #[serde(alias = "explicit_bounds", deserialize_with = "nullable")]
    explicit_bounds: Vec<Number<f64>>,
    #[serde(deserialize_with = "nullable")]
    exemplars: Vec<Exemplar>,
    flags: Number<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExponentialPoint {
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<KeyValue>,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number<u64>,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    count: Number<u64>,
    sum: Option<Number<f64>>,
    scale: Number<i32>,
    #[serde(alias = "zero_count")]
    zero_count: Number<u64>,
    positive: Option<Buckets>,
    negative: Option<Buckets>,
    #[serde(deserialize_with = "nullable")]
    exemplars: Vec<Exemplar>,
    flags: Number<u32>,
    #[serde(alias = "zero_threshold")]
    zero_threshold: Number<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Buckets {
    offset: Number<i32>,
    #[serde(alias = "bucket_counts", deserialize_with = "nullable")]
    bucket_counts: Vec<Number<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SummaryPoint {
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<KeyValue>,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number<u64>,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    count: Number<u64>,
    sum: Number<f64>,
    #[serde(alias = "quantile_values", deserialize_with = "nullable")]
    quantile_values: Vec<Quantile>,
    flags: Number<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Quantile {
    quantile: Number<f64>,
    value: Number<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Exemplar {
    #[serde(alias = "filtered_attributes", deserialize_with = "nullable")]
    filtered_attributes: Vec<KeyValue>,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    #[serde(alias = "as_double")]
    as_double: Option<Number<f64>>,
    #[serde(alias = "as_int")]
    as_int: Option<Number<i64>>,
    #[serde(alias = "span_id")]
    span_id: Hex,
    #[serde(alias = "trace_id")]
    trace_id: Hex,
}

fn numbers<T>(list: Vec<Number<T>>) -> Vec<T> {
    list.into_iter().map(|number| number.0).collect()
}

impl From<ResourceMetrics> for proto::ResourceMetrics {
    fn from(from: ResourceMetrics) -> Self {
        let resource = from.resource.map(ProtoResource::from);
        proto::ResourceMetrics { resource, scope_metrics: convert(from.scope_metrics), schema_url: String::new() }
    }
}

impl From<Resource> for ProtoResource {
    fn from(from: Resource) -> Self {
        ProtoResource { attributes: convert(from.attributes), ..ProtoResource::default() }
    }
}

impl From<ScopeMetrics> for proto::ScopeMetrics {
    fn from(from: ScopeMetrics) -> Self {
        let scope = from.scope.map(common::InstrumentationScope::from);
        proto::ScopeMetrics { scope, metrics: convert(from.metrics), schema_url: from.schema_url }
    }
}

impl From<Scope> for common::InstrumentationScope {
    fn from(from: Scope) -> Self {
        common::InstrumentationScope {
            name: from.name,
            version: from.version,
            attributes: convert(from.attributes),
            dropped_attributes_count: from.dropped_attributes_count.0,
        }
    }
}

impl From<KeyValue> for common::KeyValue {
    fn from(from: KeyValue) -> Self {
        common::KeyValue { key: from.key, value: from.value.map(common::AnyValue::from) }
    }
}

impl From<AnyValue> for common::AnyValue {
    fn from(from: AnyValue) -> Self {
        use common::any_value::Value;
        let value = None
            .or(from.string_value.map(Value::StringValue))
            .or(from.bool_value.map(Value::BoolValue))
            .or(from.int_value.map(|v| Value::IntValue(v.0)))
            .or(from.double_value.map(|v| Value::DoubleValue(v.0)))
            .or(from.array_value.map(|v| Value::ArrayValue(common::ArrayValue { values: convert(v.values) })))
            .or(from.kvlist_value.map(|v| Value::KvlistValue(common::KeyValueList { values: convert(v.values) })))
            .or(from.bytes_value.map(|v| Value::BytesValue(v.0)));
        common::AnyValue { value }
    }
}

impl From<Metric> for proto::Metric {
    fn from(from: Metric) -> Self {
        use proto::metric::Data;
        let data = None
            .or(from.gauge.map(|d| Data::Gauge(proto::Gauge { data_points: convert(d.data_points) })))
            .or(from.sum.map(|d| {
                Data::Sum(proto::Sum {
                    aggregation_temporality: d.aggregation_temporality.0,
                    is_monotonic: d.is_monotonic,
                    data_points: convert(d.data_points),
                })
            }))
            .or(from.histogram.map(|d| {
                Data::Histogram(proto::Histogram {
                    aggregation_temporality: d.aggregation_temporality.0,
                    data_points: convert(d.data_points),
                })
            }))
            .or(from.exponential_histogram.map(|d| {
                Data::ExponentialHistogram(proto::ExponentialHistogram {
                    aggregation_temporality: d.aggregation_temporality.0,
                    data_points: convert(d.data_points),
                })
            }))
            .or(from.summary.map(|d| Data::Summary(proto::Summary { data_points: convert(d.data_points) })));
        let Metric { name, description, unit, .. } = from;
        proto::Metric { name, description, unit, metadata: Vec::new(), data }
    }
}

impl From<NumberPoint> for proto::NumberDataPoint {
    fn from(from: NumberPoint) -> Self {
        use proto::number_data_point::Value;
        let double = from.as_double.map(|v| Value::AsDouble(v.0));
        proto::NumberDataPoint {
            attributes: convert(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.0,
            time_unix_nano: from.time_unix_nano.0,
            exemplars: convert(from.exemplars),
            flags: from.flags.0,
            value: double.or(from.as_int.map(|v| Value::AsInt(v.0))),
        }
    }
}

impl From<HistogramPoint> for proto::HistogramDataPoint {
    fn from(from: HistogramPoint) -> Self {
        proto::HistogramDataPoint {
            attributes: convert(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.0,
            time_unix_nano: from.time_unix_nano.0,
            count: from.count.0,
            sum: from.sum.map(|v| v.0),
            bucket_counts: numbers(from.bucket_counts),
            explicit_bounds: numbers(from.explicit_bounds),
            exemplars: convert(from.exemplars),
            flags: from.flags.0,
            min: None,
            max: None,
        }
    }
}

impl From<ExponentialPoint> for proto::ExponentialHistogramDataPoint {
    fn from(from: ExponentialPoint) -> Self {
        use proto::exponential_histogram_data_point::Buckets as ProtoBuckets;
        let side = |buckets: Option<Buckets>| {
            buckets.map(|b| ProtoBuckets { offset: b.offset.0, bucket_counts: numbers(b.bucket_counts) })
        };
        proto::ExponentialHistogramDataPoint {
            attributes: convert(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.0,
            time_unix_nano: from.time_unix_nano.0,
            count: from.count.0,
            sum: from.sum.map(|v| v.0),
            scale: from.scale.0,
            zero_count: from.zero_count.0,
            positive: side(from.positive),
            negative: side(from.negative),
            flags: from.flags.0,
            exemplars: convert(from.exemplars),
            min: None,
            max: None,
            zero_threshold: from.zero_threshold.0,
        }
    }
}

impl From<SummaryPoint> for proto::SummaryDataPoint {
    fn from(from: SummaryPoint) -> Self {
        use proto::summary_data_point::ValueAtQuantile;
        let quantile = |q: Quantile| ValueAtQuantile { quantile: q.quantile.0, value: q.value.0 };
        proto::SummaryDataPoint {
            attributes: convert(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.0,
            time_unix_nano: from.time_unix_nano.0,
            count: from.count.0,
            sum: from.sum.0,
            quantile_values: from.quantile_values.into_iter().map(quantile).collect(),
            flags: from.flags.0,
        }
    }
}

impl From<Exemplar> for proto::Exemplar {
    fn from(from: Exemplar) -> Self {
        use proto::exemplar::Value;
        let double = from.as_double.map(|v| Value::AsDouble(v.0));
        proto::Exemplar {
            filtered_attributes: convert(from.filtered_attributes),
            time_unix_nano: from.time_unix_nano.0,
            span_id: from.span_id.0,
            trace_id: from.trace_id.0,
            value: double.or(from.as_int.map(|v| Value::AsInt(v.0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_where_protobuf_is() {
        let text = r#"{"unknown": [1, {"x": null}], "resource_metrics": [{"resource": null, "scopeMetrics": [{
            "metrics": [
                {"name": "a", "unit": null, "gauge": {"dataPoints": [
                    {"timeUnixNano": "1700000000000000001", "asInt": "-5", "flags": 1},
                    {"time_unix_nano": 1700000000000000001, "asDouble": "NaN"},
                    {"asDouble": 2, "attributes": [{"key": "k", "value": {"intValue": "7"}}, {"key": "e", "value": {}}]}]}},
                {"name": "b", "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "isMonotonic": true,
                    "dataPoints": [{"asInt": 3, "exemplars": [{"traceId": "00ffAB", "asDouble": 1.5}]}]}},
                {"name": "c", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                    {"count": "3", "bucketCounts": ["1", 2], "explicitBounds": [0.5], "sum": "-Infinity"}]}}
            ]}]}]}"#;
        let decoded = decode(text.as_bytes()).unwrap();
        let metrics = &decoded[0].scope_metrics[0].metrics;
        let Some(proto::metric::Data::Gauge(gauge)) = &metrics[0].data else { panic!("a gauge") };
        assert_eq!(gauge.data_points[0].time_unix_nano, 1_700_000_000_000_000_001);
        assert_eq!(gauge.data_points[1].time_unix_nano, 1_700_000_000_000_000_001);
        assert_eq!(gauge.data_points[0].value, Some(proto::number_data_point::Value::AsInt(-5)));
        assert!(matches!(gauge.data_points[1].value, Some(proto::number_data_point::Value::AsDouble(v)) if v.is_nan()));
        assert_eq!(gauge.data_points[2].attributes.len(), 2);
        let Some(proto::metric::Data::Sum(sum)) = &metrics[1].data else { panic!("a sum") };
        assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (1, true));
        assert_eq!(sum.data_points[0].exemplars[0].trace_id, [0, 0xff, 0xab]);
        let Some(proto::metric::Data::Histogram(histogram)) = &metrics[2].data else { panic!("a histogram") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum), (3, Some(f64::NEG_INFINITY)));
        assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[1, 2][..], &[0.5][..]));
        assert!(decode(b"{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_refused() {
        let point = |point: &str| {
            format!(
                r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"gauge":{{"dataPoints":[{point}]}}}}]}}]}}]}}"#
            )
        };
        for bad in [
            r#"{"asInt": "x"}"#,
            r#"{"asInt": 1.5}"#,
            r#"{"timeUnixNano": "-1"}"#,
            r#"{"flags": 4294967296}"#,
            r#"{"asDouble": "inf"}"#,
            r#"{"exemplars": [{"traceId": "0g"}]}"#,
            r#"{"exemplars": [{"traceId": "abc"}]}"#,
            "7",
        ] {
            assert!(decode(point(bad).as_bytes()).is_err(), "{bad}");
        }
        assert!(decode(point(r#"{"asInt": 1}"#).as_bytes()).is_ok());
        assert!(decode(b"").is_err());
        assert!(decode(b"7").is_err());
    }
}
