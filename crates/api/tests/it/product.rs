//! What Prometheus has not, or has differently: status pages, metrics of the product, the application's page, targets.

use std::sync::Arc;

use axum::body::Body;
use model::{Labels, Metadata, MetricType, Timestamp};
use scrape::{ActiveTarget, DroppedTarget, FamilyMetadata, TargetHealth, TargetMetadata, TargetsSnapshot};
use serde_json::json;
use tower::ServiceExt;

use crate::support::{App, FixedTargets, request};

fn target(pool: &str, host: &str) -> ActiveTarget {
    ActiveTarget {
        scrape_pool: pool.to_owned(),
        scrape_url: format!("http://{host}/metrics"),
        global_url: format!("http://{host}/metrics"),
        discovered_labels: Labels::from_pairs([("__address__", host)]),
        labels: Labels::from_pairs([("instance", host), ("job", pool)]),
        last_error: "connection refused".to_owned(),
        last_warning: String::new(),
        last_scrape: Some(Timestamp(1_700_000_000_250)),
        last_scrape_duration: 0.5,
        last_scrape_samples: 7,
        health: TargetHealth::Down,
        scrape_interval: "15s".to_owned(),
        scrape_timeout: "10s".to_owned(),
    }
}

fn app_with_targets() -> App {
    let family = |family: &str, help: &str| {
        let metadata = Metadata { metric_type: MetricType::Counter, help: help.to_owned(), unit: String::new() };
        Arc::new(FamilyMetadata { family: family.to_owned(), metadata })
    };
    let metadata = |host: &str, families: Vec<Arc<FamilyMetadata>>| TargetMetadata {
        scrape_pool: "web".to_owned(),
        labels: Labels::from_pairs([("instance", host), ("job", "web")]),
        families: families.into(),
    };
    let targets = FixedTargets {
        snapshot: TargetsSnapshot {
            active: vec![target("node", "c:3"), target("web", "a:1"), target("web", "b:2")],
            dropped: vec![DroppedTarget {
                scrape_pool: "web".to_owned(),
                discovered_labels: Labels::from_pairs([("__address__", "d:4")]),
            }],
            dropped_counts: [("node".to_owned(), 0), ("web".to_owned(), 1)].into(),
            troubles: [("self".to_owned(), vec!["http://sd: no answer".to_owned()])].into(),
        },
        metadata: vec![
            metadata("a:1", vec![family("x_total", "One."), family("y_total", "Y.")]),
            metadata("b:2", vec![family("x_total", "Two.")]),
        ],
    };
    App::with(|parts| parts.targets = Arc::new(targets))
}

#[tokio::test]
async fn targets_are_filtered() {
    let app = app_with_targets();
    let all = app.get("/api/v1/targets").await.json();
    assert_eq!(all["data"]["activeTargets"].as_array().unwrap().len(), 3);
    assert_eq!(all["data"]["droppedTargetCounts"], json!({"node": 0, "web": 1}));
    assert_eq!(all["data"]["scrapePoolErrors"], json!({"self": ["http://sd: no answer"]}));
    assert_eq!(
        all["data"]["activeTargets"][1],
        json!({"discoveredLabels":{"__address__":"a:1"},"labels":{"instance":"a:1","job":"web"},"scrapePool":"web",
            "scrapeUrl":"http://a:1/metrics","globalUrl":"http://a:1/metrics","lastError":"connection refused",
            "lastWarning":"","lastScrape":"2023-11-14T22:13:20.25Z","lastScrapeDuration":0.5,"lastScrapeSamples":7,
            "health":"down","scrapeInterval":"15s","scrapeTimeout":"10s"})
    );
    let pool = app.get("/api/v1/targets?state=ACTIVE&scrapePool=node").await.json();
    assert_eq!(pool["data"]["activeTargets"].as_array().unwrap().len(), 1);
    assert_eq!(pool["data"]["droppedTargets"], json!([]));
    let dropped = app.get("/api/v1/targets?state=dropped").await.json();
    assert_eq!(dropped["data"]["activeTargets"], json!([]));
    assert_eq!(dropped["data"]["droppedTargets"][0]["discoveredLabels"], json!({"__address__": "d:4"}));
    let pools = app.get("/api/v1/scrape_pools").await.json();
    assert_eq!(pools["data"]["scrapePools"], json!(["node", "web"]));
}

#[tokio::test]
async fn metadata_is_gathered_over_targets() {
    let app = app_with_targets();
    let all = app.get("/api/v1/metadata").await.json();
    let entry = |help: &str| json!({"type":"counter","help":help,"unit":""});
    assert_eq!(all["data"], json!({"x_total":[entry("One."), entry("Two.")],"y_total":[entry("Y.")]}));
    let one = app.get("/api/v1/metadata?metric=x_total&limit_per_metric=1").await.json();
    assert_eq!(one["data"], json!({"x_total":[entry("One.")]}));
    assert_eq!(app.get("/api/v1/metadata?limit=1").await.json()["data"].as_object().unwrap().len(), 1);

    let of_target = app.get("/api/v1/targets/metadata?match_target=%7Binstance%3D%22b:2%22%7D").await.json();
    let target = json!({"instance":"b:2","job":"web"});
    assert_eq!(
        of_target["data"],
        json!([{"target":target,"metric":"x_total","type":"counter","help":"Two.","unit":""}])
    );
    let named = app.get("/api/v1/targets/metadata?metric=y_total").await.json();
    assert_eq!(named["data"].as_array().unwrap().len(), 1);
    assert_eq!(named["data"][0].get("metric"), None);
}

#[tokio::test]
async fn relabel_steps_need_a_pool_and_labels() {
    let app = App::new();
    for (query, error) in [
        ("", "no scrapePool parameter provided"),
        ("?scrapePool=a", "no labels parameter provided"),
        ("?scrapePool=a&labels=%7B", "error parsing labels"),
        ("?scrapePool=a&labels=%7B%7D", "scrape pool \"a\" not found"),
    ] {
        let answer = app.get(&format!("/api/v1/targets/relabel_steps{query}")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(&error.replace('"', "\\\"")), "{}", answer.text());
    }
}

#[tokio::test]
async fn status_pages() {
    let app = App::with(|parts| {
        let mut config = parts.config.write();
        config.yaml = "global: {}\n".to_owned();
        config.loaded_at = Timestamp(1_700_000_000_000);
        config.last_reload_ok = true;
    });
    assert_eq!(app.get("/api/v1/status/config").await.json()["data"], json!({"yaml": "global: {}\n"}));
    assert_eq!(app.get("/api/v1/status/flags").await.json()["data"], json!({"query.timeout": "2m"}));
    let build = app.get("/api/v1/status/buildinfo").await.json();
    assert!(build["data"]["version"].as_str().unwrap().starts_with("3."));
    assert_eq!(build["data"]["application"], "Afferent");
    assert_eq!(app.get("/version").await.json(), build["data"]);
    let runtime = app.get("/api/v1/status/runtimeinfo").await.json();
    assert_eq!(runtime["data"]["lastConfigTime"], "2023-11-14T22:13:20Z");
    assert_eq!(runtime["data"]["startTime"], "2023-11-14T22:23:20Z");
    assert_eq!(runtime["data"]["reloadConfigSuccess"], true);
    assert_eq!(runtime["data"]["storageRetention"], "1d");
    let tsdb = app.get("/api/v1/status/tsdb?limit=3").await.json();
    assert_eq!(tsdb["data"]["headStats"]["numSeries"], 0);
    assert_eq!(app.get("/api/v1/features").await.json()["data"]["promql_functions"]["rate"], true);
}

#[tokio::test]
async fn stats_are_given_when_asked_for() {
    let app = App::new();
    let path = "/api/v1/query_range?query=sum(up)&start=1700000000&end=1700000120&step=60";
    assert_eq!(app.get(path).await.json()["data"].get("stats"), None);
    let stats = app.get(&format!("{path}&stats=all")).await.json()["data"]["stats"].clone();
    assert_eq!(stats["samples"]["totalQueryableSamples"], 6);
    assert_eq!(
        stats["samples"]["totalQueryableSamplesPerStep"],
        json!([[1700000000, 2], [1700000060, 2], [1700000120, 2]])
    );
    for timing in
        ["evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime", "execQueueTime", "execTotalTime"]
    {
        assert!(stats["timings"][timing].is_number(), "{timing}: {stats}");
    }
    let odd = app.get(&format!("{path}&stats=yes")).await.json();
    assert!(odd["warnings"][0].as_str().unwrap().contains("value \"yes\" for parameter \"stats\" is deprecated"));
}

#[tokio::test]
async fn reload_answers_with_the_reasons() {
    let app = App::with(|parts| {
        parts.reload = Box::new(|| Box::pin(async { Err("prometheus.yml:3:1: unknown key".to_owned()) }));
    });
    let answer = app.send(request("POST", "/-/reload").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "failed to reload config: prometheus.yml:3:1: unknown key\n");
}

#[tokio::test]
async fn the_product_measures_itself() {
    let app = App::new();
    app.get("/api/v1/label/job/values").await;
    app.get("/api/v1/query?query=%7B").await;
    let classic = app.get("/metrics").await;
    assert_eq!(classic.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = classic.text();
    for line in [
        "prometheus_http_requests_total{handler=\"/api/v1/label/:name/values\",code=\"200\"} 1\n",
        "prometheus_http_requests_total{handler=\"/api/v1/query\",code=\"400\"} 1\n",
        "# TYPE prometheus_http_request_duration_seconds histogram\n",
        "prometheus_ready 1\n",
        "# TYPE process_cpu_seconds_total counter\n",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_open_fds ",
        "afferent_build_info{",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let open = app.send(request("GET", "/metrics").header("accept", accept).body(Body::empty()).unwrap()).await;
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(open.text().ends_with("# EOF\n"));
    assert_eq!(app.get("/exporters/host").await.text(), "node_load1 0.5\n");
}

#[tokio::test]
async fn answers_are_compressed() {
    let app = App::new();
    let ask = |encoding: &str| {
        request("GET", "/api/v1/series?match[]=up").header("accept-encoding", encoding).body(Body::empty()).unwrap()
    };
    let packed = app.send(ask("gzip")).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed.body.as_slice()), &mut text).unwrap();
    assert_eq!(text, app.send(ask("identity")).await.text());
}

#[tokio::test]
async fn unknown_paths() {
    let app = App::new();
    for path in ["/api/v2/alerts", "/-/nope", "/loki/api/v1/query"] {
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()["errorType"].as_str()), (404, Some("not_found")), "{path}");
    }
    assert_eq!(app.get("/assets/missing.js").await.status, 404);
    let deleted = app.send(request("DELETE", "/explore").body(Body::empty()).unwrap()).await;
    assert_eq!(deleted.status, 405);
    let root =
        api::router(app.api.clone(), api::Door::Prometheus).oneshot(request("GET", "/").body(Body::empty()).unwrap());
    let root = root.await.unwrap();
    assert_eq!((root.status().as_u16(), root.headers()["location"].to_str().unwrap()), (302, "/query"));
}
