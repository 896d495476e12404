//! Samples of one series, and windows that slide over them.

use std::sync::Arc;

use model::{Aggregate, FloatHistogram, SampleBuffer, is_stale};

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
    /// What each float stands for: as long as `floats` where the data was downsampled, else empty.
    pub(crate) aggregates: Vec<Aggregate>,
    /// How many histograms each one stands for: as long as `histograms` where the data was downsampled, else empty.
    pub(crate) histogram_counts: Vec<u32>,
    /// Start (open) and end (closed) of the buckets of downsampled data, in order of time.
    buckets: Vec<(i64, i64)>,
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
        self.aggregates.clear();
        self.histogram_counts.clear();
        self.buckets.clear();
        self.weights.clear();
    }

    /// Takes the samples of a buffer. Start timestamps are taken only if wanted.
    pub(crate) fn load(&mut self, buffer: &SampleBuffer, with_starts: bool) {
        self.clear();
        if !buffer.aggregates.is_empty() {
            self.load_aggregates(buffer);
        }
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

    /// Fills the columns of downsampled data.
    fn load_aggregates(&mut self, buffer: &SampleBuffer) {
        let mut aggregates = buffer.aggregates.iter().peekable();
        let mut histograms = buffer.histograms.iter().peekable();
        for (row, (time, value)) in buffer.timestamps.iter().zip(&buffer.values).enumerate() {
            let aggregate = aggregates.next_if(|(at, _)| *at as usize == row).map(|(_, a)| *a);
            if let Some(aggregate) = aggregate {
                let bucket = Aggregate::bucket(*time, aggregate.span_ms);
                if self.buckets.last() != Some(&bucket) {
                    self.buckets.push(bucket);
                }
            }
            if let Some((_, histogram)) = histograms.next_if(|(at, _)| *at as usize == row) {
                if !is_stale(histogram.sum) {
                    self.histogram_counts.push(aggregate.map_or(1, |a| a.count));
                }
            } else if !is_stale(*value) {
                self.aggregates.push(aggregate.unwrap_or(Aggregate::of_one(*value, 0)));
            }
        }
    }

    /// True where a part of the samples stands for others that were downsampled away.
    pub(crate) fn is_downsampled(&self) -> bool {
        !self.buckets.is_empty()
    }

    /// Start (open) and end (closed) of the whole buckets that stand for a range whose edges lie within buckets of downsampled
    /// data: the edges go to the nearest ends of buckets. `None` where the range can stay as it is.
    pub(crate) fn whole_buckets(&self, start: i64, end: i64) -> Option<(i64, i64)> {
        let around = |time: i64| {
            let at = self.buckets.partition_point(|(_, end)| *end <= time);
            self.buckets.get(at).copied().filter(|(start, _)| *start < time)
        };
        let nearest = |time: i64| around(time).map_or(time, |(a, b)| if time - a < b - time { a } else { b });
        let whole = (nearest(start), nearest(end));
        if whole == (start, end) {
            return None;
        }
        if whole.0 < whole.1 {
            return Some(whole);
        }
        around(start + (end - start) / 2).or_else(|| around(end)).or_else(|| around(start))
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
    /// The samples with `after < t <= until`, wherever the last window was.
    pub(crate) fn between(samples: &Samples, after: i64, until: i64) -> Self {
        let range = |times: &[i64]| {
            let end = times.partition_point(|t| *t <= until);
            (times[..end].partition_point(|t| *t <= after), end)
        };
        Cursor { floats: range(&samples.float_times), histograms: range(&samples.histogram_times) }
    }

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
            float_starts: samples.float_starts.get(f.clone()).unwrap_or(&[]),
            aggregates: samples.aggregates.get(f).unwrap_or(&[]),
            histogram_times: &samples.histogram_times[h.clone()],
            histograms: &samples.histograms[h.clone()],
            histogram_starts: samples.histogram_starts.get(h.clone()).unwrap_or(&[]),
            histogram_counts: samples.histogram_counts.get(h).unwrap_or(&[]),
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
    /// Length as written, or of the whole buckets of downsampled data that stand for the range, in milliseconds.
    pub(crate) range_ms: i64,
    /// The length as written by `range_ms`: other than 1 only where whole buckets of downsampled data stand for the range. What
    /// grows with the length of a range is multiplied by it.
    pub(crate) share: f64,
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
    /// What each float stands for, empty for raw data.
    pub(crate) aggregates: &'a [Aggregate],
    /// How many histograms each one stands for, empty for raw data.
    pub(crate) histogram_counts: &'a [u32],
    pub(crate) bounds: Bounds,
}

impl<'a> Window<'a> {
    /// Number of floats before downsampling.
    pub(crate) fn float_count(&self) -> u64 {
        if self.aggregates.is_empty() {
            return self.floats.len() as u64;
        }
        self.aggregates.iter().map(|a| u64::from(a.count)).sum()
    }

    /// Number of histograms before downsampling.
    pub(crate) fn histogram_count(&self) -> u64 {
        if self.histogram_counts.is_empty() {
            return self.histograms.len() as u64;
        }
        self.histogram_counts.iter().map(|n| u64::from(*n)).sum()
    }

    /// The aggregate of a float that stands for more than itself: it tells what happened since the float before.
    pub(crate) fn gap_before(&self, float: usize) -> Option<&'a Aggregate> {
        self.aggregates.get(float).filter(|a| a.count > 1)
    }

    pub(crate) fn has_both_kinds(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }
}

impl Bounds {
    /// No range: a single time.
    pub(crate) fn instant(time: i64) -> Self {
        Bounds { start: time, end: time, range_ms: 0, share: 1.0, step_time: time, anchored: false, smoothed: false }
    }
}
