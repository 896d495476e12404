//! One alert and its states.

use model::{Labels, Timestamp};

/// How long a resolved alert is kept and sent again, in milliseconds (Prometheus: `resolvedRetention`).
pub(crate) const RESOLVED_RETENTION_MS: i64 = 15 * 60 * 1000;

/// What an alert is at a time. Ordered by urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Not evaluated yet; a state of rules alone.
    Unknown,
    /// Its condition does not hold, or no longer.
    Inactive,
    /// Its condition holds, for less than `for`.
    Pending,
    /// It is told.
    Firing,
}

impl AlertState {
    /// As in labels and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Unknown => "unknown",
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// One alert of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What identifies it, `alertname` among them.
    pub labels: Labels,
    /// What it says, expanded.
    pub annotations: Labels,
    /// Value of the expression at the last evaluation in which the condition held.
    pub value: f64,
    /// Where it stands.
    pub state: AlertState,
    /// Since when its condition holds.
    pub active_at: Timestamp,
    /// Since when it fires.
    pub fired_at: Option<Timestamp>,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// When it was last handed to the notifier.
    pub last_sent_at: Option<Timestamp>,
    /// Until when receivers may take it for firing unless they hear of it again.
    pub valid_until: Option<Timestamp>,
    /// Since when it fires only because of `keep_firing_for`.
    pub keep_firing_since: Option<Timestamp>,
}

impl Alert {
    pub(crate) fn new(labels: Labels, annotations: Labels, value: f64, at: Timestamp) -> Self {
        Alert {
            labels,
            annotations,
            value,
            state: AlertState::Pending,
            active_at: at,
            fired_at: None,
            resolved_at: None,
            last_sent_at: None,
            valid_until: None,
            keep_firing_since: None,
        }
    }

    /// Prometheus: pending alerts are not sent; a resolve is sent at once; all else once in `resend_delay`.
    pub(crate) fn needs_sending(&self, at: Timestamp, resend_delay_ms: i64) -> bool {
        if self.state == AlertState::Pending {
            return false;
        }
        match (self.resolved_at, self.last_sent_at) {
            (_, None) => true,
            (Some(resolved), Some(sent)) if resolved > sent => true,
            (_, Some(sent)) => sent.plus_ms(resend_delay_ms) < at,
        }
    }
}
