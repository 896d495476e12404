//! All receivers of a configuration, kept in step with it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use blocks::disk::{Disk, RealDisk};
use blocks::wal::Position;
use client::HttpClient;
use config::{PrometheusConfig, RemoteWriteConfig, RemoteWriteMessage};
use model::{Clock, Labels, Metadata, Tenant};
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::message::families_v1;
use crate::metrics::{QueueLabels, SendMetrics};
use crate::outbox::Outbox;
use crate::queue::Queue;
use crate::send::Receiver;
use crate::series::{RemoteError, Series};

/// How often the outbox is trimmed.
const TRIM: Duration = Duration::from_secs(10);

/// Metadata of a tenant: of all families, or of the one that a metric belongs to.
pub type MetadataSource = Arc<dyn Fn(&Tenant, Option<&str>) -> Vec<(String, Metadata)> + Send + Sync>;

/// Where and how much is kept.
#[derive(Clone, Debug)]
pub struct SendersOptions {
    /// Directory of the outbox and of the receivers' positions.
    pub dir: PathBuf,
    /// Most bytes that wait on disk; beyond, the oldest samples are dropped and counted.
    pub most_bytes: u64,
}

struct Running {
    config: RemoteWriteConfig,
    external_labels: Labels,
    /// `None` once the receiver is gone: nothing is written to its file any more.
    position: Arc<Mutex<Option<Position>>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// The receivers that a configuration names.
pub struct Senders {
    options: SendersOptions,
    clock: Arc<dyn Clock>,
    metadata: MetadataSource,
    metrics: Arc<SendMetrics>,
    outbox: RwLock<Option<Arc<Outbox>>>,
    /// Nothing is to be sent, as for most installations: producers pay nothing.
    is_idle: AtomicBool,
    running: Mutex<BTreeMap<String, Running>>,
    trimmer: Mutex<Option<JoinHandle<()>>>,
}

impl Senders {
    /// Sends nothing until [`Senders::apply`].
    pub fn new(options: SendersOptions, clock: Arc<dyn Clock>, metadata: MetadataSource) -> Arc<Self> {
        Arc::new(Senders {
            options,
            clock,
            metadata,
            metrics: Arc::new(SendMetrics::new()),
            outbox: RwLock::new(None),
            is_idle: AtomicBool::new(true),
            running: Mutex::new(BTreeMap::new()),
            trimmer: Mutex::new(None),
        })
    }

    /// Adds the metrics of sending.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Says whether [`Senders::apply`] could put a configuration to work: certificates are read, settings understood.
    pub fn check(config: &PrometheusConfig) -> Result<(), RemoteError> {
        clients(config).map(drop)
    }

    /// Takes over the section `remote_write`. Receivers that did not change go on; new ones begin with what comes in from now
    /// on, unless they were there before a restart: then where they were. On an error nothing changes.
    pub fn apply(self: &Arc<Self>, config: &PrometheusConfig) -> Result<(), RemoteError> {
        let external_labels = config.global.external_labels.clone();
        let wanted = clients(config)?;
        let mut running = self.running.lock();
        if wanted.is_empty() && running.is_empty() {
            return Ok(());
        }
        let outbox = self.outbox()?;
        let same = |name: &String, old: &Running| {
            wanted.get(name).is_some_and(|(new, _)| *new == old.config) && old.external_labels == external_labels
        };
        let gone: Vec<String> = running.iter().filter(|(name, old)| !same(name, old)).map(|(n, _)| n.clone()).collect();
        for name in gone {
            if let Some(old) = running.remove(&name) {
                old.stop.cancel();
                *old.position.lock() = None;
                if !wanted.contains_key(&name) {
                    info!(receiver = shown_name(&old.config), "remote write to this receiver ends");
                    self.forget(&name);
                }
            }
        }
        for (name, (remote, client)) in wanted {
            if let Entry::Vacant(place) = running.entry(name) {
                let started = self.start(place.key(), remote, external_labels.clone(), client, &outbox)?;
                place.insert(started);
            }
        }
        self.is_idle.store(running.is_empty(), Ordering::Release);
        drop(running);
        let mut trimmer = self.trimmer.lock();
        if trimmer.is_none() {
            *trimmer = Some(tokio::spawn(trim(Arc::downgrade(self))));
        }
        Ok(())
    }

    fn outbox(&self) -> Result<Arc<Outbox>, RemoteError> {
        let mut outbox = self.outbox.write();
        if let Some(open) = &*outbox {
            return Ok(open.clone());
        }
        let open = Arc::new(Outbox::open(&self.options.dir, self.options.most_bytes)?);
        *outbox = Some(open.clone());
        Ok(open)
    }

    fn position_file(&self, name: &str) -> PathBuf {
        self.options.dir.join(format!("{name}.position"))
    }

    fn forget(&self, name: &str) {
        let path = self.position_file(name);
        if let Err(error) = RealDisk.remove(&path) {
            warn!(path = %path.display(), %error, "the position of a receiver that is gone cannot be removed");
        }
    }

    fn start(
        &self,
        name: &str,
        config: RemoteWriteConfig,
        external_labels: Labels,
        client: HttpClient,
        outbox: &Arc<Outbox>,
    ) -> Result<Running, RemoteError> {
        let path = self.position_file(name);
        let failed = |action: &'static str, path: &Path| {
            let path = path.display().to_string();
            move |source| RemoteError::File { action, path, source }
        };
        let begin = match saved_position(&path) {
            Some(position) => position,
            None => {
                let end = outbox.end().map_err(failed("look for the end of", &self.options.dir))?;
                let text = serde_json::to_vec(&end).expect("two numbers can be written");
                RealDisk.replace(&path, &text).map_err(failed("write", &path))?;
                end
            }
        };
        let labels = QueueLabels { remote_name: shown_name(&config), url: config.url.to_string() };
        let position = Arc::new(Mutex::new(Some(begin)));
        let stop = CancellationToken::new();
        let receiver = |client| Receiver {
            config: config.clone(),
            client,
            labels: labels.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
        };
        let mut written = outbox.written();
        written.mark_changed();
        let queue = Queue {
            receiver: receiver(client.clone()),
            external_labels: external_labels.clone(),
            tail: outbox.tail(begin),
            written,
            position_file: path,
            position: position.clone(),
            metadata: self.metadata.clone(),
            prepared: HashMap::new(),
            shards: config.queue_config.min_shards.max(1),
            next: None,
        };
        let mut tasks = vec![tokio::spawn(queue.run(stop.clone()))];
        if config.protobuf_message == RemoteWriteMessage::V1 && config.metadata_config.send {
            let send = send_metadata(receiver(client), self.metadata.clone());
            let stop = stop.clone();
            tasks.push(tokio::spawn(async move {
                tokio::select! {
                    () = send => {}
                    () = stop.cancelled() => {}
                }
            }));
        }
        info!(receiver = labels.remote_name, url = labels.url, "remote write");
        Ok(Running { config, external_labels, position, stop, tasks })
    }

    /// True where nothing is to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_idle.load(Ordering::Acquire)
    }

    /// Keeps series for all receivers; returns once they are durable. A disk that refuses costs these samples, which is counted
    /// and logged: they are in the store, and their producer is not made to wait for other systems.
    pub(crate) async fn keep(&self, tenant: &Tenant, series: &[Series]) {
        let samples: u64 = series.iter().map(|s| s.samples.len() as u64).sum();
        let newest = series.iter().flat_map(|s| &s.samples).map(|s| s.timestamp.ms()).max();
        self.metrics.samples_in.inc_by(samples);
        if let Some(newest) = newest {
            self.metrics.highest_in.set(self.metrics.highest_in.get().max(newest as f64 / 1000.0));
        }
        let outbox = self.outbox.read().clone();
        let Some(outbox) = outbox else { return };
        if let Err(reason) = outbox.push(tenant, series).await {
            self.metrics.outbox_lost.inc_by(samples);
            error!(samples, reason, "samples cannot be kept for remote write and are not sent");
        }
    }

    fn trim(&self) {
        let Some(outbox) = self.outbox.read().clone() else { return };
        let needed = self.running.lock().values().filter_map(|r| Some((*r.position.lock())?.segment)).min();
        let needed = match needed {
            Some(segment) => segment,
            None => outbox.end().map_or(0, |end| end.segment),
        };
        match outbox.trim(needed) {
            Ok(0) => {}
            Ok(lost) => {
                self.metrics.outbox_lost.inc_by(lost);
                error!(
                    samples = lost,
                    "a receiver of remote write was away for too long: its oldest samples are dropped"
                );
            }
            Err(error) => warn!(%error, "what was sent by remote write cannot be removed from disk"),
        }
        self.metrics.outbox_bytes.set(outbox.bytes() as i64);
    }

    /// Stops sending. What was not confirmed is on disk and sent after the next start.
    pub async fn close(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        self.is_idle.store(true, Ordering::Release);
        for (_, one) in running {
            one.stop.cancel();
            for task in one.tasks {
                if let Err(error) = task.await {
                    error!(%error, "a task of remote write ended badly");
                }
            }
        }
        if let Some(trimmer) = self.trimmer.lock().take() {
            trimmer.abort();
        }
        if let Some(outbox) = self.outbox.write().take() {
            outbox.close();
        }
    }
}

/// The receivers of a configuration by identity, each with its HTTP client.
fn clients(config: &PrometheusConfig) -> Result<BTreeMap<String, (RemoteWriteConfig, HttpClient)>, RemoteError> {
    let client = |remote: &RemoteWriteConfig| {
        let client =
            HttpClient::new(&remote.http).map_err(|reason| RemoteError::Client { name: shown_name(remote), reason })?;
        Ok((identity(remote), (remote.clone(), client)))
    };
    config.remote_write.iter().map(client).collect()
}

/// Where a receiver was before the start; `None` for one that is new. A file that cannot be read costs nothing but repetition:
/// everything that is kept is sent again.
fn saved_position(path: &Path) -> Option<Position> {
    let read = RealDisk.read(path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    match read {
        Ok(position) => Some(position),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            warn!(path = %path.display(), %error, "a position of remote write cannot be read, all that is kept is sent again");
            Some(Position::default())
        }
    }
}

/// Names a receiver on disk: by its name, or by its URL.
fn identity(config: &RemoteWriteConfig) -> String {
    let text = if config.name.is_empty() { config.url.as_url().as_str() } else { &config.name };
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

fn shown_name(config: &RemoteWriteConfig) -> String {
    if config.name.is_empty() { identity(config)[..6].to_owned() } else { config.name.clone() }
}

async fn send_metadata(receiver: Receiver, metadata: MetadataSource) {
    let settings = &receiver.config.metadata_config;
    let most = settings.max_samples_per_send.max(1) as usize;
    let mut due = interval(settings.send_interval.to_std().max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let tenant = Tenant::default();
    loop {
        due.tick().await;
        for families in metadata(&tenant, None).chunks(most) {
            receiver.deliver_metadata(&tenant, families_v1(families)).await;
        }
    }
}

async fn trim(senders: std::sync::Weak<Senders>) {
    let mut due = interval(TRIM);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let Some(senders) = senders.upgrade() else { return };
        let trimmed = tokio::task::spawn_blocking(move || senders.trim()).await;
        if let Err(error) = trimmed {
            error!(%error, "trimming of remote write's outbox ended badly");
        }
    }
}
