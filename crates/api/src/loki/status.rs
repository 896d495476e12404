//! What one process answers where Loki tells of its parts: readiness, services, rings, configuration, version, rules.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::answer::json as json_answer;
use crate::log_state::{LogTenant, Logs};

/// The Loki whose interface is answered; clients choose their requests by it.
const COMPATIBLE_VERSION: &str = "3.5.0";
/// What runs within the process, as Loki names its parts.
const SERVICES: [&str; 6] = ["distributor", "ingester", "querier", "compactor", "server", "store"];

pub(crate) async fn ready() -> &'static str {
    "ready\n"
}

pub(crate) async fn services() -> String {
    SERVICES.iter().map(|service| format!("{service} => Running\n")).collect()
}

pub(crate) async fn ring() -> Html<&'static str> {
    Html(
        "<!DOCTYPE html>\n<html><head><meta charset=\"UTF-8\"><title>Ring Status</title></head><body>\n<h1>Ring Status</h1>\n\
         <p>There is no ring: this server is one process.</p>\n\
         <table><tr><th>Instance ID</th><th>State</th></tr><tr><td>afferent</td><td>ACTIVE</td></tr></table>\n</body></html>\n",
    )
}

pub(crate) async fn config(State(logs): State<Arc<Logs>>) -> String {
    logs.intake.config().to_yaml()
}

pub(crate) async fn log_level() -> Response {
    let level = tracing::level_filters::LevelFilter::current().to_string().to_lowercase();
    json_answer(json!({"message": format!("Current log level is {level}")}).to_string())
}

pub(crate) async fn build_info() -> Response {
    let body = json!({
        "version": COMPATIBLE_VERSION,
        "revision": crate::REVISION,
        "branch": "HEAD",
        "buildUser": "afferent",
        "buildDate": "",
        "goVersion": "",
    });
    json_answer(body.to_string())
}

/// What Grafana's Logs Drilldown asks before it starts.
pub(crate) async fn drilldown_limits(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant) -> Response {
    let config = logs.intake.config();
    let limits = config.limits_of(&tenant);
    let retention = limits
        .retention_stream
        .iter()
        .map(|rule| json!({"selector": rule.selector, "priority": rule.priority, "period": rule.period.to_string()}));
    let body = json!({
        "limits": {
            "discover_log_levels": limits.discover_log_levels,
            "discover_service_name": limits.discover_service_name,
            "log_level_fields": limits.log_level_fields,
            "max_entries_limit_per_query": limits.max_entries_limit_per_query,
            "max_line_size_truncate": limits.max_line_size_truncate,
            "max_query_bytes_read": "0B",
            "max_query_length": limits.max_query_length.to_string(),
            "max_query_lookback": limits.max_query_lookback.to_string(),
            "max_query_range": limits.max_query_range.to_string(),
            "max_query_series": limits.max_query_series,
            "metric_aggregation_enabled": false,
            "pattern_persistence_enabled": false,
            "query_timeout": limits.query_timeout.map_or_else(|| "1m".to_owned(), |timeout| timeout.to_string()),
            "retention_period": limits.retention_period.to_string(),
            "retention_stream": retention.collect::<Vec<_>>(),
            "volume_enabled": limits.volume_enabled,
            "volume_max_series": limits.volume_max_series,
        },
        "pattern_ingester_enabled": true,
        "version": COMPATIBLE_VERSION,
    });
    json_answer(body.to_string())
}

/// What no route has taken below Loki's paths.
pub(crate) async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}
