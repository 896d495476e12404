//! Samples of any age, straight into blocks.

use metrics::Importer;
use model::{Labels, MatchOp, Matcher, Metadata, MetricType, SampleBuffer, Tenant, TimeRange, stale_nan};

use super::support::{NOW, append_one, labels, open, options, read_all};
use blocks::faults::FaultyDisk;

const DAY: i64 = 24 * 3600 * 1000;

fn all() -> Vec<Matcher> {
    vec![Matcher::new("__name__", MatchOp::NotEqual, "").unwrap()]
}

fn one(time: i64, value: f64) -> SampleBuffer {
    let mut samples = SampleBuffer::default();
    samples.push_float(time, value);
    samples
}

#[test]
fn years_in_any_order_come_back_in_order() {
    let disk = FaultyDisk::default();
    let (store, _) = open(&disk, options());
    // So small that every few samples become blocks.
    let mut importer = Importer::new(&store, Tenant::default()).with_budget(4000);
    let metadata = Metadata { metric_type: MetricType::Counter, help: "Old.".into(), unit: String::new() };
    importer.set_metadata("old", metadata.clone());
    let series: Vec<Labels> = (0..5).map(|i| labels("old_total", &i.to_string())).collect();
    for step in (0..300_i64).rev() {
        let labels = &series[(step % 5) as usize];
        importer.add(labels, &one(NOW - step * DAY, step as f64)).unwrap();
        importer.add(labels, &one(NOW - step * DAY, -1.0)).unwrap();
    }
    assert!(read_all(&store, &all(), TimeRange::ALL).is_empty(), "nothing counts before the end");
    let blocks = importer.finish().unwrap();
    assert!(blocks.len() > 10 && blocks.iter().all(|b| b.range.end.ms() - b.range.start.ms() < 4 * DAY));
    let check = |store: &metrics::Store| {
        let found = read_all(store, &all(), TimeRange::ALL);
        assert_eq!(found.len(), 5);
        for (i, labels) in series.iter().enumerate() {
            let wanted: Vec<(i64, f64)> =
                (0..300).rev().filter(|s| s % 5 == i as i64).map(|s| (NOW - s * DAY, s as f64)).collect();
            let samples = &found[labels];
            let read: Vec<(i64, f64)> =
                samples.timestamps.iter().copied().zip(samples.values.iter().copied()).collect();
            assert_eq!(read, wanted);
        }
        assert_eq!(store.metadata(&Tenant::default(), 0, None).unwrap()[0].1, metadata);
    };
    check(&store);
    drop(store);
    check(&open(&disk, options()).0);
}

#[test]
fn what_is_there_wins() {
    let disk = FaultyDisk::default();
    let (store, _) = open(&disk, options());
    let series = labels("known", "a");
    append_one(&store, &series, NOW, 1.0);
    store.flush().unwrap();
    let mut importer = Importer::new(&store, Tenant::default());
    importer.add(&series, &one(NOW, 2.0)).unwrap();
    importer.add(&series, &one(NOW - 1, stale_nan())).unwrap();
    importer.finish().unwrap();
    let samples = &read_all(&store, &all(), TimeRange::ALL)[&series];
    assert_eq!(samples.timestamps, [NOW - 1, NOW]);
    assert!(samples.is_stale(0));
    assert_eq!(samples.values[1], 1.0);
}

#[test]
fn an_import_that_is_dropped_leaves_nothing() {
    let disk = FaultyDisk::default();
    let (store, _) = open(&disk, options());
    let mut importer = Importer::new(&store, Tenant::default()).with_budget(1);
    importer.add(&labels("old", "a"), &one(0, 1.0)).unwrap();
    drop(importer);
    assert!(read_all(&store, &all(), TimeRange::ALL).is_empty());
    let left = blocks::disk::Disk::list(&disk, std::path::Path::new("/data/blocks")).unwrap();
    assert!(left.is_empty(), "{left:?}");
}
