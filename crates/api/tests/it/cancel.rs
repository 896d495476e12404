//! Queries that nobody waits for any more, too many queries, and handlers that fail.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use axum::body::Body;
use futures::stream::{FuturesUnordered, StreamExt};
use model::{LabelRequest, Labels, SelectRequest, SeriesSet, SeriesSource, SourceError};
use parking_lot::Mutex;
use tower::ServiceExt;

use crate::support::{App, request};

/// A source whose answers wait until the test lets them go.
struct Stuck {
    entered: SyncSender<()>,
    release: Mutex<Receiver<()>>,
}

impl SeriesSource for Stuck {
    fn select(&self, _: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        let _ = self.entered.send(());
        let _ = self.release.lock().recv();
        Err(SourceError::Storage("released".to_owned()))
    }

    fn label_names(&self, _: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        panic!("a fault in the store")
    }

    fn label_values(&self, _: &str, _: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        Err(SourceError::Storage("the disk is gone".to_owned()))
    }

    fn series(&self, _: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        Err(SourceError::Limit("too many series".to_owned()))
    }
}

fn stuck_app() -> (App, Receiver<()>, SyncSender<()>) {
    let (entered, has_entered) = sync_channel(100);
    let (releaser, release) = sync_channel(100);
    let app = App::with(|parts| {
        parts.source = Arc::new(Stuck { entered, release: Mutex::new(release) });
        parts.max_concurrent_queries = 1;
    });
    (app, has_entered, releaser)
}

fn query(extra: &str) -> http::Request<Body> {
    request("GET", &format!("/api/v1/query?query=up{extra}")).body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_queues_then_refuses_and_recovers() {
    let (app, has_entered, releaser) = stuck_app();
    let running = tokio::spawn(app.router.clone().oneshot(query("")));
    tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();

    let waited = app.send(query("&timeout=50ms")).await;
    assert_eq!(waited.status, 503);
    assert_eq!(waited.json()["errorType"], "timeout");
    assert_eq!(waited.json()["error"], "query timed out in query queue");

    // Four places to wait: of eight more, four are refused at once.
    let mut crowd: FuturesUnordered<_> = (0..8).map(|_| tokio::spawn(app.router.clone().oneshot(query("")))).collect();
    for _ in 0..4 {
        let refused = crowd.next().await.unwrap().unwrap().unwrap();
        assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    }
    // The client of the running query goes away; the slot is free once the store answers.
    running.abort();
    drop(releaser);
    while let Some(answer) = crowd.next().await {
        assert_eq!(answer.unwrap().unwrap().status(), 500, "the store says it was released");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_query_answers_at_once_and_keeps_its_place_until_the_store_lets_go() {
    let (app, has_entered, releaser) = stuck_app();
    let running = tokio::spawn(app.router.clone().oneshot(query("")));
    tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();
    let list = || async { app.get("/api/afferent/v1/queries").await.json()["data"].clone() };
    let id = list().await["queries"][0]["id"].as_str().unwrap().to_owned();
    let kill = request("DELETE", &format!("/api/afferent/v1/queries/{id}")).body(Body::empty()).unwrap();
    assert_eq!(app.send(kill).await.status, 200);

    // The store is still stuck: the client has its answer, the query is on the list, and its place is taken.
    assert_eq!(running.await.unwrap().unwrap().status().as_u16(), 499);
    assert_eq!(list().await["queries"][0]["state"], "ending");
    assert_eq!(app.send(query("&timeout=50ms")).await.json()["error"], "query timed out in query queue");

    drop(releaser);
    assert_eq!(app.send(query("")).await.status, 500, "the place is free, and the store says it was released");
    while list().await["queries"].as_array().is_some_and(|queries| !queries.is_empty()) {
        tokio::task::yield_now().await;
    }
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("afferent_refused_queries_total{reason=\"queue_timeout\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn failures_of_the_store_have_a_status() {
    let (app, _entered, _releaser) = stuck_app();
    let gone = app.get("/api/v1/label/a/values").await;
    assert_eq!((gone.status.as_u16(), gone.json()["errorType"].as_str()), (500, Some("internal")));
    let many = app.get("/api/v1/series?match[]=up").await;
    assert_eq!((many.status.as_u16(), many.json()["errorType"].as_str()), (422, Some("execution")));
}

#[tokio::test]
async fn a_panic_is_one_lost_request() {
    let (app, _entered, _releaser) = stuck_app();
    let answer = app.get("/api/v1/labels").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.text().contains("a fault in the store"), "inner texts stay inside");
    assert!(app.get("/metrics").await.text().contains("afferent_http_panics_total 1\n"));
}

#[tokio::test]
async fn a_request_that_never_ends_is_ended() {
    let app = App::with(|parts| {
        let options = promql::engine::EngineOptions { timeout: Duration::from_millis(1), ..Default::default() };
        *parts.engine.write() = promql::engine::Engine::new(options);
    });
    tokio::time::pause();
    let body = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let request = request("POST", "/api/v1/query").header("content-type", "application/x-www-form-urlencoded");
    let answer = app.send(request.body(body).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["errorType"].as_str()), (503, Some("timeout")));
}
