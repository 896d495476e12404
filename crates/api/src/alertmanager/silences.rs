//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::collections::BTreeMap;

use alerting::{Engine, Silence, SilenceError, SilenceMatcher, SilenceState};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Labels, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Filter, Shared, failed, not_durable, read_time, time_text};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Postable {
    id: Option<String>,
    matchers: Option<Vec<PostableMatcher>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PostableMatcher {
    name: Option<String>,
    value: Option<String>,
    is_regex: Option<bool>,
    is_equal: Option<bool>,
}

/// A body that is JSON and not what the OpenAPI document asks for: 422, as go-openapi answers it.
fn incomplete(code: u16, message: String) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"code": code, "message": message}))).into_response()
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, Box<Response>> {
    value.ok_or_else(|| Box::new(incomplete(602, format!("{name} in body is required"))))
}

impl Postable {
    fn into_silence(self) -> Result<Silence, Box<Response>> {
        let comment = required(self.comment, "comment")?;
        let created_by = required(self.created_by, "createdBy")?;
        let ends_at = required(self.ends_at, "endsAt")?;
        let posted = required(self.matchers, "matchers")?;
        if posted.is_empty() {
            return Err(Box::new(incomplete(612, "matchers in body should have at least 1 items".to_owned())));
        }
        let mut matchers = Vec::with_capacity(posted.len());
        for (number, matcher) in posted.into_iter().enumerate() {
            let name = |key: &str| format!("matchers.{number}.{key}");
            matchers.push(SilenceMatcher {
                is_regex: required(matcher.is_regex, &name("isRegex"))?,
                name: required(matcher.name, &name("name"))?,
                value: required(matcher.value, &name("value"))?,
                is_equal: matcher.is_equal.unwrap_or(true),
            });
        }
        let starts_at = required(self.starts_at, "startsAt")?;
        let time = |text: &str| {
            let read = read_time(text).map(Option::unwrap_or_default);
            read.map_err(|error| Box::new(failed(StatusCode::BAD_REQUEST, error)))
        };
        Ok(Silence {
            id: self.id.unwrap_or_default(),
            matchers,
            starts_at: time(&starts_at)?,
            ends_at: time(&ends_at)?,
            created_by,
            comment,
            annotations: self.annotations.unwrap_or_default(),
            ..Silence::default()
        })
    }
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
    let found = alerting.read(|engine, now| {
        let all = filtered(engine, &filter, now);
        all.iter().map(|silence| silence_json(silence, now)).collect::<Vec<_>>()
    });
    Json(found).into_response()
}

/// The silences that a filter takes: those in force first, then those to come.
pub(super) fn filtered(engine: &Engine, filter: &Filter, now: Timestamp) -> Vec<Silence> {
    // As Alertmanager filters: what a silence asks for counts as if it were labels.
    let is_shown = |silence: &&Silence| {
        let asked = Labels::from_pairs(silence.matchers.iter().map(|m| (m.name.as_str(), m.value.as_str())));
        filter.takes(&asked) && filter.shows(silence.state(now).as_str())
    };
    let mut all: Vec<Silence> = engine.state().silences.values().filter(is_shown).cloned().collect();
    all.sort_by_key(|silence| match silence.state(now) {
        SilenceState::Active => (0, silence.ends_at.ms()),
        SilenceState::Pending => (1, silence.starts_at.ms()),
        SilenceState::Expired => (2, -silence.ends_at.ms()),
    });
    all
}

pub(super) async fn post(State(alerting): Shared, body: Bytes) -> Response {
    let posted: Postable = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => {
            let message = format!("parsing silence body from \"\" failed, because {error}");
            return (StatusCode::BAD_REQUEST, Json(json!({"code": 400, "message": message}))).into_response();
        }
    };
    let silence = match posted.into_silence() {
        Ok(silence) => silence,
        Err(response) => return *response,
    };
    if silence.starts_at >= silence.ends_at {
        return failed(StatusCode::BAD_REQUEST, "Failed to create silence: start time must be before end time");
    }
    let edited = |engine: &mut Engine, now| {
        // Its clients know nothing of what a silence has here besides, so an edit leaves that as it is.
        let known = engine.state().silences.get(&silence.id).filter(|known| known.state(now) != SilenceState::Expired);
        let (recurrence, remind_ms) =
            known.map(|known| (known.recurrence.clone(), known.remind_ms)).unwrap_or_default();
        engine.set_silence(Silence { recurrence, remind_ms, ..silence }, now)
    };
    match alerting.change(edited).await {
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
