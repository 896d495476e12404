//! What another configuration would have told: alerts and silences of the past, put through the dispatcher in virtual time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::{Labels, Timestamp};
use serde::Serialize;

use crate::alert::{Alert, Fingerprint};
use crate::engine::{Engine, Outcome};
use crate::event::{Event, EventKind};
use crate::noise::receiver_of;
use crate::service::Alerting;
use crate::setup::Setup;
use crate::silence::Silence;
use crate::state::State;

/// Beginnings and ends of alerts that are taken over.
const MOST_STEPS: usize = 200_000;
/// Alerts that are answered.
const MOST_CHANGES: usize = 1000;
/// Pieces of time that are answered.
const PIECES: i64 = 100;

/// One thing that happened.
#[derive(Clone, Debug)]
enum Step {
    Fires(Fingerprint),
    Ends(Fingerprint),
    Silence(Box<Silence>),
}

/// What happened in a span of time, whatever the configuration was.
#[derive(Clone, Debug, Default)]
pub struct Past {
    from: Timestamp,
    to: Timestamp,
    labels: HashMap<Fingerprint, Labels>,
    steps: Vec<(Timestamp, Step)>,
    /// Alerts and silences of which something is known in this time.
    begun: HashSet<Fingerprint>,
    silences: HashSet<String>,
    recorded: BTreeMap<String, u64>,
    truncated: bool,
}

/// Two configurations and what was.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// First time.
    pub from: Timestamp,
    /// Last time.
    pub to: Timestamp,
    /// Alerts that fired.
    pub alerts: usize,
    /// There was more than is counted or answered.
    pub truncated: bool,
    /// Notifications that were sent.
    pub recorded: u64,
    /// Those of the configuration in force.
    pub current: u64,
    /// Those of the other.
    pub candidate: u64,
    /// By receiver.
    pub receivers: Vec<ReceiverChange>,
    /// Alerts that are told otherwise.
    pub changes: Vec<AlertChange>,
    /// Piece by piece of the time.
    pub timeline: Vec<Piece>,
}

/// Notifications to one receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReceiverChange {
    /// Its name.
    pub receiver: String,
    /// That were sent.
    pub recorded: u64,
    /// Of the configuration in force.
    pub current: u64,
    /// Of the other.
    pub candidate: u64,
}

/// An alert that is told otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertChange {
    /// Its identity.
    pub fingerprint: String,
    /// What identifies it.
    #[serde(with = "crate::pairs")]
    pub labels: Labels,
    /// Who is told of it by the configuration in force.
    pub current: Vec<ReceiverCount>,
    /// Who by the other.
    pub candidate: Vec<ReceiverCount>,
}

/// Notifications of one alert to one receiver.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReceiverCount {
    /// Its name.
    pub receiver: String,
    /// How many.
    pub notifications: u64,
}

/// Notifications in a piece of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Its begin.
    pub at: Timestamp,
    /// Of the configuration in force.
    pub current: u64,
    /// Of the other.
    pub candidate: u64,
}

impl Past {
    /// Of a span of time; its events follow in the order of the history.
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Past { from, to, ..Past::default() }
    }

    /// Takes in an event; false once there are too many.
    pub fn see(&mut self, event: Event) -> bool {
        match (event.kind, event.alert) {
            (EventKind::Firing, Some(alert)) => {
                self.begun.insert(alert);
                self.labels.entry(alert).or_insert(event.labels);
                self.steps.push((event.at, Step::Fires(alert)));
            }
            (EventKind::Resolved, Some(alert)) => {
                // It began before.
                if self.begun.insert(alert) {
                    self.steps.push((self.from, Step::Fires(alert)));
                }
                self.labels.entry(alert).or_insert(event.labels);
                self.steps.push((event.at, Step::Ends(alert)));
            }
            (EventKind::Sent, _) => {
                *self.recorded.entry(receiver_of(&event.receiver).to_owned()).or_default() += 1;
            }
            _ => {}
        }
        if let Some(silence) = event.silence_as.filter(|_| event.kind != EventKind::SilenceExpiring) {
            let is_first = self.silences.insert(silence.id.clone());
            if is_first && silence.starts_at < self.from {
                let ends_at = self.to;
                self.steps.push((self.from, Step::Silence(Box::new(Silence { ends_at, ..(*silence).clone() }))));
            }
            self.steps.push((event.at, Step::Silence(silence)));
        }
        self.truncated = self.steps.len() >= MOST_STEPS;
        !self.truncated
    }

    /// What is in force and of which nothing happened in this time.
    pub fn complete(&mut self, state: &State) {
        let firing = state.alerts.iter().filter(|(alert, known)| {
            !known.resolved_at(self.to) && known.starts_at < self.to && !self.begun.contains(alert)
        });
        let firing: Vec<_> = firing.map(|(alert, known)| (*alert, known.clone())).collect();
        for (alert, known) in firing {
            self.labels.entry(alert).or_insert_with(|| known.labels.clone());
            self.steps.push((known.starts_at.max(self.from), Step::Fires(alert)));
        }
        for silence in state.silences.values().filter(|silence| !self.silences.contains(&silence.id)) {
            self.steps.push((self.from, Step::Silence(Box::new(silence.clone()))));
        }
        self.steps.sort_by_key(|(at, _)| *at);
    }

    /// Puts what happened through a dispatcher of this configuration.
    fn replay(&self, setup: Arc<Setup>) -> Told {
        let mut told = Told { pieces: vec![0; PIECES as usize], ..Told::default() };
        let mut engine = Engine::new(setup, State::default(), self.from, 0);
        let mut now = self.from;
        for (at, step) in &self.steps {
            now = self.go_on(&mut engine, now, *at, &mut told);
            match step {
                Step::Fires(alert) => engine.put([self.alert(*alert, now, self.to.plus_ms(1))], now),
                Step::Ends(alert) => engine.put([self.alert(*alert, now, now)], now),
                Step::Silence(silence) => engine.take_silence((**silence).clone(), now),
            }
        }
        self.go_on(&mut engine, now, self.to, &mut told);
        told
    }

    fn alert(&self, alert: Fingerprint, now: Timestamp, ends_at: Timestamp) -> Alert {
        Alert {
            labels: self.labels.get(&alert).cloned().unwrap_or_default(),
            annotations: Labels::empty(),
            starts_at: now,
            ends_at,
            updated_at: now,
            generator_url: String::new(),
            timeout: true,
        }
    }

    /// Does what is due until a time, at which it is not done yet.
    fn go_on(&self, engine: &mut Engine, mut now: Timestamp, end: Timestamp, told: &mut Told) -> Timestamp {
        loop {
            let next = engine.next_wakeup().max(now);
            if next >= end {
                return now.max(end);
            }
            now = next;
            engine.tick(now);
            loop {
                let deliveries = engine.deliveries(now);
                if deliveries.is_empty() {
                    break;
                }
                for delivery in deliveries {
                    let alerts = delivery.item.alerts.iter().map(|told| Fingerprint::of(&told.alert.labels));
                    told.count(&delivery.item.to.receiver, alerts, self.piece(now));
                    engine.completed(delivery.item.id, Outcome::Delivered(BTreeMap::new()), now);
                }
            }
            engine.take_changes();
            engine.take_events();
            now = now.plus_ms(1);
        }
    }

    fn piece(&self, at: Timestamp) -> usize {
        let span = (self.to.ms() - self.from.ms()).max(1);
        ((at.ms() - self.from.ms()) as i128 * i128::from(PIECES) / i128::from(span)).clamp(0, PIECES as i128 - 1)
            as usize
    }
}

/// What a configuration told.
#[derive(Debug, Default)]
struct Told {
    total: u64,
    receivers: BTreeMap<String, u64>,
    alerts: HashMap<Fingerprint, BTreeMap<String, u64>>,
    pieces: Vec<u64>,
}

impl Told {
    fn count(&mut self, receiver: &str, alerts: impl Iterator<Item = Fingerprint>, piece: usize) {
        self.total += 1;
        self.pieces[piece] += 1;
        *self.receivers.entry(receiver.to_owned()).or_default() += 1;
        for alert in alerts {
            *self.alerts.entry(alert).or_default().entry(receiver.to_owned()).or_default() += 1;
        }
    }

    fn of(&self, alert: Fingerprint) -> Vec<ReceiverCount> {
        let counts = self.alerts.get(&alert).into_iter().flatten();
        counts.map(|(receiver, count)| ReceiverCount { receiver: receiver.clone(), notifications: *count }).collect()
    }
}

/// What two configurations make of the same past.
pub fn compare(past: &Past, current: Arc<Setup>, candidate: Arc<Setup>) -> Comparison {
    let (current, candidate) = (past.replay(current), past.replay(candidate));
    let mut receivers: BTreeMap<&String, ReceiverChange> = BTreeMap::new();
    for (receiver, count) in &past.recorded {
        receivers.entry(receiver).or_default().recorded = *count;
    }
    for (receiver, count) in &current.receivers {
        receivers.entry(receiver).or_default().current = *count;
    }
    for (receiver, count) in &candidate.receivers {
        receivers.entry(receiver).or_default().candidate = *count;
    }
    let receivers =
        receivers.into_iter().map(|(receiver, change)| ReceiverChange { receiver: receiver.clone(), ..change });
    let changes = past.labels.iter().filter_map(|(alert, labels)| {
        let change = AlertChange {
            fingerprint: alert.to_string(),
            labels: labels.clone(),
            current: current.of(*alert),
            candidate: candidate.of(*alert),
        };
        (change.current != change.candidate).then_some(change)
    });
    let mut changes: Vec<AlertChange> = changes.collect();
    let total = |counts: &[ReceiverCount]| counts.iter().map(|count| count.notifications).sum::<u64>();
    let weight = |change: &AlertChange| total(&change.current).abs_diff(total(&change.candidate));
    changes.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.labels.cmp(&b.labels)));
    let is_cut = changes.len() > MOST_CHANGES;
    changes.truncate(MOST_CHANGES);
    let span = past.to.ms() - past.from.ms();
    let pieces = current.pieces.iter().zip(&candidate.pieces).enumerate().map(|(number, (current, candidate))| Piece {
        at: past.from.plus_ms((i128::from(span) * number as i128 / i128::from(PIECES)) as i64),
        current: *current,
        candidate: *candidate,
    });
    Comparison {
        from: past.from,
        to: past.to,
        alerts: past.labels.len(),
        truncated: past.truncated || is_cut,
        recorded: past.recorded.values().sum(),
        current: current.total,
        candidate: candidate.total,
        receivers: receivers.collect(),
        timeline: pieces.collect(),
        changes,
    }
}

impl Alerting {
    /// What happened in a span of time, for [`compare`]. Reads files.
    pub fn past(&self, from: Timestamp, to: Timestamp) -> std::io::Result<Past> {
        let mut past = Past::new(from, to);
        self.visit_history(from, to, &mut |event| past.see(event))?;
        self.read(|engine, _| past.complete(engine.state()));
        Ok(past)
    }
}
