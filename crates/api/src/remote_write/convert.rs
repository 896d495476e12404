//! A sample message of either version as a [`Sample`], a histogram message as a [`FloatHistogram`], which is checked as
//! Prometheus checks it.
//!
//! Both versions number the fields alike (`prompb/types.proto`, `io/prometheus/write/v2/types.proto`). The checks of integer
//! histograms are those of `model/histogram/histogram.go`; resolutions beyond schema 8 are reduced to it, as
//! `remoteWriteAppender.AppendHistogram` does.

use model::histogram::HistogramError;
use model::{BucketSpan, CounterResetHint, FloatHistogram, Sample, SampleValue, Timestamp};
use thiserror::Error;

use super::wire::{Reader, Value, WireError, each_double, each_varint, unzigzag};
use crate::ingest::histogram_count::{CountFault, check_count};

/// The finest schema that is kept, and the finest that is accepted.
const FINEST_SCHEMA: i32 = 8;
const FINEST_ACCEPTED_SCHEMA: i32 = 52;
/// Largest histogram message in bytes; bounds what one histogram can take in memory.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Why a histogram is not taken.
#[derive(Clone, Debug, PartialEq, Error)]
pub(super) enum HistogramFault {
    /// It contradicts itself.
    #[error(transparent)]
    Invalid(#[from] HistogramError),
    /// Deltas add up to more than 63 bits.
    #[error("bucket number {0}: the deltas overflow")]
    DeltaOverflow(usize),
    /// Integer counts do not add up.
    #[error(transparent)]
    Count(#[from] CountFault),
    /// Spans lead beyond every float.
    #[error("the spans lead to bucket {0}, which does not exist")]
    BucketIndex(i64),
    /// More than any histogram needs.
    #[error("the histogram has {0} bytes, more than the {MAX_MESSAGE_BYTES} that are accepted")]
    TooLarge(usize),
    /// It mixes both kinds of counts.
    #[error("the histogram has both integer and float counts")]
    Mixed,
}

/// A histogram with its times.
#[derive(Debug)]
pub(super) struct Converted {
    /// Milliseconds.
    pub(super) timestamp: Timestamp,
    /// Milliseconds; `None` where unset.
    pub(super) start_timestamp: Option<Timestamp>,
    /// The histogram, or why it is refused.
    pub(super) histogram: Result<FloatHistogram, HistogramFault>,
}

/// The fields of the message.
#[derive(Default)]
struct Raw {
    histogram: FloatHistogram,
    count_int: u64,
    zero_count_int: u64,
    is_float: bool,
    positive_deltas: Vec<i64>,
    negative_deltas: Vec<i64>,
    timestamp: i64,
    start_timestamp: i64,
}

/// Reads one message.
pub(super) fn histogram(message: &[u8]) -> Result<Converted, WireError> {
    if message.len() > MAX_MESSAGE_BYTES {
        let histogram = Err(HistogramFault::TooLarge(message.len()));
        return Ok(Converted { timestamp: Timestamp(0), start_timestamp: None, histogram });
    }
    let raw = read(message)?;
    Ok(Converted {
        timestamp: Timestamp(raw.timestamp),
        start_timestamp: (raw.start_timestamp != 0).then_some(Timestamp(raw.start_timestamp)),
        histogram: finish(raw),
    })
}

fn read(message: &[u8]) -> Result<Raw, WireError> {
    let mut raw = Raw::default();
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        let h = &mut raw.histogram;
        match (number, value) {
            (1, Value::Varint(v)) => {
                raw.count_int = v;
                raw.is_float = false;
            }
            (2, Value::Fixed64(v)) => {
                h.count = f64::from_bits(v);
                raw.is_float = true;
            }
            (3, Value::Fixed64(v)) => h.sum = f64::from_bits(v),
            (4, Value::Varint(v)) => h.schema = unzigzag(v) as i32,
            (5, Value::Fixed64(v)) => h.zero_threshold = f64::from_bits(v),
            (6, Value::Varint(v)) => raw.zero_count_int = v,
            (7, Value::Fixed64(v)) => h.zero_count = f64::from_bits(v),
            (8, Value::Bytes(v)) => h.negative_spans.push(span(v)?),
            (9, v) => each_varint(number, v, |delta| raw.negative_deltas.push(unzigzag(delta)))?,
            (10, v) => each_double(number, v, |count| h.negative_buckets.push(count))?,
            (11, Value::Bytes(v)) => h.positive_spans.push(span(v)?),
            (12, v) => each_varint(number, v, |delta| raw.positive_deltas.push(unzigzag(delta)))?,
            (13, v) => each_double(number, v, |count| h.positive_buckets.push(count))?,
            (14, Value::Varint(v)) => h.counter_reset_hint = hint(v),
            (15, Value::Varint(v)) => raw.timestamp = v as i64,
            (16, v) => each_double(number, v, |bound| h.custom_values.push(bound))?,
            (17, Value::Varint(v)) => raw.start_timestamp = v as i64,
            (1..=17, _) => return Err(WireError::FieldType(number)),
            _ => {}
        }
    }
    Ok(raw)
}

fn span(message: &[u8]) -> Result<BucketSpan, WireError> {
    let mut span = BucketSpan::default();
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Value::Varint(v)) => span.offset = unzigzag(v) as i32,
            (2, Value::Varint(v)) => span.length = v as u32,
            (1..=2, _) => return Err(WireError::FieldType(number)),
            _ => {}
        }
    }
    Ok(span)
}

fn hint(value: u64) -> CounterResetHint {
    match value {
        1 => CounterResetHint::CounterReset,
        2 => CounterResetHint::NotCounterReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}

fn finish(raw: Raw) -> Result<FloatHistogram, HistogramFault> {
    let Raw { mut histogram, count_int, zero_count_int, is_float, positive_deltas, negative_deltas, .. } = raw;
    let has_float_counts = !histogram.positive_buckets.is_empty() || !histogram.negative_buckets.is_empty();
    if is_float {
        if !positive_deltas.is_empty() || !negative_deltas.is_empty() {
            return Err(HistogramFault::Mixed);
        }
        return validated(histogram);
    }
    if has_float_counts {
        return Err(HistogramFault::Mixed);
    }
    let (positive, positive_sum) = counts(&positive_deltas)?;
    let (negative, negative_sum) = counts(&negative_deltas)?;
    histogram.positive_buckets = positive;
    histogram.negative_buckets = negative;
    histogram.count = count_int as f64;
    histogram.zero_count = zero_count_int as f64;
    let histogram = validated(histogram)?;
    // Negative counts were refused, so the sums are none.
    let in_buckets = positive_sum.unsigned_abs() + negative_sum.unsigned_abs() + u128::from(zero_count_int);
    check_count(in_buckets, count_int, histogram.sum)?;
    Ok(histogram)
}

/// Absolute counts and their sum.
fn counts(deltas: &[i64]) -> Result<(Vec<f64>, i128), HistogramFault> {
    let (mut count, mut sum) = (0_i64, 0_i128);
    let mut counts = Vec::with_capacity(deltas.len());
    for (at, delta) in deltas.iter().enumerate() {
        count = count.checked_add(*delta).ok_or(HistogramFault::DeltaOverflow(at + 1))?;
        sum += i128::from(count);
        counts.push(count as f64);
    }
    Ok((counts, sum))
}

fn validated(mut histogram: FloatHistogram) -> Result<FloatHistogram, HistogramFault> {
    for spans in [&histogram.positive_spans, &histogram.negative_spans] {
        let mut index = 0_i64;
        for span in spans {
            index += i64::from(span.offset) + i64::from(span.length);
            if i32::try_from(index).is_err() {
                return Err(HistogramFault::BucketIndex(index));
            }
        }
    }
    let schema = histogram.schema;
    if schema <= FINEST_SCHEMA || schema > FINEST_ACCEPTED_SCHEMA {
        histogram.validate()?;
        return Ok(histogram);
    }
    histogram.schema = FINEST_SCHEMA;
    histogram.validate()?;
    histogram.schema = schema;
    Ok(histogram.copy_to_schema(FINEST_SCHEMA))
}

/// A float sample; version 1 has no field 3.
#[inline]
pub(super) fn sample(message: &[u8]) -> Result<Sample, WireError> {
    let (mut value, mut timestamp, mut start) = (0.0, 0, 0);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (1, Value::Fixed64(v)) => value = f64::from_bits(v),
            (2, Value::Varint(v)) => timestamp = v as i64,
            (3, Value::Varint(v)) => start = v as i64,
            (1..=3, _) => return Err(WireError::FieldType(number)),
            _ => {}
        }
    }
    let start_timestamp = (start != 0).then_some(Timestamp(start));
    Ok(Sample { timestamp: Timestamp(timestamp), start_timestamp, value: SampleValue::Float(value) })
}
