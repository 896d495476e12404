//! Running groups: starts, replaces and stops them without losing the state of their alerts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::PrometheusConfig;
use model::{Clock, SampleSink, SeriesSource};
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::file::LoadedRules;
use crate::group::{Environment, Group, GroupSettings};
use crate::language::Language;
use crate::metrics::RuleMetrics;
use crate::notify::Notify;
use crate::query::Queries;
use crate::rule::Written;
use crate::schedule;
use crate::template::pairs;
use crate::view::GroupView;
use crate::write::mark_stale;

/// Prometheus' `--rules.alert.*`.
const RESEND_DELAY_MS: i64 = 60_000;
const OUTAGE_TOLERANCE_MS: i64 = 3_600_000;
const FOR_GRACE_PERIOD_MS: i64 = 600_000;
/// Groups that are evaluated at a time; the others wait, so that a thousand rules do not push queries of people aside.
const CONCURRENT_GROUPS: usize = 4;

/// What a manager is made from.
pub struct ManagerOptions {
    /// What the expressions of its rules are written in.
    pub language: Language,
    /// Evaluates expressions.
    pub queries: Arc<dyn Queries>,
    /// Where series are read.
    pub source: Arc<dyn SeriesSource>,
    /// Where results are written.
    pub sink: Arc<dyn SampleSink>,
    /// Who is told of alerts.
    pub notifier: Arc<dyn Notify>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Where people find this server.
    pub external_url: String,
}

/// A group that runs, as its task and its manager share it.
pub(crate) struct Shared {
    pub(crate) settings: GroupSettings,
    /// `None` once another version of the group has taken the state over.
    group: Mutex<Option<Group>>,
    view: RwLock<Arc<GroupView>>,
}

impl Shared {
    fn new(group: Group) -> Arc<Self> {
        let view = RwLock::new(Arc::new(group.view()));
        Arc::new(Shared { settings: group.settings().clone(), group: Mutex::new(Some(group)), view })
    }

    /// Works on the group, unless it was replaced, and shows what came of it.
    pub(crate) fn with(&self, work: impl FnOnce(&mut Group)) {
        let mut held = self.group.lock();
        let Some(group) = held.as_mut() else { return };
        work(group);
        *self.view.write() = Arc::new(group.view());
    }

    fn take(&self) -> Option<Group> {
        self.group.lock().take()
    }
}

struct Running {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Inner {
    groups: Vec<Running>,
    /// What groups run in; replaced where external labels change.
    environment: Option<Arc<Environment>>,
    /// True once groups have run: groups that come later have no earlier state.
    started: bool,
}

/// Owns the groups of a configuration.
pub struct Manager {
    options: ManagerOptions,
    metrics: Arc<RuleMetrics>,
    inner: Mutex<Inner>,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Manager {
    /// A manager without groups.
    pub fn new(options: ManagerOptions) -> Arc<Self> {
        Arc::new(Manager {
            options,
            metrics: Arc::default(),
            inner: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONCURRENT_GROUPS)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Makes its metrics part of a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Reads and checks the rule files that patterns name; nothing changes.
    pub fn load(&self, patterns: &[PathBuf], config: &PrometheusConfig) -> Result<LoadedRules, crate::RulesError> {
        crate::file::load(patterns, config.global.metric_name_validation_scheme, self.options.language)
    }

    /// Puts rules to work. Groups that are as before go on undisturbed; others take over the state of rules with the same
    /// name and labels. Waits for evaluations under way of groups that change; must be called within a runtime.
    pub fn apply(&self, rules: &LoadedRules, config: &PrometheusConfig) {
        let global = &config.global;
        let language = self.options.language;
        let settings: Vec<GroupSettings> = rules
            .files
            .iter()
            .flat_map(|file| {
                GroupSettings::of_file(file, language, global.evaluation_interval.ms(), global.rule_query_offset.ms())
            })
            .collect();
        let mut inner = self.inner.lock();
        let external_labels = pairs(&global.external_labels);
        let same_labels = inner.environment.as_ref().is_some_and(|e| e.external_labels == external_labels);
        let environment = match &inner.environment {
            Some(environment) if same_labels => environment.clone(),
            _ => self.environment(external_labels),
        };
        inner.environment = Some(environment.clone());
        let mut old = std::mem::take(&mut inner.groups);
        for settings in settings {
            let same_place = |r: &Running| {
                r.shared.settings.file == settings.file && r.shared.settings.config.name == settings.config.name
            };
            let known = old.iter().position(same_place).map(|index| old.remove(index));
            match known {
                Some(running) if same_labels && running.shared.settings == settings => inner.groups.push(running),
                known => {
                    let mut group = Group::new(settings, inner.started);
                    if let Some(running) = known {
                        running.stop.cancel();
                        if let Some(mut before) = running.shared.take() {
                            group.copy_state(&mut before);
                        }
                    }
                    inner.groups.push(self.start(group, &environment));
                }
            }
        }
        let others: Vec<Arc<Shared>> = inner.groups.iter().map(|running| running.shared.clone()).collect();
        for running in old {
            self.remove(running, &environment, others.clone());
        }
        inner.started = true;
    }

    fn environment(&self, external_labels: Vec<(String, String)>) -> Arc<Environment> {
        let options = &self.options;
        Arc::new(Environment {
            queries: options.queries.clone(),
            states: options.source.clone(),
            sink: options.sink.clone(),
            notifier: options.notifier.clone(),
            clock: options.clock.clone(),
            external_labels,
            external_url: options.external_url.clone(),
            resend_delay_ms: RESEND_DELAY_MS,
            outage_tolerance_ms: OUTAGE_TOLERANCE_MS,
            for_grace_period_ms: FOR_GRACE_PERIOD_MS,
            metrics: self.metrics.clone(),
        })
    }

    fn start(&self, group: Group, environment: &Arc<Environment>) -> Running {
        let settings = group.settings();
        self.metrics.added(&settings.key(), settings.interval_ms, group.rules.len());
        let shared = Shared::new(group);
        let stop = self.stop.child_token();
        let task = schedule::run(shared.clone(), environment.clone(), self.permits.clone(), stop.clone());
        self.tasks.spawn_on(task, &Handle::current());
        Running { shared, stop }
    }

    /// Stops a group; after two intervals, what no other group has taken over is marked as gone.
    fn remove(&self, running: Running, environment: &Arc<Environment>, others: Vec<Arc<Shared>>) {
        running.stop.cancel();
        let settings = &running.shared.settings;
        self.metrics.removed(&settings.key());
        let Some(mut group) = running.shared.take() else { return };
        let written = group.take_written();
        if written.is_empty() {
            return;
        }
        let stopped_at = environment.clock.now();
        let wait = Duration::from_millis(2 * settings.interval_ms.unsigned_abs());
        let (environment, key, stop) = (environment.clone(), settings.key(), self.stop.clone());
        self.tasks.spawn_on(
            async move {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(tokio::time::Instant::now() + wait) => {}
                }
                let mark = tokio::task::spawn_blocking(move || {
                    let gone = not_taken_over(written, &others);
                    if let Err(error) = mark_stale(&*environment.sink, &gone, stopped_at) {
                        warn!(group = key, error, "stale markers for a removed group were not written");
                    }
                });
                let _ = mark.await;
            },
            &Handle::current(),
        );
    }

    /// All groups, in the order of files and groups.
    pub fn groups(&self) -> Vec<Arc<GroupView>> {
        self.inner.lock().groups.iter().map(|running| running.shared.view.read().clone()).collect()
    }

    /// What the groups are made from, in the same order.
    pub fn settings(&self) -> Vec<GroupSettings> {
        self.inner.lock().groups.iter().map(|running| running.shared.settings.clone()).collect()
    }

    /// Stops all groups and waits for evaluations under way.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The series that no group writes.
fn not_taken_over(mut written: Written, groups: &[Arc<Shared>]) -> Written {
    for shared in groups {
        if let Some(group) = &*shared.group.lock() {
            written.retain(|series, _| !group.writes(series));
        }
    }
    written
}
