//! InfluxDB's ways in, for Telegraf and its like: `POST /write` (1.x), `POST /api/v2/write` (2.x), and as much of `/ping` and
//! `/query` as writers need before they write.
//!
//! A field becomes the series `<measurement>_<field>` with the line's tags as labels; the parameter `db` (2.x: `bucket`)
//! becomes the label `db` unless the line has such a tag. Those are the names that VictoriaMetrics gives. `org` is read by
//! nobody. Text that is no number cannot be stored: such fields are skipped and counted.

mod line;
mod points;
mod query;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use model::{AppendError, Tenant};
use tracing::{debug, warn};

use crate::admin;
use crate::ingest::packed::{self, BodyFault};
use crate::ingest::{LIMIT_RETRY_AFTER_S, RETRY_AFTER_S};
use crate::json::push_string;
use crate::params::Params;
use crate::state::Api;
use crate::tenant::RequestTenant;
use points::{Database, Outcome, Precision};

/// The value of the `protocol` label in counters.
const PROTOCOL: &str = "influx";
/// What clients are told they talk to.
const VERSION: &str = "1.8.0";
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-influxdb-version");
const BUILD_HEADER: HeaderName = HeaderName::from_static("x-influxdb-build");
const ERROR_HEADER: HeaderName = HeaderName::from_static("x-influxdb-error");

/// Which form errors take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V1,
    V2,
}

/// The routes.
pub(crate) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    Router::new()
        .route("/write", post(write_v1))
        .route("/api/v2/write", post(write_v2))
        .route("/query", get(query::answer).post(query::answer))
        .layer(from_fn_with_state(api.clone(), admin::require_ready))
        .route("/ping", get(ping))
}

async fn ping(uri: Uri) -> Response {
    let params = Params::parse([uri.query().unwrap_or("").as_bytes()]);
    let headers =
        [(VERSION_HEADER, HeaderValue::from_static(VERSION)), (BUILD_HEADER, HeaderValue::from_static("OSS"))];
    match params.get("verbose") {
        "" | "0" | "false" => (StatusCode::NO_CONTENT, headers).into_response(),
        _ => {
            let body = format!("{{\"version\":\"{VERSION}\"}}\n");
            (headers, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}

async fn write_v1(
    State(api): State<Arc<Api>>,
    RequestTenant(tenant): RequestTenant,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    write(&api, tenant, Dialect::V1, &uri, &headers, body).await
}

async fn write_v2(
    State(api): State<Arc<Api>>,
    RequestTenant(tenant): RequestTenant,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    write(&api, tenant, Dialect::V2, &uri, &headers, body).await
}

async fn write(
    api: &Arc<Api>,
    tenant: Tenant,
    dialect: Dialect,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let params = Params::parse([uri.query().unwrap_or("").as_bytes()]);
    let Some(precision) = Precision::of(params.get("precision")) else {
        api.pushes.refused(PROTOCOL, "malformed");
        let text = match dialect {
            Dialect::V1 => format!("invalid precision {:?} (use n, u, ms, s, m or h)", params.get("precision")),
            Dialect::V2 => "invalid precision; valid precision units are ns, us, ms, and s".to_owned(),
        };
        return error(dialect, StatusCode::BAD_REQUEST, None, &text);
    };
    let name = match (params.get("db"), dialect) {
        ("", Dialect::V2) => params.get("bucket"),
        (name, _) => name,
    };
    let mut reserved = api.intake.account.open();
    let text = match packed::read(headers, body, &mut reserved).await {
        Ok(text) => text,
        Err(fault) => return refuse(api, dialect, &fault),
    };
    let mut outcome = Outcome::default();
    let database = Database { name, precision };
    points::store(api, &tenant, &database, &text, &mut outcome).await;
    answer(&tenant, dialect, &outcome)
}

fn refuse(api: &Api, dialect: Dialect, fault: &BodyFault) -> Response {
    api.pushes.refused(PROTOCOL, fault.reason());
    error(dialect, fault.status(), fault.retry_after_s(), &fault.to_string())
}

fn answer(tenant: &Tenant, dialect: Dialect, outcome: &Outcome) -> Response {
    if let Some(failure) = &outcome.failure {
        warn!(%tenant, %failure, "lines could not be stored");
        let (status, wait) = match failure {
            AppendError::OverBudget { retry_after_s } => (StatusCode::SERVICE_UNAVAILABLE, Some(*retry_after_s)),
            AppendError::Closed | AppendError::Log(_) => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER_S)),
        };
        return error(dialect, status, wait, &failure.to_string());
    }
    let Some(description) = outcome.describe() else {
        return (StatusCode::NO_CONTENT, [(VERSION_HEADER, VERSION)]).into_response();
    };
    debug!(%tenant, description, "lines stored in part");
    match outcome.met_limit {
        true => error(dialect, StatusCode::TOO_MANY_REQUESTS, Some(LIMIT_RETRY_AFTER_S), &description),
        false => error(dialect, StatusCode::BAD_REQUEST, None, &description),
    }
}

/// An error as clients of either version read it.
fn error(dialect: Dialect, status: StatusCode, retry_after_s: Option<u32>, message: &str) -> Response {
    let mut body = Vec::with_capacity(64 + message.len());
    match dialect {
        Dialect::V1 => body.extend_from_slice(br#"{"error":"#),
        Dialect::V2 => {
            body.extend_from_slice(br#"{"code":""#);
            body.extend_from_slice(code(status).as_bytes());
            body.extend_from_slice(br#"","message":"#);
        }
    }
    push_string(&mut body, message);
    body.extend_from_slice(b"}\n");
    let mut response = (status, [(VERSION_HEADER, VERSION)], body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A header is one line.
    if dialect == Dialect::V1
        && let Ok(value) = HeaderValue::from_str(&message.replace('\n', " "))
    {
        headers.insert(ERROR_HEADER, value);
    }
    if let Some(seconds) = retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The names of InfluxDB 2's errors.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "invalid",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        _ => "internal error",
    }
}
