//! Sending batches from the buffer to one receiver until it takes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blocks::wal::Position;
use bytes::Bytes;
use client::{BodyLimit, FetchError, HttpClient, read_body};
use config::promtail::ShipClientConfig;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use model::{AppendError, Labels, LogBatch, LogSink, Tenant};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::ShipError;
use crate::buffer::{Buffer, Part, read_parts};
use crate::metrics::{DropLabels, HostLabel, RequestLabels, ShipMetrics, TenantLabels};
use crate::pipeline::parse_labels;
use crate::{positions, wire};

const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");
/// Of an answer that is an error, so much is read for the log.
const MOST_ERROR_TEXT: u64 = 64 << 10;
/// A receiver that is away is reported this often.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Where batches go.
pub(crate) enum Receiver {
    /// A push URL.
    Http(Box<HttpReceiver>),
    /// A store in this process.
    Sink(SinkReceiver),
}

/// A store in this process, with what the client that it stands for adds.
pub(crate) struct SinkReceiver {
    sink: Arc<dyn LogSink>,
    tenant: String,
    labels: BTreeMap<String, String>,
}

/// A push URL: its settings, its connections, the headers of every request.
pub(crate) struct HttpReceiver {
    config: ShipClientConfig,
    client: HttpClient,
    headers: HeaderMap,
}

/// One receiver, and how far it is.
pub(crate) struct Sender {
    receiver: Receiver,
    host: String,
    min_backoff: Duration,
    max_backoff: Duration,
    file: PathBuf,
    buffer: Arc<Buffer>,
    metrics: Arc<ShipMetrics>,
    position: Mutex<Position>,
    /// Segments below this one are not needed.
    needed_from: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// What became of one attempt.
enum Attempt {
    Taken,
    /// Worth another try, at the earliest after so long.
    Again(String, Option<Duration>),
    Refused(String),
}

impl Receiver {
    pub(crate) fn sink(sink: Arc<dyn LogSink>, client: Option<&ShipClientConfig>) -> Self {
        let tenant = client.and_then(|client| client.tenant_id.clone()).unwrap_or_default();
        let labels = client.map(|client| client.external_labels.clone()).unwrap_or_default();
        Receiver::Sink(SinkReceiver { sink, tenant, labels })
    }

    pub(crate) fn http(config: &ShipClientConfig) -> Result<Self, ShipError> {
        let refuse = |reason: String| ShipError::Client { url: config.url.to_string(), reason };
        let client = HttpClient::new(&config.http).map_err(|error| refuse(error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let name = HeaderName::try_from(name).map_err(|e| refuse(format!("headers: {name:?}: {e}")))?;
            let value = HeaderValue::try_from(value).map_err(|_| refuse(format!("headers: {name}: no header text")))?;
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        Ok(Receiver::Http(Box::new(HttpReceiver { config: config.clone(), client, headers })))
    }
}

impl Sender {
    /// Goes on where the receiver was at the last stop; a new one begins with what is in the buffer.
    pub(crate) fn new(receiver: Receiver, dir: &Path, buffer: Arc<Buffer>, metrics: Arc<ShipMetrics>) -> Self {
        let (host, id, min_backoff, max_backoff) = match &receiver {
            Receiver::Http(http) => {
                let config = &http.config;
                let url = config.url.as_url();
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                let host = format!("{}{port}", url.host_str().unwrap_or_default());
                let id = format!("{}{host}{}", config.name, url.path());
                (host, id, config.min_backoff.to_std(), config.max_backoff.to_std())
            }
            Receiver::Sink(_) => {
                ("local".to_owned(), "local".to_owned(), Duration::from_millis(100), Duration::from_secs(5))
            }
        };
        let file = dir.join(format!("client-{:016x}.json", xxhash_rust::xxh3::xxh3_64(id.as_bytes())));
        let known = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Position>(&bytes).ok());
        let position = known.unwrap_or_default();
        Sender {
            receiver,
            host,
            min_backoff,
            max_backoff,
            file,
            buffer,
            metrics,
            needed_from: AtomicU64::new(position.segment),
            position: Mutex::new(position),
            last_error: Mutex::new(None),
        }
    }

    /// Segments of the buffer below this one are delivered.
    pub(crate) fn needed_from(&self) -> u64 {
        self.needed_from.load(Ordering::Relaxed)
    }

    /// The receiver's host, and what went wrong last if it is still wrong.
    pub(crate) fn state(&self) -> (String, Option<String>) {
        (self.host.clone(), self.last_error.lock().clone())
    }

    /// Sends until all is sent and `stop` is cancelled, or until `give_up` is.
    pub(crate) async fn run(&self, stop: CancellationToken, give_up: CancellationToken) {
        let mut written = self.buffer.written();
        let mut tail = self.buffer.tail(*self.position.lock());
        loop {
            written.mark_unchanged();
            let record = match tail.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.needed_from.store(tail.position().segment, Ordering::Relaxed);
                    if self.buffer.bytes() >= self.buffer.most_bytes() / 2 {
                        self.let_go_of_delivered().await;
                    }
                    if stop.is_cancelled() {
                        return;
                    }
                    tokio::select! {
                        _ = written.changed() => {}
                        () = stop.cancelled() => {}
                    }
                    continue;
                }
                Err(reason) => {
                    error!(%reason, "the buffer cannot be read");
                    tokio::select! {
                        () = sleep_until(Instant::now() + Duration::from_secs(1)) => continue,
                        () = give_up.cancelled() => return,
                    }
                }
            };
            let Some(parts) = read_parts(&record) else {
                error!("a record of the buffer cannot be understood and is passed over");
                continue;
            };
            drop(record);
            for part in parts {
                tokio::select! {
                    () = self.deliver(part) => {}
                    () = give_up.cancelled() => return,
                }
            }
            self.remember(tail.position());
        }
    }

    fn remember(&self, position: Position) {
        *self.position.lock() = position;
        self.needed_from.store(position.segment, Ordering::Relaxed);
        let Ok(bytes) = serde_json::to_vec(&position) else { return };
        // Not synced: after a power cut a batch may be sent again, which the receiver recognises.
        let temporary = self.file.with_extension("new");
        let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, &self.file));
        if let Err(reason) = written {
            warn!(path = %self.file.display(), %reason, "cannot remember what is delivered; it may be sent again after a restart");
        }
    }

    /// Everything is delivered, but the present segment alone fills the buffer: it is ended, so that it can go.
    async fn let_go_of_delivered(&self) {
        let buffer = self.buffer.clone();
        if let Ok(Some(number)) = tokio::task::spawn_blocking(move || buffer.roll()).await {
            self.needed_from.fetch_max(number, Ordering::Relaxed);
        }
    }

    async fn deliver(&self, part: Part) {
        let mut pause = self.min_backoff;
        let mut reported: Option<Instant> = None;
        let tenant = self.tenant_of(&part);
        let body = self.body_of(&part);
        let labels = TenantLabels { host: self.host.clone(), tenant: tenant.clone() };
        let host = HostLabel { host: self.host.clone() };
        self.metrics.encoded_bytes.get_or_create(&host).inc_by(body.len() as u64);
        loop {
            match self.attempt(&tenant, body.clone()).await {
                Attempt::Taken => {
                    self.metrics.sent_bytes.get_or_create(&host).inc_by(body.len() as u64);
                    self.metrics.sent_entries.get_or_create(&host).inc_by(part.entries);
                    *self.last_error.lock() = None;
                    return;
                }
                Attempt::Refused(reason) => {
                    let dropped = DropLabels {
                        host: self.host.clone(),
                        tenant: tenant.clone(),
                        reason: "ingester_error".to_owned(),
                    };
                    self.metrics.dropped_entries.get_or_create(&dropped).inc_by(part.entries);
                    self.metrics.dropped_bytes.get_or_create(&dropped).inc_by(part.bytes);
                    warn!(
                        host = self.host,
                        tenant,
                        entries = part.entries,
                        reason,
                        "a batch, or a part of it, is refused by the receiver and not sent again"
                    );
                    *self.last_error.lock() = Some(reason);
                    return;
                }
                Attempt::Again(reason, after) => {
                    self.metrics.retries.get_or_create(&labels).inc();
                    if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
                        warn!(
                            host = self.host,
                            reason, "a batch is not taken; it waits in the buffer and is sent again"
                        );
                        reported = Some(Instant::now());
                    } else {
                        debug!(host = self.host, reason, "sending again");
                    }
                    *self.last_error.lock() = Some(reason);
                    sleep_until(Instant::now() + after.unwrap_or(pause).max(pause)).await;
                    pause = (pause * 2).min(self.max_backoff);
                }
            }
        }
    }

    fn tenant_of(&self, part: &Part) -> String {
        if !part.tenant.is_empty() {
            return part.tenant.clone();
        }
        match &self.receiver {
            Receiver::Http(http) => http.config.tenant_id.clone().unwrap_or_default(),
            Receiver::Sink(own) => own.tenant.clone(),
        }
    }

    /// As it was packed once for all, unless this receiver's labels must be added.
    fn body_of(&self, part: &Part) -> Bytes {
        let labels = match &self.receiver {
            Receiver::Http(http) => &http.config.external_labels,
            Receiver::Sink(own) => &own.labels,
        };
        let own = if labels.is_empty() { None } else { with_labels(&part.body, labels) };
        own.unwrap_or_else(|| part.body.clone()).into()
    }

    async fn attempt(&self, tenant: &str, body: Bytes) -> Attempt {
        match &self.receiver {
            Receiver::Sink(own) => append(&*own.sink, tenant, &body).await,
            Receiver::Http(http) => {
                let HttpReceiver { config, client, headers } = &**http;
                let mut headers = headers.clone();
                if !tenant.is_empty() {
                    match HeaderValue::from_str(tenant) {
                        Ok(value) => headers.insert(TENANT, value),
                        Err(_) => return Attempt::Refused(format!("the tenant {tenant:?} is no header text")),
                    };
                }
                let begun = Instant::now();
                let exchange = async {
                    let response = client.post(config.url.as_url().as_str(), headers, body).await?;
                    let status = response.status();
                    Ok::<_, FetchError>((status.as_u16(), judge(config, response).await))
                };
                let answer = timeout(config.timeout.to_std(), exchange).await;
                let (status, attempt) = match answer {
                    Ok(Ok((status, attempt))) => (status.to_string(), attempt),
                    Ok(Err(error)) => ("-1".to_owned(), Attempt::Again(error.to_string(), None)),
                    Err(_) => ("-1".to_owned(), Attempt::Again("context deadline exceeded".to_owned(), None)),
                };
                let labels = RequestLabels { status_code: status, host: self.host.clone() };
                self.metrics.durations.get_or_create(&labels).observe(begun.elapsed().as_secs_f64());
                attempt
            }
        }
    }
}

/// What an answer means. Only what will never be otherwise is refused: a wrong password or path may be mended while lines wait.
async fn judge(config: &ShipClientConfig, response: http::Response<client::Incoming>) -> Attempt {
    let status = response.status();
    if status.is_success() {
        return Attempt::Taken;
    }
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let text = read_body(response, BodyLimit { bytes: MOST_ERROR_TEXT }, 0).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let reason = format!("server returned HTTP status {status}: {}", text.lines().next().unwrap_or_default());
    let is_final = match status.as_u16() {
        429 => config.drop_rate_limited_batches,
        401 | 403 | 404 | 407 | 408 | 425 => false,
        code => (400..500).contains(&code),
    };
    if is_final { Attempt::Refused(reason) } else { Attempt::Again(reason, after.map(Duration::from_secs)) }
}

async fn append(sink: &dyn LogSink, tenant: &str, body: &[u8]) -> Attempt {
    let tenant = match tenant {
        "" => Ok(Tenant::default()),
        name => Tenant::new(name),
    };
    let tenant = match tenant {
        Ok(tenant) => tenant,
        Err(error) => return Attempt::Refused(error.to_string()),
    };
    let batch = match log_batch(tenant, body) {
        Ok(batch) => batch,
        Err(reason) => return Attempt::Refused(reason),
    };
    match sink.append(batch).await {
        Ok(report) => {
            if let Some(first) = report.rejected.first() {
                warn!(entries = report.rejected.len(), reason = %first.reason, "lines are refused by the store");
            }
            Attempt::Taken
        }
        Err(AppendError::OverBudget { retry_after_s }) => {
            let after = Duration::from_secs(u64::from(retry_after_s));
            Attempt::Again("the store is over its memory budget".to_owned(), Some(after))
        }
        Err(error) => Attempt::Again(error.to_string(), None),
    }
}

/// A packed push message as a batch for a store.
pub(crate) fn log_batch(tenant: Tenant, body: &[u8]) -> Result<LogBatch, String> {
    let message = wire::unpack(body).map_err(|error| error.to_string())?;
    let mut batch = LogBatch::new(tenant);
    let mut stream = ("", 0);
    let mut problem = None;
    wire::read_push(&message, |labels, entry| {
        if labels != stream.0 || batch.streams().is_empty() {
            match parse_labels(labels) {
                Ok(parsed) => stream = (labels, batch.add_stream(parsed)),
                Err(reason) => {
                    problem.get_or_insert(reason);
                    return;
                }
            }
        }
        batch.push(stream.1, entry.timestamp, entry.line, entry.metadata.iter().copied());
    })
    .map_err(|error| error.to_string())?;
    match problem {
        Some(reason) if batch.is_empty() => Err(reason),
        _ => Ok(batch),
    }
}

/// The message with further labels on every stream; those that a stream has stay.
fn with_labels(body: &[u8], more: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    let message = wire::unpack(body).ok()?;
    let mut streams: Vec<(&str, Vec<u8>)> = Vec::new();
    wire::read_push(&message, |labels, entry| {
        if streams.last().is_none_or(|(known, _)| *known != labels) {
            streams.push((labels, Vec::new()));
        }
        if let Some((_, entries)) = streams.last_mut() {
            wire::put_entry(entries, entry.timestamp, entry.line, entry.metadata.iter().copied());
        }
    })
    .ok()?;
    let mut out = Vec::with_capacity(message.len());
    for (labels, entries) in streams {
        let own = parse_labels(labels).ok()?;
        let added = more.iter().filter(|(name, _)| own.get(name).is_none());
        let pairs = own.iter().map(|label| (label.name, label.value));
        let all = pairs.chain(added.map(|(name, value)| (name.as_str(), value.as_str())));
        wire::put_stream(&mut out, &Labels::from_pairs(all).to_string(), &entries);
    }
    Some(wire::pack(&out))
}

/// Files of receivers that are no longer configured.
pub(crate) fn forget_others(dir: &Path, senders: &[Arc<Sender>]) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_position =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("client-"));
        if is_position && !senders.iter().any(|sender| sender.file == path) {
            // One that stays costs a few bytes.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Writes `positions.yaml` and removes what every receiver has. In this order: positions in the buffer must not go before they
/// are in the file.
pub(crate) fn keep_house(
    files: &positions::PositionFiles,
    marks: &positions::Marks,
    buffer: &Buffer,
    senders: &[Arc<Sender>],
) -> std::io::Result<()> {
    files.save(marks)?;
    let needed_from = senders.iter().map(|sender| sender.needed_from()).min().unwrap_or(0);
    buffer.trim(needed_from)
}
