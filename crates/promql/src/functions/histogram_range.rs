//! Sums and means of the native histograms in a window.

use std::sync::Arc;

use model::histogram::{HistogramSum, IncompatibleSchema};
use model::{CounterResetHint, FloatHistogram, SampleValue};

use super::RangeEnv;
use crate::annotations::{HistogramOperation, Notice};
use crate::eval::Window;

/// A running mean of histograms: sum and count, until the sum would overflow; from there on built step by step.
#[derive(Clone, Debug)]
pub(crate) struct HistogramMean {
    sum: HistogramSum,
    count: f64,
    incremental: bool,
}

impl HistogramMean {
    pub(crate) fn new(first: FloatHistogram) -> Self {
        HistogramMean { sum: HistogramSum::new(first), count: 1.0, incremental: false }
    }

    /// Adds a histogram; answers whether custom bounds had to be reconciled.
    pub(crate) fn add(&mut self, h: &FloatHistogram) -> Result<bool, IncompatibleSchema> {
        self.count += 1.0;
        if !self.incremental {
            let mut sum = self.sum.clone();
            let merged = sum.add(h)?;
            if !sum.has_overflow() {
                self.sum = sum;
                return Ok(merged.bounds_reconciled);
            }
            self.incremental = true;
            self.sum.div(self.count - 1.0);
        }
        self.sum.mul((self.count - 1.0) / self.count);
        let mut part = h.clone();
        part.div(self.count);
        Ok(self.sum.add(&part)?.bounds_reconciled)
    }

    pub(crate) fn finish(mut self) -> FloatHistogram {
        if !self.incremental {
            self.sum.div(self.count);
        }
        self.sum.finish()
    }
}

/// Which hints were seen, to warn of sums that mix resets with continuations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeenHints {
    reset: bool,
    no_reset: bool,
}

impl SeenHints {
    pub(crate) fn see(&mut self, hint: CounterResetHint) {
        self.reset |= hint == CounterResetHint::CounterReset;
        self.no_reset |= hint == CounterResetHint::NotCounterReset;
    }

    pub(crate) fn collide(self) -> bool {
        self.reset && self.no_reset
    }
}

pub(crate) fn sum_histograms(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Option<SampleValue> {
    let mut sum = HistogramSum::new(weighted(w, 0));
    let mut next = 1;
    let whole = fold(w, env, |h| {
        let merged = if w.histogram_counts.is_empty() { sum.add(h) } else { sum.add(&weighted(w, next)) };
        next += 1;
        merged.map(|m| m.bounds_reconciled)
    });
    whole.then(|| {
        let mut sum = sum.finish();
        if w.bounds.share != 1.0 {
            sum.mul(w.bounds.share);
        }
        histogram(sum)
    })
}

/// A histogram of downsampled data stands for all that were there since the one kept before.
fn weighted(w: &Window<'_>, at: usize) -> FloatHistogram {
    let mut h = (*w.histograms[at]).clone();
    if let Some(count) = w.histogram_counts.get(at) {
        h.mul(f64::from(*count));
    }
    h
}

pub(crate) fn avg_histograms(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Option<SampleValue> {
    if !w.histogram_counts.is_empty() {
        let count = w.histogram_count() as f64 * w.bounds.share;
        let sum = sum_histograms(w, env)?;
        return Some(match sum {
            SampleValue::Histogram(mut h) => {
                Arc::make_mut(&mut h).div(count);
                SampleValue::Histogram(h)
            }
            other => other,
        });
    }
    let mut mean = HistogramMean::new((*w.histograms[0]).clone());
    fold(w, env, |h| mean.add(h)).then(|| histogram(mean.finish()))
}

fn histogram(h: FloatHistogram) -> SampleValue {
    SampleValue::Histogram(Arc::new(h))
}

/// Adds all histograms but the first; false where they do not fit together.
fn fold(
    w: &Window<'_>,
    env: &mut RangeEnv<'_>,
    mut add: impl FnMut(&FloatHistogram) -> Result<bool, IncompatibleSchema>,
) -> bool {
    let mut hints = SeenHints::default();
    hints.see(w.histograms[0].counter_reset_hint);
    let mut reconciled = false;
    for h in &w.histograms[1..] {
        hints.see(h.counter_reset_hint);
        match add(h) {
            Ok(bounds_reconciled) => reconciled |= bounds_reconciled,
            Err(IncompatibleSchema) => {
                let metric = env.metric;
                env.note(Notice::MixedExponentialCustom { metric });
                return false;
            }
        }
    }
    if hints.collide() {
        env.note(Notice::CounterResetCollision(HistogramOperation::Aggregation));
    }
    if reconciled {
        env.note(Notice::MismatchedCustomBuckets(HistogramOperation::Aggregation));
    }
    true
}
