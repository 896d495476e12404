//! What every column must hold: exact bits for any input, errors for damaged ones.

use super::*;
use model::{BucketSpan, CounterResetHint};
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
        proptest::collection::vec(any::<u64>(), 1..=MAX_SAMPLES),
        shaped(),
        proptest::collection::vec(0..1000_u32, 1..=MAX_SAMPLES).prop_map(|steps| {
            let sums = steps.iter().scan(1e6, |sum, step| {
                *sum += f64::from(*step);
                Some(*sum)
            });
            sums.map(f64::to_bits).collect()
        }),
        (any_bits(), 1..=MAX_SAMPLES).prop_map(|(v, n)| vec![v; n]),
    ]
}

/// Columns as services make them: a few steps of unequal frequency, a scale, the errors of sums, spikes, stale markers.
fn shaped() -> impl Strategy<Value = Vec<u64>> {
    let steps = proptest::collection::vec((0..12_u32, 0..12_u32, 0..1000_u32), 1..=MAX_SAMPLES);
    let scale =
        prop_oneof![Just(1.0), Just(0.01), Just(1e-9), Just(4096.0), Just(1.0 / 3.0), Just(5e-324), Just(1e300)];
    (steps, scale, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(steps, scale, sums, spikes, markers)| {
        let mut sum = 0.0;
        let value = |(a, b, rare): (u32, u32, u32)| {
            let step = f64::from(a.min(b)) * scale;
            sum = if sums { sum + step } else { step };
            match rare {
                0..10 if spikes => (sum + f64::from(rare) * 1e6).to_bits(),
                10..20 if markers => model::STALE_NAN_BITS,
                20..25 if spikes => (-sum).to_bits(),
                _ => sum.to_bits(),
            }
        };
        steps.into_iter().map(value).collect()
    })
}

fn any_integers() -> impl Strategy<Value = Vec<i64>> {
    prop_oneof![
        proptest::collection::vec(any::<i64>(), 1..=MAX_SAMPLES),
        proptest::collection::vec(prop_oneof![9 => 0..20_i64, 1 => any::<i64>()], 1..=MAX_SAMPLES),
        (any::<i64>(), any::<i64>(), proptest::collection::vec(0..300_i64, 1..=MAX_SAMPLES)).prop_map(
            |(base, pace, v)| {
                let line = (0..).map(|i| pace.wrapping_mul(i).wrapping_add(base));
                line.zip(v).map(|(line, v)| line.wrapping_add(v)).collect()
            }
        ),
        columns().prop_map(|bits| bits.iter().map(|b| f64::from_bits(*b) as i64).collect()),
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
    fn integers_survive(values in any_integers()) {
        let mut bytes = vec![];
        starts::encode(&values, &mut bytes);
        let len = bytes.len();
        for cut in [0, len / 3, len / 2, len - 1] {
            prop_assert!(starts::decode(&bytes[..cut], values.len(), &mut vec![]).is_err());
        }
        bytes.push(0xff);
        let mut back = vec![7];
        prop_assert_eq!(starts::decode(&bytes, values.len(), &mut back).unwrap(), len);
        prop_assert_eq!(&back[1..], &values);
    }

    #[test]
    fn values_survive_bit_by_bit(bits in columns()) {
        let mut bytes = vec![];
        values::encode(&bits, &mut bytes);
        let len = bytes.len();
        for cut in [0, len / 3, len / 2, len - 1] {
            prop_assert!(values::decode(&bytes[..cut], bits.len(), &mut vec![]).is_err());
        }
        bytes.push(0xff);
        let mut back = vec![7.0];
        prop_assert_eq!(values::decode(&bytes, bits.len(), &mut back).unwrap(), len);
        prop_assert_eq!(back[1..].iter().map(|v| v.to_bits()).collect::<Vec<_>>(), bits);
    }

    #[test]
    fn times_survive(times in (1..=MAX_SAMPLES).prop_flat_map(any_times)) {
        let mut bytes = vec![];
        times::encode(&times, &mut bytes);
        let len = bytes.len();
        for cut in [0, len / 3, len / 2, len - 1] {
            prop_assert!(times::decode(&bytes[..cut], times.len(), &mut vec![]).is_err());
        }
        bytes.push(0xff);
        let found = times::span(&bytes).unwrap();
        let range = TimeRange::new(times[0], times[times.len() - 1]);
        prop_assert_eq!(found, times::Span { count: times.len(), range });
        let mut back = vec![7];
        prop_assert_eq!(times::decode(&bytes, times.len(), &mut back).unwrap(), len);
        prop_assert_eq!(&back[1..], &times);
        prop_assert!(times::decode(&bytes, times.len() + 1, &mut back).is_err());
    }

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

/// A column of one of the kinds that end up in different codings.
fn column_of_kind(kind: usize, count: usize, random: &mut StdRng) -> Vec<u64> {
    let mut sum = 0.0;
    let value = |i: usize| match kind {
        0 => 3.0,
        1 => (i * i) as f64,
        2 => random.random(),
        3 => random.random_range(0..1000) as f64 / 100.0,
        4 => f64::from_bits([model::STALE_NAN_BITS, 0, 1][random.random_range(0..3)]),
        5 => [0.0, 1e9][usize::from(random.random_range(0..20) == 0)],
        _ => {
            sum += f64::from(random.random_range(0..6_u32).min(random.random_range(0..6))) * 0.1;
            sum
        }
    };
    (0..count).map(value).map(f64::to_bits).collect()
}

/// Damaged bytes are refused or decode to something, but never panic, hang or answer more than was asked for.
#[test]
fn damaged_columns_are_harmless() {
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..12_000 {
        let count = if round % 10 == 0 { random.random_range(1..=MAX_SAMPLES) } else { random.random_range(1..200) };
        let bits = column_of_kind(round % 7, count, &mut random);
        let integers: Vec<i64> = bits.iter().map(|b| f64::from_bits(*b) as i64).collect();
        let mut gaps = 1_700_000_000_000;
        let times: Vec<i64> = integers.iter().map(|v| (gaps += 1 + v.unsigned_abs() % 30_000, gaps as i64).1).collect();
        let mut encoded = [vec![], vec![], vec![]];
        values::encode(&bits, &mut encoded[0]);
        starts::encode(&integers, &mut encoded[1]);
        times::encode(&times, &mut encoded[2]);
        for bytes in &mut encoded {
            damage(bytes, &mut random);
            if round % 50 == 0 {
                bytes.iter_mut().skip(1).for_each(|b| *b = random.random());
            }
        }
        let count = if round % 5 == 0 { random.random_range(1..=MAX_SAMPLES) } else { count };
        let mut floats = vec![];
        let _ = values::decode(&encoded[0], count, &mut floats);
        let mut whole = vec![];
        let _ = starts::decode(&encoded[1], count, &mut whole);
        let mut instants = vec![];
        let _ = times::decode(&encoded[2], count, &mut instants);
        let _ = times::span(&encoded[2]);
        assert!(floats.len() <= count && whole.len() <= count && instants.len() <= count);
    }
}

#[test]
fn random_bytes_are_harmless() {
    let mut random = StdRng::seed_from_u64(11);
    for round in 0..40_000 {
        let mut bytes: Vec<u8> = (0..random.random_range(0..300)).map(|_| random.random()).collect();
        if let Some(first) = bytes.first_mut() {
            *first %= 32;
        }
        let count = 1 + round % MAX_SAMPLES;
        let mut floats = vec![];
        let _ = values::decode(&bytes, count, &mut floats);
        let mut whole = vec![];
        let _ = starts::decode(&bytes, count, &mut whole);
        let mut histograms = vec![];
        let _ = histograms::decode(&bytes, count, &mut histograms);
        let _ = times::span(&bytes);
        let _ = decode(&bytes, TimeRange::ALL, &mut SampleBuffer::default());
        assert!(floats.len() <= count && whole.len() <= count && histograms.len() <= count);
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..3) {
            0 => bytes[at] = random.random(),
            1 => bytes.truncate(at.max(1)),
            _ => bytes.insert(at, random.random()),
        }
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
        damage(&mut bytes, &mut random);
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

/// Each of the means (lines, factors, codes, outliers, distances in the last place) does what it is there for.
#[test]
fn long_columns_are_small() {
    let mut random = StdRng::seed_from_u64(3);
    let mut size = |next: &mut dyn FnMut(&mut StdRng, f64) -> f64| {
        let bits: Vec<u64> = (0..480).map(|i| next(&mut random, f64::from(i)).to_bits()).collect();
        let mut bytes = Vec::new();
        values::encode(&bits, &mut bytes);
        bytes.len() as f64 / 480.0
    };
    let jitter = size(&mut |r, i| i * 15_000.0 + f64::from(r.random_range(0..4)));
    assert!(jitter < 0.29, "two bits of jitter took {jitter} bytes");
    let pages = size(&mut |r, _| 4096.0 * f64::from(r.random_range(0..256)));
    assert!(pages < 1.06, "eight bits of pages took {pages} bytes");
    let mut sum = 0.0;
    let steps = size(&mut |r, _| {
        sum += f64::from((0..8).filter(|_| r.random::<bool>()).count() as u32);
        sum
    });
    assert!(steps < 0.36, "steps of 2.54 bits took {steps} bytes");
    let spikes = size(&mut |r, i| if i % 60.0 == 7.0 { f64::from(r.random::<u32>()) } else { 5.0 });
    assert!(spikes < 0.13, "eight spikes took {spikes} bytes");
    let inexact = size(&mut |r, i| i * 0.3 + f64::from(r.random_range(0..64)) * 1e-6);
    assert!(inexact < 1.25, "six bits with errors in the last place took {inexact} bytes");
}
