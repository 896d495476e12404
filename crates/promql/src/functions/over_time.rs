//! The `*_over_time` family.

use model::Aggregate;
use model::SampleValue::{self, Float, Histogram};
use model::histogram::kahan_inc;

use super::RangeEnv;
use super::histogram_range::{avg_histograms, sum_histograms};
use super::quantile::quantile as quantile_of;
use crate::annotations::Notice;
use crate::engine::QueryError;
use crate::eval::Window;

type Outcome = Result<Option<SampleValue>, QueryError>;

fn float(v: f64) -> Outcome {
    Ok(Some(Float(v)))
}

pub(crate) fn present(_: &Window<'_>, _: &mut RangeEnv<'_>) -> Outcome {
    float(1.0)
}

pub(crate) fn count(w: &Window<'_>, _: &mut RangeEnv<'_>) -> Outcome {
    float((w.float_count() + w.histogram_count()) as f64 * w.bounds.share)
}

/// Refuses a mix of floats and histograms.
fn is_mixed(w: &Window<'_>, env: &mut RangeEnv<'_>) -> bool {
    if w.has_both_kinds() {
        let metric = env.metric;
        env.note(Notice::MixedFloatsHistograms { metric });
    }
    w.has_both_kinds()
}

/// For functions of floats: false where there is none; histograms are pointed out and ignored.
fn has_floats(w: &Window<'_>, env: &mut RangeEnv<'_>) -> bool {
    if w.has_both_kinds() {
        let metric = env.metric;
        env.note(Notice::HistogramIgnoredInMixedRange { metric });
    }
    !w.floats.is_empty()
}

pub(crate) fn sum(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    if is_mixed(w, env) {
        return Ok(None);
    }
    if w.floats.is_empty() {
        return Ok(sum_histograms(w, env));
    }
    if !w.aggregates.is_empty() {
        return float(total(w.aggregates.iter().map(|a| a.sum)) * w.bounds.share);
    }
    float(total(w.floats.iter().copied()))
}

/// The compensated sum.
fn total(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, error) = values.fold((0.0, 0.0), |(sum, error), v| kahan_inc(v, sum, error));
    if sum.is_infinite() { sum } else { sum + error }
}

/// The mean is the compensated sum divided by the count, until the sum would overflow; from there on it is built step by
/// step.
pub(crate) fn avg(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    if is_mixed(w, env) {
        return Ok(None);
    }
    if w.floats.is_empty() {
        return Ok(avg_histograms(w, env));
    }
    if !w.aggregates.is_empty() {
        return float(total(w.aggregates.iter().map(|a| a.sum)) / w.float_count() as f64);
    }
    let mut mean = Mean::new(w.floats[0]);
    w.floats[1..].iter().for_each(|v| mean.add(*v));
    float(mean.value())
}

/// A running mean with compensated errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    /// The sum, or once that would overflow the mean.
    value: f64,
    error: f64,
    count: f64,
    incremental: bool,
}

impl Mean {
    pub(crate) fn new(first: f64) -> Self {
        Mean { value: first, error: 0.0, count: 1.0, incremental: false }
    }

    pub(crate) fn add(&mut self, v: f64) {
        self.count += 1.0;
        if !self.incremental {
            let (sum, error) = kahan_inc(v, self.value, self.error);
            if !sum.is_infinite() {
                (self.value, self.error) = (sum, error);
                return;
            }
            self.incremental = true;
            self.value /= self.count - 1.0;
            self.error /= self.count - 1.0;
        }
        let weight = (self.count - 1.0) / self.count;
        (self.value, self.error) = kahan_inc(v / self.count, weight * self.value, weight * self.error);
    }

    pub(crate) fn value(&self) -> f64 {
        if self.incremental { self.value + self.error } else { self.value / self.count + self.error / self.count }
    }
}

pub(crate) fn first(w: &Window<'_>, _: &mut RangeEnv<'_>) -> Outcome {
    Ok(match (w.floats.first(), w.histograms.first()) {
        (Some(v), None) => Some(Float(*v)),
        (Some(v), Some(_)) if w.float_times[0] < w.histogram_times[0] => Some(Float(*v)),
        (_, h) => h.map(|h| Histogram(h.clone())),
    })
}

pub(crate) fn last(w: &Window<'_>, _: &mut RangeEnv<'_>) -> Outcome {
    Ok(match (w.floats.last(), w.histograms.last()) {
        (Some(v), None) => Some(Float(*v)),
        (Some(v), Some(_)) if w.histogram_times.last() < w.float_times.last() => Some(Float(*v)),
        (_, h) => h.map(|h| Histogram(h.clone())),
    })
}

pub(crate) fn time_of_first(w: &Window<'_>, _: &mut RangeEnv<'_>) -> Outcome {
    let time = w.float_times.first().into_iter().chain(w.histogram_times.first()).min();
    Ok(time.map(|t| Float(*t as f64 / 1000.0)))
}

pub(crate) fn time_of_last(w: &Window<'_>, _: &mut RangeEnv<'_>) -> Outcome {
    let time = w.float_times.last().into_iter().chain(w.histogram_times.last()).max();
    Ok(time.map(|t| Float(*t as f64 / 1000.0)))
}

/// The sample that no later one beats: time and value. `extreme` tells which value of an aggregate may be it.
fn best(
    w: &Window<'_>,
    env: &mut RangeEnv<'_>,
    beats: fn(f64, f64) -> bool,
    extreme: fn(&Aggregate) -> f64,
) -> Option<(i64, f64)> {
    if !has_floats(w, env) {
        return None;
    }
    let value = |at: usize| w.aggregates.get(at).map_or(w.floats[at], extreme);
    let mut best = (w.float_times[0], value(0));
    for (at, time) in w.float_times.iter().enumerate() {
        let v = value(at);
        if beats(v, best.1) || best.1.is_nan() {
            best = (*time, v);
        }
    }
    Some(best)
}

pub(crate) fn max(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(best(w, env, |new, old| new > old, |a| a.max).map(|(_, v)| Float(v)))
}

pub(crate) fn min(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(best(w, env, |new, old| new < old, |a| a.min).map(|(_, v)| Float(v)))
}

pub(crate) fn time_of_max(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(best(w, env, |new, old| new >= old, |a| a.max).map(|(t, _)| Float(t as f64 / 1000.0)))
}

pub(crate) fn time_of_min(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(best(w, env, |new, old| new <= old, |a| a.min).map(|(t, _)| Float(t as f64 / 1000.0)))
}

pub(crate) fn quantile(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    if w.floats.is_empty() {
        return Ok(None);
    }
    let q = env.scalars[0];
    if !(0.0..=1.0).contains(&q) {
        env.note(Notice::InvalidQuantile(q));
    }
    has_floats(w, env);
    float(quantile_of(q, &mut w.floats.to_vec()))
}

/// Median absolute deviation; a NaN makes it undefined.
pub(crate) fn mad(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    if !has_floats(w, env) {
        return Ok(None);
    }
    if w.floats.iter().any(|v| v.is_nan()) {
        return float(f64::NAN);
    }
    let mut values = w.floats.to_vec();
    let median = quantile_of(0.5, &mut values);
    values.iter_mut().for_each(|v| *v = (*v - median).abs());
    float(quantile_of(0.5, &mut values))
}

pub(crate) fn stdvar(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(variance(w, env).map(Float))
}

pub(crate) fn stddev(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Outcome {
    Ok(variance(w, env).map(|v| Float(v.sqrt())))
}

/// Welford's algorithm with compensated sums.
fn variance(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Option<f64> {
    if !has_floats(w, env) {
        return None;
    }
    let mut count = 0.0;
    let (mut mean, mut mean_error, mut squares, mut squares_error) = (0.0, 0.0, 0.0, 0.0);
    for v in w.floats {
        count += 1.0;
        let delta = v - (mean + mean_error);
        (mean, mean_error) = kahan_inc(delta / count, mean, mean_error);
        (squares, squares_error) = kahan_inc(delta * (v - (mean + mean_error)), squares, squares_error);
    }
    Some((squares + squares_error) / count)
}
