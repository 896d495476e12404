//! The series of a test.

use chrono::DateTime;
use config::{InputSeries, RuleTestGroup};
use model::{Labels, Sample, SampleValue, Timestamp};
use promql::parser::{SequenceValue, parse_series_description};

/// When the series begin.
pub(super) fn start(test: &RuleTestGroup) -> Result<Timestamp, String> {
    let text = test.start_timestamp.text.as_str();
    if text.is_empty() {
        return Ok(Timestamp(0));
    }
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        return Ok(Timestamp((seconds * 1000.0) as i64));
    }
    let parsed = DateTime::parse_from_rfc3339(text);
    let wrong = |_| format!("start_timestamp: {text:?} is no time; expected RFC 3339 or Unix seconds");
    parsed.map(|time| Timestamp(time.timestamp_millis())).map_err(wrong)
}

/// The samples of one series.
pub(super) fn samples(
    input: &InputSeries,
    start: Timestamp,
    interval_ms: i64,
) -> Result<Vec<(Labels, Sample)>, String> {
    let text = format!("{} {}", input.series.text, input.values);
    let described = parse_series_description(&text)
        .map_err(|error| format!("line {}: series {:?}: {error}", input.series.at.line, input.series.text))?;
    let mut out = Vec::with_capacity(described.values.len());
    for (index, value) in described.values.into_iter().enumerate() {
        let value = match value {
            SequenceValue::Omitted => continue,
            SequenceValue::Float(v) => SampleValue::Float(v),
            SequenceValue::Histogram { value, .. } => SampleValue::Histogram(value),
        };
        let timestamp = start.plus_ms(index as i64 * interval_ms);
        out.push((described.labels.clone(), Sample { timestamp, start_timestamp: None, value }));
    }
    Ok(out)
}
