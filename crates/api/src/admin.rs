//! `/-/healthy`, `/-/ready`, `/-/reload`, `/-/quit` and `/version`, worded as Prometheus words them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, StatusCode};

use crate::state::{Api, Readiness};

const STOPPING: HeaderName = HeaderName::from_static("x-prometheus-stopping");

pub(crate) async fn healthy() -> &'static str {
    "Afferent is Healthy.\n"
}

pub(crate) async fn ready() -> &'static str {
    "Afferent is Ready.\n"
}

/// What is answered before the store is open: alive, and nothing else yet. As with Prometheus while it replays its log.
pub fn starting_router() -> Router {
    let not_yet = || async { not_ready("false") };
    Router::new().route("/-/healthy", get(healthy)).fallback(not_yet)
}

fn not_ready(stopping: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(STOPPING, stopping)], "Service Unavailable").into_response()
}

/// Lets requests through only while the server can answer them.
pub(crate) async fn require_ready(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match api.readiness() {
        Readiness::Ready => next.run(request).await,
        Readiness::Starting => not_ready("false"),
        Readiness::Stopping => not_ready("true"),
    }
}

pub(crate) async fn reload(State(api): State<Arc<Api>>) -> Response {
    match (api.parts.reload)().await {
        Ok(None) => StatusCode::OK.into_response(),
        Ok(Some(notice)) => format!("{notice}\n").into_response(),
        Err(reasons) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {reasons}\n")).into_response()
        }
    }
}

pub(crate) async fn quit(State(api): State<Arc<Api>>) -> Response {
    let Some(quit) = &api.parts.quit else {
        return (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.").into_response();
    };
    quit();
    "Requesting termination... Goodbye!".into_response()
}

pub(crate) async fn only_post() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed").into_response()
}
