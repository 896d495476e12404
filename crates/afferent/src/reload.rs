//! Loading the configuration anew while the server runs: all or nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use api::{ConfigSnapshot, HttpMetrics, Notifications, QueryLog, RELOAD_FAILED};
use config::PrometheusConfig;
use metrics::Store;
use model::Clock;
use parking_lot::{Mutex, RwLock};
use promql::engine::{Engine, EngineOptions};
use remote::Senders;
use scrape::Manager;
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::alert_house::AlertHouse;
use crate::log_house::LogHouse;
use crate::ruler::Ruler;
use crate::shipping::Shipping;

/// Everything that a configuration file decides.
pub(crate) struct Reloader {
    pub(crate) file: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) manager: Arc<Manager>,
    pub(crate) senders: Arc<Senders>,
    pub(crate) ruler: Arc<Ruler>,
    /// Where tasks are started: a reload runs on a thread of its own.
    pub(crate) runtime: Handle,
    pub(crate) store: Arc<Store>,
    pub(crate) engine: Arc<RwLock<Engine>>,
    pub(crate) snapshot: Arc<RwLock<ConfigSnapshot>>,
    pub(crate) metrics: HttpMetrics,
    pub(crate) notifications: Arc<Notifications>,
    pub(crate) query_log: Arc<QueryLog>,
    pub(crate) log_house: Arc<LogHouse>,
    pub(crate) shipping: Arc<Shipping>,
    pub(crate) alert_house: Arc<AlertHouse>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the server was started with.
    pub(crate) at_start: PrometheusConfig,
    /// Keeps two reloads from overlapping.
    pub(crate) busy: Mutex<()>,
}

impl Reloader {
    /// Puts a configuration to work. On an error nothing has changed.
    pub(crate) fn apply(&self, config: &PrometheusConfig) -> Result<(), String> {
        Senders::check(config).map_err(|e| e.to_string())?;
        let rules = self.ruler.load(config).map_err(|e| e.to_string())?;
        let log_file = config.global.query_log_file.as_deref();
        self.query_log.open(log_file).map_err(|e| format!("cannot open global.query_log_file: {e}"))?;
        self.manager.apply(config).map_err(|e| e.to_string())?;
        self.senders.apply(config).map_err(|e| e.to_string())?;
        let within = self.runtime.enter();
        self.ruler.apply(&rules, config).map_err(|e| e.to_string())?;
        drop(within);
        self.store.set_limits(crate::settings::limits(config));
        let options = self.engine.read().options().clone();
        let no_step_subquery_interval_ms = config.global.evaluation_interval.ms();
        *self.engine.write() = Engine::new(EngineOptions { no_step_subquery_interval_ms, ..options });
        let loaded_at = self.clock.now();
        *self.snapshot.write() = ConfigSnapshot {
            yaml: config::to_yaml(config),
            loaded_at,
            otlp: Arc::new(config.otlp.clone()),
            external_labels: config.global.external_labels.clone(),
            scrape_interval_ms: config.global.scrape_interval.ms(),
            last_reload_ok: true,
        };
        self.metrics.config_reload_ok.set(1);
        self.notifications.remove(RELOAD_FAILED);
        self.metrics.config_reload_seconds.set(loaded_at.seconds());
        Ok(())
    }

    /// Reads the file and puts it to work; says why where that fails, and then the old configuration stays in force. Answers
    /// what of it waits for a restart. Blocks the thread.
    pub(crate) fn reload(&self) -> Result<Option<String>, String> {
        let _busy = self.busy.lock();
        let file = self.file.display().to_string();
        let applied =
            crate::settings::load(&self.file, Some(self.address)).map_err(|e| e.to_string()).and_then(|loaded| {
                // Checked first, so that none is put to work where another is wrong.
                let loki = self.log_house.read()?;
                let to_ship = self.shipping.read()?;
                self.shipping.check(to_ship.as_ref())?;
                let alerts = self.alert_house.read()?;
                self.apply(&loaded.config)?;
                self.log_house.apply(loki);
                self.alert_house.apply(alerts);
                self.runtime.block_on(self.shipping.replace(to_ship))?;
                Ok(loaded)
            });
        let loaded = match applied {
            Ok(loaded) => loaded,
            Err(reasons) => {
                self.metrics.config_reload_ok.set(0);
                self.notifications.add(RELOAD_FAILED);
                self.metrics.config_reload_failures.inc();
                self.snapshot.write().last_reload_ok = false;
                error!(file, reasons, "the configuration was not reloaded, the one before stays in force");
                return Err(reasons);
            }
        };
        for warning in &loaded.warnings {
            warn!(file, %warning, "configuration");
        }
        crate::settings::warn_of_idle_sections(&loaded.config);
        // Compared with what the server was started with: a change that was taken back waits for nothing.
        let waiting = at_next_start(&self.at_start, &loaded.config);
        if let Some(notice) = &waiting {
            warn!(file, "{notice}");
        }
        let jobs = loaded.config.all_scrape_configs().count();
        info!(file, jobs, "configuration reloaded");
        Ok(waiting)
    }
}

/// The sections that changed and are read at a start alone.
fn at_next_start(at_start: &PrometheusConfig, now: &PrometheusConfig) -> Option<String> {
    let sections = [("storage", at_start.storage != now.storage), ("retention", at_start.retention != now.retention)];
    let changed: Vec<&str> = sections.iter().filter(|(_, has_changed)| *has_changed).map(|(name, _)| *name).collect();
    (!changed.is_empty())
        .then(|| format!("reloaded; changes in {} take effect at the next start", changed.join(" and ")))
}
