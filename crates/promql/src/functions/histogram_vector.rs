//! Functions over instant vectors of histograms: classic ones (a series per bucket) and native ones side by side.

use std::collections::HashMap;

use model::float::{format_g, parse_go};
use model::histogram::kahan_inc;
use model::{FloatHistogram, Labels};

use super::quantile::{
    ClassicBucket, Forced, bucket_fraction, bucket_quantile, histogram_fraction, histogram_quantile,
};
use crate::annotations::{Annotations, Notice};
use crate::eval::Series;

/// The function of that name, where it maps a native histogram to a number.
pub(crate) fn histogram_function(name: &str) -> Option<fn(&FloatHistogram) -> f64> {
    Some(match name {
        "histogram_avg" => |h| h.sum / h.count,
        "histogram_count" => |h| h.count,
        "histogram_stddev" => |h| variance(h).sqrt(),
        "histogram_stdvar" => variance,
        "histogram_sum" => |h| h.sum,
        _ => return None,
    })
}

/// The variance, taking every observation to lie in the middle of its bucket: arithmetic for custom buckets, geometric for
/// exponential ones, zero for the zero bucket.
fn variance(h: &FloatHistogram) -> f64 {
    let mean = h.sum / h.count;
    let (mut sum, mut error) = (0.0, 0.0);
    for bucket in h.all_buckets().iter().filter(|b| b.count != 0.0) {
        let middle = if h.uses_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let size = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -size } else { size }
        };
        let delta = middle - mean;
        (sum, error) = kahan_inc(bucket.count * delta * delta, sum, error);
    }
    (sum + error) / h.count
}

/// What is asked of each histogram.
pub(crate) enum Question<'a> {
    /// One quantile per step.
    Quantile(&'a [f64]),
    /// Lower and upper limit per step.
    Fraction(&'a [f64], &'a [f64]),
}

/// One classic histogram: the series of its buckets.
struct Classic {
    labels: Labels,
    buckets: Vec<(f64, usize)>,
}

/// Input series sorted into classic histograms (by labels without `le`) and native ones.
pub(crate) struct Histograms<'a> {
    input: &'a [Series],
    classic: Vec<Classic>,
    /// For each input series the classic histogram with exactly its labels.
    conflict: Vec<Option<usize>>,
    /// Series with floats whose `le` is missing or no number.
    bad: Vec<usize>,
    position: usize,
    /// Annotations name the metric only where names are still there at this point.
    names_metric: bool,
}

impl<'a> Histograms<'a> {
    pub(crate) fn new(input: &'a [Series], position: usize, names_metric: bool) -> Self {
        let mut classic: Vec<Classic> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut bad = Vec::new();
        for (at, series) in input.iter().enumerate().filter(|(_, s)| !s.floats.is_empty()) {
            let Some(upper) = series.labels.get("le").and_then(parse_go) else {
                bad.push(at);
                continue;
            };
            let labels = series.labels.without(|name| name == "le");
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                classic.push(Classic { labels, buckets: Vec::new() });
                classic.len() - 1
            });
            classic[place].buckets.push((upper, at));
        }
        let conflict =
            input.iter().map(|s| if s.histograms.is_empty() { None } else { places.get(&s.labels).copied() }).collect();
        Histograms { input, classic, conflict, bad, position, names_metric }
    }

    fn metric<'l>(&self, labels: &'l Labels) -> &'l str {
        if self.names_metric { labels.metric_name() } else { "" }
    }

    /// Warns of series that are neither a bucket nor a native histogram.
    pub(crate) fn note_bad_buckets(&self, notes: &mut Annotations) {
        for at in &self.bad {
            let series = &self.input[*at];
            let label = series.labels.get("le").unwrap_or("");
            if !series.floats.is_empty() {
                notes.add(Notice::BadBucketLabel { metric: self.metric(&series.labels), label }.at(self.position));
            }
        }
    }

    /// Answers the question for every histogram and step. Labels still have the name.
    pub(crate) fn answer(
        &self,
        question: &Question<'_>,
        steps: usize,
        step_time: impl Fn(usize) -> i64,
        notes: &mut Annotations,
    ) -> Vec<Series> {
        let mut result = Vec::new();
        for (at, series) in self.input.iter().enumerate().filter(|(_, s)| !s.histograms.is_empty()) {
            let mut out = series.like();
            let metric = self.metric(&series.labels);
            for (step, h) in &series.histograms {
                let step = *step as usize;
                if self.conflict[at].is_some_and(|place| self.has_buckets(place, step)) {
                    notes.add(Notice::MixedClassicNative { metric }.at(self.position));
                    continue;
                }
                let value = match question {
                    Question::Quantile(q) => histogram_quantile(q[step], h, metric, self.position, notes),
                    Question::Fraction(lower, upper) => {
                        histogram_fraction(lower[step], upper[step], h, metric, self.position, notes)
                    }
                };
                out.set_float(step, value, steps);
            }
            result.push(out);
        }
        let mut buckets: Vec<ClassicBucket> = Vec::new();
        for (place, classic) in self.classic.iter().enumerate() {
            let natives: Vec<usize> = (0..self.input.len()).filter(|at| self.conflict[*at] == Some(place)).collect();
            let mut out = Series::new(classic.labels.clone());
            for step in 0..steps {
                if natives.iter().any(|at| self.input[*at].histogram(step).is_some()) {
                    continue;
                }
                buckets.clear();
                buckets.extend(classic.buckets.iter().filter_map(|(upper, at)| {
                    Some(ClassicBucket { upper: *upper, count: self.input[*at].float(step)? })
                }));
                if buckets.is_empty() {
                    continue;
                }
                let value = match question {
                    Question::Quantile(q) => {
                        let (value, forced) = bucket_quantile(q[step], &mut buckets);
                        if let Some(Forced { min_bucket, max_bucket, max_diff }) = forced {
                            let metric = self.metric(&classic.labels);
                            let timestamp = step_time(step);
                            let notice =
                                Notice::ForcedMonotonicity { metric, timestamp, min_bucket, max_bucket, max_diff };
                            notes.add(notice.at(self.position));
                        }
                        value
                    }
                    Question::Fraction(lower, upper) => bucket_fraction(lower[step], upper[step], &mut buckets),
                };
                out.set_float(step, value, steps);
            }
            result.push(out);
        }
        result.retain(|s| !s.is_empty());
        result
    }

    fn has_buckets(&self, place: usize, step: usize) -> bool {
        self.classic[place].buckets.iter().any(|(_, at)| self.input[*at].float(step).is_some())
    }
}

/// A quantile as a label value: `0.5`, and `1.0` rather than `1` (OpenMetrics).
pub(crate) fn format_quantile(q: f64) -> String {
    let text = format_g(q);
    if q.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}
