//! Alertmanager's API v2, as its OpenAPI document describes it, and the post of API v1 that old senders use.

mod alerts;
pub(crate) mod own;
mod silences;
mod status;

use std::sync::Arc;

use alerting::{Alerting, AlertingError};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, SecondsFormat, Utc};
use config::{MatcherSyntax, parse_matcher};
use http::StatusCode;
use model::{Labels, Matcher, Timestamp};
use regex::Regex;

use crate::state::Api;
use crate::{admin, doors};

pub(crate) use alerts::post_v1;

/// The routes below `/api/v2`; none where the server does not alert.
pub(crate) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    let Some(alerting) = &api.parts.alerting else { return Router::new() };
    Router::new()
        .route("/api/v2/status", get(status::status))
        .route("/api/v2/receivers", get(status::receivers))
        .route("/api/v2/alerts", get(alerts::list).post(alerts::post))
        .route("/api/v2/alerts/groups", get(alerts::groups))
        .route("/api/v2/silences", get(silences::list).post(silences::post))
        .route("/api/v2/silence/{id}", get(silences::one).delete(silences::expire))
        .route("/api/v2/{*rest}", post(not_found).get(not_found))
        .layer(from_fn_with_state(api.clone(), admin::require_ready))
        .layer(from_fn_with_state(api.clone(), doors::cors))
        .with_state(alerting.clone())
}

async fn not_found() -> Response {
    let text = serde_json::json!({"code": 404, "message": "there is no such endpoint"});
    (StatusCode::NOT_FOUND, Json(text)).into_response()
}

/// The root page of Alertmanager's port.
pub(crate) async fn root() -> &'static str {
    "Afferent answers here as Alertmanager does: /api/v2/alerts, /api/v2/silences, /-/reload.\n\
     The same is at the main port, with the web application.\n"
}

type Shared = State<Arc<Alerting>>;

/// An error as Alertmanager answers it: the text as JSON.
fn failed(status: StatusCode, text: impl Into<String>) -> Response {
    (status, Json(text.into())).into_response()
}

fn not_durable(error: &AlertingError) -> Response {
    failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// A time as its clients write it.
fn time_text(at: Timestamp) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(at.ms()).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The zero time of Go counts as not given.
fn read_time(text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
        return Ok(None);
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|error| format!("{text:?} is not a time: {error}"))?;
    Ok(Some(Timestamp(time.timestamp_millis())))
}

/// Parameters that all lists share.
#[derive(Debug, Default)]
struct Filter {
    matchers: Vec<Matcher>,
    receiver: Option<Regex>,
    flags: Vec<(String, bool)>,
}

const FLAGS: [&str; 7] = ["active", "silenced", "inhibited", "unprocessed", "muted", "expired", "pending"];
const YES: [&str; 10] = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];

impl Filter {
    fn read(query: &str, syntax: MatcherSyntax) -> Result<Self, String> {
        let mut filter = Filter::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "filter" => {
                    let matcher = parse_matcher(&value, syntax);
                    filter.matchers.push(matcher.map_err(|error| format!("bad matcher format: {value}: {error}"))?);
                }
                "receiver" if !value.is_empty() => {
                    let pattern = format!("^(?:{})$", model::pattern::from_go(&value));
                    let regex = Regex::new(&pattern).map_err(|_| format!("failed to parse receiver param: {value}"))?;
                    filter.receiver = Some(regex);
                }
                name => {
                    // Whatever is no word for yes means no (go-openapi's `swag.ConvertBool`).
                    let on = YES.iter().any(|yes| value.eq_ignore_ascii_case(yes));
                    if FLAGS.contains(&name) {
                        filter.flags.push((name.to_owned(), on));
                    }
                }
            }
        }
        Ok(filter)
    }

    /// Whether a kind is shown; all are by default.
    fn shows(&self, kind: &str) -> bool {
        self.flags.iter().rev().find(|(name, _)| name == kind).is_none_or(|(_, on)| *on)
    }

    fn takes(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")))
    }

    fn takes_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|pattern| pattern.is_match(name))
    }
}
