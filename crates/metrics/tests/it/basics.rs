//! Rules of admission and of reading.

use std::sync::Arc;

use blocks::faults::FaultyDisk;
use metrics::{LimitTable, StoreOptions, TenantLimits};
use model::{
    Exemplar, ExemplarRow, FloatHistogram, LabelRequest, Labels, MatchOp, Matcher, Metadata, MetricType, Projection,
    RejectReason, Sample, SampleSink, SampleValue, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp,
    WriteBatch, WriteRow, stale_nan,
};

use crate::support::{NOW, append, append_one, labels, open, open_at, options, read_all, read_one};

fn reason(report: &model::AppendReport) -> Option<RejectReason> {
    report.rejected.first().map(|r| r.reason)
}

#[test]
fn late_duplicate_and_impossible_samples() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    let up = labels("up", "a");
    assert!(append_one(&store, &up, NOW, 1.0).rejected.is_empty());
    assert!(append_one(&store, &up, NOW, 1.0).rejected.is_empty(), "the same again is no error");
    assert_eq!(reason(&append_one(&store, &up, NOW, 2.0)), Some(RejectReason::DuplicateTimestamp));
    assert!(append_one(&store, &up, NOW - 60_000, 3.0).rejected.is_empty(), "within the window");
    assert!(append_one(&store, &up, NOW - 60_000, 3.0).rejected.is_empty());
    assert_eq!(reason(&append_one(&store, &up, NOW - 60_000, 4.0)), Some(RejectReason::DuplicateTimestamp));
    assert_eq!(reason(&append_one(&store, &up, NOW - 31 * 60_000, 1.0)), Some(RejectReason::OutOfOrder));
    assert_eq!(reason(&append_one(&store, &up, NOW - 25 * 3_600_000, 1.0)), Some(RejectReason::TooOld));
    assert_eq!(reason(&append_one(&store, &up, NOW + 11 * 60_000, 1.0)), Some(RejectReason::TooFarInFuture));
    let nameless = Labels::from_pairs([("job", "x")]);
    assert_eq!(reason(&append_one(&store, &nameless, NOW, 1.0)), Some(RejectReason::InvalidLabels));
    assert_eq!(read_one(&store, &up), [(NOW - 60_000, 3.0), (NOW, 1.0)]);
    let stats = store.stats();
    assert_eq!((stats.samples_appended, stats.active_series), (2, 1));
    assert!(stats.samples_rejected.contains(&("duplicate_timestamp", 2)));
}

#[test]
fn the_same_rules_hold_for_flushed_samples_and_after_a_restart() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let up = labels("up", "a");
    for i in 0..50 {
        append_one(&store, &up, NOW - 100_000 + i * 1000, i as f64);
    }
    for round in 0..2 {
        store.flush().unwrap();
        assert!(append_one(&store, &up, NOW - 51_000, 49.0).rejected.is_empty(), "round {round}");
        assert_eq!(reason(&append_one(&store, &up, NOW - 51_000, 1.0)), Some(RejectReason::DuplicateTimestamp));
        assert!(append_one(&store, &up, NOW - 61_000, 39.0).rejected.is_empty());
        assert_eq!(reason(&append_one(&store, &up, NOW - 31 * 60_000 - 51_000, 1.0)), Some(RejectReason::OutOfOrder));
    }
    // Older flushed samples are not looked up: the contradiction is taken, and loses when it is read.
    assert!(append_one(&store, &up, NOW - 62_000, 1.0).rejected.is_empty());
    assert_eq!(
        reason(&append_one(&store, &up, NOW - 62_000, 2.0)),
        Some(RejectReason::DuplicateTimestamp),
        "in memory"
    );
    store.flush().unwrap();
    drop(store);
    // After a restart a series knows only what the log says.
    let (store, _) = open(&disk, options());
    assert!(append_one(&store, &up, NOW - 51_000, 1.0).rejected.is_empty());
    assert!(append_one(&store, &up, NOW - 70_500, 7.0).rejected.is_empty(), "late between flushed samples");
    let found = read_one(&store, &up);
    assert_eq!(found.len(), 51);
    assert_eq!(found[30], (NOW - 70_500, 7.0));
    assert_eq!((found[39], found[50]), ((NOW - 62_000, 38.0), (NOW - 51_000, 49.0)), "written first");
}

#[test]
fn hints_spare_the_lookup_and_bad_hints_fall_back_to_the_labels() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    let (a, b) = (labels("up", "a"), labels("up", "b"));
    let ref_a = append_one(&store, &a, NOW, 1.0).refs[0];
    let ref_b = append_one(&store, &b, NOW, 1.0).refs[0];
    assert_ne!(ref_a, ref_b);
    let mut batch = WriteBatch::default();
    batch.push(a.clone(), ref_a, Sample::float(Timestamp(NOW + 1000), 2.0));
    batch.push(b.clone(), Some(model::SeriesRef(u64::MAX)), Sample::float(Timestamp(NOW + 1000), 3.0));
    batch.push(labels("up", "c"), Some(model::SeriesRef(0)), Sample::float(Timestamp(NOW + 1000), 4.0));
    let report = append(&store, batch).unwrap();
    assert_eq!(report.refs[..2], [ref_a, ref_b]);
    assert!(report.refs[2].is_some() && report.rejected.is_empty());
    assert_eq!(read_one(&store, &a), [(NOW, 1.0), (NOW + 1000, 2.0)]);
    assert_eq!(read_one(&store, &b), [(NOW, 1.0), (NOW + 1000, 3.0)]);
    // A hint of one tenant means nothing to another.
    let other = Tenant::new("other").unwrap();
    let mut batch = WriteBatch { tenant: other.clone(), ..WriteBatch::default() };
    batch.push(labels("down", "z"), ref_a, Sample::float(Timestamp(NOW + 2000), 9.0));
    append(&store, batch).unwrap();
    assert_eq!(read_one(&store, &a).len(), 2);
    assert_eq!(store.tenants(), [Tenant::default(), other]);
}

#[test]
fn a_row_may_come_by_its_hint_alone_and_exemplars_without_a_row() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let hits = labels("hits_total", "a");
    let hint = append_one(&store, &hits, NOW, 1.0).refs[0];
    let exemplar = |t: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", t.to_string())]),
        value: t as f64,
        timestamp: Some(Timestamp(NOW + t)),
    };
    let row = |labels: &Labels, hint, t| ExemplarRow { labels: labels.clone(), hint, exemplars: vec![exemplar(t)] };
    let mut batch = WriteBatch::default();
    batch.push(Labels::empty(), hint, Sample::float(Timestamp(NOW + 1), 2.0));
    batch.push(Labels::empty(), Some(model::SeriesRef(u64::MAX)), Sample::float(Timestamp(NOW + 1), 2.0));
    batch.push(Labels::empty(), None, Sample::float(Timestamp(NOW + 1), 2.0));
    let nobody = labels("nobody", "a");
    batch.exemplars = vec![row(&hits, None, 1), row(&Labels::empty(), hint, 2), row(&nobody, None, 3)];
    batch.exemplars.push(row(&hits, None, 2));
    let report = append(&store, batch).unwrap();
    let reasons: Vec<_> = report.rejected.iter().map(|r| (r.row, r.reason)).collect();
    assert_eq!(reasons, [(1, RejectReason::UnknownSeries), (2, RejectReason::InvalidLabels)]);
    assert_eq!(report.exemplars, 2, "those that were known and those of an unknown series are not counted");
    drop(store);
    disk.crash();
    let (store, _) = open(&disk, options());
    let found = store.exemplars(&Tenant::default(), &[], TimeRange::ALL).unwrap();
    assert_eq!((found.len(), &found[0].labels), (1, &hits));
    assert_eq!(found[0].exemplars, [exemplar(1), exemplar(2)]);
}

#[test]
fn a_stale_series_leaves_the_active_set_and_can_be_read_and_return() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let up = labels("up", "a");
    append_one(&store, &up, NOW, 1.0);
    assert_eq!(store.stats().active_series, 1);
    append_one(&store, &up, NOW + 15_000, stale_nan());
    assert_eq!(store.stats().active_series, 0);
    let found = read_one(&store, &up);
    assert_eq!(found.len(), 2);
    assert!(model::is_stale(found[1].1));
    append_one(&store, &up, NOW + 30_000, 2.0);
    assert_eq!(store.stats().active_series, 1);
    drop(store);
    let (store, _) = open(&disk, options());
    assert_eq!(read_one(&store, &up).len(), 3);
    assert_eq!(store.stats().active_series, 1);
}

#[test]
fn histograms_starts_and_floats_in_one_series() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let latency = labels("latency", "a");
    let histogram = |sum: f64| {
        let spans = vec![model::BucketSpan { offset: 0, length: 2 }];
        Arc::new(FloatHistogram { sum, positive_spans: spans, positive_buckets: vec![1.0, 2.0], ..Default::default() })
    };
    let mut expected = Vec::new();
    for i in 0..200 {
        let value = match i % 50 {
            0..40 => SampleValue::Histogram(histogram(i as f64)),
            _ => SampleValue::Float(i as f64),
        };
        let start = (i % 3 > 0).then_some(Timestamp(NOW - 5000));
        let sample = Sample { timestamp: Timestamp(NOW + i * 100), start_timestamp: start, value };
        expected.push(sample.clone());
        let mut batch = WriteBatch::default();
        batch.push(latency.clone(), None, sample);
        assert!(append(&store, batch).unwrap().rejected.is_empty());
        if i == 120 {
            store.flush().unwrap();
        }
    }
    let check = |store: &metrics::Store| {
        let found = read_all(store, &[], TimeRange::ALL).remove(&latency).unwrap();
        assert_eq!(found.len(), expected.len());
        for (row, sample) in expected.iter().enumerate() {
            assert_eq!(found.timestamps[row], sample.timestamp.ms());
            assert_eq!(found.start_timestamps[row], sample.start_timestamp.map_or(0, Timestamp::ms), "row {row}");
            let histogram = found.histograms.iter().find(|(r, _)| *r as usize == row).map(|(_, h)| h.sum);
            match &sample.value {
                SampleValue::Float(v) => assert_eq!((histogram, found.values[row]), (None, *v)),
                SampleValue::Histogram(h) => assert_eq!(histogram, Some(h.sum)),
            }
        }
    };
    check(&store);
    drop(store);
    check(&open(&disk, options()).0);

    let (store, _) = open(&disk, options());
    let broken = Arc::new(FloatHistogram { positive_buckets: vec![1.0], ..Default::default() });
    let mut batch = WriteBatch::default();
    let sample =
        Sample { timestamp: Timestamp(NOW + 90_000), start_timestamp: None, value: SampleValue::Histogram(broken) };
    batch.push(latency.clone(), None, sample);
    assert_eq!(reason(&append(&store, batch).unwrap()), Some(RejectReason::InvalidHistogram));
}

#[test]
fn labels_are_listed_by_matchers_and_time() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    for (name, instance, t) in [("up", "a", NOW), ("up", "b", NOW - 3_600_000), ("down", "a", NOW)] {
        append_one(&store, &labels(name, instance), t, 1.0);
    }
    let tenant = Tenant::default();
    let down = vec![vec![Matcher::equal("__name__", "down")], vec![Matcher::equal("instance", "b")]];
    let all = LabelRequest { tenant: &tenant, matcher_sets: &[], range: TimeRange::ALL, limit: 0, memory: None };
    let recent = LabelRequest { range: TimeRange::new(NOW - 60_000, NOW), ..all };
    let either = LabelRequest { matcher_sets: &down, ..all };
    assert_eq!(store.label_names(&all).unwrap(), ["__name__", "instance", "job"]);
    assert_eq!(store.label_values("instance", &all).unwrap(), ["a", "b"]);
    assert_eq!(store.label_values("instance", &recent).unwrap(), ["a"]);
    assert_eq!(store.label_values("instance", &LabelRequest { limit: 1, ..all }).unwrap(), ["a"]);
    assert_eq!(store.label_values("__name__", &either).unwrap(), ["down", "up"]);
    assert_eq!(store.series(&either).unwrap(), [labels("down", "a"), labels("up", "b")]);
    assert_eq!(store.label_values("nothing", &all).unwrap(), [""; 0]);
    let unknown = Tenant::new("nobody").unwrap();
    assert!(store.label_names(&LabelRequest { tenant: &unknown, ..all }).unwrap().is_empty());

    let stats = store.head_stats(&tenant, 1);
    assert_eq!((stats.series, stats.label_pairs, stats.chunks), (3, 5, 3));
    assert_eq!(
        (stats.series_count_by_metric_name[0].name.as_str(), stats.series_count_by_metric_name[0].value),
        ("up", 2)
    );
    assert_eq!(stats.series_count_by_label_value_pair[0].name, "job=test");
    assert_eq!(stats.memory_in_bytes_by_label_name[0].value, 12);
}

#[test]
fn projections_keep_series_apart() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    append_one(&store, &labels("up", "a"), NOW, 1.0);
    append_one(&store, &labels("up", "b"), NOW, 1.0);
    let tenant = Tenant::default();
    let matchers = [Matcher::new("instance", MatchOp::Regex, "a|b|c").unwrap()];
    for (projection, expected) in [
        (Projection::Only(vec!["job".into(), "none".into()]), vec!["{job=\"test\"}"; 2]),
        (Projection::Without(vec!["instance".into()]), vec!["{__name__=\"up\", job=\"test\"}"; 2]),
    ] {
        let request = SelectRequest {
            tenant: &tenant,
            matchers: &matchers,
            range: TimeRange::ALL,
            projection: Some(&projection),
            memory: None,
        };
        let set = store.select(&request).unwrap();
        let found: Vec<String> = (0..set.len()).map(|i| set.labels(i).to_string()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn exemplars_and_metadata_survive_flush_and_restart() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let hits = labels("hits_total", "a");
    let exemplar = |t: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", t.to_string())]),
        value: t as f64,
        timestamp: Some(Timestamp(NOW + t)),
    };
    let metadata = Metadata { metric_type: MetricType::Counter, help: "Hits.".into(), unit: String::new() };
    for t in [1, 1, 2, 3] {
        let mut batch = WriteBatch::default();
        batch.rows.push(WriteRow {
            labels: hits.clone(),
            hint: None,
            sample: Sample::float(Timestamp(NOW + t * 1000), 1.0),
            exemplars: vec![exemplar(t)],
        });
        batch.metadata.push(("hits".into(), metadata.clone()));
        append(&store, batch).unwrap();
        if t == 2 {
            store.flush().unwrap();
        }
    }
    let check = |store: &metrics::Store| {
        let sets = [vec![Matcher::equal("instance", "a")]];
        let found = store.exemplars(&Tenant::default(), &sets, TimeRange::new(NOW + 1, NOW + 3)).unwrap();
        assert_eq!(found[0].labels, hits);
        assert_eq!(found[0].exemplars, [exemplar(1), exemplar(2), exemplar(3)]);
        let others = [vec![Matcher::equal("job", "x")]];
        assert!(store.exemplars(&Tenant::default(), &others, TimeRange::ALL).unwrap().is_empty());
        assert_eq!(store.metadata(&Tenant::default(), 0, None).unwrap(), [("hits".to_owned(), metadata.clone())]);
        assert_eq!(store.metadata(&Tenant::default(), 0, Some("other")).unwrap(), []);
    };
    check(&store);
    drop(store);
    check(&open(&disk, options()).0);
}

fn limits(default: TenantLimits) -> LimitTable {
    LimitTable { default, ..LimitTable::default() }
}

#[test]
fn limits_of_labels_and_ages() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    append_one(&store, &labels("up", "known before the limit"), NOW, 1.0);
    let tight = TenantLimits {
        label_names: Some(2),
        label_name_bytes: Some(8),
        label_value_bytes: Some(4),
        sample_age_ms: Some(60_000),
        sample_future_ms: Some(1000),
        ..TenantLimits::default()
    };
    let free = Tenant::new("free").unwrap();
    let overrides = [(free.clone(), TenantLimits::default())].into();
    store.set_limits(LimitTable { default: tight, overrides });
    let of = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
    let at = |series: &Labels, time| reason(&append_one(&store, series, time, 1.0));
    assert_eq!(at(&of(&[("__name__", "up"), ("a", "1234")]), NOW), None);
    assert_eq!(at(&of(&[("__name__", "up"), ("a", "1"), ("b", "2")]), NOW), Some(RejectReason::TooManyLabels));
    assert_eq!(at(&of(&[("__name__", "up"), ("nine_long", "1")]), NOW), Some(RejectReason::LabelNameTooLong));
    assert_eq!(at(&of(&[("__name__", "up"), ("a", "12345")]), NOW), Some(RejectReason::LabelValueTooLong));
    let good = of(&[("__name__", "up"), ("a", "2")]);
    assert_eq!(at(&good, NOW - 61_000), Some(RejectReason::TooOld));
    assert_eq!(at(&good, NOW + 1001), Some(RejectReason::TooFarInFuture));
    assert_eq!(at(&good, NOW - 60_000), None);
    assert_eq!(at(&labels("up", "known before the limit"), NOW + 1), None);

    let mut batch = WriteBatch { tenant: free, ..WriteBatch::default() };
    batch.push(labels("up", "a long value"), None, Sample::float(Timestamp(NOW - 3_600_000), 1.0));
    assert!(append(&store, batch).unwrap().rejected.is_empty(), "an override stands for itself");
    let counted: Vec<_> = store.stats().samples_rejected.into_iter().filter(|(_, count)| *count > 0).collect();
    let one = |reason| (reason, 1);
    let reasons = ["too_old", "too_far_in_future", "too_many_labels", "label_name_too_long", "label_value_too_long"];
    assert_eq!(counted, reasons.map(one));
}

#[test]
fn limits_of_series_and_memory() {
    let limited =
        StoreOptions { limits: limits(TenantLimits { series: Some(2), ..TenantLimits::default() }), ..options() };
    let (store, _) = open(&FaultyDisk::new(1), limited);
    for instance in ["a", "b"] {
        append_one(&store, &labels("up", instance), NOW, 1.0);
    }
    assert_eq!(reason(&append_one(&store, &labels("up", "c"), NOW, 1.0)), Some(RejectReason::SeriesLimit));
    append_one(&store, &labels("up", "a"), NOW + 1, stale_nan());
    assert!(append_one(&store, &labels("up", "c"), NOW, 1.0).rejected.is_empty(), "room after one went stale");

    let tight = StoreOptions { memory_limit_bytes: Some(10_000), ..options() };
    let (store, _) = open(&FaultyDisk::new(1), tight);
    let mut refused = None;
    for i in 0..1000 {
        let mut batch = WriteBatch::default();
        batch.push(labels("up", &i.to_string()), None, Sample::float(Timestamp(NOW), 1.0));
        if let Err(error) = append(&store, batch) {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(model::AppendError::OverBudget { retry_after_s: 1.. })));
    assert!(!read_all(&store, &[], TimeRange::ALL).is_empty(), "reading goes on");
}

#[test]
fn old_blocks_and_series_are_forgotten() {
    let disk = FaultyDisk::new(1);
    let clock = crate::support::clock();
    let (store, _) = open_at(&disk, options(), clock.clone());
    append_one(&store, &labels("up", "old"), NOW, 1.0);
    store.flush().unwrap();
    clock.advance_ms(25 * 3_600_000);
    append_one(&store, &labels("up", "new"), NOW + 25 * 3_600_000, 1.0);
    store.flush().unwrap(); // evicts the idle series
    store.maintain().unwrap();
    store.flush().unwrap();
    assert_eq!(store.stats().blocks, 1);
    let tenant = Tenant::default();
    let all = LabelRequest { tenant: &tenant, matcher_sets: &[], range: TimeRange::ALL, limit: 0, memory: None };
    assert_eq!(store.label_values("instance", &all).unwrap(), ["new"]);
    // It may come back, under a new id.
    append_one(&store, &labels("up", "old"), NOW + 25 * 3_600_000, 2.0);
    append_one(&store, &labels("up", "old"), NOW + 25 * 3_600_000 + 1, 3.0);
    drop(store);
    // Both definitions are on disk; the later one must be carried on by the flush after the restart.
    for _ in 0..3 {
        let (store, _) = open_at(&disk, options(), clock.clone());
        let expected = [(NOW + 25 * 3_600_000, 2.0), (NOW + 25 * 3_600_000 + 1, 3.0)];
        assert_eq!(read_one(&store, &labels("up", "old")), expected);
        store.flush().unwrap();
    }
}

#[test]
fn a_closed_store_refuses_samples_and_serves_queries() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    append_one(&store, &labels("up", "a"), NOW, 1.0);
    store.close().unwrap();
    assert!(store.close().is_err());
    let refused = append(&store, WriteBatch::default());
    assert!(matches!(refused, Err(model::AppendError::Closed)));
    assert_eq!(read_one(&store, &labels("up", "a")), [(NOW, 1.0)]);
    let (_, report) = open(&disk, options());
    assert_eq!((report.replayed_samples, report.series), (0, 1));
    drop(store.append(WriteBatch::default()));
}

#[test]
fn its_numbers_are_exposed_under_known_names() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    append_one(&store, &labels("up", "a"), NOW, 1.0);
    let mut registry = prometheus_client::registry::Registry::default();
    store.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "prometheus_tsdb_head_series 1.0",
        "prometheus_tsdb_head_chunks 1.0",
        "prometheus_tsdb_head_samples_appended_total 1",
        "prometheus_tsdb_out_of_order_samples_total 0",
        "afferent_metrics_samples_rejected_total{reason=\"too_old\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}
