use proptest::prelude::*;

use super::*;

fn spans(list: &[(i32, u32)]) -> Vec<BucketSpan> {
    list.iter().map(|(offset, length)| BucketSpan { offset: *offset, length: *length }).collect()
}

fn exponential(schema: i32, positive: &[(i32, u32)], counts: &[f64]) -> FloatHistogram {
    FloatHistogram {
        schema,
        count: counts.iter().sum(),
        sum: 1.0,
        positive_spans: spans(positive),
        positive_buckets: counts.to_vec(),
        ..FloatHistogram::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> FloatHistogram {
    FloatHistogram {
        custom_values: bounds.to_vec(),
        ..exponential(CUSTOM_BUCKETS_SCHEMA, &[(0, counts.len() as u32)], counts)
    }
}

#[test]
fn adds_at_the_lower_resolution() {
    let mut a = exponential(1, &[(1, 4)], &[1.0, 2.0, 3.0, 4.0]);
    let b = exponential(0, &[(0, 2)], &[10.0, 20.0]);
    assert_eq!(a.add(&b), Ok(Merged::default()));
    assert_eq!(a.schema, 0);
    assert_eq!(a.positive_buckets, [10.0, 23.0, 7.0]);
    assert_eq!(a.positive_spans, spans(&[(0, 3)]));
}

#[test]
fn mixes_are_refused() {
    let mut a = exponential(1, &[(1, 1)], &[1.0]);
    let before = a.clone();
    assert_eq!(a.add(&custom(&[1.0], &[1.0, 2.0])), Err(IncompatibleSchema));
    assert_eq!(a, before);
}

#[test]
fn custom_bounds_are_intersected() {
    let mut a = custom(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0]);
    let merged = a.add(&custom(&[2.0, 3.0, 5.0], &[10.0, 10.0, 10.0, 10.0])).unwrap();
    assert!(merged.bounds_reconciled);
    assert_eq!(a.custom_values, [2.0, 3.0]);
    assert_eq!(a.positive_buckets, [12.0, 11.0, 21.0]);
}

#[test]
fn zero_buckets_are_widened() {
    let mut a = exponential(0, &[(-1, 3)], &[1.0, 2.0, 4.0]);
    a.zero_count = 1.0;
    a.zero_threshold = 0.1;
    let mut b = exponential(0, &[(2, 1)], &[5.0]);
    b.zero_count = 3.0;
    b.zero_threshold = 0.75;
    a.add(&b).unwrap();
    // The threshold of 0.75 cuts the bucket (0.5, 1], so it moves to 1 and takes both lower buckets in.
    assert_eq!((a.zero_threshold, a.zero_count), (1.0, 1.0 + 3.0 + 1.0 + 2.0));
    assert_eq!(a.positive_buckets, [4.0, 5.0]);
}

#[test]
fn resets_are_found() {
    let before = exponential(1, &[(0, 2)], &[1.0, 2.0]);
    let mut after = exponential(1, &[(0, 2)], &[2.0, 2.0]);
    assert!(!after.detect_reset(&before));
    after.positive_buckets = vec![3.0, 1.0];
    assert!(after.detect_reset(&before));
    after.counter_reset_hint = CounterResetHint::NotCounterReset;
    assert!(!after.detect_reset(&before));
    assert!(exponential(2, &[(0, 2)], &[5.0, 5.0]).detect_reset(&before));
    assert!(!exponential(0, &[(0, 2)], &[5.0, 5.0]).detect_reset(&before));
}

#[test]
fn prints_as_prometheus() {
    let mut h = exponential(0, &[(0, 1), (1, 1)], &[1.0, 2.0]);
    h.negative_spans = spans(&[(0, 2)]);
    h.negative_buckets = vec![3.0, 0.5];
    h.zero_threshold = 0.001;
    h.zero_count = 4.0;
    h.sum = 2e7;
    assert_eq!(h.to_string(), "{count:3, sum:2e+07, [-2,-1):0.5, [-1,-0.5):3, [-0.001,0.001]:4, (0.5,1]:1, (2,4]:2}");
}

#[test]
fn validation_names_the_fault() {
    assert_eq!(exponential(0, &[(0, 2)], &[1.0, 2.0]).validate(), Ok(()));
    assert_eq!(exponential(9, &[], &[]).validate(), Err(HistogramError::Schema(9)));
    assert_eq!(exponential(0, &[(0, 3)], &[1.0]).validate(), Err(HistogramError::BucketNumber { needed: 3, found: 1 }));
    assert_eq!(custom(&[2.0, 1.0], &[1.0]).validate(), Err(HistogramError::CustomBounds));
    assert!(matches!(custom(&[1.0], &[1.0, 1.0, 1.0]).validate(), Err(HistogramError::TooFewCustomBounds { .. })));
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    let side = proptest::collection::vec((0_i32..4, 1_u32..4), 0..4);
    (0_i32..4, side.clone(), side, 0_u32..50, proptest::collection::vec(0_u32..9, 30)).prop_map(
        |(schema, positive, negative, zero, numbers)| {
            let need = |s: &[(i32, u32)]| s.iter().map(|(_, l)| *l as usize).sum::<usize>();
            let counts =
                |n: usize, from: usize| (0..n).map(|i| f64::from(numbers[(from + i) % 30])).collect::<Vec<_>>();
            let mut h = exponential(schema, &positive, &counts(need(&positive), 0));
            h.negative_buckets = counts(need(&negative), 11);
            h.negative_spans = spans(&negative);
            h.zero_count = f64::from(zero);
            h.count += h.zero_count + h.negative_buckets.iter().sum::<f64>();
            h
        },
    )
}

proptest! {
    #[test]
    fn sum_keeps_the_count_and_subtraction_undoes_it(a in any_histogram(), b in any_histogram()) {
        let mut sum = a.clone();
        sum.add(&b).unwrap();
        let buckets: f64 = sum.all_buckets().iter().map(|x| x.count).sum();
        prop_assert_eq!(buckets, a.count + b.count);
        let mut compensated = HistogramSum::new(a.clone());
        compensated.add(&b).unwrap();
        let mut compensated = compensated.finish();
        compensated.compact();
        let mut back = sum.clone();
        sum.compact();
        prop_assert!(sum.same_data(&compensated), "{} {}", sum, compensated);
        back.sub(&b).unwrap();
        back.compact();
        let mut expected = a.copy_to_schema(back.schema);
        expected.compact();
        prop_assert!(back.same_data(&expected));
        prop_assert!(!sum.detect_reset(&a));
    }

    #[test]
    fn trimming_both_sides_keeps_the_count(h in any_histogram(), limit in -40.0..40.0_f64) {
        let (mut below, mut above) = (h.clone(), h.clone());
        below.trim_above(limit);
        above.trim_below(limit);
        prop_assert!((below.count + above.count - h.count).abs() < 1e-9 * h.count.max(1.0));
    }
}
