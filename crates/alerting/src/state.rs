//! Everything that must survive a kill, and the changes by which alone it changes: what is journalled is exactly what is applied,
//! so reading a journal back gives the state that was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Fingerprint};
use crate::incidents::Incidents;
use crate::notice::{IntegrationId, Notice, Reason};
use crate::pairs;
use crate::silence::Silence;

/// Alerts that are told together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Unique: the route's id and the key. Two routes may have equal keys.
    pub id: Arc<str>,
    /// `{}/{team="x"}:{alertname="A"}`.
    pub key: Arc<str>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// What its alerts have in common.
    #[serde(with = "pairs")]
    pub labels: Labels,
    /// The id of its route.
    pub route: Arc<str>,
    /// When it is looked at next.
    pub next_flush: Timestamp,
    /// Whether it was looked at before.
    pub flushed: bool,
    /// Its alerts. Those that have ended carry the time of the report that the last look saw.
    pub members: BTreeMap<Fingerprint, Option<Timestamp>>,
    /// Members that the routes no longer put here. They are told as ended where they were told as firing, and nothing else.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub guests: BTreeSet<Fingerprint>,
}

/// One alert as it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldAlert {
    /// The alert at the time of the tick.
    pub alert: Arc<Alert>,
    /// Whether it had ended.
    pub resolved: bool,
}

/// Something to tell, on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Number, counting up.
    pub id: u64,
    /// The group's id.
    pub group: Arc<str>,
    /// The group's key.
    pub group_key: Arc<str>,
    /// Whom.
    pub to: IntegrationId,
    /// Whether ended alerts are told.
    pub send_resolved: bool,
    /// When it was decided.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// What: as it goes into the message.
    pub alerts: Vec<ToldAlert>,
    /// All that fires, told or not.
    pub firing: BTreeSet<Fingerprint>,
    /// All that has ended.
    pub resolved: BTreeSet<Fingerprint>,
    /// Labels of the group.
    #[serde(with = "pairs")]
    pub group_labels: Labels,
    /// Labels of the route, as configured.
    pub route_labels: Vec<(String, String)>,
    /// The key of the incident.
    pub incident: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When to try next.
    pub next_attempt: Timestamp,
    /// Alerts that the last attempt is the first to tell as firing: where it is refused, the receiver does not know of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub opened: BTreeSet<Fingerprint>,
    /// What the last attempt said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// After how long an unchanged notification is repeated, in milliseconds.
    pub repeat_ms: i64,
}

/// Something that a receiver refused for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What it was.
    pub item: Pending,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Someone has seen an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Who deals with it; empty for the same person.
    #[serde(default)]
    pub assignee: String,
    /// What they say.
    #[serde(default)]
    pub comment: String,
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Alerts by fingerprint.
    pub alerts: HashMap<Fingerprint, Arc<Alert>>,
    /// Groups by id.
    pub groups: BTreeMap<Arc<str>, Group>,
    /// What was told, by group and integration.
    #[serde(with = "notice_list")]
    pub notices: BTreeMap<(Arc<str>, IntegrationId), Notice>,
    /// What is to be told.
    pub outbox: BTreeMap<u64, Pending>,
    /// What was refused, by number.
    pub dead: BTreeMap<u64, DeadLetter>,
    /// Silences by id.
    pub silences: BTreeMap<String, Silence>,
    /// Acknowledgements by alert.
    pub acks: HashMap<Fingerprint, Acknowledgement>,
    #[serde(skip)]
    incidents: Incidents,
    /// The number of the next item.
    pub next_id: u64,
    /// The time of the last change.
    pub last: Timestamp,
}

/// JSON has no keys but texts.
mod notice_list {
    use super::*;
    use serde::{Deserializer, Serializer};

    type Map = BTreeMap<(Arc<str>, IntegrationId), Notice>;

    pub(super) fn serialize<S: Serializer>(map: &Map, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter().map(|((group, to), notice)| (group, to, notice)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        let list = Vec::<(Arc<str>, IntegrationId, Notice)>::deserialize(deserializer)?;
        Ok(list.into_iter().map(|(group, to, notice)| ((group, to), notice)).collect())
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "c", rename_all = "snake_case")]
pub enum Change {
    /// An alert is as it is given.
    Alert {
        /// The alert.
        alert: Arc<Alert>,
    },
    /// Alerts are forgotten.
    Forget {
        /// Which.
        alerts: Vec<Fingerprint>,
    },
    /// A group exists, as it is given.
    Group {
        /// The group.
        group: Group,
    },
    /// An alert is in a group, and is to be looked at as if new.
    Join {
        /// The group.
        group: Arc<str>,
        /// The alert.
        alert: Fingerprint,
        /// When the group is looked at next.
        next_flush: Timestamp,
    },
    /// Alerts stay in a group to which no route leads them any longer.
    Guests {
        /// The group.
        group: Arc<str>,
        /// The alerts.
        alerts: Vec<Fingerprint>,
    },
    /// A group was looked at.
    Flush {
        /// The group.
        group: Arc<str>,
        /// When next.
        next_flush: Timestamp,
        /// Ended alerts that it saw, with the times of their reports.
        seen: Vec<(Fingerprint, Timestamp)>,
    },
    /// Alerts leave a group; an empty group goes.
    Leave {
        /// The group.
        group: Arc<str>,
        /// The alerts.
        alerts: Vec<Fingerprint>,
    },
    /// Something is to be told. What was to be told of the group to the same integration was dropped before.
    Queue {
        /// What.
        item: Box<Pending>,
    },
    /// What was to be told is to be told no longer.
    Drop {
        /// Its number.
        id: u64,
    },
    /// An attempt begins: from now on the receiver may know.
    Attempt {
        /// The item.
        id: u64,
    },
    /// An attempt failed.
    Fail {
        /// The item.
        id: u64,
        /// When to try again.
        next_attempt: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// An item was taken; or there was nothing in it to be sent.
    Told {
        /// The item.
        id: u64,
        /// When.
        at: Timestamp,
        /// What the receiver wants to be told again.
        data: BTreeMap<String, String>,
    },
    /// An item was refused for good.
    Dead {
        /// The item.
        id: u64,
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// Dead letters are forgotten.
    Bury {
        /// Their numbers.
        ids: Vec<u64>,
    },
    /// What was told, as it is given.
    Notice {
        /// The group.
        group: Arc<str>,
        /// Whom.
        to: IntegrationId,
        /// What.
        notice: Notice,
    },
    /// What was told is forgotten.
    Unnotice {
        /// The group.
        group: Arc<str>,
        /// Whom.
        to: IntegrationId,
    },
    /// A silence is as it is given.
    Silence {
        /// The silence.
        silence: Silence,
    },
    /// Silences are forgotten.
    Unsilence {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Someone has seen an alert, or takes that back.
    Ack {
        /// The alert.
        alert: Fingerprint,
        /// Who; `None` takes it back.
        ack: Option<Acknowledgement>,
    },
}

/// Alertmanager's `--data.retention`: what was told is remembered so long at most, in milliseconds.
pub(crate) const RETENTION_MS: i64 = 120 * 3600 * 1000;

/// A place among notices, and an item.
struct Touched {
    group: Arc<str>,
    to: IntegrationId,
    item: Option<u64>,
}

impl State {
    /// Applies one change. Changes of things that are not there do nothing, so a damaged journal does no more harm than it lacks.
    pub fn apply(&mut self, change: &Change, at: Timestamp) {
        let touched = self.touched(change);
        let before = touched.as_ref().map(|touched| self.incidents_at(touched));
        self.apply_change(change, at);
        if let (Some(touched), Some(before)) = (touched, before) {
            let after = self.incidents_at(&touched);
            before.iter().for_each(|key| self.incidents.remove(&touched.to, key));
            after.iter().for_each(|key| self.incidents.add(&touched.to, key));
        }
    }

    /// The notice and the item that a change may touch.
    fn touched(&self, change: &Change) -> Option<Touched> {
        let of = |group: &Arc<str>, to: &IntegrationId, item| Touched { group: group.clone(), to: to.clone(), item };
        match change {
            Change::Queue { item } => Some(of(&item.group, &item.to, Some(item.id))),
            Change::Drop { id } | Change::Attempt { id } | Change::Told { id, .. } | Change::Dead { id, .. } => {
                self.outbox.get(id).map(|item| of(&item.group, &item.to, Some(*id)))
            }
            Change::Notice { group, to, .. } | Change::Unnotice { group, to } => Some(of(group, to, None)),
            _ => None,
        }
    }

    fn incidents_at(&self, touched: &Touched) -> [String; 2] {
        let notice = self.notices.get(&(touched.group.clone(), touched.to.clone()));
        let item = touched.item.and_then(|id| self.outbox.get(&id));
        [notice.map(|notice| notice.incident.clone()), item.map(|item| item.incident.clone())]
            .map(Option::unwrap_or_default)
    }

    fn apply_change(&mut self, change: &Change, at: Timestamp) {
        self.last = self.last.max(at);
        match change {
            Change::Alert { alert } => {
                self.alerts.insert(Fingerprint::of(&alert.labels), alert.clone());
            }
            Change::Forget { alerts } => alerts.iter().for_each(|alert| {
                self.alerts.remove(alert);
                self.acks.remove(alert);
            }),
            Change::Group { group } => {
                self.groups.insert(group.id.clone(), group.clone());
            }
            Change::Join { group, alert, next_flush } => {
                if let Some(group) = self.groups.get_mut(group) {
                    group.members.insert(*alert, None);
                    group.guests.remove(alert);
                    group.next_flush = *next_flush;
                }
            }
            Change::Guests { group, alerts } => {
                if let Some(group) = self.groups.get_mut(group) {
                    group.guests.extend(alerts);
                }
            }
            Change::Flush { group, next_flush, seen } => {
                if let Some(group) = self.groups.get_mut(group) {
                    group.flushed = true;
                    group.next_flush = *next_flush;
                    for (alert, at) in seen {
                        group.members.insert(*alert, Some(*at));
                    }
                }
            }
            Change::Leave { group, alerts } => {
                if let Some(found) = self.groups.get_mut(group) {
                    for alert in alerts {
                        found.members.remove(alert);
                        found.guests.remove(alert);
                    }
                    if found.members.is_empty() {
                        self.groups.remove(group);
                    }
                }
            }
            Change::Queue { item } => {
                self.next_id = self.next_id.max(item.id + 1);
                self.outbox.insert(item.id, (**item).clone());
            }
            Change::Drop { id } => drop(self.outbox.remove(id)),
            Change::Attempt { id } => {
                let Some(item) = self.outbox.get_mut(id) else { return };
                item.attempts += 1;
                if !item.send_resolved {
                    return;
                }
                let told =
                    item.alerts.iter().filter(|told| !told.resolved).map(|told| Fingerprint::of(&told.alert.labels));
                let told: BTreeSet<Fingerprint> = told.collect();
                let (key, incident) = ((item.group.clone(), item.to.clone()), item.incident.clone());
                let notice =
                    self.notices.entry(key).or_insert_with(|| Notice { at: Timestamp::MIN, ..Notice::default() });
                item.opened = told.difference(&notice.open).copied().collect();
                notice.open.extend(told);
                notice.incident = incident;
            }
            Change::Fail { id, next_attempt, error } => {
                if let Some(item) = self.outbox.get_mut(id) {
                    item.next_attempt = *next_attempt;
                    item.last_error.clone_from(error);
                }
            }
            Change::Told { id, at, data } => {
                if let Some(item) = self.outbox.remove(id) {
                    self.told(item, *at, data);
                }
            }
            Change::Dead { id, at, reason } => {
                if let Some(item) = self.outbox.remove(id) {
                    self.refused(&item);
                    self.dead.retain(|_, dead| !(dead.item.group == item.group && dead.item.to == item.to));
                    self.dead.insert(*id, DeadLetter { item, at: *at, reason: reason.clone() });
                }
            }
            Change::Bury { ids } => ids.iter().for_each(|id| drop(self.dead.remove(id))),
            Change::Notice { group, to, notice } => {
                self.notices.insert((group.clone(), to.clone()), notice.clone());
            }
            Change::Unnotice { group, to } => drop(self.notices.remove(&(group.clone(), to.clone()))),
            Change::Silence { silence } => {
                let mut silence = silence.clone();
                // It was compiled before it was taken in; one of a newer version that cannot be is kept and silences nothing.
                let _ = silence.compile();
                self.silences.insert(silence.id.clone(), silence);
            }
            Change::Unsilence { ids } => ids.iter().for_each(|id| drop(self.silences.remove(id))),
            Change::Ack { alert, ack: Some(ack) } => drop(self.acks.insert(*alert, ack.clone())),
            Change::Ack { alert, ack: None } => drop(self.acks.remove(alert)),
        }
    }

    fn told(&mut self, item: Pending, at: Timestamp, data: &BTreeMap<String, String>) {
        self.dead.retain(|_, dead| !(dead.item.group == item.group && dead.item.to == item.to));
        let notice = self.notices.entry((item.group, item.to)).or_default();
        notice.at = at;
        for told in item.alerts.iter().filter(|told| told.resolved) {
            notice.open.remove(&Fingerprint::of(&told.alert.labels));
        }
        notice.firing = item.firing;
        notice.resolved = item.resolved;
        notice.incident = item.incident;
        notice.data.clone_from(data);
        notice.expires_at = at.plus_ms(RETENTION_MS.min(item.repeat_ms.saturating_mul(2)));
    }

    /// The receiver does not know of alerts of which no attempt before the refused one told.
    fn refused(&mut self, item: &Pending) {
        if let Some(notice) = self.notices.get_mut(&(item.group.clone(), item.to.clone())) {
            notice.open.retain(|alert| !item.opened.contains(alert));
        }
    }

    /// True where a notice or an item for an integration has the key of an incident.
    pub(crate) fn is_incident(&self, to: &IntegrationId, key: &str) -> bool {
        self.incidents.is_taken(to, key)
    }

    /// Makes what a snapshot does not hold: compiled silences, and which keys of incidents are in use.
    pub fn compile(&mut self) {
        self.incidents = Incidents::default();
        for ((_, to), notice) in &self.notices {
            self.incidents.add(to, &notice.incident);
        }
        for item in self.outbox.values() {
            self.incidents.add(&item.to, &item.incident);
        }
        for silence in self.silences.values_mut() {
            let _ = silence.compile();
        }
    }
}
