//! Compaction against a model: whatever is written, deleted and compacted in whatever order, reading gives what a map would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use blocks::disk::RealDisk;
use blocks::files::{FileStore, LocalFiles};
use model::{Labels, ManualClock, Matcher, SampleBuffer, Tenant, TimeRange};
use promql::engine::{Engine, QueryContext, Value};
use promql::testing::MemorySource;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::block::{Caches, SeriesHash, WriterOptions, order};
use crate::merge;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What should be read: series, time, value.
type Model = BTreeMap<Labels, BTreeMap<i64, f64>>;

struct Fixture {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    compactor: Compactor,
}

impl Fixture {
    fn new(rules: Vec<RetentionRule>, keep_ms: i64, max_bytes: Option<u64>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(1000 * DAY)));
        let compactor = open(dir.path(), clock.clone(), rules, keep_ms, max_bytes);
        Fixture { dir, clock, compactor }
    }

    fn shelf(&self) -> &Shelf {
        &self.compactor.shelf
    }

    fn set_clock(&self, ms: i64) {
        self.clock.advance_ms(ms - self.clock.now().ms());
    }

    fn restart(&mut self) {
        let options = self.compactor.options.clone();
        let shelf = shelf(self.dir.path());
        self.compactor = Compactor::new(shelf, self.clock.clone(), options);
    }

    /// Writes a block of level 0.
    fn flush(&self, tenant: &Tenant, samples: &Model) {
        let options = WriterOptions::default();
        let (mut writer, entry) = crate::shelf::create(self.shelf(), tenant, 0, self.clock.now(), options).unwrap();
        let mut series: Vec<(&Labels, &BTreeMap<i64, f64>)> = samples.iter().collect();
        series.sort_by(|a, b| order::compare_labels(a.0, b.0));
        for (labels, samples) in series {
            let mut buffer = SampleBuffer::default();
            samples.iter().for_each(|(t, v)| buffer.push_float(*t, *v));
            let pairs: Vec<(&str, &str)> = order::pairs(labels).collect();
            writer.add(SeriesHash::of(labels), &pairs, None, &buffer, &[]).unwrap();
        }
        let entry = writer.finish(entry).unwrap();
        self.shelf().commit(vec![entry], &[], |_| ()).unwrap();
    }

    fn read(&self, tenant: &Tenant) -> BTreeMap<Labels, SampleBuffer> {
        let view = self.shelf().view();
        let mut found: BTreeMap<Labels, SampleBuffer> = BTreeMap::new();
        for block in view.of(tenant, TimeRange::ALL) {
            let mut cursor = block.cursor();
            let mut row = crate::block::CursorRow::default();
            while cursor.next(&mut row).unwrap() {
                let graves: Vec<_> = view.graves_of(block).filter(|g| matches(&row.labels, &g.matchers)).collect();
                let buffer = found.entry(row.labels.clone()).or_default();
                for at in 0..row.samples.len() {
                    let time = Timestamp(row.samples.timestamps[at]);
                    if !graves.iter().any(|grave| grave.tombstone.range.contains(time)) {
                        buffer.push_row(&row.samples, at);
                    }
                }
            }
        }
        found.retain(|_, buffer| !buffer.is_empty());
        found.values_mut().for_each(|buffer| merge::normalise(buffer, 0));
        found
    }

    fn assert_reads(&self, tenant: &Tenant, model: &Model, when: &str) {
        let plain = |buffer: &SampleBuffer| -> BTreeMap<i64, u64> {
            buffer.timestamps.iter().copied().zip(buffer.values.iter().map(|v| v.to_bits())).collect()
        };
        let found: BTreeMap<_, _> = self.read(tenant).iter().map(|(l, b)| (l.clone(), plain(b))).collect();
        let expected: BTreeMap<_, _> = model
            .iter()
            .filter(|(_, samples)| !samples.is_empty())
            .map(|(l, s)| (l.clone(), s.iter().map(|(t, v)| (*t, v.to_bits())).collect::<BTreeMap<_, _>>()))
            .collect();
        assert!(found == expected, "{when}: {} series instead of {}", found.len(), expected.len());
    }

    /// Bytes of the files that are there.
    fn disk_bytes(&self) -> u64 {
        self.shelf().sweep();
        self.shelf().files().list().unwrap().iter().map(|file| file.bytes).sum()
    }
}

fn shelf(dir: &Path) -> Arc<Shelf> {
    let disk = Arc::new(RealDisk);
    let files: Arc<dyn FileStore> = Arc::new(LocalFiles::new(disk.clone(), dir.join("blocks")).unwrap());
    let (shelf, recovery) = Shelf::open(disk, dir, files, Arc::new(Caches::new(1 << 20))).unwrap();
    assert!(recovery.problems.is_empty(), "{recovery:?}");
    Arc::new(shelf)
}

fn open(
    dir: &Path,
    clock: Arc<ManualClock>,
    rules: Vec<RetentionRule>,
    keep_ms: i64,
    max_bytes: Option<u64>,
) -> Compactor {
    let options = CompactOptions {
        plan: PlanOptions::default(),
        rules: Rules::new(rules, keep_ms),
        max_bytes,
        quarantine: dir.join("quarantine"),
    };
    Compactor::new(shelf(dir), clock, options)
}

fn matches(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")))
}

fn series(name: &str, job: &str, instance: usize) -> Labels {
    Labels::from_pairs([("__name__", name), ("job", job), ("instance", format!("i{instance}").as_str())])
}

/// A sample every 15 s with integer values that are hard to compress.
fn steady(labels: &[Labels], from: i64, to: i64) -> Model {
    let samples = |i: usize| -> BTreeMap<i64, f64> {
        let step = 15_000;
        let first = from.div_euclid(step) * step + step;
        let value = |t: i64| {
            let mixed = ((t / step) as u64 ^ (i as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 44) as f64
        };
        (first..=to).step_by(step as usize).map(|t| (t, value(t))).collect()
    };
    labels.iter().enumerate().map(|(i, l)| (l.clone(), samples(i))).collect()
}

fn delete(model: &mut Model, matchers: &[Matcher], range: TimeRange) {
    for (_, samples) in model.iter_mut().filter(|(labels, _)| matches(labels, matchers)) {
        samples.retain(|t, _| !range.contains(Timestamp(*t)));
    }
}

/// Of two samples of one time the first stays.
fn add(model: &mut Model, more: &Model) {
    for (labels, samples) in more {
        let known = model.entry(labels.clone()).or_default();
        samples.iter().for_each(|(t, v)| {
            known.entry(*t).or_insert(*v);
        });
    }
}

#[test]
fn random_histories_read_like_a_map() {
    for seed in 0..24 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut fixture = Fixture::new(Vec::new(), 4000 * DAY, None);
        let tenants = [Tenant::default(), Tenant::new("b").unwrap()];
        let mut models = [Model::new(), Model::new()];
        for step in 0..40 {
            let which = rng.random_range(0..2_usize);
            let now = fixture.clock.now().ms();
            match rng.random_range(0..10) {
                0..5 => {
                    let late = if rng.random_bool(0.2) { rng.random_range(0..200 * HOUR) } else { 0 };
                    let mut flushed = Model::new();
                    for _ in 0..rng.random_range(1..12) {
                        let name = ["up", "cpu", "mem"][rng.random_range(0..3_usize)];
                        let labels = series(name, ["a", "b"][rng.random_range(0..2_usize)], rng.random_range(0..4));
                        let samples = flushed.entry(labels).or_default();
                        let mut time = now - late - rng.random_range(0..HOUR);
                        for _ in 0..rng.random_range(1..60) {
                            samples.insert(time, f64::from(rng.random_range(-1000..1000_i32)) / 8.0);
                            time += rng.random_range(1..60_000);
                        }
                    }
                    // Values conflict at times only in tests; the block written first wins, so let them not conflict.
                    for (labels, samples) in &mut flushed {
                        if let Some(known) = models[which].get(labels) {
                            samples.retain(|t, _| !known.contains_key(t));
                        }
                    }
                    flushed.retain(|_, samples| !samples.is_empty());
                    if !flushed.is_empty() {
                        fixture.flush(&tenants[which], &flushed);
                        add(&mut models[which], &flushed);
                    }
                }
                5 => {
                    let matchers = [Matcher::equal("job", "a"), Matcher::equal("__name__", "cpu")];
                    let matchers = &matchers[..rng.random_range(1..3_usize)];
                    let start = now - rng.random_range(0..100 * HOUR);
                    let range = TimeRange::new(start, start + rng.random_range(0..20 * HOUR));
                    fixture.shelf().bury(&tenants[which], matchers, range, None).unwrap();
                    delete(&mut models[which], matchers, range);
                }
                6 => fixture.set_clock(now + rng.random_range(0..6 * HOUR)),
                7 => fixture.restart(),
                8 => fixture.compactor.clean_tombstones().unwrap(),
                _ => {
                    for _ in 0..rng.random_range(1..4) {
                        fixture.compactor.run_one().unwrap();
                    }
                }
            }
            for (tenant, model) in tenants.iter().zip(&models) {
                fixture.assert_reads(tenant, model, &format!("seed {seed} step {step}"));
            }
        }
        fixture.set_clock(fixture.clock.now().ms() + 300 * HOUR);
        fixture.compactor.run_all().unwrap();
        fixture.restart();
        let view = fixture.shelf().view();
        assert!(view.manifest.tombstones.is_empty(), "seed {seed}");
        assert!(view.blocks.iter().all(|block| block.entry().level > 0), "seed {seed}");
        for (tenant, model) in tenants.iter().zip(&models) {
            fixture.assert_reads(tenant, model, &format!("seed {seed} at the end"));
        }
        let listed: BTreeSet<String> = view.blocks.iter().map(|block| block.entry().file_name()).collect();
        let files: BTreeSet<String> = fixture.shelf().files().list().unwrap().into_iter().map(|f| f.name).collect();
        assert_eq!(listed, files, "seed {seed}");
    }
}

#[test]
fn many_flushes_become_few_blocks() {
    let fixture = Fixture::new(Vec::new(), 400 * DAY, None);
    let tenant = Tenant::default();
    let labels: Vec<Labels> = (0..30).map(|i| series("cpu", "a", i)).collect();
    let mut model = Model::new();
    for i in 0..96 {
        let end = fixture.clock.now().plus_ms(5 * 60_000);
        fixture.set_clock(end.ms());
        let flushed = steady(&labels, end.ms() - 5 * 60_000, end.ms());
        fixture.flush(&tenant, &flushed);
        add(&mut model, &flushed);
        if i % 7 == 0 {
            fixture.compactor.run_all().unwrap();
        }
    }
    let before = fixture.disk_bytes();
    fixture.set_clock(fixture.clock.now().ms() + 10 * HOUR);
    fixture.compactor.run_all().unwrap();
    fixture.assert_reads(&tenant, &model, "after all");
    assert!(fixture.shelf().view().blocks.len() <= 2, "{}", fixture.shelf().view().blocks.len());
    assert!(fixture.disk_bytes() < before);
}

#[test]
fn deleting_hides_at_once_and_frees_space_later() {
    let fixture = Fixture::new(Vec::new(), 400 * DAY, None);
    let (tenant, now) = (Tenant::default(), fixture.clock.now().ms());
    let labels: Vec<Labels> = (0..20).map(|i| series("cpu", if i < 15 { "a" } else { "b" }, i)).collect();
    let mut model = steady(&labels, now - HOUR, now);
    fixture.flush(&tenant, &model);
    let full = fixture.disk_bytes();
    let matchers = [Matcher::equal("job", "a")];
    fixture.shelf().bury(&tenant, &matchers, TimeRange::ALL, None).unwrap();
    delete(&mut model, &matchers, TimeRange::ALL);
    fixture.assert_reads(&tenant, &model, "buried");
    assert_eq!(fixture.disk_bytes(), full);
    fixture.compactor.clean_tombstones().unwrap();
    fixture.assert_reads(&tenant, &model, "cleaned");
    assert!(fixture.disk_bytes() < full / 2, "{} of {full}", fixture.disk_bytes());
    assert!(fixture.shelf().view().manifest.tombstones.is_empty());
    // What comes later is not concerned.
    let again = steady(&labels[..1], now - HOUR, now);
    fixture.flush(&tenant, &again);
    add(&mut model, &again);
    fixture.assert_reads(&tenant, &model, "written again");
    // All gone: no block is left.
    fixture.shelf().bury(&tenant, &[Matcher::equal("__name__", "cpu")], TimeRange::ALL, None).unwrap();
    fixture.compactor.clean_tombstones().unwrap();
    assert_eq!(fixture.disk_bytes(), 0);
}

#[test]
fn retention_by_time_and_by_size_drops_the_oldest() {
    let mut fixture = Fixture::new(Vec::new(), 10 * DAY, None);
    let (tenant, start) = (Tenant::default(), fixture.clock.now().ms() - 40 * DAY);
    let labels: Vec<Labels> = (0..5).map(|i| series("cpu", "a", i)).collect();
    for day in 0..40 {
        fixture.flush(&tenant, &steady(&labels, start + day * DAY, start + day * DAY + 2 * HOUR));
    }
    fixture.compactor.run_all().unwrap();
    let oldest =
        |fixture: &Fixture| fixture.read(&tenant).values().filter_map(|b| b.timestamps.first().copied()).min().unwrap();
    let kept = oldest(&fixture);
    assert!(kept >= start + 26 * DAY && kept <= start + 31 * DAY, "{}", (kept - start) / DAY);
    assert!(fixture.compactor.counters.expired_by_time.load(Ordering::Relaxed) >= 28);
    let bytes = fixture.disk_bytes();
    fixture.compactor.options.max_bytes = Some(bytes / 2);
    fixture.compactor.run_all().unwrap();
    assert!(fixture.disk_bytes() <= bytes / 2);
    assert!(oldest(&fixture) > kept);
    assert!(fixture.compactor.counters.expired_by_size.load(Ordering::Relaxed) > 0);
}

#[test]
fn rules_thin_and_shorten_once() {
    let rules = vec![
        RetentionRule { matchers: vec![Matcher::equal("job", "short")], keep_ms: Some(2 * DAY), downsample: vec![] },
        RetentionRule {
            matchers: vec![Matcher::equal("job", "thin")],
            keep_ms: Some(300 * DAY),
            downsample: vec![
                DownsampleStep { after_ms: 3 * DAY, to_ms: 300_000 },
                DownsampleStep { after_ms: 20 * DAY, to_ms: HOUR },
            ],
        },
    ];
    let fixture = Fixture::new(rules, 30 * DAY, None);
    let (tenant, begin) = (Tenant::default(), fixture.clock.now().ms());
    let labels = [series("a_total", "short", 0), series("a_total", "thin", 1), series("a_total", "other", 2)];
    fixture.flush(&tenant, &steady(&labels, begin - 2 * HOUR, begin - 1));
    let count = |job: &str| {
        let found = fixture.read(&tenant);
        found.iter().filter(|(l, _)| l.get("job") == Some(job)).map(|(_, b)| (b.len(), b.aggregates.len())).next()
    };
    let at = |days: i64| {
        fixture.set_clock(begin + days * DAY);
        let jobs = fixture.compactor.run_all().unwrap();
        assert_eq!(fixture.compactor.run_all().unwrap(), 0, "nothing is done twice");
        jobs
    };
    at(1);
    assert_eq!([count("short"), count("thin"), count("other")], [Some((479, 0)), Some((479, 0)), Some((479, 0))]);
    let full = fixture.disk_bytes();
    assert!(at(3) > 0);
    assert_eq!([count("short"), count("thin"), count("other")], [None, Some((48, 48)), Some((479, 0))]);
    assert!(at(4) > 0);
    let thin = count("thin").unwrap();
    assert_eq!((thin.0, thin.0 == thin.1), (48, true), "{thin:?}");
    assert_eq!(count("other"), Some((479, 0)));
    assert!(fixture.disk_bytes() < full);
    assert_eq!(fixture.shelf().view().blocks[0].entry().resolution_ms, 300_000);
    assert!(at(21) > 0);
    assert_eq!(count("thin").unwrap().0, 4);
    assert!(at(32) > 0);
    assert_eq!((count("thin").map(|c| c.0), count("other")), (Some(4), None));
    at(301);
    assert_eq!(fixture.disk_bytes(), 0);
}

#[test]
fn thinned_blocks_answer_queries() {
    let rules = vec![RetentionRule {
        matchers: vec![Matcher::equal("job", "a")],
        keep_ms: None,
        downsample: vec![DownsampleStep { after_ms: DAY, to_ms: 300_000 }],
    }];
    let fixture = Fixture::new(rules, 400 * DAY, None);
    let (tenant, now) = (Tenant::default(), fixture.clock.now().ms());
    let raw = steady(&[series("a_total", "a", 0)], now - 6 * HOUR, now);
    for (from, to) in [(6, 4), (4, 2), (2, 0)] {
        let range = now - from * HOUR + 1..=now - to * HOUR;
        let part = raw.iter().map(|(l, s)| (l.clone(), s.range(range.clone()).map(|(t, v)| (*t, *v)).collect()));
        fixture.flush(&tenant, &part.collect());
    }
    fixture.set_clock(now + 6 * DAY);
    fixture.compactor.run_all().unwrap();
    let found = fixture.read(&tenant);
    let thinned: usize = found.values().map(SampleBuffer::len).sum();
    assert!(thinned <= 6 * 12 * 2 + 4, "{thinned}");
    let (mut raw_source, mut thin_source) = (MemorySource::new(), MemorySource::new());
    for (labels, samples) in &raw {
        let mut buffer = SampleBuffer::default();
        samples.iter().for_each(|(t, v)| buffer.push_float(*t, *v));
        raw_source.put(labels.clone(), buffer);
    }
    found.into_iter().for_each(|(labels, samples)| thin_source.put(labels, samples));
    let engine = Engine::default();
    for query in
        ["rate(a_total[5m])", "sum_over_time(a_total[1h])", "resets(a_total[10m])", "max_over_time(a_total[5m])"]
    {
        let ask = |source: &MemorySource| {
            let (start, end) = (Timestamp(now - 6 * HOUR), Timestamp(now));
            let result = engine.range(source, &QueryContext::default(), query, start, end, 300_000).unwrap();
            let Value::Matrix(matrix) = result.value else { panic!("no matrix") };
            (matrix[0].floats.clone(), result.stats.longest_bucket_ms)
        };
        let ((expected, _), (answer, bucket)) = (ask(&raw_source), ask(&thin_source));
        assert_eq!((expected.len(), bucket), (answer.len(), 300_000), "{query}");
        for (a, b) in expected.iter().zip(&answer) {
            assert!(a.0 == b.0 && (a.1 - b.1).abs() <= 1e-9 * a.1.abs().max(1.0), "{query}: {a:?} {b:?}");
        }
    }
}

#[test]
fn a_damaged_block_is_set_aside_and_the_rest_goes_on() {
    let mut fixture = Fixture::new(Vec::new(), 400 * DAY, None);
    let (tenant, now) = (Tenant::default(), fixture.clock.now().ms());
    let labels: Vec<Labels> = (0..200).map(|i| series("cpu", "a", i)).collect();
    let mut rng = StdRng::seed_from_u64(1);
    let noise = |rng: &mut StdRng| -> Model {
        let samples = |rng: &mut StdRng| (0..60).map(|i| (now - HOUR + i * 15_000, rng.random())).collect();
        labels.iter().map(|l| (l.clone(), samples(rng))).collect()
    };
    fixture.flush(&tenant, &noise(&mut rng));
    let other: Vec<Labels> = (0..3).map(|i| series("mem", "a", i)).collect();
    let whole = steady(&other, now - HOUR, now);
    fixture.flush(&tenant, &whole);
    let victim = fixture.shelf().view().blocks[0].entry().file_name();
    let path = fixture.dir.path().join("blocks").join(&victim);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    fixture.restart();
    fixture.set_clock(now + 10 * HOUR);
    fixture.compactor.run_all().unwrap();
    let found = fixture.read(&tenant);
    assert!(found.len() > 3 && found.len() < 203, "{}", found.len());
    assert!(other.iter().all(|l| found.get(l).is_some_and(|b| b.len() == whole[l].len())));
    assert!(fixture.compactor.counters.damaged_rows.load(Ordering::Relaxed) > 0);
    assert!(fixture.dir.path().join("quarantine").join(&victim).exists());
    assert!(!path.exists());
}

#[test]
fn a_snapshot_is_a_store_of_its_own() {
    let fixture = Fixture::new(Vec::new(), 400 * DAY, None);
    let (tenant, now) = (Tenant::default(), fixture.clock.now().ms());
    let labels: Vec<Labels> = (0..5).map(|i| series("cpu", "a", i)).collect();
    let mut model = steady(&labels, now - HOUR, now);
    fixture.flush(&tenant, &model);
    let one = [Matcher::equal("instance", "i0")];
    fixture.shelf().bury(&tenant, &one, TimeRange::ALL, None).unwrap();
    delete(&mut model, &one, TimeRange::ALL);
    let target = fixture.dir.path().join("snapshots/x/metrics");
    blocks::shelf::snapshot(fixture.shelf(), &target).unwrap();
    fixture.shelf().bury(&tenant, &[Matcher::equal("job", "a")], TimeRange::ALL, None).unwrap();
    fixture.compactor.clean_tombstones().unwrap();
    fixture.assert_reads(&tenant, &Model::new(), "all deleted");
    let copy = open(&target, fixture.clock.clone(), Vec::new(), 400 * DAY, None);
    let copy = Fixture { dir: tempfile::tempdir().unwrap(), clock: fixture.clock, compactor: copy };
    copy.assert_reads(&tenant, &model, "in the snapshot");
    copy.compactor.clean_tombstones().unwrap();
    copy.assert_reads(&tenant, &model, "in the snapshot, cleaned");
}

#[test]
fn a_job_that_is_cut_short_leaves_everything_as_it_was() {
    let fixture = Fixture::new(Vec::new(), 400 * DAY, None);
    let (tenant, now) = (Tenant::default(), fixture.clock.now().ms());
    let labels: Vec<Labels> = (0..5).map(|i| series("cpu", "a", i)).collect();
    let model = steady(&labels, now - HOUR, now);
    fixture.flush(&tenant, &model);
    fixture.set_clock(now + 10 * HOUR);
    fixture.compactor.stop();
    let error = fixture.compactor.run_one().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    fixture.assert_reads(&tenant, &model, "after a stop");
    assert_eq!(std::fs::read_dir(fixture.dir.path().join("blocks")).unwrap().count(), 1);
}
