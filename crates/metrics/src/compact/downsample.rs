//! Downsampling: what is kept of a series when its old samples are thinned.
//!
//! Of each bucket the first and the last sample stay, floats and native histograms each for themselves, and beside each what the
//! samples since the one kept before amounted to ([`Aggregate`]). Of histograms both sides of each reset stay too. A staleness
//! marker stays where it ends its bucket. Thinning twice gives the same as thinning once, and thinning 5 m data to 1 h the same as
//! thinning raw data to 1 h, so that nothing depends on when compaction comes by.

use model::{Aggregate, CounterResetHint, SampleBuffer};

/// Appends `samples` to `out`, thinned to buckets of `to_ms` as far as these end at or before `until_ms`; later ones stay as they
/// are, because a bucket is only thinned as a whole.
pub(crate) fn downsample(samples: &SampleBuffer, to_ms: i64, until_ms: i64, out: &mut SampleBuffer) {
    let mut kept = Vec::new();
    let mut row = 0;
    while row < samples.len() {
        let (_, bucket_end) = Aggregate::bucket(samples.timestamps[row], to_ms);
        if bucket_end > until_ms {
            break;
        }
        let begin = row;
        row += samples.timestamps[begin..].partition_point(|t| *t <= bucket_end);
        thin_bucket(samples, begin..row, to_ms, &mut kept);
        for (row, aggregate) in kept.drain(..) {
            push(samples, row, aggregate, out);
        }
    }
    for row in row..samples.len() {
        out.push_row(samples, row);
    }
}

fn push(samples: &SampleBuffer, row: usize, aggregate: Option<Aggregate>, out: &mut SampleBuffer) {
    match samples.histogram(row) {
        Some(histogram) => out.push_histogram(samples.timestamps[row], histogram.clone()),
        None => out.push_float(samples.timestamps[row], samples.values[row]),
    }
    out.set_last_start(samples.start_timestamps.get(row).copied().unwrap_or(0));
    if let Some(aggregate) = aggregate {
        out.set_last_aggregate(aggregate);
    }
}

type Kept = Vec<(usize, Option<Aggregate>)>;

/// Lists the rows of one bucket that stay, in order.
fn thin_bucket(samples: &SampleBuffer, rows: std::ops::Range<usize>, to_ms: i64, kept: &mut Kept) {
    let last_row = rows.end - 1;
    let live = |row: &usize| !samples.is_stale(*row);
    let is_float = |row: &usize| samples.histograms.is_empty() || samples.histogram(*row).is_none();
    thin_floats(samples, rows.clone().filter(live).filter(is_float), to_ms, kept);
    if !samples.histograms.is_empty() {
        thin_histograms(samples, rows.filter(live).filter(|row| !is_float(row)), to_ms, kept);
    }
    if samples.is_stale(last_row) {
        kept.push((last_row, None));
    }
    kept.sort_unstable_by_key(|(row, _)| *row);
}

/// What a row stands for already, in buckets of at least `to_ms`.
fn own(samples: &SampleBuffer, row: usize, to_ms: i64) -> Aggregate {
    match samples.aggregate(row) {
        Some(aggregate) => Aggregate { span_ms: aggregate.span_ms.max(to_ms), ..*aggregate },
        None => Aggregate::of_one(samples.values[row], to_ms),
    }
}

fn thin_floats(samples: &SampleBuffer, rows: impl Iterator<Item = usize>, to_ms: i64, kept: &mut Kept) {
    let mut rows = rows.peekable();
    let Some(first) = rows.next() else { return };
    kept.push((first, Some(own(samples, first, to_ms))));
    let mut previous = samples.values[first];
    let mut since: Option<Aggregate> = None;
    while let Some(row) = rows.next() {
        let value = samples.values[row];
        let step = with_step(own(samples, row, to_ms), previous, value);
        let sum = since.map_or(step, |since| joined(&since, &step));
        since = Some(sum);
        previous = value;
        if rows.peek().is_none() {
            kept.push((row, Some(if sum.count == 1 { own(samples, row, to_ms) } else { sum })));
        }
    }
}

/// Adds the step from the sample before to one that stands for itself alone.
fn with_step(own: Aggregate, previous: f64, value: f64) -> Aggregate {
    if own.count > 1 {
        return own;
    }
    let dropped = value < previous;
    let changed = value != previous && !(value.is_nan() && previous.is_nan());
    Aggregate {
        lost: if dropped { previous } else { 0.0 },
        resets: u32::from(dropped),
        changes: u32::from(changed),
        ..own
    }
}

fn joined(a: &Aggregate, b: &Aggregate) -> Aggregate {
    Aggregate {
        count: a.count.saturating_add(b.count),
        sum: a.sum + b.sum,
        min: a.min.min(b.min),
        max: a.max.max(b.max),
        lost: a.lost + b.lost,
        resets: a.resets.saturating_add(b.resets),
        changes: a.changes.saturating_add(b.changes),
        span_ms: a.span_ms.max(b.span_ms),
    }
}

fn thin_histograms(samples: &SampleBuffer, rows: impl Iterator<Item = usize>, to_ms: i64, kept: &mut Kept) {
    let stands_for = |row: usize| samples.aggregate(row).map_or((1, to_ms), |a| (a.count, a.span_ms.max(to_ms)));
    let mut gone = 0_u32;
    let mut rows = rows.peekable();
    let mut previous: Option<usize> = None;
    let mut after_reset = false;
    while let Some(row) = rows.next() {
        let before_reset = rows.peek().is_some_and(|next| is_reset(samples, row, *next));
        let (count, span_ms) = stands_for(row);
        let count = count.saturating_add(gone);
        if previous.is_none() || rows.peek().is_none() || before_reset || after_reset {
            let aggregate =
                Aggregate { count, sum: 0.0, min: 0.0, max: 0.0, lost: 0.0, resets: 0, changes: 0, span_ms };
            kept.push((row, Some(aggregate)));
            gone = 0;
        } else {
            gone = count;
        }
        after_reset = before_reset;
        previous = Some(row);
    }
}

fn is_reset(samples: &SampleBuffer, before: usize, after: usize) -> bool {
    match (samples.histogram(before), samples.histogram(after)) {
        (Some(before), Some(after)) => {
            after.counter_reset_hint != CounterResetHint::Gauge && after.detect_reset(before)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
