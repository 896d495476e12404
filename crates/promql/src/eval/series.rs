//! Columns of values over the steps of a query.

use std::sync::Arc;

use model::{FloatHistogram, Labels, SampleValue, is_stale, stale_nan};

/// What a series takes besides its labels and samples, roughly: itself, the heads of three allocations, its place in a list that
/// grows by doubling, and its place in the answer.
pub(crate) const SERIES_BYTES: usize = 256;

/// The times at which a node is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// Time of the first step in milliseconds.
    pub(crate) start: i64,
    /// Distance in milliseconds, at least 1.
    pub(crate) interval: i64,
    /// How many.
    pub(crate) count: usize,
}

impl Steps {
    /// All steps from `start` to `end`; none where `end` comes first.
    pub(crate) fn between(start: i64, end: i64, interval: i64) -> Self {
        let interval = interval.max(1);
        let count = if end < start { 0 } else { (end.saturating_sub(start) / interval) as usize + 1 };
        Steps { start, interval, count }
    }

    /// Time of a step in milliseconds.
    pub(crate) fn at(&self, step: usize) -> i64 {
        self.start + step as i64 * self.interval
    }

    /// Time of the last step.
    pub(crate) fn end(&self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    /// True for a single step, where the order of the result is the order of evaluation.
    pub(crate) fn is_instant(&self) -> bool {
        self.count == 1
    }
}

/// True where a column holds a value: the staleness marker stands for absence, because no selector and no arithmetic gives it.
#[inline]
pub(crate) fn is_present(v: f64) -> bool {
    !is_stale(v)
}

/// One series over all steps. A step holds a float or a histogram or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// The metric name is to be dropped when the result is assembled (delayed name removal).
    pub(crate) drop_name: bool,
    /// Empty, or one value per step with [`is_present`] telling which count.
    pub(crate) floats: Vec<f64>,
    /// Step and value, by step.
    pub(crate) histograms: Vec<(u32, Arc<FloatHistogram>)>,
}

impl Series {
    pub(crate) fn new(labels: Labels) -> Self {
        Series { labels, drop_name: false, floats: Vec::new(), histograms: Vec::new() }
    }

    /// A scalar as the series without labels.
    pub(crate) fn of_scalar(column: Vec<f64>) -> Self {
        Series { floats: column, ..Series::new(Labels::empty()) }
    }

    /// The same labels and mark, no values.
    pub(crate) fn like(&self) -> Self {
        Series { drop_name: self.drop_name, ..Series::new(self.labels.clone()) }
    }

    pub(crate) fn float(&self, step: usize) -> Option<f64> {
        self.floats.get(step).copied().filter(|v| is_present(*v))
    }

    pub(crate) fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        if self.histograms.is_empty() {
            return None;
        }
        let at = self.histograms.binary_search_by_key(&(step as u32), |(s, _)| *s).ok()?;
        Some(&self.histograms[at].1)
    }

    pub(crate) fn value(&self, step: usize) -> Option<SampleValue> {
        self.float(step)
            .map(SampleValue::Float)
            .or_else(|| self.histogram(step).map(|h| SampleValue::Histogram(Arc::clone(h))))
    }

    pub(crate) fn is_present_at(&self, step: usize) -> bool {
        self.float(step).is_some() || self.histogram(step).is_some()
    }

    /// Sets the value of a step. Histograms must come in order of steps.
    pub(crate) fn set(&mut self, step: usize, value: SampleValue, steps: usize) {
        match value {
            SampleValue::Float(v) => self.set_float(step, v, steps),
            SampleValue::Histogram(h) => self.histograms.push((step as u32, h)),
        }
    }

    pub(crate) fn set_float(&mut self, step: usize, value: f64, steps: usize) {
        if self.floats.is_empty() {
            self.floats = vec![stale_nan(); steps];
        }
        self.floats[step] = value;
    }

    /// True where no step has a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.histograms.is_empty() && !self.floats.iter().any(|v| is_present(*v))
    }

    /// Samples as the account counts them: 16 bytes are one sample, so a histogram weighs several, and a column weighs at
    /// least half a sample for each step, present or not.
    pub(crate) fn samples(&self) -> usize {
        let floats = self.floats.iter().filter(|v| is_present(**v)).count();
        floats.max(self.floats.len() / 2) + self.histograms.iter().map(|(_, h)| histogram_samples(h)).sum::<usize>()
    }

    /// Bytes of the labels, and of the series itself.
    pub(crate) fn bytes_besides_samples(&self) -> usize {
        self.labels.encoded_len() + SERIES_BYTES
    }

    /// Changes every float.
    pub(crate) fn map_floats(&mut self, change: impl Fn(f64) -> f64) {
        for v in self.floats.iter_mut().filter(|v| is_present(**v)) {
            *v = change(*v);
        }
    }

    /// Replaces every histogram.
    pub(crate) fn map_histograms(&mut self, change: impl Fn(&FloatHistogram) -> FloatHistogram) {
        for (_, h) in &mut self.histograms {
            *h = Arc::new(change(h));
        }
    }

    /// Keeps only the values of steps for which `keep` answers true.
    pub(crate) fn retain_steps(&mut self, keep: impl Fn(usize) -> bool) {
        for (step, v) in self.floats.iter_mut().enumerate() {
            if !keep(step) {
                *v = stale_nan();
            }
        }
        self.histograms.retain(|(step, _)| keep(*step as usize));
    }

    /// A series of one step repeated over many.
    pub(crate) fn spread(mut self, steps: usize) -> Self {
        if let Some(v) = self.floats.first().copied() {
            self.floats = vec![v; steps];
        }
        if let Some((_, h)) = self.histograms.first().cloned() {
            self.histograms = (0..steps).map(|step| (step as u32, Arc::clone(&h))).collect();
        }
        self
    }
}

/// What one histogram sample weighs: 16 bytes count as one sample.
pub(crate) fn histogram_samples(h: &FloatHistogram) -> usize {
    (h.accounted_bytes() + 8) / 16
}
