//! Reading series from the source: each is decoded once and swept over all steps, many series in parallel.

use std::sync::Arc;
use std::time::Instant;

use model::{
    FloatHistogram, Held, MatchOp, Projection, SampleBuffer, SampleValue, SelectRequest, SeriesSet, TimeRange,
    is_stale, stale_nan,
};
use rayon::prelude::*;

use super::account::SampleStats;
use super::series::{Series, Steps, histogram_samples};
use super::slide::Slide;
use super::windows::Samples;
use super::{Evaluator, Query};
use crate::annotations::{Annotations, Notice};
use crate::ast::{At, VectorSelector};
use crate::engine::{MatrixSeries, QueryError};

/// Series that one task works on.
const BATCH: usize = 64;
/// Tasks for each thread whose results are in memory at one time.
const TASKS_AHEAD: usize = 4;

/// Bytes of samples that a task may hold without asking.
const SMALL_SCRATCH: usize = 256 << 10;

/// Memory that a task uses again for each of its series.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) buffer: SampleBuffer,
    pub(crate) samples: Samples,
    pub(crate) slide: Slide,
}

impl Scratch {
    /// Bytes of samples, as far as they are more than so many.
    fn bytes_beyond(&self, small: usize) -> usize {
        let (buffer, samples) = (&self.buffer, &self.samples);
        let words = 2 * buffer.timestamps.capacity() + 2 * samples.float_times.capacity();
        (8 * words).saturating_sub(small)
    }
}

/// True where a buffer holds floats alone, none of them a marker, none of them standing for others.
pub(crate) fn is_plain(buffer: &SampleBuffer) -> bool {
    let has_marker = buffer.values.iter().fold(false, |any, v| any | is_stale(*v));
    buffer.histograms.is_empty() && buffer.aggregates.is_empty() && !has_marker
}

/// What series hold in the account: samples, and bytes besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holding {
    pub(crate) samples: usize,
    pub(crate) bytes: usize,
}

impl Holding {
    pub(crate) fn of(series: &[Series]) -> Self {
        let samples = series.iter().map(Series::samples).sum();
        Holding { samples, bytes: series.iter().map(Series::bytes_besides_samples).sum() }
    }
}

/// What a task has made of its series.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) series: Vec<Series>,
    pub(crate) held: Holding,
    pub(crate) stats: SampleStats,
    pub(crate) notes: Annotations,
}

impl Batch {
    /// Adds a finished series.
    pub(crate) fn push(&mut self, query: &Query<'_>, series: Series) -> Result<(), QueryError> {
        let (samples, bytes) = (series.samples(), series.bytes_besides_samples());
        query.account.take(samples)?;
        query.account.take_series(bytes)?;
        self.held.samples += samples;
        self.held.bytes += bytes;
        self.series.push(series);
        Ok(())
    }

    /// Says so where samples are what is left of downsampled data.
    pub(crate) fn see_downsampled(&mut self, buffer: &SampleBuffer, position: usize) {
        if !buffer.aggregates.is_empty() {
            self.notes.add(Notice::DownsampledData.at(position));
            self.stats.note_downsampled(buffer);
        }
    }
}

/// Receives the series of a vector in portions, each with what it holds in the account.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Vec<Series>, Holding) -> Result<(), QueryError>;

/// The time at which data is looked up for a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lookup {
    pub(crate) at: Option<i64>,
    pub(crate) offset: i64,
}

impl Lookup {
    pub(crate) fn new(at: Option<At>, offset: i64) -> Self {
        let at = match at {
            Some(At::Timestamp(t)) => Some(t),
            // `start()` and `end()` were resolved before evaluation.
            Some(At::Start | At::End) | None => None,
        };
        Lookup { at, offset }
    }

    pub(crate) fn of(selector: &VectorSelector) -> Self {
        Lookup::new(selector.at, selector.offset_ms)
    }

    pub(crate) fn time(&self, step_time: i64) -> i64 {
        self.at.unwrap_or(step_time).saturating_sub(self.offset)
    }

    /// First and last time that is looked up.
    pub(crate) fn extent(&self, steps: Steps) -> (i64, i64) {
        (self.time(steps.start), self.time(steps.end()))
    }
}

impl<'q> Query<'q> {
    /// What an instant selector reads for steps from `first` to `last`: back to the lookback, and further where downsampled
    /// data may stand for a longer time.
    pub(crate) fn instant_range(&self, first: i64, last: i64) -> TimeRange {
        let range = TimeRange::new(first.saturating_sub(self.lookback_ms - 1), last);
        let bucket = self.source.longest_bucket_ms(self.tenant, range);
        TimeRange { start: range.start.plus_ms(bucket.saturating_neg()), ..range }
    }

    pub(crate) fn select(
        &self,
        selector: &VectorSelector,
        range: TimeRange,
        projection: Option<&Projection>,
    ) -> Result<Box<dyn SeriesSet + 'q>, QueryError> {
        let request = SelectRequest {
            tenant: self.tenant,
            matchers: &selector.matchers,
            range,
            projection,
            memory: Some(self.account.reservation()),
        };
        let since = Instant::now();
        let set = self.missing.listen(self.source.select(&request)?);
        Ok(match self.profile {
            Some(profile) => profile.watch(set, selector, &request, since.elapsed()),
            None => set,
        })
    }
}

/// The metric name where a matcher pins it.
pub(crate) fn pinned_name(selector: &VectorSelector) -> Option<&str> {
    let is_name = |m: &&model::Matcher| m.name == model::METRIC_NAME && m.op == MatchOp::Equal && !m.value.is_empty();
    selector.matchers.iter().find(is_name).map(|m| m.value.as_str())
}

impl Evaluator<'_> {
    /// Runs `work` for each of `count` series, in parallel where there are many, and hands the series on in order.
    pub(crate) fn for_each_series(
        &mut self,
        count: usize,
        work: impl Fn(usize, &mut Scratch, &mut Batch) -> Result<(), QueryError> + Sync,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let query = self.query;
        let steps = self.steps.count;
        let run = |scratch: &mut Scratch, batch: usize| -> Result<Batch, QueryError> {
            query.check()?;
            let mut out = Batch { stats: SampleStats::new(steps), ..Batch::default() };
            let mut held = Held::of(Some(query.account.reservation()));
            for index in batch * BATCH..count.min((batch + 1) * BATCH) {
                work(index, scratch, &mut out)?;
                held.set(scratch.bytes_beyond(SMALL_SCRATCH))?;
            }
            query.progress.read(count.min((batch + 1) * BATCH) - batch * BATCH, out.stats.read.iter().sum());
            query.progress.hold(query.account.bytes());
            Ok(out)
        };
        let batches = count.div_ceil(BATCH);
        let ahead = TASKS_AHEAD * rayon::current_num_threads().max(1);
        for wave in (0..batches).step_by(ahead) {
            let end = batches.min(wave + ahead);
            let done: Result<Vec<Batch>, QueryError> = if end - wave == 1 {
                run(&mut Scratch::default(), wave).map(|b| vec![b])
            } else {
                (wave..end).into_par_iter().map_init(Scratch::default, run).collect()
            };
            for batch in done? {
                self.stats.merge(&batch.stats);
                self.notes.merge(batch.notes);
                sink(batch.series, batch.held)?;
            }
        }
        Ok(())
    }

    /// An instant vector selector: at each step the newest sample that is not older than the lookback.
    pub(crate) fn eval_vector_selector(&mut self, selector: &VectorSelector) -> Result<Vec<Series>, QueryError> {
        let mut all = Vec::new();
        self.stream_vector_selector(selector, None, &mut |series, _| {
            all.extend(series);
            Ok(())
        })?;
        Ok(all)
    }

    pub(crate) fn stream_vector_selector(
        &mut self,
        selector: &VectorSelector,
        projection: Option<&Projection>,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        if selector.smoothed {
            return self.stream_smoothed(selector, projection, sink);
        }
        let (query, steps, lookup, buckets) = (self.query, self.steps, Lookup::of(selector), self.buckets);
        let (first, last) = lookup.extent(steps);
        let range = query.instant_range(first, last);
        let set = query.select(selector, range, projection)?;
        let set = set.as_ref();
        let position = selector.span.start;
        self.for_each_series(
            set.len(),
            |index, scratch, batch| {
                scratch.buffer.clear();
                if steps.is_instant() {
                    set.read_newest(index, range, &mut scratch.buffer)?;
                } else {
                    set.read(index, range, &mut scratch.buffer)?;
                }
                buckets.apply(&mut scratch.buffer);
                batch.see_downsampled(&scratch.buffer, position);
                let mut series = Series::new(model::Labels::empty());
                let mut taken = 0;
                if is_plain(&scratch.buffer) {
                    let lookback_ms = query.lookback_ms;
                    series.floats = sweep_plain(&scratch.buffer, steps, lookup, lookback_ms, |step| {
                        taken += 1;
                        batch.stats.count(step, 1);
                    });
                } else {
                    sweep(&scratch.buffer, steps, lookup, query.lookback_ms, |step, row| {
                        let (value, weight) = row.value();
                        taken += weight;
                        batch.stats.count(step, weight as u64);
                        series.set(step, value, steps.count);
                    });
                }
                if taken > 0 {
                    series.labels = set.labels(index);
                    batch.push(query, series)?;
                }
                Ok(())
            },
            sink,
        )
    }

    /// `timestamp(selector)` and `start_timestamp(selector)`: times of the samples instead of their values, in seconds.
    pub(crate) fn eval_sample_times(
        &mut self,
        selector: &VectorSelector,
        start_times: bool,
    ) -> Result<Vec<Series>, QueryError> {
        let (query, steps) = (self.query, self.steps);
        let lookup = Lookup::of(selector);
        let (first, last) = lookup.extent(steps);
        let range = query.instant_range(first, last);
        let set = query.select(selector, range, None)?;
        let set = set.as_ref();
        let position = selector.span.start;
        let mut all = Vec::new();
        self.for_each_series(
            set.len(),
            |index, scratch, batch| {
                scratch.buffer.clear();
                set.read(index, range, &mut scratch.buffer)?;
                batch.see_downsampled(&scratch.buffer, position);
                let mut column = vec![stale_nan(); steps.count];
                let mut taken = 0;
                sweep(&scratch.buffer, steps, lookup, query.lookback_ms, |step, row| {
                    taken += 1;
                    batch.stats.count(step, 1);
                    column[step] = if start_times { row.start() as f64 / 1000.0 } else { row.time() as f64 / 1000.0 };
                });
                if taken > 0 {
                    batch.push(query, Series { floats: column, ..Series::new(set.labels(index)) })?;
                }
                Ok(())
            },
            &mut |series, _| {
                all.extend(series);
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// A range selector as the result of the query: the samples themselves.
    pub(crate) fn eval_bare_matrix(
        &mut self,
        matrix: &crate::ast::MatrixSelector,
    ) -> Result<Vec<(MatrixSeries, bool)>, QueryError> {
        let (query, lookup) = (self.query, Lookup::of(&matrix.selector));
        let end = lookup.time(self.steps.start);
        let start = end.saturating_sub(matrix.range_ms);
        let before = if matrix.selector.anchored || matrix.selector.smoothed { query.lookback_ms } else { 0 };
        let after = if matrix.selector.smoothed { query.lookback_ms } else { 0 };
        let range = TimeRange::new(start.saturating_sub(before) + 1, end.saturating_add(after));
        let set = query.select(&matrix.selector, range, None)?;
        let mut result = Vec::new();
        let (mut buffer, mut samples) = (SampleBuffer::default(), Samples::default());
        for index in 0..set.len() {
            query.check()?;
            buffer.clear();
            set.read(index, range, &mut buffer)?;
            if !buffer.aggregates.is_empty() {
                self.notes.add(Notice::DownsampledData.at(matrix.selector.span.start));
                self.stats.note_downsampled(&buffer);
            }
            samples.load(&buffer, false);
            if before > 0 && !samples.histograms.is_empty() {
                let modifier = if matrix.selector.anchored { "anchored" } else { "smoothed" };
                return Err(QueryError::execution(format!("{modifier} modifier is not supported with histograms")));
            }
            let floats: Vec<(i64, f64)> = if before > 0 {
                super::smooth::extend_floats(&samples, start, end, matrix.selector.smoothed)
            } else {
                samples.float_times.iter().copied().zip(samples.floats.iter().copied()).collect()
            };
            let histograms: Vec<(i64, Arc<FloatHistogram>)> =
                samples.histogram_times.iter().copied().zip(samples.histograms.iter().cloned()).collect();
            let weight = floats.len() + histograms.iter().map(|(_, h)| histogram_samples(h)).sum::<usize>();
            if weight > 0 {
                query.account.take(weight)?;
                self.stats.count(0, weight as u64);
                query.progress.read(1, weight as u64);
                let series = MatrixSeries { labels: set.labels(index), floats, histograms };
                query.account.take_series(series.labels.encoded_len() + super::SERIES_BYTES)?;
                result.push((series, false));
            }
        }
        Ok(result)
    }
}

/// What [`sweep`] finds in a plain buffer, as a column over the steps; empty where no step has a sample. Calls `visit` for
/// every step that has one.
fn sweep_plain(
    buffer: &SampleBuffer,
    steps: Steps,
    lookup: Lookup,
    lookback_ms: i64,
    mut visit: impl FnMut(usize),
) -> Vec<f64> {
    let (times, values) = (buffer.timestamps.as_slice(), buffer.values.as_slice());
    let mut column = Vec::new();
    let mut next = 0;
    for step in 0..steps.count {
        let time = lookup.time(steps.at(step));
        while next < times.len() && times[next] <= time {
            next += 1;
        }
        let Some(row) = next.checked_sub(1) else { continue };
        if times[row] > time.saturating_sub(lookback_ms) {
            if column.is_empty() {
                column = vec![stale_nan(); steps.count];
            }
            column[step] = values[row];
            visit(step);
        }
    }
    column
}

/// One row of a buffer.
struct Row<'a> {
    buffer: &'a SampleBuffer,
    row: usize,
    histogram: Option<&'a Arc<FloatHistogram>>,
}

impl Row<'_> {
    fn value(&self) -> (SampleValue, usize) {
        match self.histogram {
            Some(h) => (SampleValue::Histogram(Arc::clone(h)), histogram_samples(h)),
            None => (SampleValue::Float(self.buffer.values[self.row]), 1),
        }
    }

    fn time(&self) -> i64 {
        self.buffer.timestamps[self.row]
    }

    fn start(&self) -> i64 {
        self.buffer.start_timestamps.get(self.row).copied().unwrap_or(0)
    }

    fn is_stale(&self) -> bool {
        is_stale(self.histogram.map_or(self.buffer.values[self.row], |h| h.sum))
    }
}

/// The time in milliseconds of the live sample at each step.
pub(crate) fn sample_times(buffer: &SampleBuffer, steps: Steps, lookup: Lookup, lookback_ms: i64) -> Vec<f64> {
    let mut times = vec![stale_nan(); steps.count];
    sweep(buffer, steps, lookup, lookback_ms, |step, row| times[step] = row.time() as f64);
    times
}

/// Calls `visit` for every step that has a live sample: the newest one with `time - lookback < t <= time`. A sample of
/// downsampled data stands for the time of its bucket as well.
fn sweep(buffer: &SampleBuffer, steps: Steps, lookup: Lookup, lookback_ms: i64, mut visit: impl FnMut(usize, Row<'_>)) {
    let mut next = 0;
    for step in 0..steps.count {
        let time = lookup.time(steps.at(step));
        while next < buffer.timestamps.len() && buffer.timestamps[next] <= time {
            next += 1;
        }
        let Some(row) = next.checked_sub(1) else { continue };
        let bucket_ms = buffer.aggregate(row).map_or(0, |a| a.span_ms);
        if buffer.timestamps[row] <= time.saturating_sub(lookback_ms.saturating_add(bucket_ms)) {
            continue;
        }
        let at = buffer.histograms.binary_search_by_key(&(row as u32), |(r, _)| *r);
        let row = Row { buffer, row, histogram: at.ok().map(|at| &buffer.histograms[at].1) };
        if !row.is_stale() {
            visit(step, row);
        }
    }
}
