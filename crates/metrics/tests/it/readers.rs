//! Readers beside flushes, evictions, deletions and restarts: whoever begins to read sees every sample that was acknowledged
//! before, once, for as long as it reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use blocks::faults::FaultyDisk;
use metrics::{Store, StoreOptions};
use model::{
    Clock, Labels, ManualClock, MatchOp, Matcher, Sample, SampleBuffer, SampleSink, SelectRequest, SeriesSet,
    SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch, stale_nan,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::support::{NOW, append, clock, labels, open_at, options, read_set};

type Samples = BTreeMap<(Tenant, Labels), BTreeMap<i64, u64>>;

/// The value that any sample of a time has: every seventh is a staleness marker.
fn value(time: i64) -> f64 {
    if time % 7 == 0 { stale_nan() } else { time as f64 / 3.0 }
}

/// A selection that is still open, and what it must show.
struct Reader {
    tenant: Tenant,
    set: Box<dyn SeriesSet>,
    must: Samples,
}

struct History {
    random: StdRng,
    disk: FaultyDisk,
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    tenants: [Tenant; 2],
    /// What counts, and everything that was ever written.
    present: Samples,
    ever: Samples,
    readers: Vec<Reader>,
    next: i64,
}

impl History {
    fn new(seed: u64) -> Self {
        let (disk, clock) = (FaultyDisk::new(seed), clock());
        let store = open_at(&disk, options(), clock.clone()).0;
        History {
            random: StdRng::seed_from_u64(seed),
            disk,
            clock,
            store,
            tenants: [Tenant::default(), Tenant::new("other").unwrap()],
            present: Samples::new(),
            ever: Samples::new(),
            readers: Vec::new(),
            next: NOW - 60_000,
        }
    }

    fn tenant(&mut self) -> Tenant {
        self.tenants[self.random.random_range(0..2)].clone()
    }

    fn append(&mut self) {
        let tenant = self.tenant();
        let mut batch = WriteBatch { tenant: tenant.clone(), ..WriteBatch::default() };
        for _ in 0..self.random.random_range(1..10) {
            // Times never come again, so no sample meets another: late ones are odd, the others even.
            self.next += 2 * self.random.random_range(1..25_i64);
            let is_late = self.random.random_range(0..6) == 0;
            let time = if is_late { self.next - 600_001 } else { self.next };
            let series = labels("m", &self.random.random_range(0..12).to_string());
            batch.push(series, None, Sample::float(Timestamp(time), value(time)));
        }
        let rows = batch.rows.clone();
        let report = append(&self.store, batch).unwrap();
        for (row, reference) in rows.into_iter().zip(report.refs) {
            if reference.is_some() {
                let time = row.sample.timestamp.ms();
                for samples in [&mut self.present, &mut self.ever] {
                    let series = samples.entry((tenant.clone(), row.labels.clone())).or_default();
                    series.entry(time).or_insert(value(time).to_bits());
                }
            }
        }
    }

    fn select(&mut self) {
        let tenant = self.tenant();
        let request =
            SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
        let set = self.store.select(&request).unwrap();
        let must = self.present.iter().filter(|((owner, _), _)| *owner == tenant);
        let must = must.map(|(key, samples)| (key.clone(), samples.clone())).collect();
        self.readers.push(Reader { tenant, set, must });
    }

    /// Reads an open selection: all it must show, nothing that was never written, each sample once.
    fn read(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let at = self.random.random_range(0..self.readers.len());
        let reader = &self.readers[at];
        let found = read_set(&*reader.set, TimeRange::ALL);
        assert!(reader.set.warnings().is_empty());
        let bits = |buffer: &SampleBuffer| -> BTreeMap<i64, u64> {
            buffer.timestamps.iter().copied().zip(buffer.values.iter().map(|v| v.to_bits())).collect()
        };
        for (labels, buffer) in &found {
            let ever = &self.ever[&(reader.tenant.clone(), labels.clone())];
            assert!(bits(buffer).iter().all(|(t, v)| ever.get(t) == Some(v)), "{labels}");
        }
        for ((_, labels), must) in &reader.must {
            let found = found.get(labels).map(bits).unwrap_or_default();
            assert!(must.keys().all(|t| found.contains_key(t)), "{labels}: {must:?} in {found:?}");
        }
        if self.random.random_range(0..2) == 0 {
            self.readers.swap_remove(at);
        }
    }

    fn delete(&mut self) {
        let tenant = self.tenant();
        let pattern = format!("{}|{}", self.random.random_range(0..12), self.random.random_range(0..12));
        let matcher = Matcher::new("instance", MatchOp::Regex, pattern).unwrap();
        let start = self.next - self.random.random_range(0..2000);
        let range = TimeRange::new(start, start + self.random.random_range(0..1500));
        self.store.delete(&tenant, std::slice::from_ref(&matcher), range).unwrap();
        let musts = self.readers.iter_mut().map(|reader| &mut reader.must);
        for samples in musts.chain([&mut self.present]) {
            for ((owner, labels), samples) in samples.iter_mut() {
                if *owner == tenant && matcher.matches(labels.get("instance").unwrap_or("")) {
                    samples.retain(|t, _| !range.contains(Timestamp(*t)));
                }
            }
        }
    }

    /// What a new reader sees is exactly what counts.
    fn check(&self) {
        for tenant in &self.tenants {
            let request =
                SelectRequest { tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
            let set = self.store.select(&request).unwrap();
            let found = read_set(&*set, TimeRange::ALL);
            let found: BTreeMap<(Tenant, Labels), Vec<(i64, u64)>> = found
                .into_iter()
                .filter(|(_, buffer)| !buffer.is_empty())
                .map(|(labels, buffer)| {
                    let bits = buffer.values.iter().map(|v| v.to_bits());
                    ((tenant.clone(), labels), buffer.timestamps.iter().copied().zip(bits).collect())
                })
                .collect();
            let expected: BTreeMap<(Tenant, Labels), Vec<(i64, u64)>> = self
                .present
                .iter()
                .filter(|((owner, _), samples)| owner == tenant && !samples.is_empty())
                .map(|(key, samples)| (key.clone(), samples.iter().map(|(t, v)| (*t, *v)).collect()))
                .collect();
            assert_eq!(found, expected);
        }
    }

    fn restart(&mut self) {
        self.readers.clear();
        if self.random.random_range(0..2) == 0 {
            self.disk.crash();
        }
        self.store = open_at(&self.disk, StoreOptions { idle_series_ms: 120_000, ..options() }, self.clock.clone()).0;
    }

    fn run(&mut self) {
        for _ in 0..self.random.random_range(20..150) {
            match self.random.random_range(0..40) {
                0..18 => self.append(),
                18..23 => self.select(),
                23..29 => self.read(),
                29..33 => self.store.flush().unwrap(),
                33..35 => self.store.maintain().unwrap(),
                35 => self.delete(),
                36 => self.restart(),
                37 => self.clock.advance_ms(self.random.random_range(0..100_000)),
                _ => self.check(),
            }
            self.next = self.next.max(self.clock.now().ms() - 60_000);
        }
        self.readers.clear();
        self.check();
        self.store.flush().unwrap();
        self.store.flush().unwrap();
        self.check();
    }
}

#[test]
fn a_selection_shows_what_was_there_for_as_long_as_it_is_open() {
    for seed in 0..200 {
        let mut history = History::new(seed);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.run()));
        assert!(caught.is_ok(), "seed {seed}");
    }
}

/// Real threads: a writer, a flusher, and readers that check every series for gaps and repetitions.
#[test]
fn readers_beside_flushes_see_each_sample_once() {
    const SERIES: i64 = 30;
    let disk = FaultyDisk::new(1);
    let (store, _) = open_at(&disk, options(), clock());
    let (is_done, acknowledged) = (AtomicBool::new(false), AtomicI64::new(-1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                store.flush().unwrap();
                store.maintain().unwrap();
            }
        });
        for reader in 0..3 {
            let (store, is_done, acknowledged) = (&store, &is_done, &acknowledged);
            scope.spawn(move || {
                let tenant = Tenant::default();
                let request = SelectRequest {
                    tenant: &tenant,
                    matchers: &[],
                    range: TimeRange::ALL,
                    projection: None,
                    memory: None,
                };
                while !is_done.load(Ordering::Relaxed) {
                    let before = acknowledged.load(Ordering::SeqCst);
                    let set = store.select(&request).unwrap();
                    if reader == 0 {
                        // A long one: samples move while the selection is open.
                        let flushes = store.stats().flushed_samples;
                        while store.stats().flushed_samples < flushes + 200 && !is_done.load(Ordering::Relaxed) {
                            std::thread::yield_now();
                        }
                    }
                    let found = read_set(&*set, TimeRange::ALL);
                    assert!(before < 0 || found.len() as i64 == SERIES);
                    for samples in found.values() {
                        let expected: Vec<i64> = (0..samples.len() as i64).map(|i| NOW + i).collect();
                        assert_eq!(samples.timestamps, expected);
                        assert!(samples.len() as i64 > before, "{} of {before}", samples.len());
                    }
                }
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for round in 0..400 {
            let mut batch = WriteBatch::default();
            for series in 0..SERIES {
                let time = Timestamp(NOW + round);
                batch.push(labels("m", &series.to_string()), None, Sample::float(time, round as f64));
            }
            let result = runtime.block_on(store.append(batch));
            acknowledged.store(round, Ordering::SeqCst);
            if result.is_err() {
                break;
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(acknowledged.load(Ordering::SeqCst), 399);
}
