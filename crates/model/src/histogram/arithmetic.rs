//! Addition and subtraction, plain and with compensated rounding errors.

use thiserror::Error;

use super::custom::{CustomBuckets, common_bounds, merge_mismatched};
use super::kahan_inc;
use super::spans::{Compensated, ZeroCut, merge, merge_compensated, reduce_resolution, reduce_resolution_compensated};
use crate::{BucketSpan, CounterResetHint, FloatHistogram};

/// Exponential and custom buckets cannot be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
pub struct IncompatibleSchema;

/// What happened when two histograms were combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// One said that it starts anew, the other that it does not; the result's hint is unknown.
    pub counter_reset_collision: bool,
    /// Their custom bounds differed and were reduced to the common ones.
    pub bounds_reconciled: bool,
}

impl FloatHistogram {
    /// Adds another histogram. Zero buckets and resolutions are reconciled, custom bounds reduced to the common ones. The
    /// result may have empty buckets. On error nothing is changed.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Merged, IncompatibleSchema> {
        self.combine(other, 1.0)
    }

    /// Subtracts another histogram, as [`FloatHistogram::add`] adds. The hint is not turned into a gauge's.
    pub fn sub(&mut self, other: &FloatHistogram) -> Result<Merged, IncompatibleSchema> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &FloatHistogram, sign: f64) -> Result<Merged, IncompatibleSchema> {
        self.check_compatible(other)?;
        let mut merged = Merged { counter_reset_collision: self.adjust_hint(other), bounds_reconciled: false };
        let custom = self.uses_custom_buckets();
        if !custom {
            let (zero_count, _) = self.reconcile_zero_buckets(other, None);
            self.zero_count += sign * zero_count;
        }
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if custom && self.custom_values != other.custom_values {
            merged.bounds_reconciled = true;
            let bounds = common_bounds(&self.custom_values, &other.custom_values);
            let (spans, counts, _) = merge_mismatched(self.as_custom(&[]), other.as_custom(&[]), sign, &bounds);
            (self.positive_spans, self.positive_buckets, self.custom_values) = (spans, counts, bounds);
            return Ok(merged);
        }
        if other.schema < self.schema {
            *self = FloatHistogram { counter_reset_hint: self.counter_reset_hint, ..self.copy_to_schema(other.schema) };
        }
        let cut = ZeroCut { schema: self.schema, threshold: self.zero_threshold };
        for positive in [true, false] {
            let (spans, counts) = other.side(positive);
            let reduced;
            let right = if other.schema > self.schema {
                reduced = reduce_resolution(spans, counts, other.schema, self.schema);
                (reduced.0.as_slice(), reduced.1.as_slice())
            } else {
                (spans, counts)
            };
            let (spans, counts) = merge(self.side(positive), right, sign, cut);
            self.set_side(positive, spans, counts);
        }
        Ok(merged)
    }

    fn check_compatible(&self, other: &FloatHistogram) -> Result<(), IncompatibleSchema> {
        if self.uses_custom_buckets() == other.uses_custom_buckets() { Ok(()) } else { Err(IncompatibleSchema) }
    }

    /// The hint of a sum or difference; true on a collision.
    fn adjust_hint(&mut self, other: &FloatHistogram) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        match (self.counter_reset_hint, other.counter_reset_hint) {
            (a, b) if a == b => {}
            (Gauge, _) | (_, Gauge) => self.counter_reset_hint = Gauge,
            (Unknown, _) | (_, Unknown) => self.counter_reset_hint = Unknown,
            _ => {
                self.counter_reset_hint = Unknown;
                return true;
            }
        }
        false
    }

    fn side(&self, positive: bool) -> (&[BucketSpan], &[f64]) {
        if positive {
            (&self.positive_spans, &self.positive_buckets)
        } else {
            (&self.negative_spans, &self.negative_buckets)
        }
    }

    fn set_side(&mut self, positive: bool, spans: Vec<BucketSpan>, counts: Vec<f64>) {
        if positive {
            (self.positive_spans, self.positive_buckets) = (spans, counts);
        } else {
            (self.negative_spans, self.negative_buckets) = (spans, counts);
        }
    }

    fn as_custom<'a>(&'a self, errors: &'a [f64]) -> CustomBuckets<'a> {
        CustomBuckets {
            spans: &self.positive_spans,
            counts: &self.positive_buckets,
            bounds: &self.custom_values,
            errors,
        }
    }
}

/// A sum of histograms that carries its rounding errors along (Kahan summation, Neumaier's variant).
#[derive(Clone, Debug)]
pub struct HistogramSum {
    value: FloatHistogram,
    /// Laid out like `value`; absent until the first addition.
    errors: Option<FloatHistogram>,
}

impl HistogramSum {
    /// A sum that holds one histogram.
    pub fn new(first: FloatHistogram) -> Self {
        HistogramSum { value: first, errors: None }
    }

    /// True where the running sum has left the range of doubles.
    pub fn has_overflow(&self) -> bool {
        self.value.has_overflow()
    }

    /// Multiplies sum and errors.
    pub fn mul(&mut self, factor: f64) {
        self.value.mul(factor);
        if let Some(errors) = &mut self.errors {
            errors.mul(factor);
        }
    }

    /// Divides sum and errors.
    pub fn div(&mut self, divisor: f64) {
        self.value.div(divisor);
        if let Some(errors) = &mut self.errors {
            errors.div(divisor);
        }
    }

    /// Adds a histogram. On error nothing is changed.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Merged, IncompatibleSchema> {
        let h = &mut self.value;
        h.check_compatible(other)?;
        let mut merged = Merged { counter_reset_collision: h.adjust_hint(other), bounds_reconciled: false };
        let custom = h.uses_custom_buckets();
        let c = self.errors.get_or_insert_with(|| FloatHistogram {
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive_buckets: vec![0.0; h.positive_buckets.len()],
            negative_buckets: vec![0.0; h.negative_buckets.len()],
            ..h.clone()
        });
        if !custom {
            let (zero_count, lost) = h.reconcile_zero_buckets(other, Some(c));
            (h.zero_count, c.zero_count) = kahan_inc(zero_count, h.zero_count, c.zero_count);
            (h.zero_count, c.zero_count) = kahan_inc(lost, h.zero_count, c.zero_count);
        }
        (h.count, c.count) = kahan_inc(other.count, h.count, c.count);
        (h.sum, c.sum) = kahan_inc(other.sum, h.sum, c.sum);
        if custom && h.custom_values != other.custom_values {
            merged.bounds_reconciled = true;
            let bounds = common_bounds(&h.custom_values, &other.custom_values);
            let (spans, counts, errors) =
                merge_mismatched(h.as_custom(&c.positive_buckets), other.as_custom(&[]), 1.0, &bounds);
            (h.positive_spans, h.positive_buckets, h.custom_values) = (spans.clone(), counts, bounds.clone());
            (c.positive_spans, c.positive_buckets, c.custom_values) = (spans, errors, bounds);
            return Ok(merged);
        }
        let target = h.schema.min(other.schema);
        let cut = ZeroCut { schema: target, threshold: h.zero_threshold };
        for positive in [true, false] {
            let mut sides = [(&*h, c.side(positive).1, h.schema), (other, &[] as &[f64], other.schema)].map(
                |(side, errors, schema)| {
                    let (spans, counts) = side.side(positive);
                    if schema > target {
                        reduce_resolution_compensated(Compensated { spans, counts, errors }, schema, target, true)
                    } else {
                        (spans.to_vec(), counts.to_vec(), errors.to_vec())
                    }
                },
            );
            let [a, b] = &mut sides;
            let (spans, counts, errors) = merge_compensated(
                Compensated { spans: &a.0, counts: &a.1, errors: &a.2 },
                Compensated { spans: &b.0, counts: &b.1, errors: &b.2 },
                cut,
            );
            h.set_side(positive, spans.clone(), counts);
            c.set_side(positive, spans, errors);
        }
        (h.schema, c.schema) = (target, target);
        c.zero_threshold = h.zero_threshold;
        Ok(merged)
    }

    /// The sum with the errors added back.
    pub fn finish(self) -> FloatHistogram {
        let mut value = self.value;
        if let Some(errors) = self.errors {
            value.add(&errors).expect("the errors are laid out like the sum");
        }
        value
    }
}
