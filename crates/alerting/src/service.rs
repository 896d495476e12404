//! The dispatcher at work: a lock around the engine, its journal and its history; one task that wakes when something is due; one
//! task for each attempt.
//!
//! An attempt begins only once the journal holds that it did, and what a caller is told counts only once the journal holds it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blocks::disk::{Disk, RealDisk};
use config::{AlertingConfigFile, MatcherSyntax};
use model::{Clock, Timestamp};
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use tokio::sync::Notify as Wakeup;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::engine::{Delivery, Engine, Outcome};
use crate::error::AlertingError;
use crate::history::{History, Page, Question};
use crate::journal::{Journal, Written};
use crate::message::Message;
use crate::metrics::{AlertingMetrics, Integration, Received, State as StateLabel};
use crate::notice::IntegrationId;
use crate::receivers::Receiver;
use crate::report::Report;
use crate::setup::Setup;
use crate::silence::SilenceState;
use crate::templates::Templates;

/// How alerting is set up.
#[derive(Clone, Debug)]
pub struct AlertingOptions {
    /// Directory of the state, the journal and the history.
    pub dir: PathBuf,
    /// Where users reach us, in links of messages; without a slash at its end.
    pub external_url: String,
    /// How matchers are read.
    pub syntax: MatcherSyntax,
    /// Decides jitter and ids.
    pub seed: u64,
    /// Nothing is told in the first milliseconds (`--dispatch.start-delay`).
    pub start_delay_ms: i64,
}

/// A configuration that was checked and can be put to work.
pub struct Prepared {
    file: AlertingConfigFile,
    setup: Arc<Setup>,
    receivers: HashMap<IntegrationId, Arc<Receiver>>,
    templates: Arc<Templates>,
}

struct Inner {
    engine: Engine,
    journal: Journal,
    history: History,
}

/// Alertmanager, in this process.
pub struct Alerting {
    inner: Mutex<Inner>,
    working: RwLock<Arc<Prepared>>,
    options: AlertingOptions,
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
    metrics: AlertingMetrics,
    wakeup: Wakeup,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Prepared {
    /// Reads templates, compiles every setting and makes clients; nothing is put to work.
    pub fn new(file: AlertingConfigFile, syntax: MatcherSyntax, clock: &Arc<dyn Clock>) -> Result<Self, AlertingError> {
        let templates = Arc::new(Templates::load(&file.templates, clock.clone())?);
        let mut receivers = HashMap::new();
        for receiver in &file.receivers {
            for integration in &receiver.integrations {
                let id = IntegrationId::new(&receiver.name, integration.kind, integration.index);
                let failed = |reason: String| AlertingError::Integration {
                    receiver: receiver.name.clone(),
                    integration: format!("{}_configs[{}]", integration.kind, integration.index),
                    reason,
                };
                crate::receivers::check_templates(integration, &templates).map_err(failed)?;
                let made = Receiver::new(integration, clock.clone()).map_err(|error| failed(error.to_string()))?;
                receivers.insert(id, Arc::new(made));
            }
        }
        Ok(Prepared { setup: Arc::new(Setup::new(&file, syntax)), file, receivers, templates })
    }

    /// Who would be told of what.
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    /// The file.
    pub fn file(&self) -> &AlertingConfigFile {
        &self.file
    }

    /// The templates.
    pub fn templates(&self) -> &Arc<Templates> {
        &self.templates
    }
}

impl Alerting {
    /// Opens the state and goes on where it was. Blocks.
    pub fn open(
        options: AlertingOptions,
        prepared: Prepared,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, AlertingError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (journal, state, recovery) = Journal::open(disk, &options.dir)?;
        if recovery.damaged_records > 0 {
            warn!(
                damaged_records = recovery.damaged_records,
                quarantined = ?recovery.quarantined,
                "the log of the alerting state was damaged; what could be read is in force"
            );
        }
        let now = clock.now();
        let dir = options.dir.join("history");
        let history = History::open(&dir, now).map_err(|source| AlertingError::State {
            action: "open",
            path: dir.display().to_string(),
            reason: source.to_string(),
        })?;
        let mut setup = (*prepared.setup).clone();
        setup.not_before = now.plus_ms(options.start_delay_ms);
        let engine = Engine::new(Arc::new(setup), state, now, options.seed);
        let alerting = Arc::new(Alerting {
            inner: Mutex::new(Inner { engine, journal, history }),
            working: RwLock::new(Arc::new(prepared)),
            options,
            started_at: now,
            clock,
            metrics: AlertingMetrics::default(),
            wakeup: Wakeup::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        alerting.metrics.reload_ok.set(1);
        Ok(alerting)
    }

    /// Makes its metrics part of a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Begins to work. Must be called within a runtime.
    pub fn start(self: &Arc<Self>) {
        self.tasks.spawn(self.clone().run());
    }

    /// How it was set up.
    pub fn options(&self) -> &AlertingOptions {
        &self.options
    }

    /// When it was opened.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The configuration in force.
    pub fn working(&self) -> Arc<Prepared> {
        self.working.read().clone()
    }

    /// Puts another configuration to work.
    pub fn apply(&self, prepared: Prepared) {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let mut setup = (*prepared.setup).clone();
        setup.not_before = inner.engine.setup().not_before;
        *self.working.write() = Arc::new(prepared);
        inner.engine.reload(Arc::new(setup), now);
        // Where that fails the journal has said so, and a snapshot follows.
        let _ = inner.commit(now);
        drop(inner);
        self.wakeup.notify_one();
    }

    /// Counts a reload that failed.
    pub fn reload_failed(&self) {
        self.metrics.reload_ok.set(0);
    }

    /// A reload worked.
    pub fn reload_succeeded(&self) {
        self.metrics.reload_ok.set(1);
    }

    /// Takes in reports; those that are not valid are told, the others count. Returns once they are on disk.
    pub async fn put(&self, reports: Vec<Report>) -> Result<Vec<String>, AlertingError> {
        let (commit, errors) = self.put_now(reports);
        self.durable(commit).await?;
        Ok(errors)
    }

    /// The same for a caller that does not wait for the disk.
    pub fn tell(&self, reports: Vec<Report>) {
        // What does not come to the disk now does so with the next snapshot.
        let (_, errors) = self.put_now(reports);
        for reason in errors {
            warn!(reason, "an alert of a rule is not valid");
        }
    }

    fn put_now(&self, reports: Vec<Report>) -> (Written, Vec<String>) {
        let now = self.clock.now();
        let mut errors = Vec::new();
        let mut inner = self.inner.lock();
        let setup = inner.engine.setup().clone();
        let mut alerts = Vec::with_capacity(reports.len());
        for report in reports {
            match report.into_alert(now, setup.resolve_timeout_ms, setup.syntax) {
                Ok(alert) => {
                    let status = if alert.resolved_at(now) { "resolved" } else { "firing" };
                    self.metrics.received.get_or_create(&Received { status, version: "v2" }).inc();
                    alerts.push(alert);
                }
                Err(error) => {
                    self.metrics.invalid.inc();
                    errors.push(error);
                }
            }
        }
        inner.engine.put(alerts, now);
        let commit = inner.commit(now);
        drop(inner);
        self.wakeup.notify_one();
        (commit, errors)
    }

    /// Asks the engine.
    pub fn read<T>(&self, ask: impl FnOnce(&Engine, Timestamp) -> T) -> T {
        ask(&self.inner.lock().engine, self.clock.now())
    }

    /// Changes something, and returns once it is on disk.
    pub async fn change<T>(&self, change: impl FnOnce(&mut Engine, Timestamp) -> T) -> Result<T, AlertingError> {
        let now = self.clock.now();
        let (answer, commit) = {
            let mut inner = self.inner.lock();
            let answer = change(&mut inner.engine, now);
            (answer, inner.commit(now))
        };
        self.wakeup.notify_one();
        self.durable(commit).await?;
        Ok(answer)
    }

    /// Events, the newest first. Reads files without holding up alerts.
    pub fn history(&self, question: &Question<'_>) -> std::io::Result<Page> {
        let (events, next, files) = {
            let inner = self.inner.lock();
            let (events, next) = inner.history.recent(question);
            (events, next, inner.history.files())
        };
        match next {
            Some(before) if events.len() < question.limit => files.fill(question, Page { events, next: None }, before),
            next => Ok(Page { events, next }),
        }
    }

    /// Shows the events of a span of time in the order in which they were written, until `see` answers false.
    pub fn visit_history(
        &self,
        from: Timestamp,
        to: Timestamp,
        see: &mut dyn FnMut(crate::Event) -> bool,
    ) -> std::io::Result<()> {
        let files = self.inner.lock().history.files();
        files.visit(from, to, see)
    }

    async fn durable(&self, written: Written) -> Result<(), AlertingError> {
        let Some(commit) = written.map_err(AlertingError::NotDurable)? else { return Ok(()) };
        commit.wait().await.map_err(|reason| {
            self.inner.lock().journal.fell_behind();
            AlertingError::NotDurable(reason.to_string())
        })
    }

    async fn run(self: Arc<Self>) {
        loop {
            let now = self.clock.now();
            let (deliveries, commit, next) = {
                let mut inner = self.inner.lock();
                inner.engine.tick(now);
                let deliveries = inner.engine.deliveries(now);
                let commit = inner.commit(now);
                self.measure(&inner.engine, now);
                (deliveries, commit, inner.engine.next_wakeup())
            };
            for delivery in deliveries {
                self.tasks.spawn(self.clone().deliver(delivery, commit.clone()));
            }
            self.snapshot_if_due().await;
            let pause = next.ms().saturating_sub(self.clock.now().ms()).clamp(1, 60_000) as u64;
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = tokio::time::timeout(Duration::from_millis(pause), self.wakeup.notified()) => {}
            }
        }
    }

    async fn deliver(self: Arc<Self>, delivery: Delivery, written: Written) {
        // Better told twice than not at all: where the disk fails, it is sent all the same.
        if let Err(reason) = self.durable(written).await {
            error!(%reason, "a notification is sent before the disk holds that it is");
        }
        let Delivery { item, data } = delivery;
        let working = self.working();
        let begin = Instant::now();
        let outcome = match working.receivers.get(&item.to) {
            Some(receiver) => {
                let message = Message::new(&item, &data, &working.templates, &self.options.external_url);
                tokio::select! {
                    outcome = receiver.send(&message) => outcome,
                    // After the next start it is tried again.
                    () = self.stop.cancelled() => return,
                }
            }
            None => Outcome::Refused("the receiver is gone from the configuration".to_owned()),
        };
        let label = Integration { integration: item.to.kind.to_string(), receiver_name: item.to.receiver.to_string() };
        self.metrics.sent.get_or_create(&label).inc();
        self.metrics.latency.get_or_create(&label).observe(begin.elapsed().as_secs_f64());
        match &outcome {
            Outcome::Delivered(_) => {}
            Outcome::Retry { reason, .. } => {
                self.metrics.failed.get_or_create(&label).inc();
                warn!(receiver = %item.to, group = %item.group_key, attempt = item.attempts, reason, "a notification failed and will be tried again");
            }
            Outcome::Refused(reason) => {
                self.metrics.failed.get_or_create(&label).inc();
                error!(receiver = %item.to, group = %item.group_key, attempt = item.attempts, reason, "a notification was refused");
            }
        }
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        inner.engine.completed(item.id, outcome, now);
        // Where that fails the journal has said so, and a snapshot follows.
        let _ = inner.commit(now);
        drop(inner);
        self.wakeup.notify_one();
    }

    async fn snapshot_if_due(self: &Arc<Self>) {
        if !self.inner.lock().journal.wants_snapshot() {
            return;
        }
        let alerting = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut inner = alerting.inner.lock();
            let Inner { engine, journal, .. } = &mut *inner;
            journal.snapshot(engine.state())
        });
        if let Ok(Err(error)) = written.await {
            error!(%error, "the alerting state cannot be written");
        }
    }

    fn measure(&self, engine: &Engine, now: Timestamp) {
        let state = engine.state();
        self.metrics.groups.set(state.groups.len() as i64);
        self.metrics.outbox.set(state.outbox.len() as i64);
        self.metrics.dead.set(state.dead.len() as i64);
        for which in [SilenceState::Pending, SilenceState::Active, SilenceState::Expired] {
            let count = state.silences.values().filter(|silence| silence.state(now) == which).count();
            self.metrics.silences.get_or_create(&StateLabel { state: which.as_str() }).set(count as i64);
        }
        self.metrics.alerts.get_or_create(&StateLabel { state: "active" }).set(state.alerts.len() as i64);
    }

    /// Stops: attempts under way are given up and made again after the next start. Blocks for a moment.
    pub async fn close(self: &Arc<Self>) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let alerting = self.clone();
        let closed = tokio::task::spawn_blocking(move || {
            let mut inner = alerting.inner.lock();
            let Inner { engine, journal, .. } = &mut *inner;
            let written = journal.snapshot(engine.state());
            journal.close();
            written
        });
        match closed.await {
            Ok(Ok(())) => info!("alerting stopped"),
            Ok(Err(error)) => error!(%error, "the alerting state cannot be written"),
            Err(error) => error!(%error, "alerting did not stop in order"),
        }
    }
}

impl Inner {
    /// Hands changes to the journal and events to the history.
    fn commit(&mut self, now: Timestamp) -> Written {
        let changes = self.engine.take_changes();
        let events = self.engine.take_events();
        self.history.add(events, now);
        self.journal.append(&changes, now)
    }
}
