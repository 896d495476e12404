//! The outbox: what is due, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Timestamp;
use rand::RngExt;

use super::Engine;
use crate::event::{Event, EventKind};
use crate::notice::IntegrationId;
use crate::state::{Change, Pending};

/// Something to deliver now. Its attempt is among the changes that are to be journalled first.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What.
    pub item: Pending,
    /// What the receiver wanted to be told again.
    pub data: BTreeMap<String, String>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it, and wants to be told this the next time.
    Delivered(BTreeMap<String, String>),
    /// It may be tried again, not before so many milliseconds where the receiver said so.
    Retry {
        /// From `Retry-After`.
        after_ms: Option<i64>,
        /// What went wrong.
        reason: String,
    },
    /// Trying again would not help.
    Refused(String),
}

/// Attempts at a time to one integration that works; one that fails gets one.
const CONCURRENCY: usize = 8;
/// The first pause in milliseconds; each is half as long again (`cenkalti/backoff`'s defaults).
const FIRST_PAUSE_MS: f64 = 500.0;
const MOST_PAUSE_MS: f64 = 60_000.0;
/// Dead letters kept.
const MOST_DEAD: usize = 1000;

impl Engine {
    pub(super) fn queue(&mut self, item: Pending, now: Timestamp) {
        self.pending.insert((item.group.clone(), item.to.clone()), item.id);
        self.due.insert((item.next_attempt, item.id));
        self.events.push(Event { text: item.reason.as_str().to_owned(), ..item_event(&item, now, EventKind::Queued) });
        self.change(Change::Queue { item: Box::new(item) }, now);
    }

    pub(super) fn drop_item(&mut self, id: u64, now: Timestamp) {
        if let Some(item) = self.state.outbox.get(&id) {
            self.events.push(item_event(item, now, EventKind::Dropped));
        }
        self.remove_item(id, now);
    }

    /// Takes an item out without a word in the history.
    pub(super) fn remove_item(&mut self, id: u64, now: Timestamp) {
        self.unindex(id);
        self.change(Change::Drop { id }, now);
    }

    fn unindex(&mut self, id: u64) {
        if let Some(item) = self.state.outbox.get(&id) {
            self.due.remove(&(item.next_attempt, id));
            self.pending.remove(&(item.group.clone(), item.to.clone()));
        }
    }

    /// When an item that is due may be tried; `None` where that waits for an attempt to end.
    pub(super) fn ready_at(&self, to: &IntegrationId, at: Timestamp) -> Option<Timestamp> {
        let Some(health) = self.health.get(to) else { return Some(at) };
        let most = if health.failures > 0 { 1 } else { CONCURRENCY };
        (health.in_flight < most).then(|| at.max(health.not_before))
    }

    /// Begins the attempts that are due.
    pub fn deliveries(&mut self, now: Timestamp) -> Vec<Delivery> {
        let ids: Vec<u64> = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        let mut out = Vec::new();
        for id in ids {
            let Some(item) = self.state.outbox.get(&id) else { continue };
            if self.ready_at(&item.to, item.next_attempt).is_none_or(|at| at > now) {
                continue;
            }
            let (due, to, group) = ((item.next_attempt, id), item.to.clone(), item.group.clone());
            self.due.remove(&due);
            self.health.entry(to.clone()).or_default().in_flight += 1;
            self.in_flight.insert(id);
            self.change(Change::Attempt { id }, now);
            let data = self.state.notices.get(&(group, to)).map(|notice| notice.data.clone()).unwrap_or_default();
            out.push(Delivery { item: self.state.outbox[&id].clone(), data });
        }
        out
    }

    /// Takes in what became of an attempt.
    pub fn completed(&mut self, id: u64, outcome: Outcome, now: Timestamp) {
        if !self.in_flight.remove(&id) {
            return;
        }
        let Some(item) = self.state.outbox.get(&id).cloned() else { return };
        let health = self.health.entry(item.to.clone()).or_default();
        health.in_flight = health.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Delivered(data) => {
                *health = super::Health { in_flight: health.in_flight, ..super::Health::default() };
                self.events.push(item_event(&item, now, EventKind::Sent));
                self.unindex(id);
                self.change(Change::Told { id, at: now, data }, now);
            }
            Outcome::Retry { after_ms, reason } => {
                health.failures += 1;
                let exponent = f64::from(health.failures.min(40) - 1);
                let pause = (FIRST_PAUSE_MS * 1.5_f64.powf(exponent)).min(MOST_PAUSE_MS);
                let pause = pause * self.rng.random_range(0.5..1.5);
                let pause = (pause as i64).max(after_ms.unwrap_or(0)).max(1);
                let next_attempt = now.plus_ms(pause);
                health.not_before = next_attempt;
                self.events.push(Event { text: reason.clone(), ..item_event(&item, now, EventKind::Failed) });
                self.change(Change::Fail { id, next_attempt, error: reason }, now);
                self.due.insert((next_attempt, id));
            }
            Outcome::Refused(reason) => {
                // It answers: others may go on.
                *health = super::Health { in_flight: health.in_flight, ..super::Health::default() };
                self.events.push(Event { text: reason.clone(), ..item_event(&item, now, EventKind::Dead) });
                self.unindex(id);
                self.change(Change::Dead { id, at: now, reason }, now);
                let surplus = self.state.dead.len().saturating_sub(MOST_DEAD);
                if surplus > 0 {
                    let ids = self.state.dead.keys().take(surplus).copied().collect();
                    self.change(Change::Bury { ids }, now);
                }
            }
        }
        if self.again.remove(&item.group) {
            self.flush(&item.group, now, false);
        } else {
            self.settle(&item.group, now);
        }
    }

    /// Puts a dead letter back into the outbox; false where there is none, something newer waits, or its integration is gone.
    pub fn resend(&mut self, id: u64, now: Timestamp) -> bool {
        let Some(dead) = self.state.dead.get(&id) else { return false };
        let mut item = dead.item.clone();
        let place = (item.group.clone(), item.to.clone());
        let exists = self.setup.integrations(&item.to.receiver).iter().any(|integration| integration.id == item.to);
        if self.pending.contains_key(&place) || !exists {
            return false;
        }
        self.change(Change::Bury { ids: vec![id] }, now);
        item.id = self.state.next_id;
        item.next_attempt = now;
        self.queue(item, now);
        true
    }

    /// Forgets dead letters.
    pub fn bury(&mut self, ids: Vec<u64>, now: Timestamp) {
        self.change(Change::Bury { ids }, now);
    }
}

fn item_event(item: &Pending, now: Timestamp, kind: EventKind) -> Event {
    let alerts = item.alerts.iter().map(|told| crate::Fingerprint::of(&told.alert.labels)).collect();
    let group: Arc<str> = item.group_key.clone();
    let receiver = item.to.to_string();
    Event { group: Some(group), receiver, alerts, attempt: item.attempts, ..Event::new(now, kind) }
}
