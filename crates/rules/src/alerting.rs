//! Alerting rules: from the result of an expression to alerts and their states. Follows Prometheus' `rules/alerting.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Labels, METRIC_NAME, Sample, Timestamp};
use promql::engine::VectorSample;

use crate::alert::{Alert, AlertState, RESOLVED_RETENTION_MS};
use crate::group::Environment;
use crate::query::Queries;
use crate::template::{Expansion, TemplatedText, float};

/// Series that says which alerts are pending or fire.
pub(crate) const ALERTS: &str = "ALERTS";
/// Series that says since when they are.
pub(crate) const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
const ALERT_NAME: &str = "alertname";
const ALERT_STATE: &str = "alertstate";

/// What an alerting rule has beyond any rule.
#[derive(Clone, Debug)]
pub(crate) struct Alerting {
    pub(crate) hold_ms: i64,
    pub(crate) keep_firing_for_ms: i64,
    pub(crate) labels: Vec<(String, TemplatedText)>,
    pub(crate) annotations: Vec<(String, TemplatedText)>,
    /// As written.
    pub(crate) annotation_texts: Labels,
    /// All alerts by labels, resolved ones among them.
    pub(crate) active: BTreeMap<Labels, Alert>,
    /// False until the state of an earlier process was looked for; nothing is written before.
    pub(crate) restored: bool,
}

/// What one evaluation is given.
pub(crate) struct Evaluation<'a> {
    pub(crate) name: &'a str,
    /// The rule's labels as written.
    pub(crate) raw_labels: &'a Labels,
    pub(crate) at: Timestamp,
    pub(crate) offset_ms: i64,
    pub(crate) limit: usize,
    pub(crate) environment: &'a Environment,
    pub(crate) queries: &'a Arc<dyn Queries>,
}

impl Alerting {
    /// Moves every alert on by one evaluation and gives the series to write.
    pub(crate) fn evaluate(
        &mut self,
        given: &Evaluation<'_>,
        result: &[VectorSample],
    ) -> Result<Vec<(Labels, Sample)>, String> {
        let found = self.alerts_of(given, result)?;
        let present: BTreeSet<Labels> = found.keys().cloned().collect();
        for (labels, new) in found {
            match self.active.get_mut(&labels).filter(|alert| alert.state != AlertState::Inactive) {
                Some(alert) => (alert.value, alert.annotations) = (new.value, new.annotations),
                None => {
                    self.active.insert(labels, new);
                }
            }
        }
        let written_at = given.at.plus_ms(-given.offset_ms);
        let mut count = 0;
        let mut samples = Vec::new();
        let (hold_ms, keep_ms, restored) = (self.hold_ms, self.keep_firing_for_ms, self.restored);
        self.active.retain(|labels, alert| {
            let (kept, counts) = step(alert, present.contains(labels), given.at, hold_ms, keep_ms);
            if counts {
                count += 1;
                if restored {
                    samples.push((alerts_series(given, alert), Sample::float(written_at, 1.0)));
                    let since = alert.active_at.ms().div_euclid(1000) as f64;
                    samples.push((for_state_series(alert), Sample::float(written_at, since)));
                }
            }
            kept
        });
        if given.limit > 0 && count > given.limit {
            self.active.clear();
            return Err(format!("exceeded limit of {} with {count} alerts", given.limit));
        }
        Ok(samples)
    }

    fn alerts_of(&self, given: &Evaluation<'_>, result: &[VectorSample]) -> Result<BTreeMap<Labels, Alert>, String> {
        let mut found = BTreeMap::new();
        if result.is_empty() {
            return Ok(found);
        }
        let environment = given.environment;
        let expansion =
            Expansion::new(given.queries, given.at, &environment.external_labels, &environment.external_url);
        for sample in result {
            let data = expansion.data(sample);
            let mut labels = sample.labels.to_builder();
            labels.remove(METRIC_NAME);
            for (name, text) in &self.labels {
                labels.set(name, &expansion.expand(text, &data));
            }
            labels.set(ALERT_NAME, given.name);
            let labels = labels.build();
            let annotations = self.annotations.iter().map(|(name, text)| (name, expansion.expand(text, &data)));
            let annotations = Labels::from_pairs(annotations);
            let alert = Alert::new(labels.clone(), annotations, float(&sample.value), given.at);
            if found.insert(labels, alert).is_some() {
                return Err("vector contains metrics with the same labelset after applying alert labels".to_owned());
            }
        }
        Ok(found)
    }

    /// The most urgent state.
    pub(crate) fn state(&self) -> AlertState {
        self.active.values().map(|alert| alert.state).max().unwrap_or(AlertState::Inactive)
    }

    /// Alerts that are pending or fire.
    pub(crate) fn current(&self) -> impl Iterator<Item = &Alert> {
        self.active.values().filter(|alert| alert.resolved_at.is_none())
    }
}

/// One alert after one evaluation: whether it is kept, and whether it is pending or fires.
fn step(alert: &mut Alert, present: bool, at: Timestamp, hold_ms: i64, keep_ms: i64) -> (bool, bool) {
    if !present {
        let mut keeps_firing = false;
        if alert.state == AlertState::Firing && keep_ms > 0 {
            let since = *alert.keep_firing_since.get_or_insert(at);
            keeps_firing = at.ms() - since.ms() < keep_ms;
        }
        if !keeps_firing {
            let outdated = alert.resolved_at.is_some_and(|resolved| at.ms() - resolved.ms() > RESOLVED_RETENTION_MS);
            let kept = alert.state != AlertState::Pending && !outdated;
            if alert.state != AlertState::Inactive {
                alert.state = AlertState::Inactive;
                alert.resolved_at = Some(at);
            }
            return (kept, false);
        }
    } else {
        alert.keep_firing_since = None;
    }
    let held = at.ms() - alert.active_at.ms() >= hold_ms;
    if alert.state == AlertState::Pending && held {
        alert.state = AlertState::Firing;
        alert.fired_at = Some(at);
    } else if alert.state == AlertState::Firing && !held {
        // A reload made `for` longer.
        alert.state = AlertState::Pending;
        alert.fired_at = None;
    }
    (true, true)
}

/// As Prometheus writes it: a label whose template came out empty shows the template.
fn alerts_series(given: &Evaluation<'_>, alert: &Alert) -> Labels {
    let mut labels = given.raw_labels.to_builder();
    for label in &alert.labels {
        labels.set(label.name, label.value);
    }
    labels.set(METRIC_NAME, ALERTS).set(ALERT_STATE, alert.state.as_str());
    labels.build()
}

fn for_state_series(alert: &Alert) -> Labels {
    let mut labels = alert.labels.to_builder();
    labels.set(METRIC_NAME, ALERTS_FOR_STATE);
    labels.build()
}
