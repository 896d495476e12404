//! `load_with_nhcb`: makes native histograms with custom buckets of classic `_bucket`, `_count` and `_sum` series.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::histogram::CUSTOM_BUCKETS_SCHEMA;
use model::{BucketSpan, FloatHistogram, Labels, METRIC_NAME, Sample, SampleValue, Timestamp};

use super::TestingError;

#[derive(Default)]
struct Classic {
    /// Upper bound and cumulative count.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// The native series for the classic ones among `series`.
pub(super) fn convert(series: &[(Labels, Vec<Sample>)]) -> Result<Vec<(Labels, Vec<Sample>)>, TestingError> {
    let mut found: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for (labels, samples) in series {
        let name = labels.metric_name();
        let suffixes = ["_bucket", "_sum", "_count"];
        let Some((suffix, base)) = suffixes.iter().find_map(|s| Some((*s, name.strip_suffix(s)?))) else { continue };
        let bound = labels.get("le").and_then(model::float::parse_go).filter(|le| !le.is_nan());
        if suffix == "_bucket" && bound.is_none() {
            continue;
        }
        let mut base_labels = labels.to_builder();
        base_labels.set(METRIC_NAME, base).remove("le");
        let by_time = found.entry(base_labels.build()).or_default();
        for sample in samples {
            let SampleValue::Float(value) = sample.value else { continue };
            let classic = by_time.entry(sample.timestamp.ms()).or_default();
            match (suffix, bound) {
                ("_bucket", Some(bound)) => classic.buckets.push((bound, value)),
                ("_count", _) => classic.count = Some(value),
                _ => classic.sum = value,
            }
        }
    }
    let native = |(labels, by_time): (Labels, BTreeMap<i64, Classic>)| {
        let samples = by_time.into_iter().map(|(t, classic)| {
            let message =
                |message| TestingError::ClassicHistogram { series: labels.to_string(), timestamp: t, message };
            let value = SampleValue::Histogram(Arc::new(classic.native().map_err(message)?));
            Ok(Sample { timestamp: Timestamp(t), start_timestamp: None, value })
        });
        let samples = samples.collect::<Result<_, _>>()?;
        Ok((labels, samples))
    };
    found.into_iter().map(native).collect()
}

impl Classic {
    fn native(mut self) -> Result<FloatHistogram, String> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.buckets.dedup_by(|later, first| later.0 == first.0);
        let highest = self.buckets.last().copied();
        let count = self.count.or(highest.map(|(_, count)| count)).unwrap_or(0.0);
        if highest.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut before = 0.0;
        let mut counts = Vec::with_capacity(self.buckets.len());
        for (bound, cumulative) in &self.buckets {
            if *cumulative < before {
                return Err(format!("count is not cumulative: {cumulative} < {before} at le={bound}"));
            }
            counts.push(cumulative - before);
            before = *cumulative;
        }
        if before != count {
            return Err(format!("count mismatch: count={count} != le=+Inf count={before}"));
        }
        let mut native = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_spans: vec![BucketSpan { offset: 0, length: counts.len() as u32 }],
            positive_buckets: counts,
            custom_values: self.buckets.iter().map(|(bound, _)| *bound).filter(|b| b.is_finite()).collect(),
            ..FloatHistogram::default()
        };
        native.compact();
        Ok(native)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_become_one_histogram() {
        let series = |name: &str, le: &str, v: f64| {
            let labels = Labels::from_pairs([("__name__", name), ("le", le), ("a", "b")]);
            (labels, vec![Sample::float(Timestamp(7), v)])
        };
        let classic = [
            series("h_bucket", "+Inf", 5.0),
            series("h_bucket", "1", 2.0),
            series("h_sum", "", 9.0),
            series("h_count", "", 5.0),
            series("other", "", 5.0),
        ];
        let native = convert(&classic).unwrap();
        let [(labels, samples)] = native.as_slice() else { panic!("one series: {native:?}") };
        assert_eq!(labels.to_string(), r#"{__name__="h", a="b"}"#);
        let SampleValue::Histogram(h) = &samples[0].value else { panic!("a histogram") };
        assert_eq!(
            (h.count, h.sum, h.custom_values.as_slice(), h.positive_buckets.as_slice()),
            (5.0, 9.0, [1.0].as_slice(), [2.0, 3.0].as_slice())
        );
        assert!(convert(&[series("h_bucket", "1", 5.0), series("h_bucket", "2", 3.0)]).is_err());
    }
}
