//! Whatever a stranger sends: no panic, no 500, always a whole answer.

use axum::body::Body;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Answer, App, request};

const PATHS: [&str; 19] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/labels",
    "/api/v1/label/job/values",
    "/api/v1/label/U__x_/values",
    "/api/v1/series",
    "/api/v1/format_query",
    "/api/v1/parse_query",
    "/api/v1/query_exemplars",
    "/api/v1/targets",
    "/api/v1/targets/relabel_steps",
    "/api/v1/metadata",
    "/api/v1/rules",
    "/api/v1/scrape_pools/config",
    "/api/v1/status/self_metrics",
    "/api/v1/search/metric_names",
    "/api/v1/search/label_names",
    "/api/v1/search/label_values",
    "/api/afferent/v1/explain",
];
const NAMES: [&str; 26] = [
    "query",
    "time",
    "start",
    "end",
    "step",
    "timeout",
    "limit",
    "lookback_delta",
    "stats",
    "match[]",
    "state",
    "labels",
    "scrapePool",
    "limit_per_metric",
    "search[]",
    "fuzz_threshold",
    "fuzz_alg",
    "sort_by",
    "include_score",
    "batch_size",
    "label",
    "group_limit",
    "group_next_token",
    "metric_name_pattern",
    "explain",
    "x",
];
const VALUES: [&str; 26] = [
    "up",
    "rate(http_requests_total[5m])",
    "sum by (job) (up) / 0",
    "{job=~\".+\"}",
    "up[1y:1ms]",
    "\"text\"",
    "((((",
    "1700000000",
    "1700000000.123",
    "-1",
    "1e308",
    "NaN",
    "Inf",
    "2023-11-14T22:13:20Z",
    "-292273086-05-16T16:47:06Z",
    "9223372036854775807",
    "9223372036854775808",
    "15s",
    "1y",
    "0",
    "",
    "all",
    "{\"a\":\"b\"}",
    "%",
    "\u{0}",
    "größe",
];

fn check(path: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(matches!(status, 200 | 400 | 422 | 503), "{path}: {status} {}", answer.text());
    // A search that succeeds says so in its last line.
    let text = answer.text();
    let said = if status == 200 && path.contains("/search/") { text.lines().last().unwrap_or_default() } else { &text };
    let json: serde_json::Value = serde_json::from_str(said).unwrap_or_else(|e| panic!("{path}: {e}: {text}"));
    assert_eq!(json["status"], if status == 200 { "success" } else { "error" }, "{path}");
}

/// A value as it is, or with a character lost, doubled or replaced.
fn value() -> impl Strategy<Value = String> {
    let mutated = (proptest::sample::select(&VALUES[..]), any::<prop::sample::Index>(), any::<char>(), 0..3_u8);
    prop_oneof![
        3 => proptest::sample::select(&VALUES[..]).prop_map(str::to_owned),
        3 => mutated.prop_map(|(value, index, other, how)| {
            let mut chars: Vec<char> = value.chars().collect();
            if chars.is_empty() {
                return other.to_string();
            }
            let at = index.index(chars.len());
            match how {
                0 => drop(chars.remove(at)),
                1 => chars.insert(at, other),
                _ => chars[at] = other,
            }
            chars.into_iter().collect()
        }),
        1 => ".{0,40}",
    ]
}

#[test]
fn random_parameters_get_whole_answers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let app = App::with(|parts| {
        let options = promql::engine::EngineOptions {
            timeout: std::time::Duration::from_millis(500),
            max_samples: 100_000,
            ..Default::default()
        };
        *parts.engine.write() = promql::engine::Engine::new(options);
    });
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let strategy = (
        proptest::sample::select(&PATHS[..]),
        proptest::collection::vec((proptest::sample::select(&NAMES[..]), value()), 0..7),
        any::<bool>(),
    );
    let run = TestRunner::new_with_rng(config, seed).run(&strategy, |(path, pairs, by_form)| {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let posts = by_form && ["query", "query_range", "labels", "series"].iter().any(|p| path.ends_with(p));
        let request = if posts {
            let form = "application/x-www-form-urlencoded";
            request("POST", path).header("content-type", form).body(Body::from(encoded))
        } else {
            request("GET", &format!("{path}?{encoded}")).body(Body::empty())
        };
        let answer = runtime.block_on(app.send(request.unwrap()));
        check(path, &answer);
        Ok(())
    });
    run.unwrap();
}

#[tokio::test]
async fn odd_bodies() {
    let app = App::new();
    let form = "application/x-www-form-urlencoded";
    for (content_type, body, expected) in [
        (form, b"query=%ff%fe&time=1".to_vec(), 400),
        (form, b"&&&===&query=1".to_vec(), 200),
        (form, vec![0xff; 4096], 400),
        ("application/json", b"{\"query\":\"1\"}".to_vec(), 400),
        ("", b"query=1".to_vec(), 400),
        (form, vec![b'a'; (10 << 20) + 1], 400),
    ] {
        let request = request("POST", "/api/v1/query").header("content-type", content_type);
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status.as_u16(), expected, "{content_type}: {}", answer.text());
        answer.json();
    }
}
