//! Histories of the whole store drawn from seeds: appends, flushes, compactions and deletions on a disk that tears writes, fails to
//! sync, fills up, loses power at any operation or flips a bit, and before a bucket that fails, loses answers or is down.
//!
//! What must hold: what was acknowledged is read exactly once, nothing is read that was not sent or that was deleted, and
//! a start never fails. `AFFERENT_SIMULATION_SEEDS` runs more histories, `AFFERENT_SIMULATION_FIRST` sets the first seed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use blocks::faults::{FaultRates, FaultyDisk};
use blocks::files::{FaultyFiles, FileFaults, FileStore, MemoryFiles};
use logs::{Store, StoreOptions};
use model::{Labels, LogBatch, ManualClock, Matcher, Tenant, TimeRange};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::{append, clock, options, read_tenant};

/// What has to become of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was acknowledged.
    Must,
    /// It was sent, or deleted, and nobody knows whether that came to be.
    May,
    /// It was deleted.
    MustNot,
}

type Key = (Tenant, Labels, i64, Vec<u8>);

struct History {
    random: StdRng,
    clock: Arc<ManualClock>,
    disk: FaultyDisk,
    bucket: Option<FaultyFiles>,
    store: Option<Arc<Store>>,
    fates: BTreeMap<Key, Fate>,
    damaged: bool,
    work: Work,
    steps: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Work {
    acknowledged: u64,
    refused: u64,
    flushes: u64,
    failed_flushes: u64,
    compactions: u64,
    deletions: u64,
    crashes: u64,
    flips: u64,
    checks: u64,
}

impl Drop for History {
    #[allow(clippy::print_stdout)] // what led to a failure
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.steps.join("\n"));
        }
    }
}

impl History {
    fn new(seed: u64) -> History {
        let disk = FaultyDisk::new(seed);
        let bucket = (seed % 3 == 2).then(|| {
            let inner: Arc<dyn FileStore> = Arc::new(MemoryFiles::new(Arc::new(disk.clone())));
            FaultyFiles::new(inner, seed).on(&disk)
        });
        let mut history = History {
            random: StdRng::seed_from_u64(seed),
            clock: clock(),
            disk,
            bucket,
            store: None,
            fates: BTreeMap::new(),
            damaged: false,
            work: Work::default(),
            steps: Vec::new(),
        };
        history.start();
        history
    }

    fn note(&mut self, step: impl Into<String>) {
        self.steps.push(step.into());
    }

    fn quiet(&mut self) {
        self.disk.set_rates(FaultRates::default());
        self.disk.set_space(None);
        if let Some(bucket) = &self.bucket {
            bucket.set_faults(FileFaults::default());
        }
    }

    fn noise(&mut self) {
        let random = &mut self.random;
        let mut rate = |most: u32| if random.random_range(0..3) == 0 { 0 } else { random.random_range(0..most) };
        let rates =
            FaultRates { torn_write: rate(60), failed_sync: rate(60), failed_name: rate(60), failed_read: rate(20) };
        let faults = FileFaults { failed: rate(200), lost_answer: rate(200), ..FileFaults::default() };
        let down = random.random_range(0..5) == 0;
        self.disk.set_rates(rates);
        if random.random_range(0..6) == 0 {
            let space = random.random_range(0..30_000);
            self.disk.set_space(Some(space));
        }
        if let Some(bucket) = &self.bucket {
            bucket.set_faults(FileFaults { down, ..faults });
        }
    }

    fn start(&mut self) {
        let files = self.bucket.clone().map(|bucket| Arc::new(bucket) as Arc<dyn FileStore>);
        let cache = [0, 4000, 1 << 20][self.random.random_range(0..3_usize)];
        let segment = self.random.random_range(200..6000);
        let options = StoreOptions { files, block_cache_bytes: cache, wal_segment_bytes: segment, ..options() };
        let opened = Store::open_on(Arc::new(self.disk.clone()), Path::new("/data"), options, self.clock.clone());
        let (store, report) = opened.unwrap_or_else(|error| panic!("a start fails: {error}"));
        assert!(self.damaged || !report.found_damage(), "damage that nobody did: {report:?}");
        self.store = Some(store);
    }

    fn store(&self) -> Arc<Store> {
        self.store.clone().expect("a store is open between starts")
    }

    fn crash(&mut self) {
        self.work.crashes += 1;
        self.note("crash");
        self.disk.set_power(Some(0));
        self.store = None;
        self.disk.crash();
        self.quiet();
        // Sometimes the power goes again while the store starts.
        if self.random.random_range(0..4) == 0 {
            self.disk.set_power(Some(self.random.random_range(0..40)));
            let options = options();
            let options = StoreOptions {
                files: self.bucket.clone().map(|bucket| Arc::new(bucket) as Arc<dyn FileStore>),
                ..options
            };
            let _ = Store::open_on(Arc::new(self.disk.clone()), Path::new("/data"), options, self.clock.clone());
            self.disk.crash();
        }
        self.disk.set_power(None);
        self.start();
    }

    fn tenant(&mut self) -> Tenant {
        Tenant::new(["one", "two"][self.random.random_range(0..2_usize)]).unwrap()
    }

    fn append(&mut self) {
        let tenant = self.tenant();
        let mut batch = LogBatch::new(tenant.clone());
        let mut keys: Vec<Key> = Vec::new();
        for _ in 0..self.random.random_range(1..3) {
            let app = ["a", "b", "c"][self.random.random_range(0..3_usize)];
            let labels = Labels::from_pairs([("app", app)]);
            let stream = batch.add_stream(labels.clone());
            let base = model::Clock::now(&*self.clock).ms() * 1_000_000;
            for _ in 0..self.random.random_range(1..25) {
                let late = if self.random.random_range(0..5) == 0 { self.random.random_range(0..600_000) } else { 0 };
                let time = base - late * 1_000_000 + self.random.random_range(0..5);
                let n: u32 = self.random.random_range(0..50);
                let line = match n % 3 {
                    0 => format!("{{\"n\":{n},\"app\":\"{app}\",\"ok\":true}}"),
                    1 => format!("n={n} msg=\"hello {n}\""),
                    _ => format!("plain line number {n}"),
                };
                batch.push(
                    stream,
                    time,
                    line.as_bytes(),
                    [("n", n.to_string().as_str())].into_iter().take((n % 2) as usize),
                );
                keys.push((tenant.clone(), labels.clone(), time, line.into_bytes()));
            }
        }
        match append(&self.store(), batch) {
            Ok(report) => {
                self.work.acknowledged += 1;
                let refused: Vec<usize> = report.rejected.iter().map(|rejection| rejection.entry).collect();
                for (_, key) in keys.into_iter().enumerate().filter(|(at, _)| !refused.contains(at)) {
                    self.fates.insert(key, Fate::Must);
                }
            }
            Err(error) => {
                self.work.refused += 1;
                self.note(format!("append fails: {error}"));
                for key in keys {
                    let fate = self.fates.entry(key).or_insert(Fate::May);
                    if *fate == Fate::MustNot {
                        *fate = Fate::May;
                    }
                }
            }
        }
    }

    fn flush(&mut self) {
        self.work.flushes += 1;
        if let Err(error) = self.store().flush() {
            self.work.failed_flushes += 1;
            self.note(format!("flush fails: {error}"));
        }
    }

    fn maintain(&mut self) {
        let before = self.store().stats().compactions;
        if let Err(error) = self.store().maintain() {
            self.note(format!("maintenance fails: {error}"));
        }
        self.work.compactions += self.store().stats().compactions - before;
    }

    fn delete(&mut self) {
        let tenant = self.tenant();
        let app = ["a", "b", "c"][self.random.random_range(0..3_usize)];
        let now = model::Clock::now(&*self.clock).ms();
        let start = now - self.random.random_range(0..7200) * 1000;
        let range = TimeRange::new(start, start + self.random.random_range(0..1800) * 1000);
        let result = self.store().delete(&tenant, &[Matcher::equal("app", app)], range, None);
        self.note(format!("delete of {tenant} {app} {range:?}: {result:?}"));
        self.work.deletions += u64::from(result.is_ok());
        for ((of, labels, time, _), fate) in &mut self.fates {
            let is_meant = *of == tenant
                && labels.get("app") == Some(app)
                && range.contains(model::Timestamp(time.div_euclid(1_000_000)));
            if is_meant {
                // An entry that was not acknowledged may still be on its way in the log.
                *fate = if result.is_ok() && *fate != Fate::May { Fate::MustNot } else { Fate::May };
            }
        }
    }

    fn flip(&mut self) {
        let suffix = [".parquet", ".wal"][self.random.random_range(0..2_usize)];
        if let Some(path) = self.disk.corrupt(suffix) {
            self.note(format!("a bit of {} flips", path.display()));
            self.work.flips += 1;
            self.damaged = true;
            self.fates.values_mut().for_each(|fate| *fate = Fate::May);
        }
    }

    fn check(&mut self) {
        self.work.checks += 1;
        for tenant in ["one", "two"].map(|name| Tenant::new(name).unwrap()) {
            let mut found = read_tenant(&self.store(), &tenant);
            // A damaged page fails once and is left out, and told of, from then on.
            for _ in 0..200 {
                if found.is_ok() || !self.damaged {
                    break;
                }
                found = read_tenant(&self.store(), &tenant);
            }
            let (found, warnings) = found.unwrap_or_else(|error| panic!("cannot read: {error}"));
            assert!(self.damaged || warnings.is_empty(), "warnings without damage: {warnings:?}");
            let mut there = std::collections::BTreeSet::new();
            for (labels, entries) in found {
                for (time, line, metadata) in entries {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    let n: u32 = text.split(|c: char| !c.is_ascii_digit()).find_map(|part| part.parse().ok()).unwrap();
                    assert_eq!(metadata.len(), (n % 2) as usize, "metadata of {text}");
                    let key = (tenant.clone(), labels.clone(), time, line);
                    let fate = self.fates.get(&key);
                    assert!(matches!(fate, Some(Fate::Must | Fate::May)), "{key:?} is there: {fate:?}");
                    there.insert(key);
                }
            }
            let missing = self.fates.iter().filter(|(key, fate)| key.0 == tenant && **fate == Fate::Must);
            let missing: Vec<&Key> = missing.map(|(key, _)| key).filter(|key| !there.contains(*key)).collect();
            assert!(missing.is_empty(), "{} entries are missing, such as {:?}", missing.len(), missing[0]);
        }
    }

    fn run(&mut self, steps: usize, with_flips: bool) {
        for step in 0..steps {
            if step % 10 == 5 {
                match self.random.random_range(0..3) {
                    0 => self.quiet(),
                    _ => self.noise(),
                }
            }
            if self.random.random_range(0..25) == 0 {
                self.disk.set_power(Some(self.random.random_range(0..60)));
                self.note("the power will go");
            }
            match self.random.random_range(0..20) {
                0..=8 => self.append(),
                9..=11 => self.flush(),
                12..=14 => self.maintain(),
                15 => self.delete(),
                16 => self.crash(),
                17 if with_flips && self.random.random_range(0..4) == 0 => self.flip(),
                _ => self.clock.advance_ms(self.random.random_range(0..1_200_000)),
            }
            if self.disk.is_off() {
                self.crash();
            }
            if step % 12 == 11 {
                // Faults are for writing; what is read is compared while nothing fails.
                self.disk.set_power(None);
                self.quiet();
                self.check();
            }
        }
        self.crash();
        self.check();
        self.flush();
        self.check();
        self.clock.advance_ms(30 * 3_600_000);
        self.maintain();
        self.check();
    }
}

#[test]
fn whatever_fails_what_was_acknowledged_is_read_once() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (seeds, first) = (number("AFFERENT_SIMULATION_SEEDS", 40), number("AFFERENT_SIMULATION_FIRST", 0));
    let mut total = Work::default();
    for seed in first..first + seeds {
        let mut history = History::new(seed);
        history.note(format!("seed {seed}"));
        history.run(150, seed % 4 == 3);
        let work = history.work;
        total.acknowledged += work.acknowledged;
        total.refused += work.refused;
        total.flushes += work.flushes;
        total.failed_flushes += work.failed_flushes;
        total.compactions += work.compactions;
        total.deletions += work.deletions;
        total.crashes += work.crashes;
        total.flips += work.flips;
        total.checks += work.checks;
    }
    if seeds >= 40 {
        let done =
            [total.refused, total.failed_flushes, total.compactions, total.deletions, total.crashes, total.flips];
        assert!(done.iter().all(|count| *count > 10), "the histories miss something: {total:?}");
    }
}
