//! Putting the store together again after a stop of any kind: the catalogue, then the log. Nothing of the blocks is read.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use blocks::cache::Cache;
use blocks::disk::Disk;
use blocks::files::{FileStore, LocalFiles};
use blocks::wal::{Wal, WalOptions};
use model::{Tenant, Timestamp};
use parking_lot::Mutex;

use crate::head::{Head, Shared};
use crate::record;
use crate::shelf::Shelf;
use crate::{RecoveryReport, StoreError, StoreOptions};

/// Bytes that may wait to be written to the log.
const QUEUE_BYTES: usize = 16 << 20;

/// Everything a store consists of.
pub(crate) struct Recovered {
    pub(crate) heads: BTreeMap<Tenant, Arc<Mutex<Head>>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) wal: Wal,
    pub(crate) report: RecoveryReport,
}

/// Reads a data directory.
pub(crate) fn recover(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &StoreOptions,
    now: Timestamp,
) -> Result<Recovered, StoreError> {
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
    let cache = Arc::new(Cache::new(options.block_cache_bytes));
    let (shelf, catalogue) =
        Shelf::open(disk.clone(), dir, files, cache).map_err(fail("open the catalogue of blocks in", dir))?;
    catalogue.problems.iter().for_each(|problem| tracing::error!(problem, "the catalogue of blocks"));
    let view = shelf.view();
    let shared: Arc<Shared> = Arc::default();
    let mut heads: BTreeMap<Tenant, Arc<Mutex<Head>>> = BTreeMap::new();
    let mut replayed = 0;
    let mut visit = |payloads: &[&[u8]]| {
        let mut unreadable = Vec::new();
        for (number, payload) in payloads.iter().enumerate() {
            let Ok(batch) = record::decode(payload) else {
                unreadable.push(number);
                continue;
            };
            let make = || Arc::new(Mutex::new(Head::new(shared.clone(), options.page_bytes)));
            replayed += heads.entry(batch.tenant.clone()).or_insert_with(make).lock().restore(&batch, now.ms());
        }
        unreadable
    };
    let wal_options =
        WalOptions { sync: options.sync, segment_bytes: options.wal_segment_bytes, queue_bytes: QUEUE_BYTES };
    let (wal, log) = Wal::open(disk, &dir.join("wal"), wal_options, view.manifest.wal_from, &mut visit)?;
    let report = RecoveryReport {
        elapsed: begun.elapsed(),
        streams: heads.values().map(|head| head.lock().streams() as u64).sum(),
        blocks: view.blocks.len() as u64,
        replayed_entries: replayed,
        segments: log.segments,
        wal_bytes: log.bytes,
        torn_bytes: log.torn_bytes,
        damaged_records: log.damaged_records,
        damaged_bytes: log.damaged_bytes,
        quarantined_files: [catalogue.unreadable, log.quarantined].concat(),
        missing_blocks: catalogue.missing,
        problems: catalogue.problems,
    };
    Ok(Recovered { heads, shared, shelf: Arc::new(shelf), wal, report })
}
