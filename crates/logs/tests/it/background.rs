//! The store by itself: on a real disk, with its own threads, while many write and read.

use std::sync::Arc;
use std::time::Duration;

use logs::{Store, StoreOptions};
use model::{AppendError, LogBatch, LogRequest, LogSink, LogSource, NanoRange, SystemClock, Tenant};

use crate::support::{NOW, labels, read_set};

const BATCHES: i64 = 40;
const LINES: i64 = 100;

fn options() -> StoreOptions {
    StoreOptions {
        flush_head_bytes: 60_000,
        memory_limit_bytes: Some(300_000),
        page_bytes: 12_000,
        wal_segment_bytes: 100_000,
        ..StoreOptions::default()
    }
}

async fn write(store: &Store, app: &str) {
    for number in 0..BATCHES {
        let mut batch = LogBatch::new(Tenant::default());
        let stream = batch.add_stream(labels(app));
        for at in 0..LINES {
            let time = NOW * 1_000_000 + number * LINES + at;
            let line = format!(
                "{{\"app\":\"{app}\",\"n\":{at},\"batch\":{number},\"id\":\"{:016x}\"}}",
                time.wrapping_mul(7919)
            );
            batch.push(stream, time, line.as_bytes(), []);
        }
        loop {
            match store.append(batch.clone()).await {
                Ok(report) => break assert_eq!(report.rejected.len(), 0),
                Err(AppendError::OverBudget { .. }) => {
                    // The store has been called to flush; nobody tells when it is done.
                    let _ = tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn count(store: &Store) -> usize {
    let tenant = Tenant::default();
    let request = LogRequest { tenant: &tenant, matchers: &[], range: NanoRange::ALL, fragments: &[], memory: None };
    let set = store.select(&request).unwrap();
    read_set(&*set).unwrap().values().map(Vec::len).sum()
}

#[test]
fn many_write_and_read_while_it_flushes_and_compacts() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), options(), Arc::new(SystemClock)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = ["a", "b", "c"]
            .map(|app| {
                let store = &store;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(write(store, app));
                })
            })
            .into();
        scope.spawn(|| {
            let mut before = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let now = count(&store);
                assert!(now >= before, "{now} entries where there were {before}");
                before = now;
            }
        });
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        written.into_iter().for_each(|result| result.unwrap());
    });
    let all = 3 * (BATCHES * LINES) as usize;
    assert_eq!(count(&store), all);
    assert!(store.stats().flushes > 1, "the store has flushed by itself");
    store.close().unwrap();
    drop(store);
    let (store, report) = Store::open(dir.path(), options(), Arc::new(SystemClock)).unwrap();
    assert!(!report.found_damage() && report.replayed_entries == 0);
    assert_eq!(count(&store), all);
}

#[test]
fn who_sends_faster_than_it_flushes_waits() {
    const FLUSH_AT: u64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { flush_head_bytes: FLUSH_AT as usize, memory_limit_bytes: None, ..options() };
    let (store, _) = Store::open(dir.path(), options, Arc::new(SystemClock)).unwrap();
    let most_of_a_batch = 2 * 100 * LINES as u64;
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let store = &store;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for number in 0..BATCHES {
                    let mut batch = LogBatch::new(Tenant::default());
                    let stream = batch.add_stream(labels(&format!("w{writer}")));
                    for at in 0..LINES {
                        batch.push(stream, NOW * 1_000_000 + number * LINES + at, &[b'x'; 100], []);
                    }
                    runtime.block_on(store.append(batch)).unwrap();
                    let head_bytes = store.stats().head_bytes;
                    assert!(head_bytes <= 2 * FLUSH_AT + 6 * most_of_a_batch, "{head_bytes} bytes in memory");
                }
            });
        }
    });
    assert_eq!(count(&store), 3 * (BATCHES * LINES) as usize);
    store.close().unwrap();
}
