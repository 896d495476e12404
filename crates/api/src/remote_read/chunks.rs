//! Samples as Prometheus' chunks (`tsdb/chunkenc`): floats in XOR chunks, native histograms in float histogram chunks.
//!
//! A histogram chunk has one layout of buckets and no counter reset but at its start; whatever does not fit begins another
//! chunk, so nothing is ever recoded.

use model::{BucketSpan, CounterResetHint, FloatHistogram, SampleBuffer, is_stale};

use super::bits::{BitWriter, XorValue};

/// Samples of one chunk, as many as Prometheus puts into one.
const CHUNK_SAMPLES: usize = 120;
/// Flags in the header of a histogram chunk.
const COUNTER_RESET: u8 = 0x80;
const NOT_COUNTER_RESET: u8 = 0x40;
const GAUGE: u8 = 0xc0;

/// `prometheus.Chunk.Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Encoding {
    Xor = 1,
    FloatHistogram = 3,
}

/// A finished chunk. Times are those of its first and last sample, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) min_time: i64,
    pub(super) max_time: i64,
    pub(super) encoding: Encoding,
    pub(super) data: Vec<u8>,
}

/// Cuts samples into chunks, one at a time.
pub(super) struct Chunks<'a> {
    buffer: &'a SampleBuffer,
    /// Next sample.
    row: usize,
    /// Next histogram.
    histogram: usize,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(buffer: &'a SampleBuffer) -> Self {
        Chunks { buffer, row: 0, histogram: 0 }
    }

    fn histogram_at(&self, index: usize, row: usize) -> Option<&'a FloatHistogram> {
        self.buffer.histograms.get(index).filter(|(at, _)| *at as usize == row).map(|(_, histogram)| histogram.as_ref())
    }

    fn xor_chunk(&mut self) -> Chunk {
        let next_histogram = self.buffer.histograms.get(self.histogram).map_or(usize::MAX, |(row, _)| *row as usize);
        let end = self.buffer.len().min(next_histogram).min(self.row + CHUNK_SAMPLES);
        let rows = self.row..end;
        self.row = end;
        let (times, values) = (&self.buffer.timestamps[rows.clone()], &self.buffer.values[rows]);
        let data = encode_xor(times, values);
        Chunk { min_time: times[0], max_time: times[times.len() - 1], encoding: Encoding::Xor, data }
    }

    fn histogram_chunk(&mut self, first: &'a FloatHistogram) -> Chunk {
        let before = self.histogram.checked_sub(1).map(|at| self.buffer.histograms[at].1.as_ref());
        let min_time = self.buffer.timestamps[self.row];
        let mut writer = HistogramWriter::new(first, header_of(first, before), min_time);
        let mut last = first;
        loop {
            self.row += 1;
            self.histogram += 1;
            let Some(next) = self.histogram_at(self.histogram, self.row) else { break };
            if writer.samples == CHUNK_SAMPLES as u16 || !continues(last, next) {
                break;
            }
            writer.push(self.buffer.timestamps[self.row], next);
            last = next;
        }
        let max_time = self.buffer.timestamps[self.row - 1];
        Chunk { min_time, max_time, encoding: Encoding::FloatHistogram, data: writer.finish() }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        if self.row >= self.buffer.len() {
            return None;
        }
        match self.histogram_at(self.histogram, self.row) {
            Some(first) => Some(self.histogram_chunk(first)),
            None => Some(self.xor_chunk()),
        }
    }
}

/// An XOR chunk of at least one and at most 65,535 samples.
fn encode_xor(times: &[i64], values: &[f64]) -> Vec<u8> {
    let mut out = BitWriter::new(&(times.len() as u16).to_be_bytes());
    let (mut time, mut delta) = (times[0], 0_i64);
    let mut value = XorValue::new(values[0]);
    out.varint(time);
    out.bits(values[0].to_bits(), 64);
    for (at, (next, number)) in times.iter().zip(values).enumerate().skip(1) {
        let next_delta = next.wrapping_sub(time);
        if at == 1 {
            out.uvarint(next_delta as u64);
        } else {
            write_change(&mut out, next_delta.wrapping_sub(delta));
        }
        out.xor(&mut value, *number);
        (time, delta) = (*next, next_delta);
    }
    out.into_bytes()
}

/// The change of the distance between two samples.
fn write_change(out: &mut BitWriter, change: i64) {
    let fits = |bits: u32| -((1 << (bits - 1)) - 1) <= change && change <= 1 << (bits - 1);
    if change == 0 {
        return out.bits(0, 1);
    }
    let codes = [(0b10, 2, 14), (0b110, 3, 17), (0b1110, 4, 20)];
    let (prefix, prefix_bits, bits) = codes.into_iter().find(|(_, _, bits)| fits(*bits)).unwrap_or((0b1111, 4, 64));
    out.bits(prefix, prefix_bits);
    out.bits(change as u64, bits);
}

/// What is known of a reset at the start of a chunk.
fn header_of(first: &FloatHistogram, before: Option<&FloatHistogram>) -> u8 {
    match first.counter_reset_hint {
        CounterResetHint::Gauge => GAUGE,
        CounterResetHint::CounterReset => COUNTER_RESET,
        CounterResetHint::NotCounterReset => NOT_COUNTER_RESET,
        CounterResetHint::Unknown => match before {
            Some(before) if is_counter(before) && !is_stale(before.sum) && first.detect_reset(before) => COUNTER_RESET,
            _ => 0,
        },
    }
}

fn is_counter(histogram: &FloatHistogram) -> bool {
    histogram.counter_reset_hint != CounterResetHint::Gauge
}

/// Whether a histogram fits into the chunk that ends with `last`.
fn continues(last: &FloatHistogram, next: &FloatHistogram) -> bool {
    let same_layout = last.schema == next.schema
        && last.zero_threshold.to_bits() == next.zero_threshold.to_bits()
        && last.positive_spans == next.positive_spans
        && last.negative_spans == next.negative_spans
        && last.custom_values == next.custom_values;
    if is_counter(last) != is_counter(next) {
        return false;
    }
    if is_stale(last.sum) || is_stale(next.sum) {
        return is_stale(last.sum) && is_stale(next.sum);
    }
    let is_reset = match next.counter_reset_hint {
        CounterResetHint::Gauge | CounterResetHint::NotCounterReset => false,
        CounterResetHint::CounterReset => true,
        CounterResetHint::Unknown => next.detect_reset(last),
    };
    same_layout && !is_reset
}

/// A float histogram chunk while it grows.
struct HistogramWriter {
    out: BitWriter,
    samples: u16,
    time: i64,
    delta: i64,
    count: XorValue,
    zero_count: XorValue,
    sum: XorValue,
    buckets: Vec<XorValue>,
}

impl HistogramWriter {
    fn new(first: &FloatHistogram, flags: u8, time: i64) -> Self {
        let stale = FloatHistogram { sum: first.sum, ..FloatHistogram::default() };
        let first = if is_stale(first.sum) { &stale } else { first };
        let mut out = BitWriter::new(&[0, 0, flags]);
        write_layout(&mut out, first);
        out.varbit_int(time);
        let buckets: Vec<XorValue> = counts(first).map(XorValue::new).collect();
        for value in [first.count, first.zero_count, first.sum].into_iter().chain(counts(first)) {
            out.bits(value.to_bits(), 64);
        }
        let [count, zero_count, sum] = [first.count, first.zero_count, first.sum].map(XorValue::new);
        HistogramWriter { out, samples: 1, time, delta: 0, count, zero_count, sum, buckets }
    }

    fn push(&mut self, time: i64, next: &FloatHistogram) {
        let delta = time.wrapping_sub(self.time);
        self.out.varbit_int(delta.wrapping_sub(self.delta));
        (self.time, self.delta) = (time, delta);
        let stale = is_stale(next.sum);
        self.out.xor(&mut self.count, if stale { 0.0 } else { next.count });
        self.out.xor(&mut self.zero_count, if stale { 0.0 } else { next.zero_count });
        self.out.xor(&mut self.sum, next.sum);
        if !stale {
            self.buckets.iter_mut().zip(counts(next)).for_each(|(old, new)| self.out.xor(old, new));
        }
        self.samples += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.header()[..2].copy_from_slice(&self.samples.to_be_bytes());
        self.out.into_bytes()
    }
}

fn counts(histogram: &FloatHistogram) -> impl Iterator<Item = f64> {
    histogram.positive_buckets.iter().chain(&histogram.negative_buckets).copied()
}

/// What all samples of a chunk share (`histogram_meta.go`).
fn write_layout(out: &mut BitWriter, histogram: &FloatHistogram) {
    write_zero_threshold(out, histogram.zero_threshold);
    out.varbit_int(i64::from(histogram.schema));
    for spans in [&histogram.positive_spans, &histogram.negative_spans] {
        write_spans(out, spans);
    }
    if histogram.uses_custom_buckets() {
        out.varbit_uint(histogram.custom_values.len() as u64);
        histogram.custom_values.iter().for_each(|bound| write_bound(out, *bound));
    }
}

fn write_spans(out: &mut BitWriter, spans: &[BucketSpan]) {
    out.varbit_uint(spans.len() as u64);
    for span in spans {
        out.varbit_uint(u64::from(span.length));
        out.varbit_int(i64::from(span.offset));
    }
}

/// Zero, and powers of two from 2^-243 to 2^10, take one byte.
fn write_zero_threshold(out: &mut BitWriter, threshold: f64) {
    let bits = threshold.to_bits();
    let exponent = (bits >> 52) as i64 - 1022;
    let is_power = bits << 12 == 0 && (-242..=11).contains(&exponent);
    match threshold {
        0.0 => out.byte(0),
        _ if is_power => out.byte((exponent + 243) as u8),
        _ => {
            out.byte(255);
            out.bits(bits, 64);
        }
    }
}

/// Thousandths up to 33,554.43 are whole numbers; other bounds stand behind a zero bit as they are.
fn write_bound(out: &mut BitWriter, bound: f64) {
    let thousandths = (bound * 1000.0).round();
    if (0.0..=33_554_430.0).contains(&(bound * 1000.0)) && thousandths / 1000.0 == bound {
        out.varbit_uint(thousandths as u64 + 1);
    } else {
        out.bits(0, 1);
        out.bits(bound.to_bits(), 64);
    }
}
