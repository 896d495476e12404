//! Histograms that contradict themselves are refused, with Prometheus' words.

use thiserror::Error;

use super::bounds::is_exponential_schema;
use crate::float::format_g;
use crate::{BucketSpan, FloatHistogram};

/// Why a histogram is refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum HistogramError {
    /// Neither -4 to 8 nor -53.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema {0}"
    )]
    Schema(i32),
    /// A span overlaps the one before.
    #[error("span number {number} with offset {offset}: histogram has a span whose offset is negative")]
    SpanOffset {
        /// Counted from 1.
        number: usize,
        /// As given.
        offset: i32,
    },
    /// Spans and buckets disagree.
    #[error(
        "spans need {needed} buckets, have {found} buckets: histogram spans specify different number of buckets than provided"
    )]
    BucketNumber {
        /// By the spans.
        needed: u64,
        /// Given.
        found: usize,
    },
    /// A bucket count is below zero.
    #[error(
        "bucket number {number} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    NegativeBucket {
        /// Counted from 1; 0 for the zero bucket.
        number: usize,
        /// As text.
        count: String,
    },
    /// The total is below zero.
    #[error("observation count is {0}: histogram's observation count is negative")]
    NegativeCount(String),
    /// Custom bounds do not rise strictly or are not finite.
    #[error("histogram custom bounds must be finite and in strictly increasing order")]
    CustomBounds,
    /// More buckets than custom bounds allow.
    #[error("only {bounds} custom bounds defined which is insufficient to cover total span length of {length}")]
    TooFewCustomBounds {
        /// Given.
        bounds: usize,
        /// Needed at most one more than bounds.
        length: i64,
    },
    /// Custom buckets with a zero bucket or negative buckets.
    #[error("custom buckets: must not have a zero bucket or negative buckets")]
    CustomWithOthers,
    /// Custom bounds on exponential buckets.
    #[error("histogram with exponential schema must not have custom bounds")]
    BoundsWithoutCustomSchema,
}

impl FloatHistogram {
    /// Checks that spans, buckets, bounds and schema fit together and that no count is negative.
    pub fn validate(&self) -> Result<(), HistogramError> {
        if self.uses_custom_buckets() {
            self.validate_custom()?;
        } else if is_exponential_schema(self.schema) {
            check_spans(&self.positive_spans, self.positive_buckets.len())?;
            check_spans(&self.negative_spans, self.negative_buckets.len())?;
            check_counts(&self.negative_buckets)?;
            if self.zero_count < 0.0 {
                return Err(HistogramError::NegativeBucket { number: 0, count: format_g(self.zero_count) });
            }
            if !self.custom_values.is_empty() {
                return Err(HistogramError::BoundsWithoutCustomSchema);
            }
        } else {
            return Err(HistogramError::Schema(self.schema));
        }
        if self.count < 0.0 {
            return Err(HistogramError::NegativeCount(format_g(self.count)));
        }
        check_counts(&self.positive_buckets)
    }

    fn validate_custom(&self) -> Result<(), HistogramError> {
        let finite = self.custom_values.iter().all(|b| !b.is_nan() && *b != f64::INFINITY);
        if !finite || !self.custom_values.is_sorted_by(|a, b| a < b) {
            return Err(HistogramError::CustomBounds);
        }
        if let Some(first) = self.positive_spans.first().filter(|s| s.offset < 0) {
            return Err(HistogramError::SpanOffset { number: 1, offset: first.offset });
        }
        check_spans(&self.positive_spans, self.positive_buckets.len())?;
        let length: i64 = self.positive_spans.iter().map(|s| i64::from(s.offset) + i64::from(s.length)).sum();
        if length > self.custom_values.len() as i64 + 1 {
            return Err(HistogramError::TooFewCustomBounds { bounds: self.custom_values.len(), length });
        }
        let alone = self.zero_count == 0.0
            && self.zero_threshold == 0.0
            && self.negative_spans.is_empty()
            && self.negative_buckets.is_empty();
        if alone { Ok(()) } else { Err(HistogramError::CustomWithOthers) }
    }
}

fn check_spans(spans: &[BucketSpan], found: usize) -> Result<(), HistogramError> {
    if let Some((at, span)) = spans.iter().enumerate().skip(1).find(|(_, s)| s.offset < 0) {
        return Err(HistogramError::SpanOffset { number: at + 1, offset: span.offset });
    }
    let needed: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
    if needed == found as u64 { Ok(()) } else { Err(HistogramError::BucketNumber { needed, found }) }
}

fn check_counts(counts: &[f64]) -> Result<(), HistogramError> {
    match counts.iter().enumerate().find(|(_, c)| **c < 0.0) {
        Some((at, count)) => Err(HistogramError::NegativeBucket { number: at + 1, count: format_g(*count) }),
        None => Ok(()),
    }
}
