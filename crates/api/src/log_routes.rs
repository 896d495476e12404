//! Every path of logs, and where it is answered.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::logs::Logs;
use crate::state::Api;
use crate::{admin, elastic, jsonline, loki_push, otlp};

/// The routes of logs; none where the server keeps none.
pub(crate) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    let Some(logs) = &api.logs else { return Router::new() };
    ways_in().layer(from_fn_with_state(api.clone(), admin::require_ready)).with_state(logs.clone())
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
