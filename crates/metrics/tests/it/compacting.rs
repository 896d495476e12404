//! Compaction, retention, deletion and thinning behind the store's front door.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use blocks::disk::Disk;
use blocks::faults::FaultyDisk;
use metrics::{DownsampleStep, RetentionRule, Store, StoreOptions};
use model::{
    Exemplar, Labels, ManualClock, Matcher, Sample, SampleBuffer, SeriesSource, Tenant, TimeRange, Timestamp,
    WriteBatch,
};
use promql::engine::{Engine, QueryContext, Value};
use promql::testing::MemorySource;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::{NOW, append, labels, open_at, options, read_all};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

type Model = BTreeMap<Labels, BTreeMap<i64, f64>>;

fn clock_at(ms: i64) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp(ms)))
}

fn plain(found: BTreeMap<Labels, SampleBuffer>) -> Model {
    let samples = |b: SampleBuffer| b.timestamps.into_iter().zip(b.values).collect::<BTreeMap<_, _>>();
    found.into_iter().map(|(l, b)| (l, samples(b))).filter(|(_, s)| !s.is_empty()).collect()
}

fn assert_reads(store: &Store, model: &Model, when: &str) {
    let expected: Model = model.iter().filter(|(_, s)| !s.is_empty()).map(|(l, s)| (l.clone(), s.clone())).collect();
    let found = plain(read_all(store, &[], TimeRange::ALL));
    assert!(found == expected, "{when}");
}

#[test]
fn whatever_happens_in_whatever_order_a_map_would_say_the_same() {
    for seed in 0..8 {
        let mut rng = StdRng::seed_from_u64(seed);
        let disk = FaultyDisk::new(seed);
        let clock = clock_at(NOW);
        let options = StoreOptions { retention_ms: 400 * DAY, ..options() };
        let (mut store, _) = open_at(&disk, options.clone(), clock.clone());
        let (mut model, mut unique) = (Model::new(), 0.0);
        for step in 0..60 {
            let now = model::Clock::now(&*clock).ms();
            match rng.random_range(0..12) {
                0..6 => {
                    let mut batch = WriteBatch::default();
                    let mut rows = Vec::new();
                    for _ in 0..rng.random_range(1..80) {
                        let series = labels(
                            ["cpu", "mem"][rng.random_range(0..2_usize)],
                            ["a", "b", "c"][rng.random_range(0..3_usize)],
                        );
                        let time = now - rng.random_range(0..40 * MINUTE);
                        unique += 1.0;
                        batch.push(series.clone(), None, Sample::float(Timestamp(time), unique));
                        rows.push((series, time, unique));
                    }
                    let report = append(&store, batch).unwrap();
                    for (row, (series, time, value)) in rows.into_iter().enumerate() {
                        if !report.rejected.iter().any(|r| r.row == row) {
                            model.entry(series).or_default().entry(time).or_insert(value);
                        }
                    }
                }
                6 => store.flush().unwrap(),
                7 => {
                    let matchers = [Matcher::equal("instance", ["a", "b"][rng.random_range(0..2_usize)])];
                    let start = now - rng.random_range(0..30 * HOUR);
                    let range = TimeRange::new(start, start + rng.random_range(0..10 * HOUR));
                    store.delete(&Tenant::default(), &matchers, range).unwrap();
                    for (_, samples) in model.iter_mut().filter(|(l, _)| l.get("instance") == Some(&matchers[0].value))
                    {
                        samples.retain(|t, _| !range.contains(Timestamp(*t)));
                    }
                }
                8 => {
                    store.close().unwrap();
                    drop(store);
                    (store, _) = open_at(&disk, options.clone(), clock.clone());
                }
                9 => store.clean_tombstones().unwrap(),
                10 => store.maintain().unwrap(),
                _ => clock.advance_ms(rng.random_range(0..5 * HOUR)),
            }
            assert_reads(&store, &model, &format!("seed {seed} step {step}"));
        }
        clock.advance_ms(10 * DAY);
        store.flush().unwrap();
        store.maintain().unwrap();
        assert_reads(&store, &model, &format!("seed {seed} at the end"));
        assert!(store.blocks().iter().all(|block| block.level > 0), "seed {seed}");
    }
}

#[test]
fn deleted_samples_stay_deleted_and_their_space_is_freed() {
    let (disk, clock) = (FaultyDisk::new(1), clock_at(NOW));
    let (store, _) = open_at(&disk, options(), clock.clone());
    let mut rng = StdRng::seed_from_u64(1);
    for instance in 0..40 {
        let mut batch = WriteBatch::default();
        let series = labels(if instance < 30 { "drop" } else { "keep" }, &instance.to_string());
        for i in 0..100 {
            batch.push(series.clone(), None, Sample::float(Timestamp(NOW - 20 * MINUTE + i * 10_000), rng.random()));
        }
        if instance == 0 || instance == 39 {
            let (labels, timestamp) = (Labels::from_pairs([("trace_id", "x")]), Some(Timestamp(NOW - MINUTE)));
            batch.rows[50].exemplars.push(Exemplar { labels, value: 1.0, timestamp });
        }
        assert!(append(&store, batch).unwrap().rejected.is_empty());
    }
    store.delete(&Tenant::default(), &[Matcher::equal("__name__", "drop")], TimeRange::ALL).unwrap();
    assert_eq!(read_all(&store, &[], TimeRange::ALL).len(), 10);
    let exemplars = || store.exemplars(&Tenant::default(), &[], TimeRange::ALL).unwrap().len();
    assert_eq!(exemplars(), 1);
    let before = store.stats().block_bytes;
    store.close().unwrap();
    drop(store);
    let (store, _) = open_at(&disk, options(), clock);
    assert_eq!(read_all(&store, &[], TimeRange::ALL).len(), 10, "after a restart");
    store.clean_tombstones().unwrap();
    assert_eq!(read_all(&store, &[], TimeRange::ALL).len(), 10, "cleaned");
    assert!(store.stats().block_bytes < before / 2, "{} of {before}", store.stats().block_bytes);
}

#[test]
fn thinned_data_answers_like_raw_data_through_the_store() {
    let rule = RetentionRule {
        matchers: vec![Matcher::equal("job", "test")],
        keep_ms: None,
        downsample: vec![
            DownsampleStep { after_ms: DAY, to_ms: 5 * MINUTE },
            DownsampleStep { after_ms: 10 * DAY, to_ms: HOUR },
        ],
    };
    let options = StoreOptions { retention_ms: 400 * DAY, retention_rules: vec![rule], ..options() };
    let begin = NOW.div_euclid(DAY) * DAY;
    let (disk, clock) = (FaultyDisk::new(1), clock_at(begin));
    let (store, _) = open_at(&disk, options, clock.clone());
    let series = labels("requests_total", "a");
    let mut raw = SampleBuffer::default();
    let mut value = 0.0;
    for hour in 0..24 {
        let mut batch = WriteBatch::default();
        for i in 1..=240 {
            value = if i == 77 && hour % 3 == 0 { 0.0 } else { value + f64::from((i * 7 + hour) % 13) };
            let time = begin + i64::from(hour) * HOUR + i64::from(i) * 15_000;
            batch.push(series.clone(), None, Sample::float(Timestamp(time), value));
            raw.push_float(time, value);
        }
        clock.advance_ms(HOUR);
        assert!(append(&store, batch).unwrap().rejected.is_empty());
        store.flush().unwrap();
        store.maintain().unwrap();
    }
    let mut reference = MemorySource::new();
    reference.put(series, raw);
    let ask = |source: &dyn SeriesSource, query: &str, step: i64| {
        let (start, end) = (Timestamp(begin + 2 * HOUR), Timestamp(begin + 23 * HOUR));
        let result = Engine::default().range(source, &QueryContext::default(), query, start, end, step).unwrap();
        let Value::Matrix(mut matrix) = result.value else { panic!("no matrix") };
        (matrix.pop().map(|s| s.floats).unwrap_or_default(), result.stats.longest_bucket_ms)
    };
    let compare = |bucket: i64| {
        for query in [
            "rate(requests_total[1h])",
            "increase(requests_total[2h])",
            "count_over_time(requests_total[1h])",
            "avg_over_time(requests_total[1h])",
            "resets(requests_total[3h])",
        ] {
            let ((expected, _), (found, used)) = (ask(&reference, query, HOUR), ask(&*store, query, HOUR));
            assert_eq!((expected.len(), bucket), (found.len(), used), "{query}");
            for (a, b) in expected.iter().zip(&found) {
                assert!(a.0 == b.0 && (a.1 - b.1).abs() <= 1e-9 * a.1.abs().max(1.0), "{query}: {a:?} {b:?}");
            }
        }
        // Short ranges and bare selectors show no gaps.
        for query in ["requests_total", "rate(requests_total[5m])"] {
            assert_eq!(ask(&*store, query, MINUTE).0.len(), 21 * 60 + 1, "{query}");
        }
    };
    compare(0);
    let samples = || store.blocks().iter().map(|block| block.samples).sum::<u64>();
    assert_eq!(samples(), 24 * 240);
    clock.advance_ms(5 * DAY);
    store.maintain().unwrap();
    compare(5 * MINUTE);
    assert!(samples() < 24 * 240 / 8, "{}", samples());
    clock.advance_ms(20 * DAY);
    store.maintain().unwrap();
    compare(HOUR);
    assert!(samples() < 24 * 4, "{}", samples());
}

#[test]
fn the_oldest_blocks_make_room() {
    let clock = clock_at(NOW);
    let options = StoreOptions { retention_ms: 400 * DAY, max_block_bytes: Some(60_000), ..options() };
    let (store, _) = open_at(&FaultyDisk::new(1), options, clock.clone());
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..40 {
        clock.advance_ms(6 * HOUR);
        let now = model::Clock::now(&*clock).ms();
        let mut batch = WriteBatch::default();
        for i in 0..500 {
            batch.push(labels("cpu", "a"), None, Sample::float(Timestamp(now - 500_000 + i * 1000), rng.random()));
        }
        append(&store, batch).unwrap();
        store.flush().unwrap();
        store.maintain().unwrap();
        assert!(store.stats().block_bytes <= 60_000, "{}", store.stats().block_bytes);
    }
    assert!(store.stats().block_range.unwrap().0 > NOW + 10 * DAY / 2);
}

#[test]
fn a_full_disk_stops_compaction_and_nothing_else() {
    let (disk, clock) = (FaultyDisk::new(1), clock_at(NOW));
    let (store, _) = open_at(&disk, options(), clock.clone());
    let (mut model, series) = (Model::new(), labels("cpu", "a"));
    let mut rng = StdRng::seed_from_u64(5);
    for i in 0..10 {
        let mut batch = WriteBatch::default();
        for j in 0..200 {
            let (time, value) = (NOW + i * 100_000 + j * 500, rng.random());
            batch.push(series.clone(), None, Sample::float(Timestamp(time), value));
            model.entry(series.clone()).or_default().insert(time, value);
        }
        clock.advance_ms(100_000);
        append(&store, batch).unwrap();
        store.flush().unwrap();
    }
    clock.advance_ms(10 * HOUR);
    let files = || disk.list(Path::new("/data/blocks")).unwrap();
    let before = files();
    disk.set_space(Some(5_000));
    let error = store.maintain().unwrap_err();
    assert!(error.to_string().contains("compact"), "{error}");
    assert_eq!(files(), before, "nothing is left behind");
    assert_reads(&store, &model, "after a failure");
    disk.set_space(None);
    store.maintain().unwrap();
    assert_eq!((store.blocks().len(), files().len()), (1, 1));
    assert_reads(&store, &model, "after all");
}
