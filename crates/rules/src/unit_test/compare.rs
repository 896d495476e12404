//! What was expected and what came, in promtool's words.

use config::{AlertCase, ExprCase, SampleExpected};
use model::duration::format_duration_ms;
use model::{Labels, SampleValue};
use promql::engine::VectorSample;
use promql::parser::{SequenceValue, parse_metric, parse_series_description};
use promql::testing::describe_histogram;

use super::labels_of;
use crate::alert::{Alert, AlertState};

type Told = (Labels, Labels);

/// What is wrong with the alerts that fire, if anything is.
pub(super) fn alerts<'a>(
    group: &str,
    case: &AlertCase,
    current: impl Iterator<Item = (&'a str, &'a Alert)>,
) -> Option<String> {
    let firing = current.filter(|(name, alert)| *name == case.alertname && alert.state == AlertState::Firing);
    let mut got: Vec<Told> = firing.map(|(_, alert)| (alert.labels.clone(), alert.annotations.clone())).collect();
    let expected = case.exp_alerts.iter().map(|alert| {
        let mut labels = labels_of(&alert.labels).to_builder();
        labels.set("alertname", &case.alertname);
        (labels.build(), labels_of(&alert.annotations))
    });
    let mut expected: Vec<Told> = expected.collect();
    got.sort();
    expected.sort();
    if got == expected {
        return None;
    }
    let name = if group.is_empty() { String::new() } else { format!("    name: {group},\n") };
    Some(format!(
        "{name}    alertname: {}, time: {}, \n        exp:{}, \n        got:{}",
        case.alertname,
        format_duration_ms(case.eval_time.ms()),
        list(&expected),
        list(&got)
    ))
}

fn list(alerts: &[Told]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let entry = |(index, (labels, annotations)): (usize, &Told)| {
        format!("\n            {index}:\n              Labels:{labels}\n              Annotations:{annotations}")
    };
    format!("[{}\n            ]", alerts.iter().enumerate().map(entry).collect::<String>())
}

#[derive(Clone, Debug)]
struct Parsed {
    labels: Labels,
    value: f64,
    /// As the notation writes it; empty for a float.
    histogram: String,
}

/// What is wrong with the answer of a query, if anything is.
pub(super) fn samples(case: &ExprCase, got: Result<Vec<VectorSample>, String>, fuzzy: bool) -> Option<String> {
    let time = format_duration_ms(case.eval_time.ms());
    let expr = model::float::go_quote(&case.expr);
    let got = match got {
        Ok(samples) => samples,
        Err(error) => return Some(format!("    expr: {expr}, time: {time}, err: {error}")),
    };
    let mut expected = match case.exp_samples.iter().map(expected).collect::<Result<Vec<Parsed>, String>>() {
        Ok(expected) => expected,
        Err(error) => return Some(format!("    expr: {expr}, time: {time}, err: {error}")),
    };
    let mut got: Vec<Parsed> = got.into_iter().map(found).collect();
    expected.sort_by(|a, b| a.labels.cmp(&b.labels));
    got.sort_by(|a, b| a.labels.cmp(&b.labels));
    let same = |(a, b): (&Parsed, &Parsed)| {
        a.labels == b.labels && a.histogram == b.histogram && same_value(a.value, b.value, fuzzy)
    };
    if expected.len() == got.len() && expected.iter().zip(&got).all(same) {
        return None;
    }
    Some(format!("    expr: {expr}, time: {time},\n        exp: {}\n        got: {}", shown(&expected), shown(&got)))
}

/// NaN equals NaN; where values are compared fuzzily, they may differ in their last bits.
fn same_value(a: f64, b: f64, fuzzy: bool) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let nearby = |v: f64, step: i64| f64::from_bits((v.to_bits() as i64).wrapping_add(step) as u64);
    fuzzy && (nearby(a, 1) == b || nearby(a, -1) == b)
}

fn expected(sample: &SampleExpected) -> Result<Parsed, String> {
    let wrong = |error: String| format!("labels {}: {error}", model::float::go_quote(&sample.labels));
    let labels = parse_metric(&sample.labels).map_err(|error| wrong(error.to_string()))?;
    let mut histogram = String::new();
    if !sample.histogram.is_empty() {
        let described = parse_series_description(&format!("{{}} {}", sample.histogram))
            .map_err(|error| format!("failed to parse native histogram: {error}"))?;
        match described.values.as_slice() {
            [SequenceValue::Histogram { value, .. }] => histogram = describe_histogram(value),
            _ => return Err(format!("expected 1 native histogram, got {:?}", sample.histogram)),
        }
    }
    Ok(Parsed { labels, value: sample.number(), histogram })
}

fn found(sample: VectorSample) -> Parsed {
    match sample.value {
        SampleValue::Float(value) => Parsed { labels: sample.labels, value, histogram: String::new() },
        SampleValue::Histogram(h) => Parsed { labels: sample.labels, value: 0.0, histogram: describe_histogram(&h) },
    }
}

fn shown(samples: &[Parsed]) -> String {
    if samples.is_empty() {
        return "nil".to_owned();
    }
    let one = |sample: &Parsed| match sample.histogram.as_str() {
        "" => format!("{} {}", sample.labels, exponent(sample.value)),
        histogram => format!("{} {histogram}", sample.labels),
    };
    samples.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Go's `%E` with as many digits as needed: `2E+00`.
fn exponent(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:E}");
    let (digits, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
    format!("{digits}E{sign}{size:0>2}")
}
