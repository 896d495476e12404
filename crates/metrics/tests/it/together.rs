//! Writers, readers, flushes and merges at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blocks::faults::FaultyDisk;
use metrics::StoreOptions;
use model::{Sample, SampleSink, TimeRange, Timestamp, WriteBatch};

use crate::support::{NOW, labels, open, options, read_all};

const WRITERS: usize = 3;
const ROUNDS: i64 = 150;
const SERIES: usize = 40;

/// A reader never sees a sample vanish, wherever it is on its way from memory to a block to a larger block.
#[test]
fn samples_stay_visible_while_they_move() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, StoreOptions { wal_segment_bytes: 4096, ..options() });
    let is_done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    store.flush().unwrap();
                    store.maintain().unwrap();
                }
            });
        }
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !is_done.load(Ordering::Relaxed) {
                let count = read_all(&store, &[], TimeRange::ALL).values().map(|s| s.len()).sum::<usize>();
                assert!(count >= seen, "{count} samples after {seen}");
                seen = count;
            }
            seen
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = store.clone();
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let mut hints = vec![None; SERIES];
                    for round in 0..ROUNDS {
                        let mut batch = WriteBatch::default();
                        for (series, hint) in hints.iter().enumerate() {
                            let time = Timestamp(NOW + round * 1000);
                            let labels = labels(&format!("m{series}"), &writer.to_string());
                            batch.push(labels, *hint, Sample::float(time, round as f64));
                        }
                        let report = runtime.block_on(store.append(batch)).unwrap();
                        assert!(report.rejected.is_empty());
                        hints = report.refs;
                    }
                })
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(|w| w.join()).collect();
        is_done.store(true, Ordering::Relaxed);
        written.into_iter().for_each(|w| w.unwrap());
        reader.join().unwrap();
    });
    drop(store);
    disk.crash();
    let (store, report) = open(&disk, options());
    assert!(!report.found_damage(), "{report:?}");
    let found = read_all(&store, &[], TimeRange::ALL);
    assert_eq!(found.len(), WRITERS * SERIES);
    for samples in found.values() {
        let expected: Vec<f64> = (0..ROUNDS).map(|r| r as f64).collect();
        assert_eq!(samples.values, expected);
    }
}
