//! The query API before a real store.

use std::sync::Arc;

use api::{Door, LogParts, TailingSink};
use axum::Router;
use axum::body::Body;
use config::Environment;
use http::Request;
use logs::{Store, StoreOptions};
use model::{ManualClock, Timestamp};
use parking_lot::RwLock;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{Answer, App, request};

/// An API with a store of logs, through Loki's port.
pub(super) struct LokiApp {
    pub(super) app: App,
    pub(super) store: Arc<Store>,
    router: Router,
    _dir: tempfile::TempDir,
}

impl LokiApp {
    /// With this text as Loki's configuration, at a time in Unix seconds.
    pub(super) fn new(yaml: &str, now: i64) -> LokiApp {
        let path = std::path::Path::new("loki.yaml");
        let config =
            config::load_loki_text(yaml, path, &Environment::default()).unwrap_or_else(|e| panic!("{e}")).config;
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(now * 1000)));
        let mut options = StoreOptions { background: false, ..StoreOptions::default() };
        options.limits.default.out_of_order_window = Some(config.out_of_order_window().ms().saturating_mul(1_000_000));
        let (store, _) = Store::open(dir.path(), options, clock.clone()).unwrap();
        let parts = LogParts {
            store: store.clone(),
            sink: TailingSink::new(store.clone()),
            config: Arc::new(RwLock::new(Arc::new(config))),
        };
        let app = App::with(|all| {
            all.logs = Some(parts);
            all.clock = clock;
        });
        let router = api::router(app.api.clone(), Door::Loki);
        LokiApp { app, store, router, _dir: dir }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(super) async fn json(&self, path: &str, body: &Value) -> Answer {
        let request = request("POST", path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str, params: &Value) -> Answer {
        let path = format!("{path}?{}", query_string(params));
        self.send(request("GET", &path).body(Body::empty()).unwrap()).await
    }

    pub(super) fn router(&self) -> Router {
        self.router.clone()
    }
}

/// Parameters as a query string; lists give a name several times.
pub(super) fn query_string(params: &Value) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in params.as_object().into_iter().flatten() {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.append_pair(name, &text);
        }
    }
    out.finish()
}

const NOW: i64 = 1_700_000_600;

/// Three streams: JSON of two services, and plain lines.
async fn filled() -> LokiApp {
    let app = LokiApp::new("limits_config: {discover_service_name: [], discover_log_levels: true}", NOW);
    let values = |line: &dyn Fn(i64) -> String| -> Vec<Value> {
        (0..60).map(|at| json!([((NOW - 600 + at * 10) * 1_000_000_000).to_string(), line(at)])).collect()
    };
    let levels = ["info", "warn", "error"];
    let json_line = |at: i64| {
        format!(r#"{{"level":"{}","status":{},"took":"{at}ms"}}"#, levels[at as usize % 3], 200 + at % 2 * 300)
    };
    let body = json!({"streams": [
        {"stream": {"app": "a", "env": "prod"}, "values": values(&json_line)},
        {"stream": {"app": "b", "env": "prod"}, "values": values(&json_line)},
        {"stream": {"app": "c", "env": "dev"}, "values": values(&|at| format!("[error] connection from 10.0.0.{at} lost after {at}ms"))},
    ]});
    let answer = app.json("/loki/api/v1/push", &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    app
}

fn span() -> Value {
    json!({"start": NOW - 600, "end": NOW})
}

fn with(mut params: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    params.as_object_mut().unwrap().extend(more);
    params
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts() {
    let app = filled().await;
    for flushed in [false, true] {
        if flushed {
            app.store.flush().unwrap();
        }
        let stats =
            app.get("/loki/api/v1/index/stats", &with(span(), json!({"query": r#"{env="prod"}"#}))).await.json();
        assert_eq!((&stats["streams"], &stats["entries"]), (&json!(2), &json!(120)));
        let half = json!({"start": NOW - 300, "end": NOW, "query": r#"{env="prod"}"#});
        assert_eq!(app.get("/loki/api/v1/index/stats", &half).await.json()["entries"], 60);
        let params = with(span(), json!({"query": r#"{env=~".+"}"#, "step": "300s"}));
        let volume = app.get("/loki/api/v1/index/volume", &params).await.json();
        let metrics: Vec<&Value> = volume["data"]["result"].as_array().unwrap().iter().map(|s| &s["metric"]).collect();
        assert_eq!(metrics, [&json!({"env": "prod"}), &json!({"env": "dev"})]);
        let of = |answer: &Value, at: usize| {
            answer["data"]["result"][at]["value"][1].as_str().unwrap().parse::<u64>().unwrap()
        };
        let all = of(&volume, 0);
        let by_app =
            app.get("/loki/api/v1/index/volume", &with(params.clone(), json!({"targetLabels": "app"}))).await.json();
        assert_eq!(of(&by_app, 1) + of(&by_app, 2), all);
        let by_name = with(params.clone(), json!({"targetLabels": "app,env", "aggregateBy": "labels"}));
        let by_name = app.get("/loki/api/v1/index/volume", &by_name).await.json();
        assert_eq!(by_name["data"]["result"][0]["metric"], json!({"app": ""}));
        let range = app.get("/loki/api/v1/index/volume_range", &params).await.json();
        let values = range["data"]["result"][0]["values"].as_array().unwrap();
        let times: Vec<f64> = values.iter().map(|v| v[0].as_f64().unwrap()).collect();
        assert_eq!(times, [1_700_000_099.999, 1_700_000_399.999, 1_700_000_600.0]);
        let sum: u64 = values.iter().map(|v| v[1].as_str().unwrap().parse::<u64>().unwrap()).sum();
        assert!(sum.abs_diff(all) < 20, "{sum} {all}");
        let shards = app.get("/loki/api/v1/index/shards", &params).await.json();
        assert_eq!(shards["shards"][0]["stats"]["entries"], 180);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_and_patterns() {
    let app = filled().await;
    let params = with(span(), json!({"query": r#"{app="a"} |= "error""#}));
    let fields = app.get("/loki/api/v1/detected_fields", &params).await.json();
    let shown: Vec<String> = fields["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| format!("{} {} {} {}", f["label"], f["type"], f["cardinality"], f["parsers"]))
        .collect();
    assert_eq!(
        shown,
        [
            r#""detected_level" "string" 1 null"#,
            r#""level" "string" 1 ["json"]"#,
            r#""status" "int" 2 ["json"]"#,
            r#""took" "duration" 20 ["json"]"#
        ]
    );
    let values = app.get("/loki/api/v1/detected_field/status/values", &params).await.json();
    assert_eq!(values["values"], json!(["200", "500"]));
    let labels =
        app.get("/loki/api/v1/detected_labels", &with(span(), json!({"query": r#"{env="prod"}"#}))).await.json();
    assert_eq!(labels, json!({"detectedLabels": [{"label": "app", "cardinality": 2}]}));
    let patterns =
        app.get("/loki/api/v1/patterns", &with(span(), json!({"query": r#"{app="c"}"#, "step": "600s"}))).await.json();
    let pattern = &patterns["data"][0];
    assert_eq!(
        (&pattern["pattern"], &pattern["level"]),
        (&json!("[error] connection from <_> lost after <_>"), &json!("error"))
    );
    let lines: u64 = pattern["samples"].as_array().unwrap().iter().map(|s| s[1].as_u64().unwrap()).sum();
    assert_eq!(lines, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions() {
    let app = filled().await;
    let delete = |params: Value| {
        let path = format!("/loki/api/v1/delete?{}", query_string(&params));
        app.send(request("POST", &path).body(Body::empty()).unwrap())
    };
    for bad in [
        json!({}),
        json!({"query": "{"}),
        json!({"query": "{app=\"a\"}", "start": "x"}),
        json!({"query": "{app=\"a\"}"}),
        json!({"query": "{app=\"a\"}", "start": NOW, "end": NOW - 5}),
    ] {
        let answer = delete(bad.clone()).await;
        assert_eq!(answer.status, 400, "{bad} {}", answer.text());
    }
    assert_eq!(delete(json!({"query": r#"{app="a"}"#, "start": NOW - 600, "end": NOW - 301})).await.status, 204);
    let count = json!({"query": r#"sum by (app) (count_over_time({env="prod"}[10m]))"#, "time": NOW});
    let answer = app.get("/loki/api/v1/query", &count).await.json();
    assert_eq!(answer["data"]["result"][0]["value"][1], "30", "{answer}");
    assert_eq!(answer["data"]["result"][1]["value"][1], "59");
    let list = app.get("/loki/api/v1/delete", &json!({})).await.json();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["status"]), (1, &json!("processed")));
    let id = list[0]["request_id"].as_str().unwrap();
    let path = format!("/loki/api/v1/delete?request_id={id}");
    let answer = app.send(request("DELETE", &path).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_listed_and_refused_like_others() {
    let app = filled().await;
    let too_many = with(span(), json!({"query": r#"{app="a"}"#, "limit": 5001}));
    assert_eq!(app.get("/loki/api/v1/query_range", &too_many).await.status, 400);
    let long = json!({"query": r#"{app="a"}"#, "start": 0, "end": NOW});
    let answer = app.get("/loki/api/v1/query_range", &long).await;
    assert!(answer.text().starts_with("the query time range exceeds the limit"), "{}", answer.text());
    let log = json!({"query": r#"{app="a"}"#});
    let answer = app.get("/loki/api/v1/query", &log).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().starts_with("log queries are not supported as an instant query type"), "{}", answer.text());
    let bomb = json!({"query": "sum(".repeat(5000)});
    assert_eq!(app.get("/loki/api/v1/query", &bomb).await.status, 400);
    let none = app.app.get("/api/afferent/v1/queries").await.json();
    assert_eq!(none["data"]["queries"], json!([]));
}
