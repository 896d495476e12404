//! What Alertmanager has not: the history, the outbox, acknowledgements, and why an alert is or is not told.

use std::sync::Arc;

use alerting::{Acknowledgement, Alerting, Event, Fingerprint};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{alerts, time_text};
use crate::answer::{Answer, success};
use crate::errors::{ApiError, ErrorKind};
use crate::params::{MAX_TIME_MS, Params};
use crate::state::Api;

const DEFAULT_EVENTS: usize = 1000;
const MOST_EVENTS: usize = 100_000;

fn alerting(api: &Api) -> Result<&Arc<Alerting>, ApiError> {
    let none = || ApiError::new(ErrorKind::NotFound, "this server does not alert");
    api.parts.alerting.as_ref().ok_or_else(none)
}

fn fingerprint(text: &str) -> Result<Fingerprint, ApiError> {
    Fingerprint::parse(text).ok_or_else(|| ApiError::bad_data(format!("{text:?} is no fingerprint: sixteen digits")))
}

/// Events, the newest first.
pub(crate) async fn history(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let alerting = alerting(&api)?.clone();
    let from = params.time_or("start", 0)?;
    let to = params.time_or("end", MAX_TIME_MS)?;
    let limit = Some(params.limit()?).filter(|limit| *limit > 0).unwrap_or(DEFAULT_EVENTS);
    let alert = match params.get("alert") {
        "" => None,
        text => Some(fingerprint(text)?),
    };
    let (kind, receiver, name) =
        (params.get("kind").to_owned(), params.get("receiver").to_owned(), params.get("alertname").to_owned());
    let found = tokio::task::spawn_blocking(move || {
        let takes = |event: &Event| {
            alert.is_none_or(|alert| event.alert == Some(alert) || event.alerts.contains(&alert))
                && (kind.is_empty() || serde_json::to_value(event.kind).is_ok_and(|value| value == kind))
                && (receiver.is_empty() || event.receiver.split('/').next() == Some(&receiver))
                && (name.is_empty() || event.labels.get("alertname") == Some(&name))
        };
        alerting.history(from, to, limit.min(MOST_EVENTS), &takes)
    });
    let events = found.await.map_err(|e| ApiError::internal(e.to_string()))?;
    success(&events.map_err(|error| ApiError::internal(format!("the history cannot be read: {error}")))?)
}

/// What waits for its receiver, and what receivers refused.
pub(crate) async fn outbox(State(api): State<Arc<Api>>) -> Answer {
    let found = alerting(&api)?.read(|engine, _| {
        let item = |item: &alerting::Pending| {
            json!({
                "id": item.id, "integration": item.to.to_string(), "groupKey": &*item.group_key,
                "reason": item.reason.as_str(), "alerts": item.alerts.len(), "attempts": item.attempts,
                "queuedAt": time_text(item.at), "nextAttempt": time_text(item.next_attempt), "lastError": item.last_error,
            })
        };
        let waiting: Vec<Value> = engine.state().outbox.values().map(item).collect();
        let dead: Vec<Value> = engine
            .state()
            .dead
            .iter()
            .map(|(id, dead)| {
                let mut out = item(&dead.item);
                out["id"] = json!(id);
                out["refusedAt"] = json!(time_text(dead.at));
                out["refusal"] = json!(dead.reason);
                out
            })
            .collect();
        json!({"waiting": waiting, "deadLetters": dead})
    });
    success(&found)
}

/// Sends a dead letter again.
pub(crate) async fn resend(State(api): State<Arc<Api>>, Path(id): Path<u64>) -> Answer {
    let done = alerting(&api)?.change(|engine, now| engine.resend(id, now)).await;
    match done.map_err(|error| ApiError::internal(error.to_string()))? {
        true => success(&json!({})),
        false => Err(ApiError::new(ErrorKind::NotFound, "there is no such dead letter, or something newer waits")),
    }
}

/// Why an alert is or is not told.
pub(crate) async fn explain(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    let id = fingerprint(&id)?;
    let found = alerting(&api)?.read(|engine, now| Some((engine.alert(id, now)?, engine.explain(id, now)?)));
    let (alert, why) = found.ok_or_else(|| ApiError::new(ErrorKind::NotFound, "there is no such alert"))?;
    success(&json!({"alert": alerts::alert_json(&alert), "acknowledgement": alert.ack, "why": why}))
}

#[derive(Deserialize)]
struct Seen {
    by: String,
    #[serde(default)]
    assignee: String,
    #[serde(default)]
    comment: String,
}

/// Notes that someone has seen an alert.
pub(crate) async fn acknowledge(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = fingerprint(&id)?;
    let seen: Seen = serde_json::from_slice(&body).map_err(|error| ApiError::bad_data(error.to_string()))?;
    if seen.by.trim().is_empty() {
        return Err(ApiError::bad_data("`by` must say who has seen the alert"));
    }
    set(&api, id, Some(seen)).await
}

/// Takes that back.
pub(crate) async fn unacknowledge(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    set(&api, fingerprint(&id)?, None).await
}

async fn set(api: &Api, id: Fingerprint, seen: Option<Seen>) -> Answer {
    let changed = alerting(api)?.change(|engine, now| {
        let ack = seen.map(|Seen { by, assignee, comment }| Acknowledgement { by, at: now, assignee, comment });
        engine.acknowledge(id, ack, now)
    });
    match changed.await.map_err(|error| ApiError::internal(error.to_string()))? {
        true => success(&json!({})),
        false => Err(ApiError::new(ErrorKind::NotFound, "there is no such alert")),
    }
}

/// The tree of routes: each with its conditions, receiver and place of its parent.
pub(crate) async fn routes(State(api): State<Arc<Api>>) -> Response {
    let Ok(alerting) = alerting(&api) else { return StatusCode::NOT_FOUND.into_response() };
    let working = alerting.working();
    let routes = working.setup().routes.0.iter().enumerate().map(|(id, route)| {
        json!({
            "id": id, "parent": route.parent, "receiver": &*route.receiver,
            "matchers": config::matchers_text(&route.matchers), "continue": route.continues,
            "groupBy": if route.group_by_all { vec!["...".to_owned()] } else { route.group_by.clone() },
            "groupWait": route.group_wait.to_string(), "groupInterval": route.group_interval.to_string(),
            "repeatInterval": route.repeat_interval.to_string(), "muteTimeIntervals": route.mute,
            "activeTimeIntervals": route.active,
        })
    });
    Json(json!({"status": "success", "data": routes.collect::<Vec<_>>()})).into_response()
}
