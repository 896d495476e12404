//! Why an alert is or is not told: what the next look at its groups would decide, and what was decided before.

use model::Timestamp;
use serde::Serialize;

use super::{Engine, Mute, flush::mute_text};
use crate::alert::Fingerprint;
use crate::notice::needs_update;

/// All that decides about one alert.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether it has ended.
    pub resolved: bool,
    /// What keeps it quiet besides times, in words; empty where nothing does.
    pub muted: String,
    /// Its groups: those that routes lead to, and those that still have to tell its end.
    pub groups: Vec<GroupExplanation>,
}

/// One group of an alert.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupExplanation {
    /// The group's key.
    pub group_key: String,
    /// The conditions from the root to the route.
    pub route: Vec<String>,
    /// Who is told.
    pub receiver: String,
    /// Names of times because of which the route is quiet now.
    pub muted_by: Vec<String>,
    /// The routes no longer lead here.
    pub guest: bool,
    /// When the group is looked at next, in milliseconds since the epoch.
    pub next_flush: Timestamp,
    /// What each integration was told.
    pub integrations: Vec<IntegrationExplanation>,
}

/// One integration of a group.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationExplanation {
    /// Its name.
    pub integration: String,
    /// When it was last told something of the group.
    pub last_told: Option<Timestamp>,
    /// It was told, or may have been, that the alert fires, and not yet that it ended.
    pub told_firing: bool,
    /// When an unchanged notification is repeated.
    pub repeat_at: Option<Timestamp>,
    /// Something waits to be delivered: attempts so far and the last error.
    pub waiting: Option<(u32, String)>,
    /// It refused the last notification for good, for this reason.
    pub refused: Option<String>,
    /// Why the next look would tell it something, or that it would not.
    pub next: String,
}

impl Engine {
    /// Explains an alert; `None` where there is none.
    pub fn explain(&self, fingerprint: Fingerprint, now: Timestamp) -> Option<Explanation> {
        let alert = self.state.alerts.get(&fingerprint)?;
        let resolved = alert.resolved_at(now);
        let mute = self.mute(&alert.labels, now);
        let groups = self.state.groups.values().filter(|group| group.members.contains_key(&fingerprint));
        let mut out = Vec::new();
        for group in groups {
            let route = self.setup.routes.0.iter().position(|route| route.id == group.route);
            let mut path = Vec::new();
            let mut at = route;
            while let Some(id) = at {
                path.push(config::matchers_text(&self.setup.routes.0[id].matchers));
                at = self.setup.routes.0[id].parent;
            }
            path.reverse();
            let route = route.map(|id| &self.setup.routes.0[id]);
            let muted_by = route.map(|route| self.setup.muted_by(route, now)).unwrap_or_default();
            let repeat_ms = route.map_or(0, |route| route.repeat_interval.ms());
            let integrations = self.setup.integrations(&group.receiver).iter().map(|integration| {
                let place = (group.id.clone(), integration.id.clone());
                let notice = self.state.notices.get(&place);
                let waiting = self.pending.get(&place).and_then(|id| self.state.outbox.get(id));
                let mut dead = self.state.dead.values();
                let refused = dead.rfind(|dead| dead.item.group == group.id && dead.item.to == integration.id);
                let told_firing = notice.is_some_and(|notice| notice.open.contains(&fingerprint));
                let quiet = mute.clone().or_else(|| (!muted_by.is_empty()).then(|| Mute::Interval(muted_by.clone())));
                let one = [fingerprint].into();
                let none = Default::default();
                let (firing, ended) = if resolved { (&none, &one) } else { (&one, &none) };
                let next = match (&quiet, resolved && told_firing) {
                    (_, true) if integration.send_resolved => "told as ended, whatever keeps it quiet".to_owned(),
                    (Some(mute), _) => format!("nothing: {}", mute_text(mute)),
                    (None, _) => match needs_update(notice, firing, ended, integration.send_resolved, repeat_ms, now) {
                        Some(reason) => reason.as_str().to_owned(),
                        None => "nothing: it was told, and nothing has changed".to_owned(),
                    },
                };
                IntegrationExplanation {
                    integration: integration.id.to_string(),
                    last_told: notice.map(|notice| notice.at).filter(|at| *at != Timestamp::MIN),
                    told_firing,
                    repeat_at: notice.filter(|n| n.at != Timestamp::MIN).map(|notice| notice.at.plus_ms(repeat_ms)),
                    waiting: waiting.map(|item| (item.attempts, item.last_error.clone())),
                    refused: refused.map(|dead| dead.reason.clone()),
                    next,
                }
            });
            out.push(GroupExplanation {
                group_key: group.key.to_string(),
                route: path,
                receiver: group.receiver.to_string(),
                guest: group.guests.contains(&fingerprint),
                next_flush: group.next_flush,
                integrations: integrations.collect(),
                muted_by,
            });
        }
        let muted = mute.as_ref().map(mute_text).unwrap_or_default();
        Some(Explanation { resolved, muted, groups: out })
    }
}
