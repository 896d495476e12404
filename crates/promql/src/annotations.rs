//! Warnings and infos that accompany a result, worded as Prometheus' `util/annotations`.
//!
//! An annotation is kept once for each raw text; the position and the details that vary from sample to sample are added
//! when it is rendered.

use std::collections::BTreeMap;
use std::fmt;

use model::float::{format_g, go_quote};

use crate::functions::date::format_rfc3339;
use crate::parser::line_and_column;

/// How serious an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The result may be wrong.
    Warning,
    /// The result is right but perhaps not what was meant.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "PromQL warning",
            Severity::Info => "PromQL info",
        })
    }
}

/// What accumulates over equal annotations.
#[derive(Clone, Debug, PartialEq)]
enum Detail {
    None,
    /// Classic buckets that had to be made monotonic.
    ForcedMonotonicity {
        min_ts: i64,
        max_ts: i64,
        min_bucket: f64,
        max_bucket: f64,
        max_diff: f64,
        count: u64,
    },
    Occurrences(u64),
}

/// One annotation with the place in the query that it speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Warning or info.
    pub severity: Severity,
    /// The text without the `PromQL warning: ` in front and without the position behind.
    pub text: String,
    /// Byte offset in the query's text.
    pub position: usize,
    detail: Detail,
}

impl Annotation {
    fn new(severity: Severity, text: String, position: usize) -> Self {
        Annotation { severity, text, position, detail: Detail::None }
    }

    /// A warning with this text.
    pub fn warning(text: impl Into<String>, position: usize) -> Self {
        Annotation::new(Severity::Warning, text.into(), position)
    }

    /// An info with this text.
    pub fn info(text: impl Into<String>, position: usize) -> Self {
        Annotation::new(Severity::Info, text.into(), position)
    }

    /// The whole text: `PromQL warning: ... (1:5)`.
    pub fn render(&self, query: &str) -> String {
        let place = line_and_column(query, self.position);
        let head = format!("{}: {}", self.severity, self.text);
        match &self.detail {
            Detail::None => format!("{head} ({place})"),
            Detail::Occurrences(count) if *count > 1 => format!("{head} ({count} occurrences) ({place})"),
            Detail::Occurrences(_) => format!("{head} ({place})"),
            Detail::ForcedMonotonicity { min_ts, max_ts, min_bucket, max_bucket, max_diff, count } => format!(
                "{head}, from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {} ({place})",
                format_g(*min_bucket),
                format_g(*max_bucket),
                format_two_digits(*max_diff),
                format_rfc3339(min_ts / 1000),
                format_rfc3339(max_ts / 1000),
            ),
        }
    }

    fn absorb(&mut self, older: &Annotation) {
        match (&mut self.detail, &older.detail) {
            (Detail::Occurrences(count), Detail::Occurrences(more)) => *count += more,
            (
                Detail::ForcedMonotonicity { min_ts, max_ts, min_bucket, max_bucket, max_diff, count },
                Detail::ForcedMonotonicity {
                    min_ts: other_min_ts,
                    max_ts: other_max_ts,
                    min_bucket: other_min_bucket,
                    max_bucket: other_max_bucket,
                    max_diff: other_max_diff,
                    count: more,
                },
            ) => {
                *min_ts = (*min_ts).min(*other_min_ts);
                *max_ts = (*max_ts).max(*other_max_ts);
                *min_bucket = min_bucket.min(*other_min_bucket);
                *max_bucket = max_bucket.max(*other_max_bucket);
                *max_diff = max_diff.max(*other_max_diff);
                *count += more;
            }
            _ => {}
        }
    }
}

/// The operation that a histogram annotation speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramOperation {
    Addition,
    Subtraction,
    Aggregation,
}

impl HistogramOperation {
    fn name(self) -> &'static str {
        match self {
            HistogramOperation::Addition => "addition",
            HistogramOperation::Subtraction => "subtraction",
            HistogramOperation::Aggregation => "aggregation",
        }
    }
}

/// What Prometheus can warn of or point out; each becomes an [`Annotation`] by [`Notice::at`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice<'a> {
    InvalidQuantile(f64),
    InvalidRatio { given: f64, capped: f64 },
    BadBucketLabel { metric: &'a str, label: &'a str },
    MixedFloatsHistograms { metric: &'a str },
    MixedFloatsHistogramsAggregation,
    MixedClassicNative { metric: &'a str },
    NativeNotCounter { metric: &'a str },
    NativeNotGauge { metric: &'a str },
    MixedExponentialCustom { metric: &'a str },
    IncompatibleBucketLayout { operator: &'a str },
    SortInRangeQuery,
    CounterResetCollision(HistogramOperation),
    StartTimeOverlap { metric: &'a str },
    PossibleNonCounter { metric: &'a str },
    PossibleNonCounterLabel { metric: &'a str, type_label: &'a str },
    ForcedMonotonicity { metric: &'a str, timestamp: i64, min_bucket: f64, max_bucket: f64, max_diff: f64 },
    IncompatibleTypes { left: &'a str, operator: &'a str, right: &'a str },
    HistogramIgnoredInAggregation { aggregation: &'a str },
    HistogramIgnoredInMixedRange { metric: &'a str },
    QuantileNanResult { metric: &'a str },
    QuantileNanSkew { metric: &'a str },
    FractionNans { metric: &'a str },
    MismatchedCustomBuckets(HistogramOperation),
    DownsampledData,
}

impl Notice<'_> {
    /// The annotation at a byte offset of the query.
    pub(crate) fn at(self, position: usize) -> Annotation {
        use Severity::{Info, Warning};
        let named = |text: &str, metric: &str| {
            if metric.is_empty() { text.to_owned() } else { format!("{text} for metric name {}", go_quote(metric)) }
        };
        let mut detail = Detail::None;
        let (severity, text) = match self {
            Notice::InvalidQuantile(q) => {
                (Warning, format!("quantile value should be between 0 and 1, got {}", format_g(q)))
            }
            Notice::InvalidRatio { given, capped } => (
                Warning,
                format!(
                    "ratio value should be between -1 and 1, got {}, capping to {}",
                    format_g(given),
                    format_g(capped)
                ),
            ),
            Notice::BadBucketLabel { metric, label } => {
                let text = format!("bucket label \"le\" is missing or has a malformed value of {}", go_quote(label));
                (Warning, named(&text, metric))
            }
            Notice::MixedFloatsHistograms { metric } => {
                (Warning, format!("encountered a mix of histograms and floats for metric name {}", go_quote(metric)))
            }
            Notice::MixedFloatsHistogramsAggregation => {
                (Warning, "encountered a mix of histograms and floats for aggregation".to_owned())
            }
            Notice::MixedClassicNative { metric } => {
                (Warning, named("vector contains a mix of classic and native histograms", metric))
            }
            Notice::NativeNotCounter { metric } => {
                (Warning, format!("this native histogram metric is not a counter: {}", go_quote(metric)))
            }
            Notice::NativeNotGauge { metric } => {
                (Warning, format!("this native histogram metric is not a gauge: {}", go_quote(metric)))
            }
            Notice::MixedExponentialCustom { metric } => (
                Warning,
                format!(
                    "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
                    go_quote(metric)
                ),
            ),
            Notice::IncompatibleBucketLayout { operator } => {
                (Warning, format!("incompatible bucket layout encountered for binary operator {operator}"))
            }
            Notice::SortInRangeQuery => {
                (Warning, "sort is ineffective for range queries since results are always ordered by labels".to_owned())
            }
            Notice::CounterResetCollision(operation) => {
                (Warning, format!("conflicting counter resets during histogram {}", operation.name()))
            }
            Notice::StartTimeOverlap { metric } => {
                detail = Detail::Occurrences(1);
                let text = "sample has start time that overlaps with previous sample timestamp for metric";
                (Warning, format!("{text} {}", go_quote(metric)))
            }
            Notice::PossibleNonCounter { metric } => (
                Info,
                format!(
                    "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                    go_quote(metric)
                ),
            ),
            Notice::PossibleNonCounterLabel { metric, type_label } => (
                Info,
                format!(
                    "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
                    go_quote(type_label),
                    go_quote(metric)
                ),
            ),
            Notice::ForcedMonotonicity { metric, timestamp, min_bucket, max_bucket, max_diff } => {
                detail = Detail::ForcedMonotonicity {
                    min_ts: timestamp,
                    max_ts: timestamp,
                    min_bucket,
                    max_bucket,
                    max_diff,
                    count: 1,
                };
                let text = "input to histogram_quantile needed to be fixed for monotonicity \
                    (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
                (Info, named(text, metric))
            }
            Notice::IncompatibleTypes { left, operator, right } => (
                Info,
                format!(
                    "incompatible sample types encountered for binary operator {}: {left} {operator} {right}",
                    go_quote(operator)
                ),
            ),
            Notice::HistogramIgnoredInAggregation { aggregation } => {
                (Info, format!("ignored histogram in {aggregation} aggregation"))
            }
            Notice::HistogramIgnoredInMixedRange { metric } => (
                Info,
                format!(
                    "ignored histograms in a range containing both floats and histograms for metric name {}",
                    go_quote(metric)
                ),
            ),
            Notice::QuantileNanResult { metric } => {
                (Info, named("input to histogram_quantile has NaN observations, result is NaN", metric))
            }
            Notice::QuantileNanSkew { metric } => {
                (Info, named("input to histogram_quantile has NaN observations, result is skewed higher", metric))
            }
            Notice::FractionNans { metric } => {
                let text = "input to histogram_fraction has NaN observations, which are excluded from all fractions";
                (Info, named(text, metric))
            }
            Notice::MismatchedCustomBuckets(operation) => {
                (Info, format!("mismatched custom buckets were reconciled during {}", operation.name()))
            }
            Notice::DownsampledData => {
                let text = "downsampled data was used, ranges that do not end on its bucket edges are approximate";
                (Info, text.to_owned())
            }
        };
        Annotation { severity, text, position, detail }
    }
}

/// All annotations of a query, one for each raw text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    by_text: BTreeMap<String, Annotation>,
}

impl Annotations {
    /// Adds an annotation; of several with one text the last gives the position, and their details are merged.
    pub fn add(&mut self, mut annotation: Annotation) {
        if let Some(older) = self.by_text.get(&annotation.text) {
            annotation.absorb(older);
        }
        self.by_text.insert(annotation.text.clone(), annotation);
    }

    /// Adds all annotations of another set.
    pub fn merge(&mut self, other: Annotations) {
        for annotation in other.by_text.into_values() {
            self.add(annotation);
        }
    }

    /// True where there is neither a warning nor an info.
    pub fn is_empty(&self) -> bool {
        self.by_text.is_empty()
    }

    /// All of them, in the order of their texts.
    pub fn iter(&self) -> impl Iterator<Item = &Annotation> {
        self.by_text.values()
    }

    /// Rendered warnings and infos; of each kind at most `limit` (0 for no limit) and one line that counts the rest.
    /// Prometheus' API shows 10 of each.
    pub fn render(&self, query: &str, limit: usize) -> (Vec<String>, Vec<String>) {
        let of = |severity: Severity, noun: &str| {
            let mut texts: Vec<String> =
                self.iter().filter(|a| a.severity == severity).map(|a| a.render(query)).collect();
            if limit > 0 && texts.len() > limit {
                let omitted = texts.len() - limit;
                texts.truncate(limit);
                texts.push(format!("{omitted} more {noun} annotations omitted"));
            }
            texts
        };
        (of(Severity::Warning, "warning"), of(Severity::Info, "info"))
    }
}

/// Go's `%.2g`: two significant digits, trailing zeros dropped.
fn format_two_digits(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return format_g(v);
    }
    let scientific = format!("{v:.1e}");
    let rounded: f64 = scientific.parse().expect("Rust reads the floats that it writes");
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} always writes an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} writes a decimal exponent");
    if (-4..2).contains(&exponent) {
        return format_g(rounded);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", mantissa.trim_end_matches('0').trim_end_matches('.'), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_with_position() {
        let mut all = Annotations::default();
        all.add(Notice::InvalidQuantile(2.5).at(0));
        all.add(Notice::InvalidQuantile(2.5).at(6));
        all.add(Notice::PossibleNonCounter { metric: "m" }.at(2));
        let (warnings, infos) = all.render("abc\ndef g", 10);
        assert_eq!(warnings, ["PromQL warning: quantile value should be between 0 and 1, got 2.5 (2:3)"]);
        assert_eq!(
            infos,
            [
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"m\" (1:3)"
            ]
        );
    }

    #[test]
    fn caps_each_kind() {
        let mut all = Annotations::default();
        for i in 0..12 {
            all.add(Notice::PossibleNonCounter { metric: &format!("m{i}") }.at(0));
        }
        let (warnings, infos) = all.render("rate(m[1m])", 10);
        assert!(warnings.is_empty());
        assert_eq!(infos.len(), 11);
        assert_eq!(infos[10], "2 more info annotations omitted");
    }

    #[test]
    fn merges_monotonicity() {
        let mut all = Annotations::default();
        let notice = |timestamp, min_bucket, max_diff| Notice::ForcedMonotonicity {
            metric: "",
            timestamp,
            min_bucket,
            max_bucket: 5.0,
            max_diff,
        };
        all.add(notice(0, 1.0, 0.123).at(0));
        all.add(notice(60_000, 2.0, 100.0).at(0));
        let (_, infos) = all.render("q", 10);
        assert!(
            infos[0].ends_with(
                ", from buckets 1 to 5, with a max diff of 1e+02, over 2 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z (1:1)"
            ),
            "{infos:?}"
        );
    }
}
