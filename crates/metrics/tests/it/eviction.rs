//! Series that leave the head, and those that return.

use std::path::Path;

use blocks::disk::Disk;
use blocks::faults::FaultyDisk;
use metrics::StoreOptions;
use model::{
    LabelRequest, Labels, Matcher, Sample, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch,
    stale_nan,
};

use crate::support::{NOW, append, append_one, clock, labels, open, open_at, options, read_all, read_one, read_set};

#[test]
fn a_stale_series_leaves_with_its_last_sample_and_may_return() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let (gone, stays) = (labels("up", "gone"), labels("up", "stays"));
    let hint = append_one(&store, &gone, NOW, 1.0).refs[0];
    append_one(&store, &stays, NOW, 1.0);
    append_one(&store, &gone, NOW + 1000, stale_nan());
    assert_eq!(store.stats().series, 2);
    store.flush().unwrap();
    let stats = store.stats();
    assert_eq!((stats.series, stats.active_series), (1, 1), "the active series stays");
    assert_eq!(read_one(&store, &gone).len(), 2);
    let tenant = Tenant::default();
    let all = LabelRequest { tenant: &tenant, matcher_sets: &[], range: TimeRange::ALL, limit: 0, memory: None };
    assert_eq!(store.label_values("instance", &all).unwrap(), ["gone", "stays"]);
    assert_eq!(store.series(&all).unwrap(), [gone.clone(), stays.clone()]);
    assert_eq!(store.head_stats(&tenant, 10).label_pairs, 3, "its labels have left the index");

    // A reference to it is of no use any more, with or without labels.
    let mut batch = WriteBatch::default();
    batch.push(Labels::empty(), hint, Sample::float(Timestamp(NOW + 2000), 2.0));
    assert_eq!(append(&store, batch).unwrap().rejected[0].reason, model::RejectReason::UnknownSeries);
    let mut batch = WriteBatch::default();
    batch.push(gone.clone(), hint, Sample::float(Timestamp(NOW + 3000), 3.0));
    let report = append(&store, batch).unwrap();
    assert!(report.rejected.is_empty() && report.refs[0] != hint);
    for round in 0..3 {
        let found: Vec<f64> = read_one(&store, &gone).into_iter().map(|(_, v)| v).collect();
        assert!(found.len() == 3 && found[0] == 1.0 && model::is_stale(found[1]) && found[2] == 3.0, "round {round}");
        assert_eq!(store.stats().series, 2);
        store.flush().unwrap();
    }
    drop(store);
    disk.crash();
    let (store, report) = open(&disk, options());
    assert!(!report.found_damage(), "{report:?}");
    assert_eq!((read_one(&store, &gone).len(), read_one(&store, &stays).len()), (3, 1));
}

#[test]
fn an_idle_series_leaves_after_a_while() {
    let disk = FaultyDisk::new(1);
    let clock = clock();
    let (store, _) = open_at(&disk, StoreOptions { idle_series_ms: 600_000, ..options() }, clock.clone());
    let up = labels("up", "a");
    append_one(&store, &up, NOW, 1.0);
    store.flush().unwrap();
    clock.advance_ms(599_000);
    store.flush().unwrap();
    assert_eq!((store.stats().series, store.stats().active_series), (1, 0));
    clock.advance_ms(1000);
    store.flush().unwrap();
    assert_eq!(store.stats().series, 0);
    store.flush().unwrap();
    assert_eq!(store.stats().memory_bytes, 0, "everything of it is freed");
    append_one(&store, &up, NOW + 600_000, 2.0);
    assert_eq!(read_one(&store, &up), [(NOW, 1.0), (NOW + 600_000, 2.0)]);
}

#[test]
fn a_reader_keeps_what_is_evicted_and_delays_nobody() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    for n in 0..100 {
        append_one(&store, &labels("m", &n.to_string()), NOW, f64::from(n));
        append_one(&store, &labels("m", &n.to_string()), NOW + 1, stale_nan());
    }
    let tenant = Tenant::default();
    let matchers = [Matcher::equal("__name__", "m")];
    let request =
        SelectRequest { tenant: &tenant, matchers: &matchers, range: TimeRange::ALL, projection: None, memory: None };
    let before = store.select(&request).unwrap();
    store.flush().unwrap();
    assert!(store.stats().flush_is_pending);
    assert_eq!(store.stats().series, 100, "samples wait for the reader, and series for their samples");
    let between = store.select(&request).unwrap();
    append_one(&store, &labels("m", "7"), NOW + 2, 2.0);
    store.flush().unwrap();
    let expected: Vec<i64> = vec![NOW, NOW + 1];
    for set in [&before, &between] {
        let found = read_set(&**set, TimeRange::ALL);
        assert_eq!(found.len(), 100);
        assert!(found.values().all(|samples| samples.timestamps[..2] == expected));
    }
    drop(before);
    store.maintain().unwrap();
    assert!(store.stats().flush_is_pending, "the second flush waits for the second reader");
    drop(between);
    let old = store.select(&request).unwrap();
    store.maintain().unwrap();
    assert!(!store.stats().flush_is_pending);
    assert_eq!(store.stats().series, 1);
    // Retired series are freed, and their places taken by others, only when nobody can look at them any more.
    for round in 0..3 {
        for n in 0..100 {
            append_one(&store, &labels("other", &(100 * round + n).to_string()), NOW + 3, 1.0);
        }
        store.flush().unwrap();
        let found = read_set(&*old, TimeRange::ALL);
        assert_eq!(found.len(), 100);
        assert!(found.keys().all(|labels| labels.metric_name() == "m"));
    }
    drop(old);
    let found = read_all(&store, &matchers, TimeRange::ALL);
    assert_eq!(found.values().map(|samples| samples.len()).sum::<usize>(), 201);
}

#[test]
fn churn_does_not_grow_the_head() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let mut highest = 0;
    for round in 0..60 {
        let mut batch = WriteBatch::default();
        for n in 0..400 {
            let series = labels("m", &format!("{round}-{n}"));
            batch.push(series.clone(), None, Sample::float(Timestamp(NOW + round), 1.0));
            batch.push(series, None, Sample::float(Timestamp(NOW + round + 1), stale_nan()));
        }
        append(&store, batch).unwrap();
        store.flush().unwrap();
        if round == 2 {
            highest = store.stats().memory_bytes;
        }
        assert_eq!(store.stats().series, 0);
    }
    assert!(store.stats().memory_bytes < highest + highest / 10, "{} after {highest}", store.stats().memory_bytes);
    let head_log = disk.open(Path::new("/data/head.log")).unwrap().len().unwrap();
    assert!(head_log < 3_000_000, "{head_log} bytes of definitions");
    drop(store);
    let (store, report) = open(&disk, options());
    assert!(report.series < 13_000, "{} definitions of 24,000 were left behind", report.series);
    assert_eq!(read_all(&store, &[], TimeRange::ALL).len(), 24_000);
}
