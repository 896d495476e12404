//! Runs `data/otlp.json`: a request in OTLP's JSON, the configuration, and what is to be in the store and in the answer.

use config::{OtlpConfig, TranslationStrategy};
use model::{FloatHistogram, SampleValue, is_stale};
use serde::Deserialize;
use serde_json::Value;

use super::Receiver;
use crate::remote_write::memory_sink::Stored;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    config: Value,
    /// The value of `resourceMetrics`; the short form is one resource, `resource` and `metrics`.
    #[serde(default)]
    request: Value,
    #[serde(default)]
    resource: Value,
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    metrics: Value,
    want: Vec<String>,
    /// Family, type, unit and help of what came with it.
    metadata: Option<Vec<String>>,
    #[serde(default)]
    refused: u64,
    #[serde(default)]
    message: String,
}

fn config(case: &Case) -> OtlpConfig {
    let mut config = OtlpConfig::default();
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).expect("a list of texts") };
    for (key, value) in case.config.as_object().into_iter().flatten() {
        let on = value.as_bool().unwrap_or_default();
        match key.as_str() {
            "translation_strategy" => {
                config.translation_strategy = match value.as_str().expect("a strategy") {
                    "UnderscoreEscapingWithoutSuffixes" => TranslationStrategy::UnderscoreEscapingWithoutSuffixes,
                    "NoUTF8EscapingWithSuffixes" => TranslationStrategy::NoUTF8EscapingWithSuffixes,
                    "NoTranslation" => TranslationStrategy::NoTranslation,
                    other => panic!("{other}"),
                }
            }
            "promote_all_resource_attributes" => config.promote_all_resource_attributes = on,
            "promote_resource_attributes" => config.promote_resource_attributes = texts(value),
            "ignore_resource_attributes" => config.ignore_resource_attributes = texts(value),
            "keep_identifying_resource_attributes" => config.keep_identifying_resource_attributes = on,
            "convert_histograms_to_nhcb" => config.convert_histograms_to_nhcb = on,
            "promote_scope_metadata" => config.promote_scope_metadata = on,
            other => panic!("{other}"),
        }
    }
    config
}

/// Attributes may be written as an object of texts, anywhere.
fn expand(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(expand),
        Value::Object(map) => {
            for (key, item) in map.iter_mut() {
                let is_short = matches!(key.as_str(), "attributes" | "filteredAttributes") && item.is_object();
                if is_short {
                    let pairs = item.as_object().expect("checked above").iter();
                    let pair = |(k, v): (&String, &Value)| {
                        let value = if v.is_string() { serde_json::json!({"stringValue": v}) } else { v.clone() };
                        serde_json::json!({"key": k, "value": value})
                    };
                    *item = Value::Array(pairs.map(pair).collect());
                } else {
                    expand(item);
                }
            }
        }
        _ => {}
    }
}

fn histogram(h: &FloatHistogram) -> String {
    if is_stale(h.sum) {
        return "histogram stale".to_owned();
    }
    let spans = |spans: &[model::BucketSpan]| {
        spans.iter().map(|s| format!("{}:{}", s.offset, s.length)).collect::<Vec<_>>().join(",")
    };
    let mut text = format!("histogram schema={} count={} sum={} zero={}", h.schema, h.count, h.sum, h.zero_count);
    text += &format!(" positive={} {:?}", spans(&h.positive_spans), h.positive_buckets);
    if !h.negative_spans.is_empty() {
        text += &format!(" negative={} {:?}", spans(&h.negative_spans), h.negative_buckets);
    }
    if !h.custom_values.is_empty() {
        text += &format!(" bounds={:?}", h.custom_values);
    }
    text
}

fn line(stored: &Stored) -> String {
    let value = match &stored.sample.value {
        SampleValue::Float(v) if is_stale(*v) => "stale".to_owned(),
        SampleValue::Float(v) => v.to_string(),
        SampleValue::Histogram(h) => histogram(h),
    };
    let mut text = format!("{} {value} @{}", stored.labels, stored.sample.timestamp.ms());
    if let Some(start) = stored.sample.start_timestamp {
        text += &format!(" from {}", start.ms());
    }
    for exemplar in &stored.exemplars {
        text += &format!(" # {} {}", exemplar.labels, exemplar.value);
        text += &exemplar.timestamp.map_or(String::new(), |t| format!(" @{}", t.ms()));
    }
    text
}

#[tokio::test]
async fn cases() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/otlp.json")).expect("cases");
    let mut failures = String::new();
    for case in &cases {
        let receiver = Receiver::new(config(case));
        let mut request = match &case.request {
            Value::Null => serde_json::json!([{
                "resource": {"attributes": case.resource},
                "scopeMetrics": [{"scope": case.scope, "metrics": case.metrics}],
            }]),
            request => request.clone(),
        };
        expand(&mut request);
        let body = serde_json::json!({"resourceMetrics": request}).to_string();
        // Twice: the second time every series is known, and a value that is there already is no error.
        let answer = receiver.post("application/json", body.clone()).await;
        let mut got: Vec<String> = receiver.sink.samples().iter().map(line).collect();
        got.sort();
        let mut want = case.want.clone();
        want.sort();
        if got != want {
            failures += &format!("{}\n  got  {got:#?}\n  want {want:#?}\n", case.name);
        }
        let partial = &answer.json()["partialSuccess"];
        let refused = partial["rejectedDataPoints"].as_str().unwrap_or("0").to_owned();
        let message = partial["errorMessage"].as_str().unwrap_or_default();
        let is_silent = case.message.is_empty() == message.is_empty();
        if answer.status != 200 || refused != case.refused.to_string() || !message.contains(&case.message) || !is_silent
        {
            failures += &format!("{}: {} {}\n", case.name, answer.status, answer.text());
        }
        if let Some(want) = &case.metadata {
            let kept = receiver.sink.0.lock().metadata.clone();
            let got: Vec<String> = kept
                .iter()
                .map(|(family, m)| format!("{family} {} {:?} {:?}", m.metric_type.as_str(), m.unit, m.help))
                .collect();
            if got != *want {
                failures += &format!("{}: metadata {got:?}\n", case.name);
            }
        }
        let is_delta = body.contains(r#""aggregationTemporality":1"#);
        // A marker is a NaN, which the sink takes for another value.
        let has_markers = case.want.iter().any(|line| line.contains("stale"));
        if !is_delta && !has_markers {
            let first = receiver.sink.samples().len();
            receiver.post("application/json", body).await;
            let again: Vec<String> = receiver.sink.samples()[first..].iter().map(line).collect();
            if again.len() != got.len() {
                failures += &format!("{}: the second time {again:#?}\n", case.name);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The same request in both encodings gives the same samples. The encoder of the JSON here does not follow OTLP for exemplars.
#[tokio::test]
async fn protobuf_equals_json() {
    let request = super::fuzz::everything();
    let json = serde_json::to_string(&request).expect("JSON");
    let one = Receiver::new(OtlpConfig::default());
    let two = Receiver::new(OtlpConfig::default());
    assert_eq!(one.post("application/json; charset=utf-8", json).await.text(), "{}");
    let answer = two.post("application/x-protobuf", prost::Message::encode_to_vec(&request)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    let without_exemplars = |line: String| line.split(" # ").next().expect("a line").to_owned();
    let lines =
        |receiver: &Receiver| receiver.sink.samples().iter().map(line).map(without_exemplars).collect::<Vec<String>>();
    assert_eq!(lines(&one), lines(&two));
    assert!(lines(&one).len() > 20);
}
