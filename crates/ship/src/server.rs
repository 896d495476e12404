//! The shipper's own small HTTP server: `/metrics`, `/ready`, `/targets`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::ShipError;
use crate::shipper::{Parts, Shipper};
use crate::status::ShipStatus;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

struct Pages {
    parts: Arc<Parts>,
    registry: Registry,
}

/// Serves until `stop`; answers the address that is listened on.
pub async fn serve(
    shipper: &Shipper,
    listen: SocketAddr,
    registry: Registry,
    stop: CancellationToken,
) -> Result<SocketAddr, ShipError> {
    let refuse = |error: std::io::Error| ShipError::Listen {
        what: "server".to_owned(),
        address: listen.to_string(),
        reason: error.to_string(),
    };
    let listener = TcpListener::bind(listen).await.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    let pages = Arc::new(Pages { parts: shipper.parts(), registry });
    let router = Router::new()
        .route("/", get(|| async { Redirect::temporary("/targets") }))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/targets", get(targets))
        .with_state(pages);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await });
        if let Err(error) = served.await {
            warn!(%error, "the status server has ended");
        }
    });
    info!(%address, "status server");
    Ok(address)
}

async fn metrics(State(pages): State<Arc<Pages>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &pages.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// As in Promtail: ready while there is anything to read from. Receivers that are away do not count: lines wait for them.
async fn ready(State(pages): State<Arc<Pages>>) -> Response {
    let status = pages.parts.report();
    if status.files.is_empty() && status.sources.is_empty() {
        let text =
            "Not ready: Unable to find any logs to tail. Please verify permissions, volumes, scrape_config, etc.\n";
        return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    }
    "Ready\n".into_response()
}

/// JSON for those who ask for it, by `Accept` or `?format=json`; else text.
async fn targets(State(pages): State<Arc<Pages>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let status = pages.parts.report();
    let asks_json = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|v| v.contains("json"))
        || query.is_some_and(|query| query.contains("format=json"));
    if asks_json {
        return axum::Json(status).into_response();
    }
    ([(CONTENT_TYPE, PLAIN)], page(&status)).into_response()
}

fn page(status: &ShipStatus) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line(format_args!("buffer: {} of {} bytes", status.buffer_bytes, status.buffer_limit));
    for receiver in &status.receivers {
        let state = receiver.last_error.as_deref().unwrap_or("ok");
        line(format_args!("client {}: {state}", receiver.host));
    }
    for file in &status.files {
        let size = file.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
        line(format_args!("file {} [{}]: {} of {size} bytes, {}", file.path, file.job, file.offset, file.state));
    }
    for source in &status.sources {
        let state = &source.state;
        line(format_args!("{} {} [{}]: {} lines, {state}", source.kind, source.name, source.job, source.lines));
    }
    for notice in &status.notices {
        line(format_args!("notice: {notice}"));
    }
    out
}
