//! Requests of both versions, what is stored of them, and what is answered.

use std::sync::Arc;

use model::{
    BucketSpan as Span, CounterResetHint, FloatHistogram, Labels, MetricType, STALE_NAN_BITS, SampleValue, Tenant,
    Timestamp,
};
use prost::Message;

use super::memory_sink::{NEWEST, Receiver, written};
use super::proto::{
    BucketSpan, Exemplar, ExemplarV2, Histogram, MetadataV2, MetricMetadata, RequestV2, Sample, TimeSeries,
    TimeSeriesV2, V1, V2, WriteRequest, labels, post_v1, post_v2, raw_post, sample, series, snappy,
};

pub(super) const UP: &[(&str, &str)] = &[("__name__", "up"), ("job", "a")];

pub(super) fn v1(timeseries: Vec<TimeSeries>) -> WriteRequest {
    WriteRequest { timeseries, metadata: Vec::new() }
}

fn int_histogram(timestamp: i64) -> Histogram {
    Histogram {
        count_int: Some(27),
        sum: 18.4,
        schema: 1,
        zero_threshold: 0.001,
        zero_count_int: Some(1),
        positive_spans: vec![BucketSpan { offset: 0, length: 3 }, BucketSpan { offset: 2, length: 2 }],
        positive_deltas: vec![1, 2, 1, 3, 1],
        negative_spans: vec![BucketSpan { offset: -3, length: 2 }],
        negative_deltas: vec![1, 1],
        reset_hint: 2,
        timestamp,
        ..Histogram::default()
    }
}

#[tokio::test]
async fn floats_of_version_1_are_stored_bit_by_bit() {
    let receiver = Receiver::new();
    let values = [1.5, -1e-320, f64::INFINITY, f64::from_bits(STALE_NAN_BITS), f64::from_bits(0x7ff8_0000_0000_0001)];
    let samples: Vec<(i64, f64)> = values.iter().enumerate().map(|(i, v)| (10_000 + i as i64, *v)).collect();
    let answer = receiver.send(post_v1(&v1(vec![series(UP, &samples)]))).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    assert_eq!(written(&answer), [None; 3]);
    let stored = receiver.sink.floats();
    assert_eq!(stored.len(), values.len());
    for ((labels, time, value), (expected_time, expected)) in stored.iter().zip(&samples) {
        assert_eq!(
            (labels.as_str(), time, value.to_bits()),
            (r#"{__name__="up", job="a"}"#, expected_time, expected.to_bits())
        );
    }
}

#[tokio::test]
async fn version_2_stores_everything_it_can_carry() {
    let receiver = Receiver::new();
    let mut message = RequestV2::new();
    let (help, unit) = (message.symbol("Requests."), message.symbol("seconds"));
    let trace = message.refs(&[("trace_id", "abc")]);
    let one = message.add(&[("__name__", "a_total"), ("x", "1")], &[]);
    one.samples = vec![Sample { value: 3.0, timestamp: 20_000, start_timestamp: 5_000 }, sample(21_000, 4.0)];
    one.exemplars = vec![ExemplarV2 { labels_refs: trace, value: 0.7, timestamp: 20_500 }];
    one.metadata = Some(MetadataV2 { r#type: 1, help_ref: help, unit_ref: 0 });
    let two = message.add(&[("__name__", "h_bucket"), ("le", "1")], &[(20_000, 1.0)]);
    two.metadata = Some(MetadataV2 { r#type: 3, help_ref: 0, unit_ref: unit });
    two.created_timestamp = 7_000;
    let three = message.add(&[("__name__", "native")], &[]);
    three.histograms = vec![Histogram { start_timestamp: 6_000, ..int_histogram(20_000) }];

    let answer = receiver.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (204, [Some(3), Some(1), Some(1)]), "{}", answer.text());
    let stored = receiver.sink.samples();
    let starts: Vec<Option<i64>> = stored.iter().map(|s| s.sample.start_timestamp.map(Timestamp::ms)).collect();
    assert_eq!(starts, [Some(5_000), None, Some(7_000), Some(6_000)]);
    let exemplar = &stored[1].exemplars[0];
    assert_eq!(exemplar.labels, Labels::from_pairs([("trace_id", "abc")]));
    assert_eq!((exemplar.value, exemplar.timestamp), (0.7, Some(Timestamp(20_500))));
    let SampleValue::Histogram(native) = &stored[3].sample.value else { panic!("a histogram") };
    let expected = FloatHistogram {
        counter_reset_hint: CounterResetHint::NotCounterReset,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 1.0,
        count: 27.0,
        sum: 18.4,
        positive_spans: vec![Span { offset: 0, length: 3 }, Span { offset: 2, length: 2 }],
        negative_spans: vec![Span { offset: -3, length: 2 }],
        positive_buckets: vec![1.0, 3.0, 4.0, 7.0, 8.0],
        negative_buckets: vec![1.0, 2.0],
        custom_values: Vec::new(),
    };
    assert_eq!(**native, expected);
    let metadata: Vec<_> = receiver.sink.0.lock().metadata.clone();
    let brief: Vec<_> =
        metadata.iter().map(|(f, m)| (f.as_str(), m.metric_type, m.help.as_str(), m.unit.as_str())).collect();
    assert_eq!(brief, [("a_total", MetricType::Counter, "Requests.", ""), ("h", MetricType::Histogram, "", "seconds")]);
}

#[tokio::test]
async fn histograms_of_every_kind() {
    let receiver = Receiver::new();
    let custom = Histogram {
        count_int: Some(30),
        sum: 2.0,
        schema: -53,
        positive_spans: vec![BucketSpan { offset: 0, length: 6 }],
        positive_deltas: vec![2, 1, 2, 3, -1, -2],
        custom_values: vec![0.1, 0.5, 1.0, 2.5, 5.0, 10.0],
        timestamp: 20_000,
        ..Histogram::default()
    };
    let float = Histogram {
        count_float: Some(5.5),
        zero_count_float: Some(0.5),
        sum: f64::NAN,
        schema: 8,
        positive_spans: vec![BucketSpan { offset: -7, length: 2 }],
        positive_counts: vec![2.0, 3.0],
        reset_hint: 3,
        timestamp: 21_000,
        ..Histogram::default()
    };
    let stale = Histogram {
        count_int: Some(0),
        sum: f64::from_bits(STALE_NAN_BITS),
        timestamp: 22_000,
        ..Histogram::default()
    };
    // Two buckets of schema 9 lie in one of schema 8.
    let fine = Histogram {
        count_int: Some(7),
        schema: 9,
        sum: 1.0,
        positive_spans: vec![BucketSpan { offset: 1, length: 2 }],
        positive_deltas: vec![3, 1],
        timestamp: 23_000,
        ..Histogram::default()
    };
    let one = TimeSeries {
        labels: labels(&[("__name__", "h")]),
        histograms: vec![custom, float, stale, fine],
        ..TimeSeries::default()
    };
    let answer = receiver.send(post_v1(&v1(vec![one]))).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let stored = receiver.sink.samples();
    let histogram = |at: usize| match &stored[at].sample.value {
        SampleValue::Histogram(h) => Arc::clone(h),
        SampleValue::Float(_) => panic!("a histogram"),
    };
    assert_eq!(histogram(0).positive_buckets, [2.0, 3.0, 5.0, 8.0, 7.0, 5.0]);
    assert_eq!(histogram(0).custom_values, [0.1, 0.5, 1.0, 2.5, 5.0, 10.0]);
    assert_eq!(histogram(1).positive_buckets, [2.0, 3.0]);
    assert_eq!((histogram(1).count, histogram(1).zero_count), (5.5, 0.5));
    assert_eq!(histogram(1).counter_reset_hint, CounterResetHint::Gauge);
    assert_eq!(histogram(2).sum.to_bits(), STALE_NAN_BITS);
    assert_eq!((histogram(3).schema, histogram(3).positive_buckets.as_slice()), (8, [7.0].as_slice()));
}

#[tokio::test]
async fn histograms_that_contradict_themselves() {
    for (change, text) in [
        (
            Box::new(|h: &mut Histogram| h.count_int = Some(99)) as Box<dyn Fn(&mut Histogram)>,
            "27 observations found in buckets, but the Count field is 99",
        ),
        (
            Box::new(|h| {
                h.sum = f64::NAN;
                h.count_int = Some(3)
            }),
            "should be at least the number of observations",
        ),
        (Box::new(|h| h.positive_deltas[0] = -5), "observation count of -5"),
        (Box::new(|h| h.positive_deltas = vec![i64::MAX, 1, 0, 0, 0]), "bucket number 2: the deltas overflow"),
        (Box::new(|h| h.positive_spans[0].length = u32::MAX), "the spans lead to bucket 4294967295"),
        (Box::new(|h| h.positive_spans[0].length = 4), "spans need 6 buckets, have 5"),
        (Box::new(|h| h.positive_spans[1].offset = -1), "span number 2 with offset -1"),
        (Box::new(|h| h.schema = 53), "got schema 53"),
        (Box::new(|h| h.schema = -9), "got schema -9"),
        (Box::new(|h| h.custom_values = vec![1.0]), "must not have custom bounds"),
        (Box::new(|h| h.positive_counts = vec![1.0]), "both integer and float counts"),
    ] {
        let receiver = Receiver::new();
        let mut message = RequestV2::new();
        message.add(UP, &[(20_000, 1.0)]);
        let bad = message.add(&[("__name__", "h")], &[]);
        bad.histograms = vec![int_histogram(20_000), int_histogram(21_000)];
        change(&mut bad.histograms[0]);
        let answer = receiver.send(post_v2(&message)).await;
        let body = answer.text();
        assert_eq!((answer.status.as_u16(), written(&answer)), (400, [Some(1), Some(1), Some(0)]), "{body}");
        assert!(body.contains(text) && body.contains(r#"for series {__name__="h"}"#), "{text}: {body}");
        assert!(body.starts_with("1 of 3 samples could not be stored, the others were: invalid histogram (1 samples)"));
    }
}

#[tokio::test]
async fn labels_may_come_in_any_order_but_must_be_a_set_with_a_name() {
    let shuffled: &[(&str, &str)] = &[("job", "a"), ("__name__", "up"), ("empty", "")];
    for (pairs, text) in [
        (&[("job", "a")] as &[(&str, &str)], "there is no metric name for series {job=\"a\"}"),
        (&[("__name__", ""), ("job", "a")], "there is no metric name"),
        (&[], "there is no metric name for series {}"),
        (&[("__name__", "up"), ("", "a")], "a label name is empty"),
        (&[("__name__", "up"), ("job", "a"), ("job", "b")], "label name \"job\" occurs more than once"),
    ] {
        let samples = [(20_000, 1.0), (21_000, 2.0)];
        let one = Receiver::new();
        let answer = one.send(post_v1(&v1(vec![series(pairs, &samples), series(shuffled, &samples)]))).await;
        let body = answer.text();
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            body.starts_with("2 of 4 samples could not be stored, the others were: invalid metric name or labels (2 s")
        );
        assert!(body.contains(text) && body.ends_with('\n'), "{body}");

        let two = Receiver::new();
        let mut message = RequestV2::new();
        message.add(pairs, &samples);
        message.add(shuffled, &samples);
        let answer = two.send(post_v2(&message)).await;
        assert_eq!((answer.status.as_u16(), written(&answer)), (400, [Some(2), Some(0), Some(0)]));
        assert_eq!(answer.text(), body);
        for receiver in [one, two] {
            assert_eq!(receiver.sink.floats()[0].0, r#"{__name__="up", job="a"}"#);
            assert_eq!(receiver.sink.floats().len(), 2);
        }
    }
}

#[tokio::test]
async fn labels_that_are_not_utf8() {
    let receiver = Receiver::new();
    let mut bytes = v1(vec![series(&[("__name__", "QQQ")], &[(20_000, 1.0)])]).encode_to_vec();
    let at = bytes.windows(3).position(|w| w == b"QQQ").unwrap();
    bytes[at] = 0xff;
    let answer = receiver.send(raw_post(V1, snappy(&bytes))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("a label name or value is not valid UTF-8 for series {__name__=\"\u{fffd}QQ\"}"));
}

#[tokio::test]
async fn references_outside_of_the_symbols_table() {
    let receiver = Receiver::new();
    let mut message = RequestV2::new();
    message.add(UP, &[(20_000, 1.0)]);
    for labels_refs in [vec![1, 99], vec![1, 2, 3], vec![u32::MAX, 1]] {
        message.timeseries.push(TimeSeriesV2 {
            labels_refs,
            samples: vec![sample(1_000, 1.0)],
            ..TimeSeriesV2::default()
        });
    }
    message.add(UP, &[(21_000, 1.0)]).metadata = Some(MetadataV2 { r#type: 1, help_ref: 70, unit_ref: 0 });
    let bad_exemplar = message.add(UP, &[(22_000, 1.0)]);
    bad_exemplar.exemplars = vec![ExemplarV2 { labels_refs: vec![50, 51], value: 1.0, timestamp: 0 }];
    let answer = receiver.send(post_v2(&message)).await;
    let body = answer.text();
    assert_eq!((answer.status.as_u16(), written(&answer)), (400, [Some(3), Some(0), Some(0)]), "{body}");
    for text in [
        "3 of 6 samples could not be stored",
        "labels_refs 1 (name) = 99 (value) outside of symbols table (size 5)",
        "invalid metadata (1 metadata), first: metadata help_ref 70 outside of symbols table (size 5) for series",
        "invalid exemplar labels (1 exemplars), first: labels_refs 50 (name) = 51 (value) outside of symbols table",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert_eq!(body.lines().count(), 1);
}

#[tokio::test]
async fn the_symbols_table_starts_with_the_empty_string() {
    let receiver = Receiver::new();
    let mut message = RequestV2::new();
    message.add(UP, &[(20_000, 1.0)]);
    message.symbols[0] = "x".to_owned();
    let answer = receiver.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (400, [Some(0); 3]));
    assert!(answer.text().contains("the first entry of the symbols table must be the empty string"));
    message.symbols.clear();
    assert_eq!(receiver.send(post_v2(&message)).await.status, 400);
    assert!(receiver.sink.samples().is_empty());
    assert_eq!(receiver.send(post_v2(&RequestV2::default())).await.status, 204);
    assert_eq!(receiver.send(post_v1(&v1(Vec::new()))).await.status, 204);
}

#[tokio::test]
async fn what_the_store_refuses_is_counted_by_reason() {
    let receiver = Receiver::new();
    let mut message = RequestV2::new();
    message.add(
        UP,
        &[(20_000, 1.0), (19_000, 1.0), (20_000, 2.0), (18_000, 1.0), (NEWEST + 1, 1.0), (999, 1.0), (21_000, 1.0)],
    );
    let native = message.add(&[("__name__", "h")], &[]);
    native.histograms = vec![int_histogram(20_000), int_histogram(10_000)];
    let answer = receiver.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (400, [Some(2), Some(1), Some(0)]));
    let series = r#"{__name__="up", job="a"}"#;
    assert_eq!(
        answer.text(),
        format!(
            "6 of 9 samples could not be stored, the others were: out of order sample (3 samples), first: {series}; \
             duplicate sample for timestamp (1 samples), first: {series}; \
             out of bounds: timestamp is too far in the future (1 samples), first: {series}; \
             out of bounds: timestamp is too old (1 samples), first: {series}\n"
        )
    );
    let mut registry = prometheus_client::registry::Registry::default();
    receiver.receiver.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "afferent_remote_write_written_total{version=\"io.prometheus.write.v2.Request\",kind=\"float\"} 2\n",
        "afferent_remote_write_written_total{version=\"io.prometheus.write.v2.Request\",kind=\"histogram\"} 1\n",
        "afferent_remote_write_rejected_samples_total{reason=\"out of order sample\"} 3\n",
        "afferent_remote_write_cached_series 2\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[tokio::test]
async fn a_known_series_goes_to_the_store_without_labels() {
    let receiver = Receiver::new();
    let others: &[(&str, &str)] = &[("__name__", "up"), ("job", "b")];
    for (round, sent) in [(0, 2), (1, 0), (2, 0)] {
        let time = 20_000 + round * 1000;
        let message = v1(vec![series(UP, &[(time, 1.0)]), series(others, &[(time, 2.0)])]);
        assert_eq!(receiver.send(post_v1(&message)).await.status, 204);
        assert_eq!(receiver.sink.0.lock().batches.last(), Some(&(2, sent)));
    }
    // In version 2 the same texts have other places in each request.
    for (round, sent) in [(3, 2), (4, 0), (5, 0)] {
        let mut message = RequestV2::new();
        for n in 0..round {
            message.symbol(&format!("shift {n}"));
        }
        message.add(others, &[(20_000 + round * 1000, 2.0)]);
        message.add(UP, &[(20_000 + round * 1000, 1.0)]);
        assert_eq!(receiver.send(post_v2(&message)).await.status, 204);
        assert_eq!(receiver.sink.0.lock().batches.last(), Some(&(2, sent)));
    }
    let stored = receiver.sink.floats();
    assert_eq!(stored.len(), 12);
    assert!(stored.iter().all(|(labels, _, value)| labels.contains("job=\"b\"") == (*value == 2.0)));
}

#[tokio::test]
async fn references_that_the_store_forgot_are_replaced_within_the_request() {
    let receiver = Receiver::new();
    let mut message = RequestV2::new();
    message.add(UP, &[(20_000, 1.0)]);
    message.add(&[("__name__", "h")], &[]).histograms = vec![int_histogram(20_000)];
    assert_eq!(receiver.send(post_v2(&message)).await.status, 204);
    receiver.sink.forget_references();
    let trace = message.refs(&[("trace_id", "abc")]);
    message.timeseries[0].samples = vec![sample(21_000, 2.0), sample(22_000, 3.0)];
    message.timeseries[0].exemplars = vec![ExemplarV2 { labels_refs: trace, value: 1.0, timestamp: 0 }];
    message.timeseries[1].histograms = vec![int_histogram(21_000)];
    message.add(&[("__name__", "new")], &[(21_000, 1.0)]);
    let answer = receiver.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (204, [Some(3), Some(1), Some(1)]), "{}", answer.text());
    let kept = receiver.sink.0.lock();
    assert_eq!(kept.batches[1..], [(4, 1), (3, 3)]);
    assert_eq!(kept.samples.len(), 6);
    assert_eq!(kept.samples.iter().map(|s| s.exemplars.len()).sum::<usize>(), 1);
}

#[tokio::test]
async fn tenants_are_kept_apart() {
    let receiver = Receiver::new();
    for tenant in ["one", "two"] {
        let mut request = post_v1(&v1(vec![series(UP, &[(20_000, 1.0)])]));
        request.headers_mut().insert("x-scope-orgid", tenant.parse().unwrap());
        assert_eq!(receiver.send(request).await.status, 204);
    }
    assert_eq!(receiver.send(post_v1(&v1(vec![series(UP, &[(20_000, 1.0)])]))).await.status, 204);
    let tenants: Vec<Tenant> = receiver.sink.samples().into_iter().map(|s| s.tenant).collect();
    assert_eq!(tenants, [Tenant::new("one").unwrap(), Tenant::new("two").unwrap(), Tenant::default()]);
    assert_eq!(receiver.sink.0.lock().batches, [(1, 1); 3]);
    let mut request = post_v1(&v1(Vec::new()));
    request.headers_mut().insert("x-scope-orgid", "..".parse().unwrap());
    assert_eq!(receiver.send(request).await.status, 400);
}

#[tokio::test]
async fn metadata_is_handed_on_once() {
    let receiver = Receiver::new();
    let family = |help: &str| MetricMetadata {
        r#type: 2,
        metric_family_name: "temperature".to_owned(),
        help: help.to_owned(),
        unit: "celsius".to_owned(),
    };
    for help in ["Warm.", "Warm.", "Cold."] {
        let message = WriteRequest { timeseries: Vec::new(), metadata: vec![family(help), MetricMetadata::default()] };
        assert_eq!(receiver.send(post_v1(&message)).await.status, 204);
    }
    let mut message = RequestV2::new();
    for (job, help) in [("a", "Cold."), ("b", "Cold."), ("b", "Hot.")] {
        let (help_ref, unit_ref) = (message.symbol(help), message.symbol("celsius"));
        let one = message.add(&[("__name__", "temperature"), ("job", job)], &[(20_000, 1.0)]);
        one.metadata = Some(MetadataV2 { r#type: 2, help_ref, unit_ref });
    }
    assert_eq!(receiver.send(post_v2(&message)).await.status, 204);
    let helps: Vec<String> = receiver.sink.0.lock().metadata.iter().map(|(_, m)| m.help.clone()).collect();
    assert_eq!(helps, ["Warm.", "Cold.", "Hot."]);
}

/// Prometheus sends each exemplar in a series message of its own.
#[tokio::test]
async fn exemplars_find_the_sample_of_their_series() {
    let exemplar = Exemplar { labels: labels(&[("trace_id", "t1")]), value: 0.5, timestamp: 20_000 };
    let alone = TimeSeries { labels: labels(UP), exemplars: vec![exemplar], ..TimeSeries::default() };
    let one = Receiver::new();
    let answer = one.send(post_v1(&v1(vec![series(UP, &[(20_000, 1.0)]), alone.clone()]))).await;
    assert_eq!(answer.status, 204);
    assert_eq!(one.sink.samples()[0].exemplars.len(), 1);
    // Prometheus' receiver of 1.0 passes over exemplars that it cannot store.
    assert_eq!(one.send(post_v1(&v1(vec![alone]))).await.status, 204);

    let two = Receiver::new();
    let mut message = RequestV2::new();
    let trace = message.refs(&[("trace_id", "t1")]);
    message.add(UP, &[]).exemplars = vec![ExemplarV2 { labels_refs: trace, value: 0.5, timestamp: 20_000 }];
    let answer = two.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (400, [Some(0); 3]));
    assert!(answer.text().contains("exemplar without a sample of its series in the same request (1 exemplars)"));
    message.add(UP, &[(20_000, 1.0)]);
    let answer = two.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (204, [Some(1), Some(0), Some(1)]));
}

#[tokio::test]
async fn a_series_of_version_2_needs_a_sample() {
    let receiver = Receiver::new();
    let mut message = RequestV2::new();
    message.add(UP, &[]);
    message.add(UP, &[(20_000, 1.0)]);
    let answer = receiver.send(post_v2(&message)).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (400, [Some(1), Some(0), Some(0)]));
    assert!(answer.text().contains(
        r#"TimeSeries must contain at least one sample or histogram (0 samples), first: {__name__="up", job="a"}"#
    ));
    assert_eq!(receiver.send(post_v1(&v1(vec![series(UP, &[])]))).await.status, 204);
}

#[tokio::test]
async fn fields_may_come_in_any_order() {
    // Samples before labels, labels in two places, numbers unpacked: all of it is valid protobuf.
    let receiver = Receiver::new();
    let name = TimeSeries { labels: labels(&[("__name__", "up")]), ..TimeSeries::default() }.encode_to_vec();
    let job = TimeSeries { labels: labels(&[("job", "a")]), ..TimeSeries::default() }.encode_to_vec();
    let value = TimeSeries { samples: vec![sample(20_000, 1.0)], ..TimeSeries::default() }.encode_to_vec();
    let message = |parts: [&[u8]; 3], field: u8| {
        let body = parts.concat();
        [&[field << 3 | 2, body.len() as u8], body.as_slice()].concat()
    };
    for parts in [[value.as_slice(), &name, &job], [&name, &value, &job]] {
        assert_eq!(receiver.send(raw_post(V1, snappy(&message(parts, 1)))).await.status, 204);
    }
    let symbols = RequestV2 { symbols: vec![String::new(), "__name__".into(), "up".into()], timeseries: Vec::new() };
    let unpacked = message([&[8, 1], &value, &[8, 2]], 5);
    let answer = receiver.send(raw_post(V2, snappy(&[unpacked, symbols.encode_to_vec()].concat()))).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (204, [Some(1), Some(0), Some(0)]));
    let names: Vec<String> = receiver.sink.floats().into_iter().map(|f| f.0).collect();
    assert_eq!(names, [r#"{__name__="up", job="a"}"#, r#"{__name__="up", job="a"}"#, r#"{__name__="up"}"#]);
}
