//! `deriv`, `predict_linear` and `double_exponential_smoothing`.

use model::SampleValue;
use model::histogram::kahan_inc;

use super::RangeEnv;
use crate::annotations::Notice;
use crate::engine::QueryError;
use crate::eval::Window;

/// False where there are fewer than two floats. Histograms beside floats are pointed out.
fn has_two_floats(w: &Window<'_>, env: &mut RangeEnv<'_>) -> bool {
    if w.has_both_kinds() {
        let metric = env.metric;
        env.note(Notice::HistogramIgnoredInMixedRange { metric });
    }
    w.floats.len() >= 2
}

pub(crate) fn deriv(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Result<Option<SampleValue>, QueryError> {
    if !has_two_floats(w, env) {
        return Ok(None);
    }
    // Any time near the samples will do; one of theirs keeps the numbers small.
    let (slope, _) = linear_regression(w, w.float_times[0]);
    Ok(Some(SampleValue::Float(slope)))
}

pub(crate) fn predict_linear(w: &Window<'_>, env: &mut RangeEnv<'_>) -> Result<Option<SampleValue>, QueryError> {
    if !has_two_floats(w, env) {
        return Ok(None);
    }
    let (slope, intercept) = linear_regression(w, w.bounds.step_time);
    Ok(Some(SampleValue::Float(slope * env.scalars[0] + intercept)))
}

/// Least squares: slope per second, and the value at `time`.
fn linear_regression(w: &Window<'_>, time: i64) -> (f64, f64) {
    let first = w.floats[0];
    if w.floats.iter().skip(1).all(|v| *v == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let mut sums = [(0.0, 0.0); 4];
    for (t, y) in w.float_times.iter().zip(w.floats) {
        let x = (t - time) as f64 / 1000.0;
        for (slot, v) in sums.iter_mut().zip([x, *y, x * y, x * x]) {
            *slot = kahan_inc(v, slot.0, slot.1);
        }
    }
    let n = w.floats.len() as f64;
    let [x, y, xy, xx] = sums.map(|(sum, error)| sum + error);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

/// Holt's linear method: one factor smooths the level, one the trend.
pub(crate) fn double_exponential_smoothing(
    w: &Window<'_>,
    env: &mut RangeEnv<'_>,
) -> Result<Option<SampleValue>, QueryError> {
    let [level_factor, trend_factor] = env.scalars;
    for (what, sign, factor) in [("smoothing", "sf", level_factor), ("trend", "tf", trend_factor)] {
        if factor <= 0.0 || factor >= 1.0 {
            let text = format!("invalid {what} factor. Expected: 0 < {sign} < 1, got: {factor:.6}");
            return Err(QueryError::execution(text));
        }
    }
    if !has_two_floats(w, env) {
        return Ok(None);
    }
    let (mut before, mut level) = (0.0, w.floats[0]);
    let mut trend = w.floats[1] - w.floats[0];
    for (i, v) in w.floats.iter().enumerate().skip(1) {
        if i > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = level_factor * v + (1.0 - level_factor) * (level + trend);
        (before, level) = (level, next);
    }
    Ok(Some(SampleValue::Float(level)))
}
