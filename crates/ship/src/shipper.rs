//! The shipper as a whole: putting sources, buffer and receivers together, and taking them apart in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::promtail::PromtailConfig;
use config::{ConfigErrors, Loaded, Problem, Url};
use model::{Clock, LogSink};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::ShipError;
use crate::buffer::Buffer;
use crate::deliver::{Receiver, Sender, forget_others, keep_house};
use crate::files::{self, FileJob, FileOptions};
use crate::intake::{Cut, Intake};
use crate::metrics::ShipMetrics;
use crate::pipeline::{Pipeline, PipelineContext};
use crate::positions::PositionFiles;
use crate::stamp::Stamps;
use crate::status::{ReceiverState, ShipStatus, Status};

/// How long sources may take to end after the order to stop.
const SOURCES_GRACE: Duration = Duration::from_secs(2);
/// How long the last batch may take to become durable.
const WRITER_GRACE: Duration = Duration::from_secs(6);

/// Where lines go.
#[derive(Clone)]
pub enum Destination {
    /// The `clients` of the configuration.
    Clients,
    /// A store in this process, and those `clients` that it does not stand for.
    Sink {
        /// The store.
        sink: Arc<dyn LogSink>,
        /// True for the URL of a client that the store stands for; tenant and labels of the first such client count for it.
        stands_for: Arc<dyn Fn(&Url) -> bool + Send + Sync>,
    },
}

/// How a shipper runs.
#[derive(Clone)]
pub struct ShipOptions {
    /// Where lines go.
    pub destination: Destination,
    /// Instead of the configuration's `positions.filename`, where the process has a directory of its own.
    pub positions: Option<PathBuf>,
    /// How long what is in the buffer may still be sent after the order to stop; the rest is sent after the next start.
    pub delivery_grace: Duration,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What it counts.
    pub metrics: Arc<ShipMetrics>,
}

/// A running shipper. Dropping it without [`Shipper::stop`] leaves it running until the runtime ends.
pub struct Shipper {
    parts: Arc<Parts>,
    sources: CancellationToken,
    files: Option<std::thread::JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
    writer: JoinHandle<()>,
    sending: Vec<JoinHandle<()>>,
    finish: CancellationToken,
    give_up: CancellationToken,
    keeper: JoinHandle<()>,
    delivery_grace: Duration,
    exhausted: CancellationToken,
}

/// What the status page and the end of a shipper need.
pub(crate) struct Parts {
    pub(crate) intake: Arc<Intake>,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) senders: Vec<Arc<Sender>>,
    pub(crate) position_files: PositionFiles,
    pub(crate) metrics: Arc<ShipMetrics>,
    pub(crate) status: Arc<Status>,
    pub(crate) notices: Vec<String>,
    house: Mutex<()>,
}

impl Parts {
    /// Writes positions and removes what is delivered. Blocks on the disk.
    fn keep_house(&self) {
        let _one_at_a_time = self.house.lock();
        if let Err(error) = keep_house(&self.position_files, &self.intake.marks(), &self.buffer, &self.senders) {
            warn!(path = %self.position_files.yaml.display(), %error, "positions cannot be written");
        }
        self.metrics.buffer_bytes.set(self.buffer.bytes() as i64);
        self.metrics.buffer_waits.set(self.buffer.waits());
    }

    pub(crate) fn report(&self) -> ShipStatus {
        let receivers = self.senders.iter().map(|sender| {
            let (host, last_error) = sender.state();
            ReceiverState { host, last_error }
        });
        ShipStatus {
            files: self.status.files.lock().clone(),
            sources: self.status.sources.lock().clone(),
            receivers: receivers.collect(),
            buffer_bytes: self.buffer.bytes(),
            buffer_limit: self.buffer.most_bytes(),
            notices: self.notices.clone(),
        }
    }
}

/// What sources are made of.
pub(crate) struct SourceContext {
    pub(crate) intake: Arc<Intake>,
    pub(crate) pipelines: PipelineContext,
    pub(crate) metrics: Arc<ShipMetrics>,
    pub(crate) status: Arc<Status>,
    pub(crate) stop: CancellationToken,
}

impl Shipper {
    /// Says whether a configuration could be put to work: pipelines compile, certificates are read.
    pub fn check(loaded: &Loaded<PromtailConfig>, options: &ShipOptions) -> Result<(), ShipError> {
        let context = PipelineContext::new(Arc::new(Stamps::new(options.clock.clone())), Arc::default());
        compile(loaded, &context)?;
        receivers(&loaded.config, &options.destination).map(drop)
    }

    /// Starts a shipper on the present runtime.
    pub async fn start(loaded: &Loaded<PromtailConfig>, options: ShipOptions) -> Result<Shipper, ShipError> {
        let config = &loaded.config;
        let stamps = Arc::new(Stamps::new(options.clock.clone()));
        let metrics = options.metrics.clone();
        let pipelines = PipelineContext::new(stamps, metrics.measures.clone());
        let compiled = compile(loaded, &pipelines)?;
        let receivers = receivers(config, &options.destination)?;
        let yaml = options.positions.clone().unwrap_or_else(|| config.positions.filename.clone());
        let dir = config.buffer.dir.clone().unwrap_or_else(|| beside(&yaml));
        let (buffer, changes) = Buffer::open(&dir, config.buffer.max_size.bytes())?;
        let buffer = Arc::new(buffer);
        let position_files = PositionFiles { yaml, state: dir.join("state.json") };
        let marks = position_files.load(config.positions.ignore_invalid_yaml, changes)?;
        position_files.save(&marks).map_err(|error| ShipError::Positions {
            path: position_files.yaml.clone(),
            reason: format!("cannot be written: {error}"),
        })?;
        let finish = CancellationToken::new();
        let cut = cut(config, &options.destination);
        let intake = Intake::new(
            cut,
            config.limits.clone(),
            buffer.clone(),
            marks.clone(),
            metrics.clone(),
            pipelines.stamps.clone(),
        );
        let make = |receiver| Arc::new(Sender::new(receiver, &dir, buffer.clone(), metrics.clone()));
        let senders: Vec<Arc<Sender>> = receivers.into_iter().map(make).collect();
        forget_others(&dir, &senders);
        let status = Arc::new(Status::default());
        let parts = Arc::new(Parts {
            intake: intake.clone(),
            buffer,
            senders,
            position_files,
            metrics: metrics.clone(),
            status: status.clone(),
            notices: loaded.warnings.iter().map(ToString::to_string).collect(),
            house: Mutex::new(()),
        });
        let sources = CancellationToken::new();
        let context = Arc::new(SourceContext {
            intake: intake.clone(),
            pipelines: pipelines.clone(),
            metrics: metrics.clone(),
            status: status.clone(),
            stop: sources.clone(),
        });
        let exhausted = CancellationToken::new();
        let tasks = crate::sources::start(config, &compiled, &marks, &context, &exhausted).await?;
        let jobs = config.scrape_configs.iter().zip(compiled);
        let jobs =
            jobs.map(|(config, pipeline)| FileJob { name: config.job_name.clone(), config: config.clone(), pipeline });
        let files = files::start(FileOptions {
            jobs: jobs.collect(),
            marks,
            sync_period: config.target_config.sync_period.to_std(),
            context: pipelines,
            intake: intake.clone(),
            metrics: metrics.clone(),
            status,
            stop: sources.clone(),
        })?;
        metrics.targets_active.set(config.scrape_configs.len() as i64);
        let give_up = CancellationToken::new();
        let sending = parts.senders.iter().map(|sender| {
            let (sender, finish, give_up) = (sender.clone(), finish.clone(), give_up.clone());
            tokio::spawn(async move { sender.run(finish, give_up).await })
        });
        let sending = sending.collect();
        let writer = tokio::spawn(async move { intake.write_batches().await });
        let keeper = tokio::spawn(keep(parts.clone(), config.positions.sync_period.to_std(), sources.clone()));
        Ok(Shipper {
            parts,
            sources,
            files: Some(files),
            tasks,
            writer,
            sending,
            finish,
            give_up,
            keeper,
            delivery_grace: options.delivery_grace,
            exhausted,
        })
    }

    /// How it goes.
    pub fn status(&self) -> ShipStatus {
        self.parts.report()
    }

    /// For a status server.
    pub(crate) fn parts(&self) -> Arc<Parts> {
        self.parts.clone()
    }

    /// Ends once every source but files has come to its end by itself: standard input was read to its end.
    pub async fn exhausted(&self) {
        self.exhausted.cancelled().await;
    }

    /// Stops in order and in bounded time: sources first, then what they gave becomes durable, then it is sent as far as the
    /// grace allows. What is left is in the buffer.
    pub async fn stop(mut self) {
        self.sources.cancel();
        let files = self.files.take();
        let ended = async {
            for task in self.tasks.drain(..) {
                // A task that panicked has said so.
                let _ = task.await;
            }
            if let Some(thread) = files {
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            }
        };
        if timeout(SOURCES_GRACE, ended).await.is_err() {
            info!("some sources are held up and are left behind");
        }
        self.parts.intake.stop.cancel();
        if timeout(WRITER_GRACE, &mut self.writer).await.is_err() {
            self.writer.abort();
        }
        self.finish.cancel();
        let deadline = Instant::now() + self.delivery_grace;
        for sending in &mut self.sending {
            if tokio::time::timeout_at(deadline, &mut *sending).await.is_err() {
                self.give_up.cancel();
                // Whatever it was doing is dropped at its next pause.
                let _ = timeout(Duration::from_secs(1), sending).await;
            }
        }
        self.keeper.abort();
        let parts = self.parts.clone();
        let kept = tokio::task::spawn_blocking(move || {
            parts.keep_house();
            parts.buffer.close();
        });
        if timeout(Duration::from_secs(5), kept).await.is_err() {
            warn!("the disk is slow; positions are taken from the buffer at the next start");
        }
    }
}

/// Keeps positions and the buffer in order from time to time, more often while the buffer is large.
async fn keep(parts: Arc<Parts>, period: Duration, stop: CancellationToken) {
    let step = period.min(Duration::from_secs(1));
    let mut ticks = interval_at(Instant::now() + step, step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let is_large = parts.buffer.bytes() >= (8 << 20).min(parts.buffer.most_bytes() / 2);
        if last.elapsed() >= period || is_large {
            last = Instant::now();
            let parts = parts.clone();
            // The next round finds what this one could not do.
            let _ = tokio::task::spawn_blocking(move || parts.keep_house()).await;
        }
    }
}

fn compile(loaded: &Loaded<PromtailConfig>, context: &PipelineContext) -> Result<Vec<Pipeline>, ShipError> {
    let file = loaded.files.first().map(PathBuf::as_path).unwrap_or(Path::new("promtail.yaml"));
    let mut problems = Vec::new();
    let mut compiled = Vec::new();
    for job in &loaded.config.scrape_configs {
        match Pipeline::new(&job.pipeline_stages, context) {
            Ok(pipeline) => compiled.push(pipeline),
            Err(found) => {
                problems.extend(found.into_iter().map(|(place, reason)| Problem::at(file, &place, reason)));
            }
        }
    }
    if problems.is_empty() { Ok(compiled) } else { Err(ConfigErrors(problems).into()) }
}

fn receivers(config: &PromtailConfig, destination: &Destination) -> Result<Vec<Receiver>, ShipError> {
    match destination {
        Destination::Sink { sink, stands_for } => {
            let (own, others): (Vec<_>, Vec<_>) = config.clients.iter().partition(|client| stands_for(&client.url));
            let receiver = Receiver::sink(sink.clone(), own.first().copied());
            std::iter::once(Ok(receiver)).chain(others.into_iter().map(Receiver::http)).collect()
        }
        Destination::Clients if config.clients.is_empty() => Err(ShipError::NoClient),
        Destination::Clients => config.clients.iter().map(Receiver::http).collect(),
    }
}

/// Batches are cut once for all clients, as the most impatient of them wants it.
fn cut(config: &PromtailConfig, destination: &Destination) -> Cut {
    let default = Cut { size: 1 << 20, wait: Duration::from_secs(1) };
    match destination {
        Destination::Sink { .. } => Cut { wait: Duration::from_millis(200), ..default },
        Destination::Clients => Cut {
            size: config.clients.iter().map(|client| client.batchsize).min().unwrap_or(default.size),
            wait: config.clients.iter().map(|client| client.batchwait.to_std()).min().unwrap_or(default.wait),
        },
    }
}

/// The directory of the buffer: `positions.yaml` -> `positions.buffer`.
fn beside(positions: &Path) -> PathBuf {
    positions.with_extension("buffer")
}
