//! The log store and what belongs to it: where Loki's configuration is, what it means for the store, and how it is taken in anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::{LogParts, SharedLokiConfig, TailingSink};
use config::{ConfigErrors, Loaded, LokiConfig, LokiLimits};
use logs::{LogLimitTable, LogLimits, RetentionRule, Store, StoreOptions, StreamRate};
use model::{Clock, LogSink, Resident, Tenant};
use parking_lot::RwLock;
use tracing::{error, info, warn};

use crate::memory::Budget;
use crate::settings;

/// Names looked for beside the main configuration, the first that exists wins.
const FILE_NAMES: [&str; 4] = ["loki-config.yaml", "loki-config.yml", "loki.yaml", "loki.yml"];

/// The store with its way in and its configuration.
pub(crate) struct LogHouse {
    pub(crate) store: Arc<Store>,
    pub(crate) sink: Arc<TailingSink>,
    config: SharedLokiConfig,
    file: Option<PathBuf>,
}

/// The file beside the main configuration, if there is one.
pub(crate) fn find_file(main: &Path) -> Option<PathBuf> {
    let directory = main.parent()?;
    FILE_NAMES.iter().map(|name| directory.join(name)).find(|file| file.is_file())
}

/// True for a file by one of these names.
pub(crate) fn is_config(file: &Path) -> bool {
    file.is_file() && file.file_name().is_some_and(|name| FILE_NAMES.iter().any(|known| *known == name))
}

/// Reads and validates it; the defaults where there is none.
pub(crate) fn load(file: Option<&Path>) -> Result<Loaded<LokiConfig>, ConfigErrors> {
    match file {
        Some(file) => config::load_loki(file, &settings::environment(None)),
        None => Ok(Loaded { config: LokiConfig::default(), files: Vec::new(), warnings: Vec::new() }),
    }
}

impl LogHouse {
    /// Opens the store below `data`. Blocks the thread.
    pub(crate) fn open(
        data: &Path,
        file: Option<PathBuf>,
        loaded: Loaded<LokiConfig>,
        budget: &Budget,
        resident: Arc<Resident>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<LogHouse> {
        tell(&loaded);
        let options = options(&loaded.config, budget, resident);
        let (store, recovery) = Store::open(&data.join("logs"), options, clock)?;
        info!(streams = recovery.streams, replayed_entries = recovery.replayed_entries, "log store opened");
        if recovery.found_damage() {
            warn!(
                damaged_records = recovery.damaged_records,
                quarantined_files = ?recovery.quarantined_files,
                "stored logs were damaged; what could be read is there, damaged files were set aside"
            );
        }
        let sink = TailingSink::new(store.clone() as Arc<dyn LogSink>);
        Ok(LogHouse { store, sink, config: Arc::new(RwLock::new(Arc::new(loaded.config))), file })
    }

    /// What the handlers get.
    pub(crate) fn parts(&self) -> LogParts {
        LogParts { store: self.store.clone(), sink: self.sink.clone(), config: self.config.clone() }
    }

    /// Reads the file again. Blocks the thread.
    pub(crate) fn read(&self) -> Result<Loaded<LokiConfig>, String> {
        load(self.file.as_deref()).map_err(|errors| errors.to_string())
    }

    /// Puts another configuration to work.
    pub(crate) fn apply(&self, loaded: Loaded<LokiConfig>) {
        tell(&loaded);
        let old = self.config.read().clone();
        if retention(&old) != retention(&loaded.config) {
            warn!("changes of the retention of logs take effect at the next start");
        }
        self.store.set_limits(limits(&loaded.config));
        *self.config.write() = Arc::new(loaded.config);
    }

    /// Writes everything down. Blocks the thread.
    pub(crate) fn close(&self) {
        if let Err(failure) = self.store.close() {
            error!(%failure, "the log store could not be closed; its log is read at the next start");
        }
    }
}

fn tell(loaded: &Loaded<LokiConfig>) {
    let idle = loaded.warnings.iter().filter(|warning| warning.message.starts_with("accepted;")).count();
    for warning in loaded.warnings.iter().filter(|warning| !warning.message.starts_with("accepted;")) {
        warn!(%warning, "configuration of logs");
    }
    if idle > 0 {
        info!(
            keys = idle,
            "keys of Loki's configuration that mean nothing to one process; `afferent check config` lists them"
        );
    }
}

fn options(config: &LokiConfig, budget: &Budget, resident: Arc<Resident>) -> StoreOptions {
    let defaults = StoreOptions::default();
    let (retention_ms, retention_rules) = retention(config);
    StoreOptions {
        retention_ms,
        retention_rules: retention_rules.into_iter().map(|rule| rule.into_store()).collect(),
        limits: limits(config),
        memory_limit_bytes: Some(budget.log_head),
        flush_head_bytes: defaults.flush_head_bytes.min(budget.log_head as usize / 2),
        block_cache_bytes: budget.log_cache as usize,
        resident: Some(resident),
        compile_filter: Some(Arc::new(api::compile_log_filter)),
        ..defaults
    }
}

/// A rule of retention, comparable.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    tenant: Option<Tenant>,
    selector: Option<config::LokiRetention>,
    keep_ms: i64,
}

impl Rule {
    fn into_store(self) -> RetentionRule {
        RetentionRule {
            tenant: self.tenant,
            matchers: self.selector.as_ref().map(config::LokiRetention::matchers).unwrap_or_default(),
            priority: self.selector.map_or(i64::MIN, |selector| selector.priority),
            keep_ms: self.keep_ms,
        }
    }
}

/// How long entries are kept at most, and the rules for some of them.
fn retention(config: &LokiConfig) -> (Option<i64>, Vec<Rule>) {
    if !config.compactor.retention_enabled {
        return (None, Vec::new());
    }
    let of = |tenant: Option<&Tenant>, limits: &LokiLimits| {
        let selectors = limits.retention_stream.iter().map(|entry| Rule {
            tenant: tenant.cloned(),
            keep_ms: entry.period.ms(),
            selector: Some(entry.clone()),
        });
        selectors.collect::<Vec<_>>()
    };
    let mut rules = Vec::new();
    for (tenant, limits) in &config.overrides {
        rules.extend(of(Some(tenant), limits));
        if limits.retention_period != config.limits.retention_period {
            let keep_ms = if limits.retention_period.is_zero() { i64::MAX } else { limits.retention_period.ms() };
            rules.push(Rule { tenant: Some(tenant.clone()), selector: None, keep_ms });
        }
    }
    rules.extend(of(None, &config.limits));
    let period = config.limits.retention_period;
    ((!period.is_zero()).then_some(period.ms()), rules)
}

/// The limits of tenants as the store takes them.
fn limits(config: &LokiConfig) -> LogLimitTable {
    let of = |limits: &LokiLimits| {
        let rate = limits.per_stream_rate_limit.bytes() as f64;
        let burst = limits.per_stream_rate_limit_burst.bytes() as f64;
        LogLimits {
            streams: Some(limits.max_streams() as usize).filter(|streams| *streams > 0),
            stream_rate: (rate > 0.0).then_some(StreamRate { bytes_a_second: rate, burst_bytes: burst.max(rate) }),
            out_of_order_window: Some(match limits.unordered_writes {
                true => config.out_of_order_window().ms().saturating_mul(1_000_000),
                false => 0,
            }),
        }
    };
    let overrides = config.overrides.iter().map(|(tenant, limits)| (tenant.clone(), of(limits))).collect();
    LogLimitTable { default: of(&config.limits), overrides }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> LokiConfig {
        config::load_loki_text(text, Path::new("loki.yaml"), &config::Environment::default()).unwrap().config
    }

    #[test]
    fn limits_and_retention_of_the_store() {
        let config = read("");
        let table = limits(&config);
        assert_eq!(table.default.streams, Some(5000));
        assert_eq!(table.default.out_of_order_window, Some(3_600_000_000_000));
        assert_eq!(retention(&config), (None, Vec::new()));
        let config = read(
            "compactor: {retention_enabled: true}\nlimits_config: {retention_period: 2d, unordered_writes: false, \
             per_stream_rate_limit: 0, max_global_streams_per_user: 0, retention_stream: [{selector: '{a=\"b\"}', priority: 7, period: 1d}]}\n",
        );
        let (keep, rules) = retention(&config);
        assert_eq!(keep, Some(2 * 86_400_000));
        let rule = rules[0].clone().into_store();
        assert_eq!((rule.priority, rule.keep_ms, rule.matchers.len()), (7, 86_400_000, 1));
        let table = limits(&config);
        assert_eq!(table.default, LogLimits { streams: None, stream_rate: None, out_of_order_window: Some(0) });
    }

    #[test]
    fn the_shipped_file_is_good() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../observability/prometheus-config.yaml");
        let file = find_file(&shipped).unwrap();
        let loaded = load(Some(&file)).unwrap();
        assert!(loaded.warnings.is_empty() && loaded.config.compactor.retention_enabled);
    }
}
