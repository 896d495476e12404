//! `/api/v1/admin/tsdb/*`: deleting series, freeing their space, snapshots; and VictoriaMetrics' `/internal/force_*`.
//!
//! Prometheus serves them only with `--web.enable-admin-api`. Here a caller on this machine may always use them; one that came
//! through a proxy or by another name of this machine may with that flag.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Matcher, TimeRange};
use promql::engine::CancelFlag;
use promql::parser::parse_metric_selector;
use serde::Serialize;

use crate::answer::{Answer, success};
use crate::doors;
use crate::errors::{ApiError, ErrorKind};
use crate::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use crate::state::Api;
use crate::tenant::RequestTenant;

/// The flag that opens these endpoints to callers from elsewhere.
const FLAG: &str = "web.enable-admin-api";

/// Lets requests through that may use these endpoints.
pub(crate) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let is_enabled = api.parts.flags.get(FLAG).is_some_and(|value| value == "true");
    if is_enabled || doors::is_from_here(&request) {
        return next.run(request).await;
    }
    ApiError::new(ErrorKind::Unavailable, "admin APIs disabled").into_response()
}

pub(crate) async fn delete_series(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let start = params.time_or("start", MIN_TIME_MS)?;
    let end = params.time_or("end", MAX_TIME_MS)?;
    let selectors = params.all("match[]").map(parse_metric_selector).collect::<Result<Vec<_>, _>>();
    let selectors = selectors.map_err(|e| ApiError::parameter("match[]", e))?;
    if selectors.iter().any(|matchers| matchers.iter().all(Matcher::matches_empty)) {
        // An empty variable in a script must not delete everything.
        return Err(ApiError::bad_data(
            "match[] must contain at least one non-empty matcher; {__name__=~\".+\"} stands for all series",
        ));
    }
    let store = Arc::clone(&api.parts.store);
    run(&api, move || {
        selectors.iter().try_for_each(|matchers| store.delete(&tenant.0, matchers, TimeRange { start, end }))
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn clean_tombstones(State(api): State<Arc<Api>>) -> Answer {
    let store = Arc::clone(&api.parts.store);
    run(&api, move || store.clean_tombstones()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// VictoriaMetrics' `/internal/force_flush`: what is in memory goes into blocks, metrics and logs.
pub(crate) async fn force_flush(State(api): State<Arc<Api>>) -> Answer {
    let store = Arc::clone(&api.parts.store);
    run(&api, move || store.flush()).await?;
    if let Some(store) = api.logs.as_ref().map(|logs| Arc::clone(&logs.store)) {
        run(&api, move || store.flush()).await?;
    }
    Ok(StatusCode::OK.into_response())
}

/// VictoriaMetrics' `/internal/force_merge`, of metrics and logs; answers when the work is done.
pub(crate) async fn force_merge(State(api): State<Arc<Api>>) -> Answer {
    let store = Arc::clone(&api.parts.store);
    run(&api, move || store.merge_now()).await?;
    if let Some(store) = api.logs.as_ref().map(|logs| Arc::clone(&logs.store)) {
        run(&api, move || store.merge_now()).await?;
    }
    Ok(StatusCode::OK.into_response())
}

#[derive(Serialize)]
struct Snapshot {
    name: String,
}

pub(crate) async fn snapshot(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let skip_head = match params.get("skip_head") {
        "" => false,
        text => parse_go_bool(text).ok_or_else(|| {
            let reason = format!("unable to parse boolean: strconv.ParseBool: parsing {text:?}: invalid syntax");
            ApiError::parameter("skip_head", reason)
        })?,
    };
    let name = snapshot_name(&api);
    // A snapshot has the layout of a data directory, so that `--data` may name it.
    let target = api.parts.data_dir.join("snapshots").join(&name).join("metrics");
    let store = Arc::clone(&api.parts.store);
    run(&api, move || store.snapshot(&target, skip_head)).await.map_err(|mut error| {
        error.message = format!("create snapshot: {}", error.message);
        error
    })?;
    success(&Snapshot { name })
}

/// The time in UTC and a random number, as Prometheus names its snapshots.
fn snapshot_name(api: &Api) -> String {
    let now = api.parts.clock.now();
    let time = chrono::DateTime::from_timestamp_millis(now.ms()).unwrap_or_default();
    let unique = RandomState::new().build_hasher().finish();
    format!("{}-{unique:016x}", time.format("%Y%m%dT%H%M%SZ"))
}

/// Go's `strconv.ParseBool`.
fn parse_go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

async fn run<E: std::fmt::Display + Send + 'static>(
    api: &Arc<Api>,
    work: impl FnOnce() -> Result<(), E> + Send + 'static,
) -> Result<(), ApiError> {
    let admission = api.lookups.admit(api.engine().options().timeout).await?;
    let result = admission.run(CancelFlag::default(), work).await?;
    result.map_err(|error| ApiError::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_those_of_go() {
        assert_eq!([parse_go_bool("T"), parse_go_bool("0"), parse_go_bool("yes")], [Some(true), Some(false), None]);
    }
}
