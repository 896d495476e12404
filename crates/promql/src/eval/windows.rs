//! Samples of one series, and windows that slide over them.

use std::sync::Arc;

use model::{FloatHistogram, SampleBuffer, is_stale};

use super::series::histogram_samples;

/// Samples of one series without staleness markers, floats and histograms apart, each in order of time.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) float_times: Vec<i64>,
    pub(crate) floats: Vec<f64>,
    /// As long as `floats`, or empty where start timestamps are not wanted.
    pub(crate) float_starts: Vec<i64>,
    pub(crate) histogram_times: Vec<i64>,
    pub(crate) histograms: Vec<Arc<FloatHistogram>>,
    /// As long as `histograms`, or empty where start timestamps are not wanted.
    pub(crate) histogram_starts: Vec<i64>,
    /// `weights[i]` is what the first `i` histograms weigh together.
    weights: Vec<usize>,
}

impl Samples {
    pub(crate) fn clear(&mut self) {
        self.float_times.clear();
        self.floats.clear();
        self.float_starts.clear();
        self.histogram_times.clear();
        self.histograms.clear();
        self.histogram_starts.clear();
        self.weights.clear();
    }

    /// Takes the samples of a buffer. Start timestamps are taken only if wanted.
    pub(crate) fn load(&mut self, buffer: &SampleBuffer, with_starts: bool) {
        self.clear();
        if buffer.histograms.is_empty() && !with_starts {
            let live = |(_, v): &(&i64, &f64)| !is_stale(**v);
            let pairs = buffer.timestamps.iter().zip(&buffer.values).filter(live);
            pairs.for_each(|(t, v)| {
                self.float_times.push(*t);
                self.floats.push(*v);
            });
            return;
        }
        let mut histograms = buffer.histograms.iter().peekable();
        for (row, time) in buffer.timestamps.iter().enumerate() {
            let start = buffer.start_timestamps.get(row).copied().unwrap_or(0);
            if let Some((_, histogram)) = histograms.next_if(|(at, _)| *at as usize == row) {
                if is_stale(histogram.sum) {
                    continue;
                }
                self.push_histogram(*time, Arc::clone(histogram));
                if with_starts {
                    self.histogram_starts.push(start);
                }
            } else if !is_stale(buffer.values[row]) {
                self.float_times.push(*time);
                self.floats.push(buffer.values[row]);
                if with_starts {
                    self.float_starts.push(start);
                }
            }
        }
    }

    pub(crate) fn push_histogram(&mut self, time: i64, histogram: Arc<FloatHistogram>) {
        if self.weights.is_empty() {
            self.weights.push(0);
        }
        let weight = self.weights.last().copied().unwrap_or(0) + histogram_samples(&histogram);
        self.weights.push(weight);
        self.histogram_times.push(time);
        self.histograms.push(histogram);
    }

    /// What all samples weigh.
    pub(crate) fn weight(&self) -> usize {
        self.floats.len() + self.weights.last().copied().unwrap_or(0)
    }

    fn histogram_weight(&self, from: usize, to: usize) -> usize {
        if self.weights.is_empty() { 0 } else { self.weights[to] - self.weights[from] }
    }
}

/// Places of a window's samples; they only move forward.
#[derive(Default)]
pub(crate) struct Cursor {
    floats: (usize, usize),
    histograms: (usize, usize),
}

impl Cursor {
    /// Moves on to the samples with `after < t <= until`.
    pub(crate) fn advance(&mut self, samples: &Samples, after: i64, until: i64) {
        move_range(&mut self.floats, &samples.float_times, after, until);
        if !samples.histograms.is_empty() {
            move_range(&mut self.histograms, &samples.histogram_times, after, until);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.floats.0 == self.floats.1 && self.histograms.0 == self.histograms.1
    }

    /// What the window's samples weigh.
    pub(crate) fn weight(&self, samples: &Samples) -> usize {
        self.floats.1 - self.floats.0 + samples.histogram_weight(self.histograms.0, self.histograms.1)
    }

    /// What the window's samples after a time weigh.
    pub(crate) fn weight_after(&self, samples: &Samples, time: i64) -> usize {
        let recent = |times: &[i64]| times.iter().rev().take_while(|t| **t > time).count();
        let floats = recent(&samples.float_times[self.floats.0..self.floats.1]);
        let histograms = recent(&samples.histogram_times[self.histograms.0..self.histograms.1]);
        floats + samples.histogram_weight(self.histograms.1 - histograms, self.histograms.1)
    }

    pub(crate) fn window<'a>(&self, samples: &'a Samples, bounds: Bounds) -> Window<'a> {
        let (f, h) = (self.floats.0..self.floats.1, self.histograms.0..self.histograms.1);
        Window {
            float_times: &samples.float_times[f.clone()],
            floats: &samples.floats[f.clone()],
            float_starts: samples.float_starts.get(f).unwrap_or(&[]),
            histogram_times: &samples.histogram_times[h.clone()],
            histograms: &samples.histograms[h.clone()],
            histogram_starts: samples.histogram_starts.get(h).unwrap_or(&[]),
            bounds,
        }
    }
}

fn move_range(range: &mut (usize, usize), times: &[i64], after: i64, until: i64) {
    while range.1 < times.len() && times[range.1] <= until {
        range.1 += 1;
    }
    while range.0 < range.1 && times[range.0] <= after {
        range.0 += 1;
    }
}

/// The range that a window was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Milliseconds; samples at this very time are outside.
    pub(crate) start: i64,
    /// Milliseconds; samples at this very time are inside.
    pub(crate) end: i64,
    /// Length as written, in milliseconds.
    pub(crate) range_ms: i64,
    /// Time of the step.
    pub(crate) step_time: i64,
    /// The window also holds the samples before the range, up to the lookback.
    pub(crate) anchored: bool,
    /// The window also holds the samples before and after the range, up to the lookback.
    pub(crate) smoothed: bool,
}

/// The samples of one series that a range function sees at one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    pub(crate) float_times: &'a [i64],
    pub(crate) floats: &'a [f64],
    /// Start timestamps, empty where they are not wanted.
    pub(crate) float_starts: &'a [i64],
    pub(crate) histogram_times: &'a [i64],
    pub(crate) histograms: &'a [Arc<FloatHistogram>],
    /// Start timestamps, empty where they are not wanted.
    pub(crate) histogram_starts: &'a [i64],
    pub(crate) bounds: Bounds,
}

impl Window<'_> {
    pub(crate) fn has_both_kinds(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }
}

impl Bounds {
    /// No range: a single time.
    pub(crate) fn instant(time: i64) -> Self {
        Bounds { start: time, end: time, range_ms: 0, step_time: time, anchored: false, smoothed: false }
    }
}
