//! What is lost is told: by answers about its time, by lists, by the status, until it would be gone anyway.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocks::disk::Disk;
use blocks::faults::FaultyDisk;
use metrics::{Store, StoreOptions};
use model::{LabelRequest, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp};

use crate::support::{NOW, append_one, clock, labels, open, open_at, options};

const HOUR: i64 = 3_600_000;

fn warnings(store: &Store, start: i64, end: i64) -> Vec<String> {
    let (tenant, range) = (Tenant::default(), TimeRange::new(start, end));
    let set = store.select(&SelectRequest { tenant: &tenant, matchers: &[], range, projection: None, memory: None });
    let warnings = set.unwrap().warnings();
    assert_eq!(store.missing(&tenant, range), warnings);
    warnings
}

fn segments(disk: &FaultyDisk) -> Vec<PathBuf> {
    let mut names = disk.list(Path::new("/data/wal")).unwrap();
    names.retain(|name| name.ends_with(".wal"));
    names.sort();
    names.iter().map(|name| Path::new("/data/wal").join(name)).collect()
}

#[test]
fn a_segment_of_the_log_that_is_gone_is_told() {
    let disk = FaultyDisk::new(1);
    let options = || StoreOptions { wal_segment_bytes: 100, ..options() };
    let (store, _) = open(&disk, options());
    append_one(&store, &labels("up", "a"), NOW - 5 * HOUR, 1.0);
    store.flush().unwrap();
    for n in 0..6 {
        append_one(&store, &labels("up", &n.to_string()), NOW + n, 1.0);
    }
    drop(store);
    let gone = segments(&disk)[2].clone();
    disk.remove(&gone).unwrap();
    let (store, report) = open(&disk, options());
    assert_eq!(report.missing_segments.len(), 1);
    assert!(report.found_damage() && report.corruptions() >= 1);
    let told = warnings(&store, NOW - 60_000, NOW);
    assert!(
        told.len() == 1 && told[0].contains(&format!("log segment {} is gone", report.missing_segments[0])),
        "{told:?}"
    );
    assert_eq!(warnings(&store, NOW - 9 * HOUR, NOW - 4 * HOUR), [""; 0], "what was flushed before is whole");
    assert_eq!(store.damage().losses.len(), 1);
    drop(store);
    // Told once more by the next start, and counted once.
    let (store, _) = open(&disk, options());
    assert_eq!(store.damage().losses.len(), 1);
    store.flush().unwrap();
    drop(store);
    let clock = clock();
    let (store, report) = open_at(&disk, options(), clock.clone());
    assert!(!report.found_damage());
    assert_eq!(warnings(&store, NOW - 60_000, NOW).len(), 1);
    // What would be gone by now was not lost.
    clock.advance_ms(options().retention_ms + 2 * HOUR);
    store.maintain().unwrap();
    assert_eq!(store.damage().losses, []);
}

#[test]
fn a_log_that_is_whole_is_not_told_of() {
    let disk = FaultyDisk::new(1);
    for round in 0..8 {
        let (store, report) = open(&disk, options());
        assert!(!report.found_damage(), "{report:?}");
        if round % 3 > 0 {
            append_one(&store, &labels("up", "a"), NOW + round, 1.0);
        }
        if round % 4 == 1 {
            store.flush().unwrap();
        }
        assert_eq!(store.damage(), metrics::DamageReport::default());
    }
}

#[test]
fn a_block_that_was_rewritten_for_its_damage_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let open = || Store::open(directory.path(), options(), clock.clone()).unwrap().0;
    let store = open();
    for n in 0..200 {
        for at in 0..30 {
            append_one(&store, &labels("up", &n.to_string()), NOW + at * 1000, f64::from(n) / 7.0 + at as f64 * 0.37);
        }
    }
    store.flush().unwrap();
    let block = directory.path().join("blocks").join(store.blocks()[0].file_name());
    drop(store);
    let mut bytes = std::fs::read(&block).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 64].fill(0x55);
    std::fs::write(&block, bytes).unwrap();
    let store = open();
    let tenant = Tenant::default();
    let request = LabelRequest { tenant: &tenant, matcher_sets: &[], range: TimeRange::ALL, limit: 0, memory: None };
    store.series(&request).unwrap();
    clock.advance_ms(9 * HOUR);
    store.maintain().unwrap();
    let damage = store.damage();
    assert_eq!((damage.quarantined_files, damage.losses.len()), (1, 1), "{damage:?}");
    let loss = &damage.losses[0];
    assert!(damage.quarantined_bytes > 0 && loss.rows > 0 && loss.tenant == Some(tenant), "{loss:?}");
    assert_eq!((loss.range.start, loss.range.end), (Timestamp(NOW), Timestamp(NOW + 29_000)));
    let told = warnings(&store, NOW, NOW + HOUR);
    assert!(told.len() == 1 && told[0].contains("data between 2023-11-14 22:13:20 UTC"), "{told:?}");
    assert_eq!(warnings(&store, NOW + HOUR, NOW + 2 * HOUR), [""; 0]);
    assert_eq!(store.missing(&Tenant::new("other").unwrap(), TimeRange::ALL), [""; 0]);
    // A snapshot has the hole, too.
    let copy = directory.path().join("copy");
    store.snapshot(&copy, true).unwrap();
    let (copied, _) = Store::open_on(Arc::new(blocks::disk::RealDisk), &copy, options(), clock.clone()).unwrap();
    assert_eq!((copied.damage().losses.len(), copied.damage().quarantined_files), (1, 0));
    drop((copied, store));
    // Whoever has seen to it removes the file.
    std::fs::remove_file(directory.path().join(loss.file.as_ref().unwrap())).unwrap();
    let store = open();
    assert_eq!(store.damage(), metrics::DamageReport::default());
    assert_eq!(warnings(&store, NOW, NOW + HOUR), [""; 0]);
}
