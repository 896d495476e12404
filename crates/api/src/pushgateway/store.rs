//! All groups: changed one push at a time, on disk before the answer, and written into the store again and again, as if the
//! Pushgateway stood beside and were scraped with `honor_labels`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use model::{Clock, FloatHistogram, Labels, Metadata, Sample, SampleValue, Tenant, Timestamp, stale_nan};
use tokio::sync::Mutex;
use tracing::warn;

use super::decode::{self, Body, PushFault};
use super::group::{Families, GroupKey};
use super::{PROTOCOL, disk};
use crate::ingest::Intake;
use crate::ingest::cache::SeriesKey;
use crate::ingest::problems::Problems;
use crate::ingest::push_metrics::PushMetrics;
use crate::ingest::rows::IntakeRow;

/// Why a push changed nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeFault {
    #[error(transparent)]
    Push(#[from] PushFault),
    #[error("the group cannot be kept: {0}")]
    Disk(#[from] io::Error),
    /// The group is kept, and stored but for some series.
    #[error("{0}")]
    Limits(String),
    /// The same, and the rest will be stored once there is room for new series.
    #[error("{0}")]
    SeriesLimit(String),
}

/// Series that have ended and whose staleness markers are still to be written.
struct Ended {
    labels: Labels,
    is_histogram: bool,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<GroupKey, Families>,
    /// By the group that they belonged to.
    ended: BTreeMap<GroupKey, Vec<Ended>>,
    /// Groups written in this millisecond, and the time that was used last: each write of a group is later than the one
    /// before.
    written: HashMap<GroupKey, Timestamp>,
}

/// The groups and the way into the store.
pub(crate) struct Pushgateway {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    intake: Arc<Intake>,
    metrics: PushMetrics,
    damaged: u64,
    state: Mutex<State>,
}

impl Pushgateway {
    /// Reads the groups of `dir`, which need not exist.
    pub(crate) fn open(dir: PathBuf, clock: Arc<dyn Clock>, intake: Arc<Intake>, metrics: PushMetrics) -> Self {
        let disk::Loaded { groups, damaged } = disk::load(&dir);
        metrics.damaged.set(damaged as i64);
        let state = State { groups, ..State::default() };
        Pushgateway { dir, clock, intake, metrics, damaged, state: Mutex::new(state) }
    }

    /// Files of groups that could not be read at the start and were put aside.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Takes a push: adds or replaces families of a group, or all of them.
    pub(super) async fn push(&self, key: GroupKey, body: Body, replace: bool) -> Result<(), ChangeFault> {
        let now = self.clock.now();
        let mut state = self.state.lock().await;
        let before = state.groups.get(&key);
        let pushed = decode_times(&body, now);
        let becoming = key.pushed(before, pushed, replace, now);
        let neighbours = || state.groups.iter().filter(|(k, _)| **k != key && k.tenant == key.tenant);
        let checked = match body.has_timestamps {
            true => Err(PushFault::Timestamp),
            false => decode::check(&key, &becoming, neighbours()),
        };
        let becoming = if checked.is_ok() { becoming } else { key.refused(before, now) };
        // A note of the failure must not be what keeps a neighbour from being pushed.
        if checked.is_err() && decode::check(&key, &becoming, neighbours()).is_err() {
            return Ok(checked?);
        }
        block(|| disk::save(&self.dir, &key, &becoming))?;
        let old = state.groups.insert(key.clone(), becoming);
        let State { groups, ended, .. } = &mut *state;
        let families = &groups[&key];
        let series = families.values().map(|family| family.series.len() as u64).sum();
        end_series(ended, &key, old.as_ref(), Some(families));
        let problems = self.write(&mut state, |k| *k == key).await;
        checked?;
        match (problems.is_empty(), problems.met_limit) {
            (true, _) => Ok(()),
            (false, true) => Err(ChangeFault::SeriesLimit(problems.describe(series, &key.tenant))),
            (false, false) => Err(ChangeFault::Limits(problems.describe(series, &key.tenant))),
        }
    }

    /// Removes a group; one that is not there is removed already.
    pub(super) async fn delete(&self, key: &GroupKey) -> io::Result<()> {
        let mut state = self.state.lock().await;
        block(|| disk::remove(&self.dir, key))?;
        let old = state.groups.remove(key);
        end_series(&mut state.ended, key, old.as_ref(), None);
        self.write(&mut state, |_| false).await;
        Ok(())
    }

    /// Shows the groups of a tenant to `view`.
    pub(super) async fn view<T>(&self, tenant: &Tenant, view: impl FnOnce(&[(&GroupKey, &Families)]) -> T) -> T {
        let state = self.state.lock().await;
        let groups: Vec<(&GroupKey, &Families)> =
            state.groups.iter().filter(|(key, _)| key.tenant == *tenant).collect();
        view(&groups)
    }

    /// Writes all groups as they are now into the store.
    pub(crate) async fn write_all(&self) {
        let mut state = self.state.lock().await;
        self.write(&mut state, |_| true).await;
    }

    /// Answers what the limits of a tenant kept out.
    async fn write(&self, state: &mut State, which: impl Fn(&GroupKey) -> bool) -> Problems {
        let mut problems = Problems::default();
        let now = self.clock.now();
        state.written.retain(|_, time| *time >= now);
        let keys = state.groups.keys().filter(|key| which(key)).chain(state.ended.keys());
        let mut times: BTreeMap<GroupKey, Timestamp> = BTreeMap::new();
        for key in keys {
            times.insert(key.clone(), state.written.get(key).map_or(now, |time| time.plus_ms(1)));
        }
        let tenants: HashSet<Tenant> = times.keys().map(|key| key.tenant.clone()).collect();
        for tenant in tenants {
            let ended: Vec<(GroupKey, Vec<Ended>)> =
                state.ended.extract_if(.., |key, _| key.tenant == tenant).collect();
            let mut metadata: Vec<(String, Metadata)> = Vec::new();
            let (mut labels, mut rows) = (Vec::<&Labels>::new(), Vec::<IntakeRow>::new());
            for (key, families) in state.groups.iter().filter(|(key, _)| key.tenant == tenant && which(key)) {
                metadata.extend(families.iter().map(|(name, family)| (name.clone(), family.metadata.clone())));
                for series in families.values().flat_map(|family| &family.series) {
                    labels.push(&series.labels);
                    rows.push(row(&series.labels, series.value.clone(), times[key]));
                }
            }
            for (key, list) in &ended {
                for series in list {
                    labels.push(&series.labels);
                    rows.push(row(&series.labels, stale_value(series.is_histogram), times[key]));
                }
            }
            let stored = self.intake.append(&tenant, rows, metadata, |at| labels[at].clone()).await;
            self.metrics.count(PROTOCOL, &stored);
            for rejection in stored.rejected.iter().filter(|rejection| rejection.reason.is_limit()) {
                problems.reject(rejection.reason, || labels[rejection.row].to_string());
            }
            if let Some(failure) = stored.failure {
                warn!(%tenant, %failure, "pushed groups could not be written, they will be again");
                state.ended.extend(ended);
            }
        }
        state.written.extend(times);
        problems
    }
}

fn row(labels: &Labels, value: SampleValue, now: Timestamp) -> IntakeRow {
    let mut bytes = PROTOCOL.as_bytes().to_vec();
    for label in labels {
        for text in [label.name, label.value] {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    let sample = Sample { timestamp: now, start_timestamp: None, value };
    IntakeRow { key: SeriesKey::of(&bytes), sample, exemplars: Vec::new() }
}

fn stale_value(is_histogram: bool) -> SampleValue {
    match is_histogram {
        false => SampleValue::Float(stale_nan()),
        true => SampleValue::Histogram(Arc::new(FloatHistogram { sum: stale_nan(), ..FloatHistogram::default() })),
    }
}

/// The pushed families with the time of the push.
fn decode_times(body: &Body, now: Timestamp) -> Families {
    let mut families = body.families.clone();
    families.values_mut().for_each(|family| family.pushed_at = now);
    families
}

/// Notes the series that `old` had and `new` has not, and takes those back that are here again.
fn end_series(
    ended: &mut BTreeMap<GroupKey, Vec<Ended>>,
    key: &GroupKey,
    old: Option<&Families>,
    new: Option<&Families>,
) {
    let all = |families: Option<&Families>| -> Vec<(Labels, bool)> {
        let series = families.into_iter().flat_map(|f| f.values()).flat_map(|family| &family.series);
        series.map(|s| (s.labels.clone(), matches!(s.value, SampleValue::Histogram(_)))).collect()
    };
    let present: HashSet<Labels> = all(new).into_iter().map(|(labels, _)| labels).collect();
    let mut list = ended.remove(key).unwrap_or_default();
    list.retain(|e| !present.contains(&e.labels));
    let gone = all(old).into_iter().filter(|(labels, _)| !present.contains(labels));
    list.extend(gone.map(|(labels, is_histogram)| Ended { labels, is_histogram }));
    if !list.is_empty() {
        ended.insert(key.clone(), list);
    }
}

/// Runs work that waits for the disk without holding up other requests, where the runtime can do that.
fn block<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}
