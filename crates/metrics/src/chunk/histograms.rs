//! Native histogram columns: runs of histograms with the same buckets, each number of them a float column over the run.

use std::sync::Arc;

use model::{BucketSpan, CounterResetHint, FloatHistogram};

use super::values;
use crate::bytes::{Damaged, Reader, put_signed, put_varint};

fn same_layout(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    a.counter_reset_hint == b.counter_reset_hint
        && a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && a.positive_buckets.len() == b.positive_buckets.len()
        && a.negative_buckets.len() == b.negative_buckets.len()
        && (a.custom_values.is_empty() && b.custom_values.is_empty()
            || bits(&a.custom_values) == bits(&b.custom_values))
}

/// Appends up to [`super::MAX_SAMPLES`] histograms. The reader must know how many there are.
pub(crate) fn encode(histograms: &[Arc<FloatHistogram>], out: &mut Vec<u8>) {
    let mut column = Vec::with_capacity(histograms.len());
    for run in histograms.chunk_by(|a, b| same_layout(a, b)) {
        put_varint(out, run.len() as u64);
        put_layout(&run[0], out);
        let mut put = |get: &dyn Fn(&FloatHistogram) -> f64| {
            column.clear();
            column.extend(run.iter().map(|h| get(h).to_bits()));
            values::encode(&column, out);
        };
        put(&|h| h.count);
        put(&|h| h.zero_count);
        put(&|h| h.sum);
        for i in 0..run[0].positive_buckets.len() {
            put(&|h| h.positive_buckets[i]);
        }
        for i in 0..run[0].negative_buckets.len() {
            put(&|h| h.negative_buckets[i]);
        }
    }
}

/// Appends `count` histograms to `out` and answers the number of bytes that they took.
pub(crate) fn decode(bytes: &[u8], count: usize, out: &mut Vec<Arc<FloatHistogram>>) -> Result<usize, Damaged> {
    let mut rest = Reader(bytes);
    let reader = &mut rest;
    let mut left = count;
    while left > 0 {
        let n = reader.varint()? as usize;
        if n == 0 || n > left {
            return Err(Damaged("a run of histograms is longer than its chunk"));
        }
        left -= n;
        let (layout, positive, negative) = get_layout(reader)?;
        let mut run = vec![layout; n];
        let mut column = Vec::with_capacity(n);
        let mut get = |set: &dyn Fn(&mut FloatHistogram, f64)| {
            column.clear();
            values::read(reader, n, &mut column)?;
            run.iter_mut().zip(&column).for_each(|(h, v)| set(h, *v));
            Ok(())
        };
        get(&|h, v| h.count = v)?;
        get(&|h, v| h.zero_count = v)?;
        get(&|h, v| h.sum = v)?;
        for _ in 0..positive {
            get(&|h, v| h.positive_buckets.push(v))?;
        }
        for _ in 0..negative {
            get(&|h, v| h.negative_buckets.push(v))?;
        }
        out.extend(run.into_iter().map(Arc::new));
    }
    Ok(bytes.len() - rest.0.len())
}

fn put_layout(h: &FloatHistogram, out: &mut Vec<u8>) {
    out.push(match h.counter_reset_hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::CounterReset => 1,
        CounterResetHint::NotCounterReset => 2,
        CounterResetHint::Gauge => 3,
    });
    put_signed(out, i64::from(h.schema));
    out.extend_from_slice(&h.zero_threshold.to_le_bytes());
    for spans in [&h.positive_spans, &h.negative_spans] {
        put_varint(out, spans.len() as u64);
        for span in spans {
            put_signed(out, i64::from(span.offset));
            put_varint(out, u64::from(span.length));
        }
    }
    put_varint(out, h.positive_buckets.len() as u64);
    put_varint(out, h.negative_buckets.len() as u64);
    put_varint(out, h.custom_values.len() as u64);
    for v in &h.custom_values {
        out.extend_from_slice(&v.to_le_bytes());
    }
}

/// The parts that all histograms of a run share, and the numbers of their positive and negative buckets.
fn get_layout(reader: &mut Reader<'_>) -> Result<(FloatHistogram, usize, usize), Damaged> {
    let counter_reset_hint = match reader.byte()? {
        0 => CounterResetHint::Unknown,
        1 => CounterResetHint::CounterReset,
        2 => CounterResetHint::NotCounterReset,
        3 => CounterResetHint::Gauge,
        _ => return Err(Damaged("unknown counter reset hint")),
    };
    let schema = i32::try_from(reader.signed()?).map_err(|_| Damaged("a histogram schema is out of range"))?;
    let zero_threshold = f64::from_bits(reader.u64()?);
    let positive_spans = get_spans(reader)?;
    let negative_spans = get_spans(reader)?;
    // A bucket's column takes at least two bytes.
    let positive = reader.count(2)?;
    let negative = reader.count(2)?;
    let custom = reader.count(8)?;
    let custom_values = (0..custom).map(|_| reader.u64().map(f64::from_bits)).collect::<Result<_, _>>()?;
    let layout = FloatHistogram {
        counter_reset_hint,
        schema,
        zero_threshold,
        positive_spans,
        negative_spans,
        custom_values,
        ..FloatHistogram::default()
    };
    Ok((layout, positive, negative))
}

fn get_spans(reader: &mut Reader<'_>) -> Result<Vec<BucketSpan>, Damaged> {
    let n = reader.count(2)?;
    let mut spans = Vec::with_capacity(n);
    for _ in 0..n {
        let offset = i32::try_from(reader.signed()?).map_err(|_| Damaged("a span offset is out of range"))?;
        let length = u32::try_from(reader.varint()?).map_err(|_| Damaged("a span length is out of range"))?;
        spans.push(BucketSpan { offset, length });
    }
    Ok(spans)
}
