//! Prometheus and vmagent as senders. They are found through `AFFERENT_PEERS`, a directory with `usr/bin/prometheus` and
//! `usr/bin/vmagent`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use model::{SampleValue, is_stale};
use tokio_util::sync::CancellationToken;

use super::memory_sink::{MemorySink, Receiver, Stored};

/// What the senders scrape; Prometheus makes a native histogram of the classic one.
const EXPOSITION: &str = r#"# TYPE jobs counter
# HELP jobs Jobs done.
jobs_total{queue="a"} 17 # {trace_id="4bf92f"} 1.0 1700000000.000
# TYPE lag_seconds histogram
# UNIT lag_seconds seconds
lag_seconds_bucket{le="0.1"} 2
lag_seconds_bucket{le="1.0"} 5
lag_seconds_bucket{le="+Inf"} 6
lag_seconds_sum 3.5
lag_seconds_count 6
# EOF
"#;

/// How long a sender may take to deliver what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

#[allow(clippy::print_stdout)] // one line that says why nothing is tested
fn peer(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("AFFERENT_PEERS").map(|dir| PathBuf::from(dir).join("usr/bin").join(name));
    let found = path.filter(|path| path.is_file());
    if found.is_none() {
        println!("skipped: no {name} to receive from; set AFFERENT_PEERS to a directory with usr/bin/{name}");
    }
    found
}

/// A sender that ends with this value.
struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Sender {
    #[allow(clippy::print_stdout)] // shown where a test fails
    fn start(command: &mut Command) -> Sender {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the sender starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        // Read all the way, so that the log never fills its pipe; problems show in the test's output.
        std::thread::spawn(move || {
            log.filter(|l| l.contains("level=ERROR") || l.contains("level=WARN") || l.contains("\terror\t"))
                .for_each(|line| println!("sender: {line}"));
        });
        Sender(child)
    }
}

/// A receiver and a target, each on a port of its own, until `stop`.
struct Servers {
    sink: MemorySink,
    receiver: String,
    target: String,
    /// Set to take the counter out of the target's exposition.
    is_counter_gone: Arc<AtomicBool>,
    _stop: tokio_util::sync::DropGuard,
}

async fn serve() -> Servers {
    let receiver = Receiver::new();
    let is_counter_gone = Arc::new(AtomicBool::new(false));
    let is_gone = is_counter_gone.clone();
    let expose = async move || {
        let from = if is_gone.load(Ordering::Relaxed) { EXPOSITION.find("# TYPE lag_seconds").unwrap_or(0) } else { 0 };
        ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], &EXPOSITION[from..])
    };
    let target = Router::new().route("/metrics", get(expose));
    let stop = CancellationToken::new();
    let (one, two) = (listen().await, listen().await);
    let address = |listener: &tokio::net::TcpListener| listener.local_addr().expect("an address").to_string();
    let servers = Servers {
        sink: receiver.sink.clone(),
        receiver: address(&one),
        target: address(&two),
        is_counter_gone,
        _stop: stop.clone().drop_guard(),
    };
    tokio::spawn(api::serve(vec![(one, receiver.router), (two, target)], stop, Duration::ZERO));
    servers
}

async fn listen() -> tokio::net::TcpListener {
    api::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a free port")
}

/// Waits until samples that `wanted` accepts have come.
async fn wait_for(sink: &MemorySink, what: &str, wanted: impl Fn(&Stored) -> bool) -> Stored {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            ticks.tick().await;
            if let Some(found) = sink.samples().into_iter().find(|s| wanted(s)) {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what} did not come; batches: {:?}", sink.0.lock().batches))
}

fn named(stored: &Stored, name: &str) -> bool {
    stored.labels.metric_name() == name && stored.labels.get("job") == Some("target")
}

/// The marker's bits arrive whole.
fn is_stale_counter(stored: &Stored) -> bool {
    named(stored, "jobs_total") && matches!(stored.sample.value, SampleValue::Float(v) if is_stale(v))
}

async fn prometheus_sends(message: &str, custom_buckets: bool) {
    let Some(binary) = peer("prometheus") else { return };
    let servers = serve().await;
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]}}
scrape_configs:
- job_name: target
  convert_classic_histograms_to_nhcb: {custom_buckets}
  always_scrape_classic_histograms: true
  static_configs: [{{targets: ['{}']}}]
- job_name: itself
  static_configs: [{{targets: ['127.0.0.1:{{PORT}}']}}]
remote_write:
- url: http://{}/api/v1/write
  protobuf_message: {message}
  send_exemplars: true
  send_native_histograms: true
  headers: {{X-Scope-OrgID: sender}}
  queue_config: {{batch_send_deadline: 200ms, min_backoff: 30ms}}
  metadata_config: {{send_interval: 1s}}
",
        servers.target, servers.receiver
    );
    let port = listen().await.local_addr().expect("an address").port();
    let path = dir.path().join("prometheus.yml");
    std::fs::write(&path, config.replace("{PORT}", &port.to_string())).expect("a file");
    let sender = Sender::start(
        Command::new(binary)
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--enable-feature=native-histograms,exemplar-storage,metadata-wal-records"),
    );
    let sink = &servers.sink;
    let counter = wait_for(sink, "a counter", |s| named(s, "jobs_total")).await;
    assert_eq!((counter.tenant.as_str(), counter.labels.get("queue")), ("sender", Some("a")));
    assert_eq!(counter.labels.get("instance"), Some(servers.target.as_str()));
    assert_eq!(counter.sample.value, SampleValue::Float(17.0));

    let is_custom = |s: &Stored| {
        named(s, "lag_seconds") && matches!(&s.sample.value, SampleValue::Histogram(h) if h.uses_custom_buckets())
    };
    // Prometheus 3.5 sends these without their bounds in version 1.
    if custom_buckets {
        let custom = wait_for(sink, "a histogram with custom buckets", is_custom).await;
        let SampleValue::Histogram(histogram) = &custom.sample.value else { unreachable!("asked for above") };
        assert_eq!(histogram.custom_values, [0.1, 1.0]);
        assert_eq!(histogram.positive_buckets, [2.0, 3.0, 1.0]);
    }
    let is_exponential =
        |s: &Stored| matches!(&s.sample.value, SampleValue::Histogram(h) if h.schema >= 0 && h.count > 0.0);
    wait_for(sink, "an exponential histogram", is_exponential).await;
    let with_exemplar = wait_for(sink, "an exemplar", |s| !s.exemplars.is_empty()).await;
    assert_eq!(with_exemplar.exemplars[0].labels.get("trace_id"), Some("4bf92f"));
    assert_eq!(with_exemplar.labels.metric_name(), "jobs_total");
    // Known series come without labels from their second sample on.
    let settled =
        wait_for(sink, "a later sample", |s| s.sample.timestamp.ms() > counter.sample.timestamp.ms() + 2_500).await;
    assert!(!settled.labels.is_empty());
    {
        let kept = sink.0.lock();
        let help = kept.metadata.iter().find(|(family, m)| family.starts_with("jobs") && m.help == "Jobs done.");
        assert!(help.is_some(), "{:?}", kept.metadata.iter().map(|(f, _)| f).collect::<Vec<_>>());
        assert!(kept.batches.iter().any(|(rows, with_labels)| *rows > 100 && *with_labels < *rows / 10));
    }
    servers.is_counter_gone.store(true, Ordering::Relaxed);
    wait_for(sink, "a staleness marker", is_stale_counter).await;
    // Nothing failed in the sender's own view.
    let failed = wait_for(sink, "the sender's own counters", |s| {
        s.labels.metric_name() == "prometheus_remote_storage_samples_total"
            && matches!(s.sample.value, SampleValue::Float(v) if v > 0.0)
    });
    failed.await;
    for name in ["samples_failed_total", "histograms_failed_total", "samples_retried_total"] {
        let name = format!("prometheus_remote_storage_{name}");
        let all = sink.samples();
        let mut values = all.iter().filter(|s| s.labels.metric_name() == name).map(|s| &s.sample.value);
        assert!(values.all(|value| *value == SampleValue::Float(0.0)), "{name}");
    }
    drop(sender);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_sends_version_1() {
    prometheus_sends("prometheus.WriteRequest", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_sends_version_2() {
    prometheus_sends("io.prometheus.write.v2.Request", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vmagent_sends() {
    let Some(binary) = peer("vmagent") else { return };
    let servers = serve().await;
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("scrape.yml");
    let targets = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: target\n  static_configs: [{{targets: ['{}']}}]\n",
        servers.target
    );
    std::fs::write(&config, targets).expect("a file");
    // vmagent begins with its own protocol, compressed by zstd, and falls back when that is refused.
    let sender = Sender::start(
        Command::new(binary)
            .arg(format!("-promscrape.config={}", config.display()))
            .arg(format!("-remoteWrite.url=http://{}/api/v1/write", servers.receiver))
            .arg(format!("-remoteWrite.tmpDataPath={}", dir.path().join("queue").display()))
            .arg("-remoteWrite.flushInterval=200ms")
            .arg("-httpListenAddr=127.0.0.1:0"),
    );
    let sink = &servers.sink;
    let counter = wait_for(sink, "a counter", |s| named(s, "jobs_total")).await;
    assert_eq!(counter.sample.value, SampleValue::Float(17.0));
    let later = |s: &Stored| named(s, "lag_seconds_bucket") && s.sample.timestamp > counter.sample.timestamp;
    wait_for(sink, "a later bucket", later).await;
    servers.is_counter_gone.store(true, Ordering::Relaxed);
    wait_for(sink, "a staleness marker", is_stale_counter).await;
    drop(sender);
}
