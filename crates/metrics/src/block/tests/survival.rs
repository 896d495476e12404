//! What goes into a block comes out of it, bit by bit.

use std::sync::Arc;

use model::{Aggregate, Exemplar, FloatHistogram, Labels, Metadata, MetricType, SampleBuffer, TimeRange, Timestamp};
use proptest::prelude::*;

use super::support::{Made, Series, exact, make, service};
use crate::block::{CursorRow, SeriesHash, WriterOptions, read_entry};

/// Joins the rows of each series and compares them with what was written.
fn check(made: &Made, series: &[Series]) {
    let mut cursor = made.open().cursor();
    let mut row = CursorRow::default();
    let mut found: Vec<Series> = Vec::new();
    while cursor.next(&mut row).unwrap() {
        assert!(row.samples.len() <= 1024);
        assert_eq!(row.hash, SeriesHash::of(&row.labels));
        if found.last().is_none_or(|last| last.labels != row.labels) {
            found.push(Series { labels: row.labels.clone(), metadata: row.metadata.clone(), ..Series::default() });
        }
        let last = found.last_mut().unwrap();
        append(&mut last.samples, &row.samples);
        last.exemplars.extend(row.exemplars.iter().cloned());
    }
    let written: Vec<&Series> = series.iter().filter(|one| !one.samples.is_empty()).collect();
    assert_eq!(found.len(), written.len());
    for (found, written) in found.iter().zip(&written) {
        assert_eq!(found.labels, written.labels);
        assert_eq!(found.metadata, written.metadata);
        assert_eq!(exact(&found.samples), exact(&written.samples));
        let text = |exemplars: &[Exemplar]| {
            let one = |e: &Exemplar| format!("{} {} {:?}", e.labels, e.value.to_bits(), e.timestamp);
            exemplars.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(text(&found.exemplars), text(&written.exemplars));
    }
    let samples: usize = written.iter().map(|one| one.samples.len()).sum();
    assert_eq!(made.entry.samples, samples as u64);
    assert_eq!(made.entry.series, written.len() as u64);
    assert_eq!(made.entry.bytes, std::fs::metadata(&made.path).unwrap().len());
}

fn append(to: &mut SampleBuffer, from: &SampleBuffer) {
    for row in 0..from.len() {
        match from.histogram(row) {
            Some(histogram) => to.push_histogram(from.timestamps[row], histogram.clone()),
            None => to.push_float(from.timestamps[row], from.values[row]),
        }
        to.set_last_start(from.start_timestamps.get(row).copied().unwrap_or(0));
        if let Some(aggregate) = from.aggregate(row) {
            to.set_last_aggregate(*aggregate);
        }
    }
}

fn any_bits() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<i32>().prop_map(f64::from),
        Just(f64::from_bits(model::STALE_NAN_BITS)),
        Just(f64::from_bits(0x7ff8_0000_0000_0001)),
        Just(-0.0),
    ]
}

fn any_aggregate() -> impl Strategy<Value = Aggregate> {
    (any::<[u32; 3]>(), [any_bits(), any_bits(), any_bits(), any_bits()], any::<i64>()).prop_map(|(n, v, span_ms)| {
        Aggregate { count: n[0], resets: n[1], changes: n[2], sum: v[0], min: v[1], max: v[2], lost: v[3], span_ms }
    })
}

fn any_samples() -> impl Strategy<Value = SampleBuffer> {
    let kind = prop_oneof![4 => Just(0), 1 => Just(1)];
    let aggregate = proptest::option::weighted(0.3, any_aggregate());
    let sample = (1..40_000_i64, any_bits(), kind, proptest::option::weighted(0.2, any::<i64>()), aggregate);
    (any::<i32>(), any::<bool>(), proptest::collection::vec(sample, 0..40)).prop_map(|(start, is_plain, list)| {
        let (mut time, mut out) = (i64::from(start) * 1000, SampleBuffer::default());
        for (gap, value, kind, start, aggregate) in list {
            time += gap;
            if kind == 1 && !is_plain {
                let histogram = FloatHistogram { sum: value, count: 3.0, ..FloatHistogram::default() };
                out.push_histogram(time, Arc::new(histogram));
            } else {
                out.push_float(time, value);
            }
            if let (Some(start), false) = (start, is_plain) {
                out.set_last_start(start);
            }
            if let (Some(aggregate), false) = (aggregate, is_plain) {
                out.set_last_aggregate(aggregate);
            }
        }
        out
    })
}

fn any_series() -> impl Strategy<Value = Vec<Series>> {
    let labels = proptest::collection::btree_map("[a-c.é☃]{1,2}", "[xyz☃]{0,2}", 0..6);
    let exemplar = (any_bits(), proptest::option::of(any::<i64>()), "[a-f]{1,3}");
    let exemplars = proptest::collection::vec(exemplar, 0..3);
    let metadata = proptest::option::of(("[a-z ]{0,9}", "(seconds)?"));
    let one = (proptest::option::of("[m-o]{1,2}"), labels, any_samples(), exemplars, metadata);
    proptest::collection::vec(one, 0..25).prop_map(|list| {
        let mut out = std::collections::BTreeMap::new();
        for (name, mut labels, samples, exemplars, metadata) in list {
            labels.extend(name.map(|name| ("__name__".to_owned(), name)));
            let labels = Labels::from_pairs(&labels);
            let metadata = metadata.map(|(help, unit)| Metadata { metric_type: MetricType::Summary, help, unit });
            let exemplars = exemplars.into_iter().map(|(value, time, id)| Exemplar {
                labels: Labels::from_pairs([("id", id)]),
                value,
                timestamp: time.map(Timestamp),
            });
            let exemplars = exemplars.collect();
            out.insert(labels.clone(), Series { labels, metadata, samples, exemplars });
        }
        out.into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn everything_survives(mut series in any_series()) {
        let made = make(&mut series, WriterOptions::default());
        check(&made, &series);
        let file = std::fs::File::open(&made.path).unwrap();
        let (entry, wal_from) = read_entry(&file, "x").unwrap();
        prop_assert_eq!(&entry, &made.entry);
        prop_assert_eq!(wal_from, 0);
    }
}

#[test]
fn a_service_survives() {
    let mut series = service(30, 50);
    let made = make(&mut series, WriterOptions { wal_from: 42, ..WriterOptions::default() });
    check(&made, &series);
    let file = std::fs::File::open(&made.path).unwrap();
    assert_eq!(read_entry(&file, "x").unwrap(), (made.entry.clone(), 42));
    let metadata = made.open().metadata().unwrap();
    let names: Vec<&str> = metadata.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["http_requests_total", "latency", "memory_bytes"]);
    assert_eq!(metadata[0].1.help, "Help of http_requests_total.");
}

#[test]
fn long_series_become_slices() {
    let mut series = service(2, 2500);
    let made = make(&mut series, WriterOptions::default());
    assert_eq!((made.entry.series, made.entry.rows), (8, 24));
    check(&made, &series);
    let block = made.open();
    let mut out = SampleBuffer::default();
    let (from, to) = (series[0].samples.timestamps[800], series[0].samples.timestamps[1700]);
    (0..3).for_each(|row| block.read(row, TimeRange::new(from, to), &mut out).unwrap());
    assert_eq!(out.timestamps, series[0].samples.timestamps[800..=1700]);
    assert_eq!(out.values, series[0].samples.values[800..=1700]);
}

#[test]
fn many_rows_become_row_groups_and_rare_labels_share_a_column() {
    let mut series = Vec::new();
    for i in 0..150_000_u32 {
        let name = format!("rare_{:03}", i % 500);
        let number = i.to_string();
        let pairs = [("__name__", "m"), ("i", &number), ("often", "yes"), (&name, "1")];
        let mut one = Series { labels: Labels::from_pairs(pairs), ..Series::default() };
        one.samples.push_float(i64::from(i), f64::from(i));
        series.push(one);
    }
    let mut names: Vec<String> = ["often", "i"].map(str::to_owned).to_vec();
    names.extend((0..300).map(|i| format!("rare_{i:03}")));
    let made = make(&mut series, WriterOptions { label_names: names, wal_from: 0 });
    let block = made.open();
    assert_eq!(block.layout().unwrap().groups.len(), 2);
    assert_eq!(block.layout().unwrap().labels.len(), 200);
    let rows: Vec<u32> = (0..150_000).step_by(37).collect();
    let labels = block.labels_of(&rows, None).unwrap();
    let hashes = block.hashes(&rows).unwrap();
    for ((row, labels), hash) in rows.iter().zip(&labels).zip(&hashes) {
        let written = &series[*row as usize];
        assert_eq!(*labels, written.labels);
        assert_eq!(*hash, SeriesHash::of(&written.labels));
        let mut out = SampleBuffer::default();
        block.read(*row, TimeRange::ALL, &mut out).unwrap();
        assert_eq!(exact(&out), exact(&written.samples));
    }
    assert_eq!(block.label_names(&block.all_ranges().unwrap()).unwrap().len(), 503);
    assert_eq!(block.label_values("rare_499", &block.all_ranges().unwrap()).unwrap(), ["1"]);
    let found = block.matching(&[model::Matcher::equal("rare_499", "1")], TimeRange::ALL).unwrap();
    assert_eq!(found.len(), 300);
    assert!(found.iter().all(|row| series[*row as usize].labels.get("rare_499") == Some("1")));
}

#[test]
fn rows_out_of_order_are_refused() {
    use crate::block::BlockWriter;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    let disk = Arc::new(blocks::disk::RealDisk);
    let mut writer = BlockWriter::create(disk, path.clone(), WriterOptions::default()).unwrap();
    let mut samples = SampleBuffer::default();
    samples.push_float(1, 1.0);
    writer.add(SeriesHash(2), &[("__name__", "b")], None, &samples, &[]).unwrap();
    let refused = |result: std::io::Result<()>| result.unwrap_err().kind() == std::io::ErrorKind::InvalidInput;
    assert!(refused(writer.add(SeriesHash(1), &[("__name__", "a")], None, &samples, &[])));
    assert!(refused(writer.add(SeriesHash(2), &[("__name__", "b")], None, &samples, &[])), "the same time again");
    writer.abandon();
    assert!(!path.exists());
}
