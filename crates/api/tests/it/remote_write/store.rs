//! Remote write through the whole product's router into the metric store, and back out of it.

use std::sync::Arc;

use api::{RemoteWrite, remote_write_router};
use metrics::{Store, StoreOptions};
use model::{LabelRequest, ManualClock, MetricType, SeriesSource, Tenant, TimeRange, Timestamp};
use serde_json::json;
use tower::ServiceExt;

use super::memory_sink::written;
use super::proto::{ExemplarV2, Histogram, MetadataV2, RequestV2, Sample, WriteRequest, post_v1, post_v2, series};
use crate::support::App;

/// The time of the test application's clock.
const NOW: i64 = 1_700_000_600_000;

#[tokio::test]
async fn what_was_written_is_queried() {
    let mut store = None;
    let app = App::with(|parts| {
        store = Some(parts.store.clone());
        parts.source = parts.store.clone();
    });
    let store = store.expect("set above");
    let mut message = RequestV2::new();
    let trace = message.refs(&[("trace_id", "abc")]);
    let help_ref = message.symbol("Requests.");
    let one = message.add(&[("__name__", "a_total"), ("x", "1")], &[]);
    one.samples = vec![Sample { value: 3.0, timestamp: NOW - 30_000, start_timestamp: NOW - 90_000 }];
    one.exemplars = vec![ExemplarV2 { labels_refs: trace, value: 0.7, timestamp: NOW - 30_000 }];
    one.metadata = Some(MetadataV2 { r#type: 1, help_ref, unit_ref: 0 });
    let native =
        Histogram { count_int: Some(4), zero_count_int: Some(4), timestamp: NOW, sum: 2.0, ..Histogram::default() };
    message.add(&[("__name__", "native")], &[]).histograms = vec![native];
    let answer = app.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (204, [Some(1), Some(1), Some(1)]), "{}", answer.text());

    let query = |query: &str| format!("/api/v1/query?time=1700000600&query={query}");
    let floats = app.get(&query("a_total")).await.json();
    assert_eq!(
        floats["data"]["result"],
        json!([{"metric": {"__name__": "a_total", "x": "1"}, "value": [1_700_000_600, "3"]}])
    );
    let count = app.get(&query("histogram_count(native)")).await.json();
    assert_eq!(count["data"]["result"][0]["value"][1], "4");
    let exemplars = app.get("/api/v1/query_exemplars?query=a_total&start=1700000000&end=1700000600").await.json();
    assert_eq!(exemplars["data"][0]["exemplars"][0]["labels"], json!({"trace_id": "abc"}), "{exemplars}");
    let metadata = store.metadata(&Tenant::default(), 0, None).unwrap();
    assert_eq!((metadata[0].0.as_str(), metadata[0].1.metric_type), ("a_total", MetricType::Counter));

    // An older sample than the window allows, beside a good one.
    let message = WriteRequest {
        timeseries: vec![series(&[("__name__", "a_total"), ("x", "1")], &[(NOW, 4.0), (NOW - 7_200_000, 1.0)])],
        metadata: Vec::new(),
    };
    let answer = app.send(post_v1(&message)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().starts_with("1 of 2 samples could not be stored, the others were: out of order sample"));
    assert_eq!(app.get(&query("a_total")).await.json()["data"]["result"][0]["value"][1], "4");
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("afferent_remote_write_cached_series 3\n"), "{metrics}");
}

#[tokio::test]
async fn series_that_the_store_dropped_come_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
    let options = StoreOptions { background: false, ..StoreOptions::default() };
    let (store, _) = Store::open(dir.path(), options, clock.clone()).expect("a store");
    let receiver = RemoteWrite::new(store.clone(), clock.clone(), 1 << 20);
    let write = |time: i64| {
        let up = [("__name__", "up"), ("job", "a")];
        let message = WriteRequest { timeseries: vec![series(&up, &[(time, 1.0)])], metadata: Vec::new() };
        remote_write_router(receiver.clone()).oneshot(post_v1(&message))
    };
    let known = || {
        let tenant = Tenant::default();
        let request =
            LabelRequest { tenant: &tenant, matcher_sets: &[], range: TimeRange::ALL, limit: 0, memory: None };
        store.series(&request).expect("series").len()
    };
    assert_eq!(write(NOW).await.expect("an answer").status(), 204);
    assert_eq!(write(NOW + 1000).await.expect("an answer").status(), 204);
    assert_eq!(known(), 1);
    clock.advance_ms(25 * 3_600_000);
    store.flush().expect("a flush");
    store.maintain().expect("upkeep");
    store.flush().expect("a flush");
    assert_eq!(known(), 0);
    assert_eq!(write(NOW + 25 * 3_600_000).await.expect("an answer").status(), 204);
    assert_eq!(known(), 1);
}
