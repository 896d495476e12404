//! Groups as text for scrapers, and as the JSON of the Pushgateway's own API.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::{Labels, METRIC_NAME, MetricType, SampleValue, is_valid_legacy_metric_name};
use serde_json::{Map, Value, json};

use super::decode::type_name;
use super::group::{FAILURE_TIME, Families, Family, GroupKey, PUSH_TIME, Series};
use crate::time_text::rfc3339;

/// The classic text of all groups. `instance` stands in every series, empty where nobody gave one, so that a server that
/// scrapes this puts none of its own in. Native histograms have no text.
pub(super) fn text(groups: &[(&GroupKey, &Families)]) -> String {
    let mut by_name: BTreeMap<&str, Vec<(&GroupKey, &Family)>> = BTreeMap::new();
    for (key, families) in groups {
        families.iter().for_each(|(name, family)| by_name.entry(name).or_default().push((key, family)));
    }
    let mut out = String::new();
    for (name, members) in by_name {
        let metadata = &members[0].1.metadata;
        let quoted = if is_valid_legacy_metric_name(name) { name.to_owned() } else { format!("\"{}\"", escape(name)) };
        // Writing to a string cannot fail.
        if !metadata.help.is_empty() {
            let help = metadata.help.replace('\\', r"\\").replace('\n', r"\n");
            let _ = writeln!(out, "# HELP {quoted} {help}");
        }
        let _ = writeln!(out, "# TYPE {quoted} {}", text_type(metadata.metric_type));
        for (key, family) in members {
            family.series.iter().for_each(|series| write_series(&mut out, key, series));
        }
    }
    out
}

fn write_series(out: &mut String, key: &GroupKey, series: &Series) {
    let SampleValue::Float(value) = series.value else { return };
    let mut labels: Vec<(&str, &str)> =
        series.labels.iter().filter(|l| l.name != METRIC_NAME).map(|l| (l.name, l.value)).collect();
    let missing = key.labels.keys().map(String::as_str).chain(["instance"]);
    labels.extend(missing.filter(|name| series.labels.get(name).is_none()).map(|name| (name, "")));
    labels.sort_unstable();
    labels.dedup();
    let name = series.labels.metric_name();
    let mut separator = '{';
    if is_valid_legacy_metric_name(name) {
        out.push_str(name);
    } else {
        let _ = write!(out, "{{\"{}\"", escape(name));
        separator = ',';
    }
    for (name, value) in labels {
        let value = escape(value);
        let _ = match is_valid_legacy_metric_name(name) {
            true => write!(out, "{separator}{name}=\"{value}\""),
            false => write!(out, "{separator}\"{}\"=\"{value}\"", escape(name)),
        };
        separator = ',';
    }
    let _ = writeln!(out, "}} {}", model::float::format_g(value));
}

fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"")
}

fn text_type(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
        MetricType::Histogram | MetricType::GaugeHistogram => "histogram",
        MetricType::Summary => "summary",
        MetricType::Info | MetricType::StateSet | MetricType::Unknown => "untyped",
    }
}

/// `GET /api/v1/metrics`: every group with its families.
pub(super) fn json(groups: &[(&GroupKey, &Families)]) -> Value {
    Value::Array(groups.iter().map(|(key, families)| group_json(key, families)).collect())
}

fn group_json(key: &GroupKey, families: &Families) -> Value {
    let time_of = |name: &str| match families.get(name)?.series.first()?.value {
        SampleValue::Float(seconds) => Some(seconds),
        SampleValue::Histogram(_) => None,
    };
    let mut out = Map::new();
    out.insert("labels".into(), json!(key.labels));
    out.insert("last_push_successful".into(), json!(time_of(PUSH_TIME) > time_of(FAILURE_TIME)));
    for (name, family) in families {
        let metrics = match family.metadata.metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram => compound(key, name, family, "le", "buckets"),
            MetricType::Summary => compound(key, name, family, "quantile", "quantiles"),
            _ => family.series.iter().map(|series| plain(key, series)).collect(),
        };
        let family = json!({
            "time_stamp": rfc3339(family.pushed_at),
            "type": type_name(family.metadata.metric_type),
            "help": family.metadata.help,
            "metrics": metrics,
        });
        out.insert(name.clone(), family);
    }
    Value::Object(out)
}

fn labels_json(key: &GroupKey, labels: &Labels, but: &str) -> BTreeMap<String, String> {
    let own = labels.iter().filter(|l| l.name != METRIC_NAME && l.name != but);
    let mut out: BTreeMap<String, String> = own.map(|l| (l.name.to_owned(), l.value.to_owned())).collect();
    out.entry("instance".to_owned()).or_default();
    for name in key.labels.keys() {
        out.entry(name.clone()).or_default();
    }
    out
}

fn number(series: &Series) -> Option<String> {
    match series.value {
        SampleValue::Float(value) => Some(model::float::format_g(value)),
        SampleValue::Histogram(_) => None,
    }
}

fn plain(key: &GroupKey, series: &Series) -> Value {
    json!({ "labels": labels_json(key, &series.labels, ""), "value": number(series) })
}

/// The series of a histogram or summary put together again.
fn compound(key: &GroupKey, name: &str, family: &Family, boundary: &str, parts: &str) -> Vec<Value> {
    let mut found: BTreeMap<BTreeMap<String, String>, Map<String, Value>> = BTreeMap::new();
    for series in &family.series {
        let Some(value) = number(series) else { continue };
        let labels = labels_json(key, &series.labels, boundary);
        let metric = found.entry(labels).or_default();
        match series.labels.metric_name().strip_prefix(name) {
            Some("_count") => drop(metric.insert("count".into(), json!(value))),
            Some("_sum") => drop(metric.insert("sum".into(), json!(value))),
            _ => {
                let of = metric.entry(parts).or_insert_with(|| json!({}));
                of[series.labels.get(boundary).unwrap_or("")] = json!(value);
            }
        }
    }
    let finish = |(labels, mut metric): (BTreeMap<String, String>, Map<String, Value>)| {
        metric.insert("labels".into(), json!(labels));
        Value::Object(metric)
    };
    found.into_iter().map(finish).collect()
}
