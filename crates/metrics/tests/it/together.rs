//! Writers, readers, flushes and merges at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use blocks::faults::FaultyDisk;
use metrics::StoreOptions;
use model::{Sample, SampleSink, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch};

use crate::support::{NOW, append, labels, open, options, read_all};

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

/// The first batch of a tenant comes at any moment of a flush, which removes the log that has it: until then it is in a block.
#[test]
fn the_first_samples_of_a_tenant_survive_a_flush_that_does_not_know_it_yet() {
    const TENANTS: usize = 600;
    let disk = FaultyDisk::new(1);
    // So that a flush waits for the log, which is when a batch can slip in.
    disk.set_sync_time(Duration::from_millis(1));
    let (store, _) = open(&disk, options());
    let left = AtomicUsize::new(WRITERS);
    let tenants: Vec<Tenant> = (0..TENANTS).map(|n| Tenant::new(&format!("tenant-{n}")).unwrap()).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while left.load(Ordering::Relaxed) > 0 {
                store.flush().unwrap();
            }
        });
        for mine in tenants.chunks(TENANTS.div_ceil(WRITERS)) {
            let (store, left) = (&store, &left);
            scope.spawn(move || {
                for tenant in mine {
                    let mut batch = WriteBatch { tenant: tenant.clone(), ..WriteBatch::default() };
                    batch.push(labels("m", "a"), None, Sample::float(Timestamp(NOW), 1.0));
                    append(store, batch).unwrap();
                }
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    disk.crash();
    drop(store);
    let (store, _) = open(&disk, options());
    let is_there = |tenant: &&Tenant| {
        let request = SelectRequest { tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
        store.select(&request).unwrap().len() == 1
    };
    let lost: Vec<&Tenant> = tenants.iter().filter(|tenant| !is_there(tenant)).collect();
    assert!(lost.is_empty(), "{} of {TENANTS} tenants, such as {:?}", lost.len(), lost[0]);
}
