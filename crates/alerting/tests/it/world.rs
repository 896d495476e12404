//! A world in virtual time: the dispatcher, its receivers, and a clock that goes from one thing to be done to the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use alerting::{Change, Delivery, Engine, Fingerprint, Outcome, Report, Setup, State};
use config::{AlertingConfigFile, Environment, MatcherSyntax};
use model::Timestamp;

/// The time at which every world begins.
pub(crate) const START: i64 = 1_700_000_000_000;

/// One alert as a receiver heard of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) resolved: bool,
    pub(crate) fingerprint: Fingerprint,
    /// Seconds since the beginning.
    pub(crate) starts_at: f64,
    pub(crate) ends_at: f64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The receiver took it.
    Taken,
    /// The receiver took it, and the process was killed before it heard so.
    Unheard,
    /// The receiver did not say that it took it, and may have.
    Unclear,
    /// The receiver did not take it.
    Refused,
}

/// One message to a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) fate: Fate,
    /// Seconds since the beginning.
    pub(crate) at: f64,
    pub(crate) integration: String,
    pub(crate) incident: String,
    pub(crate) alerts: Vec<Heard>,
}

type Answers = Box<dyn FnMut(&Delivery, i64) -> Outcome>;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: i64,
    pub(crate) messages: Vec<Message>,
    /// Everything that was journalled, with its time.
    pub(crate) journal: Vec<(Timestamp, Change)>,
    /// What receivers answer.
    pub(crate) answers: Answers,
    /// How long an attempt takes, in milliseconds.
    pub(crate) latency: i64,
    /// When attempts end, items, outcomes, and places in `messages`.
    under_way: Vec<(i64, u64, Outcome, usize)>,
}

pub(crate) fn load(text: &str) -> AlertingConfigFile {
    let loaded =
        config::load_alertmanager_text(text, Path::new("test.yml"), &Environment::default(), MatcherSyntax::default());
    loaded.unwrap_or_else(|errors| panic!("{errors}\n{text}")).config
}

pub(crate) fn setup(text: &str) -> Arc<Setup> {
    Arc::new(Setup::new(&load(text), MatcherSyntax::default()))
}

impl World {
    pub(crate) fn new(config: &str) -> Self {
        World {
            engine: Engine::new(setup(config), State::default(), Timestamp(START), 1),
            now: START,
            messages: Vec::new(),
            journal: Vec::new(),
            answers: Box::new(|_, _| Outcome::Delivered(BTreeMap::new())),
            latency: 0,
            under_way: Vec::new(),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        (self.now - START) as f64 / 1000.0
    }

    fn keep(&mut self) {
        let at = Timestamp(self.now);
        self.journal.extend(self.engine.take_changes().into_iter().map(|change| (at, change)));
        let _ = self.engine.take_events();
    }

    /// Does what is due now.
    pub(crate) fn settle(&mut self) {
        loop {
            let now = self.now;
            let done: Vec<_> = self.under_way.extract_if(.., |(at, ..)| *at <= now).collect();
            for (_, id, outcome, _) in done {
                self.engine.completed(id, outcome, Timestamp(now));
            }
            self.engine.tick(Timestamp(now));
            let deliveries = self.engine.deliveries(Timestamp(now));
            self.keep();
            if deliveries.is_empty() {
                return;
            }
            for delivery in deliveries {
                let outcome = (self.answers)(&delivery, now);
                let fate = match outcome {
                    Outcome::Delivered(_) => Fate::Taken,
                    Outcome::Retry { .. } => Fate::Unclear,
                    Outcome::Refused(_) => Fate::Refused,
                };
                self.under_way.push((now + self.latency, delivery.item.id, outcome, self.messages.len()));
                self.messages.push(heard(&delivery, now, fate));
            }
        }
    }

    /// Goes on to a time, in seconds since the beginning, and does what is due on the way.
    pub(crate) fn until(&mut self, seconds: f64) {
        let end = START + (seconds * 1000.0).round() as i64;
        self.settle();
        while self.now < end {
            let attempts = self.under_way.iter().map(|(at, ..)| *at).min().unwrap_or(i64::MAX);
            self.now = self.engine.next_wakeup().ms().min(attempts).clamp(self.now + 1, end);
            self.settle();
        }
    }

    pub(crate) fn put(&mut self, reports: Vec<Report>) -> Vec<String> {
        let now = Timestamp(self.now);
        let timeout = self.engine.setup().resolve_timeout_ms;
        let (mut alerts, mut errors) = (Vec::new(), Vec::new());
        for report in reports {
            match report.into_alert(now, timeout, MatcherSyntax::default()) {
                Ok(alert) => alerts.push(alert),
                Err(error) => errors.push(error),
            }
        }
        self.engine.put(alerts, now);
        self.keep();
        self.settle();
        errors
    }

    /// The process is killed, and starts again from what was journalled, perhaps with another configuration.
    pub(crate) fn kill(&mut self, config: &str) {
        let mut state = State::default();
        for (at, change) in &self.journal {
            let text = serde_json::to_string(change).unwrap();
            state.apply(&serde_json::from_str(&text).unwrap(), *at);
        }
        let text = serde_json::to_string(&state).unwrap();
        let state: State = serde_json::from_str(&text).unwrap();
        for (.., message) in self.under_way.drain(..) {
            let fate = &mut self.messages[message].fate;
            *fate = match *fate {
                Fate::Taken => Fate::Unheard,
                // Nobody heard that it was refused: it counts as one that the receiver may have taken.
                Fate::Refused | Fate::Unclear => Fate::Unclear,
                Fate::Unheard => Fate::Unheard,
            };
        }
        self.engine = Engine::new(setup(config), state, Timestamp(self.now), self.now as u64);
        self.keep();
    }
}

fn heard(delivery: &Delivery, now: i64, fate: Fate) -> Message {
    let item = &delivery.item;
    let seconds = |at: Timestamp| (at.ms() - START) as f64 / 1000.0;
    let map = |labels: &model::Labels| labels.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect();
    let alerts = item.alerts.iter().map(|told| Heard {
        labels: map(&told.alert.labels),
        annotations: map(&told.alert.annotations),
        resolved: told.resolved,
        fingerprint: Fingerprint::of(&told.alert.labels),
        starts_at: seconds(told.alert.starts_at),
        ends_at: seconds(told.alert.ends_at),
    });
    Message {
        fate,
        at: (now - START) as f64 / 1000.0,
        integration: item.to.to_string(),
        incident: item.incident.clone(),
        alerts: alerts.collect(),
    }
}
