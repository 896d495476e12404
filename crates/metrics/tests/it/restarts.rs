//! What a start brings back, beyond the samples themselves.

use std::path::Path;

use blocks::disk::Disk;
use blocks::faults::{FaultRates, FaultyDisk};
use metrics::{Store, StoreOptions};
use model::{
    Exemplar, Labels, Sample, SampleBuffer, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch,
    WriteRow,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::support::{NOW, append, append_one, labels, open, options, read_all, read_one};

fn selected(store: &Store) -> Vec<Labels> {
    let tenant = Tenant::default();
    let request =
        SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
    let set = store.select(&request).unwrap();
    (0..set.len()).map(|i| set.labels(i)).collect()
}

#[test]
fn series_of_the_head_keep_the_order_in_which_they_were_exposed() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let mut random = StdRng::seed_from_u64(1);
    let mut expected: Vec<Labels> = Vec::new();
    for scrape in 1..=4 {
        // New series among known ones, in no order of names.
        let mut exposed: Vec<Labels> = (0..50 * scrape).map(|n| labels("m", &n.to_string())).collect();
        exposed.shuffle(&mut random);
        let mut batch = WriteBatch::default();
        for series in &exposed {
            batch.push(series.clone(), None, Sample::float(Timestamp(NOW + scrape), 1.0));
        }
        append(&store, batch).unwrap();
        expected.extend(exposed.into_iter().filter(|series| !expected.contains(series)).collect::<Vec<_>>());
        assert_eq!(selected(&store), expected);
    }
    drop(store);
    for shards in [1, 8, 2] {
        let (store, _) = open(&disk, StoreOptions { shards: Some(shards), ..options() });
        assert_eq!(selected(&store), expected, "{shards} shards");
    }
}

#[test]
fn each_series_of_blocks_and_head_comes_once() {
    let disk = FaultyDisk::new(1);
    let (mut store, _) = open(&disk, options());
    let mut random = StdRng::seed_from_u64(2);
    let mut expected: Vec<Labels> = Vec::new();
    for round in 1..=12 {
        let mut exposed: Vec<Labels> = (0..60)
            .map(|_| labels(["a", "b"][random.random_range(0..2)], &random.random_range(0..500).to_string()))
            .collect();
        exposed.shuffle(&mut random);
        let mut batch = WriteBatch::default();
        for series in &exposed {
            batch.push(series.clone(), None, Sample::float(Timestamp(NOW + round), 1.0));
        }
        append(&store, batch).unwrap();
        expected.extend(exposed);
        expected.sort_unstable();
        expected.dedup();
        if round % 4 != 3 {
            store.flush().unwrap();
        }
        if round % 5 == 0 {
            drop(store);
            store = open(&disk, StoreOptions { shards: Some(round as usize), ..options() }).0;
        }
        let mut found = selected(&store);
        found.sort_unstable();
        assert_eq!(found, expected, "round {round}");
    }
}

#[test]
fn many_series_come_back_whatever_the_number_of_shards() {
    const SERIES: i64 = 10_000;
    let disk = FaultyDisk::new(1);
    let mut store = open(&disk, StoreOptions { shards: Some(4), ..options() }).0;
    for (round, shards) in [(0, 1), (1, 16), (2, 2), (3, 4)] {
        let mut batch = WriteBatch::default();
        for n in 0..SERIES {
            let value = (n * round) as f64;
            batch.push(labels("m", &n.to_string()), None, Sample::float(Timestamp(NOW + round), value));
        }
        append(&store, batch).unwrap();
        // Definitions are in the log alone at first, then in the head's own file too, then only there.
        if round == 1 {
            store.flush().unwrap();
        }
        let memory = store.stats().memory_bytes;
        drop(store);
        let (opened, report) = open(&disk, StoreOptions { shards: Some(shards), ..options() });
        store = opened;
        assert!(!report.found_damage(), "{report:?}");
        assert_eq!(
            (report.series, store.stats().active_series),
            (SERIES as u64, if round == 1 { 0 } else { SERIES as u64 })
        );
        let found = read_all(&store, &[], TimeRange::ALL);
        assert_eq!(found.len(), SERIES as usize);
        for n in 0..SERIES {
            let samples = &found[&labels("m", &n.to_string())];
            assert_eq!(samples.timestamps, (0..=round).map(|r| NOW + r).collect::<Vec<_>>());
            assert_eq!(samples.values, (0..=round).map(|r| (n * r) as f64).collect::<Vec<_>>());
        }
        assert_eq!(read_one(&store, &labels("m", "77")).len() as i64, round + 1, "postings");
        let (before, after) = (memory as f64, store.stats().memory_bytes as f64);
        assert!(after > 0.5 * before && after < 1.2 * before, "memory estimate {before} became {after}");
    }
}

#[test]
fn an_exemplar_that_a_failed_log_lost_is_logged_by_the_retry() {
    let disk = FaultyDisk::new(3);
    let (store, _) = open(&disk, options());
    let exemplar = |t: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", t.to_string())]),
        value: t as f64,
        timestamp: Some(Timestamp(NOW + t)),
    };
    let batch = || {
        let mut batch = WriteBatch::default();
        batch.rows.push(WriteRow {
            labels: labels("hits_total", "a"),
            hint: None,
            sample: Sample::float(Timestamp(NOW), 1.0),
            exemplars: vec![exemplar(1), exemplar(2)],
        });
        batch
    };
    append_one(&store, &labels("up", "a"), NOW, 1.0);
    disk.set_space(Some(0));
    append(&store, batch()).unwrap_err();
    disk.set_space(None);
    append(&store, batch()).unwrap();
    drop(store);
    disk.crash();
    let (store, _) = open(&disk, options());
    let found = store.exemplars(&Tenant::default(), &[], TimeRange::ALL).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].exemplars, [exemplar(1), exemplar(2)]);
    // Another scrape shows them again: that is not logged once more.
    let written = store.stats().wal_written_bytes;
    append(&store, batch()).unwrap();
    let once = store.stats().wal_written_bytes - written;
    append(&store, batch()).unwrap();
    assert!(store.stats().wal_written_bytes - written - once <= once, "{once}");
}

#[test]
fn damage_that_a_query_meets_is_counted_and_told() {
    let mut seen = 0;
    for seed in 0..40 {
        let disk = FaultyDisk::new(seed);
        let (store, _) = open(&disk, options());
        for n in 0..30 {
            append_one(&store, &labels("m", &n.to_string()), NOW, f64::from(n) / 7.0);
        }
        store.flush().unwrap();
        drop(store);
        disk.corrupt(".parquet").unwrap();
        let (store, report) = open(&disk, options());
        let tenant = Tenant::default();
        let request =
            SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
        let set = store.select(&request).unwrap();
        let mut samples = SampleBuffer::default();
        (0..set.len()).for_each(|i| set.read(i, TimeRange::ALL, &mut samples).unwrap());
        let warnings = set.warnings();
        assert!(samples.len() == 30 || !warnings.is_empty(), "seed {seed}");
        if report.quarantined_files.is_empty() && samples.len() < 30 {
            let stats = store.stats();
            assert!(stats.damaged_reads > 0 && warnings[0].contains(".parquet"), "{warnings:?}");
            let mut registry = prometheus_client::registry::Registry::default();
            store.register(&mut registry);
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let line = format!("afferent_metrics_damaged_reads_total {}", stats.damaged_reads);
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}

/// A failed sync leaves bytes that can be read and that no later sync saves, so a process must not build on the end of a file
/// that another one wrote.
#[test]
fn series_that_only_a_failed_sync_wrote_are_written_again() {
    for seed in 0..40 {
        let disk = FaultyDisk::new(seed);
        let (store, _) = open(&disk, options());
        append_one(&store, &labels("up", "a"), NOW, 1.0);
        disk.set_rates(FaultRates { failed_sync: 400, ..FaultRates::default() });
        let _ = store.flush();
        disk.set_rates(FaultRates::default());
        drop(store);
        let (store, _) = open(&disk, options());
        store.flush().unwrap();
        append_one(&store, &labels("up", "a"), NOW + 1000, 2.0);
        drop(store);
        disk.crash();
        let (store, report) = open(&disk, options());
        assert!(!report.found_damage(), "{report:?}");
        assert_eq!(read_one(&store, &labels("up", "a")), [(NOW, 1.0), (NOW + 1000, 2.0)], "{seed}");
    }
}

/// The same before the first flush of the process that comes after: what it takes in rests on definitions that it only read.
#[test]
fn samples_that_follow_a_failed_sync_do_not_rest_on_what_it_left() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    disk.set_rates(FaultRates { failed_sync: 1000, ..FaultRates::default() });
    let mut batch = WriteBatch::default();
    batch.push(labels("up", "a"), None, Sample::float(Timestamp(NOW), 1.0));
    assert!(append(&store, batch).is_err());
    assert!(store.flush().is_err());
    disk.set_rates(FaultRates::default());
    drop(store);
    let (store, _) = open(&disk, options());
    append_one(&store, &labels("up", "a"), NOW + 1000, 2.0);
    drop(store);
    disk.crash();
    let (store, report) = open(&disk, options());
    assert!(read_one(&store, &labels("up", "a")).contains(&(NOW + 1000, 2.0)), "{report:?}");
}

/// A process that is killed leaves bytes that were never synced. They are read at the next start, and gone if the machine stops:
/// what is acknowledged in between, and was in them already, is written again.
#[test]
fn what_was_read_unsynced_is_acknowledged_only_when_it_is_written_again() {
    let row = |time: i64| {
        let exemplar =
            Exemplar { labels: Labels::from_pairs([("trace_id", "7")]), value: 1.0, timestamp: Some(Timestamp(time)) };
        let mut batch = WriteBatch::default();
        batch.push(labels("up", "a"), None, Sample::float(Timestamp(time), 1.0));
        batch.rows.last_mut().unwrap().exemplars.push(exemplar);
        batch
    };
    let written = FaultyDisk::new(1);
    let (store, _) = open(&written, options());
    append(&store, row(NOW)).unwrap();
    drop(store);
    let mut had_lost = 0;
    for seed in 0..20 {
        let disk = FaultyDisk::new(seed);
        for (path, _) in written.files().into_iter().filter(|(path, _)| path.starts_with("/data/wal")) {
            disk.create_dir_all(path.parent().unwrap()).unwrap();
            disk.create(&path).unwrap().write_all(&written.read(&path).unwrap()).unwrap();
        }
        disk.sync_dir(Path::new("/data/wal")).unwrap();
        let (store, report) = open(&disk, options());
        assert_eq!(report.replayed_samples, 1);
        append(&store, row(NOW)).unwrap();
        drop(store);
        disk.crash();
        let (store, report) = open(&disk, options());
        had_lost += u64::from(report.replayed_samples == 1);
        assert_eq!(read_one(&store, &labels("up", "a")), [(NOW, 1.0)], "{seed} {report:?}");
        let found = store.exemplars(&Tenant::default(), &[], TimeRange::ALL).unwrap();
        assert_eq!(found.len(), 1, "{seed} {report:?}");
    }
    assert!(had_lost > 5, "{had_lost}");
}
