//! Sending to receivers that are well, ill, slow, away, and of the wrong version.

#![allow(clippy::unwrap_used)] // the lint knows test functions, but not their helpers

mod receiver;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{Environment, PrometheusConfig};
use model::{
    AppendFuture, AppendReport, Exemplar, Labels, Metadata, MetricType, Sample, SampleSink, SeriesRef, SystemClock,
    Tenant, Timestamp, WriteBatch, WriteRow,
};
use prometheus_client::registry::Registry;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use remote::{Forwarding, Senders, SendersOptions};

use receiver::{Answer, Receiver};

/// Takes everything but series called `refused`.
struct Store;

impl SampleSink for Store {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        let refs = batch.rows.iter().map(|row| (row.labels.metric_name() != "refused").then_some(SeriesRef(1)));
        let report = AppendReport { refs: refs.collect(), ..AppendReport::default() };
        Box::pin(async move { Ok(report) })
    }
}

fn config(text: &str) -> PrometheusConfig {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("prometheus.yml");
    std::fs::write(&file, text).unwrap();
    config::load(&file, &Environment::default()).unwrap().config
}

struct Line {
    senders: Arc<Senders>,
    sink: Forwarding,
    registry: Registry,
}

impl Line {
    fn open(dir: &Path, text: &str) -> Line {
        let options = SendersOptions { dir: dir.to_owned(), most_bytes: 1 << 30 };
        let metadata = |_: &Tenant, _: Option<&str>| {
            let about = Metadata { metric_type: MetricType::Counter, help: "Help.".into(), unit: "s".into() };
            vec![("m".to_owned(), about)]
        };
        let senders = Senders::new(options, Arc::new(SystemClock), Arc::new(metadata));
        let mut registry = Registry::default();
        senders.register(&mut registry);
        senders.apply(&config(text)).unwrap();
        let known =
            Arc::new(|_: &Tenant, _: SeriesRef| Some(Labels::from_pairs([("__name__", "m"), ("known", "yes")])));
        let sink = Forwarding::new(Arc::new(Store), senders.clone(), known);
        Line { senders, sink, registry }
    }

    async fn write(&self, rows: &[(&str, i64, f64)]) {
        let mut batch = WriteBatch::default();
        for (name, t, value) in rows {
            batch.push(
                Labels::from_pairs([("__name__", *name), ("b", "2")]),
                None,
                Sample::float(Timestamp(*t), *value),
            );
        }
        self.sink.append(batch).await.unwrap();
    }

    fn metric(&self, line: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let mut values =
            text.lines().filter(|l| l.starts_with(line)).map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
        values.next().unwrap_or(0.0)
    }
}

fn section(receiver: &Receiver, more: &str) -> String {
    format!(
        "global: {{external_labels: {{site: x}}}}\nremote_write:\n- url: http://{}/write\n  name: r\n  metadata_config: {{send: false}}\n  queue_config: {{batch_send_deadline: 20ms, min_backoff: 5ms, max_backoff: 20ms{more}}}\n",
        receiver.address
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_as_its_specification_has_it() {
    let receiver = Receiver::start(Vec::new()).await;
    let dir = tempfile::tempdir().unwrap();
    let rules = "  write_relabel_configs:\n  - {source_labels: [__name__], regex: dropped, action: drop}\n";
    let line = Line::open(dir.path(), &(section(&receiver, "") + rules));
    line.write(&[("m", 1000, 1.5), ("dropped", 1000, 2.0), ("refused", 1000, 3.0)]).await;
    let hinted = WriteRow {
        labels: Labels::empty(),
        hint: Some(SeriesRef(1)),
        sample: Sample::float(Timestamp(1000), f64::from_bits(model::STALE_NAN_BITS)),
        exemplars: vec![Exemplar { labels: Labels::empty(), value: 1.0, timestamp: None }],
    };
    let batch = WriteBatch { rows: vec![hinted], ..WriteBatch::default() };
    line.sink.append(batch).await.unwrap();
    let requests = receiver.wait_for_samples(2).await;
    for request in &requests {
        assert_eq!(request.header("content-type"), "application/x-protobuf");
        assert_eq!(request.header("content-encoding"), "snappy");
        assert_eq!(request.header("x-prometheus-remote-write-version"), "0.1.0");
        assert!(request.header("user-agent").starts_with("Afferent/"));
        assert_eq!(request.exemplars, 0, "exemplars are off by default");
    }
    let samples: Vec<_> = requests.into_iter().flat_map(|r| r.samples).collect();
    assert_eq!(samples[0], ("{__name__=\"m\", b=\"2\", site=\"x\"}".to_owned(), 1000, 1.5_f64.to_bits()));
    assert_eq!(samples[1], ("{__name__=\"m\", known=\"yes\", site=\"x\"}".to_owned(), 1000, model::STALE_NAN_BITS));
    assert_eq!(line.metric("prometheus_remote_storage_samples_dropped_total{remote_name=\"r\""), 1.0);
    assert_eq!(line.metric("prometheus_remote_storage_samples_in_total"), 3.0);
    line.senders.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2_says_what_was_written_or_is_not_believed() {
    let receiver = Receiver::start(vec![Answer::Unconfirmed]).await;
    let dir = tempfile::tempdir().unwrap();
    let more = "  protobuf_message: io.prometheus.write.v2.Request\n  send_exemplars: true\n";
    let line = Line::open(dir.path(), &(section(&receiver, "") + more));
    line.write(&[("m", 1000, 1.0)]).await;
    let first = receiver.wait_for_samples(1).await.remove(0);
    assert_eq!(first.header("content-type"), "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    assert_eq!(first.header("x-prometheus-remote-write-version"), "2.0.0");
    assert_eq!(first.families, ["m counter Help. s"]);
    line.write(&[("m", 2000, 2.0)]).await;
    receiver.wait_for_samples(2).await;
    line.senders.close().await;
    assert_eq!(line.metric("prometheus_remote_storage_samples_failed_total"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_errors_are_tried_again_and_client_errors_are_not() {
    let answers = vec![
        Answer::Status(500, None),
        Answer::Status(503, Some("0")),
        Answer::Ok,
        Answer::Status(400, None),
        Answer::Status(429, None),
    ];
    let receiver = Receiver::start(answers).await;
    let dir = tempfile::tempdir().unwrap();
    let line = Line::open(dir.path(), &section(&receiver, ""));
    for i in 0..4 {
        line.write(&[("m", 1000 + i, i as f64)]).await;
        receiver.wait_for_requests([3, 4, 5, 6][i as usize]).await;
    }
    assert_eq!(receiver.taken(), [(1000, 0.0), (1003, 3.0)], "400 and, unless it is wished, 429 are final");
    line.senders.close().await;
    assert_eq!(line.metric("prometheus_remote_storage_samples_failed_total"), 2.0);
    assert_eq!(line.metric("prometheus_remote_storage_samples_retried_total"), 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_and_a_restart_lose_nothing() {
    let receiver = Receiver::start(vec![Answer::Status(500, None); 100_000]).await;
    let dir = tempfile::tempdir().unwrap();
    let text = section(&receiver, ", min_shards: 2, max_samples_per_send: 7");
    for round in 0..3 {
        let line = Line::open(dir.path(), &text);
        for i in 0..50 {
            let rows: Vec<(&str, i64, f64)> =
                ["a", "b", "c"].iter().map(|n| (*n, round * 1000 + i, i as f64)).collect();
            line.write(&rows).await;
        }
        if round == 1 {
            receiver.wait_for_requests(3).await;
        }
        line.senders.close().await;
    }
    receiver.answer(Vec::new());
    let line = Line::open(dir.path(), &text);
    receiver.wait_for_samples(450).await;
    line.senders.close().await;
    let mut seen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for request in receiver.requests().iter().filter(|r| r.was_taken) {
        for (labels, t, _) in &request.samples {
            seen.entry(labels.clone()).or_default().push(*t);
        }
    }
    let expected: Vec<i64> = (0..3).flat_map(|round| (0..50).map(move |i| round * 1000 + i)).collect();
    assert_eq!(seen.len(), 3);
    for times in seen.values() {
        assert_eq!(*times, expected, "each once and in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_through_failures_shards_and_reloads() {
    let mut rng = StdRng::seed_from_u64(11);
    let answers = (0..400).map(|_| if rng.random_bool(0.3) { Answer::Status(503, None) } else { Answer::Ok }).collect();
    let receiver = Receiver::start(answers).await;
    let dir = tempfile::tempdir().unwrap();
    let line = Line::open(dir.path(), &section(&receiver, ", max_shards: 4, max_samples_per_send: 5"));
    let names: Vec<String> = (0..9).map(|n| format!("m{n}")).collect();
    for t in 0..200 {
        let rows: Vec<(&str, i64, f64)> = names.iter().map(|n| (n.as_str(), t, 0.0)).collect();
        line.write(&rows).await;
        if t == 100 {
            let changed = section(&receiver, ", max_shards: 3, max_samples_per_send: 6");
            line.senders.apply(&config(&changed)).unwrap();
        }
    }
    receiver.wait_for_samples(1800).await;
    line.senders.close().await;
    let mut seen: BTreeMap<String, BTreeMap<i64, u32>> = BTreeMap::new();
    for request in receiver.requests().iter().filter(|r| r.was_taken) {
        for (labels, t, _) in &request.samples {
            *seen.entry(labels.clone()).or_default().entry(*t).or_default() += 1;
        }
    }
    for times in seen.values() {
        assert_eq!(times.keys().copied().collect::<Vec<_>>(), (0..200).collect::<Vec<_>>(), "all are there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_receiver_begins_with_what_comes_in_and_one_that_is_gone_keeps_nothing() {
    let first = Receiver::start(Vec::new()).await;
    let dir = tempfile::tempdir().unwrap();
    let line = Line::open(dir.path(), &section(&first, ""));
    line.write(&[("m", 1, 1.0)]).await;
    first.wait_for_samples(1).await;
    let second = Receiver::start(Vec::new()).await;
    line.senders.apply(&config(&section(&second, "").replace("name: r", "name: other"))).unwrap();
    line.write(&[("m", 2, 2.0)]).await;
    second.wait_for_samples(1).await;
    assert_eq!((first.taken(), second.taken()), (vec![(1, 1.0)], vec![(2, 2.0)]));
    line.senders.apply(&PrometheusConfig::default()).unwrap();
    line.write(&[("m", 3, 3.0)]).await;
    tokio::time::timeout(Duration::from_secs(5), line.senders.close()).await.unwrap();
    assert_eq!(second.taken(), [(2, 2.0)]);
    let left = std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "position"));
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_position_sends_again_and_leaves_nothing_out() {
    let receiver = Receiver::start(Vec::new()).await;
    let dir = tempfile::tempdir().unwrap();
    let text = section(&receiver, "");
    let line = Line::open(dir.path(), &text);
    line.write(&[("m", 1, 1.0)]).await;
    receiver.wait_for_samples(1).await;
    line.senders.close().await;
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
    let position = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "position")).unwrap();
    std::fs::write(&position, b"{\"segm").unwrap();
    let line = Line::open(dir.path(), &text);
    line.write(&[("m", 2, 2.0)]).await;
    receiver.wait_for_samples(2).await;
    line.senders.close().await;
    assert_eq!(receiver.taken(), [(1, 1.0), (1, 1.0), (2, 2.0)]);
}
