//! What the product tells of its store, and the limits that remote write meets.

use metrics::{LimitTable, TenantLimits};
use serde_json::json;

use crate::remote_write::proto::{WriteRequest, post_v1, series};
use crate::support::App;

const NOW: i64 = 1_700_000_600_000;

fn message(instances: &[&str]) -> WriteRequest {
    let series_of = |instance: &&str| series(&[("__name__", "up"), ("instance", *instance)], &[(NOW, 1.0)]);
    WriteRequest { timeseries: instances.iter().map(series_of).collect(), metadata: Vec::new() }
}

#[tokio::test]
async fn limits_are_answered_by_kind_and_keep_the_rest() {
    let mut store = None;
    let app = App::with(|parts| store = Some(parts.store.clone()));
    let store = store.expect("set above");
    let default = TenantLimits { series: Some(2), label_value_bytes: Some(5), ..TenantLimits::default() };
    store.set_limits(LimitTable { default, ..LimitTable::default() });

    let answer = app.send(post_v1(&message(&["a", "too long"]))).await;
    assert_eq!(answer.status, 400);
    let text = "1 of 2 samples could not be stored, the others were: a label value is longer than \
                limits.max_label_value_length allows (1 samples), first: {__name__=\"up\", instance=\"too long\"}\n";
    assert_eq!(answer.text(), text);
    let answer = app.send(post_v1(&message(&["b", "c"]))).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("60")), "{}", answer.text());

    let status = app.get("/api/afferent/v1/status/store").await.json();
    let data = &status["data"];
    assert_eq!(data["head"]["activeSeries"], 2);
    assert_eq!(data["ingestion"]["samples"], 2);
    assert_eq!(data["ingestion"]["rejected"]["series_limit"], 1);
    assert_eq!(data["ingestion"]["rejected"]["label_value_too_long"], 1);
    assert_eq!(data["ingestion"]["rejected"]["over_memory"], 0);
    let flush = &data["pendingFlush"];
    assert!(flush["isRunning"] == false && flush["sinceLastMs"].as_u64() < flush["everyMs"].as_u64(), "{flush}");
    assert_eq!(flush["walBytes"], data["wal"]["bytes"]);
    assert_eq!(data["pendingRetention"], json!({"blocks": 0, "bytes": 0, "deletions": 0}));
    assert_eq!((&data["blocks"]["count"], &data["pendingJobs"]), (&json!(0), &json!([])));
    assert!(data["wal"]["bytes"].as_u64().unwrap() > 0);
    assert_eq!((&data["ingestion"]["rates"], &data["blocks"]["isRemote"]), (&json!([]), &json!(false)));
    assert!(data["ingestion"]["samplesPerSecondOverHour"].is_number());
    assert!(data["blocks"]["place"].as_str().unwrap().ends_with("blocks"), "{data}");
    let retention = &data["retention"];
    assert!(retention["keepMs"].as_i64().unwrap() > 0 && retention["maxBytes"].is_null(), "{retention}");
    assert_eq!(retention["rules"], 0);

    store.flush().unwrap();
    let status = app.get("/api/afferent/v1/status/store").await.json();
    let block = &status["data"]["blocks"]["list"][0];
    assert_eq!((&block["level"], &block["series"], &block["samples"]), (&json!(0), &json!(2), &json!(2)), "{block}");
    assert_eq!(block["rows"], 2);
    assert_eq!((&block["minTime"], &block["maxTime"]), (&json!(NOW), &json!(NOW)));
}

#[tokio::test]
async fn cardinality_by_matcher_and_label() {
    let app = App::new();
    assert_eq!(app.get("/api/afferent/v1/status/cardinality").await.json()["data"]["series"], 0);
    let of = |name: &str, job: &str, n: usize| {
        series(&[("__name__", name), ("job", job), ("n", n.to_string().as_str())], &[(NOW, 1.0)])
    };
    let timeseries = (0..10).map(|n| of("many", "a", n)).chain((0..3).map(|n| of("few", "b", n))).collect();
    assert_eq!(app.send(post_v1(&WriteRequest { timeseries, metadata: Vec::new() })).await.status, 204);

    let all = app.get("/api/afferent/v1/status/cardinality?limit=2&label=job").await.json();
    let data = &all["data"];
    assert_eq!((&data["series"], &data["metricCount"], &data["labelPairCount"]), (&json!(13), &json!(2), &json!(14)));
    let metrics = json!([{"name": "many", "value": 10}, {"name": "few", "value": 3}]);
    assert_eq!(data["seriesCountByMetricName"], metrics);
    assert_eq!(data["valueCountByLabelName"][0], json!({"name": "n", "value": 10}));
    let pairs = json!([{"name": "job=a", "value": 10}, {"name": "job=b", "value": 3}]);
    assert_eq!(data["seriesCountByLabelPair"], pairs);
    let jobs = json!([{"name": "a", "value": 10}, {"name": "b", "value": 3}]);
    assert_eq!(data["label"], json!({"name": "job", "valueCount": 2, "seriesCountByValue": jobs}));
    assert!(data["churn"]["overMs"].is_number() && data["churn"]["metricsOverMs"].is_number());
    let churn: Vec<&str> =
        data["churn"]["metrics"].as_array().unwrap().iter().flat_map(|m| m["name"].as_str()).collect();
    assert_eq!(churn, ["many", "few"]);

    let pair = app.get("/api/afferent/v1/status/cardinality?search=JOB%3Db").await.json();
    assert_eq!(pair["data"]["seriesCountByLabelPair"], json!([{"name": "job=b", "value": 3}]));
    assert_eq!(pair["data"]["seriesCountByMetricName"], json!([]));
    let found = app.get("/api/afferent/v1/status/cardinality?search=FE&label=job").await.json();
    let data = &found["data"];
    assert_eq!((&data["series"], &data["metricCount"]), (&json!(13), &json!(2)), "the search is for the lists alone");
    assert_eq!(data["seriesCountByMetricName"], json!([{"name": "few", "value": 3}]));
    assert_eq!((&data["valueCountByLabelName"], &data["seriesCountByLabelPair"]), (&json!([]), &json!([])));
    assert_eq!(data["label"], json!({"name": "job", "valueCount": 2, "seriesCountByValue": []}));

    let few = app.get("/api/afferent/v1/status/cardinality?match[]=few&match[]={n=%220%22}&label=n").await.json();
    assert_eq!((&few["data"]["series"], &few["data"]["label"]["valueCount"]), (&json!(4), &json!(3)));
    for (query, error) in [("match[]=%7B", "invalid parameter"), ("limit=0", "expected a number from 1 to 10000")] {
        let answer = app.get(&format!("/api/afferent/v1/status/cardinality?{query}")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(error), "{}", answer.text());
    }
    assert_eq!(app.get("/api/afferent/v1/nothing").await.status, 404);
}
