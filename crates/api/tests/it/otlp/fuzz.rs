//! Mutations of valid bodies, from a seed: whatever comes is answered, and nothing that was not sent is stored.

use config::OtlpConfig;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Receiver;

const TIME: u64 = 1_700_000_000_000_000_000;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }) }
}

/// A request with every kind of metric and every kind of attribute.
pub(super) fn everything() -> ExportMetricsServiceRequest {
    let nested = ArrayValue { values: vec![AnyValue { value: Some(Value::IntValue(1)) }] };
    let attributes = vec![
        attribute("http.method", Value::StringValue("GET".into())),
        attribute("code", Value::IntValue(200)),
        attribute("share", Value::DoubleValue(0.25)),
        attribute("ok", Value::BoolValue(true)),
        attribute("list", Value::ArrayValue(nested)),
    ];
    let exemplars = vec![Exemplar {
        filtered_attributes: vec![attribute("user", Value::StringValue("u".into()))],
        time_unix_nano: TIME,
        span_id: vec![1; 8],
        trace_id: vec![2; 16],
        value: Some(exemplar::Value::AsDouble(0.3)),
    }];
    let number = |value, at: u64| NumberDataPoint {
        attributes: attributes.clone(),
        start_time_unix_nano: TIME - 1_000_000_000,
        time_unix_nano: TIME + at * 1_000_000_000,
        exemplars: exemplars.clone(),
        flags: 0,
        value: Some(value),
    };
    let sum = |temporality, data_points| {
        Data::Sum(Sum { aggregation_temporality: temporality, is_monotonic: true, data_points })
    };
    let histogram = HistogramDataPoint {
        attributes: attributes.clone(),
        time_unix_nano: TIME,
        count: 6,
        sum: Some(1.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 1.0],
        exemplars: exemplars.clone(),
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        attributes: attributes.clone(),
        time_unix_nano: TIME,
        count: 7,
        sum: Some(1.5),
        scale: 9,
        zero_count: 1,
        positive: Some(Buckets { offset: -3, bucket_counts: vec![1, 0, 2] }),
        negative: Some(Buckets { offset: 3, bucket_counts: vec![3] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        attributes: attributes.clone(),
        time_unix_nano: TIME,
        count: 2,
        sum: 3.0,
        quantile_values: vec![ValueAtQuantile { quantile: 0.5, value: 1.0 }],
        ..SummaryDataPoint::default()
    };
    let metric = |name: &str, unit: &str, data| Metric {
        name: name.into(),
        description: "Something.".into(),
        unit: unit.into(),
        metadata: Vec::new(),
        data: Some(data),
    };
    use number_data_point::Value::{AsDouble, AsInt};
    let metrics = vec![
        metric(
            "queue.length",
            "1",
            Data::Gauge(Gauge { data_points: vec![number(AsInt(3), 0), number(AsDouble(2.5), 1)] }),
        ),
        metric("requests", "{request}", sum(2, vec![number(AsInt(7), 0)])),
        metric("bytes", "By", sum(1, vec![number(AsInt(7), 0), number(AsInt(1), 1)])),
        metric(
            "latency",
            "s",
            Data::Histogram(Histogram { aggregation_temporality: 2, data_points: vec![histogram.clone()] }),
        ),
        metric("wait", "s", Data::Histogram(Histogram { aggregation_temporality: 1, data_points: vec![histogram] })),
        metric(
            "size",
            "By",
            Data::ExponentialHistogram(ExponentialHistogram {
                aggregation_temporality: 2,
                data_points: vec![exponential],
            }),
        ),
        metric("rpc", "ms", Data::Summary(Summary { data_points: vec![summary] })),
    ];
    let resource = Resource {
        attributes: vec![
            attribute("service.name", Value::StringValue("shop".into())),
            attribute("service.instance.id", Value::StringValue("i".into())),
            attribute("host.name", Value::StringValue("h".into())),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "lib".into(), version: "1".into(), ..InstrumentationScope::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: "https://x".into() }],
            schema_url: String::new(),
        }],
    }
}

/// A few changes of bytes, or pieces cut out or doubled.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        let end = (at + random.random_range(1..40)).min(bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] = random.random(),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => _ = bytes.drain(at..end),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            _ => bytes[at..end].fill(if random.random() { 0xff } else { 0 }),
        }
    }
}

async fn bombard(content_type: &str, valid: &[u8], seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let configs = [
        OtlpConfig::default(),
        OtlpConfig {
            translation_strategy: config::TranslationStrategy::NoTranslation,
            promote_all_resource_attributes: true,
            convert_histograms_to_nhcb: true,
            promote_scope_metadata: true,
            ..OtlpConfig::default()
        },
    ];
    for config in configs {
        let receiver = Receiver::new(config);
        let mut taken = 0;
        for _ in 0..1_500 {
            let mut bytes = valid.to_vec();
            mutate(&mut bytes, &mut random);
            let answer = receiver.post(content_type, bytes).await;
            let status = answer.status.as_u16();
            assert!(matches!(status, 200 | 400 | 413), "{status} {:?}", answer.body);
            taken += usize::from(status == 200);
        }
        assert!(taken > 20, "only {taken} of the mutated bodies were still messages");
        assert!(receiver.sink.samples().iter().all(|stored| !stored.labels.metric_name().is_empty()));
    }
}

#[tokio::test]
async fn protobuf() {
    bombard("application/x-protobuf", &everything().encode_to_vec(), 1).await;
}

#[tokio::test]
async fn json() {
    bombard("application/json", serde_json::to_string(&everything()).expect("JSON").as_bytes(), 2).await;
}

#[tokio::test]
async fn grpc_frames() {
    let receiver = Receiver::new(OtlpConfig::default());
    let message = everything().encode_to_vec();
    let mut valid = vec![0];
    valid.extend_from_slice(&(message.len() as u32).to_be_bytes());
    valid.extend_from_slice(&message);
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..500 {
        let mut bytes = valid.clone();
        mutate(&mut bytes, &mut random);
        let request = http::Request::post("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
            .header("content-type", "application/grpc")
            .header("grpc-encoding", ["gzip", "zstd", "identity"][random.random_range(0..3)]);
        let answer = receiver.send(request.body(bytes.into()).expect("a request")).await;
        assert_eq!(answer.status, 200);
    }
}

/// Nesting as deep as a body allows.
#[tokio::test]
async fn deep_values() {
    let receiver = Receiver::new(OtlpConfig::default());
    let open = r#"{"arrayValue":{"values":["#.repeat(100_000);
    let json = format!(r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"k","value":{open}"#);
    assert_eq!(receiver.post("application/json", json).await.status, 400);
    let mut value = AnyValue { value: Some(Value::BoolValue(true)) };
    for _ in 0..90 {
        value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![value] })) };
    }
    let mut request = everything();
    let attributes = &mut request.resource_metrics[0].resource.as_mut().expect("a resource").attributes;
    attributes.push(KeyValue { key: "deep".into(), value: Some(value) });
    assert_eq!(receiver.post("application/x-protobuf", request.encode_to_vec()).await.status, 400);
}
