//! Histories of the log alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::faults::{FaultRates, FaultyDisk};

const DIR: &str = "/wal";

fn options() -> WalOptions {
    WalOptions { sync: SyncMode::Always, segment_bytes: 200, queue_bytes: 1 << 20 }
}

fn open(disk: &FaultyDisk, options: WalOptions, keep_from: u64) -> (Wal, WalRecovery, Vec<String>) {
    let mut found = Vec::new();
    let mut visit = |payloads: &[&[u8]]| {
        found.extend(payloads.iter().map(|payload| String::from_utf8_lossy(payload).into_owned()));
        Vec::new()
    };
    let (wal, recovery) = Wal::open(Arc::new(disk.clone()), Path::new(DIR), options, keep_from, &mut visit).unwrap();
    (wal, recovery, found)
}

fn submit(wal: &Wal, text: &str) -> Commit {
    let mut record = Record::new();
    record.payload().extend_from_slice(text.as_bytes());
    wal.submit(wal.epoch(), record.seal()).unwrap()
}

fn wait(commit: Commit) -> Result<(), Arc<str>> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(commit.wait())
}

#[test]
fn records_come_back_in_order_over_many_segments() {
    let disk = FaultyDisk::new(1);
    let (wal, _, _) = open(&disk, options(), 0);
    let expected: Vec<String> = (0..100).map(|i| format!("record {i}")).collect();
    let commits: Vec<Commit> = expected.iter().map(|text| submit(&wal, text)).collect();
    commits.into_iter().for_each(|c| wait(c).unwrap());
    let groups = wal.counters().groups.load(Ordering::Relaxed);
    assert!((1..=100).contains(&groups));
    disk.crash();
    let (_, recovery, found) = open(&disk, options(), 0);
    assert_eq!(found, expected);
    assert_eq!((recovery.torn_bytes, recovery.damaged_records), (0, 0));
}

#[test]
fn a_roll_parts_the_records() {
    let disk = FaultyDisk::new(1);
    let (wal, _, _) = open(&disk, options(), 0);
    submit(&wal, "before");
    let number = wal.roll().unwrap();
    wait(submit(&wal, "after")).unwrap();
    wal.remove_below(number).unwrap();
    drop(wal);
    let (wal, _, found) = open(&disk, options(), 0);
    assert_eq!(found, ["after"]);
    assert!(wal.roll().unwrap() > number, "numbers never come again");
    drop(wal);
    assert_eq!(open(&disk, options(), number + 1).2, [""; 0], "below `keep_from` nothing is read");
}

#[test]
fn a_failed_group_begins_an_epoch_and_a_segment() {
    let disk = FaultyDisk::new(1);
    let (wal, _, _) = open(&disk, options(), 0);
    wait(submit(&wal, "good")).unwrap();
    let epoch = wal.epoch();
    disk.set_rates(FaultRates { failed_sync: 1000, ..FaultRates::default() });
    assert!(wait(submit(&wal, "lost")).is_err());
    disk.set_rates(FaultRates::default());
    assert_eq!(wal.epoch(), epoch + 1);
    assert_eq!(wal.submit(epoch, Record::new().seal()).unwrap_err(), SubmitError::Epoch);
    wait(submit(&wal, "good again")).unwrap();
    disk.crash();
    let (_, recovery, found) = open(&disk, options(), 0);
    assert_eq!(found, ["good", "good again"]);
    assert_eq!(recovery.damaged_records, 0);
}

#[test]
fn a_segment_of_a_later_version_is_set_aside() {
    let disk = FaultyDisk::new(1);
    let (wal, _, _) = open(&disk, options(), 0);
    wait(submit(&wal, "ours")).unwrap();
    drop(wal);
    let mut header = frame::segment_header(9, None);
    header[8] = 99;
    let crc = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    disk.create(&Path::new(DIR).join(replay::segment_name(9))).unwrap().write_all(&header).unwrap();
    let (wal, recovery, found) = open(&disk, options(), 0);
    assert_eq!(found, ["ours"]);
    assert_eq!(recovery.quarantined, ["/wal/0000000009.wal.quarantine"]);
    wait(submit(&wal, "more")).unwrap();
    drop(wal);
    let (_, recovery, found) = open(&disk, options(), 0);
    assert_eq!((found.len(), recovery.quarantined.len(), recovery.next_segment > 9), (2, 0, true));
}

#[test]
fn an_interval_acknowledges_early_and_syncs_soon() {
    let disk = FaultyDisk::new(1);
    let interval = WalOptions { sync: SyncMode::Interval(Duration::from_millis(5)), ..options() };
    let (wal, _, _) = open(&disk, interval, 0);
    wait(submit(&wal, "soon")).unwrap();
    while wal.counters().syncs.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    disk.crash();
    assert_eq!(open(&disk, options(), 0).2, ["soon"]);
}

#[test]
fn a_queue_has_an_end() {
    let disk = FaultyDisk::new(1);
    let (wal, _, _) = open(&disk, WalOptions { queue_bytes: 0, ..options() }, 0);
    wal.close();
    assert_eq!(wal.submit(1, Record::new().seal()).unwrap_err(), SubmitError::Closed);
    assert_eq!(wal.roll().unwrap_err(), SubmitError::Closed);
}

/// Mutated segments are read without a panic, and good records behind the damage are found.
#[test]
fn damaged_segments_are_harmless() {
    let mut random = StdRng::seed_from_u64(11);
    for round in 0..2000_u64 {
        let disk = FaultyDisk::new(round);
        let mut bytes = frame::segment_header(1, None).to_vec();
        for _ in 0..random.random_range(0..20) {
            let mut record = Record::new();
            let length = random.random_range(0..60);
            record.payload().extend((0..length).map(|_| random.random::<u8>()));
            bytes.extend_from_slice(record.seal());
        }
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..4) {
                0 => bytes[at] = random.random(),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, random.random()),
                _ => drop(bytes.drain(at..(at + 7).min(bytes.len()))),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        let mut last = Record::new();
        last.payload().extend_from_slice(b"the last record");
        let is_readable = bytes.len() >= frame::HEADER;
        bytes.extend_from_slice(last.seal());
        disk.create(&Path::new(DIR).join(replay::segment_name(1))).unwrap().write_all(&bytes).unwrap();
        let (_, recovery, found) = open(&disk, options(), 0);
        if is_readable && recovery.quarantined.is_empty() {
            assert_eq!(found.last().map(String::as_str), Some("the last record"), "round {round}");
        }
    }
}

#[test]
fn a_segment_that_is_gone_is_named_and_nothing_else() {
    let small = WalOptions { segment_bytes: 30, ..options() };
    let disk = FaultyDisk::new(1);
    let write = |keep_from, count: usize| {
        let (wal, recovery, found) = open(&disk, small, keep_from);
        (0..count).for_each(|i| wait(submit(&wal, &format!("record {i}"))).unwrap());
        (recovery, found)
    };
    // Numbers are skipped where a start writes nothing, where a flush has taken all, and where a segment cannot be begun.
    write(0, 2);
    write(0, 0);
    assert_eq!(write(7, 2).0.missing, [0; 0]);
    let (wal, recovery, _) = open(&disk, small, 7);
    assert_eq!(recovery.missing, [0; 0]);
    disk.set_rates(FaultRates { failed_sync: 1000, ..FaultRates::default() });
    assert!(wait(submit(&wal, "lost")).is_err());
    disk.set_rates(FaultRates::default());
    wait(submit(&wal, "good")).unwrap();
    drop(wal);
    let (recovery, found) = write(7, 1);
    assert_eq!((recovery.missing, found.len()), (Vec::new(), 3));

    let numbers = segments(&disk, Path::new(DIR)).unwrap();
    assert!(numbers.windows(2).any(|pair| pair[1] > pair[0] + 1), "{numbers:?}");
    let gone = numbers[1];
    disk.remove(&Path::new(DIR).join(replay::segment_name(gone))).unwrap();
    assert_eq!(open(&disk, small, numbers[0]).1.missing, [gone]);
    assert_eq!(open(&disk, small, gone + 1).1.missing, [0; 0], "what was flushed is not missed");
}
