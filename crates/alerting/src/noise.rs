//! Which alerts fire most and help least, counted from the history.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use model::{Labels, Timestamp};
use serde::Serialize;

use crate::alert::Fingerprint;
use crate::event::{Event, EventKind};
use crate::service::Alerting;

/// Who begins to fire so often within an hour flaps.
const FLAPS: usize = 3;
const FLAP_MS: i64 = 3600 * 1000;
/// Names that are answered.
const MOST_NAMES: usize = 500;
/// Events that are looked at.
const MOST_EVENTS: usize = 2_000_000;

/// What was told, and what for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Noise {
    /// First time that counts.
    pub from: Timestamp,
    /// Last time that counts.
    pub to: Timestamp,
    /// How often alerts began to fire.
    pub firings: u64,
    /// Notifications that receivers took.
    pub notifications: u64,
    /// There was more than is counted or answered.
    pub truncated: bool,
    /// By name, the most frequent first.
    pub alerts: Vec<NoisyAlert>,
    /// By receiver, the busiest first.
    pub receivers: Vec<ReceiverLoad>,
}

/// Alerts of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoisyAlert {
    /// The name.
    pub alertname: String,
    /// How often they began to fire.
    pub firings: u64,
    /// How many label sets did.
    pub instances: usize,
    /// Notifications that told of them.
    pub notifications: u64,
    /// Label sets that began to fire three times or more within an hour.
    pub flapping: usize,
    /// How often someone acknowledged one.
    pub acknowledged: u64,
    /// How often a silence kept one quiet.
    pub silenced: u64,
    /// Nobody did either.
    pub never_acted_on: bool,
    /// How long half of them fired at most, in milliseconds.
    pub resolve_p50_ms: Option<i64>,
    /// How long 95 of a hundred fired at most.
    pub resolve_p95_ms: Option<i64>,
    /// How long they fired in all, in milliseconds.
    pub firing_ms: i64,
    /// When one began to fire last.
    pub last_at: Timestamp,
}

/// What one receiver was told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReceiverLoad {
    /// Its name.
    pub receiver: String,
    /// What it took.
    pub notifications: u64,
    /// Attempts that failed and were repeated.
    pub failed: u64,
    /// What it refused.
    pub dead: u64,
}

/// One label set.
#[derive(Debug)]
pub(crate) struct Instance {
    name: Arc<str>,
    since: Option<Timestamp>,
    /// When it last began to fire.
    begins: VecDeque<Timestamp>,
}

/// Counts events in the order of the history.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    noise: Noise,
    instances: HashMap<Fingerprint, Instance>,
    names: HashMap<Arc<str>, Name>,
    receivers: HashMap<String, ReceiverLoad>,
}

#[derive(Debug, Default)]
struct Name {
    counted: NoisyAlert,
    fired: HashSet<Fingerprint>,
    flapping: HashSet<Fingerprint>,
    lasted: Vec<i64>,
}

/// The receiver of an integration: `team-x/webhook[0]`.
pub(crate) fn receiver_of(integration: &str) -> &str {
    integration.rsplit_once('/').map_or(integration, |(receiver, _)| receiver)
}

impl Meter {
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Self {
        Meter { noise: Noise { from, to, ..Noise::default() }, ..Meter::default() }
    }

    /// An alert of which no event may tell the labels.
    pub(crate) fn know(&mut self, alert: Fingerprint, labels: &Labels) -> &mut Instance {
        self.instances.entry(alert).or_insert_with(|| Instance {
            name: labels.get("alertname").unwrap_or_default().into(),
            since: None,
            begins: VecDeque::new(),
        })
    }

    fn name(&mut self, name: &Arc<str>) -> &mut Name {
        self.names.entry(name.clone()).or_default()
    }

    pub(crate) fn see(&mut self, event: &Event) {
        match (event.kind, event.alert) {
            (EventKind::Firing, Some(alert)) => {
                self.noise.firings += 1;
                let instance = self.know(alert, &event.labels);
                instance.since = Some(event.at);
                instance.begins.push_back(event.at);
                if instance.begins.len() > FLAPS {
                    instance.begins.pop_front();
                }
                let first = instance.begins[0];
                let flaps = instance.begins.len() == FLAPS && event.at.ms() - first.ms() <= FLAP_MS;
                let name = instance.name.clone();
                let name = self.name(&name);
                name.counted.firings += 1;
                name.counted.last_at = event.at;
                name.fired.insert(alert);
                if flaps {
                    name.flapping.insert(alert);
                }
            }
            (EventKind::Resolved, Some(alert)) => {
                let instance = self.know(alert, &event.labels);
                let (since, name) = (instance.since.take(), instance.name.clone());
                if let Some(since) = since {
                    let lasted = event.at.ms().saturating_sub(since.ms()).max(0);
                    self.name(&name).lasted.push(lasted);
                }
            }
            (EventKind::Acknowledged, Some(alert)) => {
                let name = self.know(alert, &event.labels).name.clone();
                self.name(&name).counted.acknowledged += 1;
            }
            (EventKind::Muted, Some(alert)) if event.text.starts_with("silenced") => {
                let name = self.know(alert, &event.labels).name.clone();
                self.name(&name).counted.silenced += 1;
            }
            (EventKind::Sent, _) => {
                self.noise.notifications += 1;
                self.receiver(event).notifications += 1;
                let told = event.alerts.iter().filter_map(|alert| Some(self.instances.get(alert)?.name.clone()));
                let told: BTreeSet<Arc<str>> = told.collect();
                for name in told {
                    self.name(&name).counted.notifications += 1;
                }
            }
            (EventKind::Failed, _) => self.receiver(event).failed += 1,
            (EventKind::Dead, _) => self.receiver(event).dead += 1,
            _ => {}
        }
    }

    fn receiver(&mut self, event: &Event) -> &mut ReceiverLoad {
        self.receivers.entry(receiver_of(&event.receiver).to_owned()).or_default()
    }

    pub(crate) fn finish(mut self) -> Noise {
        for instance in self.instances.values() {
            if let (Some(since), Some(name)) = (instance.since, self.names.get_mut(&instance.name)) {
                name.counted.firing_ms += self.noise.to.ms().saturating_sub(since.ms()).max(0);
            }
        }
        let alerts = self.names.into_iter().map(|(alertname, mut name)| {
            name.lasted.sort_unstable();
            let lasted = name.lasted;
            let counted = name.counted;
            NoisyAlert {
                alertname: alertname.to_string(),
                instances: name.fired.len(),
                flapping: name.flapping.len(),
                never_acted_on: counted.acknowledged == 0 && counted.silenced == 0,
                resolve_p50_ms: quantile(&lasted, 50),
                resolve_p95_ms: quantile(&lasted, 95),
                firing_ms: counted.firing_ms + lasted.iter().sum::<i64>(),
                ..counted
            }
        });
        self.noise.alerts = alerts.collect();
        self.noise.alerts.sort_by(|a, b| b.firings.cmp(&a.firings).then_with(|| a.alertname.cmp(&b.alertname)));
        self.noise.truncated |= self.noise.alerts.len() > MOST_NAMES;
        self.noise.alerts.truncate(MOST_NAMES);
        let receivers = self.receivers.into_iter().map(|(receiver, load)| ReceiverLoad { receiver, ..load });
        self.noise.receivers = receivers.collect();
        self.noise
            .receivers
            .sort_by(|a, b| b.notifications.cmp(&a.notifications).then_with(|| a.receiver.cmp(&b.receiver)));
        self.noise
    }
}

/// The least of the sorted values that so many of a hundred do not exceed.
fn quantile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

impl Alerting {
    /// What was told in a span of time, and what for. Reads files.
    pub fn noise(&self, from: Timestamp, to: Timestamp) -> std::io::Result<Noise> {
        let mut meter = Meter::new(from, to);
        self.read(|engine, _| {
            for (fingerprint, alert) in &engine.state().alerts {
                meter.know(*fingerprint, &alert.labels);
            }
        });
        let mut seen = 0;
        self.visit_history(from, to, &mut |event| {
            seen += 1;
            meter.see(&event);
            seen < MOST_EVENTS
        })?;
        meter.noise.truncated = seen >= MOST_EVENTS;
        Ok(meter.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn event(minute: i64, kind: EventKind, name: &str) -> Event {
        let labels = Labels::from_pairs([("alertname", name)]);
        let alert = Some(Fingerprint::of(&labels));
        Event { alert, labels, ..Event::new(Timestamp(minute * MINUTE), kind) }
    }

    #[test]
    fn counts() {
        let mut meter = Meter::new(Timestamp(0), Timestamp(1000 * MINUTE));
        for (begin, end) in [(0, 2), (10, 20), (30, 31), (200, 260)] {
            meter.see(&event(begin, EventKind::Firing, "Flaps"));
            let alerts = vec![event(0, EventKind::Firing, "Flaps").alert.unwrap()];
            let receiver = "team/x/webhook[0]".to_owned();
            meter.see(&Event { receiver, alerts, ..Event::new(Timestamp(begin * MINUTE), EventKind::Sent) });
            meter.see(&event(end, EventKind::Resolved, "Flaps"));
        }
        for begin in [0, 100] {
            meter.see(&event(begin, EventKind::Firing, "Calm"));
            meter.see(&event(begin + 50, EventKind::Resolved, "Calm"));
        }
        meter.see(&event(900, EventKind::Firing, "Calm"));
        meter.see(&event(901, EventKind::Acknowledged, "Calm"));
        meter.see(&Event { text: "silenced by x".to_owned(), ..event(902, EventKind::Muted, "Calm") });
        let noise = meter.finish();
        assert_eq!((noise.firings, noise.notifications), (7, 4));
        let flaps = NoisyAlert {
            alertname: "Flaps".to_owned(),
            firings: 4,
            instances: 1,
            notifications: 4,
            flapping: 1,
            never_acted_on: true,
            resolve_p50_ms: Some(2 * MINUTE),
            resolve_p95_ms: Some(60 * MINUTE),
            firing_ms: 73 * MINUTE,
            last_at: Timestamp(200 * MINUTE),
            ..NoisyAlert::default()
        };
        assert_eq!(noise.alerts[0], flaps);
        let calm = &noise.alerts[1];
        assert_eq!((calm.acknowledged, calm.silenced, calm.never_acted_on, calm.flapping), (1, 1, false, 0));
        assert_eq!(calm.firing_ms, 200 * MINUTE, "what still fires counts until the end");
        let load = ReceiverLoad { receiver: "team/x".to_owned(), notifications: 4, ..ReceiverLoad::default() };
        assert_eq!(noise.receivers, [load]);
    }
}
