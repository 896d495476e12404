//! Silences: made, edited and ended by hand; recurring ones go on to their next window, and of an end someone can be reminded.

use model::{Labels, Timestamp};
use rand::Rng;

use super::Engine;
use crate::alert::Alert;
use crate::event::{Event, EventKind};
use crate::silence::{Silence, SilenceState};
use crate::state::Change;

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

/// The alert that reminds of the end of a silence.
const REMINDER: &str = "SilenceExpiring";

impl Engine {
    /// Makes or edits a silence and answers its id; the words of errors are Alertmanager's. A change that would rewrite what has
    /// happened ends the old silence and makes a new one.
    pub fn set_silence(&mut self, mut silence: Silence, now: Timestamp) -> Result<String, SilenceError> {
        let known = match silence.id.as_str() {
            "" => None,
            id => Some(self.state.silences.get(id).cloned().ok_or(SilenceError::NotFound)?),
        };
        if known.is_none() && silence.starts_at < now {
            silence.starts_at = now;
        }
        if let Some(recurrence) = &silence.recurrence {
            recurrence.validate(now).map_err(|error| SilenceError::Invalid(format!("invalid silence: {error}")))?;
            // A window that is open began when the silence did.
            let open = known.as_ref().filter(|known| known.state(now) == SilenceState::Active);
            if let Some(known) = open.filter(|_| silence.starts_at < now) {
                silence.starts_at = known.starts_at;
            }
        }
        silence.validate(self.setup.syntax, self.setup.silences).map_err(SilenceError::Invalid)?;
        silence.compile().map_err(SilenceError::Invalid)?;
        silence.updated_at = now;
        silence.reminded = false;
        if silence.ends_at <= now {
            return Err(SilenceError::Invalid("end time can't be in the past".to_owned()));
        }
        let mut kind = EventKind::SilenceCreated;
        match known {
            Some(known) if known.can_become(&silence, now) => {
                if known.state(now) == SilenceState::Active {
                    silence.starts_at = known.starts_at;
                }
                self.end_reminder(&known, now);
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
        let id = silence.id.clone();
        self.events.push(silence_event(&silence, now, kind));
        self.keep_silence(silence, now);
        Ok(id)
    }

    /// Ends a silence, with its recurrence.
    pub fn expire_silence(&mut self, id: &str, now: Timestamp) -> Result<(), SilenceError> {
        let silence = self.state.silences.get(id).cloned().ok_or(SilenceError::NotFound)?;
        if silence.state(now) == SilenceState::Expired {
            return Err(SilenceError::Expired(id.to_owned()));
        }
        self.end_silence(silence, now);
        Ok(())
    }

    fn end_silence(&mut self, mut silence: Silence, now: Timestamp) {
        self.end_reminder(&silence, now);
        if silence.state(now) == SilenceState::Pending {
            silence.starts_at = now;
        }
        silence.ends_at = now;
        silence.updated_at = now;
        silence.recurrence = None;
        silence.remind_ms = None;
        self.events.push(silence_event(&silence, now, EventKind::SilenceExpired));
        self.keep_silence(silence, now);
    }

    /// Takes a silence as it is, as the past had it; of recurring ones the past has every window.
    pub(crate) fn take_silence(&mut self, silence: Silence, now: Timestamp) {
        self.keep_silence(Silence { recurrence: None, remind_ms: None, ..silence }, now);
    }

    fn keep_silence(&mut self, silence: Silence, now: Timestamp) {
        if let Some(at) = self.state.silences.get(&silence.id).and_then(Silence::due_at) {
            self.silence_times.remove(&(at, silence.id.clone()));
        }
        if let Some(at) = silence.due_at() {
            self.silence_times.insert((at, silence.id.clone()));
        }
        self.change(Change::Silence { silence }, now);
    }

    /// Reminds of ends that come near, and goes on to next windows.
    pub(super) fn tick_silences(&mut self, now: Timestamp) {
        while let Some(entry) = self.silence_times.first().filter(|(at, _)| *at <= now).cloned() {
            self.silence_times.remove(&entry);
            let Some(mut silence) = self.state.silences.get(&entry.1).cloned() else { continue };
            if silence.wants_reminder(now) {
                silence.reminded = true;
                self.events.push(silence_event(&silence, now, EventKind::SilenceExpiring));
                self.put_one(reminder(&silence, now), now);
            } else if silence.ends_at > now {
                continue;
            } else if let Some((starts_at, ends_at)) = silence.next_window(now) {
                (silence.starts_at, silence.ends_at, silence.reminded) = (starts_at, ends_at, false);
                silence.updated_at = now;
                self.events.push(silence_event(&silence, now, EventKind::SilenceRecurred));
            } else {
                (silence.recurrence, silence.remind_ms) = (None, None);
            }
            self.keep_silence(silence, now);
        }
    }

    fn end_reminder(&mut self, silence: &Silence, now: Timestamp) {
        if silence.reminded && now < silence.ends_at {
            self.put_one(Alert { ends_at: now, ..reminder(silence, now) }, now);
        }
    }

    fn uuid(&mut self) -> String {
        let mut bytes = [0_u8; 16];
        self.rng.fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

fn reminder(silence: &Silence, now: Timestamp) -> Alert {
    let summary = format!("The silence {} of {} ends soon", silence.text(), silence.created_by);
    Alert {
        labels: Labels::from_pairs([("alertname", REMINDER), ("severity", "info"), ("silence", &silence.id)]),
        annotations: Labels::from_pairs([("summary", summary.as_str()), ("description", &silence.comment)]),
        starts_at: now,
        ends_at: silence.ends_at,
        updated_at: now,
        generator_url: String::new(),
        timeout: false,
    }
}

fn silence_event(silence: &Silence, now: Timestamp, kind: EventKind) -> Event {
    Event {
        silence: silence.id.clone(),
        silence_as: Some(Box::new(silence.clone())),
        by: silence.created_by.clone(),
        text: format!("{} {}", silence.text(), silence.comment).trim().to_owned(),
        ..Event::new(now, kind)
    }
}
