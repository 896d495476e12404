//! The Pushgateway, for jobs that end before anybody scrapes them: `POST|PUT|DELETE /metrics/job/<job>{/<label>/<value>}`.
//!
//! What is pushed is kept until it is deleted or replaced, over restarts too, and written into the store at every scrape
//! interval, with the labels of the group and no `instance` but a pushed one. `/exporters/pushgateway` shows it as text;
//! `/metrics` stays the product's own.

mod decode;
mod disk;
mod exposition;
mod group;
mod path;
mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::admin;
use crate::answer::{Answer, success};
use crate::build::{APPLICATION_VERSION, REVISION};
use crate::ingest::{LIMIT_RETRY_AFTER_S, packed};
use crate::state::Api;
use crate::tenant::RequestTenant;
use crate::time_text::rfc3339;
use group::GroupKey;
use store::ChangeFault;
pub(crate) use store::Pushgateway;

/// The value of the `protocol` label in counters.
const PROTOCOL: &str = "pushgateway";
/// How often groups are written where no configuration says how often to scrape.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);
const CLASSIC_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes outside of `/api/v1`.
pub(crate) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    Router::new()
        .route("/metrics/job/{*group}", changes(false))
        .route("/metrics/job@base64/{*group}", changes(true))
        .route("/exporters/pushgateway", get(expose))
        .layer(from_fn_with_state(api.clone(), admin::require_ready))
}

fn changes(job_is_coded: bool) -> MethodRouter<Arc<Api>> {
    let change = move |replace: bool| {
        move |State(api): State<Arc<Api>>,
              RequestTenant(tenant): RequestTenant,
              Path(path): Path<String>,
              headers: HeaderMap,
              body: Body| async move {
            match path::grouping(&path, job_is_coded) {
                Ok(labels) => push(&api, GroupKey { tenant, labels }, &headers, body, replace).await,
                Err(fault) => plain(StatusCode::BAD_REQUEST, &fault.to_string()),
            }
        }
    };
    let delete = move |State(api): State<Arc<Api>>, RequestTenant(tenant): RequestTenant, Path(path): Path<String>| async move {
        match path::grouping(&path, job_is_coded) {
            Ok(labels) => delete(&api, GroupKey { tenant, labels }).await,
            Err(fault) => plain(StatusCode::BAD_REQUEST, &fault.to_string()),
        }
    };
    post(change(false)).put(change(true)).delete(delete)
}

async fn push(api: &Api, key: GroupKey, headers: &HeaderMap, body: Body, replace: bool) -> Response {
    let mut reserved = api.intake.account.open();
    let bytes = match packed::read(headers, body, &mut reserved).await {
        Ok(bytes) => bytes,
        Err(fault) => {
            api.pushes.refused(PROTOCOL, fault.reason());
            let mut response = plain(fault.status(), &fault.to_string());
            if let Some(seconds) = fault.retry_after_s() {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return response;
        }
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let decoded = decode::decode(&bytes, decode::format_of(content_type), &key, api.parts.clock.now());
    let tenant = key.tenant.clone();
    let changed = match decoded {
        Ok(body) => api.pushgateway.push(key, body, replace).await,
        Err(fault) => Err(ChangeFault::Push(fault)),
    };
    match changed {
        Ok(()) => StatusCode::OK.into_response(),
        Err(ChangeFault::Push(fault)) => {
            debug!(%tenant, %fault, "push refused");
            api.pushes.refused(PROTOCOL, if fault.is_inconsistency() { "inconsistent" } else { "malformed" });
            plain(StatusCode::BAD_REQUEST, &fault.to_string())
        }
        Err(fault @ ChangeFault::Disk(_)) => failed(api, &fault),
        Err(ChangeFault::Limits(text)) => plain(StatusCode::BAD_REQUEST, &text),
        Err(ChangeFault::SeriesLimit(text)) => {
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, &text);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(LIMIT_RETRY_AFTER_S));
            response
        }
    }
}

async fn delete(api: &Api, key: GroupKey) -> Response {
    match api.pushgateway.delete(&key).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(fault) => failed(api, &ChangeFault::Disk(fault)),
    }
}

fn failed(api: &Api, fault: &ChangeFault) -> Response {
    api.pushes.refused(PROTOCOL, "disk");
    warn!(%fault, "push failed");
    plain(StatusCode::INTERNAL_SERVER_ERROR, &fault.to_string())
}

async fn expose(State(api): State<Arc<Api>>, RequestTenant(tenant): RequestTenant) -> Response {
    let text = api.pushgateway.view(&tenant, exposition::text).await;
    ([(header::CONTENT_TYPE, CLASSIC_TEXT)], text).into_response()
}

/// `GET /api/v1/metrics` of the Pushgateway, a path that Prometheus does not use.
pub(crate) async fn metrics(State(api): State<Arc<Api>>, RequestTenant(tenant): RequestTenant) -> Answer {
    success(&api.pushgateway.view(&tenant, exposition::json).await)
}

/// `GET /api/v1/status` of the Pushgateway.
pub(crate) async fn status(State(api): State<Arc<Api>>) -> Answer {
    success(&serde_json::json!({
        "build_information": { "version": APPLICATION_VERSION, "revision": REVISION },
        "flags": api.parts.flags,
        "start_time": rfc3339(api.started_at),
    }))
}

/// Writes all groups into the store at every scrape interval until `stop`.
pub async fn write_pushed_groups(api: Arc<Api>, stop: CancellationToken) {
    loop {
        let interval = match u64::try_from(api.parts.config.read().scrape_interval_ms) {
            Ok(ms) if ms > 0 => Duration::from_millis(ms),
            _ => DEFAULT_INTERVAL,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(tokio::time::Instant::now() + interval) => {}
        }
        api.write_pushed_groups_now().await;
    }
}

/// Go's `http.Error`.
fn plain(status: StatusCode, text: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, format!("{text}\n")).into_response()
}
