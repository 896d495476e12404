//! Searches before a real store: lines, files, histograms, fields, neighbours, and what is said of a search that is wrong.

use axum::body::Body;
use http::StatusCode;
use serde_json::{Value, json};

use super::store::LokiApp;
use crate::support::request;

const NOW: i64 = 1_700_000_000;
const AT: &str = "/api/afferent/v1/logs";

/// Twelve lines of one stream as JSON, a second apart, and two of another as text.
async fn filled() -> LokiApp {
    let app = LokiApp::new("limits_config: {max_entries_limit_per_query: 50}", NOW);
    let time = |second: i64| ((NOW - 60 + second) * 1_000_000_000).to_string();
    let line = |n: i64| {
        let level = if n % 4 == 0 { "ERROR" } else { "INFO" };
        let text = if n % 3 == 0 { "connection reset by peer" } else { "all is well" };
        format!(r#"{{"level":"{level}","message":"{text}","user":{{"id":{n}}},"status":{}}}"#, 200 + n % 2 * 300)
    };
    let json_lines: Vec<Value> = (0..12).map(|n| json!([time(n), line(n)])).collect();
    let texts = json!([[time(3), "plain ERROR, with a comma"], [time(4), "level=warn user_id=4", {"trace_id": "t4"}]]);
    let body = json!({"streams": [
        {"stream": {"service_name": "shop"}, "values": json_lines},
        {"stream": {"service_name": "db"}, "values": texts},
    ]});
    let pushed = app.json("/loki/api/v1/push", &body).await;
    assert_eq!(pushed.status, StatusCode::NO_CONTENT, "{}", pushed.text());
    app
}

async fn ask(app: &LokiApp, path: &str, params: Value) -> Value {
    let answer = app.get(&format!("{AT}{path}"), &params).await;
    assert_eq!(answer.status, StatusCode::OK, "{params}: {}", answer.text());
    answer.json()["data"].clone()
}

fn texts(data: &Value) -> Vec<&str> {
    data["lines"].as_array().unwrap().iter().map(|line| line["line"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_in_either_language() {
    let app = filled().await;
    let data = ask(&app, "/query", json!({"query": "level:ERROR and \"connection reset\""})).await;
    let lines = texts(&data);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(r#""id":0"#));
    assert_eq!(data["query"], "{} | kql \"level:\\\"ERROR\\\" and \\\"connection reset\\\"\"");
    let line = &data["lines"][0];
    assert_eq!(line["time"], "2023-11-14T22:12:20.000000000Z");
    assert_eq!(line["labels"], json!({"service_name": "shop"}));
    assert_eq!(line["fields"], json!({"detected_level": "error"}));
    let all = ask(&app, "/query", json!({})).await;
    assert_eq!(texts(&all).len(), 14);
    assert!(texts(&all)[0].contains(r#""id":11"#), "the newest first");
    let oldest = ask(&app, "/query", json!({"direction": "forward", "limit": 1, "query": "user_id >= 4"})).await;
    assert_eq!(texts(&oldest).len(), 1);
    let logql = json!({"language": "logql", "query": "{service_name=\"shop\"} | json | status >= 500"});
    assert_eq!(texts(&ask(&app, "/query", logql).await).len(), 6);
    // A stage of LogQL, as Grafana would ask.
    let within =
        json!({"query": "sum(count_over_time({service_name=~\".+\"} | kql \"level:ERROR\" [1h]))", "time": NOW});
    let counted = app.get("/loki/api/v1/query", &within).await.json();
    assert_eq!(counted["data"]["result"][0]["value"][1], "3", "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_have_every_line() {
    let app = filled().await;
    let ndjson = app.get(&format!("{AT}/query"), &json!({"format": "ndjson", "query": "user.id < 12"})).await;
    assert_eq!(ndjson.headers["content-type"], "application/x-ndjson; charset=utf-8");
    let lines: Vec<Value> = ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 13);
    let csv = json!({"format": "csv", "columns": "service_name,status,trace_id", "query": "*", "limit": 100_000});
    let csv = app.get(&format!("{AT}/query"), &csv).await;
    let text = csv.text();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "time,service_name,status,trace_id,line");
    assert_eq!(rows.len(), 15);
    assert!(rows.contains(&"2023-11-14T22:12:23.000000000Z,db,,,\"plain ERROR, with a comma\""), "{text}");
    assert!(rows.iter().any(|row| row.contains(",db,,t4,level=warn user_id=4")), "{text}");
    assert!(rows.iter().any(|row| row.contains(",shop,500,,")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_crosses_pages_without_a_gap_or_a_repeat() {
    let app = LokiApp::new("", NOW);
    // More lines than a page, many of them of one instant.
    let values: Vec<Value> = (0..12_000)
        .map(|n: i64| json!([((NOW - 60) * 1_000_000_000 + n / 700).to_string(), format!("line {n}")]))
        .collect();
    let body = json!({"streams": [{"stream": {"app": "a"}, "values": values}]});
    assert_eq!(app.json("/loki/api/v1/push", &body).await.status, StatusCode::NO_CONTENT);
    for direction in ["backward", "forward"] {
        let params = json!({"format": "ndjson", "query": "line", "direction": direction});
        let text = app.get(&format!("{AT}/query"), &params).await.text();
        let mut lines: Vec<String> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].to_string()).collect();
        assert_eq!(lines.len(), 12_000, "{direction}");
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 12_000, "{direction}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_fields_and_neighbours() {
    let app = filled().await;
    let span = json!({"query": "level:*", "start": NOW - 60, "end": NOW, "step": "5s"});
    let bars = ask(&app, "/histogram", span).await;
    assert_eq!((bars["stepMs"].as_i64(), bars["total"].as_i64()), (Some(5000), Some(14)), "{bars}");
    let errors = bars["series"].as_array().unwrap().iter().find(|series| series["value"] == "error").unwrap();
    assert_eq!(errors["total"], 3);
    let by = ask(&app, "/histogram", json!({"by": "service_name", "bars": 10})).await;
    assert_eq!(by["series"].as_array().unwrap().len(), 2);

    let fields = ask(&app, "/fields", json!({"query": "*", "values": 2})).await;
    let field = |name: &str| {
        let all = fields["fields"].as_array().unwrap();
        all.iter().find(|field| field["name"] == name).cloned().unwrap_or_else(|| panic!("{name} is not in {fields}"))
    };
    assert_eq!(field("service_name")["values"][0], json!({"value": "shop", "count": 12}));
    assert_eq!(field("status")["source"], "json");
    assert_eq!(field("status")["distinct"], 2);
    assert_eq!(field("trace_id")["source"], "metadata");
    let status = ask(&app, "/fields", json!({"field": "status", "query": "not user.id:0"})).await;
    assert_eq!(status["values"], json!([{"value": "500", "count": 6}, {"value": "200", "count": 5}]));
    let service = ask(&app, "/fields", json!({"field": "service_name"})).await;
    assert_eq!(service["values"][1], json!({"value": "db", "count": 2}));

    let time = ((NOW - 60 + 5) * 1_000_000_000).to_string();
    let around = json!({"stream": "{service_name=\"shop\"}", "timestamp": time, "before": 2, "after": 3});
    let around = ask(&app, "/around", around).await;
    let ids: Vec<bool> =
        texts(&around).iter().zip(3..).map(|(line, n)| line.contains(&format!("\"id\":{n}}}"))).collect();
    assert_eq!((ids, around["at"].as_i64()), (vec![true; 6], Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said() {
    let app = filled().await;
    for (path, params, message) in [
        ("/query", json!({"query": "level:"}), "KQL, character 7: a value is missing here"),
        ("/query", json!({"query": "a (b"}), "KQL, character 3: this \"(\" is never closed"),
        ("/query", json!({"query": "{", "language": "logql"}), "parse error at line 1, col 2"),
        ("/query", json!({"language": "lucene"}), "expected kql or logql"),
        ("/query", json!({"limit": 51}), "limit: expected a number from 1 to 50"),
        ("/query", json!({"format": "xml"}), "expected json, ndjson or csv"),
        ("/query", json!({"direction": "up"}), "expected backward or forward"),
        ("/histogram", json!({"by": "a-b"}), "by: parse error"),
        ("/histogram", json!({"step": "soon"}), "step: expected a duration"),
        ("/histogram", json!({"step": "1ms"}), "at most 5000 are given"),
        ("/fields", json!({"sample": 0}), "sample: expected a number from 1"),
        ("/around", json!({"timestamp": "1"}), "stream: the labels"),
        ("/around", json!({"stream": "{a=\"b\"}", "timestamp": "soon"}), "timestamp: expected nanoseconds"),
    ] {
        let answer = app.get(&format!("{AT}{path}"), &params).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{params}: {}", answer.text());
        assert!(answer.text().contains(&message.replace('"', "\\\"")), "{params}: {}", answer.text());
    }
    let deletion = request("POST", "/loki/api/v1/delete?query=%7B%7D%7Ckql%22x%22&start=1");
    let refused = app.send(deletion.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("takes no kql stage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_kept_by_name() {
    let app = LokiApp::new("auth_enabled: true", NOW);
    let send = async |method: &str, name: &str, tenant: &str, body: Value| {
        let path = format!("{AT}/searches{name}");
        let asked = request(method, &path).header("X-Scope-OrgID", tenant).header("content-type", "application/json");
        app.send(asked.body(Body::from(body.to_string())).unwrap()).await
    };
    let search = |q: &str| json!({"search": {"q": q, "wrap": "1"}});
    assert_eq!(send("PUT", "/Resets", "a", search("reset")).await.status, StatusCode::OK);
    assert_eq!(send("PUT", "/A%2Fb%20c", "a", search("old")).await.status, StatusCode::OK);
    let list = send("PUT", "/A%2Fb%20c", "a", search("new")).await.json();
    let kept = |name: &str, q: &str| json!({"name": name, "search": {"q": q, "wrap": "1"}, "savedAt": NOW * 1000});
    assert_eq!(list["data"], json!([kept("A/b c", "new"), kept("Resets", "reset")]));
    assert_eq!(send("GET", "", "a", json!(null)).await.json(), list);
    assert_eq!(send("GET", "", "b", json!(null)).await.json()["data"], json!([]));
    let gone = send("DELETE", "/Resets", "b", json!(null)).await;
    assert_eq!((gone.status, gone.json()["errorType"].clone()), (StatusCode::NOT_FOUND, json!("not_found")));
    assert_eq!(send("DELETE", "/Resets", "a", json!(null)).await.json()["data"], json!([kept("A/b c", "new")]));
    for (name, body) in [
        ("/x", json!({"search": "text"})),
        ("/x", json!({"serach": {}})),
        ("/%20", search("q")),
        ("/a%0Ab", search("q")),
        ("/x", search(&"y".repeat(20_000))),
    ] {
        let answer = send("PUT", name, "a", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert_eq!(answer.json()["errorType"], "bad_data");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_field_are_counted_over_lines_of_both_kinds() {
    let app = LokiApp::new("auth_enabled: false", NOW);
    let time = |second: i64| ((NOW - 60 + second) * 1_000_000_000).to_string();
    let line = |n: i64| match n % 5 {
        0 => format!("n={n} status=200"),
        1 => format!("plain {n}"),
        _ => format!(r#"{{"n":{n},"status":{}}}"#, 200 + n % 2 * 300),
    };
    let values: Vec<Value> = (0..50).map(|n| json!([time(n), line(n)])).collect();
    let body = json!({"streams": [{"stream": {"service_name": "shop"}, "values": values}]});
    assert_eq!(app.json("/loki/api/v1/push", &body).await.status, StatusCode::NO_CONTENT);
    let data = ask(&app, "/fields", json!({"field": "status"})).await;
    assert_eq!(data["values"], json!([{"value": "200", "count": 25}, {"value": "500", "count": 15}]), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_without_a_time_are_all_kept() {
    let app = LokiApp::new("auth_enabled: false", NOW);
    let post = async |path: &str, kind: &str, body: String| {
        let asked = request("POST", path).header("content-type", kind).body(Body::from(body)).unwrap();
        let answer = app.send(asked).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        answer
    };
    let line = "{\"message\":\"again\",\"app\":\"a\"}\n";
    post("/insert/jsonline", "application/json", line.repeat(5)).await;
    let bulk = format!("{{\"create\":{{\"_index\":\"i\",\"_id\":\"7\"}}}}\n{line}").repeat(5);
    let answer = post("/_bulk", "application/x-ndjson", bulk).await.json();
    assert_eq!(answer["items"][4]["create"]["_id"], "7");
    let record = json!({"body": {"stringValue": "again"}});
    let otlp = json!({"resourceLogs": [{"resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "h"}}]},
        "scopeLogs": [{"logRecords": [record, record, record, record, record]}]}]});
    post("/v1/logs", "application/json", otlp.to_string()).await;
    let found = app
        .get(
            "/loki/api/v1/query",
            &json!({"query": "sum by (service_name) (count_over_time({service_name=~\".+\"}[1h]))", "time": NOW + 1}),
        )
        .await
        .json();
    let mut counts: Vec<(String, String)> = found["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["metric"]["service_name"].as_str().unwrap().to_owned(), s["value"][1].as_str().unwrap().to_owned()))
        .collect();
    counts.sort();
    // What names no service is of an unknown one.
    let expected = [("a", "10"), ("unknown_service", "5")].map(|(n, c)| (n.to_owned(), c.to_owned()));
    assert_eq!(counts, expected);
}
