//! Quantiles and fractions: of numbers, of classic buckets, of native histograms.

use model::FloatHistogram;
use model::histogram::Bucket;

use crate::annotations::{Annotations, Notice};

/// The q-quantile of numbers, interpolated between the two nearest. Sorts the numbers, NaN first.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if let Some(limit) = beyond(q) {
        return limit;
    }
    values.sort_unstable_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let n = values.len() as f64;
    let rank = q * (n - 1.0);
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min(n - 1.0);
    let weight = rank - rank.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

fn beyond(q: f64) -> Option<f64> {
    if q < 0.0 {
        Some(f64::NEG_INFINITY)
    } else if q > 1.0 {
        Some(f64::INFINITY)
    } else {
        None
    }
}

/// A cumulative bucket of a classic histogram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassicBucket {
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// Where counts had to be raised because they fell from one bucket to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forced {
    pub(crate) min_bucket: f64,
    pub(crate) max_bucket: f64,
    pub(crate) max_diff: f64,
}

/// The q-quantile of a classic histogram, linear within a bucket. NaN without a +Inf bucket, with fewer than two buckets or
/// without observations.
pub(crate) fn bucket_quantile(q: f64, buckets: &mut Vec<ClassicBucket>) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if let Some(limit) = beyond(q) {
        return (limit, None);
    }
    if !sort_and_coalesce(buckets) {
        return (f64::NAN, None);
    }
    let forced = make_monotonic(buckets);
    let highest = buckets.len() - 1;
    let observations = buckets[highest].count;
    if highest == 0 || observations == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * observations;
    // As a binary search over counts that may be NaN: the first bucket that reaches the rank.
    let at = first_where(highest, |i| buckets[i].count >= rank);
    let value = if at == highest {
        buckets[highest - 1].upper
    } else if at == 0 && buckets[0].upper <= 0.0 {
        buckets[0].upper
    } else {
        let (mut start, mut count) = (0.0, buckets[at].count);
        if at > 0 {
            start = buckets[at - 1].upper;
            count -= buckets[at - 1].count;
            rank -= buckets[at - 1].count;
        }
        start + (buckets[at].upper - start) * (rank / count)
    };
    (value, forced)
}

/// The smallest of `0..n` for which the test holds, `n` if none, by bisection.
fn first_where(n: usize, test: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = (low + high) / 2;
        if test(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// False where there is no +Inf bucket. Buckets with one bound are added up.
fn sort_and_coalesce(buckets: &mut Vec<ClassicBucket>) -> bool {
    buckets.sort_by(|a, b| a.upper.partial_cmp(&b.upper).unwrap_or(std::cmp::Ordering::Equal));
    if buckets.last().is_none_or(|b| b.upper != f64::INFINITY) {
        return false;
    }
    buckets.dedup_by(|later, kept| {
        let same = later.upper == kept.upper;
        if same {
            kept.count += later.count;
        }
        same
    });
    true
}

/// Raises counts that fall from one bucket to the next; tiny differences are rounding errors and are levelled silently.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut previous = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let current = bucket.count;
        if current == previous {
            continue;
        }
        if almost_equal(previous, current, 1e-12) {
            bucket.count = previous;
        } else if current < previous {
            bucket.count = previous;
            let all = forced.get_or_insert(Forced {
                min_bucket: f64::INFINITY,
                max_bucket: f64::NEG_INFINITY,
                max_diff: 0.0,
            });
            all.min_bucket = all.min_bucket.min(bucket.upper);
            all.max_bucket = all.max_bucket.max(bucket.upper);
            all.max_diff = all.max_diff.max(previous - current);
        } else {
            previous = current;
        }
    }
    forced
}

/// Equal up to a relative difference.
fn almost_equal(a: f64, b: f64, tolerance: f64) -> bool {
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < tolerance * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < tolerance
}

/// Share of the observations of a classic histogram between two values.
pub(crate) fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if !sort_and_coalesce(buckets) {
        return f64::NAN;
    }
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut start = if buckets[0].upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut below = 0.0;
    let mut ranks = Ranks::default();
    for bucket in buckets.iter() {
        let interpolate = |v: f64| {
            if start == f64::NEG_INFINITY {
                bucket.count
            } else {
                below + (bucket.count - below) * (v - start) / (bucket.upper - start)
            }
        };
        if ranks.see(start, bucket.upper, below, lower, upper, interpolate) {
            break;
        }
        below = bucket.count;
        start = bucket.upper;
    }
    ranks.difference(count) / count
}

/// How many observations lie below the two limits of a fraction.
#[derive(Default)]
struct Ranks {
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Ranks {
    /// Looks at one bucket, in rising order; true once both ranks are known.
    fn see(
        &mut self,
        start: f64,
        end: f64,
        below: f64,
        lower: f64,
        upper: f64,
        interpolate: impl Fn(f64) -> f64,
    ) -> bool {
        for (rank, limit) in [(&mut self.lower, lower), (&mut self.upper, upper)] {
            if rank.is_none() {
                if start >= limit {
                    *rank = Some(below);
                } else if end > limit {
                    *rank = Some(interpolate(limit));
                }
            }
        }
        self.lower.is_some() && self.upper.is_some()
    }

    fn difference(&self, count: f64) -> f64 {
        let capped = |rank: Option<f64>| rank.filter(|r| *r <= count || r.is_nan()).unwrap_or(count);
        capped(self.upper) - capped(self.lower)
    }
}

/// The zero bucket reaches only to the side that has observations.
fn fit_zero_bucket(bucket: &mut Bucket, h: &FloatHistogram) {
    if h.negative_buckets.is_empty() && !h.positive_buckets.is_empty() {
        bucket.lower = 0.0;
    } else if h.positive_buckets.is_empty() && !h.negative_buckets.is_empty() {
        bucket.upper = 0.0;
    }
}

/// The q-quantile of a native histogram: linear within custom buckets and the zero bucket, exponential within the others.
/// Observations of NaN count as larger than everything and are pointed out.
pub(crate) fn histogram_quantile(
    q: f64,
    h: &FloatHistogram,
    metric: &str,
    position: usize,
    notes: &mut Annotations,
) -> f64 {
    if let Some(limit) = beyond(q) {
        return limit;
    }
    if h.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    let custom = h.uses_custom_buckets();
    let forward = h.sum.is_nan() || q < 0.5;
    let mut rank = if forward { q * h.count } else { (1.0 - q) * h.count };
    let mut buckets = h.all_buckets();
    if !forward {
        buckets.reverse();
    }
    let mut iter = buckets.into_iter();
    let mut bucket = Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 };
    let mut count = 0.0;
    for next in iter.by_ref() {
        bucket = next;
        if bucket.count == 0.0 {
            continue;
        }
        count += bucket.count;
        if count >= rank {
            break;
        }
    }
    if !custom && bucket.lower < 0.0 && bucket.upper > 0.0 {
        fit_zero_bucket(&mut bucket, h);
    } else if custom {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return bucket.upper;
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return bucket.lower;
        }
    }
    count = if count > h.count { h.count } else { count };
    if count < rank {
        if h.sum.is_nan() {
            notes.add(Notice::QuantileNanResult { metric }.at(position));
            return f64::NAN;
        }
        return bucket.upper;
    }
    rank = if forward { rank - (count - bucket.count) } else { count - rank };
    if h.sum.is_nan() {
        // As in Prometheus, the interpolation that follows is then done in the highest bucket.
        for next in iter {
            bucket = next;
            count += bucket.count;
        }
        if count < h.count {
            notes.add(Notice::QuantileNanSkew { metric }.at(position));
        }
    }
    let fraction = rank / bucket.count;
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let log_lower = bucket.lower.abs().log2();
    let log_upper = bucket.upper.abs().log2();
    if bucket.lower > 0.0 {
        (log_lower + (log_upper - log_lower) * fraction).exp2()
    } else {
        -(log_upper + (log_lower - log_upper) * (1.0 - fraction)).exp2()
    }
}

/// Share of the observations of a native histogram between two values. Observations of NaN belong to no range.
pub(crate) fn histogram_fraction(
    lower: f64,
    upper: f64,
    h: &FloatHistogram,
    metric: &str,
    position: usize,
    notes: &mut Annotations,
) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let custom = h.uses_custom_buckets();
    let buckets = h.all_buckets();
    let mut below = 0.0;
    let mut ranks = Ranks::default();
    for mut bucket in buckets.iter().copied() {
        let around_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if around_zero {
            fit_zero_bucket(&mut bucket, h);
        }
        let linear = custom || around_zero;
        let interpolate = |v: f64| {
            if linear && bucket.lower == f64::NEG_INFINITY {
                bucket.count
            } else {
                below + bucket.count * bucket.fraction_below(v, linear)
            }
        };
        if ranks.see(bucket.lower, bucket.upper, below, lower, upper, interpolate) {
            break;
        }
        below += bucket.count;
    }
    let mut count = h.count;
    if h.sum.is_nan() {
        count = buckets.iter().map(|b| b.count).sum();
        if count < h.count {
            notes.add(Notice::FractionNans { metric }.at(position));
        }
    }
    ranks.difference(count) / h.count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_numbers() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(0.25, &mut [1.0, 2.0]), 1.25);
        assert_eq!(quantile(-1.0, &mut [1.0]), f64::NEG_INFINITY);
        assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
        assert!(quantile(0.5, &mut []).is_nan());
    }

    #[test]
    fn falling_counts_are_raised() {
        let bucket = |upper, count| ClassicBucket { upper, count };
        let mut buckets = vec![bucket(1.0, 10.0), bucket(2.0, 8.0), bucket(f64::INFINITY, 20.0), bucket(4.0, 10.0)];
        let (value, forced) = bucket_quantile(0.5, &mut buckets);
        assert_eq!(value, 1.0);
        let forced = forced.unwrap();
        assert_eq!((forced.min_bucket, forced.max_bucket, forced.max_diff), (2.0, 2.0, 2.0));
    }
}
