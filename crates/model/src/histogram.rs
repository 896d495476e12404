//! Native histograms, with exponential or custom buckets, counts as floats; and all arithmetic that PromQL does with them.
//!
//! The rules are those of Prometheus' `model/histogram/float_histogram.go`.

mod arithmetic;
mod bounds;
mod bucket;
mod custom;
mod reset;
mod spans;
mod trim;
mod validate;
mod zero;

pub use arithmetic::{HistogramSum, IncompatibleSchema, Merged};
pub use bounds::{CUSTOM_BUCKETS_SCHEMA, is_exponential_schema};
pub use bucket::Bucket;
pub use validate::HistogramError;

/// Whether a histogram starts counting anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterResetHint {
    /// Compare with the sample before.
    #[default]
    Unknown,
    /// It does.
    CounterReset,
    /// It does not.
    NotCounterReset,
    /// It is a gauge; resets mean nothing.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BucketSpan {
    /// Empty buckets since the end of the span before (since index 0 for the first, may be negative there).
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// A native histogram. Buckets are absolute counts (not cumulative, not deltas).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FloatHistogram {
    /// Kind of counting.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: each power of two is cut into 2^schema buckets, -4 to 8; -53 means custom buckets.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of observations.
    pub sum: f64,
    /// Where positive buckets lie.
    pub positive_spans: Vec<BucketSpan>,
    /// Where negative buckets lie.
    pub negative_spans: Vec<BucketSpan>,
    /// Counts of positive buckets.
    pub positive_buckets: Vec<f64>,
    /// Counts of negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds for schema -53, strictly increasing, without +Inf.
    pub custom_values: Vec<f64>,
}

impl FloatHistogram {
    /// True for schema -53.
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Bytes that Prometheus accounts for one histogram; its sample limits count 16 bytes as one sample.
    pub fn accounted_bytes(&self) -> usize {
        let spans = self.positive_spans.len() + self.negative_spans.len();
        let floats = self.positive_buckets.len() + self.negative_buckets.len() + self.custom_values.len();
        168 + 8 * (spans + floats)
    }

    /// Multiplies every count and the sum. A negative factor makes a gauge of it.
    pub fn mul(&mut self, factor: f64) {
        self.for_each_number(|v| *v *= factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Divides every count and the sum. Division by zero removes all buckets; a negative divisor makes a gauge of it.
    pub fn div(&mut self, divisor: f64) {
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.positive_buckets.clear();
            self.negative_spans.clear();
            self.negative_buckets.clear();
        }
        self.for_each_number(|v| *v /= divisor);
        if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    fn for_each_number(&mut self, change: impl FnMut(&mut f64)) {
        let totals = [&mut self.zero_count, &mut self.count, &mut self.sum];
        totals.into_iter().chain(&mut self.positive_buckets).chain(&mut self.negative_buckets).for_each(change);
    }

    /// True where a count, the sum or a bound is infinite.
    pub fn has_overflow(&self) -> bool {
        [self.zero_count, self.count, self.sum]
            .iter()
            .chain(&self.positive_buckets)
            .chain(&self.negative_buckets)
            .chain(&self.custom_values)
            .any(|v| v.is_infinite())
    }

    /// Removes empty buckets and joins adjacent spans.
    pub fn compact(&mut self) {
        spans::compact(&mut self.positive_spans, &mut self.positive_buckets, None);
        spans::compact(&mut self.negative_spans, &mut self.negative_buckets, None);
    }

    /// A copy at a lower resolution. The hint is lost unless the schema stays. Custom buckets stay as they are.
    #[must_use]
    pub fn copy_to_schema(&self, schema: i32) -> FloatHistogram {
        if schema >= self.schema || self.uses_custom_buckets() {
            return self.clone();
        }
        let (positive_spans, positive_buckets) =
            spans::reduce_resolution(&self.positive_spans, &self.positive_buckets, self.schema, schema);
        let (negative_spans, negative_buckets) =
            spans::reduce_resolution(&self.negative_spans, &self.negative_buckets, self.schema, schema);
        FloatHistogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema,
            positive_spans,
            positive_buckets,
            negative_spans,
            negative_buckets,
            custom_values: Vec::new(),
            ..*self
        }
    }

    /// True where both hold the same data, bit by bit; hints and empty spans do not count, empty buckets do.
    pub fn same_data(&self, other: &FloatHistogram) -> bool {
        let same_bits =
            |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits());
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && same_bits(&[self.count, self.sum, self.zero_count], &[other.count, other.sum, other.zero_count])
            && (!self.uses_custom_buckets() || self.custom_values == other.custom_values)
            && spans::same_layout(&self.negative_spans, &other.negative_spans)
            && same_bits(&self.negative_buckets, &other.negative_buckets)
            && spans::same_layout(&self.positive_spans, &other.positive_spans)
            && same_bits(&self.positive_buckets, &other.positive_buckets)
    }
}

/// One step of Neumaier's variant of Kahan summation: adds `increment` to a sum with its rounding error.
#[inline]
pub fn kahan_inc(increment: f64, sum: f64, error: f64) -> (f64, f64) {
    let total = sum + increment;
    let error = if total.is_infinite() {
        0.0
    } else if sum.abs() >= increment.abs() {
        error + ((sum - total) + increment)
    } else {
        error + ((increment - total) + sum)
    };
    (total, error)
}

#[cfg(test)]
mod tests;
