//! Chunks of native histograms: one layout of buckets for all, then differences.

use std::sync::Arc;

use model::{BucketSpan, CounterResetHint, FloatHistogram, SampleBuffer, is_stale};

use crate::bits::{Bits, Xor};
use crate::bytes::Short;
use crate::chunk::ChunkError;

const CUSTOM_BUCKETS: i64 = -53;
/// The highest resolution that is kept; chunks may hold more, as Prometheus reserves schemas up to 52.
const MAX_SCHEMA: i32 = 8;
const MAX_RESERVED_SCHEMA: i64 = 52;
const GAUGE: u8 = 0b1100_0000;

/// What all histograms of a chunk share.
struct Layout {
    is_gauge: bool,
    schema: i32,
    zero_threshold: f64,
    positive_spans: Vec<BucketSpan>,
    negative_spans: Vec<BucketSpan>,
    custom_values: Vec<f64>,
    positive: usize,
    negative: usize,
}

impl Layout {
    fn read(flags: u8, bits: &mut Bits<'_>) -> Result<Layout, ChunkError> {
        let zero_threshold = match bits.byte()? {
            0 => 0.0,
            255 => bits.float()?,
            exponent => f64::exp2(f64::from(exponent) - 244.0),
        };
        let schema = bits.varbit_int()?;
        if schema != CUSTOM_BUCKETS && !(-4..=MAX_RESERVED_SCHEMA).contains(&schema) {
            return Err(ChunkError::Damaged("a histogram has a schema that does not exist"));
        }
        let (positive_spans, positive) = spans(bits)?;
        let (negative_spans, negative) = spans(bits)?;
        let custom_values = if schema == CUSTOM_BUCKETS { bounds(bits)? } else { Vec::new() };
        // Each bucket takes a bit at least, so no more memory is asked for than the chunk bears out.
        if positive + negative > bits.left() as u64 {
            return Err(ChunkError::Damaged("a histogram has more buckets than its chunk has bits"));
        }
        Ok(Layout {
            is_gauge: flags & GAUGE == GAUGE,
            schema: schema as i32,
            zero_threshold,
            positive_spans,
            negative_spans,
            custom_values,
            positive: positive as usize,
            negative: negative as usize,
        })
    }

    /// A histogram with this layout. Only the first of a chunk may begin to count anew.
    fn histogram(&self, number: u16, totals: [f64; 3], positive: Vec<f64>, negative: Vec<f64>) -> FloatHistogram {
        let counter_reset_hint = match number {
            _ if self.is_gauge => CounterResetHint::Gauge,
            0 => CounterResetHint::Unknown,
            _ => CounterResetHint::NotCounterReset,
        };
        let [count, zero_count, sum] = totals;
        let histogram = FloatHistogram {
            counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count,
            count,
            sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            positive_buckets: positive,
            negative_buckets: negative,
            custom_values: self.custom_values.clone(),
        };
        if self.schema <= MAX_SCHEMA {
            return histogram;
        }
        FloatHistogram { counter_reset_hint, ..histogram.copy_to_schema(MAX_SCHEMA) }
    }
}

fn spans(bits: &mut Bits<'_>) -> Result<(Vec<BucketSpan>, u64), ChunkError> {
    let count = bits.varbit_uint()?;
    let (mut spans, mut buckets, mut end) = (Vec::new(), 0_u64, 0_i64);
    for _ in 0..count {
        let length = u32::try_from(bits.varbit_uint()?).map_err(|_| Short)?;
        let offset = i32::try_from(bits.varbit_int()?).map_err(|_| Short)?;
        end += i64::from(offset) + i64::from(length);
        if i32::try_from(end).is_err() || (offset < 0 && !spans.is_empty()) {
            return Err(ChunkError::Damaged("the buckets of a histogram are out of order"));
        }
        buckets += u64::from(length);
        spans.push(BucketSpan { offset, length });
    }
    Ok((spans, buckets))
}

fn bounds(bits: &mut Bits<'_>) -> Result<Vec<f64>, Short> {
    let count = bits.varbit_uint()?;
    let mut bounds = Vec::new();
    for _ in 0..count {
        bounds.push(match bits.varbit_uint()? {
            0 => bits.float()?,
            thousandths => (thousandths - 1) as f64 / 1000.0,
        });
    }
    Ok(bounds)
}

fn stale(sum: f64) -> Arc<FloatHistogram> {
    Arc::new(FloatHistogram { sum, ..FloatHistogram::default() })
}

/// A whole number that is written as the difference of its difference.
#[derive(Clone, Copy, Default)]
struct Stepped {
    value: i64,
    step: i64,
}

impl Stepped {
    fn advance(&mut self, bits: &mut Bits<'_>) -> Result<(), Short> {
        self.step = self.step.wrapping_add(bits.varbit_int()?);
        self.value = self.value.wrapping_add(self.step);
        Ok(())
    }
}

/// Histograms whose counts are whole numbers; a bucket is the difference from its neighbour.
pub(crate) fn integers(count: u16, data: &[u8], out: &mut SampleBuffer) -> Result<(), ChunkError> {
    if count == 0 {
        return Ok(());
    }
    let (flags, data) = data.split_first().ok_or(Short)?;
    let mut bits = Bits::new(data);
    let layout = Layout::read(*flags, &mut bits)?;
    let first = |value| Stepped { value, step: 0 };
    let mut time = first(bits.varbit_int()?);
    let mut total = first(bits.varbit_uint()? as i64);
    let mut zeros = first(bits.varbit_uint()? as i64);
    let mut sum = Xor::new(bits.float()?);
    let mut buckets = vec![Stepped::default(); layout.positive + layout.negative];
    for bucket in &mut buckets {
        bucket.value = bits.varbit_int()?;
    }
    for number in 0..count {
        if number > 0 {
            for stepped in [&mut time, &mut total, &mut zeros] {
                stepped.advance(&mut bits)?;
            }
            bits.xor(&mut sum)?;
        }
        if is_stale(sum.value) {
            out.push_histogram(time.value, stale(sum.value));
            continue;
        }
        if number > 0 {
            for bucket in &mut buckets {
                bucket.advance(&mut bits)?;
            }
        }
        let (positive, negative) = buckets.split_at(layout.positive);
        let totals = [total.value as u64 as f64, zeros.value as u64 as f64, sum.value];
        let histogram = layout.histogram(number, totals, absolute(positive), absolute(negative));
        out.push_histogram(time.value, Arc::new(histogram));
    }
    Ok(())
}

fn absolute(differences: &[Stepped]) -> Vec<f64> {
    let sums = differences.iter().scan(0_i64, |sum, difference| {
        *sum = sum.wrapping_add(difference.value);
        Some(*sum as f64)
    });
    sums.collect()
}

/// Histograms whose counts are floats.
pub(crate) fn floats(count: u16, data: &[u8], out: &mut SampleBuffer) -> Result<(), ChunkError> {
    if count == 0 {
        return Ok(());
    }
    let (flags, data) = data.split_first().ok_or(Short)?;
    let mut bits = Bits::new(data);
    let layout = Layout::read(*flags, &mut bits)?;
    let mut time = Stepped { value: bits.varbit_int()?, step: 0 };
    // Count, zero count, sum.
    let mut totals = [Xor::default(); 3];
    let mut buckets = vec![Xor::default(); layout.positive + layout.negative];
    for number in totals.iter_mut().chain(&mut buckets) {
        *number = Xor::new(bits.float()?);
    }
    for number in 0..count {
        if number > 0 {
            time.advance(&mut bits)?;
            for total in &mut totals {
                bits.xor(total)?;
            }
        }
        if is_stale(totals[2].value) {
            out.push_histogram(time.value, stale(totals[2].value));
            continue;
        }
        if number > 0 {
            for bucket in &mut buckets {
                bits.xor(bucket)?;
            }
        }
        let (positive, negative) = buckets.split_at(layout.positive);
        let values = |xors: &[Xor]| xors.iter().map(|xor| xor.value).collect();
        let histogram = layout.histogram(number, totals.map(|t| t.value), values(positive), values(negative));
        out.push_histogram(time.value, Arc::new(histogram));
    }
    Ok(())
}
