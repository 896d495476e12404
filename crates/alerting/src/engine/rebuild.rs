//! A new configuration, or a restart: groups are made anew, and what was told to whom is carried over.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Timestamp;

use super::Engine;
use crate::alert::Fingerprint;
use crate::event::{Event, EventKind};
use crate::inhibit::Inhibitor;
use crate::notice::IntegrationId;
use crate::setup::Setup;
use crate::state::{Change, Group};

/// Who has fired gets so long after a start to report again before it counts as ended, in milliseconds; more where
/// `resolve_timeout` is longer.
const RESTART_GRACE_MS: i64 = 5 * 60_000;

impl Engine {
    /// Goes on after a start: nothing that fired counts as ended only because nobody could report to us.
    pub(super) fn resume(&mut self, now: Timestamp) {
        let grace = now.plus_ms(RESTART_GRACE_MS.max(self.setup.resolve_timeout_ms));
        let mut seen_ended: BTreeSet<Fingerprint> = BTreeSet::new();
        for group in self.state.groups.values() {
            seen_ended.extend(group.members.iter().filter(|(_, seen)| seen.is_some()).map(|(alert, _)| *alert));
        }
        let mut extended = Vec::new();
        for (fingerprint, alert) in &self.state.alerts {
            self.inhibitor.add(*fingerprint, &alert.labels);
            if alert.resolved_at(alert.updated_at) || seen_ended.contains(fingerprint) {
                continue;
            }
            self.announced.insert(*fingerprint);
            if alert.ends_at < grace {
                let mut alert = (**alert).clone();
                alert.ends_at = grace;
                alert.timeout = true;
                extended.push(Arc::new(alert));
            }
        }
        for alert in extended {
            self.change(Change::Alert { alert }, now);
        }
        for item in self.state.outbox.values() {
            self.pending.insert((item.group.clone(), item.to.clone()), item.id);
            self.due.insert((item.next_attempt.min(now), item.id));
        }
        // An attempt that was under way, or waited for its time, is made at once.
        let waiting: Vec<u64> = self.state.outbox.keys().copied().collect();
        for id in waiting {
            if let Some(item) = self.state.outbox.get_mut(&id) {
                item.next_attempt = item.next_attempt.min(now);
            }
        }
        for group in self.state.groups.values() {
            group.members.keys().for_each(|alert| *self.memberships.entry(*alert).or_default() += 1);
            self.timers.insert((group.next_flush, group.id.clone()));
        }
        let silences = self.state.silences.values();
        self.silence_times = silences.filter_map(|silence| Some((silence.due_at()?, silence.id.clone()))).collect();
        self.regroup(now, false);
    }

    /// Puts another configuration to work.
    pub fn reload(&mut self, setup: Arc<Setup>, now: Timestamp) {
        self.setup = setup;
        self.paths.clear();
        self.inhibitor = Inhibitor::new(&self.setup.inhibit_rules);
        for (fingerprint, alert) in &self.state.alerts {
            self.inhibitor.add(*fingerprint, &alert.labels);
        }
        self.events.push(Event::new(now, EventKind::Reloaded));
        self.regroup(now, true);
    }

    /// Puts every alert where the routes now put it. Alerts that a receiver was told of stay as guests where they were, until they
    /// were told as ended.
    fn regroup(&mut self, now: Timestamp, restart_timers: bool) {
        self.drop_foreign_items(now);
        self.forget_foreign_notices(now);
        for group in self.state.groups.values().cloned().collect::<Vec<_>>() {
            let mut strangers = Vec::new();
            for fingerprint in group.members.keys() {
                let Some(alert) = self.state.alerts.get(fingerprint).cloned() else { continue };
                let paths = self.paths(*fingerprint, &alert.labels);
                if !paths.iter().any(|path| path.group == group.id) {
                    strangers.push(*fingerprint);
                }
            }
            let all = strangers.len() == group.members.len();
            if !strangers.is_empty() {
                self.change(Change::Guests { group: group.id.clone(), alerts: strangers }, now);
            }
            if restart_timers && !all {
                self.restart(&group.id, now);
            }
        }
        let firing = self.state.alerts.iter().filter(|(_, alert)| !alert.resolved_at(now));
        let firing: Vec<_> = firing.map(|(fingerprint, alert)| (*fingerprint, alert.clone())).collect();
        for (fingerprint, alert) in firing {
            self.join_groups(fingerprint, &alert, now, restart_timers);
        }
        for group in self.state.groups.values().cloned().collect::<Vec<_>>() {
            if group.guests.len() == group.members.len() {
                self.retire(&group, now);
            } else if !group.guests.is_empty() {
                self.settle(&group.id, now);
            }
        }
    }

    /// Alertmanager makes its groups anew at a reload: one with an alert older than the wait is looked at at once.
    fn restart(&mut self, id: &Arc<str>, now: Timestamp) {
        let Some(group) = self.state.groups.get(id).cloned() else { return };
        let Some(route) = self.setup.route(&group.route) else { return };
        let wait = route.group_wait.ms();
        let mut alerts = group.members.keys().filter_map(|alert| self.state.alerts.get(alert));
        let is_old = alerts.any(|alert| alert.starts_at.plus_ms(wait) < now);
        let next_flush = if is_old { now } else { now.plus_ms(wait) }.max(self.setup.not_before);
        let before = group.next_flush;
        self.change(Change::Group { group: Group { next_flush, flushed: false, ..group } }, now);
        self.move_timer(id, Some(before), next_flush);
    }

    fn is_known(&self, to: &IntegrationId) -> bool {
        self.setup.integrations(&to.receiver).iter().any(|integration| integration.id == *to)
    }

    /// Items for integrations that are gone cannot be delivered.
    fn drop_foreign_items(&mut self, now: Timestamp) {
        let gone: Vec<u64> =
            self.state.outbox.values().filter(|item| !self.is_known(&item.to)).map(|item| item.id).collect();
        for id in gone {
            self.in_flight.remove(&id);
            self.drop_item(id, now);
        }
    }

    /// What integrations that are gone were told can no longer be told as ended.
    fn forget_foreign_notices(&mut self, now: Timestamp) {
        let foreign = self.state.notices.iter().filter(|((_, to), _)| !self.is_known(to));
        let foreign: Vec<_> = foreign.map(|(place, notice)| (place.clone(), notice.open.clone())).collect();
        for ((group, to), open) in foreign {
            if !open.is_empty() {
                let key = self.state.groups.get(&group).map(|group| group.key.clone());
                let alerts = open.into_iter().collect();
                let receiver = to.to_string();
                self.events.push(Event { group: key, receiver, alerts, ..Event::new(now, EventKind::Orphaned) });
            }
            self.change(Change::Unnotice { group, to }, now);
        }
    }

    /// A group that no route makes any longer. Where another group of the same receiver has taken over all that it told, that one
    /// goes on with its incidents; else it stays for as long as something is to be told as ended.
    fn retire(&mut self, group: &Group, now: Timestamp) {
        let told: Vec<IntegrationId> =
            self.state.notices.keys().filter(|(id, _)| *id == group.id).map(|(_, to)| to.clone()).collect();
        let waiting: Vec<u64> =
            self.pending.iter().filter(|((id, _), _)| *id == group.id).map(|(_, item)| *item).collect();
        let is_busy = waiting.iter().any(|id| self.in_flight.contains(id));
        if let Some(heir) = self.heir(group).filter(|_| !is_busy) {
            for id in waiting {
                self.drop_item(id, now);
            }
            for to in told {
                let place = (group.id.clone(), to.clone());
                let Some(notice) = self.state.notices.get(&place).cloned() else { continue };
                self.change(Change::Notice { group: heir.clone(), to: to.clone(), notice }, now);
                self.change(Change::Unnotice { group: group.id.clone(), to }, now);
            }
            let members: Vec<Fingerprint> = group.members.keys().copied().collect();
            self.leave(&group.id, members.clone(), now);
            for alert in members {
                self.move_in(&heir, alert, now);
            }
            // What waits there was decided before it knew the incidents.
            if self.pending.keys().any(|(id, _)| *id == heir) {
                self.flush(&heir, now, false);
            }
            return;
        }
        self.flush(&group.id, now, false);
        if self.state.groups.contains_key(&group.id) {
            let (key, receiver) = (Some(group.key.clone()), group.receiver.to_string());
            self.events.push(Event { group: key, receiver, ..Event::new(now, EventKind::Retired) });
        }
    }

    /// An alert that has ended comes along to the group that takes over; one that fires is there already.
    fn move_in(&mut self, heir: &Arc<str>, alert: Fingerprint, now: Timestamp) {
        let Some(group) = self.state.groups.get(heir).filter(|group| !group.members.contains_key(&alert)) else {
            return;
        };
        let next_flush = group.next_flush;
        *self.memberships.entry(alert).or_default() += 1;
        self.change(Change::Join { group: heir.clone(), alert, next_flush }, now);
    }

    /// A group of the same receiver with the same labels, which has told nothing yet and into which the routes now put every alert
    /// of the old one.
    fn heir(&mut self, group: &Group) -> Option<Arc<str>> {
        let mut shared: Option<BTreeSet<Arc<str>>> = None;
        for fingerprint in group.members.keys() {
            let Some(alert) = self.state.alerts.get(fingerprint).cloned() else { continue };
            let own: BTreeSet<Arc<str>> =
                self.paths(*fingerprint, &alert.labels).iter().map(|path| path.group.clone()).collect();
            shared = Some(shared.map_or(own.clone(), |shared| shared.intersection(&own).cloned().collect()));
        }
        shared?.into_iter().find(|id| {
            let has_told = self.state.notices.keys().any(|(known, _)| known == id);
            let fits = |other: &Group| other.receiver == group.receiver && other.labels == group.labels;
            !has_told && self.state.groups.get(id).is_some_and(fits)
        })
    }
}
