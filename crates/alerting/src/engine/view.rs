//! What readers ask: alerts with their states, groups.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Labels, Timestamp};

use super::Engine;
use crate::alert::{Alert, Fingerprint};
use crate::notice::IntegrationId;
use crate::setup::Integration;
use crate::state::Acknowledgement;

/// Whether an alert is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusOf {
    /// It is.
    Active,
    /// Something keeps it quiet.
    Suppressed,
}

/// An alert as readers see it, computed anew for each question.
#[derive(Clone, Debug)]
pub struct AlertStatus {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// The alert.
    pub alert: Arc<Alert>,
    /// Whether it is told.
    pub state: StatusOf,
    /// Silences.
    pub silenced_by: Vec<String>,
    /// Alerts.
    pub inhibited_by: Vec<Fingerprint>,
    /// Times of its group; in groups only.
    pub muted_by: Vec<String>,
    /// Who is told, by name.
    pub receivers: Vec<Arc<str>>,
    /// Who has seen it.
    pub ack: Option<Acknowledgement>,
}

/// A group as readers see it.
#[derive(Clone, Debug)]
pub struct GroupedAlerts {
    /// Its key.
    pub key: Arc<str>,
    /// What its alerts have in common.
    pub labels: Labels,
    /// Who is told.
    pub receiver: Arc<str>,
    /// Labels of its route, as configured.
    pub route_labels: Vec<(String, String)>,
    /// When it is looked at next.
    pub next_flush: Timestamp,
    /// Its alerts that have not ended, in the order of a message.
    pub alerts: Vec<AlertStatus>,
}

/// One integration of the configuration in force.
#[derive(Clone, Debug)]
pub struct IntegrationHealth {
    /// Its name and settings.
    pub integration: Integration,
    /// Items that wait for it.
    pub waiting: usize,
    /// How often in a row the last attempts failed.
    pub failures: u32,
    /// Attempts under way.
    pub in_flight: usize,
    /// Until when none is made, where that lies ahead.
    pub not_before: Option<Timestamp>,
    /// When it last took something.
    pub last_told: Option<Timestamp>,
}

impl Engine {
    /// How the integrations fare, in the order of the configuration.
    pub fn integrations(&self, now: Timestamp) -> Vec<IntegrationHealth> {
        let mut waiting: HashMap<&IntegrationId, usize> = HashMap::new();
        self.state.outbox.values().for_each(|item| *waiting.entry(&item.to).or_default() += 1);
        let mut told: HashMap<&IntegrationId, Timestamp> = HashMap::new();
        for ((_, to), notice) in &self.state.notices {
            let last = told.entry(to).or_insert(notice.at);
            *last = (*last).max(notice.at);
        }
        let all = self.setup.receiver_names.iter().flat_map(|name| self.setup.integrations(name));
        let one = |integration: &Integration| {
            let health = self.health.get(&integration.id).cloned().unwrap_or_default();
            IntegrationHealth {
                integration: integration.clone(),
                waiting: waiting.get(&integration.id).copied().unwrap_or_default(),
                failures: health.failures,
                in_flight: health.in_flight,
                not_before: Some(health.not_before).filter(|at| *at > now),
                last_told: told.get(&integration.id).copied().filter(|at| *at != Timestamp::MIN),
            }
        };
        all.map(one).collect()
    }

    /// Whether an attempt to deliver an item is under way.
    pub fn is_in_flight(&self, id: u64) -> bool {
        self.in_flight.contains(&id)
    }

    /// The alerts that have not ended, by fingerprint.
    pub fn alerts(&self, now: Timestamp) -> Vec<AlertStatus> {
        let firing = self.state.alerts.iter().filter(|(_, alert)| !alert.resolved_at(now));
        let mut all: Vec<AlertStatus> =
            firing.map(|(fingerprint, alert)| self.status(*fingerprint, alert, now)).collect();
        all.sort_by_key(|status| status.fingerprint);
        all
    }

    /// One alert, ended or not.
    pub fn alert(&self, fingerprint: Fingerprint, now: Timestamp) -> Option<AlertStatus> {
        self.state.alerts.get(&fingerprint).map(|alert| self.status(fingerprint, alert, now))
    }

    fn status(&self, fingerprint: Fingerprint, alert: &Arc<Alert>, now: Timestamp) -> AlertStatus {
        let silenced_by = self.silenced_by(&alert.labels, now);
        let inhibited_by: Vec<Fingerprint> = self.inhibitor_of(&alert.labels, now).into_iter().collect();
        let quiet = !silenced_by.is_empty() || !inhibited_by.is_empty();
        let routes = self.setup.routes.matching(&alert.labels);
        let mut receivers: Vec<Arc<str>> =
            routes.into_iter().map(|id| self.setup.routes.0[id].receiver.clone()).collect();
        receivers.dedup();
        AlertStatus {
            fingerprint,
            alert: alert.clone(),
            state: if quiet { StatusOf::Suppressed } else { StatusOf::Active },
            silenced_by,
            inhibited_by,
            muted_by: Vec::new(),
            receivers,
            ack: self.state.acks.get(&fingerprint).cloned(),
        }
    }

    /// The groups, by labels and receiver.
    pub fn groups(&self, now: Timestamp) -> Vec<GroupedAlerts> {
        let mut out = Vec::new();
        for group in self.state.groups.values() {
            let Some(route) = self.setup.route(&group.route) else { continue };
            let muted_by = self.setup.muted_by(route, now);
            let mut alerts = Vec::new();
            for fingerprint in group.members.keys().filter(|alert| !group.guests.contains(alert)) {
                let Some(alert) = self.state.alerts.get(fingerprint).filter(|alert| !alert.resolved_at(now)) else {
                    continue;
                };
                let mut status = self.status(*fingerprint, alert, now);
                status.muted_by.clone_from(&muted_by);
                if !muted_by.is_empty() {
                    status.state = StatusOf::Suppressed;
                }
                alerts.push(status);
            }
            if alerts.is_empty() {
                continue;
            }
            alerts.sort_by(|a, b| crate::alert::message_order(&a.alert.labels, &b.alert.labels));
            out.push(GroupedAlerts {
                key: group.key.clone(),
                labels: group.labels.clone(),
                receiver: group.receiver.clone(),
                route_labels: route.labels.clone(),
                next_flush: group.next_flush,
                alerts,
            });
        }
        out.sort_by(|a, b| a.labels.cmp(&b.labels).then_with(|| a.receiver.cmp(&b.receiver)));
        out
    }
}
