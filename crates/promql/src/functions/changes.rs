//! `changes` and `resets`.

use std::sync::Arc;

use model::{Aggregate, FloatHistogram, SampleValue};

use super::RangeEnv;
use super::rate::is_start_reset;
use crate::engine::QueryError;
use crate::eval::Window;

/// A sample of either kind, with its start (0 where unknown) and time.
struct Point<'a> {
    start: i64,
    time: i64,
    float: f64,
    histogram: Option<&'a Arc<FloatHistogram>>,
    /// What is known of the floats between the one before and this one.
    gap: Option<&'a Aggregate>,
}

pub(crate) fn resets(w: &Window<'_>, _: &mut RangeEnv<'_>) -> Result<Option<SampleValue>, QueryError> {
    let resets_in = |gap: &Aggregate| gap.resets;
    Ok(count_pairs(w, resets_in, |previous, current| {
        let starts_anew = || is_start_reset((previous.start, previous.time), (current.start, current.time));
        match (previous.histogram, current.histogram) {
            (None, None) => current.float < previous.float || starts_anew(),
            (Some(before), Some(now)) => starts_anew() || now.detect_reset(before),
            _ => true,
        }
    }))
}

pub(crate) fn changes(w: &Window<'_>, _: &mut RangeEnv<'_>) -> Result<Option<SampleValue>, QueryError> {
    let changes_in = |gap: &Aggregate| gap.changes;
    Ok(count_pairs(w, changes_in, |previous, current| match (previous.histogram, current.histogram) {
        (None, None) => current.float != previous.float && !(current.float.is_nan() && previous.float.is_nan()),
        (Some(before), Some(now)) => !now.same_data(before),
        _ => true,
    }))
}

fn count_pairs(
    w: &Window<'_>,
    within: fn(&Aggregate) -> u32,
    differs: impl Fn(&Point<'_>, &Point<'_>) -> bool,
) -> Option<SampleValue> {
    let points = merged(w);
    let mut points = points.as_slice();
    if w.bounds.anchored {
        // The last sample at or before the start of the range is the first to compare with; older ones do not count.
        let inside = points.partition_point(|p| p.time <= w.bounds.start);
        if inside == points.len() {
            return None;
        }
        points = &points[inside.saturating_sub(1)..];
    }
    let count = |pair: &[Point<'_>]| match pair[1].gap {
        Some(gap) => within(gap),
        None => u32::from(differs(&pair[0], &pair[1])),
    };
    let count: u64 = points.windows(2).map(|pair| u64::from(count(pair))).sum();
    Some(SampleValue::Float(count as f64 * w.bounds.share))
}

fn merged<'a>(w: &Window<'a>) -> Vec<Point<'a>> {
    let mut points: Vec<Point<'a>> = Vec::with_capacity(w.floats.len() + w.histograms.len());
    points.extend(w.floats.iter().enumerate().map(|(i, v)| Point {
        start: w.float_starts.get(i).copied().unwrap_or(0),
        time: w.float_times[i],
        float: *v,
        histogram: None,
        gap: w.gap_before(i),
    }));
    if !w.histograms.is_empty() {
        points.extend(w.histograms.iter().enumerate().map(|(i, h)| Point {
            start: w.histogram_starts.get(i).copied().unwrap_or(0),
            time: w.histogram_times[i],
            float: 0.0,
            histogram: Some(h),
            gap: None,
        }));
        points.sort_by_key(|p| p.time);
    }
    points
}
