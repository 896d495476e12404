//! Requests that are refused, have to come again, or are large.

use axum::body::Body;
use model::AppendError;
use prost::Message;

use super::memory_sink::{Receiver, written};
use super::proto::{RequestV2, TimeSeries, V1, V2, labels, post_v1, post_v2, raw_post, series, snappy};
use super::requests::{UP, v1};
use crate::support::request;

#[tokio::test]
async fn what_is_no_remote_write_is_refused_with_the_reason() {
    let receiver = Receiver::new();
    let good = snappy(&v1(vec![series(UP, &[(20_000, 1.0)])]).encode_to_vec());
    let with = |content_type: &str, encoding: Option<&str>, body: &[u8]| {
        let mut builder = request("POST", "/api/v1/write").header("content-type", content_type);
        if let Some(encoding) = encoding {
            builder = builder.header("content-encoding", encoding);
        }
        builder.body(Body::from(body.to_vec())).unwrap()
    };
    let cut = snappy(&[0x0a, 50, 1]);
    let v3 = "application/x-protobuf;proto=io.prometheus.write.v3.Request";
    for (request, status, text) in [
        (with("application/json", Some("snappy"), &good), 415, "expected application/x-protobuf"),
        (with(v3, Some("snappy"), &good), 415, "io.prometheus.write.v3.Request"),
        (with(V1, Some("gzip"), &good), 415, "gzip encoding (compression) is not accepted"),
        (with(V1, Some("zstd"), &good), 415, "only snappy is acceptable"),
        (with(V1, Some("snappy"), b""), 400, "the request body is empty"),
        (with(V1, Some("snappy"), b"\xff\x06\x00\x00sNaPpY"), 400, "frame format"),
        (with(V1, Some("snappy"), b"0123456789"), 400, "not in snappy's block format"),
        (
            with(V1, Some("snappy"), &[0x81, 0x80, 0x80, 0x10, 0]),
            400,
            "33554433 bytes exceeds the 33554432 bytes limit",
        ),
        (with(V1, Some("snappy"), &cut), 400, "malformed prometheus.WriteRequest: a field runs past the end"),
        (with(V2, Some("snappy"), &cut), 400, "malformed io.prometheus.write.v2.Request: a field runs past the end"),
        (with(V1, Some("snappy"), &vec![0; (32 << 20) + 1]), 413, "request body exceeds the 33554432 bytes limit"),
    ] {
        let is_v2 = request.headers()["content-type"] == V2;
        let answer = receiver.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(text), "{}", answer.text());
        assert_eq!(written(&answer), if is_v2 { [Some(0); 3] } else { [None; 3] });
    }
    for request in [with(V1, None, &good), with(&format!("{V1};proto=prometheus.WriteRequest"), Some("Snappy"), &good)]
    {
        assert_eq!(receiver.send(request).await.status, 204);
    }
    let get = receiver.send(request("GET", "/api/v1/write").body(Body::empty()).unwrap()).await;
    assert_eq!(get.status, 405);
}

#[tokio::test]
async fn a_store_that_cannot_take_more_is_retried() {
    let receiver = Receiver::new();
    let mut message = RequestV2::new();
    message.add(UP, &[(20_000, 1.0)]);
    for (failure, status, retry, text) in [
        (AppendError::OverBudget { retry_after_s: 7 }, 503, Some("7"), "over its memory budget"),
        (AppendError::Closed, 503, Some("5"), "the store is closed"),
        (AppendError::Log("disk full".into()), 503, Some("5"), "write-ahead log: disk full"),
    ] {
        receiver.sink.0.lock().failure = Some(failure);
        let answer = receiver.send(post_v2(&message)).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, retry));
        assert!(answer.text().contains(text), "{}", answer.text());
        assert_eq!(written(&answer), [Some(0); 3]);
    }
    receiver.sink.0.lock().failure = None;
    assert_eq!(receiver.send(post_v2(&message)).await.status, 204);

    receiver.sink.0.lock().series_limit = Some(1);
    message.add(&[("__name__", "second")], &[(20_000, 1.0)]);
    let answer = receiver.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("60")));
    assert!(
        answer
            .text()
            .contains("has as many series as limits.max_series allows (1 samples), first: {__name__=\"second\"}")
    );
    assert_eq!(written(&answer), [Some(1), Some(0), Some(0)]);

    let small = Receiver::with_memory(20);
    let answer = small.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (413, None), "it would never fit");
    assert!(answer.text().contains("send smaller ones, or raise --memory"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_requests_go_to_the_store_in_portions() {
    let receiver = Receiver::new();
    let samples: Vec<(i64, f64)> = (0..300_000).map(|n| (20_000 + n, n as f64)).collect();
    let mut message = v1(vec![series(UP, &samples)]);
    message
        .timeseries
        .extend((0..10_000).map(|n| series(&[("__name__", "n"), ("n", &n.to_string())], &[(20_000, 1.0)])));
    let answer = receiver.send(post_v1(&message)).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let stored = receiver.sink.floats();
    assert_eq!(stored.len(), 310_000);
    assert!(stored.iter().zip(&samples).all(|((_, t, v), sent)| (*t, *v) == *sent));
    let batches = receiver.sink.0.lock().batches.clone();
    assert!(batches.len() > 2 && batches.iter().all(|(rows, _)| *rows < 150_000), "{batches:?}");
}

#[tokio::test]
async fn small_bytes_do_not_become_much_memory() {
    // Two bytes each: empty samples, empty series, empty exemplars, empty histograms, empty symbols.
    let receiver = Receiver::new();
    let nested = |outer: &[u8], inner: &[u8]| {
        let mut message = outer.to_vec();
        let mut length = inner.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(inner);
        message
    };
    let name = TimeSeries { labels: labels(&[("__name__", "up")]), ..TimeSeries::default() }.encode_to_vec();
    for field in [0x12, 0x1a, 0x22] {
        let inner = [name.as_slice(), &[field, 0].repeat(400_000)].concat();
        let answer = receiver.send(raw_post(V1, snappy(&nested(&[0x0a], &inner)))).await;
        assert!([204, 400].contains(&answer.status.as_u16()));
    }
    let answer = receiver.send(raw_post(V1, snappy(&[0x0a, 0].repeat(1_000_000)))).await;
    assert_eq!(answer.status, 400);
    let answer = receiver.send(raw_post(V2, snappy(&[0x22, 0].repeat(3_000_000)))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text().trim()),
        (400, "the symbols table has more than 2097152 entries")
    );
    assert!(receiver.sink.0.lock().batches.iter().all(|(rows, _)| *rows < 150_000));
}
