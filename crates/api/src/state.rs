//! What every handler shares: the parts that the binary assembled, and the state of this server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use config::OtlpConfig;
use model::{Clock, Labels, LogSink, SampleSink, SeriesSource, Timestamp};
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use promql::engine::Engine;

use crate::doors::DoorPolicy;
use crate::federate::FederationMetrics;
use crate::gate::Gate;
use crate::ingest::Intake;
use crate::ingest::push_metrics::PushMetrics;
use crate::log_intake::{AdmittingSink, LogIntake};
use crate::log_search::saved::SavedSearches;
use crate::log_state::{LogParts, Logs};
use crate::loki::delete::Deletions;
use crate::loki::tail::Tails;
use crate::memory::{MemoryLimits, QueryMemoryCollector};
use crate::notifications::{self, Notifications};
use crate::otlp::Otlp;
use crate::pushgateway::Pushgateway;
use crate::queries::{ActiveQueries, QueryLog, QueryMetrics};
use crate::remote_read::RemoteRead;
use crate::remote_write::RemoteWrite;
use crate::self_metrics::HttpMetrics;
use crate::sources::{RuleGroups, Targets};

/// A future on the heap.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Reads the configuration anew; an error is the text for the person who asked.
pub type Reload = Box<dyn Fn() -> BoxFuture<Result<Option<String>, String>> + Send + Sync>;

/// Whether requests can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Readiness {
    /// Still opening the store.
    Starting,
    /// Answering.
    Ready,
    /// On the way out.
    Stopping,
}

/// The configuration that is in force.
#[derive(Clone, Debug, Default)]
pub struct ConfigSnapshot {
    /// The file's text, without secrets, as `/api/v1/status/config` shows it.
    pub yaml: String,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// How OpenTelemetry metrics are translated.
    pub otlp: Arc<OtlpConfig>,
    /// `global.external_labels`: what tells this server from others where samples leave it.
    pub external_labels: Labels,
    /// `global.scrape_interval` in milliseconds; 0 where no configuration was loaded.
    pub scrape_interval_ms: i64,
    /// Whether the last attempt to load succeeded.
    pub last_reload_ok: bool,
}

/// What the binary hands over.
pub struct Parts {
    /// Where series are read.
    pub source: Arc<dyn SeriesSource>,
    /// Evaluates PromQL; replaced when a reload changes what it depends on.
    pub engine: Arc<RwLock<Engine>>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Scrape targets.
    pub targets: Arc<dyn Targets>,
    /// Rules and their alerts.
    pub rules: Arc<dyn RuleGroups>,
    /// Where everything that comes in is written.
    pub sink: Arc<dyn SampleSink>,
    /// The store behind `source`: metadata, exemplars and figures.
    pub store: Arc<metrics::Store>,
    /// Metrics of this process; what the router itself counts is in `http_metrics`.
    pub registry: Registry,
    /// Counters of requests, registered in `registry`.
    pub http_metrics: HttpMetrics,
    /// The host exporter's exposition text.
    pub host_exporter: Arc<dyn Fn() -> String + Send + Sync>,
    /// The configuration in force.
    pub config: Arc<RwLock<ConfigSnapshot>>,
    /// Reads the configuration anew.
    pub reload: Reload,
    /// Starts an orderly stop; `None` refuses `/-/quit`.
    pub quit: Option<Box<dyn Fn() + Send + Sync>>,
    /// Command-line flags by name, for `/api/v1/status/flags`.
    pub flags: BTreeMap<String, String>,
    /// Who may ask, by name and origin.
    pub doors: DoorPolicy,
    /// What an operator should know; the binary adds what it knows of the configuration.
    pub notifications: Arc<Notifications>,
    /// Queries that may run at a time.
    pub max_concurrent_queries: usize,
    /// Queries that take longer are logged.
    pub slow_query: Duration,
    /// `global.query_log_file`; the binary opens it.
    pub query_log: Arc<QueryLog>,
    /// Damaged records and files that the start found.
    pub corruptions: u64,
    /// What the handlers may take of the memory budget.
    pub memory: MemoryLimits,
    /// How long samples are kept, in milliseconds.
    pub retention_ms: i64,
    /// What there is for logs; `None` where the server keeps none.
    pub logs: Option<LogParts>,
    /// How the shipper within the server does, as JSON; null where there is none.
    pub shipper: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Routing and paging; `None` where the server does not alert.
    pub alerting: Option<Arc<alerting::Alerting>>,
    /// Directory of the data.
    pub data_dir: PathBuf,
}

/// The state behind the router.
pub struct Api {
    pub(crate) parts: Parts,
    pub(crate) queries: Arc<Gate>,
    pub(crate) active_queries: Arc<ActiveQueries>,
    pub(crate) lookups: Arc<Gate>,
    pub(crate) remote_write: Arc<RemoteWrite>,
    pub(crate) otlp: Arc<Otlp>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) pushes: PushMetrics,
    pub(crate) federation: FederationMetrics,
    pub(crate) remote_read: RemoteRead,
    pub(crate) pushgateway: Pushgateway,
    pub(crate) logs: Option<Arc<Logs>>,
    pub(crate) started_at: Timestamp,
    readiness: AtomicU8,
}

impl Api {
    /// Takes the parts over. Not ready until told so.
    pub fn new(mut parts: Parts) -> Arc<Self> {
        let concurrency = parts.max_concurrent_queries.max(1);
        let lookups = Arc::new(Gate::new(concurrency));
        let queries = Arc::new(Gate::new(concurrency));
        let query_metrics = QueryMetrics::new(concurrency);
        query_metrics.register(&mut parts.registry);
        parts.query_log.register(&mut parts.registry);
        let query_log = parts.query_log.clone();
        let active_queries = ActiveQueries::new(parts.clock.clone(), query_metrics, parts.slow_query, query_log);
        let intake = Intake::new(parts.sink.clone(), parts.clock.clone(), &parts.memory);
        let query_memory = parts.engine.read().options().memory.clone();
        parts.registry.register_collector(Box::new(QueryMemoryCollector(query_memory)));
        let remote_write = RemoteWrite::behind(intake.clone());
        remote_write.register(&mut parts.registry);
        let otlp = Otlp::behind(intake.clone());
        otlp.register(&mut parts.registry);
        let pushes = PushMetrics::default();
        pushes.register(&mut parts.registry);
        let logs = parts.logs.take().map(|logs| {
            let log_intake = LogIntake::new(logs.sink.clone(), logs.config, intake.clone());
            log_intake.register(&mut parts.registry);
            let engine = parts.engine.read().options().clone();
            Arc::new(Logs {
                intake: log_intake,
                source: logs.store.clone(),
                store: logs.store,
                engine: logql::Engine::new(logql::EngineOptions {
                    memory: engine.memory.clone(),
                    timeout: engine.timeout,
                    clock: parts.clock.clone(),
                    ..logql::EngineOptions::default()
                }),
                sink: logs.sink,
                active_queries: active_queries.clone(),
                queries: queries.clone(),
                tails: Tails::default(),
                doors: parts.doors.clone(),
                deletions: Deletions::open(parts.data_dir.join("log_deletions.json")),
                saved: SavedSearches::open(parts.data_dir.join("log_searches.json")),
                lookups: lookups.clone(),
                memory: engine.memory,
                timeout: engine.timeout,
            })
        });
        let pushed = parts.data_dir.join("pushgateway");
        let pushgateway = Pushgateway::open(pushed, parts.clock.clone(), intake.clone(), pushes.clone());
        parts.notifications.register(&mut parts.registry);
        parts.notifications.add(notifications::STARTING);
        let federation = FederationMetrics::default();
        federation.register(&mut parts.registry);
        let remote_read = RemoteRead::new();
        remote_read.register(&mut parts.registry);
        Arc::new(Api {
            remote_write,
            otlp,
            intake,
            pushes,
            federation,
            remote_read,
            pushgateway,
            logs,
            queries,
            active_queries,
            lookups,
            started_at: parts.clock.now(),
            readiness: AtomicU8::new(Readiness::Starting as u8),
            parts,
        })
    }

    /// Tells callers whether requests can be answered.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.readiness.store(readiness as u8, Ordering::Release);
        self.parts.http_metrics.ready.set(i64::from(readiness == Readiness::Ready));
        let told = &self.parts.notifications;
        match readiness {
            Readiness::Starting => told.add(notifications::STARTING),
            Readiness::Ready => told.remove(notifications::STARTING),
            Readiness::Stopping => {
                told.add(notifications::STOPPING);
                told.close();
            }
        }
    }

    /// Writes what is kept of the Pushgateway's groups into the store, as [`crate::write_pushed_groups`] does again and again.
    pub async fn write_pushed_groups_now(&self) {
        self.pushgateway.write_all().await;
    }

    /// The way into the log store for sources in this process: what they hand over is admitted as if it had been pushed. `None`
    /// where the server keeps no logs.
    pub fn log_sink(&self) -> Option<Arc<dyn LogSink>> {
        let logs = self.logs.as_ref()?;
        Some(Arc::new(AdmittingSink(logs.intake.clone())))
    }

    /// The engine as it is now.
    pub(crate) fn engine(&self) -> Engine {
        self.parts.engine.read().clone()
    }

    /// Whether requests can be answered.
    pub fn readiness(&self) -> Readiness {
        match self.readiness.load(Ordering::Acquire) {
            0 => Readiness::Starting,
            1 => Readiness::Ready,
            _ => Readiness::Stopping,
        }
    }
}
