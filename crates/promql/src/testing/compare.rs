//! Compares results with what a script expects, with Prometheus' tolerance.

use model::{BucketSpan, FloatHistogram, Labels, SampleValue, is_stale};

use super::notation::describe;
use super::script::{Eval, Expected};
use crate::engine::{MatrixSeries, Value, VectorSample};
use crate::parser::SequenceValue;

/// Relative error that is let pass.
const EPSILON: f64 = 0.000_001;

/// What was expected and what was found instead.
pub(super) type Difference = (String, String);

fn differ<T>(expected: impl Into<String>, got: impl Into<String>) -> Result<T, Difference> {
    Err((expected.into(), got.into()))
}

/// True where the two differ by less than a millionth of their sum, or are both stale markers, or both other NaNs.
pub(super) fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

pub(super) fn check_value(eval: &Eval, value: &Value) -> Result<(), Difference> {
    match (value, &eval.expected) {
        (Value::Scalar(_, got), Expected::Scalar(wanted)) => {
            if almost_equal(*got, *wanted) {
                Ok(())
            } else {
                differ(format!("scalar {wanted}"), got.to_string())
            }
        }
        (Value::String(_, got), Expected::String(wanted)) => {
            if got == wanted {
                Ok(())
            } else {
                differ(format!("string {wanted:?}"), format!("{got:?}"))
            }
        }
        // A script that says nothing of a string expects an empty one, as Prometheus' runner does.
        (Value::String(_, got), Expected::Nothing) => {
            if got.is_empty() {
                Ok(())
            } else {
                differ("string \"\"", format!("{got:?}"))
            }
        }
        (Value::Vector(got), Expected::Series(wanted)) => check_vector(eval, got, wanted),
        (Value::Vector(got), Expected::Nothing) => check_vector(eval, got, &[]),
        (Value::Matrix(got), Expected::Series(wanted)) => check_matrix(eval, got, wanted),
        (Value::Matrix(got), Expected::Nothing) => check_matrix(eval, got, &[]),
        (got, wanted) => differ(kind(wanted), format!("{} {got:?}", got.kind())),
    }
}

fn kind(expected: &Expected) -> &'static str {
    match expected {
        Expected::Nothing | Expected::Series(_) => "vector or matrix result",
        Expected::Scalar(_) => "scalar result",
        Expected::String(_) => "string result",
    }
}

type Wanted = [(Labels, Vec<SequenceValue>)];

fn check_vector(eval: &Eval, got: &[VectorSample], wanted: &Wanted) -> Result<(), Difference> {
    let mut seen = vec![false; wanted.len()];
    for (position, sample) in got.iter().enumerate() {
        let found = || format!("{} {}", sample.labels, text_of(&sample.value));
        // Of two lines for the same series the last counts.
        let Some(index) = wanted.iter().rposition(|(labels, _)| *labels == sample.labels) else {
            return differ("no such series", found());
        };
        if eval.ordered && index != position {
            return differ(format!("{} at position {}", sample.labels, index + 1), format!("at {}", position + 1));
        }
        if seen[index] {
            return differ("each series once", found());
        }
        let value = wanted[index].1.first().unwrap_or(&SequenceValue::Omitted);
        if !same_value(value, &sample.value) {
            return differ(format!("{} {}", sample.labels, text_of_expected(value)), found());
        }
        seen[index] = true;
    }
    check_all_seen(&seen, wanted)
}

fn check_all_seen(seen: &[bool], wanted: &Wanted) -> Result<(), Difference> {
    for (i, (labels, values)) in wanted.iter().enumerate() {
        let repeated = wanted[i + 1..].iter().any(|(other, _)| other == labels);
        if !seen[i] && !repeated {
            let values: Vec<String> = values.iter().map(text_of_expected).collect();
            return differ(format!("{labels} {}", values.join(" ")), "no such series");
        }
    }
    Ok(())
}

fn check_matrix(eval: &Eval, got: &[MatrixSeries], wanted: &Wanted) -> Result<(), Difference> {
    if eval.ordered {
        return differ("an ordered result", "a matrix");
    }
    check_sorted(got)?;
    let mut seen = vec![false; wanted.len()];
    for series in got {
        let Some(index) = wanted.iter().rposition(|(labels, _)| *labels == series.labels) else {
            return differ("no such series", text_of_series(series));
        };
        seen[index] = true;
        let (start, end, step) = eval.points.unwrap_or_default();
        let values = &wanted[index].1;
        if start + (values.len().saturating_sub(1) as i64) * step > end {
            return differ(format!("{} points of {}", values.len(), series.labels), "a range too short for so many");
        }
        let points = || values.iter().enumerate().map(|(i, value)| (start + i as i64 * step, value));
        let floats: Vec<_> = points().filter(|(_, v)| matches!(v, SequenceValue::Float(_))).collect();
        let histograms: Vec<_> = points().filter(|(_, v)| matches!(v, SequenceValue::Histogram { .. })).collect();
        let same = floats.len() == series.floats.len()
            && histograms.len() == series.histograms.len()
            && floats
                .iter()
                .zip(&series.floats)
                .all(|((t, wanted), (at, got))| t == at && same_value(wanted, &SampleValue::Float(*got)))
            && histograms
                .iter()
                .zip(&series.histograms)
                .all(|((t, wanted), (at, got))| t == at && same_value(wanted, &SampleValue::Histogram(got.clone())));
        if !same {
            let text = points().map(|(t, v)| format!("{}@{t}", text_of_expected(v))).collect::<Vec<_>>().join(" ");
            return differ(format!("{} {text}", series.labels), text_of_series(series));
        }
    }
    check_all_seen(&seen, wanted)
}

/// Matrices come sorted by labels.
pub(super) fn check_sorted(got: &[MatrixSeries]) -> Result<(), Difference> {
    match got.windows(2).find(|pair| pair[0].labels > pair[1].labels) {
        None => Ok(()),
        Some(pair) => differ("series sorted by labels", format!("{} before {}", pair[0].labels, pair[1].labels)),
    }
}

fn same_value(wanted: &SequenceValue, got: &SampleValue) -> bool {
    match (wanted, got) {
        (SequenceValue::Float(wanted), SampleValue::Float(got)) => almost_equal(*wanted, *got),
        (SequenceValue::Histogram { value, hint_set }, SampleValue::Histogram(got)) => {
            same_histogram(value, got) && (!hint_set || value.counter_reset_hint == got.counter_reset_hint)
        }
        // A series line without a value stands for 0.
        (SequenceValue::Omitted, SampleValue::Float(got)) => *got == 0.0,
        _ => false,
    }
}

fn same_histogram(wanted: &FloatHistogram, got: &FloatHistogram) -> bool {
    let (mut wanted, mut got) = (wanted.clone(), got.clone());
    wanted.compact();
    got.compact();
    let almost = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| almost_equal(*a, *b));
    wanted.schema == got.schema
        && almost(&[wanted.count, wanted.sum, wanted.zero_count], &[got.count, got.sum, got.zero_count])
        && wanted.zero_threshold == got.zero_threshold
        && (!wanted.uses_custom_buckets() || wanted.custom_values == got.custom_values)
        && same_spans(&wanted.positive_spans, &got.positive_spans)
        && same_spans(&wanted.negative_spans, &got.negative_spans)
        && almost(&wanted.positive_buckets, &got.positive_buckets)
        && almost(&wanted.negative_buckets, &got.negative_buckets)
}

/// Spans of compacted histograms: none is empty.
fn same_spans(wanted: &[BucketSpan], got: &[BucketSpan]) -> bool {
    wanted == got
}

fn text_of(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(v) => v.to_string(),
        SampleValue::Histogram(h) => describe(h),
    }
}

fn text_of_expected(value: &SequenceValue) -> String {
    match value {
        SequenceValue::Omitted => "_".into(),
        SequenceValue::Float(v) => v.to_string(),
        SequenceValue::Histogram { value, .. } => describe(value),
    }
}

fn text_of_series(series: &MatrixSeries) -> String {
    let mut points: Vec<(i64, String)> = series.floats.iter().map(|(t, v)| (*t, v.to_string())).collect();
    points.extend(series.histograms.iter().map(|(t, h)| (*t, describe(h))));
    points.sort();
    let points: Vec<String> = points.into_iter().map(|(t, text)| format!("{text}@{t}")).collect();
    format!("{} {}", series.labels, points.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance() {
        assert!(almost_equal(1.0, 1.000_000_1));
        assert!(!almost_equal(1.0, 1.000_01));
        assert!(!almost_equal(0.0, 1e-300));
        assert!(almost_equal(f64::NAN, f64::NAN));
        assert!(!almost_equal(f64::NAN, model::stale_nan()));
        assert!(almost_equal(f64::INFINITY, f64::INFINITY));
        assert!(!almost_equal(f64::INFINITY, f64::NEG_INFINITY));
    }
}
