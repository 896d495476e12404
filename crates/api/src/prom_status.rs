//! `/api/v1/status/*`, `/api/v1/features` and `/version`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use metrics::NamedCount;
use promql::ast::{AggregateOp, FUNCTIONS};
use serde::Serialize;

use crate::answer::{Answer, success};
use crate::build::{APPLICATION_VERSION, COMPATIBLE_VERSION, REVISION};
use crate::errors::ApiError;
use crate::params::Params;
use crate::state::Api;
use crate::tenant::RequestTenant;
use crate::time_text::rfc3339;

/// Most entries that a list of `/api/v1/status/tsdb` may have.
const MAX_TOP: usize = 10_000;

const BINARY_OPERATORS: [&str; 21] = [
    "!=", "%", "*", "+", "-", "/", "</", "<", "<=", "==", ">", ">/", ">=", "^", "and", "atan2", "or", "unless", "=~",
    "!~", "@",
];

/// Prometheus' fields, and `application`, by which Grafana tells the systems that speak this API apart.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    application: &'static str,
    application_version: &'static str,
}

const BUILD_INFO: BuildInfo = BuildInfo {
    version: COMPATIBLE_VERSION,
    revision: REVISION,
    branch: "main",
    build_user: "",
    build_date: "",
    go_version: "",
    application: "Afferent",
    application_version: APPLICATION_VERSION,
};

pub(crate) async fn build_info() -> Answer {
    success(&BUILD_INFO)
}

/// The same without the envelope.
pub(crate) async fn version() -> Response {
    Json(BUILD_INFO).into_response()
}

#[derive(Serialize)]
struct ConfigText {
    yaml: String,
}

pub(crate) async fn config(State(api): State<Arc<Api>>) -> Answer {
    success(&ConfigText { yaml: api.parts.config.read().yaml.clone() })
}

pub(crate) async fn flags(State(api): State<Arc<Api>>) -> Answer {
    success(&api.parts.flags)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeInfo {
    start_time: String,
    #[serde(rename = "CWD")]
    cwd: String,
    hostname: String,
    server_time: String,
    reload_config_success: bool,
    last_config_time: String,
    corruption_count: u64,
    goroutine_count: usize,
    #[serde(rename = "GOMAXPROCS")]
    gomaxprocs: usize,
    #[serde(rename = "GOMEMLIMIT")]
    gomemlimit: i64,
    #[serde(rename = "GOGC")]
    gogc: &'static str,
    #[serde(rename = "GODEBUG")]
    godebug: &'static str,
    storage_retention: String,
    data_directory: String,
}

/// Goroutines are our tasks, `GOMAXPROCS` our worker threads; the rest of Go's settings has no meaning here.
pub(crate) async fn runtime_info(State(api): State<Arc<Api>>) -> Answer {
    let parts = &api.parts;
    let config = parts.config.read().clone();
    let runtime = tokio::runtime::Handle::current().metrics();
    success(&RuntimeInfo {
        start_time: rfc3339(api.started_at),
        cwd: std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default(),
        hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        server_time: rfc3339(parts.clock.now()),
        reload_config_success: config.last_reload_ok,
        last_config_time: rfc3339(config.loaded_at),
        corruption_count: parts.corruptions,
        goroutine_count: runtime.num_alive_tasks(),
        gomaxprocs: runtime.num_workers(),
        gomemlimit: parts.memory.total.and_then(|b| i64::try_from(b).ok()).unwrap_or(i64::MAX),
        gogc: "",
        godebug: "",
        storage_retention: model::duration::format_duration_ms(parts.retention_ms),
        data_directory: parts.data_dir.display().to_string(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TsdbStatus {
    head_stats: HeadView,
    series_count_by_metric_name: Vec<NamedCount>,
    label_value_count_by_label_name: Vec<NamedCount>,
    memory_in_bytes_by_label_name: Vec<NamedCount>,
    series_count_by_label_value_pair: Vec<NamedCount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadView {
    num_series: u64,
    num_label_pairs: u64,
    chunk_count: u64,
    min_time: i64,
    max_time: i64,
}

pub(crate) async fn tsdb(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let top = match params.get("limit") {
        "" => 10,
        text => match text.parse::<usize>() {
            Ok(top) if top > MAX_TOP => return Err(ApiError::bad_data(format!("limit must not exceed {MAX_TOP}"))),
            Ok(top) if top > 0 => top,
            _ => return Err(ApiError::bad_data("limit must be a positive number")),
        },
    };
    let store = Arc::clone(&api.parts.store);
    let stats = tokio::task::spawn_blocking(move || store.head_stats(&tenant.0, top))
        .await
        .map_err(|_| ApiError::internal("the store's figures could not be read"))?;
    success(&TsdbStatus {
        head_stats: HeadView {
            num_series: stats.active_series,
            num_label_pairs: stats.label_pairs,
            chunk_count: stats.chunks,
            min_time: stats.min_time,
            max_time: stats.max_time,
        },
        series_count_by_metric_name: stats.series_count_by_metric_name,
        label_value_count_by_label_name: stats.label_value_count_by_label_name,
        memory_in_bytes_by_label_name: stats.memory_in_bytes_by_label_name,
        series_count_by_label_value_pair: stats.series_count_by_label_value_pair,
    })
}

#[derive(Serialize)]
struct Blocks {
    blocks: Vec<BlockMeta>,
}

/// Prometheus' `meta.json` of a block; `ulid` is our file's name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockMeta {
    ulid: String,
    min_time: i64,
    max_time: i64,
    stats: BlockStats,
    compaction: Compaction,
    version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockStats {
    num_samples: u64,
    num_series: u64,
    num_chunks: u64,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Compaction {
    level: u32,
    sources: Vec<String>,
}

/// The tenant's blocks. A row of ours is what a chunk is there, the end of a block's time is the first moment after it, and
/// levels begin with 1.
pub(crate) async fn tsdb_blocks(State(api): State<Arc<Api>>, tenant: RequestTenant) -> Answer {
    let mut blocks = api.parts.store.blocks();
    blocks.retain(|block| block.tenant == tenant.0);
    blocks.sort_by_key(|block| block.range.start);
    let meta = |block: &metrics::BlockEntry| {
        let ulid = block.file_name().trim_end_matches(".parquet").to_owned();
        BlockMeta {
            min_time: block.range.start.ms(),
            max_time: block.range.end.ms() + 1,
            stats: BlockStats {
                num_samples: block.samples,
                num_series: block.series,
                num_chunks: block.rows,
                size_bytes: block.bytes,
            },
            compaction: Compaction { level: u32::from(block.level) + 1, sources: vec![ulid.clone()] },
            version: 1,
            ulid,
        }
    };
    success(&Blocks { blocks: blocks.iter().map(meta).collect() })
}

#[derive(Serialize)]
struct WalReplay {
    min: u64,
    max: u64,
    current: u64,
}

/// The log is replayed before the first request is answered, so there is never progress to report.
pub(crate) async fn wal_replay() -> Answer {
    success(&WalReplay { min: 0, max: 0, current: 0 })
}

/// What this server can do, by Prometheus' names of features.
pub(crate) async fn features(State(api): State<Arc<Api>>) -> Answer {
    let on = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), true)).collect::<BTreeMap<_, _>>();
    let mut of_api = on(&[
        "admin",
        "exclude_alerts",
        "label_values_match",
        "openapi_3.1",
        "openapi_3.2",
        "otlp_write_receiver",
        "query_stats",
        "query_warnings",
        "remote_write_receiver",
        "search",
        "search_fuzz_alg_jarowinkler",
        "search_fuzz_alg_subsequence",
        "time_range_labels",
        "time_range_series",
    ]);
    of_api.insert("lifecycle".to_owned(), api.parts.quit.is_some());
    let mut of_promql = on(&[
        "anchored",
        "at_modifier",
        "duration_expr",
        "fill",
        "fill_left",
        "fill_right",
        "negative_offset",
        "per_query_lookback_delta",
        "per_step_stats",
        "smoothed",
        "subqueries",
    ]);
    let options = api.engine().options().clone();
    of_promql.insert("delayed_name_removal".to_owned(), options.delayed_name_removal);
    of_promql.insert("type_and_unit_labels".to_owned(), options.type_and_unit_labels);
    of_promql.insert("use_start_timestamps".to_owned(), options.use_start_timestamps);
    let of_store = on(&["exemplar_storage", "native_histograms"]);
    let functions = FUNCTIONS.iter().map(|f| (f.name.to_owned(), true)).collect();
    let aggregations = AggregateOp::ALL.iter().map(|op| op.as_str());
    let operators = aggregations.chain(BINARY_OPERATORS).map(|op| (op.to_owned(), true)).collect();
    success(&BTreeMap::from([
        ("api", of_api),
        ("promql", of_promql),
        ("promql_functions", functions),
        ("promql_operators", operators),
        ("tsdb", of_store),
    ]))
}
