//! The search endpoints: lines of JSON, order, scores, and the refusals in Prometheus' words.

use serde_json::{Value, json};

use crate::support::App;

async fn lines(app: &App, path: &str) -> Vec<Value> {
    let answer = app.get(&format!("/api/v1/search/{path}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson; charset=utf-8"));
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn refusal(app: &App, path: &str) -> String {
    let answer = app.get(&format!("/api/v1/search/{path}")).await;
    assert_eq!(answer.status, 400, "{path}");
    assert_eq!(answer.json()["errorType"], "bad_data");
    answer.json()["error"].as_str().unwrap().to_owned()
}

fn names(lines: &[Value]) -> Vec<&str> {
    let results = lines.iter().filter_map(|line| line["results"].as_array()).flatten();
    results.map(|r| r["name"].as_str().or(r["value"].as_str()).unwrap()).collect()
}

#[tokio::test]
async fn names_are_found_in_batches() {
    let app = App::new();
    let all = lines(&app, "label_names").await;
    assert_eq!(all.last().unwrap(), &json!({"status": "success", "has_more": false}));
    let every = names(&all).len();
    assert!(every > 3 && names(&all).is_sorted(), "{all:?}");

    let cut = lines(&app, "label_names?limit=3&batch_size=2").await;
    let sizes: Vec<_> = cut.iter().filter_map(|l| l["results"].as_array().map(Vec::len)).collect();
    assert_eq!((sizes, &cut[2]), (vec![2, 1], &json!({"status": "success", "has_more": true})));
    assert_eq!(names(&cut), names(&all)[..3]);
    let back = lines(&app, "label_names?sort_by=alpha&sort_dir=dsc&limit=1").await;
    assert_eq!(names(&back), names(&all)[every - 1..]);
    let nothing = lines(&app, "label_values?label=nothing").await;
    assert_eq!(nothing, [json!({"results": []}), json!({"status": "success", "has_more": false})]);
}

#[tokio::test]
async fn terms_are_scored() {
    let app = App::new();
    let found = lines(&app, "metric_names?search[]=requests&include_score=true&sort_by=score").await;
    let results = found[0]["results"].as_array().unwrap();
    assert_eq!(results[0]["name"], "http_requests_total");
    let score = results[0]["score"].as_f64().unwrap();
    // Eight in a row of nineteen characters, five before and six behind.
    assert!((score - (64.0 - 5.0 / 19.0 - 3.0 / 19.0) / 64.0 * 0.999).abs() < 1e-12, "{score}");
    let exact = lines(&app, "metric_names?search[]=http&include_score=true").await;
    assert_eq!(exact[0]["results"][0]["score"], 1);
    let plain = lines(&app, "metric_names?search[]=http").await;
    assert_eq!(plain[0]["results"][0].get("score"), None);
    let upper = lines(&app, "metric_names?search[]=HTTP").await;
    assert_eq!(names(&upper), [""; 0]);
    let folded = lines(&app, "metric_names?search[]=HTTP&case_sensitive=false").await;
    assert_eq!(names(&folded), names(&plain));
    let similar = lines(&app, "metric_names?search[]=http_request_totl&fuzz_alg=jarowinkler&fuzz_threshold=90").await;
    assert_eq!(names(&similar), ["http_requests_total"]);
    let matching = lines(&app, "label_values?label=path&match[]=http_requests_total&search[]=/a").await;
    assert_eq!(names(&matching), ["/api"]);
}

#[tokio::test]
async fn parameters_are_checked_as_in_prometheus() {
    let app = App::new();
    for (path, error) in [
        ("label_values", "missing required parameter \"label\""),
        ("label_names?sort_by=x", "invalid sort_by \"x\" for label_names: must be \"alpha\" or \"score\""),
        ("label_names?sort_dir=asc", "sort_dir is only valid when sort_by is set"),
        ("label_names?sort_by=score&sort_dir=asc", "sort_dir is not supported for sort_by=score"),
        ("label_names?sort_by=alpha&sort_dir=up", "invalid sort_dir \"up\": must be \"asc\" or \"dsc\""),
        ("label_names?sort_by=score", "sort_by=score requires search[] to be set"),
        ("label_names?limit=0", "invalid limit \"0\": must be a positive integer"),
        ("label_names?batch_size=-1", "invalid batch_size \"-1\": must be a positive integer"),
        ("label_names?limit=10001", "limit 10001 exceeds the maximum of 10000"),
        ("label_names?fuzz_threshold=101", "invalid fuzz_threshold \"101\": must be 0-100"),
        ("label_names?fuzz_alg=x", "unsupported fuzz_alg \"x\": must be one of [subsequence jarowinkler]"),
        ("label_names?case_sensitive=maybe", "invalid case_sensitive \"maybe\": must be boolean"),
        ("metric_names?include_metadata=maybe", "invalid include_metadata \"maybe\": must be boolean"),
        ("label_names?start=5&end=4", "end timestamp must not be before start timestamp"),
        ("label_names?match[]={}", "match[] must contain at least one non-empty matcher"),
    ] {
        assert_eq!(refusal(&app, path).await, error, "{path}");
    }
    let many: String = (0..33).map(|i| format!("search[]={i}&")).collect();
    let refused = refusal(&app, &format!("label_names?{many}")).await;
    assert_eq!(refused, "too many search[] terms: got 33, maximum is 32");
}
