//! The Pushgateway: what is pushed, replaced, deleted, refused, and still there after a restart.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use model::{ManualClock, Timestamp};
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::json;

use crate::support::{Answer, App, request};

const NOW: i64 = 1_700_000_600_000;

async fn send(app: &App, method: &str, path: &str, body: impl Into<Body>) -> Answer {
    app.send(request(method, path).body(body.into()).unwrap()).await
}

fn app_with_clock() -> (App, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
    let shared = clock.clone();
    let app = App::with(move |parts| {
        parts.source = parts.store.clone();
        parts.clock = shared;
    });
    (app, clock)
}

#[tokio::test]
async fn pushes_become_series() {
    let (app, clock) = app_with_clock();
    let body = "# TYPE a counter\n# HELP a What it is.\na{job=\"own\",x=\"1\"} 3\nb 4.5\n";
    let pushed = send(&app, "POST", "/metrics/job/some_job/instance/i%201", body).await;
    assert_eq!((pushed.status.as_u16(), pushed.text().as_str()), (200, ""));
    let coded = send(&app, "PUT", "/metrics/job@base64/YS9i/path@base64/L3Zhcg/empty@base64/=", "c 1\n").await;
    assert_eq!(coded.status, 200);
    assert_eq!(
        app.instant("{__name__=~\"[abc]|push.*\"}").await,
        [
            r#"{__name__="a", instance="i 1", job="some_job", x="1"} 3"#,
            r#"{__name__="b", instance="i 1", job="some_job"} 4.5"#,
            r#"{__name__="c", job="a/b", path="/var"} 1"#,
            r#"{__name__="push_failure_time_seconds", instance="i 1", job="some_job"} 0"#,
            r#"{__name__="push_failure_time_seconds", job="a/b", path="/var"} 0"#,
            r#"{__name__="push_time_seconds", instance="i 1", job="some_job"} 1700000600"#,
            r#"{__name__="push_time_seconds", job="a/b", path="/var"} 1700000600"#,
        ]
    );
    let text = app.get("/exporters/pushgateway").await;
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let expected = "# HELP a What it is.\n# TYPE a counter\na{instance=\"i 1\",job=\"some_job\",x=\"1\"} 3\n\
                    # TYPE b untyped\nb{instance=\"i 1\",job=\"some_job\"} 4.5\n\
                    # TYPE c untyped\nc{empty=\"\",instance=\"\",job=\"a/b\",path=\"/var\"} 1\n\
                    # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.\n\
                    # TYPE push_failure_time_seconds gauge\n";
    assert!(text.text().starts_with(expected), "{}", text.text());
    assert!(
        app.get("/metrics").await.text().contains("afferent_push_written_samples_total{protocol=\"pushgateway\"} 7\n")
    );

    // Written again and again, so that the series live.
    clock.advance_ms(240_000);
    app.api.write_pushed_groups_now().await;
    clock.advance_ms(240_000);
    assert_eq!(app.instant("b").await.len(), 1);
    let metadata = app.get("/api/v1/metrics").await.json();
    assert_eq!(metadata["data"][1]["labels"], json!({"instance": "i 1", "job": "some_job"}));
    assert_eq!(metadata["data"][1]["last_push_successful"], true);
    assert_eq!(
        metadata["data"][1]["a"],
        json!({"time_stamp": "2023-11-14T22:23:20Z", "type": "COUNTER", "help": "What it is.",
            "metrics": [{"labels": {"instance": "i 1", "job": "some_job", "x": "1"}, "value": "3"}]})
    );
}

#[tokio::test]
async fn post_replaces_names_put_replaces_all_delete_ends() {
    let (app, clock) = app_with_clock();
    let names = "{job=\"j\",__name__!~\"push.*\"}";
    send(&app, "POST", "/metrics/job/j", "a{x=\"1\"} 1\na{x=\"2\"} 1\nb 1\n").await;
    clock.advance_ms(1000);
    send(&app, "POST", "/metrics/job/j/", "a{x=\"3\"} 2\n").await;
    assert_eq!(app.instant(names).await, [r#"{__name__="a", job="j", x="3"} 2"#, r#"{__name__="b", job="j"} 1"#]);
    clock.advance_ms(1000);
    send(&app, "PUT", "/metrics/job/j", "c 5\n").await;
    assert_eq!(app.instant(names).await, [r#"{__name__="c", job="j"} 5"#]);
    clock.advance_ms(1000);
    // An empty PUT leaves the push times.
    send(&app, "PUT", "/metrics/job/j", "").await;
    assert_eq!(app.instant("{job=\"j\"}").await.len(), 2);
    clock.advance_ms(1000);
    let deleted = send(&app, "DELETE", "/metrics/job/j", "").await;
    assert_eq!((deleted.status.as_u16(), deleted.text().as_str()), (202, ""));
    assert_eq!(app.instant("{job=\"j\"}").await, [""; 0]);
    assert_eq!(app.get("/exporters/pushgateway").await.text(), "");
    assert_eq!(send(&app, "DELETE", "/metrics/job/j", "").await.status, 202);
}

#[tokio::test]
async fn what_is_inconsistent_is_refused_and_noted() {
    let (app, clock) = app_with_clock();
    assert_eq!(send(&app, "POST", "/metrics/job/j", "# TYPE a counter\na 1\n").await.status, 200);
    clock.advance_ms(1000);
    const PREFIX: &str = "pushed metrics are invalid or inconsistent with existing metrics: ";
    for (path, body, text) in [
        ("/metrics/job/j", "a 1 1700000600000\n", "pushed metrics must not have timestamps"),
        ("/metrics/job/k", "# TYPE a gauge\na 1\n", r#"collected metric "a" {__name__="a", job="k"} is not a COUNTER"#),
        (
            "/metrics/job/j",
            "b 1\nb{job=\"x\"} 2\n",
            r#"collected metric "b" {__name__="b", job="j"} was collected before with the same name and label values"#,
        ),
    ] {
        let answer = send(&app, "PUT", path, body).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (400, format!("{PREFIX}{text}\n")));
    }
    assert_eq!(
        app.instant("push_failure_time_seconds").await,
        [
            r#"{__name__="push_failure_time_seconds", job="j"} 1700000601"#,
            r#"{__name__="push_failure_time_seconds", job="k"} 1700000601"#,
        ]
    );
    assert_eq!(app.instant("push_time_seconds{job=\"k\"}").await, [r#"{__name__="push_time_seconds", job="k"} 0"#]);
    assert_eq!(app.instant("a").await, [r#"{__name__="a", job="j"} 1"#]);
    assert_eq!(app.get("/api/v1/metrics").await.json()["data"][0]["last_push_successful"], false);

    for (path, body, start) in [
        ("/metrics/job/j", "b 1\na 1", "text format parsing error in line 2: unexpected end of input stream\n"),
        ("/metrics/job/j", "a b\n", "text format parsing error in line 1: "),
        (
            "/metrics/job/j",
            "a 1\n# TYPE a gauge\n",
            "text format parsing error: second TYPE line for metric name \"a\"",
        ),
        ("/metrics/job/j/a", "a 1\n", "odd number of components in label string \"/a\""),
        ("/metrics/job/j/__a/b", "a 1\n", "improper label name \"__a\""),
        ("/metrics/job@base64/=", "a 1\n", "job name is required"),
    ] {
        let answer = send(&app, "POST", path, body).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert!(answer.text().starts_with(start), "{}", answer.text());
    }
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("{protocol=\"pushgateway\",reason=\"inconsistent\"} 3\n"), "{metrics}");
}

#[tokio::test]
async fn a_refused_group_is_not_in_the_way_of_its_neighbours() {
    let (app, clock) = app_with_clock();
    assert_eq!(send(&app, "POST", "/metrics/job/j", "a 1\n").await.status, 200);
    clock.advance_ms(1000);
    // An empty instance is what every series without one has.
    let refused = send(&app, "POST", "/metrics/job/j/instance@base64/=", "b 1\n").await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("was collected before with the same name"), "{}", refused.text());
    clock.advance_ms(1000);
    let again = send(&app, "POST", "/metrics/job/j", "a 2\n").await;
    assert_eq!((again.status.as_u16(), again.text().as_str()), (200, ""));
    assert_eq!(app.instant("a").await, [r#"{__name__="a", job="j"} 2"#]);
    assert_eq!(app.get("/api/v1/metrics").await.json()["data"].as_array().unwrap().len(), 1);
    // Any other empty label makes series of their own, as long as nobody scrapes them.
    assert_eq!(send(&app, "POST", "/metrics/job/j/x@base64/=", "b 1\n").await.status, 200);
    assert_eq!(send(&app, "POST", "/metrics/job/j", "a 3\n").await.status, 200);
    assert_eq!(app.instant("b").await, [r#"{__name__="b", job="j"} 1"#]);
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    bound: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(message, repeated, tag = "12")]
    spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    deltas: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Pair>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Family {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

fn protobuf_body() -> Vec<u8> {
    let bucket = |count, bound| Bucket { count, bound };
    let histogram = Histogram {
        count: 3,
        sum: 4.5,
        buckets: vec![bucket(1, 1.0), bucket(3, f64::INFINITY)],
        schema: Some(0),
        zero_threshold: Some(0.001),
        spans: vec![Span { offset: 0, length: 2 }],
        deltas: vec![1, 1],
    };
    let labels = vec![Pair { name: "x".into(), value: "1".into() }];
    let metrics = vec![Metric { labels, histogram: Some(histogram) }];
    Family { name: "h".into(), help: "H.".into(), kind: 4, metrics }.encode_length_delimited_to_vec()
}

#[tokio::test]
async fn protobuf_gzip_and_restart() {
    const PROTOBUF: &str =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
    let start = || {
        let (directory, clock) = (directory.path().to_owned(), clock.clone());
        App::with(move |parts| {
            parts.source = parts.store.clone();
            parts.data_dir = directory;
            parts.clock = clock;
        })
    };
    let app = start();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&protobuf_body()).unwrap();
    let packed = request("POST", "/metrics/job/j")
        .header("content-type", PROTOBUF)
        .header("content-encoding", "gzip")
        .body(Body::from(encoder.finish().unwrap()))
        .unwrap();
    let answer = app.send(packed).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    send(&app, "POST", "/metrics/job/gone", "g NaN\n").await;
    send(&app, "DELETE", "/metrics/job/gone", "").await;
    let expected = [
        r#"{__name__="h", job="j", x="1"} histogram"#,
        r#"{__name__="h_bucket", job="j", le="+Inf", x="1"} 3"#,
        r#"{__name__="h_bucket", job="j", le="1.0", x="1"} 1"#,
        r#"{__name__="h_count", job="j", x="1"} 3"#,
        r#"{__name__="h_sum", job="j", x="1"} 4.5"#,
    ];
    assert_eq!(app.instant("{__name__=~\"h.*\"}").await, expected);
    let listed = app.get("/api/v1/metrics").await.json()["data"][0]["h"]["metrics"].clone();
    assert_eq!(
        listed,
        json!([{"buckets": {"1.0": "1", "+Inf": "3"}, "count": "3", "sum": "4.5",
            "labels": {"instance": "", "job": "j", "x": "1"}}])
    );
    let shown = app.get("/exporters/pushgateway").await.text();
    drop(app);

    let app = start();
    assert_eq!(app.get("/exporters/pushgateway").await.text(), shown);
    clock.advance_ms(1000);
    app.api.write_pushed_groups_now().await;
    assert_eq!(app.instant("{__name__=~\"h.*\"}").await, expected);
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let (app, _) = app_with_clock();
    let of = |method: &str, path: &str, tenant: &str, body: &'static str| {
        request(method, path).header("x-scope-orgid", tenant).body(Body::from(body)).unwrap()
    };
    app.send(of("POST", "/metrics/job/j", "one", "# TYPE a gauge\na 1\n")).await;
    assert_eq!(app.send(of("POST", "/metrics/job/j", "two", "# TYPE a counter\na 1\n")).await.status, 200);
    assert!(app.send(of("GET", "/exporters/pushgateway", "one", "")).await.text().contains("# TYPE a gauge\n"));
    assert_eq!(app.get("/exporters/pushgateway").await.text(), "");
}

#[tokio::test]
async fn damaged_pushes() {
    let mut rng = StdRng::seed_from_u64(0x9057);
    let (app, clock) = app_with_clock();
    let text =
        "# TYPE a counter\n# HELP a x\na{x=\"1\"} 3\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 2\nh_count 1\n";
    let mut refused = 0;
    for round in 0..1200 {
        clock.advance_ms(1);
        let is_text: bool = rng.random();
        let mut body = if is_text { text.as_bytes().to_vec() } else { protobuf_body() };
        for _ in 0..rng.random_range(1..4) {
            if body.is_empty() {
                break;
            }
            let at = rng.random_range(0..body.len());
            match rng.random_range(0..3) {
                0 => body[at] ^= 1 << rng.random_range(0..8),
                1 => drop(body.remove(at)),
                _ => body.truncate(at.max(1)),
            }
        }
        let content_type = match is_text {
            true => "text/plain",
            false => "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        };
        let request = request("PUT", "/metrics/job/fuzz").header("content-type", content_type);
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        match answer.status.as_u16() {
            200 => {}
            400 => refused += 1,
            other => panic!("{other} in round {round}: {}", answer.text()),
        }
    }
    assert!(refused > 200, "{refused}");
    for _ in 0..300 {
        let noise: String = (0..rng.random_range(0..30)).map(|_| char::from(rng.random_range(33..127_u8))).collect();
        let path: String = form_urlencoded::byte_serialize(noise.as_bytes()).collect();
        let status = send(&app, "POST", &format!("/metrics/job@base64/{path}"), "a 1\n").await.status.as_u16();
        assert!([200, 400, 404].contains(&status), "{status}");
        let mut bytes = vec![0; 40];
        rng.fill_bytes(&mut bytes);
        let status = send(&app, "POST", "/metrics/job/noise", bytes).await.status.as_u16();
        assert!([200, 400].contains(&status), "{status}");
    }
}
