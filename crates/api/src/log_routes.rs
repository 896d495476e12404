//! Every path of logs, and where it is answered.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post, put};

use crate::log_search::saved;
use crate::log_state::Logs;
use crate::loki::{delete, fields, index, labels, patterns, query, rules, status, tail};
use crate::router::Door;
use crate::state::Api;
use crate::{admin, elastic, jsonline, log_search, loki_push, otlp, prom_rules};

/// The routes of logs; none where the server keeps none.
pub(crate) fn routes(api: &Arc<Api>, door: Door) -> Router<Arc<Api>> {
    let Some(logs) = &api.logs else { return Router::new() };
    let mut routes = ways_in().merge(loki_api()).merge(legacy_api()).merge(searches());
    if door == Door::Loki {
        routes = routes.merge(loki_status());
    }
    routes
        .route("/ready", get(status::ready))
        .route("/flush", post(delete::flush).get(delete::flush))
        .with_state(logs.clone())
        .merge(ruler())
        .layer(from_fn_with_state(api.clone(), admin::require_ready))
}

/// The root page of Loki's port.
pub(crate) async fn loki_root() -> &'static str {
    "Afferent answers here as Loki does: push at /loki/api/v1/push, query at /loki/api/v1/query_range, /ready, /metrics.\n\
     The same is at the main port, with the web application.\n"
}

fn ways_in() -> Router<Arc<Logs>> {
    Router::new()
        .route("/loki/api/v1/push", post(loki_push::push))
        .route("/api/prom/push", post(loki_push::push_legacy))
        .route("/v1/logs", post(otlp::logs::over_http))
        .route("/otlp/v1/logs", post(otlp::logs::as_loki))
        .route(otlp::logs::EXPORT_PATH, post(otlp::logs::over_grpc))
        .route("/insert/jsonline", post(jsonline::push))
        .route("/_bulk", post(elastic::bulk).put(elastic::bulk))
        .route("/{index}/_bulk", post(elastic::bulk_into).put(elastic::bulk_into))
        .merge(elastic::probes(""))
        .merge(elastic::probes("/insert/elasticsearch"))
        .route("/insert/elasticsearch", get(elastic::about))
        .route("/insert/elasticsearch/", get(elastic::about))
        .route("/insert/elasticsearch/_bulk", post(elastic::bulk).put(elastic::bulk))
        .route("/insert/elasticsearch/{index}/_bulk", post(elastic::bulk_into).put(elastic::bulk_into))
}

fn loki_api() -> Router<Arc<Logs>> {
    let at = |path: &str| format!("/loki/api/v1{path}");
    Router::new()
        .route(&at("/query"), get(query::instant).post(query::instant))
        .route(&at("/query_range"), get(query::range).post(query::range))
        .route(&at("/labels"), get(labels::names).post(labels::names))
        .route(&at("/label"), get(labels::names).post(labels::names))
        .route(&at("/label/{name}/values"), get(labels::values).post(labels::values))
        .route(&at("/series"), get(labels::series).post(labels::series))
        .route(&at("/index/stats"), get(index::stats).post(index::stats))
        .route(&at("/index/volume"), get(index::volume).post(index::volume))
        .route(&at("/index/volume_range"), get(index::volume_range).post(index::volume_range))
        .route(&at("/index/shards"), get(index::shards).post(index::shards))
        .route(&at("/detected_labels"), get(fields::detected_labels).post(fields::detected_labels))
        .route(&at("/detected_fields"), get(fields::detected_fields).post(fields::detected_fields))
        .route(
            &at("/detected_field/{name}/values"),
            get(fields::detected_field_values).post(fields::detected_field_values),
        )
        .route(&at("/patterns"), get(patterns::patterns).post(patterns::patterns))
        .route(&at("/tail"), get(tail::tail))
        .route(&at("/format_query"), get(query::format_query).post(query::format_query))
        .route(&at("/delete"), post(delete::add).put(delete::add).get(delete::list).delete(delete::cancel))
        .route(&at("/drilldown-limits"), get(status::drilldown_limits))
        .route(&at("/status/buildinfo"), get(status::build_info))
        .route("/loki/{*rest}", any(status::not_found))
}

/// Rules over logs.
fn ruler() -> Router<Arc<Api>> {
    let mut routes = Router::new()
        .route("/prometheus/api/v1/rules", get(prom_rules::log_rules))
        .route("/prometheus/api/v1/alerts", get(prom_rules::log_alerts));
    for base in ["/loki/api/v1/rules", "/api/prom/rules"] {
        let namespace = format!("{base}/{{namespace}}");
        let group = format!("{namespace}/{{group}}");
        routes = routes
            .route(base, get(rules::all))
            .route(&namespace, get(rules::of_namespace).post(rules::refuse).delete(rules::refuse))
            .route(&group, get(rules::one).delete(rules::refuse));
    }
    routes
}

/// What Loki had before it was called so.
fn legacy_api() -> Router<Arc<Logs>> {
    Router::new()
        .route("/api/prom/query", get(query::range).post(query::range))
        .route("/api/prom/label", get(labels::legacy_names).post(labels::legacy_names))
        .route("/api/prom/label/{name}/values", get(labels::legacy_values).post(labels::legacy_values))
        .route("/api/prom/series", get(labels::series).post(labels::series))
        .route("/api/prom/tail", get(tail::tail))
}

/// Our own.
fn searches() -> Router<Arc<Logs>> {
    let at = |path: &str| format!("/api/afferent/v1/logs{path}");
    Router::new()
        .route(&at("/query"), get(log_search::query).post(log_search::query))
        .route(&at("/histogram"), get(log_search::histogram).post(log_search::histogram))
        .route(&at("/fields"), get(log_search::fields).post(log_search::fields))
        .route(&at("/around"), get(log_search::around).post(log_search::around))
        .route(&at("/searches"), get(saved::list))
        .route(&at("/searches/{name}"), put(saved::put).delete(saved::delete))
}

/// What stands at the root of Loki's own port.
fn loki_status() -> Router<Arc<Logs>> {
    Router::new()
        .route("/services", get(status::services))
        .route("/ring", get(status::ring))
        .route("/config", get(status::config))
        .route("/log_level", get(status::log_level))
}
