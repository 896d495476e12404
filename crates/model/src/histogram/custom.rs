//! Custom buckets whose bounds differ: both sides are merged down to the bounds they share.

use super::kahan_inc;
use super::spans::{SpanBuilder, indexed};
use crate::BucketSpan;

/// Bounds that both lists hold; both are sorted.
pub(crate) fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().copied().filter(|bound| b.binary_search_by(|other| other.total_cmp(bound)).is_ok()).collect()
}

/// Buckets of one operand.
pub(crate) struct CustomBuckets<'a> {
    pub(crate) spans: &'a [BucketSpan],
    pub(crate) counts: &'a [f64],
    pub(crate) bounds: &'a [f64],
    /// Rounding errors, as long as `counts` or empty.
    pub(crate) errors: &'a [f64],
}

/// `a + sign * b` over `bounds`; empty buckets are left out. Also returns the rounding errors.
pub(crate) fn merge_mismatched(
    a: CustomBuckets<'_>,
    b: CustomBuckets<'_>,
    sign: f64,
    bounds: &[f64],
) -> (Vec<BucketSpan>, Vec<f64>, Vec<f64>) {
    let mut sums = vec![(0.0, 0.0); bounds.len() + 1];
    for (side, sign) in [(a, 1.0), (b, sign)] {
        let errors = side.errors.iter().copied().chain(std::iter::repeat(0.0));
        for ((index, count), error) in indexed(side.spans, side.counts).zip(errors) {
            let own_bound = usize::try_from(index).ok().and_then(|i| side.bounds.get(i));
            let target = own_bound.map_or(bounds.len(), |bound| bounds.partition_point(|b| b < bound));
            let (sum, lost) = sums[target];
            sums[target] = kahan_inc(sign * count, sum, lost);
            if error != 0.0 {
                let (sum, lost) = sums[target];
                sums[target] = kahan_inc(error, sum, lost);
            }
        }
    }
    let mut spans = SpanBuilder::default();
    let (mut counts, mut errors) = (Vec::new(), Vec::new());
    for (index, (sum, lost)) in sums.into_iter().enumerate() {
        if sum != 0.0 || lost != 0.0 {
            spans.push(index as i32);
            counts.push(sum);
            errors.push(lost);
        }
    }
    (spans.finish(), counts, errors)
}
