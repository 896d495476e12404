//! Random damage to valid requests: whatever arrives is answered, with 204 or 400, soon, and never by a panic.

use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::memory_sink::Receiver;
use super::proto::{
    BucketSpan, Exemplar, ExemplarV2, Histogram, MetadataV2, MetricMetadata, RequestV2, Sample, TimeSeries, V1, V2,
    WriteRequest, labels, raw_post, sample, snappy,
};

const ROUNDS: usize = 3_000;

fn histogram(rng: &mut StdRng, now: i64) -> Histogram {
    let buckets = rng.random_range(0..6_u32);
    let counts = || (0..buckets).map(f64::from).collect::<Vec<_>>();
    let mut histogram = Histogram {
        schema: [-53, -4, 0, 8, 9, 52][rng.random_range(0..6)],
        sum: rng.random(),
        positive_spans: vec![BucketSpan { offset: rng.random_range(-9..9), length: buckets }],
        timestamp: now + rng.random_range(0..100),
        reset_hint: rng.random_range(0..5),
        start_timestamp: rng.random_range(0..3),
        ..Histogram::default()
    };
    if histogram.schema == -53 {
        histogram.custom_values = counts();
    }
    if rng.random() {
        histogram.count_float = Some(20.0);
        histogram.positive_counts = counts();
    } else {
        histogram.positive_deltas = vec![1; buckets as usize];
        histogram.count_int = Some((1..=u64::from(buckets)).sum());
    }
    histogram
}

fn sample_of(rng: &mut StdRng, now: i64) -> Sample {
    Sample {
        start_timestamp: rng.random_range(0..2),
        ..sample(now + rng.random_range(0..100), f64::from_bits(rng.random()))
    }
}

fn message_v1(rng: &mut StdRng, now: i64) -> Vec<u8> {
    let one = |rng: &mut StdRng| TimeSeries {
        labels: labels(&[("__name__", "up"), ("n", &rng.random_range(0..9).to_string())]),
        samples: (0..rng.random_range(0..3)).map(|_| sample_of(rng, now)).collect(),
        exemplars: vec![Exemplar { labels: labels(&[("t", "1")]), value: 1.0, timestamp: 5 }],
        histograms: (0..rng.random_range(0..2)).map(|_| histogram(rng, now)).collect(),
    };
    let family = MetricMetadata { r#type: 1, metric_family_name: "up".into(), help: "h".into(), unit: "s".into() };
    WriteRequest { timeseries: (0..4).map(|_| one(rng)).collect(), metadata: vec![family] }.encode_to_vec()
}

fn message_v2(rng: &mut StdRng, now: i64) -> Vec<u8> {
    let mut message = RequestV2::new();
    for _ in 0..4 {
        let n = rng.random_range(0..9).to_string();
        let trace = message.refs(&[("t", "1")]);
        let help_ref = message.symbol("help");
        let one = message.add(&[("__name__", "up"), ("n", &n)], &[]);
        one.samples = (0..rng.random_range(0..3)).map(|_| sample_of(rng, now)).collect();
        one.histograms = (0..rng.random_range(0..2)).map(|_| histogram(rng, now)).collect();
        one.exemplars = vec![ExemplarV2 { labels_refs: trace, value: 1.0, timestamp: 5 }];
        one.metadata = Some(MetadataV2 { r#type: rng.random_range(0..9), help_ref, unit_ref: 0 });
        one.created_timestamp = rng.random_range(0..2);
    }
    message.encode_to_vec()
}

fn damage(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, [0, 0x7f, 0x80, 0xff][rng.random_range(0..4)]),
            4 => drop(bytes.remove(at)),
            _ => {
                let end = (at + rng.random_range(1..40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
        }
    }
}

#[tokio::test]
async fn damaged_messages() {
    let mut rng = StdRng::seed_from_u64(0x5eed);
    let receiver = Receiver::new();
    let mut refused = 0;
    for round in 0..ROUNDS {
        let now = 10_000 + 100 * round as i64;
        let (content_type, mut message) =
            if rng.random() { (V1, message_v1(&mut rng, now)) } else { (V2, message_v2(&mut rng, now)) };
        damage(&mut message, &mut rng);
        let answer = receiver.send(raw_post(content_type, snappy(&message))).await;
        match answer.status.as_u16() {
            204 => {}
            400 => refused += 1,
            other => panic!("{other} in round {round}: {}", answer.text()),
        }
        if round % 100 == 0 {
            receiver.sink.forget_references();
        }
    }
    let stored = receiver.sink.samples().len();
    assert!(stored > ROUNDS / 10 && refused > ROUNDS / 4, "{stored} {refused}");
}

#[tokio::test]
async fn damaged_compression() {
    let mut rng = StdRng::seed_from_u64(7);
    let receiver = Receiver::new();
    for round in 0..ROUNDS {
        let mut body = snappy(&message_v2(&mut rng, 10_000 + round as i64));
        damage(&mut body, &mut rng);
        let status = receiver.send(raw_post(V2, body)).await.status.as_u16();
        assert!([204, 400].contains(&status), "{status} in round {round}");
    }
}

#[tokio::test]
async fn noise() {
    let mut rng = StdRng::seed_from_u64(11);
    let receiver = Receiver::new();
    for _ in 0..ROUNDS {
        let mut message = vec![0; rng.random_range(0..300)];
        rng.fill_bytes(&mut message);
        let content_type = if rng.random() { V1 } else { V2 };
        let status = receiver.send(raw_post(content_type, snappy(&message))).await.status.as_u16();
        assert!([204, 400].contains(&status));
    }
}
