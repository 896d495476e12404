//! *Never stuck*: every alert that a receiver was told of as firing is told as ended exactly once for each incident, whatever is
//! silenced, inhibited, muted, reloaded, killed or refused meanwhile. Histories are drawn from seeds;
//! `AFFERENT_NEVER_STUCK=10000 cargo test --release -p alerting --test it never_stuck` runs more of them, `AFFERENT_NEVER_STUCK_FIRST`
//! sets the first seed, to see one again.

use std::collections::{BTreeMap, HashMap};

use alerting::{Fingerprint, Outcome, Report, Silence, SilenceMatcher};
use model::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::world::{Fate, Message, World};

/// Configurations of the same receivers with other routes; times are short, so that much happens.
const CONFIGS: [&str; 5] = [
    "route: {receiver: a, group_by: [alertname], group_wait: 10s, group_interval: 30s, repeat_interval: 10m}\n",
    "route: {receiver: a, group_by: [alertname], group_wait: 10s, group_interval: 30s, repeat_interval: 10m, routes: [{receiver: b, matchers: [severity=page], continue: true}, {matchers: [host=~\"h.*\"]}]}\n",
    "route: {receiver: b, group_by: ['...'], group_wait: 0s, group_interval: 20s, repeat_interval: 5m}\n",
    "route: {receiver: a, group_by: [host], group_wait: 20s, group_interval: 60s, repeat_interval: 30m, routes: [{receiver: a, matchers: [alertname=A], mute_time_intervals: [often]}]}\n",
    "route: {receiver: a, group_by: [], group_wait: 5s, group_interval: 15s, repeat_interval: 2m, routes: [{receiver: b, matchers: [severity=page], active_time_intervals: [often]}]}\n",
];

const REST: &str = "
inhibit_rules:
- {source_matchers: [alertname=Z], target_matchers: [alertname=~\"A|B\"], equal: [host]}
time_intervals:
- name: often
  time_intervals:
  - times: [{start_time: '00:00', end_time: '22:20'}]
receivers:
- name: a
  webhook_configs: [{url: http://a/}, {url: http://a2/}]
- name: b
  pagerduty_configs: [{routing_key: k}]
  webhook_configs: [{url: http://b/, send_resolved: false}]
";

fn config(number: usize) -> String {
    format!("{}{REST}", CONFIGS[number])
}

fn labels(number: usize) -> BTreeMap<String, String> {
    let name = ["A", "B", "C", "Z"][number % 4];
    let pairs =
        [("alertname", name), ("host", ["h1", "h2"][number / 4 % 2]), ("severity", ["page", "info"][number / 8 % 2])];
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

struct History {
    world: World,
    rng: StdRng,
    config: usize,
    firing: Vec<bool>,
    silences: Vec<String>,
    log: Vec<String>,
}

impl History {
    fn report(&mut self, number: usize, firing: bool) {
        let now = Timestamp(self.world.now);
        let ends_at = if firing { self.rng.random_bool(0.7).then(|| now.plus_ms(4 * 60_000)) } else { Some(now) };
        let report = Report { labels: labels(number), starts_at: Some(now), ends_at, ..Report::default() };
        self.firing[number] = firing;
        self.world.put(vec![report]);
    }

    fn refresh(&mut self) {
        for number in 0..self.firing.len() {
            if self.firing[number] {
                self.report(number, true);
            }
        }
    }

    fn step(&mut self) {
        let choice = self.rng.random_range(0..100);
        let at = self.world.seconds();
        match choice {
            0..30 => {
                let number = self.rng.random_range(0..self.firing.len());
                self.log.push(format!("{at}: alert {number} fires"));
                self.report(number, true);
            }
            30..55 => {
                let number = self.rng.random_range(0..self.firing.len());
                self.log.push(format!("{at}: alert {number} ends"));
                self.report(number, false);
            }
            55..65 => {
                let (name, value) = [("alertname", "A"), ("alertname", "B"), ("host", "h1"), ("severity", "page")]
                    [self.rng.random_range(0..4)];
                let matcher =
                    SilenceMatcher { name: name.into(), value: value.into(), is_regex: false, is_equal: true };
                let now = Timestamp(self.world.now);
                let silence = Silence {
                    id: String::new(),
                    matchers: vec![matcher],
                    starts_at: now,
                    ends_at: now.plus_ms(self.rng.random_range(5_000..400_000)),
                    updated_at: now,
                    created_by: "test".into(),
                    comment: "test".into(),
                    ..Silence::default()
                };
                self.log.push(format!("{at}: {name}={value} is silenced until {}", silence.ends_at));
                self.silences.push(self.world.engine.set_silence(silence, now).unwrap());
            }
            65..70 => {
                if let Some(id) = self.silences.pop() {
                    self.log.push(format!("{at}: a silence ends"));
                    let _ = self.world.engine.expire_silence(&id, Timestamp(self.world.now));
                }
            }
            70..75 => {
                self.config = self.rng.random_range(0..CONFIGS.len());
                self.log.push(format!("{at}: reload with configuration {}", self.config));
                let setup = crate::world::setup(&config(self.config));
                self.world.engine.reload(setup, Timestamp(self.world.now));
            }
            75..80 => {
                if self.rng.random_bool(0.3) {
                    self.config = self.rng.random_range(0..CONFIGS.len());
                }
                self.log.push(format!("{at}: kill -9, starts with configuration {}", self.config));
                self.world.kill(&config(self.config));
            }
            _ => {
                let pause = self.rng.random_range(1.0..60.0);
                self.world.until(at + pause);
                if self.rng.random_bool(0.5) {
                    self.refresh();
                }
            }
        }
        self.world.settle();
    }
}

type Answers = Box<dyn FnMut(&alerting::Delivery, i64) -> Outcome>;

/// A receiver fails for spans of time; what it does not answer it may have taken.
fn answers(seed: u64) -> Answers {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut down: HashMap<String, i64> = HashMap::new();
    Box::new(move |delivery, now| {
        let until = down.entry(delivery.item.to.to_string()).or_default();
        if *until < now && rng.random_bool(0.1) {
            *until = now + rng.random_range(1_000..300_000);
        }
        if now < *until {
            return match rng.random_range(0..10) {
                0 => Outcome::Refused("400".into()),
                1 => Outcome::Retry { after_ms: Some(20_000), reason: "429".into() },
                _ => Outcome::Retry { after_ms: None, reason: "503".into() },
            };
        }
        Outcome::Delivered(BTreeMap::new())
    })
}

fn run(seed: u64) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let first = rng.random_range(0..CONFIGS.len());
    let mut world = World::new(&config(first));
    world.answers = answers(seed);
    world.latency = [0, 0, 300, 5_000][rng.random_range(0..4)];
    let mut history =
        History { world, rng, config: first, firing: vec![false; 16], silences: Vec::new(), log: Vec::new() };
    let steps = history.rng.random_range(10..120);
    for _ in 0..steps {
        history.step();
    }
    // Everything ends, and receivers work again; a day later nothing may be open.
    for number in 0..16 {
        history.report(number, false);
    }
    history.world.answers = Box::new(|_, _| Outcome::Delivered(BTreeMap::new()));
    let end = history.world.seconds() + 24.0 * 3600.0;
    history.world.until(end);
    let verdict = check(&history.world.messages).and_then(|()| left_over(&history.world));
    verdict.map_err(|error| format!("seed {seed}: {error}\n{}", history.log.join("\n")))
}

fn left_over(world: &World) -> Result<(), String> {
    let state = world.engine.state();
    if !state.outbox.is_empty() || !state.groups.is_empty() {
        return Err(format!("{} items and {} groups are left", state.outbox.len(), state.groups.len()));
    }
    let open: Vec<_> = state.notices.iter().filter(|(_, notice)| !notice.open.is_empty()).collect();
    if open.is_empty() { Ok(()) } else { Err(format!("still open: {open:?}")) }
}

/// What an integration knows of an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Knows {
    /// That it fires, or perhaps so: its end must be told.
    Fires,
    /// That it has ended.
    Ended,
    /// That it has ended, which the dispatcher does not know: it may be told once more.
    EndedUnheard,
}

/// For each integration that is told of ends, incident and alert: told as firing, then as ended once, and so on. An attempt that
/// was not taken for sure, nor refused, may have told of the firing. An end may be told of an alert of whose firing was not told.
fn check(messages: &[Message]) -> Result<(), String> {
    let mut known: HashMap<(&str, &str, Fingerprint), Knows> = HashMap::new();
    for message in messages.iter().filter(|message| message.integration != "b/webhook[0]") {
        for alert in &message.alerts {
            let key = (message.integration.as_str(), message.incident.as_str(), alert.fingerprint);
            let knows = match (message.fate, alert.resolved) {
                (Fate::Refused, _) | (Fate::Unclear, true) => continue,
                (_, false) => Knows::Fires,
                (Fate::Taken, true) => Knows::Ended,
                (Fate::Unheard, true) => Knows::EndedUnheard,
            };
            let before = known.insert(key, knows);
            if alert.resolved && before == Some(Knows::Ended) {
                let (at, labels, told) = (message.at, &alert.labels, told(messages, key.0, alert.fingerprint));
                return Err(format!("{at}: told twice as ended to {}: {labels:?}\n{told}", key.0));
            }
        }
    }
    match known.iter().find(|(_, knows)| **knows == Knows::Fires) {
        Some(((integration, incident, alert), _)) => Err(format!(
            "{incident} of {integration} was told as firing, or perhaps, and never as ended\n{}",
            told(messages, integration, *alert)
        )),
        None => Ok(()),
    }
}

/// All that an integration was told of an alert.
fn told(messages: &[Message], integration: &str, alert: Fingerprint) -> String {
    let messages = messages.iter().filter(|message| message.integration == integration);
    let told = messages.filter_map(|message| {
        let heard = message.alerts.iter().find(|heard| heard.fingerprint == alert)?;
        Some(format!("  {}: {:?}, {}, ended: {}", message.at, message.fate, message.incident, heard.resolved))
    });
    told.collect::<Vec<String>>().join("\n")
}

#[test]
fn never_stuck() {
    let number =
        |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let first = number("AFFERENT_NEVER_STUCK_FIRST", 0);
    let seeds = number("AFFERENT_NEVER_STUCK", 300);
    let failures: Vec<String> = (first..first + seeds).filter_map(|seed| run(seed).err()).collect();
    assert!(
        failures.is_empty(),
        "{} of {seeds} seeds fail\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
}
