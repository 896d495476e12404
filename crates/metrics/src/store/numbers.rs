//! What a store tells of itself.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use model::Tenant;

use super::Store;
use crate::stats::{self, REASONS, get};
use crate::{BlockEntry, HeadStats, StoreStats};

impl Store {
    /// The blocks that count, by id.
    pub fn blocks(&self) -> Vec<BlockEntry> {
        self.shelf.view().manifest.blocks.clone()
    }

    /// Numbers about the whole store.
    pub fn stats(&self) -> StoreStats {
        let heads = self.all_heads();
        let view = self.shelf.view();
        let entries = || view.manifest.blocks.iter();
        let wal = self.wal.counters();
        StoreStats {
            tenants: heads.len() as u64,
            active_series: heads.iter().map(|h| h.active.load(Ordering::Relaxed) as u64).sum(),
            series: heads.iter().map(|h| h.known.load(Ordering::Relaxed) as u64).sum(),
            samples_appended: get(&self.counters.appended),
            samples_rejected: REASONS.iter().zip(&self.counters.rejected).map(|(r, n)| (r.as_str(), get(n))).collect(),
            wal_bytes: get(&wal.disk_bytes),
            wal_written_bytes: get(&wal.written_bytes),
            memory_bytes: self.memory(),
            blocks: entries().count() as u64,
            block_bytes: entries().map(|entry| entry.bytes).sum(),
            levels: stats::levels(entries()),
            block_range: stats::range(entries()),
            flush_is_pending: self.flush_is_pending.load(Ordering::Relaxed),
            flushed_samples: get(&self.counters.flushed_samples),
            block_cache_bytes: self.shelf.caches().counts().bytes as u64,
            chunks: heads.iter().map(|h| h.chunks.load(Ordering::Relaxed).max(0) as u64).sum(),
            damaged_reads: get(&self.shelf.damaged_reads),
            replay_time: self.replay_time,
        }
    }

    /// Numbers about one tenant's head, with the `top` entries of each list.
    pub fn head_stats(&self, tenant: &Tenant, top: usize) -> HeadStats {
        match self.head(tenant) {
            Some(head) => stats::head_stats(&head, top),
            None => HeadStats { min_time: i64::MAX, max_time: i64::MIN, ..HeadStats::default() },
        }
    }

    /// Tenants with data, sorted.
    pub fn tenants(&self) -> Vec<Tenant> {
        let view = self.shelf.view();
        let in_blocks = view.manifest.blocks.iter().map(|entry| entry.tenant.clone());
        let all: BTreeSet<Tenant> = self.heads.read().keys().cloned().chain(in_blocks).collect();
        all.into_iter().collect()
    }
}
