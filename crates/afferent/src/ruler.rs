//! Rules over metrics and over logs and the Alertmanagers that they tell, as one thing that a configuration decides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::RuleGroups;
use config::PrometheusConfig;
use metrics::Store;
use model::{Clock, LogSource, SampleSink};
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use promql::engine::{CancelFlag, Engine};
use rules::{
    Alertmanagers, GroupSettings, GroupView, Language, LoadedRules, LogqlQueries, Manager, ManagerOptions,
    PromqlQueries, Queries, RulesError,
};
use tracing::warn;

use crate::alert_house::{AlertHouse, Everyone, InProcess};

/// The directory beside the main configuration that holds Loki's rule files.
const LOG_RULES: &str = "loki-rules";

/// Evaluates rules over the stores.
pub(crate) struct Ruler {
    manager: Arc<Manager>,
    log_manager: Arc<Manager>,
    alertmanagers: Arc<Alertmanagers>,
    in_process: Arc<InProcess>,
    /// Where rule files over logs are.
    log_files: Vec<PathBuf>,
    cancel: CancelFlag,
    log_cancel: logql::CancelFlag,
}

/// What rules are made from.
pub(crate) struct RulerParts {
    /// The main configuration file.
    pub(crate) file: PathBuf,
    pub(crate) store: Arc<Store>,
    pub(crate) logs: Arc<dyn LogSource>,
    pub(crate) engine: Arc<RwLock<Engine>>,
    pub(crate) sink: Arc<dyn SampleSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) external_url: String,
    pub(crate) alerts: Arc<AlertHouse>,
}

/// Rule files, read and checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleFiles {
    pub(crate) metrics: LoadedRules,
    pub(crate) logs: LoadedRules,
}

/// Where the rules over logs of a configuration are: files of the directory, and of the one for the only tenant of a Loki
/// without tenants.
pub(crate) fn log_rule_files(main: &Path) -> Vec<PathBuf> {
    let directory = main.parent().unwrap_or(Path::new("")).join(LOG_RULES);
    ["*.yml", "*.yaml", "fake/*.yml", "fake/*.yaml"].map(|pattern| directory.join(pattern)).into()
}

/// True for a file that lies where rules over logs are.
pub(crate) fn is_log_rules(file: &Path) -> bool {
    file.components().any(|component| component.as_os_str() == LOG_RULES)
}

impl Ruler {
    pub(crate) fn new(parts: RulerParts) -> Arc<Self> {
        let RulerParts { file, store, logs, engine, sink, clock, external_url, alerts } = parts;
        let alertmanagers = Alertmanagers::new();
        let in_process = InProcess::new(alerts.alerting.clone());
        let (cancel, log_cancel) = (CancelFlag::default(), logql::CancelFlag::default());
        let options = engine.read().options().clone();
        let log_engine = logql::Engine::new(logql::EngineOptions {
            memory: options.memory,
            timeout: options.timeout,
            clock: clock.clone(),
            ..logql::EngineOptions::default()
        });
        let manager = |language, queries: Arc<dyn Queries>| {
            Manager::new(ManagerOptions {
                language,
                queries,
                source: store.clone(),
                sink: sink.clone(),
                notifier: Arc::new(Everyone(vec![in_process.clone(), alertmanagers.clone()])),
                clock: clock.clone(),
                external_url: external_url.clone(),
            })
        };
        let queries = PromqlQueries { source: store.clone(), engine, cancel: cancel.clone() };
        let log_queries = LogqlQueries { source: logs, engine: log_engine, cancel: log_cancel.clone() };
        Arc::new(Ruler {
            manager: manager(Language::Promql, Arc::new(queries)),
            log_manager: manager(Language::Logql, Arc::new(log_queries)),
            in_process: in_process.clone(),
            alertmanagers,
            log_files: log_rule_files(&file),
            cancel,
            log_cancel,
        })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.manager.register(registry);
        // Loki's names: loki_prometheus_rule_evaluations_total and so on.
        self.log_manager.register(registry.sub_registry_with_prefix("loki"));
        self.alertmanagers.register(registry);
    }

    /// Reads what a configuration asks for and checks that it can be done; nothing changes.
    pub(crate) fn load(&self, config: &PrometheusConfig) -> Result<RuleFiles, RulesError> {
        Alertmanagers::check(config)?;
        let metrics = self.manager.load(&config.rule_files, config)?;
        Ok(RuleFiles { metrics, logs: self.log_manager.load(&self.log_files, config)? })
    }

    /// Puts it to work. Must be called within a runtime.
    pub(crate) fn apply(&self, rules: &RuleFiles, config: &PrometheusConfig) -> Result<(), RulesError> {
        for warning in rules.metrics.warnings.iter().chain(&rules.logs.warnings) {
            warn!(%warning, "rule files");
        }
        self.alertmanagers.apply(config)?;
        self.in_process.apply(config);
        self.manager.apply(&rules.metrics, config);
        self.log_manager.apply(&rules.logs, config);
        Ok(())
    }

    /// Stops evaluating, then sends what is still to be sent.
    pub(crate) async fn close(&self) {
        self.cancel.cancel();
        self.log_cancel.cancel();
        tokio::join!(self.manager.close(), self.log_manager.close());
        self.alertmanagers.close().await;
    }
}

impl RuleGroups for Ruler {
    fn groups(&self) -> Vec<Arc<GroupView>> {
        self.manager.groups()
    }

    fn log_groups(&self) -> Vec<Arc<GroupView>> {
        self.log_manager.groups()
    }

    fn log_settings(&self) -> Vec<GroupSettings> {
        self.log_manager.settings()
    }

    fn alertmanagers(&self) -> (Vec<String>, Vec<String>) {
        (self.alertmanagers.active(), self.alertmanagers.dropped())
    }
}
