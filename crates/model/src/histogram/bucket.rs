//! Buckets with their bounds, for quantiles, for people and for JSON.

use std::fmt;

use super::bounds::{CUSTOM_BUCKETS_SCHEMA, upper_bound};
use super::spans::indexed;
use crate::FloatHistogram;
use crate::float::format_g;

/// One bucket of a native histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// True where an observation equal to the lower bound counts.
    pub lower_inclusive: bool,
    /// True where an observation equal to the upper bound counts.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
}

impl Bucket {
    /// The share of the bucket's width at or below `v`, which lies strictly within its finite bounds: linear, or on a
    /// logarithmic scale as fits exponential buckets.
    pub fn fraction_below(&self, v: f64, linear: bool) -> f64 {
        if linear {
            return (v - self.lower) / (self.upper - self.lower);
        }
        let log_lower = self.lower.abs().log2();
        let log_upper = self.upper.abs().log2();
        let log_v = v.abs().log2();
        if v > 0.0 {
            (log_v - log_lower) / (log_upper - log_lower)
        } else {
            1.0 - (log_v - log_upper) / (log_lower - log_upper)
        }
    }

    /// Prometheus' JSON code of which bounds belong to the bucket: 0 the upper, 1 the lower, 2 none, 3 both.
    pub fn boundary_code(&self) -> u8 {
        match (self.lower_inclusive, self.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        }
    }
}

impl fmt::Display for Bucket {
    /// `(1,2]:5`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        write!(f, "{open}{},{}{close}:{}", format_g(self.lower), format_g(self.upper), format_g(self.count))
    }
}

impl FloatHistogram {
    /// Positive buckets (custom ones too), those closest to zero first; empty buckets included.
    pub fn positive_bucket_iter(&self) -> impl Iterator<Item = Bucket> + '_ {
        let custom = self.schema == CUSTOM_BUCKETS_SCHEMA;
        indexed(&self.positive_spans, &self.positive_buckets).map(move |(index, count)| {
            let lower = upper_bound(index.wrapping_sub(1), self.schema, &self.custom_values);
            let upper = upper_bound(index, self.schema, &self.custom_values);
            let lower_inclusive = if custom { index == 0 } else { lower < 0.0 };
            Bucket { lower, upper, lower_inclusive, upper_inclusive: custom || upper > 0.0, count }
        })
    }

    /// Negative buckets, those closest to zero first; empty buckets included.
    pub fn negative_bucket_iter(&self) -> impl Iterator<Item = Bucket> + '_ {
        indexed(&self.negative_spans, &self.negative_buckets).map(move |(index, count)| {
            let lower = -upper_bound(index, self.schema, &[]);
            let upper = -upper_bound(index.wrapping_sub(1), self.schema, &[]);
            Bucket { lower, upper, lower_inclusive: lower < 0.0, upper_inclusive: upper > 0.0, count }
        })
    }

    /// The zero bucket.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
        }
    }

    /// All buckets in rising order, the zero bucket only where it is populated. Bounds that would reach into the zero
    /// bucket are moved to its edge.
    pub fn all_buckets(&self) -> Vec<Bucket> {
        let edge = self.zero_threshold;
        let mut buckets: Vec<Bucket> = self.negative_bucket_iter().collect();
        buckets.reverse();
        if self.zero_count > 0.0 {
            buckets.push(self.zero_bucket());
        }
        buckets.extend(self.positive_bucket_iter());
        for bucket in &mut buckets {
            if bucket.upper < 0.0 && bucket.upper > -edge {
                bucket.upper = -edge;
            } else if bucket.lower > 0.0 && bucket.lower < edge {
                bucket.lower = edge;
            }
        }
        buckets
    }
}

impl fmt::Display for FloatHistogram {
    /// `{count:3, sum:4.5, [-1,1]:1, (1,2]:2}`, populated buckets only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", format_g(self.count), format_g(self.sum))?;
        let mut negative: Vec<Bucket> = self.negative_bucket_iter().filter(|b| b.count != 0.0).collect();
        negative.reverse();
        let zero = (self.zero_count != 0.0).then(|| self.zero_bucket());
        let positive = self.positive_bucket_iter().filter(|b| b.count != 0.0);
        for bucket in negative.into_iter().chain(zero).chain(positive) {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}
