//! `GET /api/afferent/v1/status/logs`: what the log store holds, what comes in and what is refused. `.../shipper`: what the
//! shipper within the server reads.

use std::sync::Arc;

use axum::extract::State;
use serde_json::json;

use crate::answer::{Answer, success};
use crate::errors::{ApiError, ErrorKind};
use crate::state::Api;

pub(crate) async fn status(State(api): State<Arc<Api>>) -> Answer {
    let Some(logs) = &api.logs else {
        return Err(ApiError::new(ErrorKind::NotFound, "this server keeps no logs"));
    };
    let store = logs.store.clone();
    let stats = tokio::task::spawn_blocking(move || store.stats());
    let stats = stats.await.map_err(|_| ApiError::internal("the store could not be asked"))?;
    let config = logs.intake.config();
    let rejected: serde_json::Map<String, serde_json::Value> =
        stats.entries_rejected.iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
    let levels: Vec<_> = stats
        .levels
        .iter()
        .map(|level| json!({"level": level.level, "blocks": level.blocks, "bytes": level.bytes}))
        .collect();
    success(&json!({
        "head": {
            "tenants": stats.tenants,
            "streams": stats.streams,
            "entries": stats.head_entries,
            "bytes": stats.head_bytes,
            "sinceFlushMs": stats.since_flush.as_millis() as u64,
        },
        "wal": {"bytes": stats.wal_bytes, "writtenBytes": stats.wal_written_bytes},
        "blocks": {
            "count": stats.blocks,
            "bytes": stats.block_bytes,
            "entries": stats.block_entries,
            "minTime": stats.block_range.map(|(first, _)| first),
            "maxTime": stats.block_range.map(|(_, last)| last),
            "levels": levels,
            "damagedReads": stats.damaged_reads,
            "cacheBytes": stats.block_cache_bytes,
        },
        "retention": {
            "isEnabled": config.compactor.retention_enabled,
            "keepMs": config.limits.retention_period.ms(),
            "rules": config.limits.retention_stream.len(),
            "pendingDeletions": stats.deletions,
        },
        "ingestion": {
            "entries": stats.entries_appended,
            "bytes": stats.bytes_appended,
            "duplicates": stats.duplicates,
            "rejected": rejected,
        },
        "flushes": stats.flushes,
        "flushedEntries": stats.flushed_entries,
        "compactions": stats.compactions,
        "failedCompactions": stats.failed_compactions,
    }))
}

pub(crate) async fn shipper(State(api): State<Arc<Api>>) -> Answer {
    success(&(api.parts.shipper)())
}
