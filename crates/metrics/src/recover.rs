//! Putting the heads together again after a stop of any kind: parts, then the head's own file, then the log.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use blocks::disk::Disk;
use blocks::wal::{Wal, WalOptions};
use hashbrown::HashMap;
use model::Tenant;

use crate::head::{Head, Shared};
use crate::headlog::HeadLog;
use crate::parts::Parts;
use crate::record::{self, Entry};
use crate::{RecoveryReport, StoreError, StoreOptions};

/// Bytes that may wait to be written to the log.
const QUEUE_BYTES: usize = 64 << 20;

/// Everything a store consists of.
pub(crate) struct Recovered {
    pub(crate) heads: BTreeMap<Tenant, Arc<Head>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) parts: Arc<Parts>,
    pub(crate) headlog: HeadLog,
    pub(crate) wal: Wal,
    pub(crate) report: RecoveryReport,
}

struct Replay {
    heads: BTreeMap<Tenant, Arc<Head>>,
    shared: Arc<Shared>,
    parts: Arc<Parts>,
    shards: usize,
    exemplar_capacity: usize,
    by_id: HashMap<u64, (Arc<Head>, u32)>,
    highest_id: u64,
    samples: u64,
    orphaned: u64,
    definitions: u64,
    scratch: String,
}

impl Replay {
    fn head(&mut self, tenant: &str) -> Option<Arc<Head>> {
        let tenant = Tenant::new(tenant).ok()?;
        let (shards, parts, shared) = (self.shards, &self.parts, &self.shared);
        let make = || Arc::new(Head::new(tenant.clone(), shards, parts.clone(), shared.clone()));
        Some(self.heads.entry(tenant.clone()).or_insert_with(make).clone())
    }

    fn record(&mut self, payload: &[u8], is_headlog: bool) -> bool {
        let mut current: Option<(String, Arc<Head>)> = None;
        let result = record::decode(payload, &mut |tenant, entry| {
            if current.as_ref().is_none_or(|(name, _)| name != tenant) {
                current = self.head(tenant).map(|head| (tenant.to_owned(), head));
            }
            if let Some((_, head)) = &current {
                self.entry(&head.clone(), entry, is_headlog);
            }
        });
        if let Err(error) = &result {
            tracing::error!(%error, "a record of the log cannot be read");
        }
        result.is_ok()
    }

    fn entry(&mut self, head: &Arc<Head>, entry: Entry<'_>, is_headlog: bool) {
        match entry {
            Entry::Series(id, labels) => {
                self.highest_id = self.highest_id.max(id);
                self.definitions += u64::from(is_headlog);
                if self.by_id.contains_key(&id) {
                    return;
                }
                let slot = head.restore(id, labels, &mut self.scratch, is_headlog);
                self.by_id.insert(id, (head.clone(), slot));
            }
            Entry::Sample(id, sample) => {
                self.highest_id = self.highest_id.max(id);
                match self.by_id.get(&id) {
                    Some((head, slot)) => {
                        head.replay(*slot, &sample);
                        self.samples += 1;
                    }
                    None => self.orphaned += 1,
                }
            }
            Entry::Exemplar(id, exemplar) => {
                if let (Some((head, slot)), Some(time)) = (self.by_id.get(&id), exemplar.timestamp) {
                    head.push_exemplar((id, *slot), &exemplar, time.ms(), self.exemplar_capacity, is_headlog);
                }
            }
            Entry::Metadata(family, metadata) => {
                head.set_metadata(family, &metadata, is_headlog);
            }
        }
    }
}

/// Reads a data directory.
pub(crate) fn recover(disk: Arc<dyn Disk>, dir: &Path, options: &StoreOptions) -> Result<Recovered, StoreError> {
    let begun = Instant::now();
    let parts_dir = dir.join("parts");
    let fail = |action, path: &Path| {
        let path = path.display().to_string();
        move |source: io::Error| StoreError::Io { action, path, source }
    };
    disk.create_dir_all(dir).map_err(fail("create", dir))?;
    let (parts, quarantined) = Parts::open(disk.clone(), &parts_dir).map_err(fail("open", &parts_dir))?;
    let parts = Arc::new(parts);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut replay = Replay {
        heads: BTreeMap::new(),
        shared: Arc::default(),
        parts: parts.clone(),
        shards: options.shards.unwrap_or(2 * cores).clamp(1, 256),
        exemplar_capacity: options.exemplar_capacity,
        by_id: HashMap::new(),
        highest_id: parts.max_id(),
        samples: 0,
        orphaned: 0,
        definitions: 0,
        scratch: String::new(),
    };
    let (mut headlog, found) = HeadLog::open(disk.clone(), dir, &mut |payload| replay.record(payload, true));
    headlog.set_definitions(replay.definitions);
    let wal_options =
        WalOptions { sync: options.sync, segment_bytes: options.wal_segment_bytes, queue_bytes: QUEUE_BYTES };
    let keep_from = parts.wal_from();
    let (wal, log) =
        Wal::open(disk, &dir.join("wal"), wal_options, keep_from, &mut |payload| replay.record(payload, false))?;
    replay.shared.next_id.store(replay.highest_id + 1, Ordering::Relaxed);
    let stored = parts.snapshot().iter().map(|p| p.range()).collect::<Vec<_>>();
    for head in replay.heads.values() {
        stored.iter().for_each(|range| head.widen(range.start.ms(), range.end.ms()));
    }
    let report = RecoveryReport {
        elapsed: begun.elapsed(),
        series: replay.heads.values().map(|h| h.known.load(Ordering::Relaxed) as u64).sum(),
        replayed_samples: replay.samples,
        segments: log.segments,
        wal_bytes: log.bytes,
        torn_bytes: log.torn_bytes + found.torn_bytes,
        damaged_records: log.damaged_records + found.damaged_records,
        damaged_bytes: log.damaged_bytes + found.damaged_bytes,
        orphaned_samples: replay.orphaned,
        quarantined_files: [quarantined, log.quarantined].concat(),
    };
    Ok(Recovered { heads: replay.heads, shared: replay.shared, parts, headlog, wal, report })
}
