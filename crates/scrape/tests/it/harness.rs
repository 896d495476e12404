//! A store that remembers everything, a server that answers as told, and a manager between them.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use config::{Millis, PrometheusConfig, ScrapeConfig, StaticConfig};
use model::{
    AppendError, AppendFuture, AppendReport, Labels, RejectReason, Rejection, SampleSink, SampleValue, SeriesRef,
    SystemClock, WriteBatch, WriteRow, is_stale,
};
use parking_lot::Mutex;
use scrape::{ActiveTarget, Manager, Options};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Long enough for a loaded machine; tests end as soon as what they wait for is there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps every row in memory. Refuses samples more than a day ahead, and whole batches when told to.
#[derive(Default)]
pub(crate) struct MemorySink {
    rows: Mutex<Vec<WriteRow>>,
    refs: Mutex<HashMap<Labels, u64>>,
    pub(crate) metadata: Mutex<Vec<(String, model::Metadata)>>,
    pub(crate) over_budget: AtomicBool,
    pub(crate) hinted: std::sync::atomic::AtomicUsize,
}

impl SampleSink for MemorySink {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        // Small batches fit even when the budget is used up.
        if self.over_budget.load(Ordering::SeqCst) && batch.rows.len() > 7 {
            return Box::pin(async { Err(AppendError::OverBudget { retry_after_s: 5 }) });
        }
        let mut report = AppendReport::default();
        let mut refs = self.refs.lock();
        let now = model::Clock::now(&SystemClock);
        for (row, entry) in batch.rows.iter().enumerate() {
            if entry.sample.timestamp.ms() > now.ms() + 86_400_000 {
                report.rejected.push(Rejection { row, reason: RejectReason::TooFarInFuture });
                report.refs.push(None);
                continue;
            }
            let next = refs.len() as u64;
            let reference = *refs.entry(entry.labels.clone()).or_insert(next);
            if let Some(hint) = entry.hint {
                assert_eq!(hint.0, reference, "a hint belongs to its labels");
                self.hinted.fetch_add(1, Ordering::SeqCst);
            }
            report.refs.push(Some(SeriesRef(reference)));
            self.rows.lock().push(entry.clone());
        }
        self.metadata.lock().extend(batch.metadata);
        Box::pin(async move { Ok(report) })
    }
}

impl MemorySink {
    /// Values of all series with these labels, in the order in which they came.
    pub(crate) fn values(&self, labels: &[(&str, &str)]) -> Vec<f64> {
        self.rows(labels).into_iter().map(|row| value_of(&row.sample.value)).collect()
    }

    /// The same as whole rows.
    pub(crate) fn rows(&self, labels: &[(&str, &str)]) -> Vec<WriteRow> {
        let matches = |row: &&WriteRow| labels.iter().all(|(n, v)| row.labels.get(n).unwrap_or("") == *v);
        self.rows.lock().iter().filter(matches).cloned().collect()
    }

    /// True where a series with these labels ended with a staleness marker.
    pub(crate) fn ended(&self, labels: &[(&str, &str)]) -> bool {
        self.values(labels).last().is_some_and(|v| is_stale(*v))
    }

    /// Number of staleness markers among all rows.
    pub(crate) fn markers(&self) -> usize {
        self.rows.lock().iter().filter(|row| is_stale(value_of(&row.sample.value))).count()
    }
}

fn value_of(value: &SampleValue) -> f64 {
    match value {
        SampleValue::Float(v) => *v,
        SampleValue::Histogram(h) => h.sum,
    }
}

/// What a client asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Path and query.
    pub(crate) path: String,
    /// The whole head, header names in lower case.
    pub(crate) head: String,
    /// How often this path was asked for before.
    pub(crate) hits: usize,
}

/// What the server does.
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Sends these bytes and keeps the connection open without another word.
    Stall(Vec<u8>),
    /// Sends the first bytes, then the second ones over and over until the client goes away.
    Endless(Vec<u8>, Vec<u8>),
}

impl Reply {
    pub(crate) fn text(body: &str) -> Reply {
        Reply::with(200, "text/plain; version=0.0.4", &[], body.as_bytes())
    }

    pub(crate) fn openmetrics(body: &str) -> Reply {
        Reply::with(200, "application/openmetrics-text; version=1.0.0; charset=utf-8", &[], body.as_bytes())
    }

    pub(crate) fn with(status: u16, content_type: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !content_type.is_empty() {
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Reply::Raw([head.as_bytes(), body].concat())
    }
}

/// Answers on 127.0.0.1 until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        Server::start_with(answer, |stream| async move { Some(stream) }).await
    }

    /// With something between TCP and HTTP.
    pub(crate) async fn start_with<S, F>(
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
        wrap: impl Fn(tokio::net::TcpStream) -> F + Send + Sync + 'static,
    ) -> Server
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = requests.clone();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, stream) = (answer.clone(), seen.clone(), wrap(stream));
                tokio::spawn(async move {
                    if let Some(stream) = stream.await {
                        serve(stream, &*answer, &seen).await;
                    }
                });
            }
        });
        Server { address, requests, task }
    }

    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        self.requests.lock().iter().filter(|r| r.path == path).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &(dyn Fn(&Request) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Request>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let reply = {
        let mut seen = seen.lock();
        let hits = seen.iter().filter(|r| r.path == path).count();
        let request = Request { path, head, hits };
        seen.push(request.clone());
        answer(&request)
    };
    match reply {
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read_u8().await;
        }
        Reply::Endless(first, again) => {
            let mut result = stream.write_all(&first).await;
            while result.is_ok() {
                result = stream.write_all(&again).await;
            }
        }
    }
}

/// A manager and its store.
pub(crate) struct Harness {
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) manager: Manager,
}

impl Harness {
    pub(crate) fn new() -> Harness {
        Harness::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Harness {
        let options = Options { sync_pause: Duration::from_millis(10), ..options };
        let sink = Arc::new(MemorySink::default());
        let manager = Manager::new(sink.clone(), Arc::new(SystemClock), options);
        Harness { sink, manager }
    }

    pub(crate) fn apply(&self, jobs: &[ScrapeConfig]) {
        self.manager.apply(&PrometheusConfig { scrape_configs: jobs.to_vec(), ..PrometheusConfig::default() }).unwrap();
    }

    /// The target whose URL ends like this.
    pub(crate) fn target(&self, end: &str) -> Option<ActiveTarget> {
        self.manager.targets().active.into_iter().find(|t| t.scrape_url.ends_with(end))
    }
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let mut poll = tokio::time::interval(Duration::from_millis(10));
    let end = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "{what} did not come true within {PATIENCE:?}");
        poll.tick().await;
    }
}

/// A job that scrapes every 500 ms.
pub(crate) fn job(name: &str, groups: Vec<StaticConfig>) -> ScrapeConfig {
    let mut job = ScrapeConfig {
        job_name: name.into(),
        scrape_interval: Millis(500),
        scrape_timeout: Millis(500),
        ..ScrapeConfig::default()
    };
    job.discovery.static_configs = groups;
    job
}

/// One target of a server under a path of its own.
pub(crate) fn at(server: &Server, path: &str) -> StaticConfig {
    StaticConfig {
        targets: vec![server.address.to_string()],
        labels: [("__metrics_path__", path), ("path", path)].map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
    }
}
