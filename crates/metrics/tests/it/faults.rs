//! Thousands of histories with failing disks. After every crash the store must start, and every acknowledged sample must be
//! there.
//!
//! A seed fixes what is done and which faults are drawn, but not which records the writer's thread puts into one group: a
//! failure may need several runs of its seed to show again.

use std::collections::BTreeMap;

use blocks::faults::{FaultRates, FaultyDisk};
use metrics::{Store, StoreOptions};
use model::{Labels, Sample, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::support::{NOW, append, labels, open, options, read_all, read_set};

type Acknowledged = BTreeMap<Labels, BTreeMap<i64, f64>>;

struct History {
    random: StdRng,
    disk: FaultyDisk,
    acknowledged: Acknowledged,
    next_time: i64,
    refused: u32,
}

impl History {
    fn new(seed: u64) -> Self {
        History {
            random: StdRng::seed_from_u64(seed),
            disk: FaultyDisk::new(seed),
            acknowledged: Acknowledged::new(),
            next_time: NOW - 1_000_000,
            refused: 0,
        }
    }

    fn options(&mut self) -> StoreOptions {
        StoreOptions { wal_segment_bytes: self.random.random_range(100..4000), ..options() }
    }

    fn append(&mut self, store: &Store) {
        self.next_time += self.random.random_range(1..2000_i64);
        let mut batch = WriteBatch::default();
        for _ in 0..self.random.random_range(1..12) {
            let series = labels("m", &self.random.random_range(0..20).to_string());
            let late = if self.random.random_range(0..10) == 0 { self.random.random_range(0..30_000) } else { 0 };
            // The value follows from the time: a sample that is sent again is the same sample.
            let t = self.next_time - late;
            batch.push(series, None, Sample::float(Timestamp(t), (t % 1000) as f64 / 8.0));
        }
        let rows = batch.rows.clone();
        match append(store, batch) {
            Ok(report) => {
                assert!(report.rejected.is_empty(), "{:?}", report.rejected);
                for row in rows {
                    let t = row.sample.timestamp.ms();
                    self.acknowledged.entry(row.labels).or_default().insert(t, (t % 1000) as f64 / 8.0);
                }
            }
            Err(_) => self.refused += 1,
        }
    }

    /// Acknowledged samples that cannot be read.
    fn missing(&self, store: &Store) -> usize {
        let tenant = Tenant::default();
        let request =
            SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
        let found = read_set(&*store.select(&request).unwrap(), TimeRange::ALL);
        let mut missing = 0;
        for (labels, samples) in &self.acknowledged {
            let buffer = found.get(labels).cloned().unwrap_or_default();
            for (t, v) in samples {
                match buffer.timestamps.binary_search(t) {
                    Ok(row) => assert_eq!(buffer.values[row].to_bits(), v.to_bits(), "{labels} at {t}"),
                    Err(_) => missing += 1,
                }
            }
        }
        missing
    }

    fn run(&mut self, rates: FaultRates) {
        for _ in 0..self.random.random_range(1..5) {
            let options = self.options();
            let (store, report) = open(&self.disk, options);
            assert_eq!(self.missing(&store), 0, "after a start: {report:?}");
            assert!(!report.found_damage(), "a crash is no damage: {report:?}");
            self.disk.set_rates(rates);
            for _ in 0..self.random.random_range(1..40) {
                match self.random.random_range(0..20) {
                    0 => drop(store.flush()),
                    1 => drop(store.maintain()),
                    2 => {
                        let space = self.random.random_range(0..600);
                        self.disk.set_space(Some(space));
                    }
                    3 => self.disk.set_space(None),
                    _ => self.append(&store),
                }
            }
            assert_eq!(self.missing(&store), 0, "before the crash");
            self.disk.set_space(None);
            self.disk.set_rates(FaultRates::default());
            if self.random.random_range(0..4) == 0 {
                drop(store);
                self.disk.crash();
            } else {
                self.disk.crash();
                drop(store);
            }
        }
        let (store, report) = open(&self.disk, options());
        assert_eq!(self.missing(&store), 0, "at the end: {report:?}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_a_crash() {
    for seed in 0..1500 {
        let mut history = History::new(seed);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.run(FaultRates::default())));
        assert!(caught.is_ok(), "seed {seed}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_writes_fail_too() {
    let mut refused = 0;
    for seed in 0..1500 {
        let mut history = History::new(seed);
        let rates = FaultRates { torn_write: 30, failed_sync: 30, failed_name: 30, ..FaultRates::default() };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.run(rates)));
        assert!(caught.is_ok(), "seed {seed}");
        refused += history.refused;
    }
    assert!(refused > 1000, "the faults reached the store: {refused}");
}

#[test]
fn a_flipped_bit_costs_little_and_never_the_start() {
    let mut damaged_starts = 0;
    for seed in 0..600 {
        let mut history = History::new(seed);
        let options = history.options();
        let (store, _) = open(&history.disk, options);
        for round in 0..60 {
            history.append(&store);
            if round == 30 && seed % 2 == 0 {
                store.flush().unwrap();
            }
        }
        drop(store);
        let suffix = [".wal", ".parquet", "head.log"][seed as usize % 3];
        let is_hit = history.disk.corrupt(suffix).is_some();
        let (store, report) = open(&history.disk, super::support::options());
        let missing = history.missing(&store);
        if is_hit && suffix == ".wal" {
            assert!(report.found_damage() || report.torn_bytes > 0, "seed {seed}: {report:?}");
            let all: usize = history.acknowledged.values().map(BTreeMap::len).sum();
            assert!(missing < all, "seed {seed}: {missing} of {all}");
        }
        damaged_starts += u32::from(report.found_damage());
        // It goes on working, and what is written now is kept.
        history.acknowledged.clear();
        history.append(&store);
        drop(store);
        let (store, _) = open(&history.disk, super::support::options());
        assert_eq!(history.missing(&store), 0, "seed {seed}");
    }
    assert!(damaged_starts > 100, "{damaged_starts}");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = FaultyDisk::new(3);
    let (store, _) = open(&disk, options());
    let batch = |t: i64| {
        let mut batch = WriteBatch::default();
        batch.push(labels("m", "a"), None, Sample::float(Timestamp(NOW + t), t as f64));
        batch
    };
    append(&store, batch(1)).unwrap();
    disk.set_space(Some(20));
    assert!(matches!(append(&store, batch(2)), Err(model::AppendError::Log(_))));
    assert!(matches!(append(&store, batch(2)), Err(model::AppendError::Log(_))));
    assert!(store.flush().is_err());
    disk.set_space(None);
    append(&store, batch(2)).unwrap();
    drop(store);
    disk.crash();
    let (store, _) = open(&disk, options());
    let found = read_all(&store, &[], TimeRange::ALL);
    assert_eq!(found[&labels("m", "a")].timestamps, [NOW + 1, NOW + 2]);
}
