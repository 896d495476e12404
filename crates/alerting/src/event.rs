//! What happened: the history that can be asked later.

use std::sync::Arc;

use model::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::Fingerprint;
use crate::silence::Silence;

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// An alert began to fire.
    Firing,
    /// An alert ended.
    Resolved,
    /// An alert in a group began to be kept quiet; `text` says by what.
    Muted,
    /// An alert in a group is no longer kept quiet.
    Unmuted,
    /// A notification was decided; `text` is the reason.
    Queued,
    /// A notification that was not sent is no longer needed.
    Dropped,
    /// A receiver took a notification.
    Sent,
    /// An attempt failed and will be repeated; `text` says why.
    Failed,
    /// A receiver refused for good; `text` says why.
    Dead,
    /// A silence was made.
    SilenceCreated,
    /// A silence was edited.
    SilenceUpdated,
    /// A silence was ended by hand.
    SilenceExpired,
    /// A recurring silence stands for its next window.
    SilenceRecurred,
    /// A silence ends soon.
    SilenceExpiring,
    /// Someone has seen an alert.
    Acknowledged,
    /// Someone took that back.
    Unacknowledged,
    /// A configuration was put to work.
    Reloaded,
    /// A group has no route any longer; what it told is still told as ended.
    Retired,
    /// What was told can no longer be told as ended, because the receiver is gone from the configuration.
    Orphaned,
}

/// One event. What does not apply is empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The alert.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex")]
    pub alert: Option<Fingerprint>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty", with = "crate::pairs")]
    pub labels: Labels,
    /// The group's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Arc<str>>,
    /// The receiver, or one of its integrations.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub receiver: String,
    /// Alerts of a notification.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hex_list")]
    pub alerts: Vec<Fingerprint>,
    /// The silence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub silence: String,
    /// The silence as it is since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_as: Option<Box<Silence>>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why, or what was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Which attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Event {
    /// An event of which only time and kind are known yet.
    pub fn new(at: Timestamp, kind: EventKind) -> Self {
        Event {
            at,
            kind,
            alert: None,
            labels: Labels::empty(),
            group: None,
            receiver: String::new(),
            alerts: Vec::new(),
            silence: String::new(),
            silence_as: None,
            by: String::new(),
            text: String::new(),
            attempt: 0,
        }
    }
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Fingerprint;

    pub(super) fn serialize<S: Serializer>(value: &Option<Fingerprint>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&value.map(|value| value.to_string()).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Fingerprint>, D::Error> {
        Ok(Fingerprint::parse(&String::deserialize(deserializer)?))
    }
}

mod hex_list {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Fingerprint;

    pub(super) fn serialize<S: Serializer>(value: &[Fingerprint], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fingerprint>, D::Error> {
        Ok(Vec::<String>::deserialize(deserializer)?.iter().filter_map(|text| Fingerprint::parse(text)).collect())
    }
}
