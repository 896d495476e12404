//! Hostile bodies at every door of logs: any answer but a fault of the server.

use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::push::{message, snappy};
use super::{NOW, Receiver, opentelemetry};
use crate::otlp::fuzz::mutate;

async fn bombard(path: &str, headers: &[(&str, &str)], valid: &[u8], pack: fn(&[u8]) -> Vec<u8>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let receiver = Receiver::new("");
    let mut taken = 0;
    for _ in 0..800 {
        let mut bytes = valid.to_vec();
        mutate(&mut bytes, &mut random);
        let mut bytes = pack(&bytes);
        if random.random_range(0..20) == 0 {
            mutate(&mut bytes, &mut random);
        }
        let answer = receiver.post(path, headers, bytes).await;
        let status = answer.status.as_u16();
        assert!(matches!(status, 200 | 204 | 400 | 413 | 422), "{path} {status} {}", answer.text());
        taken += usize::from(status < 300);
    }
    assert!(taken > 10, "{path}: only {taken} of the mutated bodies were still taken");
    assert!(receiver.sink.entries().iter().all(|entry| !entry.labels.is_empty()));
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

#[tokio::test]
async fn pushes() {
    let body = message(&[
        (
            r#"{job="a", env="x\n"}"#,
            &[(NOW, b"{\"level\":\"warn\"}", &[("trace.id", "7")]), (NOW + 1, b"a=b level=info", &[])],
        ),
        (r#"{job="b"}"#, &[(NOW - 5, b"[error] three", &[])]),
    ]);
    bombard("/loki/api/v1/push", &[], &body, snappy, 1).await;
    let json = ("content-type", "application/json");
    let body = format!(
        r#"{{"streams":[{{"stream":{{"job":"p","q":"\u00e9"}},"values":[["{NOW}","{{\"a\":{{\"lvl\":\"x\"}}}}",{{"a":"b"}}],["{NOW}","x=y"]]}}]}}"#
    );
    bombard("/loki/api/v1/push", &[json], body.as_bytes(), plain, 2).await;
    let body = r#"{"streams":[{"labels":"{job=\"legacy\"}","entries":[{"ts":"2023-11-14T22:13:20Z","line":"old"}]}]}"#;
    bombard("/api/prom/push", &[json], body.as_bytes(), plain, 3).await;
}

#[tokio::test]
async fn exports() {
    let request = opentelemetry::everything();
    bombard("/v1/logs", &[("content-type", "application/x-protobuf")], &request.encode_to_vec(), plain, 4).await;
    let body = serde_json::to_string(&request).unwrap();
    bombard("/otlp/v1/logs", &[("content-type", "application/json")], body.as_bytes(), plain, 5).await;
}

#[tokio::test]
async fn documents() {
    let body = "{\"create\":{\"_index\":\"logs\"}}\n{\"@timestamp\":\"2023-11-14T22:23:20Z\",\"service\":{\"name\":\"s\"}}\n{\"index\":{}}\n{\"n\":[1,{}]}\n";
    bombard("/main/_bulk", &[], body.as_bytes(), plain, 6).await;
    let body = "{\"time\":1700000600.5,\"service_name\":\"a\",\"m\":\"\\u00e9\"}\n{\"a\":{\"b\":{\"c\":null}}}\n";
    bombard("/insert/jsonline?_msg_field=m", &[], body.as_bytes(), plain, 7).await;
}

/// Brackets as deep as a body allows, and labels by the thousand.
#[tokio::test]
async fn deep_and_wide() {
    let receiver = Receiver::new("");
    let json = [("content-type", "application/json")];
    for body in [
        "[".repeat(1_000_000),
        "{\"a\":".repeat(200_000),
        format!("{{\"streams\":[{{\"stream\":{{\"a\":{}", "[".repeat(100_000)),
    ] {
        for path in ["/loki/api/v1/push", "/v1/logs"] {
            let status = receiver.post(path, &json, body.clone()).await.status.as_u16();
            assert!(matches!(status, 400 | 413), "{path} {status}");
        }
        assert_eq!(receiver.post("/insert/jsonline", &[], body).await.status, 400);
    }
    let line = format!(
        "{{\"streams\":[{{\"stream\":{{\"a\":\"b\"}},\"values\":[[\"{NOW}\",\"{}\"]]}}]}}",
        "{\\\"a\\\":".repeat(20_000)
    );
    assert_eq!(receiver.post("/loki/api/v1/push", &json, line).await.status, 204);
    let labels: Vec<String> = (0..20_000).map(|n| format!("l{n}=\"v\"")).collect();
    let body = message(&[(&format!("{{{}}}", labels.join(",")), &[(NOW, b"x", &[])])]);
    let answer = receiver.post("/loki/api/v1/push", &[], snappy(&body)).await;
    assert_eq!(answer.status, 400);
    let text = answer.text();
    assert!(text.starts_with("entry for stream '{l0=") && text.len() < 10_000, "{text}");
    let large = "x".repeat((32 << 20) + 1);
    assert_eq!(receiver.post("/loki/api/v1/push", &json, large).await.status, 413);
}
