//! Putting the store together again after a stop of any kind: the catalogue, then the head's own file, then the log. Nothing
//! of the blocks themselves is read.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use blocks::catalogue::{Misplaced, Source, Unreachable};
use blocks::disk::Disk;
use blocks::files::{FileStore, LocalFiles};
use blocks::wal::{Wal, WalOptions, WalRecovery};
use model::Tenant;

use crate::block::Caches;
use crate::head::{Head, Shared};
use crate::headlog::{HeadLog, HeadLogRecovery};
use crate::losses::LogDamage;
use crate::replay::{Replay, Replayed};
use crate::shelf::Shelf;
use crate::{RecoveryReport, StoreError, StoreOptions, losses};

/// Bytes that may wait to be written to the log.
const QUEUE_BYTES: usize = 64 << 20;
/// More threads would wait for each other.
const MOST_THREADS: usize = 8;

/// Everything a store consists of.
pub(crate) struct Recovered {
    pub(crate) heads: BTreeMap<Tenant, Arc<Head>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) headlog: HeadLog,
    pub(crate) wal: Wal,
    /// What of the logs is lost.
    pub(crate) damage: Vec<LogDamage>,
    pub(crate) report: RecoveryReport,
}

/// What the two logs hold.
struct Logs {
    headlog: HeadLog,
    headlog_recovery: HeadLogRecovery,
    wal: Wal,
    wal_recovery: WalRecovery,
    replayed: Replayed,
}

/// Reads a data directory.
pub(crate) fn recover(disk: Arc<dyn Disk>, dir: &Path, options: &StoreOptions) -> Result<Recovered, StoreError> {
    let begun = Instant::now();
    let fail = |action, path: &Path| {
        let path = path.display().to_string();
        move |source: io::Error| StoreError::Io { action, path, source }
    };
    disk.create_dir_all(dir).map_err(fail("create", dir))?;
    let files = match &options.files {
        Some(files) => files.clone(),
        None => {
            let blocks_dir = dir.join("blocks");
            let files = LocalFiles::new(disk.clone(), blocks_dir.clone()).map_err(fail("open", &blocks_dir))?;
            Arc::new(files) as Arc<dyn FileStore>
        }
    };
    let caches = Arc::new(Caches::new(options.block_cache_bytes));
    let (shelf, catalogue) = Shelf::open(disk.clone(), dir, files, caches).map_err(|error| match error.get_ref() {
        Some(reason) if reason.is::<Unreachable>() => {
            StoreError::Bucket { path: dir.display().to_string(), reason: reason.to_string() }
        }
        Some(reason) if reason.is::<Misplaced>() => {
            StoreError::Misplaced { path: dir.display().to_string(), reason: reason.to_string() }
        }
        _ => fail("open the catalogue of blocks in", dir)(error),
    })?;
    catalogue.problems.iter().for_each(|problem| tracing::error!(problem, "the catalogue of blocks"));
    let shelf = Arc::new(shelf);
    let view = shelf.view();
    let shared: Arc<Shared> = Arc::default();
    let logs = read_logs(disk, dir, options, view.manifest.wal_from, &shared)?;
    let (found, mut log, replayed) = (logs.headlog_recovery, logs.wal_recovery, logs.replayed);
    if matches!(catalogue.source, Source::Mirror | Source::Files) {
        // From where on the log is needed is not known then.
        log.missing.clear();
    }
    if !log.missing.is_empty() {
        tracing::error!(segments = ?log.missing, "segments of the log are gone, and the samples in them");
    }
    shared.next_id.store(replayed.highest_id + 1, Ordering::Relaxed);
    let damage = losses::of_logs(&log, found.damaged_records, view.manifest.wal_from, dir);
    let report = RecoveryReport {
        elapsed: begun.elapsed(),
        series: replayed.heads.values().map(|h| h.known.load(Ordering::Relaxed) as u64).sum(),
        blocks: view.blocks.len() as u64,
        replayed_samples: replayed.samples,
        segments: log.segments,
        wal_bytes: log.bytes,
        torn_bytes: log.torn_bytes + found.torn_bytes,
        damaged_records: log.damaged_records + found.damaged_records,
        damaged_bytes: log.damaged_bytes + found.damaged_bytes,
        orphaned_samples: replayed.orphaned,
        quarantined_files: [catalogue.unreadable, log.quarantined].concat(),
        missing_blocks: catalogue.missing,
        missing_segments: log.missing,
        problems: catalogue.problems,
    };
    Ok(Recovered { heads: replayed.heads, shared, shelf, headlog: logs.headlog, wal: logs.wal, damage, report })
}

fn read_logs(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &StoreOptions,
    wal_from: u64,
    shared: &Arc<Shared>,
) -> Result<Logs, StoreError> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let shards = options.shards.unwrap_or(2 * cores).clamp(1, 256);
    let make = |tenant: &Tenant| Arc::new(Head::new(tenant.clone(), shards, shared.clone()));
    let threads = cores.min(MOST_THREADS);
    let mut replay = Replay::new(threads, &make, options.exemplar_capacity);
    let (mut headlog, headlog_recovery) =
        HeadLog::open(disk.clone(), dir, &mut |payloads| replay.records(payloads, true));
    headlog.set_definitions(replay.definitions());
    let wal_options = WalOptions {
        sync: options.sync,
        segment_bytes: options.wal_segment_bytes,
        queue_bytes: options.memory_limit_bytes.map_or(QUEUE_BYTES, |head| (head as usize / 8).min(QUEUE_BYTES)),
    };
    let (wal, wal_recovery) =
        Wal::open(disk, &dir.join("wal"), wal_options, wal_from, &mut |payloads| replay.records(payloads, false))?;
    Ok(Logs { headlog, headlog_recovery, wal, wal_recovery, replayed: replay.finish() })
}
