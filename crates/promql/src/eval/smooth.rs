//! Instant selectors with `smoothed`, and the edges of `anchored` and `smoothed` ranges.

use std::sync::Arc;

use model::histogram::IncompatibleSchema;
use model::{CounterResetHint, Projection, SampleValue, TimeRange};

use super::Evaluator;
use super::select::{Lookup, Sink};
use super::series::Series;
use super::windows::{Cursor, Samples};
use crate::annotations::Notice;
use crate::ast::VectorSelector;
use crate::engine::QueryError;
use crate::functions::extended::{interpolate, interpolate_histograms};

impl Evaluator<'_> {
    /// At each step the value interpolated between the samples around it, within the lookback on both sides.
    pub(crate) fn stream_smoothed(
        &mut self,
        selector: &VectorSelector,
        projection: Option<&Projection>,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let (query, steps, lookup) = (self.query, self.steps, Lookup::of(selector));
        let (first, last) = lookup.extent(steps);
        let lookback = query.lookback_ms;
        let range = TimeRange::new(first.saturating_sub(lookback - 1), last.saturating_add(lookback));
        let set = query.select(selector, range, projection)?;
        let set = set.as_ref();
        let position = selector.span.start;
        self.for_each_series(
            set.len(),
            |index, scratch, batch| {
                scratch.buffer.clear();
                set.read(index, range, &mut scratch.buffer)?;
                batch.see_downsampled(&scratch.buffer, position);
                scratch.samples.load(&scratch.buffer, false);
                let samples = &scratch.samples;
                let mut series = Series::new(set.labels(index));
                let metric = series.labels.metric_name().to_owned();
                let mut cursor = Cursor::default();
                for step in 0..steps.count {
                    let time = lookup.time(steps.at(step));
                    cursor.advance(samples, time.saturating_sub(lookback), time.saturating_add(lookback));
                    if cursor.is_empty() {
                        continue;
                    }
                    let window = cursor.window(samples, super::windows::Bounds::instant(time));
                    if window.has_both_kinds() {
                        batch.notes.add(Notice::MixedFloatsHistograms { metric: &metric }.at(position));
                        continue;
                    }
                    let value = if window.floats.is_empty() {
                        let times = window.histogram_times;
                        let at = times.partition_point(|t| *t < time);
                        if times.get(at) == Some(&time) {
                            Some((*window.histograms[at]).clone())
                        } else if at > 0 && at < times.len() {
                            let (h1, h2) = (&window.histograms[at - 1], &window.histograms[at]);
                            let counter = h1.counter_reset_hint != CounterResetHint::Gauge
                                || h2.counter_reset_hint != CounterResetHint::Gauge;
                            // What looks like a reset would be interpolated without ever comparing the kinds of buckets.
                            let alike = h1.uses_custom_buckets() == h2.uses_custom_buckets();
                            let between = if alike {
                                interpolate_histograms(
                                    (times[at - 1], h1),
                                    (times[at], h2),
                                    time,
                                    counter,
                                    &mut batch.notes,
                                    position,
                                )
                            } else {
                                Err(IncompatibleSchema)
                            };
                            if between.is_err() {
                                batch.notes.add(Notice::MixedExponentialCustom { metric: &metric }.at(position));
                            }
                            between.ok()
                        } else if at > 0 {
                            let mut carried = (*window.histograms[at - 1]).clone();
                            carried.counter_reset_hint = CounterResetHint::Unknown;
                            Some(carried)
                        } else {
                            None
                        }
                        .map(|h| SampleValue::Histogram(Arc::new(h)))
                    } else {
                        let times = window.float_times;
                        let at = times.partition_point(|t| *t < time);
                        if times.get(at) == Some(&time) {
                            Some(window.floats[at])
                        } else if at > 0 && at < times.len() {
                            let before = (times[at - 1], window.floats[at - 1]);
                            Some(interpolate(before, (times[at], window.floats[at]), time, false))
                        } else if at > 0 {
                            Some(window.floats[at - 1])
                        } else {
                            None
                        }
                        .map(SampleValue::Float)
                    };
                    if let Some(value) = value {
                        series.set(step, value, steps.count);
                    }
                }
                if !series.is_empty() {
                    batch.push(query, series)?;
                }
                Ok(())
            },
            sink,
        )
    }
}

/// The samples of an `anchored` or `smoothed` range with a sample at each of its ends.
pub(crate) fn extend_floats(samples: &Samples, start: i64, end: i64, smoothed: bool) -> Vec<(i64, f64)> {
    let points: Vec<(i64, f64)> = samples.float_times.iter().copied().zip(samples.floats.iter().copied()).collect();
    let Some(newest) = points.len().checked_sub(1) else { return Vec::new() };
    let mut first = points[..newest].partition_point(|p| p.0 <= start).saturating_sub(1);
    let mut last = newest;
    if smoothed {
        last = points[..newest].partition_point(|p| p.0 < end);
    }
    if points[last].0 <= start {
        return Vec::new();
    }
    let left = if smoothed && points[first].0 < start {
        interpolate(points[first], points[first + 1], start, false)
    } else {
        points[first].1
    };
    let right = if smoothed && last > 0 && points[last].0 > end {
        interpolate(points[last - 1], points[last], end, false)
    } else {
        points[last].1
    };
    if points[first].0 <= start {
        first += 1;
    }
    let stop = if points[last].0 >= end { last } else { last + 1 };
    let within = points.get(first..stop).unwrap_or(&[]);
    std::iter::once((start, left)).chain(within.iter().copied()).chain([(end, right)]).collect()
}
