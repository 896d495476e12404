//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::collections::BTreeMap;

use alerting::{Silence, SilenceError, SilenceMatcher, SilenceState};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Labels, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Filter, Shared, failed, not_durable, read_time, time_text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<SilenceMatcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// One silence as the API shows it.
pub(crate) fn silence_json(silence: &Silence, now: Timestamp) -> Value {
    json!({
        "id": silence.id,
        "status": {"state": silence.state(now).as_str()},
        "updatedAt": time_text(silence.updated_at),
        "annotations": silence.annotations,
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": time_text(silence.ends_at),
        "matchers": silence.matchers,
        "startsAt": time_text(silence.starts_at),
    })
}

pub(super) async fn list(State(alerting): Shared, RawQuery(query): RawQuery) -> Response {
    let filter = match Filter::read(query.as_deref().unwrap_or(""), alerting.options().syntax) {
        Ok(filter) => filter,
        Err(error) => return failed(StatusCode::BAD_REQUEST, error),
    };
    let (mut all, now) =
        alerting.read(|engine, now| (engine.state().silences.values().cloned().collect::<Vec<_>>(), now));
    // As Alertmanager filters: what a silence asks for counts as if it were labels.
    all.retain(|silence| {
        let asked = Labels::from_pairs(silence.matchers.iter().map(|m| (m.name.as_str(), m.value.as_str())));
        filter.takes(&asked) && filter.shows(silence.state(now).as_str())
    });
    let rank = |silence: &Silence| match silence.state(now) {
        SilenceState::Active => (0, silence.ends_at.ms()),
        SilenceState::Pending => (1, silence.starts_at.ms()),
        SilenceState::Expired => (2, -silence.ends_at.ms()),
    };
    all.sort_by_key(rank);
    Json(all.iter().map(|silence| silence_json(silence, now)).collect::<Vec<_>>()).into_response()
}

pub(super) async fn post(State(alerting): Shared, body: Bytes) -> Response {
    let posted: Postable = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => {
            let message = format!("parsing silence body from \"\" failed, because {error}");
            return (StatusCode::BAD_REQUEST, Json(json!({"code": 400, "message": message}))).into_response();
        }
    };
    let time = |text: &str| read_time(text).map(Option::unwrap_or_default);
    let (starts_at, ends_at) = match (time(&posted.starts_at), time(&posted.ends_at)) {
        (Ok(starts_at), Ok(ends_at)) => (starts_at, ends_at),
        (Err(error), _) | (_, Err(error)) => return failed(StatusCode::BAD_REQUEST, error),
    };
    if starts_at >= ends_at {
        return failed(StatusCode::BAD_REQUEST, "Failed to create silence: start time must be before end time");
    }
    let silence = Silence {
        id: posted.id.unwrap_or_default(),
        matchers: posted.matchers,
        starts_at,
        ends_at,
        updated_at: Timestamp(0),
        created_by: posted.created_by,
        comment: posted.comment,
        annotations: posted.annotations.unwrap_or_default(),
        compiled: Vec::new(),
    };
    match alerting.change(|engine, now| engine.set_silence(silence, now)).await {
        Ok(Ok(id)) => Json(json!({"silenceID": id})).into_response(),
        Ok(Err(SilenceError::NotFound)) => failed(StatusCode::NOT_FOUND, SilenceError::NotFound.to_string()),
        Ok(Err(error)) => failed(StatusCode::BAD_REQUEST, format!("Failed to create silence: {error}")),
        Err(error) => not_durable(&error),
    }
}

pub(super) async fn one(State(alerting): Shared, Path(id): Path<String>) -> Response {
    match alerting.read(|engine, now| engine.state().silences.get(&id).map(|silence| silence_json(silence, now))) {
        Some(silence) => Json(silence).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn expire(State(alerting): Shared, Path(id): Path<String>) -> Response {
    match alerting.change(|engine, now| engine.expire_silence(&id, now)).await {
        Ok(Ok(()) | Err(SilenceError::Expired(_))) => StatusCode::OK.into_response(),
        Ok(Err(SilenceError::NotFound)) => failed(StatusCode::NOT_FOUND, SilenceError::NotFound.to_string()),
        Ok(Err(error)) => failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => not_durable(&error),
    }
}
