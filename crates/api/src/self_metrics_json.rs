//! `/api/v1/status/self_metrics`: the product's own metrics as JSON, in the shape that Go's `protojson` gives to metric families.

use std::sync::Arc;

use axum::extract::State;
use prometheus_client::encoding::text;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::params::Params;
use crate::state::Api;

/// Labels of a sample.
type Pairs = Vec<(String, String)>;

pub(crate) async fn self_metrics(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let filter = match params.get("metric_name_pattern") {
        "" => None,
        pattern => Some(
            Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|e| ApiError::bad_data(format!("invalid metric_name_pattern: {e}")))?,
        ),
    };
    let mut exposition = String::with_capacity(16 << 10);
    text::encode(&mut exposition, &api.parts.registry).map_err(|e| ApiError::internal(e.to_string()))?;
    let mut families = families(&exposition);
    families.retain(|family| filter.as_ref().is_none_or(|f| f.is_match(family["name"].as_str().unwrap_or_default())));
    success(&families)
}

/// Reads what our own registry writes.
fn families(openmetrics: &str) -> Vec<Value> {
    let mut families: Vec<Value> = Vec::new();
    let mut help = "";
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, text)| text);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (name, kind) = match kind {
                "counter" => (format!("{name}_total"), "COUNTER"),
                "info" => (format!("{name}_info"), "GAUGE"),
                "gauge" => (name.to_owned(), "GAUGE"),
                "histogram" => (name.to_owned(), "HISTOGRAM"),
                _ => (name.to_owned(), "UNTYPED"),
            };
            families.push(json!({"name": name, "help": help, "type": kind, "metric": []}));
            help = "";
        } else if let Some((family, (name, labels, value))) = families.last_mut().zip(sample(line)) {
            add(family, name, labels, value);
        }
    }
    families
}

/// Name, labels and value of a sample line. An exemplar behind " # " is passed over.
fn sample(line: &str) -> Option<(&str, Pairs, &str)> {
    if line.starts_with('#') {
        return None;
    }
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let mut labels = Vec::new();
    let mut rest = rest.strip_prefix('{').unwrap_or(rest);
    while !rest.starts_with([' ', '}']) {
        let (label, after) = rest.split_once("=\"")?;
        let end = closing_quote(after)?;
        labels.push((label.to_owned(), unescape(&after[..end])));
        rest = after[end + 1..].trim_start_matches(',');
    }
    let value = rest.trim_start_matches('}').trim_start().split(' ').next()?;
    Some((name, labels, value))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\")
}

fn number(text: &str) -> Value {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => json!(value),
        Ok(value) if value.is_nan() => json!("NaN"),
        Ok(value) => json!(if value > 0.0 { "Infinity" } else { "-Infinity" }),
        Err(_) => json!("NaN"),
    }
}

fn add(family: &mut Value, name: &str, mut labels: Pairs, value: &str) {
    let kind = family["type"].as_str().unwrap_or_default().to_owned();
    let bound = if kind == "HISTOGRAM" {
        labels.iter().position(|(n, _)| n == "le").map(|at| labels.remove(at).1)
    } else {
        None
    };
    let pairs: Vec<Value> = labels.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let Some(metrics) = family["metric"].as_array_mut() else { return };
    if kind != "HISTOGRAM" {
        let mut metric = labelled(pairs);
        metric.insert(kind.to_lowercase(), json!({"value": number(value)}));
        metrics.push(Value::Object(metric));
        return;
    }
    // Counts are 64-bit numbers, which protojson writes as text.
    let known = metrics.last().is_some_and(|last| last.get("label").map_or(pairs.is_empty(), |l| *l == json!(pairs)));
    if !known {
        let mut metric = labelled(pairs);
        metric.insert("histogram".to_owned(), json!({"bucket": []}));
        metrics.push(Value::Object(metric));
    }
    let Some(histogram) = metrics.last_mut().map(|last| &mut last["histogram"]) else { return };
    match bound {
        Some(bound) if bound == "+Inf" => {}
        Some(bound) => {
            let bucket = json!({"cumulativeCount": value, "upperBound": number(&bound)});
            if let Some(buckets) = histogram["bucket"].as_array_mut() {
                buckets.push(bucket);
            }
        }
        None if name.ends_with("_sum") => histogram["sampleSum"] = number(value),
        None => histogram["sampleCount"] = json!(value),
    }
}

fn labelled(pairs: Vec<Value>) -> Map<String, Value> {
    let mut metric = Map::new();
    if !pairs.is_empty() {
        metric.insert("label".to_owned(), json!(pairs));
    }
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_as_protojson_tells_them() {
        let text = "# HELP a Requests.\n# TYPE a counter\na_total{b=\"c \\\"}\\\" # {\",d=\"\"} 1 # {t=\"x\"} 1\na_total 2.5\n\
            # HELP h H.\n# TYPE h histogram\nh_sum{s=\"1\"} 7.5\nh_count{s=\"1\"} 3\nh_bucket{le=\"0.5\",s=\"1\"} 2\n\
            h_bucket{le=\"+Inf\",s=\"1\"} 3\n# HELP q Q.\n# TYPE q unknown\nq NaN\n# EOF\n";
        assert_eq!(
            Value::Array(families(text)),
            json!([
                {"name": "a_total", "help": "Requests.", "type": "COUNTER", "metric": [
                    {"label": [{"name": "b", "value": "c \"}\" # {"}, {"name": "d", "value": ""}], "counter": {"value": 1.0}},
                    {"counter": {"value": 2.5}}]},
                {"name": "h", "help": "H.", "type": "HISTOGRAM", "metric": [
                    {"label": [{"name": "s", "value": "1"}], "histogram": {
                        "bucket": [{"cumulativeCount": "2", "upperBound": 0.5}], "sampleSum": 7.5, "sampleCount": "3"}}]},
                {"name": "q", "help": "Q.", "type": "UNTYPED", "metric": [{"untyped": {"value": "NaN"}}]},
            ])
        );
    }
}
