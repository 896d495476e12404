//! Small notations of the test language: sequences of start times, and histograms as text.

use model::duration::parse_duration_ms;
use model::float::format_g;
use model::{CounterResetHint, FloatHistogram};

/// Reads the values of an `@st` line: for each sample the start of its count in milliseconds relative to the sample.
pub(super) fn start_times(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut starts = Vec::new();
    for item in text.split_whitespace() {
        start_item(item, &mut starts).map_err(|reason| format!("{item:?}: {reason}"))?;
    }
    Ok(starts)
}

fn start_item(item: &str, starts: &mut Vec<Option<i64>>) -> Result<(), String> {
    if let Some(rest) = item.strip_prefix('_') {
        let count = if rest.is_empty() { 1 } else { repetitions(rest)? };
        starts.extend(std::iter::repeat_n(None, count));
        return Ok(());
    }
    let (mut start, rest) = leading_duration(item)?;
    if rest.is_empty() {
        starts.push(Some(start));
        return Ok(());
    }
    let (step, rest) = if rest.starts_with(['+', '-']) { leading_duration(rest)? } else { (0, rest) };
    for _ in 0..=repetitions(rest)? {
        starts.push(Some(start));
        start += step;
    }
    Ok(())
}

fn repetitions(text: &str) -> Result<usize, String> {
    let digits = text.strip_prefix('x').ok_or("expected x and a number of repetitions")?;
    digits.parse().ok().filter(|n| *n < 1_000_000).ok_or_else(|| format!("invalid repeat count {digits:?}"))
}

fn leading_duration(text: &str) -> Result<(i64, &str), String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let unit = &unsigned[digits..];
    let length = digits + unit.find(|c: char| !c.is_ascii_alphabetic() || c == 'x').unwrap_or(unit.len());
    let ms = parse_duration_ms(&unsigned[..length]).map_err(|e| e.to_string())?;
    Ok((if text.starts_with('-') { -ms } else { ms }, &unsigned[length..]))
}

/// A histogram as the test language writes it, compacted.
pub fn describe(h: &FloatHistogram) -> String {
    let mut h = h.clone();
    h.compact();
    let mut parts = Vec::new();
    if h.schema != 0 {
        parts.push(format!("schema:{}", h.schema));
    }
    for (key, value) in
        [("count", h.count), ("sum", h.sum), ("z_bucket", h.zero_count), ("z_bucket_w", h.zero_threshold)]
    {
        if value != 0.0 {
            parts.push(format!("{key}:{}", format_g(value)));
        }
    }
    if !h.custom_values.is_empty() {
        parts.push(format!("custom_values:[{}]", join(&h.custom_values)));
    }
    let hint = match h.counter_reset_hint {
        CounterResetHint::Unknown => None,
        CounterResetHint::CounterReset => Some("reset"),
        CounterResetHint::NotCounterReset => Some("not_reset"),
        CounterResetHint::Gauge => Some("gauge"),
    };
    parts.extend(hint.map(|hint| format!("counter_reset_hint:{hint}")));
    for (prefix, spans, buckets) in
        [("", &h.positive_spans, &h.positive_buckets), ("n_", &h.negative_spans, &h.negative_buckets)]
    {
        let Some(first) = spans.first() else { continue };
        if first.offset != 0 {
            parts.push(format!("{prefix}offset:{}", first.offset));
        }
        // Gaps between spans are written as empty buckets: the notation knows one span.
        let mut values = Vec::new();
        let mut left = buckets.as_slice();
        for (i, span) in spans.iter().enumerate() {
            let gap = if i == 0 { 0 } else { span.offset.max(0) as usize };
            values.extend(std::iter::repeat_n(0.0, gap));
            let (head, tail) = left.split_at((span.length as usize).min(left.len()));
            values.extend_from_slice(head);
            left = tail;
        }
        parts.push(format!("{prefix}buckets:[{}]", join(&values)));
    }
    format!("{{{{{}}}}}", parts.join(" "))
}

fn join(values: &[f64]) -> String {
    values.iter().map(|v| format_g(*v)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{SequenceValue, parse_series_description};

    #[test]
    fn reads_start_times() {
        assert_eq!(
            start_times("_ -1m _x2 0s-30sx2"),
            Ok(vec![None, Some(-60_000), None, None, Some(0), Some(-30_000), Some(-60_000)])
        );
        for bad in ["1", "5mx", "-", "1m+2m", "_y"] {
            assert!(start_times(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_histogram_reads_back() {
        let text = "{{schema:1 count:3 sum:-2 z_bucket:1 z_bucket_w:0.5 counter_reset_hint:gauge offset:-2 buckets:[1 0 0 4] n_buckets:[2]}}";
        let described = parse_series_description(&format!("m {text}")).unwrap();
        let SequenceValue::Histogram { value, .. } = &described.values[0] else { panic!("a histogram") };
        assert_eq!(describe(value), text);
    }
}
