//! Rates over `anchored` and `smoothed` ranges: no extrapolation, but a value at either end of the range.

use std::sync::Arc;

use model::histogram::IncompatibleSchema;
use model::{CounterResetHint, FloatHistogram, SampleValue};

use super::RangeEnv;
use super::rate::combine;
use crate::annotations::{Annotations, HistogramOperation, Notice};
use crate::eval::Window;

/// The value at a time between two samples. A counter that fell is taken to have restarted from zero.
pub(crate) fn interpolate(before: (i64, f64), after: (i64, f64), time: i64, is_counter: bool) -> f64 {
    let from = if is_counter && after.1 < before.1 { 0.0 } else { before.1 };
    from + (after.1 - from) * (time - before.0) as f64 / (after.0 - before.0) as f64
}

/// The same for histograms.
pub(crate) fn interpolate_histograms(
    before: (i64, &FloatHistogram),
    after: (i64, &FloatHistogram),
    time: i64,
    is_counter: bool,
    notes: &mut Annotations,
    position: usize,
) -> Result<FloatHistogram, IncompatibleSchema> {
    let ((t1, h1), (t2, h2)) = (before, after);
    if time == t1 {
        return Ok(h1.clone());
    }
    let mut result = h2.clone();
    if time == t2 {
        return Ok(result);
    }
    let fraction = (time - t1) as f64 / (t2 - t1) as f64;
    if is_counter && h2.detect_reset(h1) {
        result.mul(fraction);
        return Ok(result);
    }
    if result.sub(h1)?.bounds_reconciled {
        notes.add(Notice::MismatchedCustomBuckets(HistogramOperation::Subtraction).at(position));
    }
    result.mul(fraction);
    if result.add(h1)?.bounds_reconciled {
        notes.add(Notice::MismatchedCustomBuckets(HistogramOperation::Addition).at(position));
    }
    Ok(result)
}

/// First and last sample that matter: the last one at or before the start of the range, and for `smoothed` the first one at or
/// after its end. `None` where no sample lies within the range.
fn relevant(w: &Window<'_>, times: &[i64]) -> Option<(usize, usize)> {
    let newest = times.len().checked_sub(1)?;
    let first = times[..newest].partition_point(|t| *t <= w.bounds.start).saturating_sub(1);
    let last = if w.bounds.smoothed { times[..newest].partition_point(|t| *t < w.bounds.end) } else { newest };
    let outside = times[last] <= w.bounds.start || (w.bounds.smoothed && times[first] > w.bounds.end);
    if outside { None } else { Some((first, last)) }
}

pub(crate) fn extended_rate(
    w: &Window<'_>,
    env: &mut RangeEnv<'_>,
    is_counter: bool,
    is_rate: bool,
) -> Option<SampleValue> {
    let seconds = w.bounds.range_ms as f64 / 1000.0;
    if !w.histograms.is_empty() {
        let mut result = histogram_change(w, env, is_counter)?;
        if is_rate {
            result.div(seconds);
        }
        result.counter_reset_hint = CounterResetHint::Gauge;
        result.compact();
        return Some(SampleValue::Histogram(Arc::new(result)));
    }
    let change = float_change(w, is_counter)?;
    Some(SampleValue::Float(if is_rate { change / seconds } else { change }))
}

fn float_change(w: &Window<'_>, is_counter: bool) -> Option<f64> {
    let (first, last) = relevant(w, w.float_times)?;
    let point = |i: usize| (w.float_times[i], w.floats[i]);
    let smoothed = w.bounds.smoothed;
    let left = if smoothed && w.float_times[first] < w.bounds.start {
        interpolate(point(first), point(first + 1), w.bounds.start, is_counter)
    } else {
        w.floats[first]
    };
    let right = if smoothed && last > 0 && w.float_times[last] > w.bounds.end {
        interpolate(point(last - 1), point(last), w.bounds.end, is_counter)
    } else {
        w.floats[last]
    };
    let mut change = right - left;
    if is_counter {
        let from = if w.float_times[first] <= w.bounds.start { first + 1 } else { first };
        let until = if w.float_times[last] >= w.bounds.end { last } else { last + 1 };
        let within = w.floats.get(from..until).unwrap_or(&[]);
        let mut previous = left;
        let mut lost = 0.0;
        for (at, v) in (from..).zip(within.iter().copied()).chain([(until, right)]) {
            if let Some(gap) = w.gap_before(at) {
                lost += gap.lost;
            } else if v < previous {
                lost += previous;
            }
            previous = v;
        }
        change += lost;
    }
    Some(change)
}

fn histogram_change(w: &Window<'_>, env: &mut RangeEnv<'_>, is_counter: bool) -> Option<FloatHistogram> {
    let metric = env.metric;
    let (first, last) = relevant(w, w.histogram_times)?;
    let custom = w.histograms[first].uses_custom_buckets();
    for h in &w.histograms[first..=last] {
        if h.uses_custom_buckets() != custom {
            env.note(Notice::MixedExponentialCustom { metric });
            return None;
        }
        if is_counter && h.counter_reset_hint == CounterResetHint::Gauge {
            env.note(Notice::NativeNotCounter { metric });
        }
    }
    let point = |i: usize| (w.histogram_times[i], &*w.histograms[i]);
    let smoothed = w.bounds.smoothed;
    let position = env.position;
    let mut between = |a: usize, b: usize, time: i64| {
        interpolate_histograms(point(a), point(b), time, is_counter, env.notes, position).ok()
    };
    let left = if smoothed && w.histogram_times[first] < w.bounds.start {
        between(first, first + 1, w.bounds.start)?
    } else {
        (*w.histograms[first]).clone()
    };
    let right = if smoothed && last > 0 && w.histogram_times[last] > w.bounds.end {
        between(last - 1, last, w.bounds.end)?
    } else {
        (*w.histograms[last]).clone()
    };
    let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
    if !is_counter && (!is_gauge(&left) || !is_gauge(&right)) {
        env.note(Notice::NativeNotGauge { metric });
    }
    let mut result = right.clone();
    if !combine(&mut result, &left, -1.0, env) {
        return None;
    }
    if is_counter {
        let lost = lost_at_resets(w, env, (first, last), &left, &right)?;
        if let Some(lost) = lost
            && !combine(&mut result, &lost, 1.0, env)
        {
            return None;
        }
    }
    Some(result)
}

/// What the counter held at each reset between the ends of the range. `None` where histograms do not fit together.
fn lost_at_resets(
    w: &Window<'_>,
    env: &mut RangeEnv<'_>,
    (first, last): (usize, usize),
    left: &FloatHistogram,
    right: &FloatHistogram,
) -> Option<Option<FloatHistogram>> {
    // The first sample is represented by `left`, the last one by `right`.
    let mut from = first + 1;
    let mut previous = left;
    let left_spans_reset = w.bounds.smoothed
        && w.histogram_times[first] < w.bounds.start
        && w.histograms[first + 1].detect_reset(&w.histograms[first]);
    if left_spans_reset {
        previous = &w.histograms[first + 1];
        from += 1;
    }
    let mut lost: Option<FloatHistogram> = None;
    if from > last {
        return Some(lost);
    }
    let within = w.histograms[from..last].iter().map(|h| &**h);
    for h in within.chain([right]) {
        if h.detect_reset(previous) {
            match &mut lost {
                None => lost = Some(previous.clone()),
                Some(sum) => {
                    if !combine(sum, previous, 1.0, env) {
                        return None;
                    }
                }
            }
        }
        previous = h;
    }
    Some(lost)
}
