//! The exchanges with a real Loki, asked again here over the same data.

use std::path::PathBuf;

use axum::body::Body;
use serde_json::{Value, json};

use super::store::{LokiApp, query_string};

/// Exchanges whose answer differs on purpose, and why; `docs/compatibility.md` tells users the same.
const DIFFERENT: [(&str, &str); 15] = [
    ("series", "Loki found no series for two selectors at once"),
    ("series_nomatch", "nor without one"),
    ("query_range_interval", "Loki counts entries against the limit before the interval leaves some out"),
    ("index_stats", "Loki counts bytes in steps of a kilobyte, and chunks; we count bytes, and pages"),
    ("volume", "bytes as above"),
    ("volume_labels", "bytes as above"),
    ("volume_range", "bytes as above, by the times of entries instead of evenly"),
    ("detected_labels", "Loki forgot the labels of chunks that were flushed"),
    ("patterns", "Loki's pattern ingester knows what came in the last hours; ours reads what is stored"),
    ("delete_list", "a deletion takes effect at once"),
    ("get /loki/api/v1/rules", "no rules is an empty answer, not an error"),
    ("get /loki/api/v1/drilldown-limits", "Loki has it from 3.5 on"),
    ("get /ready", "this server is ready when it answers"),
    ("get /api/prom/label", "Loki lists the labels of all streams in memory, whatever their times"),
    ("tenant_header", "asked last, when more had been pushed"),
];
/// Exchanges that are about the server itself: status and content type count.
const OF_THE_SERVER: [&str; 6] = [
    "get /services",
    "get /loki/api/v1/status/buildinfo",
    "get /config",
    "get /log_level",
    "get /ring",
    "get /metrics",
];
/// Texts of Go's JSON decoder, and bodies that were cut or damaged in the file.
const OWN_TEXT: [&str; 4] = ["push_sm_nonstring", "push_bad_ts", "push_int_ts", "push_notjson"];
const DAMAGED: [&str; 3] = ["push_gzip", "push_longname", "push_longvalue"];

#[allow(clippy::print_stdout)] // the one line that says what is not tested
fn shared(file: &str) -> Option<Value> {
    let shared = std::env::var_os("AFFERENT_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let file = shared.join("conformance/logql").join(file);
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is missing", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// An answer without what only one of the two has.
fn comparable(mut answer: Value) -> Value {
    if let Some(data) = answer.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("stats");
        if let Some(Value::Array(result)) = data.get_mut("result") {
            for stream in result.iter_mut() {
                // An entry without any is written as an empty object by one version and left out by another.
                for entry in stream["values"].as_array_mut().into_iter().flatten() {
                    if let Some(entry) = entry.as_array_mut()
                        && entry.last().is_some_and(|last| *last == json!({}))
                    {
                        entry.pop();
                    }
                }
            }
            // Streams, and entries of one time, come in no particular order.
            result.sort_by_key(|stream| stream["stream"].to_string() + &stream["metric"].to_string());
            for stream in result.iter_mut().filter(|stream| stream["stream"].is_object()) {
                if let Some(values) = stream["values"].as_array_mut() {
                    values.sort_by_key(Value::to_string);
                }
            }
        }
    }
    if let Some(Value::Array(fields)) = answer.get_mut("fields") {
        fields.sort_by_key(|field| field["label"].to_string());
    }
    if let Some(Value::Array(values)) = answer.get_mut("values") {
        values.sort_by_key(Value::to_string);
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_with_a_real_loki() {
    let (Some(samples), Some(datasets)) = (shared("api_samples.json"), shared("datasets.json")) else { return };
    let app = LokiApp::new(
        "auth_enabled: false\ningester: {max_chunk_age: 50000h}\nlimits_config: {discover_service_name: [], \
         discover_log_levels: false, reject_old_samples: false, max_entries_limit_per_query: 100000}",
        1_795_291_905,
    );
    for (_, streams) in datasets.as_object().unwrap() {
        let answer = app.json("/loki/api/v1/push", &json!({"streams": streams})).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    let mut failures = Vec::new();
    let mut compared = 0;
    for sample in samples.as_array().unwrap() {
        let name = sample["name"].as_str().unwrap();
        if DAMAGED.contains(&name) {
            if name == "push_gzip" {
                // A later answer has its entry.
                let values = json!([["1700000900000000000", "gz"]]);
                let body = json!({"streams": [{"stream": {"job": "p"}, "values": values}]});
                assert_eq!(app.json("/loki/api/v1/push", &body).await.status, 204);
            }
            continue;
        }
        let query = query_string(&sample["params"]);
        let path = format!("{}{}{query}", sample["path"].as_str().unwrap(), if query.is_empty() { "" } else { "?" });
        let mut request = crate::support::request(sample["method"].as_str().unwrap(), &path);
        for (header, value) in sample["req_headers"].as_object().into_iter().flatten() {
            request = request.header(header, value.as_str().unwrap());
        }
        let body = sample["req_body"].as_str().unwrap_or_default().to_owned();
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        if DIFFERENT.iter().any(|(different, _)| *different == name) {
            // It is a good answer all the same.
            if !answer.status.is_success() {
                failures.push(format!("{name}: {} {}", answer.status, answer.text()));
            }
            continue;
        }
        compared += 1;
        if u64::from(answer.status.as_u16()) != sample["status"].as_u64().unwrap() {
            failures.push(format!("{name}: {} {}\n  {}", answer.status, answer.text(), sample["response"]));
            continue;
        }
        if OF_THE_SERVER.contains(&name) || OWN_TEXT.contains(&name) {
            continue;
        }
        let expected = &sample["response"];
        let same = match expected {
            Value::String(text) => answer.text() == *text,
            expected => comparable(answer.json()) == comparable(expected.clone()),
        };
        if !same {
            let shown = |text: String| text.chars().take(1500).collect::<String>();
            failures.push(format!("{name}:\n  {}\n  {}", shown(answer.text()), shown(expected.to_string())));
        }
    }
    assert!(failures.is_empty(), "{} of {compared} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 50, "{compared}");
}
