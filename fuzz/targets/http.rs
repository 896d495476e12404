//! Everything that comes in over HTTP: remote write in both versions, OTLP, Influx, the Pushgateway, remote read, queries.
//! The first byte chooses the door, the rest is the body.
#![no_main]
#![allow(dead_code, clippy::unwrap_used)]

#[path = "../../crates/api/tests/it/memory_source.rs"]
mod memory_source;
#[path = "../../crates/api/tests/it/support.rs"]
mod support;

use std::cell::OnceCell;

use axum::body::Body;
use libfuzzer_sys::fuzz_target;
use support::{App, request};

/// Method, path, content type and content encoding.
const DOORS: [(&str, &str, &str, &str); 13] = [
    ("POST", "/api/v1/write", "application/x-protobuf", "snappy"),
    ("POST", "/api/v1/write", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy"),
    ("POST", "/api/v1/read", "application/x-protobuf", "snappy"),
    ("POST", "/v1/metrics", "application/x-protobuf", "identity"),
    ("POST", "/v1/metrics", "application/json", "identity"),
    ("POST", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "application/grpc", "identity"),
    ("POST", "/write?db=fuzz", "text/plain", "identity"),
    ("POST", "/metrics/job/fuzz", "text/plain", "identity"),
    (
        "PUT",
        "/metrics/job/fuzz",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        "identity",
    ),
    ("POST", "/api/v1/query", "application/x-www-form-urlencoded", "identity"),
    ("POST", "/api/v1/query_range", "application/x-www-form-urlencoded", "identity"),
    ("POST", "/api/v1/series", "application/x-www-form-urlencoded", "identity"),
    ("POST", "/v1/metrics", "application/json", "gzip"),
];

thread_local! {
    static APP: OnceCell<(tokio::runtime::Runtime, App)> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let (method, path, content_type, encoding) = DOORS[usize::from(*choice) % DOORS.len()];
    APP.with(|app| {
        let (runtime, app) = app.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            (runtime, App::new())
        });
        let request = request(method, path)
            .header("content-type", content_type)
            .header("content-encoding", encoding)
            .header("te", "trailers")
            .body(Body::from(body.to_vec()))
            .unwrap();
        let answer = runtime.block_on(app.send(request));
        // A panic is caught by the server and answered so.
        assert_ne!(answer.status.as_u16(), 500, "{}", String::from_utf8_lossy(&answer.body));
    });
});
