//! Admission as `limits_config` says.

use model::LogRejectReason;
use serde_json::{Value, json};

use super::{NOW, Receiver};

const PUSH: &str = "/loki/api/v1/push";

fn push(labels: Value, values: Value) -> Value {
    json!({"streams": [{"stream": labels, "values": values}]})
}

async fn refused(yaml: &str, labels: Value, values: Value) -> String {
    let receiver = Receiver::new(yaml);
    let answer = receiver.json(PUSH, &push(labels, values)).await;
    assert_eq!(answer.status, 400, "{yaml}");
    answer.text()
}

#[tokio::test]
async fn each_limit_has_its_text() {
    let at = |seconds: i64| (NOW + seconds * 1_000_000_000).to_string();
    let now = NOW.to_string();
    for (yaml, labels, value, text) in [
        (
            "",
            json!({"a": "b"}),
            json!([at(-8 * 86_400), "x"]),
            "entry for stream '{a=\"b\", service_name=\"unknown_service\"}' has timestamp too old: 2023-11-06T22:23:20Z, oldest acceptable timestamp is: 2023-11-07T22:23:20Z\n",
        ),
        (
            "",
            json!({"app": "b"}),
            json!([at(601), "x"]),
            "entry for stream '{app=\"b\", service_name=\"b\"}' has timestamp too new: 2023-11-14T22:33:21Z\n",
        ),
        (
            "limits_config: {max_line_size: 3}",
            json!({"app": "b"}),
            json!([now, "xxxx"]),
            "Max entry size '3' bytes exceeded for stream '{app=\"b\", service_name=\"b\"}' while adding an entry with length '4' bytes\n",
        ),
        (
            "limits_config: {max_label_names_per_series: 1}",
            json!({"a": "b", "c": "d"}),
            json!([now, "x"]),
            "entry for stream '{a=\"b\", c=\"d\"}' has 2 label names; limit 1\n",
        ),
        (
            "limits_config: {max_label_name_length: 2}",
            json!({"aaa": "b"}),
            json!([now, "x"]),
            "stream '{aaa=\"b\"}' has label name too long: 'aaa'\n",
        ),
        (
            "limits_config: {max_label_value_length: 2}",
            json!({"a": "bbb"}),
            json!([now, "x"]),
            "stream '{a=\"bbb\"}' has label value too long: 'bbb'\n",
        ),
    ] {
        assert_eq!(refused(yaml, labels, json!([value])).await, text);
    }
    let many: serde_json::Map<String, Value> = (0..129).map(|n| (format!("n{n}"), json!("v"))).collect();
    for (yaml, metadata, text) in [
        ("limits_config: {allow_structured_metadata: false}", json!({"a": "b"}), "includes structured metadata, but"),
        (
            "limits_config: {max_structured_metadata_size: 5}",
            json!({"abc": "def"}),
            "too large: '6' bytes, limit: '5' bytes",
        ),
        ("", Value::Object(many), "has too many structured metadata labels: '129', limit: '128'"),
    ] {
        let answer = refused(yaml, json!({"a": "b"}), json!([[now, "x", metadata]])).await;
        assert!(answer.contains(text), "{answer}");
    }
}

#[tokio::test]
async fn long_lines_are_cut_where_that_is_wanted() {
    let receiver = Receiver::new(
        "limits_config: {max_line_size: 3, max_line_size_truncate: true, discover_service_name: [], discover_log_levels: false}",
    );
    let answer = receiver.json(PUSH, &push(json!({"a": "b"}), json!([[NOW.to_string(), "abcdef"]]))).await;
    assert_eq!(answer.status, 204);
    assert_eq!(receiver.stored(), [format!("{{a=\"b\"}} {NOW} abc")]);
    let counted = receiver.app.get("/metrics").await.text();
    assert!(counted.contains(r#"loki_mutated_bytes_total{reason="line_too_long",truncated="true"} 3"#), "{counted}");
}

#[tokio::test]
async fn services_and_levels_are_found_out() {
    let receiver = Receiver::new("");
    let now = NOW.to_string();
    for (labels, line) in [
        (json!({"container": "c", "job": "j"}), "level=warn x"),
        (json!({"service_name": "own", "app": "a"}), r#"{"level":"Error"}"#),
        (json!({"level": "ERR"}), "info"),
    ] {
        assert_eq!(receiver.json(PUSH, &push(labels, json!([[now, line]]))).await.status, 204);
    }
    let metadata = json!([[now, "x", {"detected_level": "WARNING"}]]);
    assert_eq!(receiver.json(PUSH, &push(json!({"app": "m"}), metadata)).await.status, 204);
    assert_eq!(
        receiver.stored(),
        [
            format!(r#"{{container="c", job="j", service_name="c"}} {now} level=warn x detected_level=warn"#),
            format!(r#"{{app="a", service_name="own"}} {now} {{"level":"Error"}} detected_level=error"#),
            format!(r#"{{level="ERR", service_name="unknown_service"}} {now} info detected_level=error"#),
            format!(r#"{{app="m", service_name="m"}} {now} x detected_level=warn"#),
        ]
    );
}

#[tokio::test]
async fn equal_times_are_set_apart_where_that_is_wanted() {
    let receiver = Receiver::new(
        "limits_config: {increment_duplicate_timestamp: true, discover_service_name: [], discover_log_levels: false}",
    );
    let now = NOW.to_string();
    let values = json!([[now, "a"], [now, "b"], [now, "c"]]);
    assert_eq!(receiver.json(PUSH, &push(json!({"a": "b"}), values)).await.status, 204);
    let times: Vec<i64> = receiver.sink.entries().iter().map(|entry| entry.time - NOW).collect();
    assert_eq!(times, [0, 1, 2]);
}

#[tokio::test]
async fn rates() {
    let receiver = Receiver::new("limits_config: {ingestion_rate_mb: 0.0001, ingestion_burst_size_mb: 0.0001}");
    let long = "x".repeat(200);
    let answer = receiver.json(PUSH, &push(json!({"a": "b"}), json!([[NOW.to_string(), long]]))).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    let text = answer.text();
    assert!(
        text.starts_with(
            "ingestion rate limit exceeded for user default (limit: 104 bytes/sec) while attempting to ingest '1' lines"
        ),
        "{text}"
    );
    let answer = receiver.json(PUSH, &push(json!({"a": "b"}), json!([[NOW.to_string(), "x"]]))).await;
    assert_eq!(answer.status, 204);
    let counted = receiver.app.get("/metrics").await.text();
    assert!(counted.contains(r#"loki_discarded_samples_total{tenant="default",reason="rate_limited"} 1"#), "{counted}");
}

#[tokio::test]
async fn what_the_store_refuses() {
    for (reason, status, text) in [
        (
            LogRejectReason::TooFarBehind,
            400,
            "entry too far behind, entry timestamp is: 2023-11-14T22:23:20Z, oldest acceptable timestamp is: 1970-01-01T00:00:01Z",
        ),
        (LogRejectReason::StreamLimit, 429, "Maximum active stream limit exceeded"),
        (LogRejectReason::StreamRate, 429, "Per stream rate limit exceeded"),
    ] {
        let receiver = Receiver::plain();
        receiver.sink.refuse(reason);
        let now = NOW.to_string();
        let answer = receiver.json(PUSH, &push(json!({"a": "b"}), json!([[now, "fine"], [now, "refuse"]]))).await;
        assert_eq!(answer.status, status);
        assert!(answer.text().contains(text), "{}", answer.text());
        assert_eq!(receiver.stored().len(), 1);
        let counted = receiver.app.get("/metrics").await.text();
        let line = format!("loki_discarded_samples_total{{tenant=\"default\",reason=\"{}\"}} 1", reason.as_str());
        assert!(counted.contains(&line), "{counted}");
    }
    let receiver = Receiver::plain();
    receiver.sink.fail();
    let answer = receiver.json(PUSH, &push(json!({"a": "b"}), json!([[NOW.to_string(), "x"]]))).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
}
