//! A bucket that does not answer, or answers late.

use std::sync::Arc;

use blocks::faults::FaultyDisk;
use blocks::files::{FaultyFiles, FileFaults, FileStore, MemoryFiles};
use metrics::{Importer, Store, StoreOptions};
use model::{SampleBuffer, SelectRequest, SeriesSource, Tenant, TimeRange};

use crate::support::{NOW, append_one, clock, labels, open, open_at, options, read_one};

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
