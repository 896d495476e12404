//! `GET /api/afferent/v1/status/store`: blocks, the work that waits, memory, what comes in and what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use metrics::{BlockEntry, DamageReport, LevelStats, PendingWork, Rate};
use serde::Serialize;

use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::state::Api;

/// Blocks that are listed, the newest; the rest is in the sums.
const MOST_BLOCKS: usize = 1000;
/// Losses that are listed.
const MOST_LOSSES: usize = 100;
/// Merges that wait and are listed.
const MOST_JOBS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreStatus {
    head: HeadView,
    wal: WalView,
    blocks: BlocksView,
    damage: DamageView,
    /// Merges of blocks that are due.
    pending_jobs: Vec<JobView>,
    pending_flush: FlushView,
    pending_retention: PendingRetentionView,
    retention: RetentionView,
    ingestion: IngestionView,
    memory: MemoryView,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadView {
    tenants: u64,
    active_series: u64,
    series: u64,
    chunks: u64,
    /// Samples that are in blocks still take memory, because a reader began before.
    flush_is_pending: bool,
    flushed_samples: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WalView {
    bytes: u64,
    written_bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlocksView {
    count: u64,
    bytes: u64,
    samples: u64,
    min_time: Option<i64>,
    max_time: Option<i64>,
    levels: Vec<LevelStats>,
    damaged_reads: u64,
    /// Where they lie: a directory, or the address of a bucket.
    place: String,
    is_remote: bool,
    /// The newest first.
    list: Vec<BlockView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockView {
    file: String,
    tenant: String,
    level: u8,
    min_time: i64,
    max_time: i64,
    series: u64,
    rows: u64,
    samples: u64,
    bytes: u64,
    /// 0 where samples are as they came in.
    resolution_ms: i64,
    created_ms: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobView {
    tenant: String,
    blocks: usize,
    bytes: u64,
    /// The level of the highest block that it writes.
    to_level: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DamageView {
    /// Rows that readers could not read since the start.
    damaged_reads: u64,
    /// Files that were put aside, and their bytes.
    quarantined_files: u64,
    quarantined_bytes: u64,
    /// Files of pushed groups that the start put aside.
    damaged_push_groups: u64,
    /// Spans of time that queries warn of, the newest first.
    losses: Vec<LossView>,
    /// All of them; the list has at most 100.
    loss_count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LossView {
    /// Absent where it may be anyone's.
    tenant: Option<String>,
    min_time: i64,
    max_time: i64,
    what: String,
    /// From the store's directory on.
    file: Option<String>,
    /// Rows of a block that could not be read.
    rows: u64,
    noticed_ms: i64,
}

/// The next flush is due when one of the two bounds is reached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FlushView {
    is_running: bool,
    since_last_ms: Option<u64>,
    every_ms: u64,
    wal_bytes: u64,
    wal_limit_bytes: u64,
}

/// Blocks past their retention, and deletions whose samples still take space.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PendingRetentionView {
    blocks: u64,
    bytes: u64,
    deletions: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RetentionView {
    /// Age at which samples go that no rule speaks of.
    keep_ms: i64,
    /// Bytes of blocks that are kept at most.
    max_bytes: Option<u64>,
    rules: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RateView {
    time: i64,
    samples_per_second: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IngestionView {
    samples: u64,
    samples_per_second: f64,
    /// Over `series_over_ms`.
    samples_per_second_over_hour: f64,
    /// The minutes of the last hour that have ended, the oldest first.
    rates: Vec<RateView>,
    series_created_per_hour: f64,
    series_removed_per_hour: f64,
    /// Time that the series were counted over.
    series_over_ms: i64,
    /// Samples refused since the start, by reason.
    rejected: BTreeMap<&'static str, u64>,
}

/// Bytes; the limits are shares of the memory budget.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemoryView {
    budget: Option<u64>,
    /// What the process took when it was last looked up.
    resident: Option<u64>,
    head: u64,
    head_limit: Option<u64>,
    block_cache: u64,
    block_cache_limit: u64,
    block_cache_hits: u64,
    block_cache_misses: u64,
    queries: u64,
    /// Absent where there is none.
    queries_limit: Option<u64>,
}

pub(crate) async fn store(State(api): State<Arc<Api>>) -> Answer {
    let status = tokio::task::spawn_blocking(move || gather(&api));
    success(&status.await.map_err(|_| ApiError::internal("the store's figures could not be read"))?)
}

fn gather(api: &Api) -> StoreStatus {
    let store = &api.parts.store;
    let (stats, blocks, options) = (store.stats(), store.blocks(), store.options());
    let pace = store.pace();
    let (place, is_remote) = store.block_place();
    let engine = api.engine();
    let query_memory = &engine.options().memory;
    let pending = store.pending(MOST_JOBS);
    StoreStatus {
        head: HeadView {
            tenants: stats.tenants,
            active_series: stats.active_series,
            series: stats.series,
            chunks: stats.chunks,
            flush_is_pending: stats.flush_is_pending,
            flushed_samples: stats.flushed_samples,
        },
        wal: WalView { bytes: stats.wal_bytes, written_bytes: stats.wal_written_bytes },
        blocks: BlocksView {
            count: stats.blocks,
            bytes: stats.block_bytes,
            samples: blocks.iter().map(|block| block.samples).sum(),
            min_time: stats.block_range.map(|(from, _)| from),
            max_time: stats.block_range.map(|(_, to)| to),
            levels: stats.levels,
            damaged_reads: stats.damaged_reads,
            place,
            is_remote,
            list: blocks.iter().rev().take(MOST_BLOCKS).map(block_view).collect(),
        },
        damage: damage_view(store.damage(), stats.damaged_reads, api.pushgateway.damaged()),
        pending_flush: FlushView {
            is_running: pending.flush_is_running,
            since_last_ms: pending.since_flush.map(|since| since.as_millis() as u64),
            every_ms: options.flush_interval.as_millis() as u64,
            wal_bytes: stats.wal_bytes,
            wal_limit_bytes: options.flush_wal_bytes,
        },
        pending_retention: retention_view(&pending),
        pending_jobs: pending
            .merges
            .iter()
            .map(|job| JobView {
                tenant: job.tenant.to_string(),
                blocks: job.inputs.len(),
                bytes: job.input_bytes,
                to_level: job.outputs.iter().map(|output| output.level).max().unwrap_or(0),
            })
            .collect(),
        retention: RetentionView {
            keep_ms: options.retention_ms,
            max_bytes: options.max_block_bytes,
            rules: options.retention_rules.len(),
        },
        ingestion: IngestionView {
            samples: stats.samples_appended,
            samples_per_second: pace.samples_per_second,
            samples_per_second_over_hour: pace.samples_per_second_over_hour,
            rates: store.rates().into_iter().map(rate_view).collect(),
            series_created_per_hour: pace.series_created_per_hour,
            series_removed_per_hour: pace.series_removed_per_hour,
            series_over_ms: pace.series_over_ms,
            rejected: stats.samples_rejected.into_iter().collect(),
        },
        memory: MemoryView {
            budget: api.parts.memory.total,
            resident: api.parts.memory.resident.as_ref().map(|resident| resident.bytes()),
            head: stats.memory_bytes,
            head_limit: options.memory_limit_bytes,
            block_cache: stats.block_cache_bytes,
            block_cache_limit: options.block_cache_bytes as u64,
            block_cache_hits: stats.block_cache_hits,
            block_cache_misses: stats.block_cache_misses,
            queries: query_memory.used() as u64,
            queries_limit: (query_memory.limit() < usize::MAX).then(|| query_memory.limit() as u64),
        },
    }
}

fn damage_view(report: DamageReport, damaged_reads: u64, damaged_push_groups: u64) -> DamageView {
    let loss = |loss: &metrics::Loss| LossView {
        tenant: loss.tenant.as_ref().map(ToString::to_string),
        min_time: loss.range.start.ms(),
        max_time: loss.range.end.ms(),
        what: loss.what.clone(),
        file: loss.file.clone(),
        rows: loss.rows,
        noticed_ms: loss.noticed_ms,
    };
    DamageView {
        damaged_reads,
        quarantined_files: report.quarantined_files,
        quarantined_bytes: report.quarantined_bytes,
        damaged_push_groups,
        losses: report.losses.iter().take(MOST_LOSSES).map(loss).collect(),
        loss_count: report.losses.len(),
    }
}

fn rate_view(rate: Rate) -> RateView {
    RateView { time: rate.time_ms, samples_per_second: rate.samples_per_second }
}

fn retention_view(pending: &PendingWork) -> PendingRetentionView {
    PendingRetentionView { blocks: pending.expired_blocks, bytes: pending.expired_bytes, deletions: pending.deletions }
}

fn block_view(block: &BlockEntry) -> BlockView {
    BlockView {
        file: block.file_name(),
        tenant: block.tenant.to_string(),
        level: block.level,
        min_time: block.range.start.ms(),
        max_time: block.range.end.ms(),
        series: block.series,
        rows: block.rows,
        samples: block.samples,
        bytes: block.bytes,
        resolution_ms: block.resolution_ms,
        created_ms: block.created_ms,
    }
}
