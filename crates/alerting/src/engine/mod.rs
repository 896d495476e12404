//! The dispatcher as a state machine over a clock that its caller owns: reports, silences and outcomes go in, changes to be
//! journalled, events for the history and things to deliver come out. It does no I/O and never waits.
//!
//! Follows Alertmanager's `dispatch` and `notify` tick by tick, with one addition that makes that no incident stays stuck: for
//! each integration and group it keeps which alerts the receiver was, or may have been, told as firing ([`crate::Notice::open`]).
//! Such an alert is told as ended once it has, whatever silences, inhibits or mutes it then, and its group lives until that was
//! taken; a group whose route is gone from the configuration lives on for that alone.

mod deliver;
mod explain;
mod flush;
mod rebuild;
mod silences;
mod upkeep;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Labels, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::alert::{Alert, Fingerprint};
use crate::event::{Event, EventKind};
use crate::inhibit::Inhibitor;
use crate::notice::IntegrationId;
use crate::setup::Setup;
use crate::state::{Change, Group, State};

pub use deliver::{Delivery, Outcome};
pub use explain::{Explanation, GroupExplanation, IntegrationExplanation, Refused, RouteStep, Waiting};
pub use silences::SilenceError;
pub use view::IntegrationHealth;
pub use view::{AlertStatus, GroupedAlerts, StatusOf};

/// Why an alert is kept quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mute {
    /// By another alert.
    Inhibited(Fingerprint),
    /// By named times.
    Interval(Vec<String>),
    /// By silences.
    Silenced(Vec<String>),
}

/// What is known of the health of one integration; not kept over restarts.
#[derive(Clone, Debug, Default)]
struct Health {
    /// Failures since the last success.
    failures: u32,
    /// Nothing is tried before.
    not_before: Timestamp,
    /// Attempts under way.
    in_flight: usize,
}

/// A route that an alert takes, and the group there.
#[derive(Clone, Debug)]
struct Path {
    route: usize,
    group: Arc<str>,
    key: Arc<str>,
}

/// The dispatcher.
#[derive(Debug)]
pub struct Engine {
    setup: Arc<Setup>,
    state: State,
    inhibitor: Inhibitor,
    /// Routes of alerts; forgotten when the configuration changes.
    paths: HashMap<Fingerprint, Arc<[Path]>>,
    /// How many groups an alert is in.
    memberships: HashMap<Fingerprint, usize>,
    /// When groups are looked at.
    timers: BTreeSet<(Timestamp, Arc<str>)>,
    /// The item on its way to an integration, by group.
    pending: HashMap<(Arc<str>, IntegrationId), u64>,
    /// When items are due.
    due: BTreeSet<(Timestamp, u64)>,
    in_flight: HashSet<u64>,
    /// Groups that are looked at again once what is under way has ended.
    again: HashSet<Arc<str>>,
    health: HashMap<IntegrationId, Health>,
    /// When silences are to be reminded of, or recur.
    silence_times: BTreeSet<(Timestamp, String)>,
    /// What keeps alerts of a group quiet, as of its last look.
    mutes: HashMap<Arc<str>, BTreeMap<Fingerprint, Mute>>,
    /// Alerts whose firing is in the history and whose end is not.
    announced: HashSet<Fingerprint>,
    changes: Vec<Change>,
    events: Vec<Event>,
    rng: StdRng,
    next_upkeep: Timestamp,
}

impl Engine {
    /// Goes on from a state. `seed` decides jitter and ids.
    pub fn new(setup: Arc<Setup>, mut state: State, now: Timestamp, seed: u64) -> Self {
        state.compile();
        let mut engine = Engine {
            inhibitor: Inhibitor::new(&setup.inhibit_rules),
            setup,
            state,
            paths: HashMap::new(),
            memberships: HashMap::new(),
            timers: BTreeSet::new(),
            pending: HashMap::new(),
            due: BTreeSet::new(),
            in_flight: HashSet::new(),
            again: HashSet::new(),
            health: HashMap::new(),
            silence_times: BTreeSet::new(),
            mutes: HashMap::new(),
            announced: HashSet::new(),
            changes: Vec::new(),
            events: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            next_upkeep: now,
        };
        engine.resume(now);
        engine
    }

    /// What is kept.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The configuration in force.
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    /// Changes since the last call, to be journalled before anything that rests on them leaves the process.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Events since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn change(&mut self, change: Change, now: Timestamp) {
        self.state.apply(&change, now);
        self.changes.push(change);
    }

    /// Takes in reports of alerts, which are valid.
    pub fn put(&mut self, alerts: impl IntoIterator<Item = Alert>, now: Timestamp) {
        for alert in alerts {
            self.put_one(alert, now);
        }
    }

    fn put_one(&mut self, new: Alert, now: Timestamp) {
        let fingerprint = Fingerprint::of(&new.labels);
        let known = self.state.alerts.get(&fingerprint);
        let alert = match known {
            Some(known) => known.merged(new),
            None => new,
        };
        let resolved = alert.resolved_at(now);
        // A report that only says "still so" is not journalled: after a restart every alert that fired gets time to report.
        let is_news = known.is_none_or(|known| {
            known.starts_at != alert.starts_at
                || known.resolved_at(now)
                || resolved
                || known.annotations != alert.annotations
                || known.generator_url != alert.generator_url
        });
        let is_new = known.is_none();
        let alert = Arc::new(alert);
        if is_new {
            self.inhibitor.add(fingerprint, &alert.labels);
        }
        if is_news {
            self.change(Change::Alert { alert: alert.clone() }, now);
        } else {
            self.state.alerts.insert(fingerprint, alert.clone());
        }
        if resolved {
            self.announce_end(fingerprint, &alert.labels, alert.ends_at.min(now));
        } else {
            if self.announced.insert(fingerprint) {
                let labels = alert.labels.clone();
                self.events.push(Event { alert: Some(fingerprint), labels, ..Event::new(now, EventKind::Firing) });
            }
            self.join_groups(fingerprint, &alert, now, true);
        }
    }

    fn announce_end(&mut self, fingerprint: Fingerprint, labels: &Labels, at: Timestamp) {
        if self.announced.remove(&fingerprint) {
            let labels = labels.clone();
            self.events.push(Event { alert: Some(fingerprint), labels, ..Event::new(at, EventKind::Resolved) });
        }
    }

    fn paths(&mut self, fingerprint: Fingerprint, labels: &Labels) -> Arc<[Path]> {
        if let Some(paths) = self.paths.get(&fingerprint) {
            return paths.clone();
        }
        let routes = &self.setup.routes;
        let path = |id: usize| {
            let route = &routes.0[id];
            let (group, key) = route.group_names(&route.group_labels(labels));
            Path { route: id, group, key }
        };
        let paths: Arc<[Path]> = routes.matching(labels).into_iter().map(path).collect();
        self.paths.insert(fingerprint, paths.clone());
        paths
    }

    /// Puts a firing alert into its groups.
    fn join_groups(&mut self, fingerprint: Fingerprint, alert: &Alert, now: Timestamp, may_hurry: bool) {
        for path in self.paths(fingerprint, &alert.labels).iter() {
            let known = self.state.groups.get(&path.group);
            let is_here =
                |group: &Group| group.members.get(&fingerprint) == Some(&None) && !group.guests.contains(&fingerprint);
            if known.is_some_and(is_here) {
                continue;
            }
            let route = &self.setup.routes.0[path.route];
            let wait = route.group_wait.ms();
            let mut next_flush = match known {
                Some(group) => group.next_flush,
                None => now.plus_ms(wait).max(self.setup.not_before),
            };
            // Alertmanager: an alert that is older than the wait does not wait in a new group.
            let is_old = alert.starts_at.plus_ms(wait) < now;
            if may_hurry && is_old && known.is_none_or(|group| !group.flushed) {
                next_flush = now.max(self.setup.not_before).min(next_flush);
            }
            let before = known.map(|group| group.next_flush);
            let is_member = known.is_some_and(|group| group.members.contains_key(&fingerprint));
            if known.is_none() {
                let group = Group {
                    id: path.group.clone(),
                    key: path.key.clone(),
                    receiver: route.receiver.clone(),
                    labels: route.group_labels(&alert.labels),
                    route: route.id.clone(),
                    next_flush,
                    flushed: false,
                    members: BTreeMap::new(),
                    guests: BTreeSet::new(),
                };
                self.change(Change::Group { group }, now);
            }
            if !is_member {
                *self.memberships.entry(fingerprint).or_default() += 1;
            }
            self.change(Change::Join { group: path.group.clone(), alert: fingerprint, next_flush }, now);
            self.move_timer(&path.group, before, next_flush);
        }
    }

    fn move_timer(&mut self, group: &Arc<str>, before: Option<Timestamp>, next: Timestamp) {
        if before == Some(next) {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, group.clone()));
        }
        self.timers.insert((next, group.clone()));
    }

    /// Alerts leave a group; an empty one goes.
    fn leave(&mut self, group: &Arc<str>, alerts: Vec<Fingerprint>, now: Timestamp) {
        for alert in &alerts {
            if let Some(count) = self.memberships.get_mut(alert) {
                *count -= 1;
                if *count == 0 {
                    self.memberships.remove(alert);
                }
            }
        }
        let next_flush = self.state.groups.get(group).map(|group| group.next_flush);
        self.change(Change::Leave { group: group.clone(), alerts }, now);
        if !self.state.groups.contains_key(group) {
            if let Some(at) = next_flush {
                self.timers.remove(&(at, group.clone()));
            }
            self.mutes.remove(group);
            self.again.remove(group);
        }
    }

    /// What keeps an alert quiet besides the times of its route.
    pub(crate) fn mute_of(&self, labels: &Labels, now: Timestamp) -> Option<Mute> {
        if let Some(source) = self.inhibitor_of(labels, now) {
            return Some(Mute::Inhibited(source));
        }
        let silenced = self.silenced_by(labels, now);
        (!silenced.is_empty()).then_some(Mute::Silenced(silenced))
    }

    pub(crate) fn inhibitor_of(&self, labels: &Labels, now: Timestamp) -> Option<Fingerprint> {
        let alerts = &self.state.alerts;
        self.inhibitor.inhibitor(labels, |source| {
            alerts.get(&source).filter(|alert| !alert.resolved_at(now)).map(|alert| &alert.labels)
        })
    }

    pub(crate) fn silenced_by(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        let in_force = |silence: &&crate::Silence| silence.starts_at <= now && now < silence.ends_at;
        let silences = self.state.silences.values().filter(in_force);
        silences.filter(|silence| silence.matches(labels)).map(|silence| silence.id.clone()).collect()
    }

    /// When something is to be done next.
    pub fn next_wakeup(&self) -> Timestamp {
        let mut next = self.next_upkeep;
        if let Some((at, _)) = self.timers.first() {
            next = next.min(*at);
        }
        if let Some((at, _)) = self.silence_times.first() {
            next = next.min(*at);
        }
        for (at, id) in &self.due {
            if *at >= next {
                break;
            }
            let Some(item) = self.state.outbox.get(id) else { continue };
            if let Some(at) = self.ready_at(&item.to, *at) {
                next = next.min(at);
            }
        }
        next
    }

    /// Does what is due. What is to be delivered is then asked for by [`Engine::deliveries`].
    pub fn tick(&mut self, now: Timestamp) {
        self.tick_silences(now);
        while let Some((at, group)) = self.timers.first().cloned() {
            if at > now {
                break;
            }
            self.flush(&group, now, true);
            // A group that is gone or damaged must not hold up the others.
            self.timers.remove(&(at, group));
        }
        if self.next_upkeep <= now {
            self.upkeep(now);
        }
    }
}
