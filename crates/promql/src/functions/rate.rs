//! `rate`, `increase`, `delta`, `irate`, `idelta`, with Prometheus' extrapolation to the ends of the range.

use std::sync::Arc;

use model::histogram::Merged;
use model::{CounterResetHint, FloatHistogram, SampleValue};

use super::RangeEnv;
use super::extended::extended_rate;
use crate::annotations::{HistogramOperation, Notice};
use crate::engine::QueryError;
use crate::eval::Window;

type Outcome = Result<Option<SampleValue>, QueryError>;

pub(crate) fn rate(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(extrapolated(w, env, true, true))
}

pub(crate) fn increase(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(extrapolated(w, env, true, false))
}

pub(crate) fn delta(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(extrapolated(w, env, false, false))
}

pub(crate) fn irate(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(instant_value(w, env, true))
}

pub(crate) fn idelta(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(instant_value(w, env, false))
}

/// Start and sample time of a sample, in milliseconds; the start is 0 where unknown.
type StartAndTime = (i64, i64);

/// True where start timestamps tell that counting began anew between two samples.
pub(crate) fn is_start_reset(previous: StartAndTime, current: StartAndTime) -> bool {
    let ((previous_start, previous_time), (start, time)) = (previous, current);
    if start == 0 || start >= time || start < previous_time {
        return false;
    }
    if start > previous_time {
        return true;
    }
    // The sample starts where the one before ends: a delta series, unless that one's own start is unknown or invalid.
    previous_start <= previous_time && previous_start != 0 && previous_start != previous_time
}

/// True where a sample claims to have started before the previous one was taken, and not together with it.
fn starts_overlap(previous: StartAndTime, start: i64) -> bool {
    start != 0 && start < previous.1 && start != previous.0
}

fn start_at(starts: &[i64], times: &[i64], at: usize) -> Option<StartAndTime> {
    starts.get(at).map(|start| (*start, times[at]))
}

fn is_reset_between(starts: &[i64], times: &[i64], at: usize) -> bool {
    match (start_at(starts, times, at - 1), start_at(starts, times, at)) {
        (Some(previous), Some(current)) => is_start_reset(previous, current),
        _ => false,
    }
}

fn note_overlap(env: &mut RangeEnv<'_>, starts: &[i64], times: &[i64]) {
    let overlaps = (1..starts.len()).any(|at| starts_overlap((starts[at - 1], times[at - 1]), starts[at]));
    if overlaps {
        let metric = env.metric;
        env.note(Notice::StartTimeOverlap { metric });
    }
}

fn extrapolated(w: &Window<'_>, env: &mut RangeEnv<'_>, is_counter: bool, is_rate: bool) -> Option<SampleValue> {
    if w.has_both_kinds() {
        let metric = env.metric;
        env.note(Notice::MixedFloatsHistograms { metric });
        return None;
    }
    if w.bounds.anchored || w.bounds.smoothed {
        return extended_rate(w, env, is_counter, is_rate);
    }
    if w.histograms.is_empty() {
        let increase = if is_counter { float_increase(w, env) } else { w.floats.last()? - w.floats.first()? };
        let first = w.floats[0];
        let starts = if is_counter { w.float_starts } else { &[] };
        let (factor, adds_first) =
            extrapolation(w, (w.float_times, w.float_count()), starts, is_counter, is_rate, |sampled| {
                (increase > 0.0 && first >= 0.0).then(|| sampled * (first / increase))
            })?;
        let increase = if adds_first { increase + first } else { increase };
        return Some(SampleValue::Float(increase * factor));
    }
    let mut result = None;
    if w.histograms.len() > 1 {
        result = Some(histogram_increase(w, env, is_counter)?);
    }
    let first = &w.histograms[0];
    let starts = if is_counter { w.histogram_starts } else { &[] };
    let (factor, adds_first) =
        extrapolation(w, (w.histogram_times, w.histogram_count()), starts, is_counter, is_rate, |sampled| {
            let grown = result.as_ref().map(|h: &FloatHistogram| h.count).filter(|c| *c > 0.0)?;
            (first.count >= 0.0).then(|| sampled * (first.count / grown))
        })?;
    let mut result = match result {
        None => (**first).clone(),
        Some(mut sum) => {
            if adds_first && !combine(&mut sum, first, 1.0, env) {
                return None;
            }
            sum
        }
    };
    result.mul(factor);
    Some(SampleValue::Histogram(Arc::new(result)))
}

/// Last minus first, plus what was lost at each reset.
fn float_increase(w: &Window<'_>, env: &mut RangeEnv<'_>) -> f64 {
    let values = w.floats;
    let mut increase = values[values.len() - 1] - values[0];
    if w.float_starts.is_empty() {
        for (before, pair) in values.windows(2).enumerate() {
            if let Some(gap) = w.gap_before(before + 1) {
                increase += gap.lost;
            } else if pair[1] < pair[0] {
                increase += pair[0];
            }
        }
        return increase;
    }
    note_overlap(env, w.float_starts, w.float_times);
    for at in 1..values.len() {
        if let Some(gap) = w.gap_before(at) {
            increase += gap.lost;
        } else if values[at] < values[at - 1] || is_reset_between(w.float_starts, w.float_times, at) {
            increase += values[at - 1];
        }
    }
    increase
}

/// The factor that stretches the sampled increase to the whole range, and whether the first sample's value belongs to the
/// increase because its counter started within the range. `None` where one sample alone says nothing.
///
/// A series that begins or ends within 1.1 average sample distances of the range's edge is taken to reach it; otherwise it is
/// extended by half a distance. A counter is not extended below zero.
fn extrapolation(
    w: &Window<'_>,
    (times, count): (&[i64], u64),
    starts: &[i64],
    is_counter: bool,
    is_rate: bool,
    duration_to_zero: impl Fn(f64) -> Option<f64>,
) -> Option<(f64, bool)> {
    let (first, last) = (*times.first()?, *times.last()?);
    let gaps = count - 1;
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let mut to_start = seconds(first - w.bounds.start);
    let mut to_end = seconds(w.bounds.end - last);
    let mut sampled = seconds(last - first);
    let average = if gaps > 0 { sampled / gaps as f64 } else { 0.0 };
    let threshold = average * 1.1;
    let start = starts.first().copied().filter(|s| *s != 0 && *s > w.bounds.start && *s < first);
    if let Some(start) = start {
        to_start = 0.0;
        sampled = seconds(last - start);
    } else if gaps == 0 {
        return None;
    } else {
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if is_counter
            && let Some(to_zero) = duration_to_zero(sampled)
            && to_zero < to_start
        {
            to_start = to_zero;
        }
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    if is_rate {
        factor /= seconds(w.bounds.range_ms);
    } else {
        factor *= w.bounds.share;
    }
    Some((factor, start.is_some()))
}

/// Adds or subtracts a histogram, with annotations; false where the two do not fit together.
pub(crate) fn combine(base: &mut FloatHistogram, other: &FloatHistogram, sign: f64, env: &mut RangeEnv<'_>) -> bool {
    let (merged, operation) = if sign > 0.0 {
        (base.add(other), HistogramOperation::Addition)
    } else {
        (base.sub(other), HistogramOperation::Subtraction)
    };
    match merged {
        Ok(Merged { bounds_reconciled: true, .. }) => env.note(Notice::MismatchedCustomBuckets(operation)),
        Ok(_) => {}
        Err(_) => {
            let metric = env.metric;
            env.note(Notice::MixedExponentialCustom { metric });
            return false;
        }
    }
    true
}

/// The increase over at least two histograms. Conflicting reset hints are expected here and not warned of.
fn histogram_increase(w: &Window<'_>, env: &mut RangeEnv<'_>, is_counter: bool) -> Option<FloatHistogram> {
    let metric = env.metric;
    let points = w.histograms;
    let last = &points[points.len() - 1];
    let mut first = Arc::clone(&points[0]);
    let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
    if is_counter && (is_gauge(&first) || is_gauge(last)) {
        env.note(Notice::NativeNotCounter { metric });
    }
    if is_counter && (is_reset_between(w.histogram_starts, w.histogram_times, 1) || points[1].detect_reset(&first)) {
        // What came before a reset right after the first sample does not matter, nor does its bucket layout.
        first = Arc::new(FloatHistogram {
            schema: points[1].schema,
            custom_values: points[1].custom_values.clone(),
            ..FloatHistogram::default()
        });
    }
    let custom = first.uses_custom_buckets();
    if last.uses_custom_buckets() != custom {
        env.note(Notice::MixedExponentialCustom { metric });
        return None;
    }
    let mut schema = last.schema.min(first.schema);
    if is_counter {
        for h in &points[1..points.len() - 1] {
            if is_gauge(h) {
                env.note(Notice::NativeNotCounter { metric });
            }
            schema = schema.min(h.schema);
            if h.uses_custom_buckets() != custom {
                env.note(Notice::MixedExponentialCustom { metric });
                return None;
            }
        }
    }
    let mut result = last.copy_to_schema(schema);
    if !combine(&mut result, &first, -1.0, env) {
        return None;
    }
    if is_counter {
        note_overlap(env, w.histogram_starts, w.histogram_times);
        let mut previous = first;
        for (at, h) in points.iter().enumerate().skip(1) {
            let reset = is_reset_between(w.histogram_starts, w.histogram_times, at) || h.detect_reset(&previous);
            if reset && !combine(&mut result, &previous, 1.0, env) {
                return None;
            }
            previous = Arc::clone(h);
        }
    } else if !is_gauge(&points[0]) || !is_gauge(last) {
        env.note(Notice::NativeNotGauge { metric });
    }
    result.counter_reset_hint = CounterResetHint::Gauge;
    result.compact();
    Some(result)
}

/// One of the last two samples.
#[derive(Clone)]
struct Point {
    start: i64,
    time: i64,
    value: SampleValue,
}

/// The difference of the last two samples, per second for `irate`.
fn instant_value(w: &Window<'_>, env: &mut RangeEnv<'_>, is_rate: bool) -> Option<SampleValue> {
    let metric = env.metric;
    let [previous, current] = last_two(w)?;
    let interval = current.time - previous.time;
    if interval == 0 {
        return None;
    }
    let starts_anew = is_start_reset((previous.start, previous.time), (current.start, current.time));
    let seconds = interval as f64 / 1000.0;
    match (&previous.value, &current.value) {
        (SampleValue::Float(before), SampleValue::Float(now)) => {
            let reset = is_rate && (now < before || starts_anew);
            let difference = if reset { *now } else { now - before };
            Some(SampleValue::Float(if is_rate { difference / seconds } else { difference }))
        }
        (SampleValue::Histogram(before), SampleValue::Histogram(now)) => {
            let both_gauges = [before, now].iter().all(|h| h.counter_reset_hint == CounterResetHint::Gauge);
            let any_gauge = [before, now].iter().any(|h| h.counter_reset_hint == CounterResetHint::Gauge);
            if is_rate && any_gauge {
                env.note(Notice::NativeNotCounter { metric });
            }
            if !is_rate && !both_gauges {
                env.note(Notice::NativeNotGauge { metric });
            }
            let mut result = (**now).clone();
            let reset = is_rate && (starts_anew || now.detect_reset(before));
            if !reset && !combine(&mut result, before, -1.0, env) {
                return None;
            }
            result.counter_reset_hint = CounterResetHint::Gauge;
            result.compact();
            if is_rate {
                result.div(seconds);
            }
            Some(SampleValue::Histogram(Arc::new(result)))
        }
        _ => {
            env.note(Notice::MixedFloatsHistograms { metric });
            None
        }
    }
}

fn last_two(w: &Window<'_>) -> Option<[Point; 2]> {
    let floats = (0..w.floats.len()).rev().take(2).map(|i| Point {
        start: w.float_starts.get(i).copied().unwrap_or(0),
        time: w.float_times[i],
        value: SampleValue::Float(w.floats[i]),
    });
    let histograms = (0..w.histograms.len()).rev().take(2).map(|i| Point {
        start: w.histogram_starts.get(i).copied().unwrap_or(0),
        time: w.histogram_times[i],
        value: SampleValue::Histogram(Arc::clone(&w.histograms[i])),
    });
    let mut points: Vec<Point> = floats.chain(histograms).collect();
    points.sort_by_key(|p| p.time);
    let current = points.pop()?;
    Some([points.pop()?, current])
}
