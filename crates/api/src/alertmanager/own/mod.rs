//! What Alertmanager has not: why an alert is or is not told, safe silences, the history and what follows from it, the outbox.

mod explain;
mod history;
mod outbox;
mod routes;
mod silences;
mod whatif;

use std::sync::Arc;

use alerting::{Alerting, Fingerprint};
use axum::Router;
use axum::body::Bytes;
use axum::routing::{MethodRouter, delete, get, post};
use model::Timestamp;
use serde::de::DeserializeOwned;

use crate::errors::{ApiError, ErrorKind};
use crate::params::Params;
use crate::state::Api;

/// The routes below `/api/afferent/v1/alerting`; `form` adds the answer to a wrong method.
pub(crate) fn routes(form: fn(MethodRouter<Arc<Api>>) -> MethodRouter<Arc<Api>>) -> Router<Arc<Api>> {
    Router::new()
        .route("/explain", form(get(explain::explain)))
        .route("/alerts/{fingerprint}/ack", form(post(explain::acknowledge).delete(explain::unacknowledge)))
        .route("/silences", form(get(silences::list).post(silences::set)))
        .route("/silences/{id}", form(delete(silences::expire)))
        .route("/silences/preview", form(post(silences::preview)))
        .route("/silences/limits", form(get(silences::limits)))
        .route("/history", form(get(history::history)))
        .route("/noise", form(get(history::noise)))
        .route("/whatif", form(post(whatif::whatif)))
        .route("/outbox", form(get(outbox::outbox)))
        .route("/outbox/{id}", form(delete(outbox::bury)))
        .route("/outbox/{id}/resend", form(post(outbox::resend)))
        .route("/routes", form(get(routes::tree)))
        .route("/routes/test", form(post(routes::test)))
}

/// What history is looked at where nothing is said.
const DEFAULT_DAYS: u64 = 7;
const MOST_DAYS: u64 = 90;
const DAY_MS: i64 = 24 * 3600 * 1000;

fn alerting(api: &Api) -> Result<&Arc<Alerting>, ApiError> {
    let none = || ApiError::new(ErrorKind::NotFound, "this server does not alert");
    api.parts.alerting.as_ref().ok_or_else(none)
}

fn fingerprint(text: &str) -> Result<Fingerprint, ApiError> {
    Fingerprint::parse(text).ok_or_else(|| ApiError::bad_data(format!("{text:?} is no fingerprint: sixteen digits")))
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad_data(format!("the body cannot be read: {error}")))
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError::internal(error.to_string())
}

fn checked_days(days: u64) -> Result<u64, ApiError> {
    if (1..=MOST_DAYS).contains(&days) {
        Ok(days)
    } else {
        Err(ApiError::parameter("days", format_args!("days must be from 1 to {MOST_DAYS}")))
    }
}

fn days(params: &Params) -> Result<u64, ApiError> {
    match params.get("days") {
        "" => Ok(DEFAULT_DAYS),
        text => checked_days(text.parse().unwrap_or_default()),
    }
}

/// The last days.
fn span(alerting: &Alerting, days: u64) -> (Timestamp, Timestamp) {
    let now = alerting.clock().now();
    (now.plus_ms(-(days as i64) * DAY_MS), now)
}

/// Work that reads files or takes long, away from the threads that answer.
async fn aside<T: Send + 'static>(
    alerting: &Arc<Alerting>,
    work: impl FnOnce(&Alerting) -> std::io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let alerting = alerting.clone();
    let done = tokio::task::spawn_blocking(move || work(&alerting)).await.map_err(internal)?;
    done.map_err(|error| ApiError::internal(format!("the history cannot be read: {error}")))
}
