//! Histograms of OpenTelemetry as native histograms, as Prometheus' `histograms.go` of `prometheusremotewrite` makes them.

use model::histogram::{CUSTOM_BUCKETS_SCHEMA, HistogramError};
use model::{BucketSpan, FloatHistogram, stale_nan};
use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use thiserror::Error;

use super::points::Explicit;
use crate::ingest::histogram_count::{CountFault, check_count};

/// The coarsest and the finest resolution that is kept.
const MIN_SCALE: i32 = -4;
const MAX_SCALE: i32 = 8;
/// Width of the zero bucket. Prometheus takes this for every histogram.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Most buckets of one histogram, on each side.
pub(super) const MAX_BUCKETS: usize = 65_536;
/// Empty buckets that are written out rather than skipped by a new span.
const MAX_GAP: i64 = 2;

/// Why a histogram is not taken.
#[derive(Clone, Debug, PartialEq, Error)]
pub(super) enum HistogramFault {
    #[error("cannot convert exponential to native histogram. Scale must be >= {MIN_SCALE}, was {0}")]
    Scale(i32),
    #[error("the histogram has {0} buckets, more than the {MAX_BUCKETS} that are accepted")]
    TooManyBuckets(usize),
    #[error("there is no bucket {0}")]
    BucketIndex(i64),
    #[error(transparent)]
    Count(#[from] CountFault),
    #[error(transparent)]
    Invalid(#[from] HistogramError),
}

/// The marker of a series that is gone.
pub(super) fn stale() -> FloatHistogram {
    FloatHistogram { sum: stale_nan(), ..FloatHistogram::default() }
}

/// An exponential histogram.
pub(super) fn exponential(point: &ExponentialHistogramDataPoint) -> Result<FloatHistogram, HistogramFault> {
    if point.scale < MIN_SCALE {
        return Err(HistogramFault::Scale(point.scale));
    }
    let shift = (point.scale.min(i32::MAX - 1) - MAX_SCALE).clamp(0, 62) as u32;
    let (positive_spans, positive_buckets, positive) = side(point.positive.as_ref(), shift)?;
    let (negative_spans, negative_buckets, negative) = side(point.negative.as_ref(), shift)?;
    let histogram = FloatHistogram {
        schema: point.scale.min(MAX_SCALE),
        zero_threshold: ZERO_THRESHOLD,
        zero_count: point.zero_count as f64,
        count: point.count as f64,
        sum: point.sum.unwrap_or(0.0),
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        ..FloatHistogram::default()
    };
    check_count(positive + negative + u128::from(point.zero_count), point.count, histogram.sum)?;
    histogram.validate()?;
    Ok(histogram)
}

type Layout = (Vec<BucketSpan>, Vec<f64>, u128);

/// One side's buckets: bucket `i` of OpenTelemetry begins where bucket `i + 1` of Prometheus does.
fn side(buckets: Option<&Buckets>, shift: u32) -> Result<Layout, HistogramFault> {
    let Some(buckets) = buckets else { return Ok((Vec::new(), Vec::new(), 0)) };
    if buckets.bucket_counts.len() > MAX_BUCKETS {
        return Err(HistogramFault::TooManyBuckets(buckets.bucket_counts.len()));
    }
    let offset = i64::from(buckets.offset);
    let counts = buckets.bucket_counts.iter().enumerate();
    layout(counts.map(|(at, count)| (((offset + at as i64) >> shift) + 1, *count)))
}

/// Spans and counts of buckets in rising order, those with the same number merged, and the sum over all.
fn layout(buckets: impl Iterator<Item = (i64, u64)>) -> Result<Layout, HistogramFault> {
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut counts: Vec<f64> = Vec::new();
    // Counts are added up as integers, and only then rounded.
    let (mut last, mut last_count, mut sum) = (0_i64, 0_u128, 0_u128);
    for (index, count) in buckets.filter(|(_, count)| *count > 0) {
        sum += u128::from(count);
        let Some(end) = counts.last_mut().filter(|_| index == last) else {
            let index_in_range = i32::try_from(index).map_err(|_| HistogramFault::BucketIndex(index))?;
            let gap = index - last - 1;
            match spans.last_mut() {
                None => spans.push(BucketSpan { offset: index_in_range, length: 1 }),
                Some(span) if gap <= MAX_GAP => {
                    counts.extend((0..gap).map(|_| 0.0));
                    span.length += gap as u32 + 1;
                }
                Some(_) => {
                    let offset = i32::try_from(gap).map_err(|_| HistogramFault::BucketIndex(index))?;
                    spans.push(BucketSpan { offset, length: 1 });
                }
            }
            counts.push(count as f64);
            (last, last_count) = (index, u128::from(count));
            continue;
        };
        last_count += u128::from(count);
        *end = last_count as f64;
    }
    Ok((spans, counts, sum))
}

/// A histogram with explicit bounds as one with custom buckets.
pub(super) fn custom_buckets(point: &Explicit<'_>) -> Result<FloatHistogram, HistogramFault> {
    let counts = point.counts.iter().enumerate().map(|(at, count)| (at as i64, *count));
    let (positive_spans, positive_buckets, sum) = layout(counts)?;
    let histogram = FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: point.count as f64,
        sum: point.sum.unwrap_or(0.0),
        positive_spans,
        positive_buckets,
        custom_values: point.bounds.to_vec(),
        ..FloatHistogram::default()
    };
    check_count(sum, point.count, histogram.sum)?;
    histogram.validate()?;
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i32, u32)]) -> Vec<BucketSpan> {
        pairs.iter().map(|&(offset, length)| BucketSpan { offset, length }).collect()
    }

    #[test]
    fn layouts() {
        type Case<'a> = (i32, u32, &'a [u64], &'a [(i32, u32)], &'a [f64]);
        let cases: [Case<'_>; 8] = [
            (0, 0, &[], &[], &[]),
            (0, 0, &[4, 3, 2, 1], &[(1, 4)], &[4.0, 3.0, 2.0, 1.0]),
            (-5, 0, &[1, 0, 0, 2], &[(-4, 4)], &[1.0, 0.0, 0.0, 2.0]),
            (-5, 0, &[1, 0, 0, 0, 2], &[(-4, 1), (3, 1)], &[1.0, 2.0]),
            (3, 0, &[0, 0, 7, 0], &[(6, 1)], &[7.0]),
            (0, 1, &[4, 3, 2, 1], &[(1, 2)], &[7.0, 3.0]),
            (0, 1, &[0, 0, 1, 1], &[(2, 1)], &[2.0]),
            (-3, 2, &[1, 1, 1, 1, 1], &[(0, 2)], &[3.0, 2.0]),
        ];
        for (offset, shift, counts, want_spans, want_counts) in cases {
            let (got_spans, got_counts, sum) =
                side(Some(&Buckets { offset, bucket_counts: counts.to_vec() }), shift).unwrap();
            assert_eq!(
                (got_spans, got_counts),
                (spans(want_spans), want_counts.to_vec()),
                "{offset} {shift} {counts:?}"
            );
            assert_eq!(sum, counts.iter().map(|c| u128::from(*c)).sum::<u128>());
        }
    }

    #[test]
    fn what_is_refused() {
        let point = |scale, offset, counts: &[u64], count| ExponentialHistogramDataPoint {
            scale,
            count,
            positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
            ..ExponentialHistogramDataPoint::default()
        };
        assert_eq!(exponential(&point(-5, 0, &[1], 1)), Err(HistogramFault::Scale(-5)));
        assert!(matches!(exponential(&point(0, 0, &[1], 2)), Err(HistogramFault::Count(_))));
        assert!(matches!(exponential(&point(0, i32::MAX, &[1], 1)), Err(HistogramFault::BucketIndex(_))));
        let many = vec![0; MAX_BUCKETS + 1];
        assert!(matches!(exponential(&point(0, 0, &many, 0)), Err(HistogramFault::TooManyBuckets(_))));
        let nan = ExponentialHistogramDataPoint { sum: Some(f64::NAN), ..point(0, 0, &[1], 2) };
        assert_eq!(exponential(&nan).unwrap().count, 2.0);
        assert_eq!(exponential(&point(12, 32, &[1; 16], 16)).unwrap().positive_buckets, [16.0]);
        assert_eq!(exponential(&point(i32::MAX, -1, &[1, 1], 2)).unwrap().positive_buckets, [1.0, 1.0]);
    }
}
