//! Functions over ranges: `rate(x[5m])` and the like. Each series is decoded once; a window slides over its samples.

use model::{Labels, Projection, SeriesSet, TimeRange};

use super::buckets::Buckets;
use super::finish::{drop_reserved, has_same_labels, same_labelset_error};
use super::prepare::selector_span;
use super::select::{Batch, Lookup, Scratch, Sink, is_plain, pinned_name};
use super::series::{Series, Steps};
use super::slide::{Extrapolated, Grid};
use super::subquery::{Inner, load_samples};
use super::windows::{Bounds, Cursor};
use super::{Evaluator, Query};
use crate::annotations::Notice;
use crate::ast::{Call, Expr, VectorSelector};
use crate::engine::QueryError;
use crate::functions::{RangeEnv, RangeFunction};

/// How windows lie relative to the steps.
struct Frame<'a> {
    lookup: Lookup,
    range_ms: i64,
    before: i64,
    after: i64,
    anchored: bool,
    smoothed: bool,
    /// Samples of a subquery were counted as read when it was evaluated.
    counts_reads: bool,
    with_starts: bool,
    /// One column for each scalar argument.
    scalars: &'a [Vec<f64>],
    call: &'a Call,
    function: RangeFunction,
    /// The same function for plain floats, where it is one of those.
    extrapolated: Option<Extrapolated>,
    drop_name: bool,
    buckets: Buckets,
}

/// Samples in windows between two looks at whether anybody still waits for the answer: a single series may have windows of
/// millions.
const CHECK_EVERY: u64 = 1 << 20;

/// Where the samples come from.
enum Origin<'a> {
    Store { set: &'a dyn SeriesSet, range: TimeRange, pinned: Option<&'a str>, projected: bool },
    Subquery(&'a Inner),
}

impl Evaluator<'_> {
    /// Evaluates a call that has a range argument. `projection` may be given only where [`can_stream`] allowed it.
    pub(crate) fn stream_range_call(
        &mut self,
        call: &Call,
        function: RangeFunction,
        projection: Option<&Projection>,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let matrix_at = call.args.iter().position(|a| matches!(a, Expr::Matrix(_) | Expr::Subquery(_)));
        let Some(matrix_at) = matrix_at else {
            return Err(QueryError::execution(format!("{} needs a range", call.func.name)));
        };
        let inner = match &call.args[matrix_at] {
            Expr::Subquery(subquery) => Some(self.eval_subquery_argument(subquery)?),
            _ => None,
        };
        let held = inner.as_ref().map_or(0, |i| i.series.iter().map(Series::samples).sum());
        let mut scalars = Vec::new();
        for (at, arg) in call.args.iter().enumerate() {
            if at != matrix_at {
                scalars.push(self.eval_scalar(arg)?);
            }
        }
        let name = call.func.name;
        let mut frame = Frame {
            lookup: Lookup { at: None, offset: 0 },
            range_ms: 0,
            before: 0,
            after: 0,
            anchored: false,
            smoothed: false,
            counts_reads: inner.is_none(),
            with_starts: self.query.options.use_start_timestamps
                && matches!(name, "rate" | "irate" | "increase" | "resets"),
            scalars: &scalars,
            call,
            function,
            extrapolated: Extrapolated::of(name),
            drop_name: !matches!(name, "last_over_time" | "first_over_time"),
            buckets: self.buckets,
        };
        match (&call.args[matrix_at], &inner) {
            (Expr::Subquery(subquery), Some(inner)) => {
                frame.lookup = Lookup::new(subquery.at, subquery.offset_ms);
                frame.range_ms = subquery.range_ms;
                self.run_range_call(&frame, &Origin::Subquery(inner), inner.series.len(), sink)?;
            }
            (Expr::Matrix(matrix), _) => {
                check_modifiers(&matrix.selector, name)?;
                let selector = &matrix.selector;
                frame.lookup = Lookup::of(selector);
                frame.range_ms = matrix.range_ms;
                (frame.anchored, frame.smoothed) = (selector.anchored, selector.smoothed);
                frame.before = if selector.anchored || selector.smoothed { self.query.lookback_ms } else { 0 };
                frame.after = if selector.smoothed { self.query.lookback_ms } else { 0 };
                let (first, last) = frame.lookup.extent(self.steps);
                let from = first.saturating_sub(matrix.range_ms).saturating_sub(frame.before).saturating_add(1);
                let wanted = TimeRange::new(from, last.saturating_add(frame.after));
                // Of downsampled data whole buckets are taken, which may reach beyond the range.
                let bucket = self.query.source.longest_bucket_ms(self.query.tenant, wanted);
                let range =
                    TimeRange { start: wanted.start.plus_ms(bucket.saturating_neg()), end: wanted.end.plus_ms(bucket) };
                let set = self.query.select(selector, range, projection)?;
                let origin = Origin::Store {
                    set: set.as_ref(),
                    range,
                    pinned: pinned_name(selector),
                    projected: projection.is_some(),
                };
                self.run_range_call(&frame, &origin, set.len(), sink)?;
            }
            _ => {}
        }
        self.query.account.release(held.min(self.query.account.current()));
        Ok(())
    }

    fn run_range_call(
        &mut self,
        frame: &Frame<'_>,
        origin: &Origin<'_>,
        count: usize,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let (query, steps) = (self.query, self.steps);
        self.for_each_series(
            count,
            |index, scratch, batch| one_series(query, steps, frame, origin, index, scratch, batch),
            sink,
        )
    }

    /// A range call whose whole result is wanted.
    pub(crate) fn eval_range_call(&mut self, call: &Call, function: RangeFunction) -> Result<Vec<Series>, QueryError> {
        let mut all = Vec::new();
        self.stream_range_call(call, function, None, &mut |series, _| {
            all.extend(series);
            Ok(())
        })?;
        if call.func.name == "absent_over_time" {
            return Ok(self.steps_without_samples(call, &all));
        }
        if !self.query.options.delayed_name_removal && has_same_labels(&all) {
            return Err(same_labelset_error());
        }
        Ok(all)
    }

    fn steps_without_samples(&self, call: &Call, present: &[Series]) -> Vec<Series> {
        let count = self.steps.count;
        let mut absent = vec![1.0; count];
        for series in present {
            for (step, v) in absent.iter_mut().enumerate() {
                if series.is_present_at(step) {
                    *v = model::stale_nan();
                }
            }
        }
        let labels = crate::functions::labels::labels_for_absent(&call.args[0]);
        let series = Series { floats: absent, drop_name: true, ..Series::new(labels) };
        if series.is_empty() { Vec::new() } else { vec![series] }
    }
}

/// True where the series of a range call may be aggregated while they are produced, because no check needs to see them all:
/// with the metric name pinned, dropping it makes no two series equal.
pub(crate) fn can_stream(call: &Call, delayed_name_removal: bool) -> bool {
    match call.args.iter().find(|a| matches!(a, Expr::Matrix(_) | Expr::Subquery(_))) {
        Some(Expr::Matrix(matrix)) if call.func.name != "absent_over_time" => {
            delayed_name_removal || pinned_name(&matrix.selector).is_some()
        }
        _ => false,
    }
}

fn check_modifiers(selector: &VectorSelector, function: &str) -> Result<(), QueryError> {
    const ANCHORED: [&str; 5] = ["changes", "delta", "increase", "rate", "resets"];
    const SMOOTHED: [&str; 3] = ["delta", "increase", "rate"];
    let (modifier, allowed): (&str, &[&str]) = if selector.anchored {
        ("anchored", &ANCHORED)
    } else if selector.smoothed {
        ("smoothed", &SMOOTHED)
    } else {
        return Ok(());
    };
    if allowed.contains(&function) {
        return Ok(());
    }
    let list = allowed.join(", ");
    Err(QueryError::execution(format!("{modifier} modifier can only be used with: {list} - not with {function}")))
}

fn one_series(
    query: &Query<'_>,
    steps: Steps,
    frame: &Frame<'_>,
    origin: &Origin<'_>,
    index: usize,
    scratch: &mut Scratch,
    batch: &mut Batch,
) -> Result<(), QueryError> {
    let mut series = match origin {
        Origin::Store { set, range, .. } => {
            scratch.buffer.clear();
            set.read(index, *range, &mut scratch.buffer)?;
            frame.buckets.apply(&mut scratch.buffer);
            batch.see_downsampled(&scratch.buffer, selector_span(&frame.call.args[0]));
            if scratch.buffer.is_empty() {
                return Ok(());
            }
            if let Some(function) = frame.extrapolated.filter(|_| frame.is_plain_range() && is_plain(&scratch.buffer)) {
                return slide_series(query, steps, frame, function, (*set, origin), index, scratch, batch);
            }
            scratch.samples.load(&scratch.buffer, frame.with_starts);
            if scratch.samples.weight() == 0 {
                return Ok(());
            }
            Series::new(set.labels(index))
        }
        Origin::Subquery(inner) => {
            load_samples(&mut scratch.samples, &inner.series[index], inner.steps);
            inner.series[index].like()
        }
    };
    let samples = &scratch.samples;
    let held = samples.weight();
    query.account.take(held)?;
    let (metric, type_label) = names_of(query, origin, &series.labels);
    let mut env = RangeEnv {
        scalars: [0.0; 2],
        metric: &metric,
        position: selector_span(&frame.call.args[0]),
        notes: &mut batch.notes,
    };
    let mut cursor = Cursor::default();
    let mut unchecked = 0;
    for step in 0..steps.count {
        let step_time = steps.at(step);
        let end = frame.lookup.time(step_time);
        let start = end.saturating_sub(frame.range_ms);
        let newest = end.saturating_add(frame.after);
        let extended = frame.before > 0;
        let buckets = if frame.range_ms > 0 && !extended { samples.whole_buckets(start, end) } else { None };
        if let Some((after, until)) = buckets {
            cursor = Cursor::between(samples, after, until);
        } else if samples.is_downsampled() {
            cursor = Cursor::between(samples, start.saturating_sub(frame.before), newest);
        } else if frame.range_ms > 0 || frame.before > 0 {
            cursor.advance(samples, start.saturating_sub(frame.before), newest);
        }
        if cursor.is_empty() {
            continue;
        }
        let weight = cursor.weight(samples) as u64;
        unchecked += weight;
        if unchecked > CHECK_EVERY {
            query.check()?;
            unchecked = 0;
        }
        batch.stats.total[step] += weight;
        if frame.counts_reads {
            if step == 0 {
                batch.stats.read[0] += weight;
            } else if frame.lookup.at.is_none() {
                batch.stats.read[step] += cursor.weight_after(samples, newest - steps.interval) as u64;
            }
        }
        for (slot, column) in env.scalars.iter_mut().zip(frame.scalars) {
            *slot = column[step];
        }
        let (start, end) = buckets.unwrap_or((start, end));
        let bounds = Bounds {
            start,
            end,
            range_ms: buckets.map_or(frame.range_ms, |(start, end)| end - start),
            share: buckets.map_or(1.0, |(start, end)| frame.range_ms as f64 / (end - start) as f64),
            step_time,
            anchored: frame.anchored,
            smoothed: frame.smoothed,
        };
        if let Some(value) = (frame.function)(&cursor.window(samples, bounds), &mut env)? {
            series.set(step, value, steps.count);
        }
    }
    query.account.release(held);
    finish_series(query, frame, series, &metric, &type_label, batch)
}

/// Metric name and type of a series, as annotations name them. A projection may have left them out.
fn names_of(query: &Query<'_>, origin: &Origin<'_>, labels: &Labels) -> (String, String) {
    let metric = match origin {
        Origin::Store { pinned: Some(name), projected: true, .. } => *name,
        _ => labels.metric_name(),
    };
    let type_label = if query.options.type_and_unit_labels { labels.get("__type__") } else { None };
    (metric.to_owned(), type_label.unwrap_or("").to_owned())
}

/// The usual case: floats alone, none of them a marker, and a function that has a form for them.
fn slide_series(
    query: &Query<'_>,
    steps: Steps,
    frame: &Frame<'_>,
    function: Extrapolated,
    (set, origin): (&dyn SeriesSet, &Origin<'_>),
    index: usize,
    scratch: &mut Scratch,
    batch: &mut Batch,
) -> Result<(), QueryError> {
    let samples = (scratch.buffer.timestamps.as_slice(), scratch.buffer.values.as_slice());
    let held = samples.0.len();
    query.account.take(held)?;
    let grid = Grid { steps, lookup: frame.lookup, range_ms: frame.range_ms, function };
    let floats = scratch.slide.run(samples, grid);
    let (seen, new) = scratch.slide.counts();
    let moves = frame.lookup.at.is_none();
    batch.stats.add(seen, if moves { new } else { &new[..1] });
    query.account.release(held);
    if floats.is_empty() {
        return Ok(());
    }
    let series = Series { floats, ..Series::new(set.labels(index)) };
    let (metric, type_label) = names_of(query, origin, &series.labels);
    finish_series(query, frame, series, &metric, &type_label, batch)
}

impl Frame<'_> {
    /// True where a window holds what lies in the range and nothing else.
    fn is_plain_range(&self) -> bool {
        self.range_ms > 0 && !self.anchored && !self.smoothed && !self.with_starts
    }
}

fn finish_series(
    query: &Query<'_>,
    frame: &Frame<'_>,
    mut series: Series,
    metric: &str,
    type_label: &str,
    batch: &mut Batch,
) -> Result<(), QueryError> {
    if series.is_empty() {
        return Ok(());
    }
    if matches!(frame.call.func.name, "rate" | "increase") && !metric.is_empty() && !series.floats.is_empty() {
        let position = selector_span(&frame.call.args[0]);
        const COUNTER_SUFFIXES: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];
        if query.options.type_and_unit_labels {
            if type_label != "counter" && type_label != "histogram" {
                batch.notes.add(Notice::PossibleNonCounterLabel { metric, type_label }.at(position));
            }
        } else if !COUNTER_SUFFIXES.iter().any(|suffix| metric.ends_with(suffix)) {
            batch.notes.add(Notice::PossibleNonCounter { metric }.at(position));
        }
    }
    series.drop_name |= frame.drop_name;
    if series.drop_name && !query.options.delayed_name_removal {
        series.labels = drop_reserved(&series.labels);
    }
    batch.push(query, series)
}
