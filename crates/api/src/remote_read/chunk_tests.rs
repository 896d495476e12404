//! Chunks read back by a decoder written from Prometheus' description of the format: whatever is cut into chunks comes
//! back bit by bit.

use std::sync::Arc;

use model::{BucketSpan, CounterResetHint, FloatHistogram, SampleBuffer, is_stale, stale_nan};
use proptest::prelude::*;

use super::chunks::{Chunk, Chunks, Encoding};

struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    fn bits(&mut self, count: u32) -> u64 {
        (0..count).fold(0, |value, _| {
            let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u64::from(bit)
        })
    }

    fn bit(&mut self) -> bool {
        self.bits(1) == 1
    }

    fn float(&mut self) -> f64 {
        f64::from_bits(self.bits(64))
    }

    fn uvarint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.bits(8);
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    fn ones(&mut self, most: u32) -> u32 {
        (0..most).take_while(|_| self.bit()).count() as u32
    }

    fn signed(&mut self, bits: u32) -> i64 {
        let value = self.bits(bits);
        if bits == 64 {
            return value as i64;
        }
        if value > 1 << (bits - 1) { value as i64 - (1 << bits) } else { value as i64 }
    }

    fn varbit_int(&mut self) -> i64 {
        match self.ones(8) {
            0 => 0,
            ones => self.signed([3, 6, 9, 12, 18, 25, 56, 64][ones as usize - 1]),
        }
    }

    fn varbit_uint(&mut self) -> u64 {
        match self.ones(8) {
            0 => 0,
            ones => self.bits([3, 6, 9, 12, 18, 25, 56, 64][ones as usize - 1]),
        }
    }

    fn xor(&mut self, value: &mut f64, window: &mut (u32, u32)) {
        if !self.bit() {
            return;
        }
        if self.bit() {
            let leading = self.bits(5) as u32;
            let significant = match self.bits(6) as u32 {
                0 => 64,
                bits => bits,
            };
            *window = (leading, 64 - leading - significant);
        }
        let significant = 64 - window.0 - window.1;
        *value = f64::from_bits(value.to_bits() ^ self.bits(significant) << window.1);
    }
}

fn read_xor(chunk: &Chunk, out: &mut SampleBuffer) {
    let samples = u16::from_be_bytes([chunk.data[0], chunk.data[1]]);
    let mut bits = BitReader { bytes: &chunk.data[2..], at: 0 };
    let zigzag = bits.uvarint();
    let mut time = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    let mut value = bits.float();
    let (mut delta, mut window) = (0_i64, (0, 0));
    out.push_float(time, value);
    for sample in 1..samples {
        if sample == 1 {
            delta = bits.uvarint() as i64;
        } else {
            delta = delta.wrapping_add(match bits.ones(4) {
                0 => 0,
                ones => bits.signed([14, 17, 20, 64][ones as usize - 1]),
            });
        }
        time = time.wrapping_add(delta);
        bits.xor(&mut value, &mut window);
        out.push_float(time, value);
    }
}

fn read_spans(bits: &mut BitReader<'_>) -> Vec<BucketSpan> {
    let count = bits.varbit_uint();
    let mut span = || {
        let length = bits.varbit_uint() as u32;
        BucketSpan { offset: bits.varbit_int() as i32, length }
    };
    (0..count).map(|_| span()).collect()
}

fn read_bound(bits: &mut BitReader<'_>) -> f64 {
    match bits.varbit_uint() {
        0 => bits.float(),
        thousandths => (thousandths - 1) as f64 / 1000.0,
    }
}

fn read_histograms(chunk: &Chunk, out: &mut SampleBuffer) {
    let samples = u16::from_be_bytes([chunk.data[0], chunk.data[1]]);
    let flags = chunk.data[2] & 0xc0;
    let mut bits = BitReader { bytes: &chunk.data[3..], at: 0 };
    let zero_threshold = match bits.bits(8) {
        0 => 0.0,
        255 => bits.float(),
        exponent => 2_f64.powi(exponent as i32 - 244),
    };
    let schema = bits.varbit_int() as i32;
    let (positive_spans, negative_spans) = (read_spans(&mut bits), read_spans(&mut bits));
    let custom_values = match schema {
        -53 => (0..bits.varbit_uint()).map(|_| read_bound(&mut bits)).collect(),
        _ => Vec::new(),
    };
    let length = |spans: &[BucketSpan]| spans.iter().map(|s| s.length as usize).sum::<usize>();
    let positive = length(&positive_spans);
    let (mut time, mut delta) = (bits.varbit_int(), 0_i64);
    let mut values: Vec<f64> = (0..3 + positive + length(&negative_spans)).map(|_| bits.float()).collect();
    let mut windows = vec![(0, 0); values.len()];
    for sample in 0..samples {
        if sample > 0 {
            delta = delta.wrapping_add(bits.varbit_int());
            time = time.wrapping_add(delta);
            for at in 0..values.len() {
                if at == 3 && is_stale(values[2]) {
                    break;
                }
                bits.xor(&mut values[at], &mut windows[at]);
            }
        }
        let hint = match flags {
            0xc0 => CounterResetHint::Gauge,
            _ if sample > 0 => CounterResetHint::NotCounterReset,
            0x80 => CounterResetHint::CounterReset,
            _ => CounterResetHint::Unknown,
        };
        let histogram = FloatHistogram {
            counter_reset_hint: hint,
            schema,
            zero_threshold,
            count: values[0],
            zero_count: values[1],
            sum: values[2],
            positive_spans: positive_spans.clone(),
            negative_spans: negative_spans.clone(),
            positive_buckets: values[3..3 + positive].to_vec(),
            negative_buckets: values[3 + positive..].to_vec(),
            custom_values: custom_values.clone(),
        };
        out.push_histogram(time, Arc::new(histogram));
    }
}

fn read_back(buffer: &SampleBuffer) -> (SampleBuffer, Vec<Chunk>) {
    let chunks: Vec<Chunk> = Chunks::new(buffer).collect();
    let mut out = SampleBuffer::default();
    for chunk in &chunks {
        let first = out.len();
        match chunk.encoding {
            Encoding::Xor => read_xor(chunk, &mut out),
            Encoding::FloatHistogram => read_histograms(chunk, &mut out),
        }
        assert_eq!((out.timestamps[first], out.timestamps[out.len() - 1]), (chunk.min_time, chunk.max_time));
        assert!((1..=120).contains(&(out.len() - first)));
    }
    (out, chunks)
}

fn same(a: &SampleBuffer, b: &SampleBuffer) {
    assert_eq!(a.timestamps, b.timestamps);
    assert_eq!(a.histograms.len(), b.histograms.len());
    for ((row, one), (other_row, other)) in a.histograms.iter().zip(&b.histograms) {
        assert_eq!(row, other_row);
        let both_stale = is_stale(one.sum) && is_stale(other.sum);
        assert!(both_stale || one.same_data(other), "{one:?}\n{other:?}");
    }
    let is_histogram = |row: usize| a.histograms.iter().any(|(at, _)| *at as usize == row);
    for row in (0..a.len()).filter(|row| !is_histogram(*row)) {
        assert_eq!(a.values[row].to_bits(), b.values[row].to_bits());
    }
}

fn histogram() -> impl Strategy<Value = FloatHistogram> {
    let spans = proptest::collection::vec((0..5_i32, 0..4_u32), 0..3);
    let numbers = proptest::collection::vec(0..50_u32, 24);
    let threshold = prop::sample::select(vec![0.0, 0.001, 2_f64.powi(-128), 2_f64.powi(-243), 1024.0, 2048.0]);
    let schema = prop::sample::select(vec![-4, 0, 3, 8, -53]);
    let bounds =
        proptest::collection::vec(prop::sample::select(vec![0.005, 0.1, 1.0, 33_554.43, 33_554.431, -1.0, 1e-9]), 0..4);
    (spans.clone(), spans, numbers, threshold, schema, bounds, 0..10_u8).prop_map(
        |(positive, negative, numbers, zero_threshold, schema, custom_values, kind)| {
            let to_spans = |spans: Vec<(i32, u32)>| -> Vec<BucketSpan> {
                spans.into_iter().map(|(offset, length)| BucketSpan { offset, length }).collect()
            };
            let custom = schema == -53;
            let positive_spans = to_spans(positive);
            let negative_spans = if custom { Vec::new() } else { to_spans(negative) };
            let count = |spans: &[BucketSpan]| spans.iter().map(|s| s.length as usize).sum::<usize>();
            let buckets =
                |from: usize, count: usize| numbers[from..from + count].iter().map(|n| f64::from(*n)).collect();
            FloatHistogram {
                counter_reset_hint: match kind {
                    0 => CounterResetHint::Gauge,
                    1 => CounterResetHint::CounterReset,
                    2 => CounterResetHint::NotCounterReset,
                    _ => CounterResetHint::Unknown,
                },
                schema,
                zero_threshold: if custom { 0.0 } else { zero_threshold },
                zero_count: f64::from(numbers[0]),
                count: f64::from(numbers[1]),
                sum: if kind == 9 { stale_nan() } else { f64::from(numbers[2]) / 7.0 },
                positive_buckets: buckets(3, count(&positive_spans)),
                negative_buckets: buckets(12, count(&negative_spans)),
                positive_spans,
                negative_spans,
                custom_values: if custom { custom_values } else { Vec::new() },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn floats_come_back(
        start in -4_000_000_000_000_i64..4_000_000_000_000,
        steps in proptest::collection::vec((1_i64..5, 0..22_u32, any::<f64>(), 0..4_u8), 1..400),
    ) {
        let (mut buffer, mut time, mut value) = (SampleBuffer::default(), start, 1.0);
        for (step, shift, number, kind) in steps {
            time += step << shift;
            match kind {
                0 => value = number,
                1 => value += 1.0,
                2 => value = stale_nan(),
                _ => {}
            }
            buffer.push_float(time, value);
        }
        same(&read_back(&buffer).0, &buffer);
    }

    #[test]
    fn histograms_come_back(
        samples in proptest::collection::vec((1_i64..100_000, histogram(), 1..6_usize, any::<f64>()), 1..30),
    ) {
        let (mut buffer, mut time) = (SampleBuffer::default(), 1_700_000_000_000);
        for (step, histogram, repeats, value) in samples {
            for repeat in 0..repeats {
                time += step;
                let mut grown = histogram.clone();
                grown.count += repeat as f64;
                buffer.push_histogram(time, Arc::new(grown));
            }
            if step % 5 == 0 {
                time += 1;
                buffer.push_float(time, value);
            }
        }
        let (read, _) = read_back(&buffer);
        same(&read, &buffer);
        for ((_, read), (_, written)) in read.histograms.iter().zip(&buffer.histograms) {
            let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
            prop_assert_eq!(is_gauge(read), is_gauge(written));
            // What is said to start anew still is; what is said not to really did not.
            if written.counter_reset_hint == CounterResetHint::CounterReset {
                prop_assert_eq!(read.counter_reset_hint, CounterResetHint::CounterReset);
            }
        }
    }
}

#[test]
fn counters_share_a_chunk_until_they_reset() {
    let mut buffer = SampleBuffer::default();
    for sample in 0..300_i64 {
        let histogram = FloatHistogram {
            count: (sample % 200) as f64,
            positive_spans: vec![BucketSpan { offset: 0, length: 1 }],
            positive_buckets: vec![(sample % 200) as f64],
            ..FloatHistogram::default()
        };
        buffer.push_histogram(15_000 * sample, Arc::new(histogram));
    }
    let (read, chunks) = read_back(&buffer);
    same(&read, &buffer);
    let ends: Vec<i64> = chunks.iter().map(|c| c.max_time / 15_000).collect();
    assert_eq!(ends, [119, 199, 299]);
    assert_eq!(chunks.iter().map(|c| c.data[2]).collect::<Vec<_>>(), [0, 0, 0x80]);
}
