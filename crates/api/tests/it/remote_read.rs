//! Remote read: both kinds of answers, negotiation, limits, damage.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use model::Labels;
use parking_lot::RwLock;
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::remote_write::proto::{Label, TimeSeries, labels, snappy};
use crate::support::{Answer, App, request};

const NOW: i64 = 1_700_000_600_000;

#[derive(Clone, PartialEq, Message)]
struct Matcher {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Query {
    #[prost(int64, tag = "1")]
    start: i64,
    #[prost(int64, tag = "2")]
    end: i64,
    #[prost(message, repeated, tag = "3")]
    matchers: Vec<Matcher>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(message, repeated, tag = "1")]
    queries: Vec<Query>,
    #[prost(int32, repeated, tag = "2")]
    accepted: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct QueryResult {
    #[prost(message, repeated, tag = "1")]
    series: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    results: Vec<QueryResult>,
}

#[derive(Clone, PartialEq, Message)]
struct Chunk {
    #[prost(int64, tag = "1")]
    min_time: i64,
    #[prost(int64, tag = "2")]
    max_time: i64,
    #[prost(int32, tag = "3")]
    encoding: i32,
    #[prost(bytes = "vec", tag = "4")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ChunkedSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    chunks: Vec<Chunk>,
}

#[derive(Clone, PartialEq, Message)]
struct ChunkedResponse {
    #[prost(message, repeated, tag = "1")]
    series: Vec<ChunkedSeries>,
    #[prost(int64, tag = "2")]
    query: i64,
}

fn query(kind: i32, name: &str, value: &str) -> Query {
    let matchers = vec![Matcher { kind, name: name.into(), value: value.into() }];
    Query { start: NOW - 100_000, end: NOW, matchers }
}

fn post(message: &ReadRequest) -> Request<Body> {
    request("POST", "/api/v1/read").body(Body::from(snappy(&message.encode_to_vec()))).unwrap()
}

/// Two series with a sample a second for 400 seconds, the external label `region="eu"`.
async fn app() -> App {
    let config = api::ConfigSnapshot {
        external_labels: Labels::from_pairs([("region", "eu"), ("b", "external")]),
        ..api::ConfigSnapshot::default()
    };
    let app = App::with(|parts| {
        parts.source = parts.store.clone();
        parts.config = Arc::new(RwLock::new(config));
    });
    let lines: String =
        (0..400).map(|i| format!("m,a=1 f={i} {time}\nm,b=own f=2 {time}\n", time = NOW - 1000 * i)).collect();
    let answer = app.send(request("POST", "/write?precision=ms").body(Body::from(lines)).unwrap()).await;
    assert_eq!(answer.status, 204);
    app
}

fn samples(answer: &Answer) -> ReadResponse {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(answer.header("content-encoding"), Some("snappy"));
    let message = snap::raw::Decoder::new().decompress_vec(&answer.body).unwrap();
    ReadResponse::decode(message.as_slice()).unwrap()
}

/// CRC-32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    })
}

fn frames(answer: &Answer) -> Vec<ChunkedResponse> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let content_type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
    assert_eq!(answer.header("content-type"), Some(content_type));
    let (mut rest, mut found) = (answer.body.as_slice(), Vec::new());
    while !rest.is_empty() {
        let length = prost::decode_length_delimiter(&mut rest).unwrap();
        let (sum, after) = rest.split_at(4);
        let (message, after) = after.split_at(length);
        assert_eq!(sum, checksum(message).to_be_bytes());
        found.push(ChunkedResponse::decode(message).unwrap());
        rest = after;
    }
    found
}

#[tokio::test]
async fn raw_samples() {
    let app = app().await;
    let message = ReadRequest { queries: vec![query(0, "__name__", "m_f"), query(0, "a", "none")], accepted: vec![] };
    let response = samples(&app.send(post(&message)).await);
    let [first, second] = &response.results[..] else { panic!("{response:?}") };
    assert_eq!(second.series, []);
    let [one, two] = &first.series[..] else { panic!("{first:?}") };
    assert_eq!(one.labels, labels(&[("__name__", "m_f"), ("a", "1"), ("b", "external"), ("region", "eu")]));
    assert_eq!(two.labels, labels(&[("__name__", "m_f"), ("b", "own"), ("region", "eu")]));
    assert_eq!(one.samples.len(), 101);
    assert_eq!((one.samples[0].timestamp, one.samples[0].value), (NOW - 100_000, 100.0));
}

#[tokio::test]
async fn external_labels_select_series_without_them() {
    let app = app().await;
    for (name, value, expected) in [("region", "eu", 2), ("region", "us", 0), ("b", "external", 1), ("b", "own", 1)] {
        let message = ReadRequest { queries: vec![query(0, name, value)], accepted: vec![7, 0] };
        let response = samples(&app.send(post(&message)).await);
        assert_eq!(response.results[0].series.len(), expected, "{name}={value}");
    }
}

#[tokio::test]
async fn streamed_chunks() {
    let app = app().await;
    let mut all = query(0, "__name__", "m_f");
    all.start = NOW - 1_000_000;
    let message = ReadRequest { queries: vec![query(2, "a", "1|2"), all], accepted: vec![1, 0] };
    let frames = frames(&app.send(post(&message)).await);
    let shape: Vec<(i64, usize, usize)> =
        frames.iter().map(|f| (f.query, f.series[0].labels.len(), f.series[0].chunks.len())).collect();
    assert_eq!(shape, [(0, 4, 1), (1, 4, 4), (1, 3, 4)]);
    let chunks = &frames[1].series[0].chunks;
    assert_eq!((chunks[0].min_time, chunks[3].max_time, chunks[0].encoding), (NOW - 399_000, NOW, 1));
    let counts: Vec<u8> = chunks.iter().map(|c| c.data[1]).collect();
    assert_eq!(counts, [120, 120, 120, 40]);
    // Nothing found is an empty answer.
    let none = ReadRequest { queries: vec![query(0, "a", "none")], accepted: vec![1] };
    assert_eq!(self::frames(&app.send(post(&none)).await), []);
}

#[tokio::test]
async fn what_is_refused() {
    let app = app().await;
    let accepted = ReadRequest { queries: vec![], accepted: vec![5, 6] };
    let pattern = ReadRequest { queries: vec![query(2, "a", "(")], accepted: vec![] };
    let kind = ReadRequest { queries: vec![query(4, "a", "")], accepted: vec![] };
    for (message, text) in [
        (&accepted, "server does not support any of the requested response types: [5, 6]; supported: map["),
        (&pattern, "invalid regular expression"),
        (&kind, "invalid matcher type 4"),
    ] {
        let answer = app.send(post(message)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().starts_with(text), "{}", answer.text());
    }
    let raw = |body: &[u8]| request("POST", "/api/v1/read").body(Body::from(body.to_vec())).unwrap();
    for body in [&b""[..], b"\xff\xff", b"no snappy"] {
        assert_eq!(app.send(raw(body)).await.status, 400);
    }
    assert_eq!(app.get("/api/v1/read").await.status, 405);
    assert!(app.get("/metrics").await.text().contains("\nprometheus_remote_read_handler_queries 0\n"));
}

#[tokio::test]
async fn damaged_requests() {
    let mut rng = StdRng::seed_from_u64(0x4ead);
    let app = app().await;
    let message =
        ReadRequest { queries: vec![query(0, "__name__", "m_f"), query(2, "a", "1|2")], accepted: vec![1, 0] };
    for round in 0..1500 {
        let mut bytes = message.encode_to_vec();
        for _ in 0..rng.random_range(1..4) {
            if bytes.is_empty() {
                break;
            }
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if round % 10 == 0 {
            rng.fill_bytes(&mut bytes);
        }
        let body = Body::from(snappy(&bytes));
        let answer = app.send(request("POST", "/api/v1/read").body(body).unwrap()).await;
        assert!([200, 400].contains(&answer.status.as_u16()), "{} in round {round}: {}", answer.status, answer.text());
    }
}
