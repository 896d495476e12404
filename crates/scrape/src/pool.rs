//! The targets of one job: found, relabelled, each with its loop; kept in step with discovery and configuration.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use client::HttpClient;
use config::ScrapeConfig;
use model::Labels;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::ScrapeError;
use crate::discovery::{Discovery, Groups, TargetGroup};
use crate::failure_log::FailureLog;
use crate::metrics::JobLabel;
use crate::scrape_loop::{LoopHandle, Mode, PoolSettings, Shared};
use crate::target::{Target, make_target};

/// One job.
pub(crate) struct Pool {
    name: String,
    shared: Arc<Shared>,
    settings: watch::Sender<Arc<PoolSettings>>,
    state: Mutex<PoolState>,
}

/// Where the targets of a pool come from, and the task that follows it.
pub(crate) struct Sources {
    configs: config::DiscoveryConfigs,
    discovery: Arc<Discovery>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct PoolState {
    active: HashMap<u64, LoopHandle>,
    /// Loops of targets that are gone, by the labels of their series.
    fading: HashMap<Labels, LoopHandle>,
    dropped: Vec<(Arc<TargetGroup>, usize)>,
    dropped_count: usize,
    stopped: bool,
}

/// What can fail when a configuration is put to work; done for all pools before any is changed.
pub(crate) fn settings_for(
    config: &ScrapeConfig,
    before: Option<&PoolSettings>,
    offset_seed: u64,
) -> Result<PoolSettings, ScrapeError> {
    let client = match before {
        // The connections stay, unless certificates may have changed on disk.
        Some(before) if before.config.http == config.http && !has_files(config) => before.client.clone(),
        _ => HttpClient::new(&config.http)
            .map_err(|reason| ScrapeError::Client { pool: config.job_name.clone(), reason })?,
    };
    let failure_log = config.scrape_failure_log_file.as_deref().map(|path| {
        FailureLog::open(path).map(Arc::new).map_err(|e| ScrapeError::File {
            pool: config.job_name.clone(),
            what: "scrape_failure_log_file",
            path: path.to_owned(),
            reason: e.to_string(),
        })
    });
    let same_rules = |before: &PoolSettings| same_series_rules(&before.config, config);
    Ok(PoolSettings {
        config: Arc::new(config.clone()),
        client,
        failure_log: failure_log.transpose()?,
        forced_error: before.and_then(|b| b.forced_error.clone()),
        rules_version: before.map_or(0, |b| if same_rules(b) { b.rules_version } else { b.rules_version + 1 }),
        offset_seed,
    })
}

/// True where a reload must read certificates again even if the configuration is the same.
pub(crate) fn has_files(config: &ScrapeConfig) -> bool {
    let tls = &config.http.tls_config;
    tls.ca_file.is_some() || tls.cert_file.is_some() || tls.key_file.is_some()
}

/// True where both configurations give a raw series the same labels, or refuse both.
fn same_series_rules(a: &ScrapeConfig, b: &ScrapeConfig) -> bool {
    a.honor_labels == b.honor_labels
        && a.metric_relabel_configs == b.metric_relabel_configs
        && a.metric_name_validation_scheme == b.metric_name_validation_scheme
        && (a.label_limit, a.label_name_length_limit, a.label_value_length_limit)
            == (b.label_limit, b.label_name_length_limit, b.label_value_length_limit)
}

impl Pool {
    pub(crate) fn new(name: &str, shared: Arc<Shared>, settings: PoolSettings) -> Arc<Self> {
        let settings = watch::Sender::new(Arc::new(settings));
        Arc::new(Pool { name: name.to_owned(), shared, settings, state: Mutex::default() })
    }

    pub(crate) fn settings(&self) -> Arc<PoolSettings> {
        self.settings.borrow().clone()
    }

    /// Replaces the settings. Loops go on; targets change with the next [`Pool::sync`].
    pub(crate) fn set_settings(&self, settings: PoolSettings) {
        self.settings.send_replace(Arc::new(settings));
    }

    /// Starts to follow the discovery: targets are brought up to date at once and after each change, though not more often
    /// than every `pause`.
    pub(crate) fn follow(
        self: &Arc<Self>,
        configs: &config::DiscoveryConfigs,
        discovery: Discovery,
        pause: Duration,
    ) -> Sources {
        let discovery = Arc::new(discovery);
        let (pool, source) = (self.clone(), discovery.clone());
        let mut changes = source.changes();
        let task = tokio::spawn(async move {
            loop {
                changes.borrow_and_update();
                let (pool, groups) = (pool.clone(), source.groups());
                // Relabelling thousands of targets takes a while.
                if tokio::task::spawn_blocking(move || pool.sync(&groups)).await.is_err() {
                    warn!("bringing targets up to date failed unexpectedly");
                }
                let next = Instant::now() + pause;
                if changes.changed().await.is_err() {
                    return;
                }
                sleep_until(next).await;
            }
        });
        Sources { configs: configs.clone(), discovery, task }
    }

    /// Makes targets of what was found, starts loops of new ones and retires those of targets that are gone.
    pub(crate) fn sync(&self, groups: &Groups) {
        let start = Instant::now();
        let config = self.settings().config.clone();
        let mut targets: HashMap<u64, Target> = HashMap::new();
        let mut dropped = Vec::new();
        let mut dropped_count = 0;
        let job = JobLabel { scrape_job: self.name.clone() };
        let metrics = &self.shared.metrics;
        for group in groups {
            for index in 0..group.targets.len() {
                match make_target(&config, group, index) {
                    Ok(Some(target)) => {
                        targets.insert(target.hash, target);
                    }
                    Ok(None) => {
                        dropped_count += 1;
                        if config.keep_dropped_targets == 0 || (dropped.len() as u64) < config.keep_dropped_targets {
                            dropped.push((group.clone(), index));
                        }
                    }
                    Err(error) => {
                        metrics.sync_failed.get_or_create(&job).inc();
                        warn!(pool = self.name, group = group.source, index, error, "creating target failed");
                    }
                }
            }
        }
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        state.dropped = dropped;
        state.dropped_count = dropped_count;
        self.replace_targets(&mut state, targets);
        let count = state.active.len();
        drop(state);
        self.enforce_target_limit(count);
        self.shared.families.sweep();
        metrics.targets.get_or_create(&job).set(count as i64);
        metrics.target_limit.get_or_create(&job).set(i64::try_from(config.target_limit).unwrap_or(i64::MAX));
        metrics.syncs.get_or_create(&job).inc();
        metrics.sync_length.get_or_create(&job).observe(start.elapsed().as_secs_f64());
    }

    fn replace_targets(&self, state: &mut PoolState, targets: HashMap<u64, Target>) {
        state.fading.retain(|_, handle| !handle.is_finished());
        let gone: HashSet<u64> = state.active.keys().filter(|hash| !targets.contains_key(hash)).copied().collect();
        for hash in gone {
            if let Some(handle) = state.active.remove(&hash) {
                // Whether the series end or another target takes them over is seen below.
                state.fading.insert(handle.target.labels.clone(), handle);
            }
        }
        for (hash, target) in targets {
            if let Some(handle) = state.active.get(&hash) {
                *handle.target.origin.lock() = target.origin.into_inner();
                continue;
            }
            let predecessor = state.fading.remove(&target.labels);
            let target = Arc::new(target);
            let handle = LoopHandle::start(target, self.shared.clone(), self.settings.subscribe(), predecessor);
            state.active.insert(hash, handle);
        }
        for handle in state.fading.values() {
            handle.set_mode(Mode::Retire);
        }
    }

    fn enforce_target_limit(&self, count: usize) {
        let limit = self.settings().config.target_limit;
        let exceeded = limit > 0 && count as u64 > limit;
        let error = exceeded.then(|| format!("target_limit exceeded (number of targets: {count}, limit: {limit})"));
        if exceeded {
            self.shared.metrics.exceeded_target_limit.inc();
        }
        self.settings.send_if_modified(|settings| {
            if settings.forced_error.as_deref() == error.as_deref() {
                return false;
            }
            *settings = Arc::new(PoolSettings {
                config: settings.config.clone(),
                client: settings.client.clone(),
                failure_log: settings.failure_log.clone(),
                forced_error: error.map(Into::into),
                ..**settings
            });
            true
        });
    }

    /// Looks at all targets under the lock.
    pub(crate) fn with_targets<R>(
        &self,
        look: impl FnOnce(&mut dyn Iterator<Item = &Arc<Target>>, &[(Arc<TargetGroup>, usize)], usize) -> R,
    ) -> R {
        let state = self.state.lock();
        look(&mut state.active.values().map(|handle| &handle.target), &state.dropped, state.dropped_count)
    }

    /// Ends all loops: their targets are gone.
    pub(crate) fn retire(&self) -> Vec<LoopHandle> {
        let handles = self.take_loops();
        handles.iter().for_each(|handle| handle.set_mode(Mode::Retire));
        self.shared.metrics.remove_pool(&self.name);
        handles
    }

    /// Ends all loops at once, without staleness markers: after a restart scraping goes on where it was.
    pub(crate) fn halt(&self) -> Vec<LoopHandle> {
        let handles = self.take_loops();
        handles.iter().for_each(|handle| handle.set_mode(Mode::Halt));
        handles
    }

    fn take_loops(&self) -> Vec<LoopHandle> {
        let mut state = self.state.lock();
        state.stopped = true;
        let active: Vec<LoopHandle> = state.active.drain().map(|(_, handle)| handle).collect();
        let fading = state.fading.drain().map(|(_, handle)| handle);
        active.into_iter().chain(fading).collect()
    }
}

impl Sources {
    /// True where they are those of this configuration.
    pub(crate) fn are(&self, configs: &config::DiscoveryConfigs) -> bool {
        self.configs == *configs
    }

    /// What does not work in the discovery at this moment.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.discovery.troubles()
    }

    /// Has the targets brought up to date although nothing new was found.
    pub(crate) fn look_again(&self) {
        self.discovery.look_again();
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.task.abort();
    }
}
