//! Every path that is served, and the layers around all of them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tracing::error;

use crate::errors::{ApiError, ErrorKind};
use crate::state::Api;
use crate::{
    admin, alertmanager, doors, elastic, federate, influx, log_routes, notifications, openapi, otlp, prom_admin,
    prom_exemplars, prom_labels, prom_parse, prom_query, prom_rules, prom_status, prom_targets, pushgateway, queries,
    remote_read, remote_write, search, self_metrics, self_metrics_json, status_cardinality, status_logs, status_store,
    ui,
};

/// What a request may take beyond the longest query, for reading its body and queueing.
const REQUEST_GRACE: Duration = Duration::from_secs(30);

/// Which port a router stands behind; ports differ in their root page only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The product's own port.
    Main,
    /// Prometheus' port 9090: `/` leads to the query page.
    Prometheus,
    /// Loki's port 3100: `/` says what is there.
    Loki,
    /// Alertmanager's port 9093: `/` says what is there.
    Alertmanager,
}

/// The whole HTTP surface.
pub fn router(api: Arc<Api>, door: Door) -> Router {
    let mut root = Router::new()
        .nest("/api/v1", prometheus_api(&api))
        .nest("/api/afferent/v1", own_api(&api))
        .nest("/internal", internal(&api))
        .merge(influx::routes(&api))
        .merge(pushgateway::routes(&api))
        .merge(log_routes::routes(&api, door))
        .merge(alertmanager::routes(&api))
        .route(
            "/federate",
            form(get(federate::federate).post(federate::federate))
                .layer(from_fn_with_state(api.clone(), admin::require_ready)),
        )
        .route("/metrics", get(self_metrics::expose))
        .route(
            "/v1/metrics",
            form(post(otlp::metrics_over_http)).layer(from_fn_with_state(api.clone(), admin::require_ready)),
        )
        .route(otlp::EXPORT_PATH, post(otlp::metrics_over_grpc))
        .route("/exporters/host", get(self_metrics::expose_host))
        .route("/version", get(prom_status::version))
        .route("/-/healthy", get(admin::healthy))
        .route("/-/ready", get(admin::ready).layer(from_fn_with_state(api.clone(), admin::require_ready)))
        .route("/-/reload", post(admin::reload).put(admin::reload).get(admin::only_post))
        .route("/-/quit", post(admin::quit).put(admin::quit).get(admin::only_post));
    root = match door {
        Door::Prometheus => root.route("/", get(ui::prometheus_root)),
        Door::Loki => root.route("/", get(log_routes::loki_root)),
        Door::Alertmanager => root.route("/", get(alertmanager::root)),
        Door::Main => root.route("/", get(main_root)),
    };
    let panics = api.parts.http_metrics.panics.clone();
    let compression = CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest);
    root.fallback(ui::fallback)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(api.clone(), self_metrics::measure))
                .layer(CatchPanicLayer::custom(move |panic: Box<dyn Any + Send>| {
                    panics.inc();
                    answer_panic(panic.as_ref())
                }))
                .layer(from_fn_with_state(api.clone(), doors::guard))
                .layer(from_fn_with_state(api.clone(), limit_time))
                .layer(compression),
        )
        .with_state(api)
}

fn prometheus_api(api: &Arc<Api>) -> Router<Arc<Api>> {
    Router::new()
        .route("/query", form(get(prom_query::instant).post(prom_query::instant)))
        .route("/query_range", form(get(prom_query::range).post(prom_query::range)))
        .route("/query_exemplars", form(get(prom_exemplars::query).post(prom_exemplars::query)))
        .route("/format_query", form(get(prom_parse::format_query).post(prom_parse::format_query)))
        .route("/parse_query", form(get(prom_parse::parse_query).post(prom_parse::parse_query)))
        .route("/labels", form(get(prom_labels::names).post(prom_labels::names)))
        .route("/label/{name}/values", form(get(prom_labels::values)))
        .route("/series", form(get(prom_labels::series).post(prom_labels::series)))
        .route("/write", form(post(remote_write::write)))
        .route("/otlp/v1/metrics", form(post(otlp::metrics_over_http)))
        .route("/read", form(post(remote_read::read)))
        // The Pushgateway's own API; Prometheus has nothing there.
        .route("/metrics", form(get(pushgateway::metrics)))
        .route("/status", form(get(pushgateway::status)))
        .route("/scrape_pools", form(get(prom_targets::scrape_pools)))
        .route("/scrape_pools/config", form(get(prom_targets::scrape_pool_config)))
        .route("/targets", form(get(prom_targets::targets)))
        .route("/targets/metadata", form(get(prom_targets::target_metadata)))
        .route("/targets/relabel_steps", form(get(prom_targets::relabel_steps)))
        .route("/metadata", form(get(prom_targets::metadata)))
        .route("/alertmanagers", form(get(prom_rules::alertmanagers)))
        .route("/rules", form(get(prom_rules::rules)))
        .route("/alerts", form(get(prom_rules::alerts).post(alertmanager::post_v1)))
        .route("/status/config", form(get(prom_status::config)))
        .route("/status/flags", form(get(prom_status::flags)))
        .route("/status/runtimeinfo", form(get(prom_status::runtime_info)))
        .route("/status/buildinfo", form(get(prom_status::build_info)))
        .route("/status/tsdb", form(get(prom_status::tsdb)))
        .route("/status/tsdb/blocks", form(get(prom_status::tsdb_blocks)))
        .route("/status/self_metrics", form(get(self_metrics_json::self_metrics)))
        .route("/features", form(get(prom_status::features)))
        .route("/search/metric_names", form(get(search::metric_names).post(search::metric_names)))
        .route("/search/label_names", form(get(search::label_names).post(search::label_names)))
        .route("/search/label_values", form(get(search::label_values).post(search::label_values)))
        .nest("/admin/tsdb", tsdb_admin(api))
        .layer(from_fn_with_state(api.clone(), admin::require_ready))
        // Answered while the server is starting or stopping, too.
        .route("/openapi.yaml", form(get(openapi::prometheus)))
        .route("/notifications", form(get(notifications::list)))
        .route("/notifications/live", form(get(notifications::live)))
        .route("/status/walreplay", form(get(prom_status::wal_replay)))
        .fallback(unknown_endpoint)
        .layer(from_fn_with_state(api.clone(), doors::cors))
}

fn tsdb_admin(api: &Arc<Api>) -> Router<Arc<Api>> {
    use prom_admin::{clean_tombstones, delete_series, snapshot};
    Router::new()
        .route("/delete_series", form(post(delete_series).put(delete_series)))
        .route("/clean_tombstones", form(post(clean_tombstones).put(clean_tombstones)))
        .route("/snapshot", form(post(snapshot).put(snapshot)))
        .layer(from_fn_with_state(api.clone(), prom_admin::guard))
        .fallback(unknown_endpoint)
}

/// What none of the systems that are replaced has.
fn own_api(api: &Arc<Api>) -> Router<Arc<Api>> {
    Router::new()
        .route("/explain", form(get(prom_query::explain).post(prom_query::explain)))
        .route("/queries", form(get(queries::all)))
        .route("/queries/{id}", form(get(queries::one).delete(queries::kill)))
        .route("/queries/{id}/kill", form(post(queries::kill)))
        .route("/status/store", form(get(status_store::store)))
        .route("/status/logs", form(get(status_logs::status)))
        .route("/status/shipper", form(get(status_logs::shipper)))
        .route("/status/cardinality", form(get(status_cardinality::cardinality)))
        .nest("/alerting", alertmanager::own::routes(form))
        .layer(from_fn_with_state(api.clone(), admin::require_ready))
        .route("/openapi.yaml", form(get(openapi::ours)))
        .fallback(unknown_endpoint)
        .layer(from_fn_with_state(api.clone(), doors::cors))
}

/// VictoriaMetrics' doors to its upkeep.
fn internal(api: &Arc<Api>) -> Router<Arc<Api>> {
    use prom_admin::{force_flush, force_merge};
    Router::new()
        .route("/force_flush", form(get(force_flush).post(force_flush)))
        .route("/force_merge", form(get(force_merge).post(force_merge)))
        .layer(from_fn_with_state(api.clone(), prom_admin::guard))
        .layer(from_fn_with_state(api.clone(), admin::require_ready))
        .fallback(unknown_endpoint)
}

/// Adds the answer to a wrong method.
fn form(routes: MethodRouter<Arc<Api>>) -> MethodRouter<Arc<Api>> {
    routes.fallback(wrong_method)
}

/// The application's page; senders of logs ask here whether this is Elasticsearch.
async fn main_root(State(api): State<Arc<Api>>, request: Request) -> Response {
    if api.logs.is_some() && elastic::is_client(request.headers()) {
        return elastic::about().await;
    }
    ui::fallback(request).await
}

async fn wrong_method() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n").into_response()
}

async fn unknown_endpoint(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("there is no endpoint {}", uri.path()))
}

/// Ends requests that nothing else ends, such as a body that never arrives.
async fn limit_time(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let limit = api.engine().options().timeout + REQUEST_GRACE;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(ErrorKind::Timeout, format!("the request took longer than {limit:?}")).into_response(),
    }
}

fn answer_panic(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = text.unwrap_or("(no text)"), "a request handler panicked");
    ApiError::internal("internal error: the request could not be answered, see the server's log").into_response()
}
