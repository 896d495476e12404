//! Queries that are at work: listed, ended by an operator, left by their clients, logged where they are slow.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use api::Door;
use axum::body::Body;
use model::{LabelRequest, Labels, SampleBuffer, SelectRequest, SeriesSet, SeriesSource, SourceError, TimeRange};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::memory_source::MemorySource;
use crate::support::{Answer, App, request};

/// A million series, each of which takes a while to read until the gate is opened.
#[derive(Clone, Default)]
struct Slow(Arc<Gate>);

#[derive(Default)]
struct Gate {
    open: AtomicBool,
    reads: AtomicU64,
}

impl SeriesSource for Slow {
    fn select(&self, _: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        Ok(Box::new(self.clone()))
    }

    fn label_names(&self, _: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    fn series(&self, _: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        Ok(Vec::new())
    }
}

impl SeriesSet for Slow {
    fn len(&self) -> usize {
        1_000_000
    }

    fn labels(&self, index: usize) -> Labels {
        Labels::from_pairs([("i", index.to_string())])
    }

    fn read(&self, _: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        if self.0.open.load(Ordering::Relaxed) {
            return Err(SourceError::Storage("the test is over".to_owned()));
        }
        std::thread::park_timeout(Duration::from_micros(200));
        out.push_float(range.end.ms(), 1.0);
        Ok(())
    }
}

fn slow_app(places: usize) -> (App, Slow) {
    let source = Slow::default();
    let parts_source = source.clone();
    let app = App::with(move |parts| {
        parts.source = Arc::new(parts_source);
        parts.max_concurrent_queries = places;
        parts.slow_query = Duration::from_millis(1);
    });
    (app, source)
}

fn ask(app: &App, path: &str, tenant: &str) -> JoinHandle<Answer> {
    let request = request("GET", path).header("x-scope-orgid", tenant).header("user-agent", "test/1");
    let sending = app.sender();
    let request = request.body(Body::empty()).unwrap();
    tokio::spawn(async move { sending.send(request).await })
}

async fn list(app: &App) -> Value {
    app.get("/api/afferent/v1/queries").await.json()["data"].clone()
}

/// Asks for the list until it is as wanted.
async fn list_until(app: &App, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2000 {
        let list = list(app).await;
        if wanted(&list) {
            return list;
        }
        tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await.unwrap_err();
    }
    panic!("the list never came to be as wanted: {}", list(app).await);
}

async fn delete(app: &App, id: &str) -> Answer {
    app.send(request("DELETE", &format!("/api/afferent/v1/queries/{id}")).body(Body::empty()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_listed_and_ended() {
    let (app, source) = slow_app(1);
    let first = ask(&app, "/api/v1/query_range?query=sum(up)&start=1000&end=1060&step=15&timeout=50s", "a");
    list_until(&app, |l| l["running"] == 1).await;
    let second = ask(&app, "/api/v1/query?query=max(up)&time=7", "b");
    let both = list_until(&app, |l| l["queued"] == 1 && l["queries"][0]["samples"].as_u64() > Some(0)).await;

    assert_eq!((&both["maxRunning"], &both["maxQueued"]), (&1.into(), &4.into()));
    let (one, two) = (&both["queries"][0], &both["queries"][1]);
    for (field, value) in [
        ("state", Value::from("running")),
        ("kind", "range".into()),
        ("query", "sum(up)".into()),
        ("tenant", "a".into()),
        ("start", 1_000_000.into()),
        ("end", 1_060_000.into()),
        ("stepSeconds", 15.0.into()),
        ("timeoutSeconds", 50.0.into()),
        ("userAgent", "test/1".into()),
        ("time", Value::Null),
    ] {
        assert_eq!(one[field], value, "{field}: {one}");
    }
    assert!(one["series"].as_u64() >= Some(64) && one["elapsedSeconds"].as_f64() > Some(0.0), "{one}");
    assert!(one["peakMemoryBytes"].as_u64() > Some(0), "{one}");
    assert_eq!((&two["state"], &two["kind"], &two["time"]), (&"queued".into(), &"instant".into(), &7000.into()));
    assert_eq!(app.get("/metrics").await.text().matches("prometheus_engine_queries 2\n").count(), 1);

    let (id_one, id_two) = (one["id"].as_str().unwrap(), two["id"].as_str().unwrap());
    let path = format!("/api/afferent/v1/queries/{id_one}");
    assert_eq!(app.get(&path).await.json()["data"]["query"], "sum(up)");
    let of_b = app.send(request("GET", &path).header("x-scope-orgid", "b").body(Body::empty()).unwrap()).await;
    assert_eq!(of_b.status, 404, "another tenant's query");
    let page = request("DELETE", &path).header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap();
    assert_eq!(app.send(page).await.status, 403);

    // The one in the queue, by the other way of asking.
    let kill = request("POST", &format!("/api/afferent/v1/queries/{id_two}/kill")).body(Body::empty()).unwrap();
    assert_eq!(app.send(kill).await.json()["data"]["id"], id_two);
    let killed = second.await.unwrap();
    assert_eq!((killed.status.as_u16(), killed.json()["errorType"].as_str()), (499, Some("canceled")));
    assert_eq!(killed.json()["error"], format!("query {id_two} was ended by an operator"));

    assert_eq!(delete(&app, id_one).await.json()["data"]["state"], "running");
    let killed = first.await.unwrap();
    assert_eq!(killed.json()["error"], format!("query {id_one} was ended by an operator"));
    list_until(&app, |l| l["queries"].as_array().unwrap().is_empty()).await;
    let reads = source.0.reads.load(Ordering::Relaxed);
    assert!(reads < 900_000, "the work ended with the query: {reads} reads");

    let gone = delete(&app, id_one).await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json()["error"], format!("there is no running query \"{id_one}\": it may have ended"));
    assert_eq!(delete(&app, "nonsense").await.status, 404);
    assert!(app.get("/metrics").await.text().contains("afferent_killed_queries_total 2\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_ends_its_query() {
    let (app, source) = slow_app(2);
    let listener = api::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = api::router(app.api.clone(), Door::Main);
    let serving = tokio::spawn(api::serve(vec![(listener, router)], stop.clone(), Duration::from_secs(5)));

    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let own = connection.local_addr().unwrap();
    connection.write_all(b"GET /api/v1/query?query=count(up) HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let running = list_until(&app, |l| l["queries"][0]["samples"].as_u64() > Some(0)).await;
    assert_eq!(running["queries"][0]["client"], own.to_string());
    drop(connection);
    list_until(&app, |l| l["queries"].as_array().unwrap().is_empty()).await;
    let reads = source.0.reads.load(Ordering::Relaxed);
    assert!(reads < 900_000, "{reads} reads");

    // A killed query's client gets its answer over the network, too.
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET /api/v1/query?query=count(up) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    connection.write_all(request).await.unwrap();
    let running = list_until(&app, |l| l["running"] == 1).await;
    assert_eq!(delete(&app, running["queries"][0]["id"].as_str().unwrap()).await.status, 200);
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 499") && answer.contains("was ended by an operator"), "{answer}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn time_limits_end_queries() {
    let (app, _source) = slow_app(1);
    let answer = app.get("/api/v1/query?query=sum(up)&timeout=30ms").await;
    assert_eq!((answer.status.as_u16(), answer.json()["errorType"].as_str()), (503, Some("timeout")));
    assert_eq!(answer.json()["error"], "query timed out in expression evaluation");
    list_until(&app, |l| l["queries"].as_array().unwrap().is_empty()).await;
}

#[tokio::test]
async fn the_engine_is_measured_under_the_names_of_prometheus() {
    let app = App::new();
    assert_eq!(app.get("/api/v1/query?query=sum(up)").await.status, 200);
    let metrics = app.get("/metrics").await.text();
    for line in [
        "prometheus_engine_queries 0",
        "prometheus_engine_queries_concurrent_max 4",
        "prometheus_engine_query_duration_seconds_count{slice=\"inner_eval\"} 1",
        "prometheus_engine_query_duration_histogram_seconds_count{slice=\"queue_time\"} 1",
        "prometheus_engine_query_duration_seconds{slice=\"queue_time\",quantile=\"0.9\"} 0.0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
    let samples = metrics.lines().find(|l| l.starts_with("prometheus_engine_query_samples_total ")).unwrap();
    assert!(!samples.ends_with(" 0"), "{samples}");
}

/// What was logged by the process, as `name=value` texts.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("api::queries")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LOGGED.lock().push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_queries_are_logged_and_quick_ones_are_not() {
    static RECORDING: Once = Once::new();
    RECORDING.call_once(|| tracing::subscriber::set_global_default(Recorder).unwrap());
    let (app, _source) = slow_app(1);
    let path = "/api/v1/query_range?query=sum(the_slow_one)&start=1000&end=1060&step=15&timeout=30ms";
    let answer = ask(&app, path, "slow-tenant").await.unwrap();
    assert_eq!(answer.status, 503);
    list_until(&app, |l| l["queries"].as_array().unwrap().is_empty()).await;
    let quick = App::new();
    assert_eq!(quick.get("/api/v1/query?query=the_quick_one").await.status, 200);

    let logged = LOGGED.lock().clone();
    let lines: Vec<&String> = logged.iter().filter(|line| line.contains("the_slow_one")).collect();
    assert_eq!(lines.len(), 1, "{logged:?}");
    for part in [
        "message=slow query",
        "query=\"sum(the_slow_one)\"",
        "kind=\"range\"",
        "tenant=\"slow-tenant\"",
        "start_ms=1000000",
        "step_ms=15000",
        "series=",
        "samples=",
        "outcome=\"error\"",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    let elapsed = lines[0].split("elapsed_s=").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    assert!(elapsed.is_some_and(|seconds| seconds >= 0.03), "at least its time limit: {}", lines[0]);
    assert!(!logged.iter().any(|line| line.contains("the_quick_one")));
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("afferent_slow_queries_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn the_query_log_has_a_line_for_every_query() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("query.log");
    let mut log = None;
    let app = App::with(|parts| log = Some(parts.query_log.clone()));
    let log = log.unwrap();
    assert_eq!(app.get("/api/v1/query?query=unseen").await.status, 200);
    log.open(Some(&file)).unwrap();
    assert!(app.get("/metrics").await.text().contains("prometheus_engine_query_log_enabled 1\n"));
    assert_eq!(app.get("/api/v1/query_range?query=up&start=1700000000&end=1700000060&step=15").await.status, 200);
    assert_eq!(app.get("/api/v1/query?query=up%2Bon()up&time=1700000000.5").await.status, 422);
    assert!(log.open(Some(directory.path())).is_err(), "a directory is no file");
    log.open(None).unwrap();
    assert_eq!(app.get("/api/v1/query?query=unseen").await.status, 200);

    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let params =
        serde_json::json!({"query": "up", "start": "2023-11-14T22:13:20Z", "end": "2023-11-14T22:14:20Z", "step": 15});
    assert_eq!((&lines[0]["params"], &lines[0]["msg"]), (&params, &"promql query logged".into()));
    assert_eq!(
        (&lines[0]["httpRequest"]["path"], &lines[0]["httpRequest"]["method"]),
        (&"/api/v1/query_range".into(), &"GET".into())
    );
    assert!(lines[0]["stats"]["samples"]["totalQueryableSamples"].is_number(), "{text}");
    assert_eq!((&lines[0]["error"], &lines[1]["params"]["step"]), (&Value::Null, &0.into()));
    assert_eq!(lines[1]["params"]["start"], "2023-11-14T22:13:20.5Z");
    assert!(lines[1]["error"].as_str().is_some_and(|e| e.contains("many-to-many")), "{text}");
}

#[tokio::test]
async fn lists_say_what_they_lack() {
    let gap = (TimeRange::new(1_700_000_000_000, 1_700_000_100_000), "a block was damaged".to_owned());
    let mut source = MemorySource::from_text("up{job=\"a\"} 1 1700000000");
    source.gap = Some(gap);
    let app = App::with(|parts| parts.source = Arc::new(source));
    for path in ["/api/v1/labels", "/api/v1/label/job/values", "/api/v1/series?match[]=up"] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let within = app.get(&format!("{path}{separator}start=1700000000&end=1700000050")).await.json();
        assert_eq!(within["warnings"], serde_json::json!(["a block was damaged"]), "{path}");
        assert!(!within["data"].as_array().unwrap().is_empty(), "{path}");
        let outside = app.get(&format!("{path}{separator}start=1700000101&end=1700000150")).await.json();
        assert_eq!(outside["warnings"], serde_json::Value::Null, "{path}");
    }
}
