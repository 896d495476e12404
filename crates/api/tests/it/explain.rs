//! What a query says of its own work, as JSON.

use model::{Labels, Sample, SampleSink, Timestamp, WriteBatch};
use serde_json::{Value, json};

use crate::support::App;

/// Takes the times out, which differ from run to run.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("Seconds"));
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

#[tokio::test]
async fn the_tree_goes_with_the_answer_or_alone() {
    let app = App::new();
    let query = "query=sum(http_requests_total%7Bpath=%22/%22%7D)&start=1700000000&end=1700000060&step=60";
    let with = app.get(&format!("/api/v1/query_range?{query}&explain=1")).await.json();
    let plain = app.get(&format!("/api/v1/query_range?{query}")).await.json();
    assert_eq!(with["data"]["result"], plain["data"]["result"]);
    assert_eq!(plain["data"]["explain"], Value::Null);

    let mut alone = app.get(&format!("/api/afferent/v1/explain?{query}")).await.json()["data"].clone();
    for stage in ["queued", "parse", "prepare", "evaluate", "sort", "encode"] {
        assert!(alone["seconds"][stage].as_f64() >= Some(0.0), "{stage}: {alone}");
    }
    assert!(alone["encodedBytes"].as_u64() > Some(80), "{alone}");
    assert_eq!(alone["lines"].as_array().unwrap().len(), 3);
    let mut tree = alone["tree"].take();
    assert!(tree["totalSeconds"].as_f64() >= tree["ownSeconds"].as_f64(), "{tree}");
    without_times(&mut tree);
    let read = &tree["children"][0]["reads"][0];
    assert_eq!(
        *read,
        json!({
            "selector": "http_requests_total{path=\"/\"}", "start": 1_699_999_700_001_i64, "end": 1_700_000_060_000_i64,
            "labels": "only (__name__)",
            "series": read["series"], "samples": read["samples"], "decodedBytes": read["samples"].as_u64().unwrap() * 16,
            "stored": {"headSeries": 0, "blocksRead": 0, "blocksSkipped": 0, "rows": 0, "pagesRead": 0,
                "pagesSkipped": 0, "bytes": 0},
        })
    );
    assert_eq!((&tree["kind"], &tree["steps"], &tree["series"]), (&json!("aggregation"), &json!(2), &json!(1)));
    let mut same = with["data"]["explain"]["tree"].clone();
    without_times(&mut same);
    assert_eq!(same, tree);
    let bad = app.get("/api/afferent/v1/explain?query=sum(").await;
    assert_eq!((bad.status.as_u16(), bad.json()["errorType"].as_str()), (400, Some("bad_data")));
}

#[tokio::test]
async fn blocks_and_pages_are_counted() {
    let mut store = None;
    let app = App::with(|parts| {
        parts.source = parts.store.clone();
        store = Some(parts.store.clone());
    });
    let store = store.unwrap();
    let now = 1_700_000_600_000;
    for (at, name) in [(now - 600_000, "up"), (now - 500_000, "down")] {
        let labels = Labels::from_pairs([("__name__", name), ("job", "a")]);
        let mut batch = WriteBatch::default();
        batch.push(labels, None, Sample::float(Timestamp(at), 1.0));
        store.append(batch).await.unwrap();
        store.flush().unwrap();
    }
    let answer = app.get("/api/afferent/v1/explain?query=up[1h]").await.json();
    let stored = &answer["data"]["tree"]["reads"][0]["stored"];
    assert_eq!(
        (&stored["blocksRead"], &stored["blocksSkipped"], &stored["rows"], &stored["pagesSkipped"]),
        (&json!(1), &json!(1), &json!(1), &json!(0)),
        "{answer}"
    );
    assert!(stored["pagesRead"].as_u64() >= Some(2) && stored["bytes"].as_u64() > Some(20), "{answer}");
}
