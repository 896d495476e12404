//! Silences, acknowledgements, and forgetting.

use model::Timestamp;
use rand::Rng;

use super::Engine;
use crate::alert::Fingerprint;
use crate::event::{Event, EventKind};
use crate::silence::{Silence, SilenceState};
use crate::state::{Acknowledgement, Change, RETENTION_MS};

/// How often is looked for what can be forgotten, in milliseconds.
const UPKEEP_MS: i64 = 60_000;
/// Alertmanager's `--alerts.gc-interval`: an ended alert is remembered at least so long.
const ALERT_MEMORY_MS: i64 = 30 * 60_000;

impl Engine {
    /// Makes or edits a silence and answers its id; the words of errors are Alertmanager's. A change that would rewrite what has
    /// happened ends the old silence and makes a new one.
    pub fn set_silence(&mut self, mut silence: Silence, now: Timestamp) -> Result<String, SilenceError> {
        if silence.id.is_empty() && silence.starts_at < now {
            silence.starts_at = now;
        }
        silence.validate(self.setup.syntax).map_err(SilenceError::Invalid)?;
        silence.compile().map_err(SilenceError::Invalid)?;
        let known = match silence.id.as_str() {
            "" => None,
            id => Some(self.state.silences.get(id).cloned().ok_or(SilenceError::NotFound)?),
        };
        silence.updated_at = now;
        let mut kind = EventKind::SilenceCreated;
        match known {
            Some(known) if known.can_become(&silence, now) => {
                if known.state(now) == SilenceState::Active {
                    silence.starts_at = known.starts_at;
                }
                kind = EventKind::SilenceUpdated;
            }
            known => {
                if let Some(known) = known
                    && known.state(now) != SilenceState::Expired
                {
                    self.end_silence(known, now);
                }
                silence.id = self.uuid();
                silence.starts_at = silence.starts_at.max(now);
            }
        }
        if silence.ends_at <= now {
            return Err(SilenceError::Invalid("end time can't be in the past".to_owned()));
        }
        let id = silence.id.clone();
        self.events.push(silence_event(&silence, now, kind));
        self.change(Change::Silence { silence }, now);
        Ok(id)
    }

    /// Ends a silence.
    pub fn expire_silence(&mut self, id: &str, now: Timestamp) -> Result<(), SilenceError> {
        let silence = self.state.silences.get(id).cloned().ok_or(SilenceError::NotFound)?;
        if silence.state(now) == SilenceState::Expired {
            return Err(SilenceError::Expired(id.to_owned()));
        }
        self.end_silence(silence, now);
        Ok(())
    }

    fn end_silence(&mut self, mut silence: Silence, now: Timestamp) {
        if silence.state(now) == SilenceState::Pending {
            silence.starts_at = now;
        }
        silence.ends_at = now;
        silence.updated_at = now;
        self.events.push(silence_event(&silence, now, EventKind::SilenceExpired));
        self.change(Change::Silence { silence }, now);
    }

    fn uuid(&mut self) -> String {
        let mut bytes = [0_u8; 16];
        self.rng.fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

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

/// Why a silence is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It says something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// There is none of that id.
    #[error("silence not found")]
    NotFound,
    /// It is over.
    #[error("silence {0} already expired")]
    Expired(String),
}

fn silence_event(silence: &Silence, now: Timestamp, kind: EventKind) -> Event {
    Event {
        silence: silence.id.clone(),
        by: silence.created_by.clone(),
        text: format!("{} {}", silence.text(), silence.comment).trim().to_owned(),
        ..Event::new(now, kind)
    }
}
