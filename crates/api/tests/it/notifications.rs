//! What the server tells of itself: notifications, rules' pages, features, blocks, its own metrics, a job's configuration.

use api::{RELOAD_FAILED, Readiness};
use axum::body::Body;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{App, request};

async fn active(app: &App) -> Value {
    app.get("/api/v1/notifications").await.json()["data"].clone()
}

#[tokio::test]
async fn notifications_come_and_go() {
    let mut told = None;
    let app = App::with(|parts| told = Some(parts.notifications.clone()));
    let told = told.unwrap();
    assert_eq!(active(&app).await, json!([]));

    let live = app.router.clone().oneshot(request("GET", "/api/v1/notifications/live").body(Body::empty()).unwrap());
    let live = live.await.unwrap();
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    told.add(RELOAD_FAILED);
    assert_eq!(active(&app).await, json!([{"text": RELOAD_FAILED, "date": "2023-11-14T22:23:20Z", "active": true}]));
    told.add(RELOAD_FAILED);
    told.remove(RELOAD_FAILED);
    told.remove(RELOAD_FAILED);
    assert_eq!(active(&app).await, json!([]));
    let late = app.router.clone().oneshot(request("GET", "/api/v1/notifications/live").body(Body::empty()).unwrap());
    let late = late.await.unwrap();

    app.api.set_readiness(Readiness::Stopping);
    assert_eq!(active(&app).await[0]["active"], true, "also answered while stopping");
    let events = |live: http::Response<Body>| async {
        let chunks: Vec<_> = live.into_body().into_data_stream().map(|c| c.unwrap()).collect().await;
        let text = String::from_utf8(chunks.concat()).unwrap();
        let event = |e: &str| serde_json::from_str::<Value>(e.strip_prefix("data: ").unwrap()).unwrap();
        text.split_terminator("\n\n").map(event).collect::<Vec<_>>()
    };
    let first = events(live).await;
    let seen: Vec<_> = first.iter().map(|e| (e["text"].as_str().unwrap(), e["active"].as_bool().unwrap())).collect();
    let stopping = "Afferent is shutting down and gracefully stopping all operations.";
    assert_eq!(seen, [(RELOAD_FAILED, true), (RELOAD_FAILED, true), (RELOAD_FAILED, false), (stopping, true)]);
    assert_eq!(events(late).await.len(), 1);
    let closed = app.get("/api/v1/notifications/live").await;
    assert_eq!(closed.status, 204);
}

#[tokio::test]
async fn only_so_many_follow() {
    let app = App::new();
    let mut open = Vec::new();
    for _ in 0..16 {
        let live = request("GET", "/api/v1/notifications/live").body(Body::empty()).unwrap();
        open.push(app.router.clone().oneshot(live).await.unwrap());
    }
    assert!(open.iter().all(|live| live.status() == 200));
    assert_eq!(app.get("/api/v1/notifications/live").await.status, 204);
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("prometheus_api_notification_active_subscribers 16\n"), "{metrics}");
    open.pop();
    assert_eq!(app.get("/metrics").await.status, 200);
    let again = request("GET", "/api/v1/notifications/live").body(Body::empty()).unwrap();
    assert_eq!(app.router.clone().oneshot(again).await.unwrap().status(), 200);
}

#[tokio::test]
async fn pages_of_rules_are_checked() {
    let app = App::new();
    for (query, error) in [
        (
            "group_next_token=x",
            "\"group_next_token\": group_limit needs to be present in order to paginate over the groups",
        ),
        ("group_limit=0", "\"group_limit\": group_limit needs to be greater than 0"),
        (
            "group_limit=x",
            "\"group_limit\": group_limit needs to be a valid number: strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            "group_limit=4294967296",
            "\"group_limit\": group_limit needs to be a valid number: strconv.ParseInt: parsing \"4294967296\": value out of range",
        ),
        (
            "group_limit=1&group_next_token=x",
            "\"group_next_token\": invalid group_next_token 'x'. were rule groups changed?",
        ),
        (
            "exclude_alerts=x",
            "\"exclude_alerts\": error converting exclude_alerts: strconv.ParseBool: parsing \"x\": invalid syntax",
        ),
    ] {
        let answer = app.get(&format!("/api/v1/rules?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["error"], format!("invalid parameter {error}"), "{query}");
    }
    let page = app.get("/api/v1/rules?group_limit=5&exclude_alerts=true&rule_name[]=a&rule_group[]=b&file[]=c").await;
    assert_eq!(page.json()["data"], json!({"groups": []}));
}

#[tokio::test]
async fn status_pages() {
    let app = App::with(|parts| {
        parts.config.write().yaml = "global:\n  scrape_interval: 15s\nscrape_configs:\n- job_name: a\n  \
            metrics_path: /a\n- job_name: \"b c\"\n  static_configs:\n  - targets:\n    - x:1\nremote_write: []\n"
            .to_owned();
    });
    let config = app.get("/api/v1/scrape_pools/config?scrapePool=b%20c").await;
    assert_eq!(
        config.json()["data"]["yaml"],
        "job_name: \"b c\"\nstatic_configs:\n- targets:\n  - x:1\n",
        "{}",
        config.text()
    );
    for (path, error) in [
        ("/api/v1/scrape_pools/config", "no scrapePool parameter provided"),
        ("/api/v1/scrape_pools/config?scrapePool=c", "error retrieving scrape config: scrape pool \"c\" not found"),
        ("/api/v1/status/self_metrics?metric_name_pattern=(", ""),
    ] {
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()["errorType"].as_str()), (400, Some("bad_data")));
        assert!(answer.json()["error"].as_str().unwrap().starts_with(error), "{}", answer.text());
    }
    let own = app.get("/api/v1/status/self_metrics?metric_name_pattern=prometheus_ready").await;
    let ready = json!({"name": "prometheus_ready", "help": "Whether the server answers requests.", "type": "GAUGE",
        "metric": [{"gauge": {"value": 1.0}}]});
    assert_eq!(own.json()["data"], json!([ready]));
    assert_eq!(app.get("/api/v1/status/tsdb/blocks").await.json()["data"], json!({"blocks": []}));
    let features = app.get("/api/v1/features").await.json()["data"].clone();
    for (group, name) in
        [("api", "search"), ("promql", "anchored"), ("promql_operators", "atan2"), ("tsdb", "native_histograms")]
    {
        assert_eq!(features[group][name], true, "{group} {name}");
    }
}

#[tokio::test]
async fn the_interface_describes_itself() {
    let app = App::new();
    for (path, version) in [
        ("/api/v1/openapi.yaml", "3.1.0"),
        ("/api/v1/openapi.yaml?openapi_version=3.2", "3.2.0"),
        ("/api/afferent/v1/openapi.yaml", "3.1.0"),
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("content-type"), Some("application/yaml; charset=utf-8"));
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(document["openapi"], version);
        assert!(document["paths"].as_object().unwrap().len() > 5);
    }
}
