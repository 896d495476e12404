//! Acknowledgements, and forgetting.

use model::Timestamp;

use super::Engine;
use crate::alert::Fingerprint;
use crate::event::{Event, EventKind};
use crate::state::{Acknowledgement, Change, RETENTION_MS};

/// How often is looked for what can be forgotten, in milliseconds.
const UPKEEP_MS: i64 = 60_000;
/// Alertmanager's `--alerts.gc-interval`: an ended alert is remembered at least so long.
const ALERT_MEMORY_MS: i64 = 30 * 60_000;

impl Engine {
    /// Notes that someone has seen an alert, or takes that back; false where there is no such alert.
    pub fn acknowledge(&mut self, alert: Fingerprint, ack: Option<Acknowledgement>, now: Timestamp) -> bool {
        let Some(known) = self.state.alerts.get(&alert) else { return false };
        let kind = if ack.is_some() { EventKind::Acknowledged } else { EventKind::Unacknowledged };
        let (by, text) = ack.as_ref().map(|ack| (ack.by.clone(), ack.comment.clone())).unwrap_or_default();
        let labels = known.labels.clone();
        self.events.push(Event { alert: Some(alert), labels, by, text, ..Event::new(now, kind) });
        self.change(Change::Ack { alert, ack }, now);
        true
    }

    /// Forgets what is over.
    pub(super) fn upkeep(&mut self, now: Timestamp) {
        self.next_upkeep = now.plus_ms(UPKEEP_MS);
        // A group whose receiver does not take the end of anything is given up after Alertmanager's retention.
        let is_hopeless = |alert: &Fingerprint| {
            self.state.alerts.get(alert).is_none_or(|alert| alert.ends_at.plus_ms(RETENTION_MS) < now)
        };
        let hopeless = self.state.groups.values().filter(|group| !group.members.is_empty());
        let hopeless = hopeless.filter(|group| group.members.keys().all(is_hopeless));
        let hopeless: Vec<_> =
            hopeless.map(|group| (group.id.clone(), group.members.keys().copied().collect())).collect();
        for (id, members) in hopeless {
            self.leave(&id, members, now);
        }
        let is_over = |(fingerprint, alert): (&Fingerprint, &std::sync::Arc<crate::Alert>)| {
            let over = alert.ends_at.plus_ms(ALERT_MEMORY_MS) <= now && !self.memberships.contains_key(fingerprint);
            over.then_some(*fingerprint)
        };
        let over: Vec<Fingerprint> = self.state.alerts.iter().filter_map(is_over).collect();
        for fingerprint in &over {
            self.paths.remove(fingerprint);
            if let Some(alert) = self.state.alerts.get(fingerprint).cloned() {
                self.announce_end(*fingerprint, &alert.labels, alert.ends_at);
                self.inhibitor.remove(*fingerprint, &alert.labels);
            }
        }
        if !over.is_empty() {
            self.change(Change::Forget { alerts: over }, now);
        }
        let stale = self
            .state
            .notices
            .iter()
            .filter(|((group, _), notice)| notice.expires_at < now && !self.state.groups.contains_key(group));
        let stale: Vec<_> = stale.map(|((group, to), _)| (group.clone(), to.clone())).collect();
        for (group, to) in stale {
            self.change(Change::Unnotice { group, to }, now);
        }
        let old = self.state.silences.values().filter(|silence| silence.ends_at.plus_ms(RETENTION_MS) < now);
        let ids: Vec<String> = old.map(|silence| silence.id.clone()).collect();
        if !ids.is_empty() {
            self.change(Change::Unsilence { ids }, now);
        }
    }
}
