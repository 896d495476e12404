//! The same OpenTelemetry payloads through us and through the real Prometheus must become the same series.
//!
//! Random but seeded resource metrics, only what both sides accept: Prometheus refuses a whole request for one bad point.
//! Needs `AFFERENT_PEERS` (a directory with `usr/bin/prometheus`).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use model::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::differential::{Prometheus, Random, peer, same};
use crate::harness::{Server, http_get, raw_post, url_encode, wait_for};

const REQUESTS: i64 = 12;
const STEP_S: i64 = 30;

/// Sections `otlp` that change what becomes of a payload.
const CONFIGS: [&str; 4] = [
    "otlp: {}\n",
    "otlp: {translation_strategy: NoTranslation, promote_all_resource_attributes: true, ignore_resource_attributes: [zone]}\n",
    "otlp: {translation_strategy: NoUTF8EscapingWithSuffixes, convert_histograms_to_nhcb: true, keep_identifying_resource_attributes: true}\n",
    "otlp: {translation_strategy: UnderscoreEscapingWithoutSuffixes, promote_resource_attributes: [host.name, zone, service.name]}\n",
];

#[test]
fn series_equal_prometheus() {
    let Some(prometheus) = peer("prometheus") else {
        println!("skipped: OTLP differential test, no prometheus below AFFERENT_PEERS");
        return;
    };
    if !has_receiver(&prometheus) {
        println!("skipped: OTLP differential test, this prometheus is built without the OTLP receiver (Debian's is)");
        return;
    }
    for (at, config) in CONFIGS.iter().enumerate() {
        let ours = Server::start(config);
        let theirs = Prometheus::with(
            &prometheus,
            config,
            &["--web.enable-otlp-receiver", "--enable-feature=native-histograms"],
        );
        let is_up = || http_status(&theirs.url) == Some(200);
        assert!(wait_for(Duration::from_secs(30), is_up), "Prometheus does not become ready");
        let start = SystemClock.now().ms() / 60_000 * 60 - 900;
        let mut random = Random(7 + at as u64);
        for request in 0..REQUESTS {
            let body = json!({"resourceMetrics": resources(&mut random, start + request * STEP_S)}).to_string();
            for url in [&ours.url, &theirs.url] {
                let answer = raw_post(url, "/api/v1/otlp/v1/metrics", "application/json", body.as_bytes());
                let (status, text) = answer.unwrap_or_else(|e| panic!("{url}: {e}"));
                assert_eq!(status, 200, "{url}: {}\n{body}", String::from_utf8_lossy(&text));
            }
        }
        let end = start + REQUESTS * STEP_S + 60;
        let query = url_encode("{__name__=~\".+\"}[20m]");
        let target = format!("/api/v1/query?query={query}&time={end}");
        let (a, b) = (http_get(&ours.url, &target), http_get(&theirs.url, &target));
        let series = b.1["data"]["result"].as_array().map_or(0, Vec::len);
        assert!(series > 100, "only {series} series: {}", b.1);
        if let Err(why) = same(&a, &b, false) {
            panic!("{config}{why}");
        }
    }
}

fn has_receiver(prometheus: &Path) -> bool {
    let help = Command::new(prometheus).arg("--help").output().expect("the binary starts");
    [help.stdout, help.stderr].iter().any(|text| String::from_utf8_lossy(text).contains("enable-otlp-receiver"))
}

fn http_status(url: &str) -> Option<u16> {
    crate::harness::raw_get(url, "/-/ready").ok().map(|(status, _)| status)
}

fn attributes(pairs: &[(&str, Value)]) -> Value {
    pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

fn text(value: impl Into<String>) -> Value {
    json!({"stringValue": value.into()})
}

fn resources(random: &mut Random, time_s: i64) -> Value {
    (0..3)
        .map(|resource| {
            let pairs = [
                ("service.name", text("shop")),
                ("service.namespace", text(if resource == 0 { "" } else { "eu" })),
                ("service.instance.id", text(format!("i-{resource}"))),
                ("host.name", text(format!("host {resource}"))),
                ("process.pid", json!({"intValue": (100 + resource).to_string()})),
                ("zone", text("z")),
            ];
            // One resource has no identity, so its metrics get no target_info.
            let known = if resource == 2 { &pairs[3..] } else { &pairs[..] };
            json!({
                "resource": {"attributes": attributes(known)},
                "scopeMetrics": [{
                    "scope": {"name": "lib", "version": "1.0", "attributes": attributes(&[("a.b", text("c"))])},
                    "metrics": metrics(random, time_s),
                }],
            })
        })
        .collect()
}

fn nanos(time_s: i64) -> String {
    format!("{time_s}000000000")
}

fn metrics(random: &mut Random, time_s: i64) -> Value {
    let units = ["", "1", "s", "ms", "By", "By/s", "{requests}", "{requests}/s", "%", "m/h", "Cel", "foo/bar", "°F"];
    let mut metrics = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        let mut points = |kind: &str| -> Value { (0..2).map(|point| number(random, time_s, point, kind)).collect() };
        metrics.push(json!({"name": format!("gauge.{at}"), "unit": unit, "description": "A gauge.", "gauge": {"dataPoints": points("g")}}));
        let counter = json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points("c")});
        metrics.push(json!({"name": format!("counter/{at} total"), "unit": unit, "sum": counter}));
        let sum = json!({"aggregationTemporality": 2, "isMonotonic": false, "dataPoints": points("u")});
        metrics.push(json!({"name": format!("{at}.updown__x"), "unit": unit, "sum": sum}));
    }
    for at in 0..3 {
        let points: Value = (0..2).map(|point| histogram(random, time_s, point)).collect();
        metrics.push(json!({"name": format!("histogram.{at}"), "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": points}}));
        let points: Value = (0..2).map(|point| exponential(random, time_s, point)).collect();
        metrics.push(json!({"name": format!("exponential.{at}"), "unit": "By", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": points}}));
        let points: Value = (0..2)
            .map(|point| {
                json!({"attributes": point_attributes(point), "timeUnixNano": nanos(time_s), "count": random.below(90).to_string(),
                    "sum": random.below(900) as f64 / 8.0,
                    "quantileValues": [{"quantile": 0.5, "value": random.below(10)}, {"quantile": 0.99, "value": random.below(99)}]})
            })
            .collect();
        metrics.push(json!({"name": format!("summary.{at}"), "unit": "ms", "summary": {"dataPoints": points}}));
    }
    Value::Array(metrics)
}

/// Names that are valid, that need escaping, and that become one.
fn point_attributes(point: u64) -> Value {
    attributes(&[
        ("point", json!({"intValue": point.to_string()})),
        ("http.method", text(["GET", "P\u{f6}ST"][point as usize % 2])),
        ("http/method", text("second")),
        ("_private", json!({"boolValue": point == 0})),
        ("1digit", json!({"doubleValue": 0.5 + point as f64})),
        ("list", json!({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "<x>"}]}})),
    ])
}

fn number(random: &mut Random, time_s: i64, point: u64, kind: &str) -> Value {
    let mut value = json!({"attributes": point_attributes(point), "timeUnixNano": nanos(time_s),
        "startTimeUnixNano": nanos(time_s - 3600)});
    match (kind, random.below(12)) {
        ("g", 0) => value["flags"] = json!(1),
        ("g", 1) => value["asDouble"] = json!("NaN"),
        ("g", 2) => value["asDouble"] = json!("-Infinity"),
        ("c", _) => value["asInt"] = json!(random.below(1_000_000).to_string()),
        _ => value["asDouble"] = json!(random.below(1_000_000) as f64 / 64.0 - 500.0),
    }
    value
}

fn histogram(random: &mut Random, time_s: i64, point: u64) -> Value {
    let counts: Vec<u64> = (0..5).map(|_| random.below(5)).collect();
    json!({"attributes": point_attributes(point), "timeUnixNano": nanos(time_s), "count": counts.iter().sum::<u64>().to_string(),
        "sum": random.below(900) as f64 / 8.0, "explicitBounds": [0.005, 0.1, 1, 2.5],
        "bucketCounts": counts.iter().map(u64::to_string).collect::<Vec<_>>()})
}

fn exponential(random: &mut Random, time_s: i64, point: u64) -> Value {
    let scale = random.below(15) as i64 - 4;
    // Prometheus misplaces counts behind empty buckets where it has to reduce the scale.
    let least = u64::from(scale > 8);
    let mut side = |length: u64| -> Vec<u64> {
        (0..random.below(length)).map(|_| (least + random.below(6)).saturating_sub(2 * (1 - least))).collect()
    };
    let (positive, negative) = (side(30), side(6));
    let zero = random.below(4);
    let count = zero + positive.iter().chain(&negative).sum::<u64>();
    json!({"attributes": point_attributes(point), "timeUnixNano": nanos(time_s), "count": count.to_string(), "sum": 1.5 * count as f64,
        "scale": scale, "zeroCount": zero.to_string(),
        "positive": {"offset": random.below(40) as i64 - 20, "bucketCounts": positive.iter().map(u64::to_string).collect::<Vec<_>>()},
        "negative": {"offset": random.below(40) as i64 - 20, "bucketCounts": negative.iter().map(u64::to_string).collect::<Vec<_>>()}})
}
