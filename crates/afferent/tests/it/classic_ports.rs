//! The ports of the systems that are replaced, with the senders that look for them there. On a loopback address of this process
//! alone, so that nobody else has them.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{MetricExporter, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::metrics::periodic_reader_with_async_runtime::PeriodicReader;
use opentelemetry_sdk::runtime::Tokio;

use crate::harness::{free_port, http_get, raw_get, url_encode, wait_for};

/// Ends the server with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn record(service: &str, exporter: MetricExporter) {
    let resource =
        Resource::builder_empty().with_attributes([KeyValue::new("service.name", service.to_owned())]).build();
    let reader = PeriodicReader::builder(exporter, Tokio).with_interval(Duration::from_secs(3600)).build();
    let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
    provider.meter("test").u64_counter("sent").build().add(3, &[]);
    let flushed = tokio::task::spawn_blocking(move || provider.shutdown()).await.expect("the thread ends");
    flushed.expect("the exporter is content");
}

#[test]
fn opentelemetry_and_prometheus_answer_where_they_are_looked_for() {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 93, high, low.clamp(1, 254));
    if TcpListener::bind((address, 0)).is_err() {
        println!("skipped: classic ports, this system has only one loopback address");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_afferent"));
    command.arg("serve").arg("--config").arg(directory.path()).arg("--data").arg(directory.path().join("data"));
    command.args(["--listen", &format!("{address}:{}", free_port())]);
    let _server = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let prometheus = format!("http://{address}:9090");
    assert!(
        wait_for(Duration::from_secs(30), || raw_get(&prometheus, "/-/ready").is_ok_and(|(status, _)| status == 200))
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let grpc = MetricExporter::builder().with_tonic().with_endpoint(format!("http://{address}:4317"));
        record("over-grpc", grpc.build().expect("an exporter")).await;
        let http = MetricExporter::builder()
            .with_http()
            .with_http_client(HyperClient::with_default_connector(Duration::from_secs(10), None))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("http://{address}:4318/v1/metrics"));
        record("over-http", http.build().expect("an exporter")).await;
    });
    let now = SystemClock.now().seconds();
    for job in ["over-grpc", "over-http"] {
        let query = url_encode(&format!("sent_total{{job=\"{job}\"}}"));
        let (status, answer) = http_get(&prometheus, &format!("/api/v1/query?query={query}&time={now}"));
        assert_eq!((status, &answer["data"]["result"][0]["value"][1]), (200, &"3".into()), "{job}: {answer}");
    }
}
