//! Why an alert is or is not told, and that someone has seen it.

use std::collections::BTreeMap;
use std::sync::Arc;

use alerting::{Acknowledgement, Alerting, Event, Fingerprint, Question};
use axum::body::Bytes;
use axum::extract::{Path, State};
use config::MatcherSyntax;
use model::{Labels, MatchOp, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::super::alerts::alert_json;
use super::{DEFAULT_DAYS, alerting, aside, fingerprint, internal, read, span};
use crate::answer::{Answer, success};
use crate::errors::{ApiError, ErrorKind};
use crate::params::Params;
use crate::state::Api;

const MOST_EVENTS: usize = 100;

/// Why an alert is or is not told, whether it is there, was there or never was.
pub(super) async fn explain(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let alerting = alerting(&api)?;
    let (id, labels) = match (params.get("fingerprint"), params.get("labels")) {
        ("", "") => return Err(ApiError::bad_data("`fingerprint` or `labels` must name the alert")),
        ("", text) => {
            let labels = read_labels(text, alerting.options().syntax)?;
            (Fingerprint::of(&labels), Some(labels))
        }
        (text, _) => (fingerprint(text)?, None),
    };
    let labels = labels.or_else(|| alerting.read(|engine, now| Some(engine.alert(id, now)?.alert.labels.clone())));
    let events = aside(alerting, move |alerting| events_of(alerting, id)).await?;
    let told = events.iter().find(|event| event.alert == Some(id) && !event.labels.is_empty());
    let (is_past, told) = (told.is_some(), told.map(|event| event.labels.clone()));
    let none = || ApiError::new(ErrorKind::NotFound, "neither now nor in the last 7 days was there such an alert");
    let labels = labels.or(told).ok_or_else(none)?;
    let (alert, why, now) = alerting.read(|engine, now| (engine.alert(id, now), engine.explain(&labels, now), now));
    let state = match &alert {
        Some(status) if status.alert.resolved_at(now) => "resolved",
        Some(_) => "firing",
        None if is_past => "past",
        None => "unknown",
    };
    let mut out = serde_json::to_value(why).map_err(internal)?;
    out["state"] = json!(state);
    out["alert"] = json!(alert.as_ref().map(alert_json));
    out["acknowledgement"] = json!(alert.and_then(|status| status.ack));
    out["events"] = json!(events);
    success(&out)
}

fn events_of(alerting: &Alerting, id: Fingerprint) -> std::io::Result<Vec<Event>> {
    let (from, _) = span(alerting, DEFAULT_DAYS);
    let takes = |event: &Event| event.alert == Some(id) || event.alerts.contains(&id);
    let question = Question { from, to: Timestamp(i64::MAX), limit: MOST_EVENTS, before: None, takes: &takes };
    Ok(alerting.history(&question)?.events)
}

/// `{alertname="A",host="x"}`, or a JSON object.
pub(super) fn read_labels(text: &str, syntax: MatcherSyntax) -> Result<Labels, ApiError> {
    if let Ok(map) = serde_json::from_str::<BTreeMap<String, String>>(text) {
        return Ok(Labels::from_pairs(map));
    }
    let refuse = |reason: &dyn std::fmt::Display| {
        ApiError::parameter("labels", format_args!("{text:?} are no labels such as {{host=\"x\"}}: {reason}"))
    };
    let matchers = config::parse_matchers(text, syntax).map_err(|error| refuse(&error))?;
    if let Some(other) = matchers.iter().find(|matcher| matcher.op != MatchOp::Equal) {
        return Err(refuse(&format!("{} does not name one value", config::matcher_text(other))));
    }
    Ok(Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name.as_str(), matcher.value.as_str()))))
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
pub(super) async fn acknowledge(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = fingerprint(&id)?;
    let seen: Seen = read(&body)?;
    if seen.by.trim().is_empty() {
        return Err(ApiError::bad_data("`by` must say who has seen the alert"));
    }
    set(&api, id, Some(seen)).await
}

/// Takes that back.
pub(super) async fn unacknowledge(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    set(&api, fingerprint(&id)?, None).await
}

async fn set(api: &Api, id: Fingerprint, seen: Option<Seen>) -> Answer {
    let changed = alerting(api)?.change(|engine, now| {
        let ack = seen.map(|Seen { by, assignee, comment }| Acknowledgement { by, at: now, assignee, comment });
        engine.acknowledge(id, ack, now)
    });
    match changed.await.map_err(internal)? {
        true => success(&json!({})),
        false => Err(ApiError::new(ErrorKind::NotFound, "there is no such alert")),
    }
}
