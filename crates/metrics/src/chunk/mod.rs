//! Samples as compressed bytes: the columns of which rows at rest consist, and the chunk of one series in memory.
//!
//! [`times`], [`values`], [`starts`] and [`histograms`] are columns of up to [`MAX_SAMPLES`] samples, each of which says
//! itself where it ends. A chunk holds some samples of one series in order of time, all floats or all histograms:
//!
//! ```text
//! flags u8 | times | [start times] | values or histograms
//! ```

pub(crate) mod histograms;
mod ints;
pub(crate) mod starts;
pub(crate) mod times;
pub(crate) mod values;

use std::cell::RefCell;
use std::sync::Arc;

use model::{FloatHistogram, SampleBuffer, TimeRange};

use crate::bytes::{Damaged, Reader, put_varint};

/// Most samples in one chunk, or in one column.
pub(crate) const MAX_SAMPLES: usize = 1024;

const HISTOGRAM: u8 = 1;
const STARTS: u8 = 2;

/// Appends a chunk of the rows `from..to` of a buffer, which must be all floats or all histograms.
pub(crate) fn encode(samples: &SampleBuffer, from: usize, to: usize, out: &mut Vec<u8>) {
    let times = &samples.timestamps[from..to];
    let starts = samples.start_timestamps.get(from..to).filter(|starts| starts.iter().any(|s| *s != 0));
    let begin = samples.histograms.partition_point(|(row, _)| (*row as usize) < from);
    let is_histogram = samples.histograms.get(begin).is_some_and(|(row, _)| *row as usize == from);
    out.push(u8::from(is_histogram) * HISTOGRAM + u8::from(starts.is_some()) * STARTS);
    times::encode(times, out);
    if let Some(starts) = starts {
        starts::encode(starts, out);
    }
    if is_histogram {
        let values: Vec<Arc<FloatHistogram>> =
            samples.histograms[begin..begin + times.len()].iter().map(|(_, h)| h.clone()).collect();
        histograms::encode(&values, out);
    } else {
        let bits: Vec<u64> = samples.values[from..to].iter().map(|v| v.to_bits()).collect();
        values::encode(&bits, out);
    }
}

/// Appends a chunk of floats given as bits.
pub(crate) fn encode_floats(times: &[i64], bits: &[u64], out: &mut Vec<u8>) {
    out.push(0);
    times::encode(times, out);
    values::encode(bits, out);
}

/// Reads the number of samples of a chunk and their first and last time.
pub(crate) fn span(bytes: &[u8]) -> Result<times::Span, Damaged> {
    let mut reader = Reader(bytes);
    flags(&mut reader)?;
    times::span(reader.0)
}

fn flags(reader: &mut Reader<'_>) -> Result<u8, Damaged> {
    let flags = reader.byte()?;
    if flags > HISTOGRAM | STARTS {
        return Err(Damaged("unknown chunk flags"));
    }
    Ok(flags)
}

#[derive(Default)]
struct Scratch {
    times: Vec<i64>,
    starts: Vec<i64>,
    values: Vec<f64>,
    histograms: Vec<Arc<FloatHistogram>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Appends the samples of a chunk that lie in `range` to `out`.
pub(crate) fn decode(bytes: &[u8], range: TimeRange, out: &mut SampleBuffer) -> Result<(), Damaged> {
    let mut reader = Reader(bytes);
    let flags = flags(&mut reader)?;
    let span = times::span(reader.0)?;
    if !span.range.overlaps(&range) {
        return Ok(());
    }
    let count = span.count;
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.times.clear();
        scratch.starts.clear();
        scratch.values.clear();
        scratch.histograms.clear();
        let taken = times::decode(reader.0, count, &mut scratch.times)?;
        reader.take(taken)?;
        if flags & STARTS != 0 {
            let taken = starts::decode(reader.0, count, &mut scratch.starts)?;
            reader.take(taken)?;
        }
        let from = scratch.times.partition_point(|t| *t < range.start.ms());
        let to = scratch.times.partition_point(|t| *t <= range.end.ms());
        if flags & HISTOGRAM != 0 {
            histograms::decode(reader.0, count, &mut scratch.histograms)?;
            for row in from..to {
                out.push_histogram(scratch.times[row], scratch.histograms[row].clone());
                out.set_last_start(scratch.starts.get(row).copied().unwrap_or(0));
            }
            return Ok(());
        }
        values::decode(reader.0, count, &mut scratch.values)?;
        let has_starts = !scratch.starts.is_empty() || !out.start_timestamps.is_empty();
        if !has_starts {
            out.timestamps.extend_from_slice(&scratch.times[from..to]);
            out.values.extend_from_slice(&scratch.values[from..to]);
            return Ok(());
        }
        for row in from..to {
            out.push_float(scratch.times[row], scratch.values[row]);
            out.set_last_start(scratch.starts.get(row).copied().unwrap_or(0));
        }
        Ok(())
    })
}

/// Encodes all rows of a buffer as chunks of at most [`MAX_SAMPLES`], each preceded by its length.
pub(crate) fn encode_list(samples: &SampleBuffer, out: &mut Vec<u8>) {
    let mut chunk = Vec::new();
    let mut from = 0;
    let mut histograms = samples.histograms.iter().map(|(row, _)| *row as usize).peekable();
    while from < samples.len() {
        // A chunk ends where floats and histograms change over.
        let mut to = (from + MAX_SAMPLES).min(samples.len());
        match histograms.peek().copied() {
            Some(row) if row == from => {
                let mut end = from;
                while end < to && histograms.peek() == Some(&end) {
                    histograms.next();
                    end += 1;
                }
                to = end;
            }
            Some(row) => to = to.min(row),
            None => {}
        }
        chunk.clear();
        encode(samples, from, to, &mut chunk);
        push_listed(&chunk, out);
        from = to;
    }
}

/// Appends a chunk with its length in front.
pub(crate) fn push_listed(chunk: &[u8], out: &mut Vec<u8>) {
    put_varint(out, chunk.len() as u64);
    out.extend_from_slice(chunk);
}

/// Walks over chunks that were written by [`encode_list`] or [`push_listed`].
pub(crate) fn listed(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], Damaged>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let chunk = reader.count(1).and_then(|n| reader.take(n));
        if chunk.is_err() {
            reader = Reader(&[]);
        }
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    fn any_bits() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            any::<i32>().prop_map(|v| f64::from(v).to_bits()),
            (-100_000..100_000_i64, 0..6).prop_map(|(v, e)| (v as f64 / 10_f64.powi(e)).to_bits()),
            any::<f64>().prop_map(f64::to_bits),
            Just(model::STALE_NAN_BITS),
            Just(0x7ff8_0000_0000_0001),
            Just((-0.0_f64).to_bits()),
            Just(f64::INFINITY.to_bits()),
        ]
    }

    fn columns() -> impl Strategy<Value = Vec<u64>> {
        prop_oneof![
            proptest::collection::vec(any_bits(), 1..200),
            proptest::collection::vec(0..1000_u32, 1..MAX_SAMPLES).prop_map(|steps| {
                let sums = steps.iter().scan(1e6, |sum, step| {
                    *sum += f64::from(*step);
                    Some(*sum)
                });
                sums.map(f64::to_bits).collect()
            }),
            (any_bits(), 1..MAX_SAMPLES).prop_map(|(v, n)| vec![v; n]),
        ]
    }

    fn any_times(n: usize) -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            proptest::collection::btree_set(any::<i64>(), n).prop_map(|set| set.into_iter().collect()),
            (0..1_i64 << 42, proptest::collection::vec(14_990..15_010_i64, n)).prop_map(|(base, gaps)| {
                gaps.iter().scan(base, |t, gap| Some(std::mem::replace(t, *t + gap))).collect()
            }),
        ]
    }

    fn floats_with_times() -> impl Strategy<Value = (Vec<u64>, Vec<i64>)> {
        columns().prop_flat_map(|bits| {
            let n = bits.len();
            (Just(bits), any_times(n))
        })
    }

    fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
        let floats = || proptest::collection::vec(any_bits().prop_map(f64::from_bits), 0..8);
        let spans = || {
            let span = (any::<i32>(), any::<u32>()).prop_map(|(offset, length)| BucketSpan { offset, length });
            proptest::collection::vec(span, 0..3)
        };
        use model::{BucketSpan, CounterResetHint};
        let hint = prop_oneof![Just(CounterResetHint::Unknown), Just(CounterResetHint::Gauge)];
        let scalars = (any_bits(), any_bits(), any_bits(), any_bits(), -4..9_i32, hint);
        (scalars, floats(), floats(), floats(), spans(), spans()).prop_map(|(s, p, n, c, ps, ns)| FloatHistogram {
            counter_reset_hint: s.5,
            schema: s.4,
            zero_threshold: f64::from_bits(s.0),
            zero_count: f64::from_bits(s.1),
            count: f64::from_bits(s.2),
            sum: f64::from_bits(s.3),
            positive_spans: ps,
            negative_spans: ns,
            positive_buckets: p,
            negative_buckets: n,
            custom_values: c,
        })
    }

    /// A text that differs wherever a bit differs.
    fn exact(h: &FloatHistogram) -> String {
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let scalars = bits(&[h.zero_threshold, h.zero_count, h.count, h.sum]);
        let lists = [bits(&h.positive_buckets), bits(&h.negative_buckets), bits(&h.custom_values)];
        format!("{:?}", (h.counter_reset_hint, h.schema, &h.positive_spans, &h.negative_spans, scalars, lists))
    }

    proptest! {
        #[test]
        fn floats_survive_bit_by_bit((bits, times) in floats_with_times(), starts in any::<bool>()) {
            let mut samples = SampleBuffer::default();
            for (t, b) in times.iter().zip(&bits) {
                samples.push_float(*t, f64::from_bits(*b));
                if starts {
                    samples.set_last_start(t.wrapping_sub(7) & !0xfff);
                }
            }
            let mut bytes = Vec::new();
            encode(&samples, 0, samples.len(), &mut bytes);
            let mut back = SampleBuffer::default();
            decode(&bytes, TimeRange::ALL, &mut back).unwrap();
            prop_assert_eq!(&back.timestamps, &times);
            prop_assert_eq!(back.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), bits);
            if back.start_timestamps != samples.start_timestamps {
                prop_assert!(back.start_timestamps.is_empty() && samples.start_timestamps.iter().all(|s| *s == 0));
            }
            let head = span(&bytes).unwrap();
            prop_assert_eq!(head.range, TimeRange::new(times[0], *times.last().unwrap()));
        }

        #[test]
        fn a_range_is_cut_out((bits, times) in floats_with_times(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            encode_floats(&times, &bits, &mut bytes);
            let (a, b) = (a.index(times.len()), b.index(times.len()));
            let (from, to) = (a.min(b), a.max(b));
            let mut back = SampleBuffer::default();
            decode(&bytes, TimeRange::new(times[from], times[to]), &mut back).unwrap();
            prop_assert_eq!(&back.timestamps, &times[from..=to]);
        }

        #[test]
        fn histograms_survive_bit_by_bit(list in proptest::collection::vec((any_histogram(), 1..4_usize), 1..12)) {
            let mut samples = SampleBuffer::default();
            let mut expected = Vec::new();
            for (histogram, times) in list {
                for _ in 0..times {
                    expected.push(exact(&histogram));
                    samples.push_histogram(samples.len() as i64 * 1000, Arc::new(histogram.clone()));
                }
            }
            let mut bytes = Vec::new();
            encode(&samples, 0, samples.len(), &mut bytes);
            let mut back = SampleBuffer::default();
            decode(&bytes, TimeRange::ALL, &mut back).unwrap();
            let found: Vec<String> = back.histograms.iter().map(|(_, h)| exact(h)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_list_keeps_floats_and_histograms_apart(kinds in proptest::collection::vec(any::<bool>(), 1..1500)) {
            let mut samples = SampleBuffer::default();
            for (row, is_float) in kinds.iter().enumerate() {
                let t = row as i64 * 10;
                if *is_float || kinds.len() > 100 && row % 100 != 0 {
                    samples.push_float(t, row as f64);
                } else {
                    samples.push_histogram(t, Arc::new(FloatHistogram { sum: row as f64, ..FloatHistogram::default() }));
                }
            }
            let mut bytes = Vec::new();
            encode_list(&samples, &mut bytes);
            let mut back = SampleBuffer::default();
            for chunk in listed(&bytes) {
                decode(chunk.unwrap(), TimeRange::ALL, &mut back).unwrap();
            }
            prop_assert_eq!(back.timestamps, samples.timestamps);
            prop_assert_eq!(back.values, samples.values);
            prop_assert_eq!(back.histograms, samples.histograms);
        }
    }

    /// Mutated chunks are refused or decode to something, but never panic, hang or take much memory.
    #[test]
    fn damaged_chunks_are_harmless() {
        let mut random = StdRng::seed_from_u64(7);
        let mut out = SampleBuffer::default();
        for round in 0..20_000 {
            let mut samples = SampleBuffer::default();
            for i in 0..random.random_range(1..40_i64) {
                match round % 3 {
                    0 => samples.push_float(i * 15_000, (i * i) as f64),
                    1 => samples.push_float(i * 15_000, random.random()),
                    _ => {
                        let buckets = vec![i as f64, 2.0, 3.0];
                        let h = FloatHistogram { positive_buckets: buckets, ..FloatHistogram::default() };
                        samples.push_histogram(i * 15_000, Arc::new(h));
                    }
                }
            }
            let mut bytes = Vec::new();
            encode(&samples, 0, samples.len(), &mut bytes);
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..3) {
                    0 => bytes[at] = random.random(),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, random.random()),
                }
            }
            out.clear();
            let _ = decode(&bytes, TimeRange::ALL, &mut out);
            assert!(out.len() <= MAX_SAMPLES);
        }
    }

    #[test]
    fn usual_values_are_small() {
        let times: Vec<i64> = (0..120).map(|i| 1_700_000_000_000 + i * 15_000 + (i * 7919) % 5).collect();
        let size = |value: &dyn Fn(i64) -> f64| {
            let bits: Vec<u64> = (0..120).map(|i| value(i).to_bits()).collect();
            let mut bytes = Vec::new();
            encode_floats(&times, &bits, &mut bytes);
            bytes.len() as f64 / 120.0
        };
        assert!(size(&|_| 1.0) < 0.6, "constant {}", size(&|_| 1.0));
        assert!(size(&|i| (1000 * i + (i * 31) % 17) as f64) < 1.4);
        assert!(size(&|i| ((i * 7919) % 1000) as f64 / 10.0) < 2.0);
    }
}
