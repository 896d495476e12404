//! The look at one group: who is to be told what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::Timestamp;

use super::{Engine, Mute};
use crate::alert::{Alert, Fingerprint, message_order};
use crate::event::{Event, EventKind};
use crate::notice::{IntegrationId, Notice, Reason, needs_update};
use crate::setup::Integration;
use crate::state::{Change, Group, Pending, RETENTION_MS, ToldAlert};

/// One member as the look sees it.
struct Seen {
    fingerprint: Fingerprint,
    alert: Arc<Alert>,
    resolved: bool,
    mute: Option<Mute>,
}

/// How often a group without a route is looked at, in milliseconds.
const RETIRED_INTERVAL_MS: i64 = 60_000;

impl Engine {
    /// Looks at a group. On its own tick the next one is set first, as Alertmanager does.
    pub(super) fn flush(&mut self, id: &Arc<str>, now: Timestamp, is_tick: bool) {
        let Some(group) = self.state.groups.get(id).cloned() else { return };
        let route = self.setup.route(&group.route).cloned();
        let (interval, repeat) = route.as_ref().map_or((RETIRED_INTERVAL_MS, RETENTION_MS), |route| {
            (route.group_interval.ms(), route.repeat_interval.ms())
        });
        let next_flush = if is_tick { now.plus_ms(interval.max(1)) } else { group.next_flush };
        let quiet = route.as_ref().map(|route| self.setup.muted_by(route, now)).unwrap_or_default();
        let members = self.members(&group, &quiet, now);
        self.tell_mutes(&group, &members, now);
        for member in members.iter().filter(|member| member.resolved) {
            self.announce_end(member.fingerprint, &member.alert.labels, member.alert.ends_at);
        }
        let seen = members
            .iter()
            .filter(|member| member.resolved && group.members[&member.fingerprint] != Some(member.alert.updated_at));
        let seen: Vec<_> = seen.map(|member| (member.fingerprint, member.alert.updated_at)).collect();
        if is_tick || !seen.is_empty() {
            self.change(Change::Flush { group: id.clone(), next_flush, seen }, now);
            self.move_timer(id, Some(group.next_flush), next_flush);
        }
        let labels = route.map(|route| route.labels).unwrap_or_default();
        for integration in self.setup.clone().integrations(&group.receiver) {
            self.decide(&group, integration, &members, repeat, &labels, now);
        }
        self.settle(id, now);
    }

    fn members(&self, group: &Group, quiet: &[String], now: Timestamp) -> Vec<Seen> {
        let mut members: Vec<Seen> = Vec::with_capacity(group.members.len());
        for fingerprint in group.members.keys() {
            let Some(alert) = self.state.alerts.get(fingerprint) else { continue };
            let mute = match self.inhibitor_of(&alert.labels, now) {
                Some(source) => Some(Mute::Inhibited(source)),
                None if !quiet.is_empty() => Some(Mute::Interval(quiet.to_vec())),
                None => {
                    let silenced = self.silenced_by(&alert.labels, now);
                    (!silenced.is_empty()).then_some(Mute::Silenced(silenced))
                }
            };
            let resolved = alert.resolved_at(now);
            members.push(Seen { fingerprint: *fingerprint, alert: alert.clone(), resolved, mute });
        }
        members.sort_by(|a, b| message_order(&a.alert.labels, &b.alert.labels));
        members
    }

    /// Puts into the history what has changed about what keeps alerts quiet.
    fn tell_mutes(&mut self, group: &Group, members: &[Seen], now: Timestamp) {
        let muted: BTreeMap<Fingerprint, Mute> =
            members.iter().filter_map(|member| Some((member.fingerprint, member.mute.clone()?))).collect();
        let before = self.mutes.get(&group.id);
        let mut events = Vec::new();
        for member in members {
            let (old, new) = (before.and_then(|b| b.get(&member.fingerprint)), muted.get(&member.fingerprint));
            let (kind, text) = match (old, new) {
                (old, Some(mute)) if old != Some(mute) => (EventKind::Muted, mute_text(mute)),
                (Some(_), None) => (EventKind::Unmuted, String::new()),
                _ => continue,
            };
            events.push(Event {
                alert: Some(member.fingerprint),
                labels: member.alert.labels.clone(),
                group: Some(group.key.clone()),
                receiver: group.receiver.to_string(),
                text,
                ..Event::new(now, kind)
            });
        }
        self.events.append(&mut events);
        if muted.is_empty() {
            self.mutes.remove(&group.id);
        } else {
            self.mutes.insert(group.id.clone(), muted);
        }
    }

    fn decide(
        &mut self,
        group: &Group,
        integration: &Integration,
        members: &[Seen],
        repeat_ms: i64,
        route_labels: &[(String, String)],
        now: Timestamp,
    ) {
        let to = &integration.id;
        let place = (group.id.clone(), to.clone());
        let waiting = self.pending.get(&place).copied();
        if waiting.is_some_and(|id| self.in_flight.contains(&id)) {
            self.again.insert(group.id.clone());
            return;
        }
        let notice = self.state.notices.get(&place);
        let is_open = |alert: &Fingerprint| notice.is_some_and(|notice| notice.open.contains(alert));
        let was_told_ended =
            |alert: &Fingerprint| notice.is_some_and(|notice| notice.resolved.contains(alert)) && !is_open(alert);
        let mut firing = BTreeSet::new();
        let mut resolved = BTreeSet::new();
        // Told as ended, and still here because another integration was not: not to be told again, nor to be forgotten.
        let mut told_ended = BTreeSet::new();
        for member in members {
            let fingerprint = member.fingerprint;
            let is_quiet = member.mute.is_some() || group.guests.contains(&fingerprint);
            if !member.resolved {
                if !is_quiet {
                    firing.insert(fingerprint);
                }
            } else if is_open(&fingerprint) || !(is_quiet || integration.send_resolved && notice.is_some()) {
                // Who was told of the group before is told the ends of what was told as firing, and of nothing else.
                resolved.insert(fingerprint);
            } else if was_told_ended(&fingerprint) {
                told_ended.insert(fingerprint);
            }
        }
        let ends_open = integration.send_resolved && resolved.iter().any(&is_open);
        let reason = if firing.is_empty() && resolved.is_empty() {
            None
        } else {
            let regular = needs_update(notice, &firing, &resolved, integration.send_resolved, repeat_ms, now);
            let ending = if firing.is_empty() { Reason::AllResolved } else { Reason::SomeResolved };
            regular.or(ends_open.then_some(ending))
        };
        let Some(reason) = reason else {
            if let Some(id) = waiting {
                self.drop_item(id, now);
            }
            return;
        };
        let told = |member: &&Seen| {
            firing.contains(&member.fingerprint) || integration.send_resolved && resolved.contains(&member.fingerprint)
        };
        let alerts: Vec<ToldAlert> = members.iter().filter(told).map(told_alert).collect();
        resolved.append(&mut told_ended);
        let old = waiting.and_then(|id| self.state.outbox.get(&id)).cloned();
        let known = [notice.map(|notice| &notice.incident), old.as_ref().map(|old| &old.incident)];
        let known = known.into_iter().flatten().find(|key| !key.is_empty()).cloned();
        let incident = known.unwrap_or_else(|| self.free_incident(group, to));
        if alerts.is_empty() {
            // Only ends, and the integration is not told of those: it counts as told.
            let notice = Notice {
                at: now,
                firing,
                resolved,
                open: BTreeSet::new(),
                incident,
                data: notice.map(|notice| notice.data.clone()).unwrap_or_default(),
                expires_at: now.plus_ms(RETENTION_MS.min(repeat_ms.saturating_mul(2))),
            };
            if let Some(id) = waiting {
                self.drop_item(id, now);
            }
            self.change(Change::Notice { group: group.id.clone(), to: to.clone(), notice }, now);
            return;
        }
        let is_same = |old: &Pending| {
            old.alerts == alerts && old.firing == firing && old.resolved == resolved && old.incident == incident
        };
        if old.as_ref().is_some_and(is_same) {
            return;
        }
        let item = Pending {
            id: self.state.next_id,
            group: group.id.clone(),
            group_key: group.key.clone(),
            to: to.clone(),
            send_resolved: integration.send_resolved,
            at: now,
            reason,
            alerts,
            firing,
            resolved,
            group_labels: group.labels.clone(),
            route_labels: route_labels.to_vec(),
            incident,
            attempts: old.as_ref().map_or(0, |old| old.attempts),
            next_attempt: old.as_ref().map_or(now, |old| old.next_attempt),
            opened: BTreeSet::new(),
            last_error: old.map(|old| old.last_error).unwrap_or_default(),
            repeat_ms,
        };
        if let Some(id) = waiting {
            self.remove_item(id, now);
        }
        self.queue(item, now);
    }

    /// A key for the incident of a group that tells an integration for the first time: its own, unless another group has it.
    fn free_incident(&self, group: &Group, to: &IntegrationId) -> String {
        let numbered = (2_u64..).map(|n| format!("{}#{n}", group.key));
        std::iter::once(group.key.to_string())
            .chain(numbered)
            .find(|key| !self.state.is_incident(to, key))
            .unwrap_or_default()
    }

    /// Alerts that have ended leave a group once everyone who was told of them was told so.
    pub(super) fn settle(&mut self, id: &Arc<str>, now: Timestamp) {
        let Some(group) = self.state.groups.get(id) else { return };
        let integrations = self.setup.integrations(&group.receiver);
        let needed = |alert: &Fingerprint| {
            integrations.iter().any(|integration| {
                let place = (id.clone(), integration.id.clone());
                let waits = self.pending.get(&place).and_then(|id| self.state.outbox.get(id));
                let waits = waits.is_some_and(|item| item.firing.contains(alert) || item.resolved.contains(alert));
                let open = self.state.notices.get(&place).is_some_and(|notice| notice.open.contains(alert));
                waits || integration.send_resolved && open
            })
        };
        let over = |(alert, seen): (&Fingerprint, &Option<Timestamp>)| {
            let known = self.state.alerts.get(alert);
            let ended = known.is_none_or(|known| known.resolved_at(now) && *seen == Some(known.updated_at));
            // A guest stays for nothing but to be told as ended.
            ((ended || group.guests.contains(alert)) && !needed(alert)).then_some(*alert)
        };
        let over: Vec<Fingerprint> = group.members.iter().filter_map(over).collect();
        if !over.is_empty() {
            self.leave(id, over, now);
        }
    }
}

/// As it goes into a message: an alert that fires has no end, and when it was reported last changes nothing.
fn told_alert(member: &Seen) -> ToldAlert {
    let mut alert = member.alert.clone();
    if !member.resolved {
        let firing = Arc::make_mut(&mut alert);
        firing.ends_at = Timestamp(0);
        firing.updated_at = Timestamp(0);
    }
    ToldAlert { alert, resolved: member.resolved }
}

/// In words, for the history.
pub(crate) fn mute_text(mute: &Mute) -> String {
    match mute {
        Mute::Inhibited(source) => format!("inhibited by alert {source}"),
        Mute::Interval(names) => format!("muted by time interval {}", names.join(", ")),
        Mute::Silenced(ids) => format!("silenced by {}", ids.join(", ")),
    }
}
