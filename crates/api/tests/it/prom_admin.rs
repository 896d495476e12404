//! `/api/v1/admin/tsdb/*`: shapes, errors, who may, and what it does to the store.

use std::sync::Arc;

use axum::body::Body;
use metrics::{Store, StoreOptions};
use model::{
    Labels, ManualClock, Sample, SampleSink, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch,
};

use crate::support::{Answer, App, request};

const NOW: i64 = 1_700_000_600_000;

/// An API with three series in its store.
async fn app() -> (App, Arc<Store>) {
    let mut store = None;
    let app = App::with(|parts| store = Some(parts.store.clone()));
    let store = store.unwrap();
    let mut batch = WriteBatch::default();
    for job in ["a", "b", "c"] {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", job)]);
        batch.push(labels, None, Sample::float(Timestamp(NOW - 60_000), 1.0));
    }
    assert!(store.append(batch).await.unwrap().rejected.is_empty());
    (app, store)
}

fn jobs(store: &Store) -> Vec<String> {
    let request = SelectRequest {
        tenant: &Tenant::default(),
        matchers: &[],
        range: TimeRange::ALL,
        projection: None,
        memory: None,
    };
    let set = store.select(&request).unwrap();
    let mut jobs: Vec<String> = (0..set.len()).map(|i| set.labels(i).get("job").unwrap().to_owned()).collect();
    jobs.sort();
    jobs
}

async fn call(app: &App, method: &str, path: &str) -> Answer {
    let path = format!("/api/v1/admin/tsdb/{path}");
    app.send(request(method, &path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn series_are_deleted_at_once() {
    let (app, store) = app().await;
    let answer = call(&app, "POST", "delete_series?match[]=up%7Bjob%3D%22a%22%7D").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));
    assert_eq!(jobs(&store), ["b", "c"]);

    let form = request("PUT", "/api/v1/admin/tsdb/delete_series")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("match[]=up{job=\"b\"}&match[]=up{job=\"c\"}&start=1&end=2"))
        .unwrap();
    assert_eq!(app.send(form).await.status, 204);
    assert_eq!(jobs(&store), ["b", "c"], "nothing in that range");

    assert_eq!(call(&app, "PUT", "clean_tombstones").await.status, 204);
    assert_eq!(jobs(&store), ["b", "c"]);
    assert_eq!(store.blocks().iter().map(|block| block.series).sum::<u64>(), 2);
}

#[tokio::test]
async fn an_answer_says_what_is_missing_from_it() {
    let mut store = None;
    let app = App::with(|parts| {
        parts.source = parts.store.clone();
        store = Some(parts.store.clone());
    });
    let store = store.unwrap();
    let mut batch = WriteBatch::default();
    batch.push(Labels::from_pairs([("__name__", "up")]), None, Sample::float(Timestamp(NOW - 60_000), 1.0));
    store.append(batch).await.unwrap();
    store.flush().unwrap();
    let block = std::fs::read_dir(app.dir().join("blocks")).unwrap().next().unwrap().unwrap().path();
    let bytes: Vec<u8> = std::fs::read(&block).unwrap().into_iter().map(|byte| !byte).collect();
    std::fs::write(&block, bytes).unwrap();
    for query in ["up", "sum(rate(up[10m]))", "up[10m]", "timestamp(up)", "max_over_time(up[10m:1m])"] {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = app.get(&format!("/api/v1/query?query={query}")).await.json();
        let warning = answer["warnings"][0].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
        assert!(warning.contains("data is missing from the answer: block "), "{warning}");
    }
}

#[tokio::test]
async fn upkeep_under_the_names_of_victoriametrics() {
    let (app, store) = app().await;
    let call = |path: &'static str| app.send(request("POST", path).body(Body::empty()).unwrap());
    assert_eq!(call("/internal/force_flush").await.status, 200);
    assert_eq!(store.blocks().iter().map(|block| block.level).collect::<Vec<_>>(), [0]);
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "d")]);
    let mut batch = WriteBatch::default();
    batch.push(labels, None, Sample::float(Timestamp(NOW - 30_000), 1.0));
    store.append(batch).await.unwrap();
    assert_eq!(call("/internal/force_merge").await.status, 200);
    let blocks = store.blocks();
    assert_eq!(blocks.iter().map(|block| (block.level, block.series)).collect::<Vec<_>>(), [(1, 4)]);
    assert_eq!(jobs(&store), ["a", "b", "c", "d"]);
    let far = request("POST", "/internal/force_merge").header("x-forwarded-for", "10.0.0.9").body(Body::empty());
    assert_ne!(app.send(far.unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_snapshot_is_a_data_directory() {
    let (app, store) = app().await;
    let dir = app.dir();
    let answer = call(&app, "POST", "snapshot").await;
    assert_eq!(answer.status, 200);
    let name = answer.json()["data"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("20231114T222320Z-") && name.len() == 33, "{name}");
    call(&app, "POST", "delete_series?match[]=up").await;
    call(&app, "POST", "clean_tombstones").await;
    assert!(jobs(&store).is_empty());
    let options = StoreOptions { background: false, ..StoreOptions::default() };
    let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
    let (copy, _) = Store::open(&dir.join("snapshots").join(name).join("metrics"), options, clock).unwrap();
    assert_eq!(jobs(&copy), ["a", "b", "c"]);
}

#[tokio::test]
async fn wrong_requests_are_explained_as_prometheus_does() {
    let (app, store) = app().await;
    for (path, kind, error) in [
        ("delete_series", "bad_data", "no match[] parameter provided"),
        ("delete_series?match[]=up&start=x", "bad_data", "invalid parameter \"start\": invalid time value for 'start'"),
        ("delete_series?match[]=%7B%7D", "bad_data", "match[] must contain at least one non-empty matcher"),
        ("delete_series?match[]=%7Ba=~%22.*%22%7D", "bad_data", "match[] must contain at least one non-empty matcher"),
        ("delete_series?match[]=up%7B", "bad_data", "invalid parameter \"match[]\": "),
        (
            "snapshot?skip_head=x",
            "bad_data",
            "invalid parameter \"skip_head\": unable to parse boolean: strconv.ParseBool: parsing \"x\": invalid syntax",
        ),
    ] {
        let answer = call(&app, "POST", path).await;
        assert_eq!((answer.status.as_u16(), answer.json()["errorType"].as_str()), (400, Some(kind)), "{path}");
        assert!(answer.json()["error"].as_str().unwrap().starts_with(error), "{path}: {}", answer.text());
    }
    assert_eq!(call(&app, "GET", "delete_series?match[]=up").await.status, 405);
    assert_eq!(jobs(&store).len(), 3);
}

#[tokio::test]
async fn callers_from_elsewhere_need_the_flag() {
    let proxied = || {
        let path = "/api/v1/admin/tsdb/clean_tombstones";
        request("POST", path).header("x-forwarded-for", "10.0.0.9").body(Body::empty()).unwrap()
    };
    let (app, _) = app().await;
    let answer = app.send(proxied()).await;
    assert_eq!(answer.json()["error"], "admin APIs disabled");
    assert_eq!(answer.json()["errorType"], "unavailable");
    let open = App::with(|parts| {
        parts.flags.insert("web.enable-admin-api".to_owned(), "true".to_owned());
    });
    assert_eq!(open.send(proxied()).await.status, 204);
    let path = "/api/v1/admin/tsdb/clean_tombstones";
    let cross_site = request("POST", path).header("origin", "http://evil.example").body(Body::empty()).unwrap();
    assert_eq!(open.send(cross_site).await.status, 403);
}
