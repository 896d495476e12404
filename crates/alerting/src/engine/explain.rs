//! Why an alert is or is not told: what the next look at its groups would decide, and what was decided before.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Labels, Timestamp};
use serde::Serialize;

use super::{Engine, Mute, flush::mute_text};
use crate::alert::Fingerprint;
use crate::notice::needs_update;
use crate::routes::Route;
use crate::setup::Integration;
use crate::state::Group;

/// All that decides about one alert.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Its identity.
    #[serde(serialize_with = "digits")]
    pub fingerprint: Fingerprint,
    /// What identifies it.
    #[serde(with = "crate::pairs")]
    pub labels: Labels,
    /// Silences that keep it quiet.
    pub silenced_by: Vec<String>,
    /// Alerts that do.
    #[serde(serialize_with = "all_digits")]
    pub inhibited_by: Vec<Fingerprint>,
    /// Its groups: those that routes lead to, and those that still have to tell its end.
    pub groups: Vec<GroupExplanation>,
}

/// One group of an alert.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupExplanation {
    /// The group's key.
    pub group_key: String,
    /// What its alerts have in common.
    #[serde(with = "crate::pairs")]
    pub group_labels: Labels,
    /// The routes from the root; empty where the group's is gone.
    pub route: Vec<RouteStep>,
    /// Who is told.
    pub receiver: String,
    /// How long a new group waits.
    pub group_wait_ms: i64,
    /// How long it waits between notifications of changes.
    pub group_interval_ms: i64,
    /// After how long an unchanged notification is repeated.
    pub repeat_interval_ms: i64,
    /// Names of times because of which the route is quiet now.
    pub muted_by: Vec<String>,
    /// The group is there; else it would be made.
    pub exists: bool,
    /// The routes no longer lead here.
    pub guest: bool,
    /// When the group is looked at next.
    pub next_flush: Option<Timestamp>,
    /// What each integration was told.
    pub integrations: Vec<IntegrationExplanation>,
}

/// One node on the way to a group.
#[derive(Clone, Debug, Serialize)]
pub struct RouteStep {
    /// Its place in the tree.
    pub id: usize,
    /// Its conditions.
    pub matchers: String,
}

/// One integration of a group.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationExplanation {
    /// Its name.
    pub integration: String,
    /// Whether it is told of ends.
    pub send_resolved: bool,
    /// When it was last told something of the group.
    pub last_told: Option<Timestamp>,
    /// It was told, or may have been, that the alert fires, and not yet that it ended.
    pub told_firing: bool,
    /// When an unchanged notification is repeated.
    pub repeat_at: Option<Timestamp>,
    /// Something waits to be delivered.
    pub waiting: Option<Waiting>,
    /// It refused the last notification for good.
    pub refused: Option<Refused>,
    /// Whether the next look would tell it something.
    pub would_tell: bool,
    /// Why it would or would not.
    pub next: String,
}

/// Something on its way.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Its number in the outbox.
    pub id: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last one said.
    pub last_error: String,
    /// When the next one is made.
    pub next_attempt: Timestamp,
}

/// Something that was refused.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// Its number among the dead letters.
    pub id: u64,
    /// Why.
    pub reason: String,
}

fn digits<S: serde::Serializer>(fingerprint: &Fingerprint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fingerprint)
}

fn all_digits<S: serde::Serializer>(all: &[Fingerprint], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(ToString::to_string))
}

/// An alert as a question asks for it.
struct Asked<'a> {
    fingerprint: Fingerprint,
    resolved: bool,
    mute: &'a Option<Mute>,
    now: Timestamp,
}

impl Engine {
    /// Explains an alert, whether it is there or not: of one that is not, what would happen if it fired.
    pub fn explain(&self, labels: &Labels, now: Timestamp) -> Explanation {
        let fingerprint = Fingerprint::of(labels);
        let resolved = self.state.alerts.get(&fingerprint).is_some_and(|alert| alert.resolved_at(now));
        let mute = self.mute_of(labels, now);
        let asked = Asked { fingerprint, resolved, mute: &mute, now };
        let routes = &self.setup.routes;
        let mut groups: BTreeMap<Arc<str>, GroupExplanation> = BTreeMap::new();
        for id in routes.matching(labels) {
            let route = &routes.0[id];
            let group_labels = route.group_labels(labels);
            let (group, key) = route.group_names(&group_labels);
            let known = self.state.groups.get(&group);
            let explained = self.explain_group(&asked, &group, &key, group_labels, Some(route), known);
            groups.insert(group, explained);
        }
        let guested = self.state.groups.values().filter(|group| group.members.contains_key(&fingerprint));
        for group in guested {
            if !groups.contains_key(&group.id) {
                let route = self.setup.route(&group.route);
                let labels = group.labels.clone();
                let explained = self.explain_group(&asked, &group.id, &group.key, labels, route, Some(group));
                groups.insert(group.id.clone(), explained);
            }
        }
        Explanation {
            fingerprint,
            labels: labels.clone(),
            silenced_by: self.silenced_by(labels, now),
            inhibited_by: self.inhibitor_of(labels, now).into_iter().collect(),
            groups: groups.into_values().collect(),
        }
    }

    fn explain_group(
        &self,
        asked: &Asked<'_>,
        id: &Arc<str>,
        key: &str,
        group_labels: Labels,
        route: Option<&Route>,
        known: Option<&Group>,
    ) -> GroupExplanation {
        let routes = &self.setup.routes;
        let mut path = Vec::new();
        let mut at = route.and_then(|route| routes.0.iter().position(|other| other.id == route.id));
        while let Some(id) = at {
            path.push(RouteStep { id, matchers: config::matchers_text(&routes.0[id].matchers) });
            at = routes.0[id].parent;
        }
        path.reverse();
        let muted_by = route.map(|route| self.setup.muted_by(route, asked.now)).unwrap_or_default();
        let quiet = asked.mute.clone().or_else(|| (!muted_by.is_empty()).then(|| Mute::Interval(muted_by.clone())));
        let receiver = route.map(|route| &route.receiver).or(known.map(|group| &group.receiver)).cloned();
        let receiver = receiver.unwrap_or_else(|| "".into());
        let repeat_ms = route.map_or(0, |route| route.repeat_interval.ms());
        let integrations = self.setup.integrations(&receiver).iter();
        let integrations =
            integrations.map(|one| self.explain_integration(asked, id, one, &quiet, repeat_ms)).collect();
        GroupExplanation {
            group_key: key.to_owned(),
            group_labels,
            route: path,
            receiver: receiver.to_string(),
            group_wait_ms: route.map_or(0, |route| route.group_wait.ms()),
            group_interval_ms: route.map_or(0, |route| route.group_interval.ms()),
            repeat_interval_ms: repeat_ms,
            muted_by,
            exists: known.is_some(),
            guest: known.is_some_and(|group| group.guests.contains(&asked.fingerprint)),
            next_flush: known.map(|group| group.next_flush),
            integrations,
        }
    }

    fn explain_integration(
        &self,
        asked: &Asked<'_>,
        group: &Arc<str>,
        integration: &Integration,
        quiet: &Option<Mute>,
        repeat_ms: i64,
    ) -> IntegrationExplanation {
        let place = (group.clone(), integration.id.clone());
        let notice = self.state.notices.get(&place);
        let waiting = self.pending.get(&place).and_then(|id| self.state.outbox.get(id));
        let mut dead = self.state.dead.iter();
        let refused = dead.rfind(|(_, dead)| dead.item.group == *group && dead.item.to == integration.id);
        let told_firing = notice.is_some_and(|notice| notice.open.contains(&asked.fingerprint));
        let (one, none) = ([asked.fingerprint].into(), Default::default());
        let (firing, ended) = if asked.resolved { (&none, &one) } else { (&one, &none) };
        let (would_tell, next) = if asked.resolved && told_firing && integration.send_resolved {
            (true, "told as ended, whatever keeps it quiet".to_owned())
        } else if let Some(mute) = quiet {
            (false, format!("nothing: {}", mute_text(mute)))
        } else {
            match needs_update(notice, firing, ended, integration.send_resolved, repeat_ms, asked.now) {
                Some(reason) => (true, reason.as_str().to_owned()),
                None if asked.resolved && notice.is_none() => {
                    (false, "nothing: it has ended and was never told as firing".to_owned())
                }
                None => (false, "nothing: it was told, and nothing has changed".to_owned()),
            }
        };
        let told_at = notice.map(|notice| notice.at).filter(|at| *at != Timestamp::MIN);
        IntegrationExplanation {
            integration: integration.id.to_string(),
            send_resolved: integration.send_resolved,
            last_told: told_at,
            told_firing,
            repeat_at: told_at.map(|at| at.plus_ms(repeat_ms)),
            waiting: waiting.map(|item| Waiting {
                id: item.id,
                attempts: item.attempts,
                last_error: item.last_error.clone(),
                next_attempt: item.next_attempt,
            }),
            refused: refused.map(|(id, dead)| Refused { id: *id, reason: dead.reason.clone() }),
            would_tell,
            next,
        }
    }
}
