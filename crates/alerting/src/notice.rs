//! What an integration was told of a group, and whether it is time to tell it again (`notify.DedupStage`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use config::IntegrationKind;
use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::Fingerprint;

/// Names one way of telling one receiver: `team-x/webhook[0]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntegrationId {
    /// The receiver.
    pub receiver: Arc<str>,
    /// The protocol, by its name.
    pub kind: Arc<str>,
    /// Its place among those of its kind.
    pub index: usize,
}

impl IntegrationId {
    /// Of a receiver's integration.
    pub fn new(receiver: &str, kind: IntegrationKind, index: usize) -> Self {
        IntegrationId { receiver: receiver.into(), kind: kind.as_str().into(), index }
    }
}

impl fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.receiver, self.kind, self.index)
    }
}

/// Why something is sent; the texts are Alertmanager's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing was told before, or all of it was resolved.
    First,
    /// Alerts that were not told before.
    NewAlerts,
    /// Some alerts ended.
    SomeResolved,
    /// The last alert ended.
    AllResolved,
    /// It is time to repeat.
    Repeat,
}

impl Reason {
    /// As templates see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::First => "first notification",
            Reason::NewAlerts => "new alerts added",
            Reason::SomeResolved => "some alerts resolved",
            Reason::AllResolved => "all alerts resolved",
            Reason::Repeat => "repeat interval elapsed",
        }
    }
}

/// What one integration was told of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// When something was last told.
    pub at: Timestamp,
    /// Alerts that fired in what was last told.
    pub firing: BTreeSet<Fingerprint>,
    /// Alerts that had ended in what was last told.
    pub resolved: BTreeSet<Fingerprint>,
    /// Alerts that the integration was told, or may have been told, as firing, and not yet as ended. This is what makes that
    /// nothing stays stuck: an alert is here from before the first attempt until its end was taken.
    pub open: BTreeSet<Fingerprint>,
    /// The group key under which the receiver knows the incident. Stays when the route is edited.
    pub incident: String,
    /// What the receiver wants to be told again, such as the message to change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// When it may be forgotten, where nothing is open.
    pub expires_at: Timestamp,
}

/// Whether to tell, and why. `now` is the time of the group's tick.
pub fn needs_update(
    known: Option<&Notice>,
    firing: &BTreeSet<Fingerprint>,
    resolved: &BTreeSet<Fingerprint>,
    send_resolved: bool,
    repeat_ms: i64,
    now: Timestamp,
) -> Option<Reason> {
    let Some(known) = known.filter(|known| known.at != Timestamp::MIN) else {
        return (!firing.is_empty()).then_some(Reason::First);
    };
    if !firing.is_subset(&known.firing) {
        return Some(if known.firing.is_empty() { Reason::First } else { Reason::NewAlerts });
    }
    if firing.is_empty() {
        return (!known.firing.is_empty()).then_some(Reason::AllResolved);
    }
    if send_resolved && !resolved.is_subset(&known.resolved) {
        return Some(Reason::SomeResolved);
    }
    (known.at < now.plus_ms(-repeat_ms)).then_some(Reason::Repeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u64]) -> BTreeSet<Fingerprint> {
        numbers.iter().map(|n| Fingerprint(*n)).collect()
    }

    /// Alertmanager's table `TestDedupStageNeedsUpdate`; now is 100, the repeat interval 10.
    #[test]
    fn table() {
        let entry = |firing: &[u64], resolved: &[u64], at: i64| {
            Some(Notice { at: Timestamp(at), firing: set(firing), resolved: set(resolved), ..Notice::default() })
        };
        type Case = (Option<Notice>, &'static [u64], &'static [u64], bool, Option<Reason>);
        let cases: [Case; 12] = [
            (None, &[2, 3, 4], &[], true, Some(Reason::First)),
            (None, &[], &[2, 3, 4], true, None),
            (entry(&[1, 2, 3], &[], 95), &[2, 3, 4], &[], true, Some(Reason::NewAlerts)),
            (entry(&[1, 2, 3], &[], 95), &[1, 2, 3], &[], true, None),
            (entry(&[1, 2, 3], &[], 89), &[1, 2, 3], &[], true, Some(Reason::Repeat)),
            (entry(&[1, 2, 3], &[], 90), &[1, 2, 3], &[], true, None),
            (entry(&[1, 2], &[], 99), &[1], &[2], true, Some(Reason::SomeResolved)),
            (entry(&[1, 2], &[], 99), &[1], &[2], false, None),
            (entry(&[1, 2], &[3], 99), &[1], &[3], true, None),
            (entry(&[1, 2], &[3], 99), &[], &[1, 2, 3], true, Some(Reason::AllResolved)),
            (entry(&[1, 2], &[3], 99), &[], &[1, 2, 3], false, Some(Reason::AllResolved)),
            (entry(&[], &[1, 2], 99), &[1], &[2], true, Some(Reason::First)),
        ];
        for (index, (known, firing, resolved, send_resolved, expected)) in cases.into_iter().enumerate() {
            let found = needs_update(known.as_ref(), &set(firing), &set(resolved), send_resolved, 10, Timestamp(100));
            assert_eq!(found, expected, "case {index}");
        }
        assert_eq!(needs_update(entry(&[], &[1], 1).as_ref(), &set(&[]), &set(&[1]), true, 10, Timestamp(100)), None);
    }
}
