//! `/metrics` of the product itself: requests, the process, the build, and what the other rooms registered.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::classic_text::to_classic_text;
use crate::errors::ApiError;
use crate::state::Api;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Upper bounds of request durations in seconds: Prometheus' own, with finer ones below.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.005, 0.025, 0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    handler: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandlerLabels {
    handler: String,
}

/// What the router counts, under the names of Prometheus where it has one.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<HandlerLabels, Histogram, fn() -> Histogram>,
    pub(crate) panics: Counter,
    pub(crate) ready: Gauge,
    /// Whether the last attempt to load the configuration succeeded: 1 or 0.
    pub config_reload_ok: Gauge,
    /// Attempts to load the configuration that changed nothing because it was unusable.
    pub config_reload_failures: Counter,
    /// When the configuration was last loaded, in seconds since the epoch.
    pub config_reload_seconds: Gauge<f64, AtomicU64>,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        HttpMetrics {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            panics: Counter::default(),
            ready: Gauge::default(),
            config_reload_ok: Gauge::default(),
            config_reload_failures: Counter::default(),
            config_reload_seconds: Gauge::default(),
        }
    }
}

impl HttpMetrics {
    /// Adds the metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("prometheus_http_requests", "Counter of HTTP requests", self.requests.clone());
        registry.register(
            "prometheus_http_request_duration_seconds",
            "Histogram of latencies for HTTP requests, to the first byte of the answer",
            self.durations.clone(),
        );
        registry.register(
            "afferent_http_panics",
            "Requests answered with 500 because the code failed",
            self.panics.clone(),
        );
        registry.register("prometheus_ready", "Whether the server answers requests", self.ready.clone());
        registry.register(
            "prometheus_config_last_reload_successful",
            "Whether the last configuration reload attempt was successful",
            self.config_reload_ok.clone(),
        );
        registry.register(
            "afferent_config_reload_failures",
            "Configuration reloads that changed nothing because the configuration was unusable",
            self.config_reload_failures.clone(),
        );
        registry.register(
            "prometheus_config_last_reload_success_timestamp_seconds",
            "Timestamp of the last successful configuration reload",
            self.config_reload_seconds.clone(),
        );
    }
}

/// The route as Prometheus labels it: `/api/v1/label/:name/values`.
fn handler_label(matched: Option<&MatchedPath>) -> String {
    let Some(matched) = matched else { return "/*".to_owned() };
    matched.as_str().replace('{', ":").replace('}', "")
}

/// Counts and times requests by route.
pub(crate) async fn measure(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let handler = handler_label(request.extensions().get::<MatchedPath>());
    let since = Instant::now();
    let response = next.run(request).await;
    let metrics = &api.parts.http_metrics;
    let code = response.status().as_u16();
    metrics.durations.get_or_create(&HandlerLabels { handler: handler.clone() }).observe(since.elapsed().as_secs_f64());
    metrics.requests.get_or_create(&RequestLabels { handler, code }).inc();
    response
}

/// Exposes the registry, as OpenMetrics where the caller asks for it and as the classic text otherwise.
pub(crate) async fn expose(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let mut exposition = String::with_capacity(16 << 10);
    text::encode(&mut exposition, &api.parts.registry).map_err(|e| ApiError::internal(e.to_string()))?;
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    if accept.contains("application/openmetrics-text") {
        return Ok(([(header::CONTENT_TYPE, OPENMETRICS)], exposition).into_response());
    }
    Ok(([(header::CONTENT_TYPE, CLASSIC_TEXT)], to_classic_text(&exposition)).into_response())
}

/// The host exporter's exposition, at the address that scrape configurations name.
pub(crate) async fn expose_host(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let exporter = Arc::clone(&api.parts.host_exporter);
    let exposition = tokio::task::spawn_blocking(move || exporter())
        .await
        .map_err(|_| ApiError::internal("the host exporter failed"))?;
    Ok(([(header::CONTENT_TYPE, CLASSIC_TEXT)], exposition).into_response())
}
