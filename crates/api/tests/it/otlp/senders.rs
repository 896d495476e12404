//! OpenTelemetry's own Rust SDK and exporters, over HTTP and gRPC, against a server on loopback.

use std::time::Duration;

use config::OtlpConfig;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{Compression, MetricExporter, Protocol, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::periodic_reader_with_async_runtime::PeriodicReader;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};
use opentelemetry_sdk::runtime::Tokio;
use tokio_util::sync::CancellationToken;

use super::Receiver;

/// Serves the receiver until the guard is dropped.
async fn serve(receiver: &Receiver) -> (String, tokio_util::sync::DropGuard) {
    let listener = api::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a listener");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let stop = CancellationToken::new();
    tokio::spawn(api::serve(vec![(listener, receiver.router.clone())], stop.clone(), Duration::from_secs(1)));
    (url, stop.drop_guard())
}

/// Records a few values and hands them over.
async fn record(exporter: MetricExporter) {
    let resource = Resource::builder_empty()
        .with_attributes([KeyValue::new("service.name", "shop"), KeyValue::new("host.name", "h")])
        .build();
    let reader = PeriodicReader::builder(exporter, Tokio).with_interval(Duration::from_secs(3600)).build();
    let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
    let meter = provider.meter("test");
    let get = [KeyValue::new("http.method", "GET")];
    meter.u64_counter("http.requests").with_unit("{request}").build().add(3, &get);
    meter.f64_gauge("temperature").with_unit("Cel").build().record(21.5, &[]);
    let latency = meter.f64_histogram("latency").with_unit("s").with_boundaries(vec![0.1, 1.0]).build();
    [0.05, 0.5, 0.5, 7.0].iter().for_each(|value| latency.record(*value, &get));
    let flushed = tokio::task::spawn_blocking(move || provider.shutdown()).await.expect("the thread ends");
    flushed.expect("the exporter is content");
}

fn check(receiver: &Receiver) {
    let mut found: Vec<(String, f64)> =
        receiver.sink.floats().into_iter().map(|(labels, _, value)| (labels, value)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    // Where the SDK read its instruments a millisecond apart, `target_info` has a sample for both ends.
    found.dedup();
    let method = "http_method=\"GET\", job=\"shop\"";
    let bucket = |le: &str, value| {
        (format!("{{__name__=\"latency_seconds_bucket\", http_method=\"GET\", job=\"shop\", le=\"{le}\"}}"), value)
    };
    let want = [
        (format!("{{__name__=\"http_requests_total\", {method}}}"), 3.0),
        bucket("+Inf", 4.0),
        bucket("0.1", 1.0),
        bucket("1", 3.0),
        (format!("{{__name__=\"latency_seconds_count\", {method}}}"), 4.0),
        (format!("{{__name__=\"latency_seconds_sum\", {method}}}"), 8.05),
        ("{__name__=\"target_info\", host_name=\"h\", job=\"shop\"}".to_owned(), 1.0),
        ("{__name__=\"temperature_celsius\", job=\"shop\"}".to_owned(), 21.5),
    ];
    assert_eq!(found, want);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let receiver = Receiver::new(OtlpConfig::default());
    let (url, _guard) = serve(&receiver).await;
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(HyperClient::with_default_connector(Duration::from_secs(10), None))
        .with_protocol(Protocol::HttpBinary)
        .with_compression(Compression::Gzip)
        .with_endpoint(format!("{url}/v1/metrics"))
        .build()
        .expect("an exporter");
    record(exporter).await;
    check(&receiver);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_grpc() {
    for (temporality, compression) in [(Temporality::Cumulative, None), (Temporality::Delta, Some(Compression::Gzip))] {
        let receiver = Receiver::new(OtlpConfig::default());
        let (url, _guard) = serve(&receiver).await;
        let mut builder = MetricExporter::builder().with_tonic().with_endpoint(url).with_temporality(temporality);
        if let Some(compression) = compression {
            builder = builder.with_compression(compression);
        }
        record(builder.build().expect("an exporter")).await;
        check(&receiver);
    }
}
