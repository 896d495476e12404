//! Native histograms as they come in: from deltas to counts, compacted, checked, at a lower resolution where limits ask.

use model::{BucketSpan, FloatHistogram};

use super::protobuf_wire as wire;

/// Schema of histograms with custom buckets.
pub(crate) const CUSTOM_BUCKETS: i32 = -53;
/// Coarsest exponential schema.
pub(crate) const MIN_SCHEMA: i32 = -4;
/// Finest exponential schema.
pub(crate) const MAX_SCHEMA: i32 = 8;

/// True where the message is a native histogram: it has spans (an empty one will do) or a zero bucket.
pub(crate) fn is_native(h: &wire::Histogram) -> bool {
    !h.positive_span.is_empty() || !h.negative_span.is_empty() || h.zero_threshold > 0.0 || h.zero_count > 0
}

/// The native part of the message, compacted. The error says which side has another number of buckets than its spans ask.
pub(crate) fn from_wire(h: &wire::Histogram, is_gauge: bool) -> Result<FloatHistogram, String> {
    let is_float = h.sample_count_float > 0.0 || h.zero_count_float > 0.0;
    let (positive, negative) = if is_float {
        (h.positive_count.clone(), h.negative_count.clone())
    } else {
        (sum_deltas(&h.positive_delta), sum_deltas(&h.negative_delta))
    };
    check_spans("positive", &h.positive_span, positive.len())?;
    check_spans("negative", &h.negative_span, negative.len())?;
    let (positive_spans, positive_buckets) = compact(bucket_indices(&h.positive_span).zip(positive));
    let (negative_spans, negative_buckets) = compact(bucket_indices(&h.negative_span).zip(negative));
    Ok(FloatHistogram {
        counter_reset_hint: if is_gauge { model::CounterResetHint::Gauge } else { Default::default() },
        schema: h.schema,
        zero_threshold: h.zero_threshold,
        zero_count: if is_float { h.zero_count_float } else { h.zero_count as f64 },
        count: if is_float { h.sample_count_float } else { h.sample_count as f64 },
        sum: h.sample_sum,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        custom_values: Vec::new(),
    })
}

fn sum_deltas(deltas: &[i64]) -> Vec<f64> {
    let mut count = 0_i64;
    let next = |delta: &i64| {
        count = count.wrapping_add(*delta);
        count as f64
    };
    deltas.iter().map(next).collect()
}

fn check_spans(side: &str, spans: &[wire::Span], buckets: usize) -> Result<(), String> {
    let wanted: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
    if wanted != buckets as u64 {
        return Err(format!("{side} side: spans require {wanted} buckets, have {buckets}"));
    }
    Ok(())
}

fn bucket_indices(spans: &[wire::Span]) -> impl Iterator<Item = i64> {
    let mut next = 0_i64;
    spans.iter().flat_map(move |span| {
        let first = next + i64::from(span.offset);
        next = first + i64::from(span.length);
        first..next
    })
}

/// Spans and counts of the buckets that are not empty. Indices must rise.
pub(crate) fn compact(buckets: impl Iterator<Item = (i64, f64)>) -> (Vec<BucketSpan>, Vec<f64>) {
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut counts = Vec::new();
    let mut next = 0_i64;
    for (index, count) in buckets.filter(|(_, count)| *count != 0.0) {
        match spans.last_mut() {
            Some(span) if index == next => span.length += 1,
            _ => spans.push(BucketSpan { offset: clamp_offset(index - next), length: 1 }),
        }
        counts.push(count);
        next = index + 1;
    }
    (spans, counts)
}

fn clamp_offset(offset: i64) -> i32 {
    offset.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// Halves the resolution until at most `limit` buckets are left. False where that cannot be.
pub(crate) fn limit_buckets(h: &mut FloatHistogram, limit: usize) -> bool {
    while h.positive_buckets.len() + h.negative_buckets.len() > limit {
        if !(MIN_SCHEMA + 1..=MAX_SCHEMA).contains(&h.schema) {
            return false;
        }
        reduce_resolution(h, h.schema - 1);
    }
    true
}

/// Merges buckets so that the histogram has the coarser `schema`. Exponential schemas only.
pub(crate) fn reduce_resolution(h: &mut FloatHistogram, schema: i32) {
    let shift = (h.schema - schema).clamp(0, 31) as u32;
    (h.positive_spans, h.positive_buckets) = merge(&h.positive_spans, &h.positive_buckets, shift);
    (h.negative_spans, h.negative_buckets) = merge(&h.negative_spans, &h.negative_buckets, shift);
    h.schema = schema;
}

fn merge(spans: &[BucketSpan], counts: &[f64], shift: u32) -> (Vec<BucketSpan>, Vec<f64>) {
    let mut merged: Vec<(i64, f64)> = Vec::with_capacity(counts.len());
    let mut counts = counts.iter();
    let mut next = 0_i64;
    for span in spans {
        next += i64::from(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            // Bucket i covers (base^(i-1), base^i], hence the shift by one.
            let index = ((next - 1) >> shift) + 1;
            match merged.last_mut() {
                Some((last, sum)) if *last == index => *sum += count,
                _ => merged.push((index, *count)),
            }
            next += 1;
        }
    }
    compact(merged.into_iter())
}

/// The finest schema whose buckets grow at least by `factor`; `None` where the factor asks for nothing.
pub(crate) fn schema_of_factor(factor: f64) -> Option<i32> {
    if factor <= 1.0 {
        return None;
    }
    let wanted = (factor.log2()).log2().floor();
    let schema = if wanted >= 4.0 { MIN_SCHEMA } else { -(wanted as i32) };
    Some(schema.clamp(MIN_SCHEMA, MAX_SCHEMA)).filter(|s| *s < MAX_SCHEMA)
}

/// Finds what contradicts itself, as Prometheus' `FloatHistogram.Validate` does.
pub(crate) fn validate(h: &FloatHistogram) -> Result<(), String> {
    let buckets = || h.positive_buckets.iter().chain(&h.negative_buckets);
    if buckets().chain([&h.zero_count, &h.count]).any(|c| *c < 0.0) {
        return Err("histogram has a bucket whose observation count is negative".into());
    }
    if !(MIN_SCHEMA..=MAX_SCHEMA).contains(&h.schema) && h.schema != CUSTOM_BUCKETS {
        return Err(format!("histogram has an invalid schema, which must be between -4 and 8, or -53: {}", h.schema));
    }
    let overflowing = |spans: &[BucketSpan]| spans.iter().skip(1).any(|s| s.offset < 0);
    if overflowing(&h.positive_spans) || overflowing(&h.negative_spans) {
        return Err("histogram has a span whose offset is negative".into());
    }
    if h.schema == CUSTOM_BUCKETS && h.custom_values.windows(2).any(|w| w[0] >= w[1] || w[0].is_nan()) {
        return Err("histogram custom bounds must be in strictly increasing order".into());
    }
    let observed: f64 = buckets().sum::<f64>() + h.zero_count;
    if !h.sum.is_nan() && observed > h.count * (1.0 + 1e-9) {
        return Err(format!("{observed} observations found in buckets, but the Count field is {}", h.count));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deltas_become_counts_without_empty_buckets() {
        let h = wire::Histogram {
            sample_count: 6,
            sample_sum: 12.5,
            schema: 3,
            zero_threshold: 0.001,
            zero_count: 1,
            positive_span: vec![wire::Span { offset: -2, length: 3 }, wire::Span { offset: 2, length: 1 }],
            positive_delta: vec![1, -1, 2, 0],
            ..Default::default()
        };
        let out = from_wire(&h, true).unwrap();
        assert_eq!(out.positive_buckets, [1.0, 2.0, 2.0]);
        let spans: Vec<_> = out.positive_spans.iter().map(|s| (s.offset, s.length)).collect();
        assert_eq!(spans, [(-2, 1), (1, 1), (2, 1)]);
        assert_eq!(out.counter_reset_hint, model::CounterResetHint::Gauge);
        assert_eq!(validate(&out), Ok(()));
    }

    #[test]
    fn spans_and_buckets_must_agree() {
        let h = wire::Histogram {
            positive_span: vec![wire::Span { offset: 0, length: 2 }],
            positive_delta: vec![1],
            ..Default::default()
        };
        assert_eq!(from_wire(&h, false), Err("positive side: spans require 2 buckets, have 1".into()));
    }

    #[test]
    fn growth_factors_pick_schemas() {
        for (factor, schema) in
            [(0.0, None), (1.0, None), (1.001, None), (1.1, Some(3)), (2.0, Some(0)), (4.0, Some(-1)), (1e9, Some(-4))]
        {
            assert_eq!(schema_of_factor(factor), schema, "{factor}");
        }
    }

    proptest! {
        #[test]
        fn a_lower_resolution_keeps_every_observation(
            buckets in proptest::collection::btree_map(-200_i64..200, 1_u32..50, 1..60),
            limit in 1_usize..20,
        ) {
            let total: u32 = buckets.values().sum();
            let (positive_spans, positive_buckets) = compact(buckets.iter().map(|(i, c)| (*i, f64::from(*c))));
            let mut h = FloatHistogram {
                schema: 8, count: f64::from(total), positive_spans, positive_buckets, ..Default::default()
            };
            let fits = limit_buckets(&mut h, limit);
            prop_assert!(h.schema >= MIN_SCHEMA);
            prop_assert_eq!(fits, h.positive_buckets.len() <= limit);
            prop_assert_eq!(h.positive_buckets.iter().sum::<f64>(), f64::from(total));
            prop_assert_eq!(h.positive_spans.iter().map(|s| s.length as usize).sum::<usize>(), h.positive_buckets.len());
        }
    }
}
