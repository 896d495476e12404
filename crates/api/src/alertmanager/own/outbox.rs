//! What waits for its receiver, what receivers refused, and how integrations fare.

use std::collections::HashSet;
use std::sync::Arc;

use alerting::{Engine, Fingerprint, IntegrationHealth, IntegrationId, Pending};
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::super::time_text;
use super::{alerting, internal};
use crate::answer::{Answer, success};
use crate::errors::{ApiError, ErrorKind};
use crate::state::Api;

/// Alerts of an item that are shown.
const SAMPLE: usize = 5;

fn item(engine: &Engine, item: &Pending) -> Value {
    let sample = item.alerts.iter().take(SAMPLE).map(|told| {
        let labels = &told.alert.labels;
        json!({"fingerprint": Fingerprint::of(labels).to_string(), "labels": labels, "resolved": told.resolved})
    });
    let resolved = item.alerts.iter().filter(|told| told.resolved).count();
    json!({
        "id": item.id, "receiver": &*item.to.receiver, "integration": item.to.to_string(), "kind": &*item.to.kind,
        "groupKey": &*item.group_key, "groupLabels": item.group_labels, "reason": item.reason.as_str(),
        "alerts": item.alerts.len(), "firing": item.alerts.len() - resolved, "resolved": resolved,
        "sample": sample.collect::<Vec<_>>(), "attempts": item.attempts, "inFlight": engine.is_in_flight(item.id),
        "queuedAt": time_text(item.at), "nextAttempt": time_text(item.next_attempt), "lastError": item.last_error,
    })
}

fn health(one: &IntegrationHealth) -> Value {
    let id = &one.integration.id;
    json!({
        "integration": id.to_string(), "receiver": &*id.receiver, "kind": &*id.kind,
        "sendResolved": one.integration.send_resolved, "waiting": one.waiting, "failures": one.failures,
        "inFlight": one.in_flight, "notBefore": one.not_before, "lastTold": one.last_told,
    })
}

pub(super) async fn outbox(State(api): State<Arc<Api>>) -> Answer {
    let found = alerting(&api)?.read(|engine, now| {
        let state = engine.state();
        let waiting: Vec<Value> = state.outbox.values().map(|waits| item(engine, waits)).collect();
        let busy: HashSet<(&str, &IntegrationId)> =
            state.outbox.values().map(|item| (&*item.group, &item.to)).collect();
        let all = engine.integrations(now);
        let known: HashSet<&IntegrationId> = all.iter().map(|one| &one.integration.id).collect();
        let dead = state.dead.iter().rev().map(|(id, dead)| {
            let mut out = item(engine, &dead.item);
            out["id"] = json!(id);
            out["refusedAt"] = json!(time_text(dead.at));
            out["refusal"] = json!(dead.reason);
            let is_free = !busy.contains(&(&*dead.item.group, &dead.item.to));
            out["canResend"] = json!(is_free && known.contains(&dead.item.to));
            out
        });
        let dead: Vec<Value> = dead.collect();
        json!({"waiting": waiting, "deadLetters": dead, "integrations": all.iter().map(health).collect::<Vec<_>>()})
    });
    success(&found)
}

/// Sends a dead letter again.
pub(super) async fn resend(State(api): State<Arc<Api>>, Path(id): Path<u64>) -> Answer {
    match alerting(&api)?.change(|engine, now| engine.resend(id, now)).await.map_err(internal)? {
        true => success(&json!({})),
        false => Err(ApiError::new(ErrorKind::NotFound, "there is no such dead letter, or something newer waits")),
    }
}

/// Forgets a dead letter.
pub(super) async fn bury(State(api): State<Arc<Api>>, Path(id): Path<u64>) -> Answer {
    let done = alerting(&api)?.change(|engine, now| {
        let is_there = engine.state().dead.contains_key(&id);
        if is_there {
            engine.bury(vec![id], now);
        }
        is_there
    });
    match done.await.map_err(internal)? {
        true => success(&json!({})),
        false => Err(ApiError::new(ErrorKind::NotFound, "there is no such dead letter")),
    }
}
