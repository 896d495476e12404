//! Headers, packing, status codes and the bodies of answers, over HTTP and gRPC.

use std::io::Write;

use axum::body::Body;
use config::OtlpConfig;
use http::Request;
use model::AppendError;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use serde_json::json;

use super::Receiver;
use super::fuzz::everything;
use crate::support::{Answer, App, request};

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const PROTOBUF: &str = "application/x-protobuf";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A call as gRPC sends it.
fn call(message: &[u8], packing: Option<&str>) -> Request<Body> {
    let mut body = vec![u8::from(packing.is_some())];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    let mut request = Request::post(EXPORT).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(packing) = packing {
        request = request.header("grpc-encoding", packing);
    }
    request.body(body.into()).expect("a request")
}

/// `google.rpc.Status`, its code and message.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `RetryInfo` of five seconds.
const FIVE_SECONDS: [u8; 4] = [0x0a, 2, 8, 5];

fn status(answer: &Answer) -> (i32, Status) {
    (answer.status.as_u16().into(), Status::decode(answer.body.as_slice()).expect("a status"))
}

#[tokio::test]
async fn packed_bodies() {
    let message = everything().encode_to_vec();
    for (packing, body) in [
        ("gzip", gzip(&message)),
        ("zstd", zstd::encode_all(message.as_slice(), 3).expect("packed")),
        ("identity", message.clone()),
    ] {
        let receiver = Receiver::new(OtlpConfig::default());
        let request = Request::post("/v1/metrics").header("content-type", PROTOBUF).header("content-encoding", packing);
        let answer = receiver.send(request.body(body.clone().into()).expect("a request")).await;
        assert_eq!(answer.status, 200, "{packing}");
        assert_eq!(answer.header("content-type"), Some(PROTOBUF));
        let over_http = receiver.sink.samples().len();
        let receiver = Receiver::new(OtlpConfig::default());
        let answer = receiver.send(call(&body, Some(packing))).await;
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
        assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, &[0; 5][..]), "{packing}");
        assert_eq!(receiver.sink.samples().len(), over_http);
    }
}

#[tokio::test]
async fn what_is_not_understood() {
    let receiver = Receiver::new(OtlpConfig::default());
    let answer = receiver.post("text/plain", "x").await;
    assert_eq!(answer.status, 415);
    assert!(answer.text().starts_with("unsupported content type: text/plain"), "{}", answer.text());
    let request = Request::post("/v1/metrics").header("content-type", PROTOBUF).header("content-encoding", "br");
    assert_eq!(receiver.send(request.body(Body::empty()).expect("a request")).await.status, 415);
    let (http, bad) = status(&receiver.post(PROTOBUF, vec![0xff; 9]).await);
    assert_eq!((http, bad.code, bad.details.len()), (400, 3, 0));
    assert!(bad.message.starts_with("malformed export request"), "{}", bad.message);
    let answer = receiver.post("application/json", "{").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!(3)));
    let (http, large) = status(&receiver.post(PROTOBUF, vec![0; (32 << 20) + 1]).await);
    assert_eq!((http, large.code), (413, 8));
    let answer = receiver.send(call(&[0xff; 9], None)).await;
    assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, Some("3")));
    assert_eq!(receiver.send(call(b"", Some("br"))).await.header("grpc-status"), Some("12"));
    let cut = Request::post(EXPORT).header("content-type", "application/grpc").body(Body::from(vec![0, 0, 0]));
    assert_eq!(receiver.send(cut.expect("a request")).await.header("grpc-status"), Some("13"));
    assert!(receiver.post(PROTOBUF, Vec::new()).await.status.is_success());
}

#[tokio::test]
async fn come_again() {
    let message = everything().encode_to_vec();
    let receiver = Receiver::new(OtlpConfig::default());
    for failure in [
        AppendError::OverBudget { retry_after_s: 5 },
        AppendError::Closed,
        AppendError::Log("no space left on device".into()),
    ] {
        receiver.sink.0.lock().failure = Some(failure);
        let answer = receiver.post(PROTOBUF, message.clone()).await;
        assert_eq!(answer.header("retry-after"), Some("5"));
        let (http, unavailable) = status(&answer);
        assert_eq!((http, unavailable.code), (503, 14));
        assert_eq!(unavailable.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!(unavailable.details[0].value, FIVE_SECONDS);
        let answer = receiver.send(call(&message, None)).await;
        assert_eq!(answer.header("grpc-status"), Some("14"));
        assert!(answer.header("grpc-status-details-bin").is_some());
        let answer = receiver.post("application/json", "{\"resourceMetrics\":[]}").await;
        assert_eq!(answer.status, 200, "nothing to store is no failure");
    }
    let small = Receiver::with_memory(OtlpConfig::default(), 1 << 10);
    let answer = small.post(PROTOBUF, vec![0; 2 << 10]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (413, None), "it would never fit");
    let limited = Receiver::new(OtlpConfig::default());
    limited.sink.0.lock().series_limit = Some(0);
    let answer = limited.post(PROTOBUF, message.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("60")));
    assert_eq!(limited.send(call(&message, None)).await.header("grpc-status"), Some("8"));
    limited.sink.0.lock().series_limit = Some(1);
    let answer = limited.post(PROTOBUF, message).await;
    let partial = ExportMetricsServiceResponse::decode(answer.body.as_slice()).expect("an answer");
    let partial = partial.partial_success.expect("stored in part");
    assert_eq!(answer.status, 200);
    assert!(partial.rejected_data_points > 5, "{partial:?}");
    assert!(partial.error_message.contains("has as many series as limits.max_series allows"), "{partial:?}");
}

#[tokio::test]
async fn series_whose_references_are_forgotten() {
    let message = everything().encode_to_vec();
    let receiver = Receiver::new(OtlpConfig::default());
    receiver.post(PROTOBUF, message.clone()).await;
    let first = receiver.sink.samples().len();
    receiver.post(PROTOBUF, message.clone()).await;
    let batches = receiver.sink.0.lock().batches.clone();
    assert!(batches[1].1 < batches[0].1 / 4, "known series go without labels: {batches:?}");
    let second = receiver.sink.samples().len() - first;
    receiver.sink.forget_references();
    let before = receiver.sink.samples().len();
    receiver.post(PROTOBUF, message).await;
    let samples = receiver.sink.samples();
    // The sink forgot the times, too, so two points that are older than others of their series come in again.
    assert_eq!(samples.len() - before, second + 2);
    assert!(samples.iter().all(|s| !s.labels.is_empty()));
    assert!(samples[before..].iter().any(|s| !s.exemplars.is_empty()), "exemplars are sent again, too");
}

#[tokio::test]
async fn through_the_whole_product() {
    let app = App::with(|parts| parts.source = parts.store.clone());
    let message = everything().encode_to_vec();
    for path in ["/v1/metrics", "/api/v1/otlp/v1/metrics"] {
        let sent = request("POST", path).header("content-type", PROTOBUF).body(message.clone().into());
        assert_eq!(app.send(sent.expect("a request")).await.status, 200, "{path}");
        assert_eq!(app.send(request("GET", path).body(Body::empty()).expect("a request")).await.status, 405);
    }
    let mut over_grpc = call(&message, None);
    over_grpc.headers_mut().insert("host", "localhost:4317".parse().expect("a host"));
    assert_eq!(app.send(over_grpc).await.status, 200);
    let found = app.get("/api/v1/query?time=1700000000&query=requests_total").await.json();
    let labels = json!({"__name__": "requests_total", "job": "shop", "instance": "i", "http_method": "GET", "code": "200",
        "share": "0.25", "ok": "true", "list": "[1]"});
    assert_eq!(found["data"]["result"][0]["metric"], labels);
    let count = app.get("/api/v1/query?time=1700000000&query=histogram_count(size_bytes)").await.json();
    assert_eq!(count["data"]["result"][0]["value"][1], "7");
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("afferent_otlp_requests_total{transport=\"http\",outcome=\"stored\"}"), "{metrics}");
    app.api.set_readiness(api::Readiness::Stopping);
    let mut over_grpc = call(&message, None);
    over_grpc.headers_mut().insert("host", "localhost:4317".parse().expect("a host"));
    assert_eq!(app.send(over_grpc).await.header("grpc-status"), Some("14"));
}
