//! `/api/v2/alerts` and `/api/v2/alerts/groups`.

use std::collections::BTreeMap;
use std::sync::Arc;

use alerting::{AlertStatus, Report, StatusOf};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Filter, Shared, failed, not_durable, read_time, time_text};
use crate::state::Api;

/// Most bytes of one post.
const MOST_BYTES: usize = 32 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
}

pub(super) async fn post(State(alerting): Shared, body: Bytes) -> Response {
    match take_in(&alerting, &body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(response) => response,
    }
}

/// What senders of API v1 post; Alertmanager took it until version 0.27.
pub(crate) async fn post_v1(State(api): State<Arc<Api>>, body: Bytes) -> Response {
    let Some(alerting) = &api.parts.alerting else {
        return failed(StatusCode::NOT_FOUND, "this server does not take alerts");
    };
    match take_in(alerting, &body).await {
        Ok(()) => Json(json!({"status": "success"})).into_response(),
        Err(response) => response,
    }
}

async fn take_in(alerting: &Arc<alerting::Alerting>, body: &Bytes) -> Result<(), Response> {
    if body.len() > MOST_BYTES {
        return Err(failed(StatusCode::PAYLOAD_TOO_LARGE, "a post may hold 32 MiB"));
    }
    let posted: Vec<Postable> = serde_json::from_slice(body).map_err(|error| {
        let message = format!("parsing alerts body from \"\" failed, because {error}");
        (StatusCode::BAD_REQUEST, Json(json!({"code": 400, "message": message}))).into_response()
    })?;
    let mut reports = Vec::with_capacity(posted.len());
    for alert in posted {
        let time = |text: Option<String>| read_time(text.as_deref().unwrap_or(""));
        let times = time(alert.starts_at).and_then(|starts_at| Ok((starts_at, time(alert.ends_at)?)));
        let (starts_at, ends_at) = times.map_err(|error| failed(StatusCode::BAD_REQUEST, error))?;
        reports.push(Report {
            labels: alert.labels.unwrap_or_default(),
            annotations: alert.annotations.unwrap_or_default(),
            starts_at,
            ends_at,
            generator_url: alert.generator_url.unwrap_or_default(),
        });
    }
    let errors = alerting.put(reports).await.map_err(|error| not_durable(&error))?;
    if errors.is_empty() { Ok(()) } else { Err(failed(StatusCode::BAD_REQUEST, errors.join("; "))) }
}

/// One alert as the API shows it.
pub(crate) fn alert_json(status: &AlertStatus) -> Value {
    let receivers: Vec<Value> = status.receivers.iter().map(|name| json!({"name": &**name})).collect();
    let inhibited_by: Vec<String> = status.inhibited_by.iter().map(ToString::to_string).collect();
    let state = match status.state {
        StatusOf::Active => "active",
        StatusOf::Suppressed => "suppressed",
    };
    let mut out = json!({
        "annotations": status.alert.annotations,
        "endsAt": time_text(status.alert.ends_at),
        "fingerprint": status.fingerprint.to_string(),
        "receivers": receivers,
        "startsAt": time_text(status.alert.starts_at),
        "status": {
            "inhibitedBy": inhibited_by,
            "mutedBy": status.muted_by,
            "silencedBy": status.silenced_by,
            "state": state,
        },
        "updatedAt": time_text(status.alert.updated_at),
    });
    if !status.alert.generator_url.is_empty() {
        out["generatorURL"] = json!(status.alert.generator_url);
    }
    out["labels"] = json!(status.alert.labels);
    out
}

fn is_shown(filter: &Filter, status: &AlertStatus) -> bool {
    filter.takes(&status.alert.labels)
        && (filter.shows("active") || status.state != StatusOf::Active)
        && (filter.shows("silenced") || status.silenced_by.is_empty())
        && (filter.shows("inhibited") || status.inhibited_by.is_empty())
        && (filter.shows("muted") || status.muted_by.is_empty())
}

pub(super) async fn list(State(alerting): Shared, RawQuery(query): RawQuery) -> Response {
    let syntax = alerting.options().syntax;
    let filter = match Filter::read(query.as_deref().unwrap_or(""), syntax) {
        Ok(filter) => filter,
        Err(error) => return failed(StatusCode::BAD_REQUEST, error),
    };
    let shown = |status: &&AlertStatus| {
        is_shown(&filter, status) && status.receivers.iter().any(|name| filter.takes_receiver(name))
    };
    let all = alerting.read(|engine, now| engine.alerts(now));
    Json(all.iter().filter(shown).map(alert_json).collect::<Vec<_>>()).into_response()
}

pub(super) async fn groups(State(alerting): Shared, RawQuery(query): RawQuery) -> Response {
    let syntax = alerting.options().syntax;
    let filter = match Filter::read(query.as_deref().unwrap_or(""), syntax) {
        Ok(filter) => filter,
        Err(error) => return failed(StatusCode::BAD_REQUEST, error),
    };
    let mut out = Vec::new();
    for group in alerting.read(|engine, now| engine.groups(now)) {
        if !filter.takes_receiver(&group.receiver) {
            continue;
        }
        let alerts: Vec<Value> =
            group.alerts.iter().filter(|status| is_shown(&filter, status)).map(alert_json).collect();
        if alerts.is_empty() {
            continue;
        }
        let route_labels: BTreeMap<&String, &String> = group.route_labels.iter().map(|(k, v)| (k, v)).collect();
        out.push(json!({
            "alerts": alerts,
            "labels": group.labels,
            "receiver": {"name": &*group.receiver},
            "routeLabels": route_labels,
        }));
    }
    Json(out).into_response()
}
