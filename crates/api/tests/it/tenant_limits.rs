//! The limits of a tenant and of memory, met at every door that samples come in by.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request};
use metrics::{LimitTable, Store, TenantLimits};
use model::{MemoryPool, Resident, Tenant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use promql::engine::{Engine, EngineOptions};
use prost::Message;
use serde_json::json;

use crate::remote_write::proto::{RequestV2, WriteRequest, post_v1, post_v2, series};
use crate::support::{Answer, App, request};

const NOW: i64 = 1_700_000_600_000;
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const DOORS: [&str; 6] =
    ["remote write 1", "remote write 2", "OTLP over HTTP", "OTLP over gRPC", "Pushgateway", "InfluxDB"];

/// A request at a door with the sample 1 for series of one metric, told apart by their label `n`.
fn message(door: &str, metric: &str, values: &[&str]) -> Request<Body> {
    let request = match door {
        "remote write 1" => {
            let timeseries = values.iter().map(|n| series(&[("__name__", metric), ("n", *n)], &[(NOW, 1.0)])).collect();
            post_v1(&WriteRequest { timeseries, metadata: Vec::new() })
        }
        "remote write 2" => {
            let mut message = RequestV2::new();
            for n in values {
                message.add(&[("__name__", metric), ("n", *n)], &[(NOW, 1.0)]);
            }
            post_v2(&message)
        }
        "OTLP over HTTP" => {
            let body = otlp(metric, values).to_string();
            request("POST", "/v1/metrics").header("content-type", "application/json").body(body.into()).unwrap()
        }
        "OTLP over gRPC" => {
            let message: ExportMetricsServiceRequest = serde_json::from_value(otlp(metric, values)).unwrap();
            let message = message.encode_to_vec();
            let mut body = vec![0];
            body.extend_from_slice(&(message.len() as u32).to_be_bytes());
            body.extend_from_slice(&message);
            let request = request("POST", EXPORT).header("content-type", "application/grpc").header("te", "trailers");
            request.body(body.into()).unwrap()
        }
        "Pushgateway" => {
            let body: String = values.iter().map(|n| format!("{metric}{{n=\"{n}\"}} 1\n")).collect();
            request("POST", "/metrics/job/j").body(body.into()).unwrap()
        }
        _ => {
            let (measurement, field) = metric.split_once('_').unwrap();
            let body: String = values.iter().map(|n| format!("{measurement},n={n} {field}=1\n")).collect();
            request("POST", "/write?db=d").body(body.into()).unwrap()
        }
    };
    let mut request = request;
    request.headers_mut().insert("x-scope-orgid", HeaderValue::from_static("tight"));
    request
}

fn otlp(metric: &str, values: &[&str]) -> serde_json::Value {
    let points: Vec<_> = values
        .iter()
        .map(|n| {
            let attributes = json!([{"key": "n", "value": {"stringValue": n}}]);
            json!({"attributes": attributes, "timeUnixNano": (NOW * 1_000_000).to_string(), "asDouble": 1.0})
        })
        .collect();
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": metric, "gauge": {"dataPoints": points}}]}]}]})
}

fn limited() -> (App, Arc<Store>) {
    let mut store = None;
    let app = App::with(|parts| {
        parts.source = parts.store.clone();
        store = Some(parts.store.clone());
    });
    (app, store.expect("set above"))
}

fn limit(store: &Store, limits: TenantLimits) {
    let overrides = [(Tenant::new("tight").unwrap(), limits)].into();
    store.set_limits(LimitTable { overrides, ..LimitTable::default() });
}

fn rejected(store: &Store, reason: &str) -> u64 {
    store.stats().samples_rejected.into_iter().find(|(name, _)| *name == reason).unwrap().1
}

async fn stored(app: &App, metric: &str) -> usize {
    let query = request("GET", &format!("/api/v1/query?query={metric}")).header("x-scope-orgid", "tight");
    let answer = app.send(query.body(Body::empty()).unwrap()).await.json();
    answer["data"]["result"].as_array().unwrap().len()
}

/// Status of HTTP, or of gRPC where a call failed.
fn status(answer: &Answer) -> u16 {
    answer.header("grpc-status").map_or(answer.status.as_u16(), |code| code.parse().unwrap())
}

#[tokio::test]
async fn a_label_that_is_too_long_costs_its_own_sample() {
    let (app, store) = limited();
    limit(&store, TenantLimits { label_value_bytes: Some(30), ..TenantLimits::default() });
    // Longer than the names of what the Pushgateway adds.
    let long = "a".repeat(31);
    for (at, door) in DOORS.iter().enumerate() {
        let metric = format!("m{at}_value");
        let answer = app.send(message(door, &metric, &["good", &long])).await;
        // OTLP tells of parts that were refused in the answer to a success.
        let expected = if door.starts_with("OTLP") { 200 } else { 400 };
        assert_eq!(status(&answer), expected, "{door}: {}", String::from_utf8_lossy(&answer.body));
        if door.starts_with("OTLP") {
            let text = String::from_utf8_lossy(&answer.body);
            assert!(text.contains("a label value is longer than"), "{door}: {text}");
        }
        assert_eq!(rejected(&store, "label_value_too_long"), at as u64 + 1, "{door}");
        assert_eq!(stored(&app, &metric).await, 1, "{door}: the good one is stored");
    }
}

#[tokio::test]
async fn at_the_limit_of_series_known_ones_are_stored_and_new_ones_come_later() {
    for door in DOORS {
        let (app, store) = limited();
        let answer = app.send(message(door, "m_value", &["a"])).await;
        assert!(matches!(status(&answer), 200 | 204), "{door}: {}", String::from_utf8_lossy(&answer.body));
        limit(&store, TenantLimits { series: Some(store.stats().active_series as usize), ..TenantLimits::default() });
        let answer = app.send(message(door, "m_value", &["b"])).await;
        if door == "OTLP over gRPC" {
            assert_eq!(status(&answer), 8, "{door}");
        } else {
            assert_eq!((status(&answer), answer.header("retry-after")), (429, Some("60")), "{door}: {}", answer.text());
        }
        assert!(rejected(&store, "series_limit") > 0, "{door}");
        assert_eq!(stored(&app, "m_value").await, 1, "{door}");
    }
}

#[tokio::test]
async fn where_the_process_is_at_its_budget_every_door_says_so() {
    let resident = Resident::new(0, || Some(1), || ());
    let app = App::with(|parts| {
        parts.source = parts.store.clone();
        parts.memory.resident = Some(resident.clone());
        let memory = MemoryPool::new(usize::MAX, usize::MAX, Some(resident.clone()));
        *parts.engine.write() = Engine::new(EngineOptions { memory, ..EngineOptions::default() });
        assert!(resident.is_over(usize::MAX));
    });
    for door in DOORS {
        let answer = app.send(message(door, "m_value", &["a"])).await;
        if door == "OTLP over gRPC" {
            assert_eq!(status(&answer), 14, "{door}");
        } else {
            let found = (status(&answer), answer.header("retry-after").is_some());
            assert_eq!(found, (503, true), "{door}: {}", answer.text());
        }
    }
    assert_eq!(app.get("/api/v1/query?query=vector(1)").await.status, 200, "small questions are answered");
    let answer = app.get("/api/v1/query?query=count_over_time(vector(1)[5d:1s])").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("2")), "{}", answer.text());
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("afferent_query_memory_refusals_total{reason=\"process\"} 1\n"), "{metrics}");
}
