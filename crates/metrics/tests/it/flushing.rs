//! Samples that move from memory through blocks and compactions stay the same samples.

use std::collections::BTreeMap;

use blocks::faults::FaultyDisk;
use model::{Sample, TimeRange, Timestamp, WriteBatch};
use proptest::prelude::*;

use crate::support::{NOW, append, labels, open, options, read_all};

#[derive(Clone, Debug)]
enum Step {
    Append { series: u8, at: i64, value: i32 },
    Flush,
    Maintain,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..6_u8, 0..1_500_000_i64, 0..5).prop_map(|(series, at, value)| Step::Append { series, at, value }),
        3 => Just(Step::Flush),
        1 => Just(Step::Maintain),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_taken_is_read(steps in proptest::collection::vec(any_step(), 1..200)) {
        let disk = FaultyDisk::new(1);
        let (mut store, _) = open(&disk, options());
        let mut model: BTreeMap<u8, BTreeMap<i64, f64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Append { series, at, value } => {
                    let (t, v) = (NOW - 1_500_000 + at, f64::from(value));
                    let mut batch = WriteBatch::default();
                    batch.push(labels("m", &series.to_string()), None, Sample::float(Timestamp(t), v));
                    let report = append(&store, batch).unwrap();
                    let samples = model.entry(series).or_default();
                    match samples.get(&t) {
                        // What was flushed is not looked up again: a contradiction is taken and loses when it is read.
                        Some(known) => prop_assert!(report.rejected.is_empty() || *known != v),
                        None => {
                            prop_assert!(report.rejected.is_empty());
                            samples.insert(t, v);
                        }
                    }
                }
                Step::Flush => store.flush().unwrap(),
                Step::Maintain => store.maintain().unwrap(),
                Step::Restart => {
                    drop(store);
                    store = open(&disk, options()).0;
                }
            }
        }
        let range = TimeRange::new(NOW - 1_000_000, NOW - 200_000);
        for range in [TimeRange::ALL, range] {
            let found = read_all(&store, &[], range);
            for (series, samples) in &model {
                let buffer = found.get(&labels("m", &series.to_string())).cloned().unwrap_or_default();
                let found: Vec<_> = buffer.timestamps.iter().copied().zip(buffer.values.iter().copied()).collect();
                let expected: Vec<_> = samples.iter().map(|(t, v)| (*t, *v)).filter(|(t, _)| range.contains(Timestamp(*t))).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn many_flushes_are_one_series() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    for i in 0..40 {
        let mut batch = WriteBatch::default();
        for series in 0..300 {
            batch.push(labels("m", &series.to_string()), None, Sample::float(Timestamp(NOW + i * 1000), i as f64));
        }
        append(&store, batch).unwrap();
        store.flush().unwrap();
        store.maintain().unwrap();
    }
    let stats = store.stats();
    assert_eq!((stats.flushed_samples, stats.chunks), (40 * 300, 0));
    assert_eq!(stats.block_range, Some((NOW, NOW + 39_000)));
    for store in [store, open(&disk, options()).0] {
        let found = read_all(&store, &[], TimeRange::ALL);
        assert_eq!(found.len(), 300);
        assert!(found.values().all(|s| s.len() == 40));
    }
}
