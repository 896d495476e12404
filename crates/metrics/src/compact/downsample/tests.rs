//! Thinned data against the raw data that it came from, by its own rules and through PromQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{FloatHistogram, Labels, SampleValue, Timestamp, stale_nan};
use promql::engine::{Engine, QueryContext, Value};
use promql::testing::MemorySource;
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn thinned(samples: &SampleBuffer, to_ms: i64) -> SampleBuffer {
    let mut out = SampleBuffer::default();
    downsample(samples, to_ms, i64::MAX, &mut out);
    out
}

fn counter(steps: &[(u8, u32)]) -> SampleBuffer {
    let mut samples = SampleBuffer::default();
    let (mut time, mut value) = (0, 0.0);
    for (kind, step) in steps {
        time += 11_000 + i64::from(*step % 9) * 1000;
        match kind {
            0 => value = f64::from(*step) / 4.0,
            1 => time += 3 * MINUTE,
            _ => value += f64::from(*step),
        }
        samples.push_float(time, value);
    }
    samples
}

fn gauge(values: &[f64]) -> SampleBuffer {
    let mut samples = SampleBuffer::default();
    values.iter().enumerate().for_each(|(i, v)| samples.push_float(15_000 * (i as i64 + 1), *v));
    samples
}

fn any_counter() -> impl Strategy<Value = SampleBuffer> {
    proptest::collection::vec((0..20_u8, 0..1000_u32), 1..600).prop_map(|steps| counter(&steps))
}

fn any_gauge() -> impl Strategy<Value = SampleBuffer> {
    let value = prop_oneof![8 => -1e6..1e6_f64, 1 => Just(0.0), 1 => Just(f64::NAN), 1 => Just(stale_nan())];
    proptest::collection::vec(value, 1..600).prop_map(|values| gauge(&values))
}

fn close(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn assert_same(a: &SampleBuffer, b: &SampleBuffer) {
    assert_eq!(a.timestamps, b.timestamps);
    assert!(a.values.iter().zip(&b.values).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert_eq!(a.aggregates.len(), b.aggregates.len());
    for ((row, a), (other_row, b)) in a.aggregates.iter().zip(&b.aggregates) {
        let whole = |x: &Aggregate| (x.count, x.resets, x.changes, x.span_ms);
        assert_eq!((row, whole(a)), (other_row, whole(b)));
        let pairs = [(a.sum, b.sum), (a.min, b.min), (a.max, b.max), (a.lost, b.lost)];
        assert!(pairs.iter().all(|(a, b)| close(*a, *b)), "{a:?} {b:?}");
    }
}

/// The values of a query over one series at each bucket's end.
fn answers(samples: &SampleBuffer, query: &str, step_ms: i64, end_ms: i64) -> Vec<(i64, f64)> {
    let mut source = MemorySource::new();
    source.put(Labels::from_pairs([("__name__", "m_total")]), samples.clone());
    let result = Engine::default()
        .range(&source, &QueryContext::default(), query, Timestamp(0), Timestamp(end_ms), step_ms)
        .unwrap();
    let downsampled = result.annotations.iter().any(|a| a.text.contains("downsampled"));
    assert!(!downsampled || !samples.aggregates.is_empty());
    assert_eq!(result.stats.longest_bucket_ms > 0, downsampled);
    match result.value {
        Value::Matrix(mut matrix) => matrix.pop().map(|s| s.floats).unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

fn compare(raw: &SampleBuffer, functions: &[&str], to: (&str, i64)) {
    let thin = thinned(raw, to.1);
    let end = raw.timestamps.last().unwrap() + 2 * to.1;
    for function in functions {
        for range in [to.0.to_owned(), format!("{}m", 3 * to.1 / MINUTE)] {
            let query = format!("{function}(m_total[{range}])");
            let (expected, found) = (answers(raw, &query, to.1, end), answers(&thin, &query, to.1, end));
            assert_eq!(expected.len(), found.len(), "{query}: {expected:?} {found:?}");
            for (a, b) in expected.iter().zip(&found) {
                assert!(a.0 == b.0 && close(a.1, b.1), "{query} at {}: {} became {}", a.0, a.1, b.1);
            }
        }
    }
}

const OVER_TIME: [&str; 9] = [
    "count_over_time",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "ts_of_last_over_time",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn twice_is_once_and_by_steps_is_at_once(raw in prop_oneof![any_counter(), any_gauge()]) {
        let five = thinned(&raw, 5 * MINUTE);
        assert_same(&thinned(&five, 5 * MINUTE), &five);
        let hour = thinned(&raw, 60 * MINUTE);
        assert_same(&thinned(&five, 60 * MINUTE), &hour);
        assert_same(&thinned(&hour, 5 * MINUTE), &hour);
        prop_assert!(hour.len() <= five.len() && five.len() <= raw.len());
    }

    #[test]
    fn counters_answer_as_raw_ones_do(raw in any_counter()) {
        compare(&raw, &OVER_TIME, ("5m", 5 * MINUTE));
        compare(&raw, &["rate", "increase", "delta", "resets", "changes"], ("5m", 5 * MINUTE));
        compare(&raw, &["rate", "increase", "max_over_time"], ("60m", 60 * MINUTE));
    }

    #[test]
    fn gauges_answer_as_raw_ones_do(raw in any_gauge()) {
        compare(&raw, &OVER_TIME, ("5m", 5 * MINUTE));
        compare(&raw, &["delta", "resets", "changes", "avg_over_time"], ("5m", 5 * MINUTE));
    }

    /// At any step, aligned or not, what was thinned answers wherever the raw data answers.
    #[test]
    fn nothing_shows_as_dots(step in 1..900_i64, to in prop_oneof![Just(5 * MINUTE), Just(60 * MINUTE)]) {
        let steady = gauge(&(0..2000).map(f64::from).collect::<Vec<_>>());
        let thin = thinned(&steady, to);
        let end = steady.timestamps.last().unwrap() / to * to;
        for query in ["m_total", "rate(m_total[5m])", "increase(m_total[7m])", "avg_over_time(m_total[1m])"] {
            let expected = answers(&steady, query, step * 1000, end);
            let found: BTreeMap<i64, f64> = answers(&thin, query, step * 1000, end).into_iter().collect();
            // In the first buckets a raw range is not full yet.
            for (time, value) in expected.into_iter().filter(|(time, _)| *time > 2 * to) {
                let thinned = found.get(&time).copied();
                prop_assert!(thinned.is_some(), "{query} at {time}");
                let slope_only = query.starts_with("rate") || query.starts_with("increase");
                let off = thinned.map_or(0.0, |thinned| (thinned - value).abs());
                prop_assert!(!slope_only || off <= 0.02 * value, "{query} at {time}: {value} became {thinned:?}");
            }
        }
    }
}

#[test]
fn first_and_last_stay_with_what_lay_between() {
    let raw = counter(&[(9, 5), (9, 4), (0, 8), (9, 1)]);
    assert_eq!(raw.values, [5.0, 9.0, 2.0, 3.0]);
    let thin = thinned(&raw, 5 * MINUTE);
    assert_eq!(thin.values, [5.0, 3.0]);
    let expected =
        Aggregate { count: 3, sum: 14.0, min: 2.0, max: 9.0, lost: 9.0, resets: 1, changes: 3, span_ms: 5 * MINUTE };
    assert_eq!(thin.aggregates, [(0, Aggregate::of_one(5.0, 5 * MINUTE)), (1, expected)]);
}

#[test]
fn an_open_bucket_stays_raw() {
    let raw = gauge(&(0..60).map(f64::from).collect::<Vec<_>>());
    let mut out = SampleBuffer::default();
    downsample(&raw, 5 * MINUTE, 12 * MINUTE, &mut out);
    assert_eq!(out.aggregates.len(), 4);
    assert_eq!(out.timestamps[3], 10 * MINUTE);
    assert_eq!(out.len(), 4 + 20);
}

#[test]
fn staleness_markers_stay_at_the_end_of_a_bucket() {
    let mut values: Vec<f64> = (0..30).map(f64::from).collect();
    (values[5], values[19], values[25]) = (stale_nan(), stale_nan(), stale_nan());
    let thin = thinned(&gauge(&values), 5 * MINUTE);
    let stale: Vec<i64> = (0..thin.len()).filter(|row| thin.is_stale(*row)).map(|row| thin.timestamps[row]).collect();
    assert_eq!(stale, [5 * MINUTE]);
    assert_eq!(thin.values.len(), 5);
    assert_eq!(thin.aggregates.iter().map(|(_, a)| a.count).sum::<u32>(), 27);
}

#[test]
fn late_samples_join_what_was_thinned() {
    let raw = gauge(&(0..20).map(f64::from).collect::<Vec<_>>());
    let mut thin = thinned(&raw, 5 * MINUTE);
    thin.push_float(5 * MINUTE + 1, 7.0);
    let mut with_late = SampleBuffer::default();
    with_late.push_row(&thin, 0);
    with_late.push_float(16_000, 100.0);
    (1..3).for_each(|row| with_late.push_row(&thin, row));
    let again = thinned(&with_late, 5 * MINUTE);
    assert_eq!(again.timestamps, [15_000, 5 * MINUTE, 5 * MINUTE + 1]);
    assert_eq!((again.aggregates[1].1.count, again.aggregates[1].1.max), (20, 100.0));
}

#[test]
fn histograms_stay_around_resets() {
    let histogram =
        |count: f64| Arc::new(FloatHistogram { count, sum: count, zero_count: count, ..FloatHistogram::default() });
    let mut raw = SampleBuffer::default();
    let counts = [1.0, 2.0, 3.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    for (i, count) in counts.iter().enumerate() {
        raw.push_histogram(15_000 * (i as i64 + 1), histogram(*count));
    }
    let five = thinned(&raw, 5 * MINUTE);
    let kept: Vec<f64> = five.histograms.iter().map(|(_, h)| h.count).collect();
    assert_eq!(kept, [1.0, 9.0, 1.0, 5.0]);
    assert_eq!(five.aggregates.iter().map(|(_, a)| a.count).collect::<Vec<_>>(), [1, 3, 1, 4]);
    let again = thinned(&five, 60 * MINUTE);
    assert_eq!(again.histograms.iter().map(|(_, h)| h.count).collect::<Vec<_>>(), kept);

    let increase = |samples: &SampleBuffer, query: &str| {
        let mut source = MemorySource::new();
        source.put(Labels::from_pairs([("__name__", "h")]), samples.clone());
        let result =
            Engine::default().instant(&source, &QueryContext::default(), query, Timestamp(5 * MINUTE)).unwrap();
        match result.value {
            Value::Vector(samples) => match &samples[0].value {
                SampleValue::Histogram(h) => h.count,
                SampleValue::Float(v) => *v,
            },
            other => panic!("{other:?}"),
        }
    };
    for query in ["increase(h[5m])", "rate(h[5m])", "count_over_time(h[5m])"] {
        assert!(close(increase(&raw, query), increase(&five, query)), "{query}");
    }
}
