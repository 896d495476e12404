//! Buckets as spans: walking, building, merging, compacting and coarsening them.

use super::bounds::{exponential_bound, is_exponential_schema};
use super::kahan_inc;
use crate::BucketSpan;

/// Index and count of every bucket, in rising order of index. Stops at the end of the shorter side where spans and counts
/// disagree.
pub(crate) fn indexed<'a>(spans: &'a [BucketSpan], counts: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    indices(spans).zip(counts.iter().copied())
}

/// Index of every bucket, in rising order.
pub(crate) fn indices(spans: &[BucketSpan]) -> impl Iterator<Item = i32> + '_ {
    let mut next = 0_i32;
    spans.iter().flat_map(move |span| {
        let first = next.wrapping_add(span.offset);
        next = first.wrapping_add(span.length as i32);
        (0..span.length).map(move |i| first.wrapping_add(i as i32))
    })
}

/// Collects indices in rising order as spans.
#[derive(Default)]
pub(crate) struct SpanBuilder {
    spans: Vec<BucketSpan>,
    next: i32,
}

impl SpanBuilder {
    pub(crate) fn push(&mut self, index: i32) {
        match self.spans.last_mut() {
            Some(last) if index == self.next => last.length += 1,
            _ => self.spans.push(BucketSpan { offset: index.wrapping_sub(self.next), length: 1 }),
        }
        self.next = index.wrapping_add(1);
    }

    pub(crate) fn finish(self) -> Vec<BucketSpan> {
        self.spans
    }
}

/// Counts with the rounding errors that summation left behind.
pub(crate) struct Compensated<'a> {
    pub(crate) spans: &'a [BucketSpan],
    pub(crate) counts: &'a [f64],
    /// As long as `counts`, or empty for none.
    pub(crate) errors: &'a [f64],
}

/// Which buckets of the second operand are ignored: those that lie within the zero bucket.
#[derive(Clone, Copy)]
pub(crate) struct ZeroCut {
    pub(crate) schema: i32,
    pub(crate) threshold: f64,
}

impl ZeroCut {
    fn covers(self, index: i32) -> bool {
        self.threshold > 0.0
            && is_exponential_schema(self.schema)
            && exponential_bound(index, self.schema) <= self.threshold
    }
}

/// Adds `sign * b` to `a`, bucket by bucket.
pub(crate) fn merge(
    a: (&[BucketSpan], &[f64]),
    b: (&[BucketSpan], &[f64]),
    sign: f64,
    cut: ZeroCut,
) -> (Vec<BucketSpan>, Vec<f64>) {
    if a.0 == b.0 && a.1.len() == b.1.len() && cut.threshold == 0.0 {
        let sums = a.1.iter().zip(b.1).map(|(x, y)| x + sign * y).collect();
        return (a.0.to_vec(), sums);
    }
    let mut spans = SpanBuilder::default();
    let mut counts = Vec::with_capacity(a.1.len() + b.1.len());
    let right = indexed(b.0, b.1).filter(|(index, _)| !cut.covers(*index));
    walk_both(indexed(a.0, a.1), right, |index, x, y| {
        spans.push(index);
        counts.push(match (x, y) {
            (Some(x), Some(y)) => x + sign * y,
            (Some(x), None) => x,
            (None, y) => sign * y.unwrap_or(0.0),
        });
    });
    (spans.finish(), counts)
}

/// Adds `b` to `a` and keeps the rounding errors (Neumaier's variant of Kahan summation).
pub(crate) fn merge_compensated(
    a: Compensated<'_>,
    b: Compensated<'_>,
    cut: ZeroCut,
) -> (Vec<BucketSpan>, Vec<f64>, Vec<f64>) {
    let mut spans = SpanBuilder::default();
    let mut counts = Vec::with_capacity(a.counts.len().max(b.counts.len()));
    let mut errors = Vec::with_capacity(counts.capacity());
    let pairs = |side: Compensated<'_>| -> Vec<(i32, (f64, f64))> {
        let errors = side.errors.iter().copied().chain(std::iter::repeat(0.0));
        indexed(side.spans, side.counts).zip(errors).map(|((index, count), error)| (index, (count, error))).collect()
    };
    let right = pairs(b).into_iter().filter(|(index, _)| !cut.covers(*index));
    walk_both(pairs(a).into_iter(), right, |index, x, y| {
        let (mut sum, mut error) = x.unwrap_or((0.0, 0.0));
        if let Some((count, more)) = y {
            (sum, error) = match x {
                Some(_) => kahan_inc(count, sum, error),
                None => (count, more),
            };
            if x.is_some() && more != 0.0 {
                (sum, error) = kahan_inc(more, sum, error);
            }
        }
        spans.push(index);
        counts.push(sum);
        errors.push(error);
    });
    (spans.finish(), counts, errors)
}

/// Calls `visit` for every index of either side, in rising order.
fn walk_both<T: Copy>(
    left: impl Iterator<Item = (i32, T)>,
    right: impl Iterator<Item = (i32, T)>,
    mut visit: impl FnMut(i32, Option<T>, Option<T>),
) {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    loop {
        match (left.peek().copied(), right.peek().copied()) {
            (Some((i, x)), Some((j, y))) if i == j => {
                visit(i, Some(x), Some(y));
                left.next();
                right.next();
            }
            (Some((i, x)), other) if other.is_none_or(|(j, _)| i < j) => {
                visit(i, Some(x), None);
                left.next();
            }
            (_, Some((j, y))) => {
                visit(j, None, Some(y));
                right.next();
            }
            _ => return,
        }
    }
}

/// The index in a coarser schema of the bucket that holds bucket `index`.
pub(crate) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    (index.wrapping_sub(1) >> (from - to).clamp(0, 31)).wrapping_add(1)
}

/// Merges buckets into those of a coarser schema.
pub(crate) fn reduce_resolution(
    spans: &[BucketSpan],
    counts: &[f64],
    from: i32,
    to: i32,
) -> (Vec<BucketSpan>, Vec<f64>) {
    let (spans, counts, _) = reduce_resolution_compensated(Compensated { spans, counts, errors: &[] }, from, to, false);
    (spans, counts)
}

/// The same with rounding errors, which also receive those of the summation itself where `track` is set.
pub(crate) fn reduce_resolution_compensated(
    origin: Compensated<'_>,
    from: i32,
    to: i32,
    track: bool,
) -> (Vec<BucketSpan>, Vec<f64>, Vec<f64>) {
    let mut spans = SpanBuilder::default();
    let (mut counts, mut errors): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut last = None;
    let origin_errors = origin.errors.iter().copied().chain(std::iter::repeat(0.0));
    for ((index, count), error) in indexed(origin.spans, origin.counts).zip(origin_errors) {
        let target = coarser_index(index, from, to);
        match (counts.last_mut(), errors.last_mut()) {
            (Some(sum), Some(lost)) if last == Some(target) => {
                if track {
                    (*sum, *lost) = kahan_inc(count, *sum, *lost);
                    (*sum, *lost) = kahan_inc(error, *sum, *lost);
                } else {
                    *sum += count;
                }
            }
            _ => {
                spans.push(target);
                counts.push(count);
                errors.push(error);
                last = Some(target);
            }
        }
    }
    (spans.finish(), counts, errors)
}

/// Removes empty buckets and joins adjacent spans. A bucket with a rounding error is not empty.
pub(crate) fn compact(spans: &mut Vec<BucketSpan>, counts: &mut Vec<f64>, mut errors: Option<&mut Vec<f64>>) {
    let tidy = counts.iter().all(|c| *c != 0.0)
        && spans.iter().skip(1).all(|s| s.offset > 0)
        && spans.iter().all(|s| s.length > 0);
    if tidy {
        return;
    }
    let mut builder = SpanBuilder::default();
    let mut kept = 0;
    for (at, index) in indices(spans).take(counts.len()).enumerate() {
        let error = errors.as_ref().map_or(0.0, |e| e[at]);
        if counts[at] == 0.0 && error == 0.0 {
            continue;
        }
        builder.push(index);
        counts[kept] = counts[at];
        if let Some(errors) = &mut errors {
            errors[kept] = error;
        }
        kept += 1;
    }
    counts.truncate(kept);
    if let Some(errors) = errors {
        errors.truncate(kept);
    }
    *spans = builder.finish();
}

/// True where two lists of spans name the same buckets; empty spans do not count.
pub(crate) fn same_layout(a: &[BucketSpan], b: &[BucketSpan]) -> bool {
    a == b || indices(a).eq(indices(b))
}
