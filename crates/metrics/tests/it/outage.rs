//! A bucket that does not answer, or answers late.

use std::path::Path;
use std::sync::Arc;

use blocks::faults::FaultyDisk;
use blocks::files::{FaultyFiles, FileFaults, FileStore, MemoryFiles};
use metrics::{Importer, Store, StoreOptions};
use model::{AppendError, Sample, SampleBuffer, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch};

use crate::support::{NOW, append, append_one, clock, labels, open, open_at, options, read_all, read_one};

struct Bench {
    disk: FaultyDisk,
    bucket: FaultyFiles,
}

impl Bench {
    fn new() -> Bench {
        let disk = FaultyDisk::new(1);
        let bucket = FaultyFiles::new(Arc::new(MemoryFiles::new(Arc::new(disk.clone()))), 1);
        Bench { disk, bucket }
    }

    fn options(&self) -> StoreOptions {
        StoreOptions { files: Some(Arc::new(self.bucket.clone())), block_cache_bytes: 0, ..options() }
    }

    fn is_down(&self, down: bool) {
        self.bucket.set_faults(FileFaults { down, ..FileFaults::default() });
    }
}

fn is_readable(store: &Store) -> Result<(), String> {
    let tenant = Tenant::default();
    let request =
        SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
    let set = store.select(&request).map_err(|error| error.to_string())?;
    (0..set.len()).try_for_each(|series| {
        set.read(series, TimeRange::ALL, &mut SampleBuffer::default()).map_err(|error| error.to_string())
    })
}

#[test]
fn a_store_starts_without_its_bucket_and_has_its_blocks_once_it_answers() {
    let bench = Bench::new();
    let up = labels("up", "a");
    let (store, _) = open(&bench.disk, bench.options());
    for round in 0..20 {
        append_one(&store, &up, NOW + round, 1.0);
        store.flush().unwrap();
    }
    drop(store);
    bench.is_down(true);
    let asked = bench.bucket.operations();
    let (store, report) = open(&bench.disk, bench.options());
    assert_eq!(bench.bucket.operations() - asked, 1, "each question costs a minute");
    assert!(!report.problems.is_empty() && !report.found_damage(), "{report:?}");
    // What comes in is taken; what cannot be read now is an error, not a hole.
    append_one(&store, &up, NOW + 20, 1.0);
    assert!(is_readable(&store).unwrap_err().contains("injected fault"));
    assert!(store.flush().is_err());
    append_one(&store, &up, NOW + 21, 1.0);
    bench.is_down(false);
    assert_eq!(read_one(&store, &up).len(), 22);
    store.flush().unwrap();
    drop(store);
    assert_eq!(read_one(&open(&bench.disk, bench.options()).0, &up).len(), 22);
}

#[test]
fn a_long_outage_fills_the_head_and_then_refuses_until_the_bucket_is_back() {
    let bench = Bench::new();
    let clock = clock();
    let options = || StoreOptions { memory_limit_bytes: Some(400 << 10), ..bench.options() };
    let (store, _) = open_at(&bench.disk, options(), clock.clone());
    bench.is_down(true);
    let batch = |round: i64| {
        let mut batch = WriteBatch::default();
        let series = |i: i64| labels("up", &i.to_string());
        (0..20).for_each(|i| batch.push(series(i), None, Sample::float(Timestamp(NOW + round), noise(round * 20 + i))));
        batch
    };
    let mut taken = 0;
    let refusal = loop {
        match append(&store, batch(taken)) {
            Ok(report) => assert!(report.rejected.is_empty()),
            Err(refusal) => break refusal,
        }
        taken += 1;
        assert!(taken < 100_000, "the budget is never reached");
        if taken % 100 == 0 {
            assert!(store.flush().is_err(), "nothing can go to the bucket");
        }
    };
    assert!(matches!(refusal, AppendError::OverBudget { retry_after_s } if retry_after_s > 0), "{refusal:?}");
    assert!(taken > 100, "{taken}");
    assert!(append(&store, batch(taken)).is_err(), "and so it stays");
    let count = |store: &Store| read_all(store, &[], TimeRange::ALL).values().map(SampleBuffer::len).sum::<usize>();
    assert_eq!(count(&store), 20 * taken as usize, "what was acknowledged is there during the outage");
    // A restart in the middle of it does not change that.
    drop(store);
    let (store, _) = open_at(&bench.disk, options(), clock);
    assert_eq!(count(&store), 20 * taken as usize);
    bench.is_down(false);
    store.flush().unwrap();
    assert!(append(&store, batch(taken)).unwrap().rejected.is_empty(), "there is room again");
    assert_eq!(count(&store), 20 * (taken as usize + 1));
    drop(store);
    assert_eq!(count(&open(&bench.disk, options()).0), 20 * (taken as usize + 1));
}

/// Numbers that do not compress.
fn noise(n: i64) -> f64 {
    f64::from_bits((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2)
}

#[test]
fn an_unreachable_bucket_of_a_fresh_directory_is_one_clear_error() {
    let bench = Bench::new();
    bench.is_down(true);
    let opened = Store::open_on(Arc::new(bench.disk.clone()), Path::new("/data"), bench.options(), clock());
    let error = opened.unwrap_err();
    let text = error.to_string();
    assert_eq!(text.matches("injected fault").count(), 1, "{text}");
    assert!(text.contains("/data") && text.contains("start again"), "{text}");
    assert!(!text.contains("is writable") && std::error::Error::source(&error).is_none(), "{text}");
}

#[test]
fn compaction_before_a_failing_bucket_loses_nothing_and_does_not_spin() {
    let bench = Bench::new();
    let clock = clock();
    let up = labels("up", "a");
    let (store, _) = open_at(&bench.disk, bench.options(), clock.clone());
    for round in 0..30 {
        append_one(&store, &up, NOW + round * 60_000, 1.0);
        store.flush().unwrap();
        clock.advance_ms(60_000);
    }
    let before = store.blocks();
    clock.advance_ms(10 * 3_600_000);
    for (fault, most) in [
        (FileFaults { down: true, ..FileFaults::default() }, 20),
        (FileFaults { lost_answer: 1000, ..FileFaults::default() }, 5000),
    ] {
        bench.bucket.set_faults(fault);
        let asked = bench.bucket.operations();
        for _ in 0..5 {
            assert!(store.maintain().is_err());
        }
        assert!(bench.bucket.operations() - asked <= most, "{}", bench.bucket.operations() - asked);
        assert_eq!(store.blocks(), before, "the blocks stay until others are in their place");
        bench.bucket.set_faults(FileFaults::default());
        assert_eq!(read_one(&store, &up).len(), 30);
    }
    store.maintain().unwrap();
    assert!(store.blocks().len() < 3, "{:?}", store.blocks().len());
    assert_eq!(read_one(&store, &up).len(), 30);
    // What was put and given up is not left behind.
    let listed = bench.bucket.list().unwrap().into_iter().filter(|file| file.name.ends_with(".parquet")).count();
    assert_eq!(listed, store.blocks().len());
}

#[test]
fn an_import_is_written_after_what_is_in_memory_whatever_is_merged_later() {
    let disk = FaultyDisk::new(1);
    let clock = clock();
    let (store, _) = open_at(&disk, options(), clock.clone());
    let up = labels("up", "a");
    let old = |value: f64| {
        let mut samples = SampleBuffer::default();
        (0..3).for_each(|i| samples.push_float(NOW + i, value));
        samples
    };
    let mut importer = Importer::new(&store, Tenant::default()).with_budget(1);
    importer.add(&up, &old(2.0)).unwrap();
    append_one(&store, &up, NOW + 1, 1.0);
    importer.finish().unwrap();
    let mut later = Importer::new(&store, Tenant::default());
    later.add(&up, &old(3.0)).unwrap();
    later.finish().unwrap();
    let wanted = [(NOW, 2.0), (NOW + 1, 1.0), (NOW + 2, 2.0)];
    assert_eq!(read_one(&store, &up), wanted);
    clock.advance_ms(10 * 3_600_000);
    store.maintain().unwrap();
    assert_eq!(read_one(&store, &up), wanted);
    assert_eq!(store.blocks().len(), 1);
    drop(store);
    assert_eq!(read_one(&open(&disk, options()).0, &up), wanted);
}
