//! What a store tells of itself and of its load, and the limits that it holds writers to.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use blocks::plan::next_job_without;
use model::Tenant;

use super::Store;
use crate::cardinality::cardinality;
use crate::head::Limits;
use crate::pace::Counted;
use crate::stats::{self, get};
use crate::{
    BlockEntry, Cardinality, CardinalityRequest, HeadStats, LimitTable, Pace, PendingWork, Rate, StoreOptions,
    StoreStats,
};

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
        let cache = self.shelf.shared().counts();
        StoreStats {
            tenants: heads.len() as u64,
            active_series: heads.iter().map(|h| h.active.load(Ordering::Relaxed) as u64).sum(),
            series: heads.iter().map(|h| h.known.load(Ordering::Relaxed) as u64).sum(),
            samples_appended: get(&self.counters.appended),
            samples_rejected: self.counters.refused(),
            wal_bytes: get(&wal.disk_bytes),
            wal_written_bytes: get(&wal.written_bytes),
            memory_bytes: self.memory(),
            blocks: entries().count() as u64,
            block_bytes: entries().map(|entry| entry.bytes).sum(),
            levels: stats::levels(entries()),
            block_range: stats::range(entries()),
            flush_is_pending: self.flush_is_pending.load(Ordering::Relaxed),
            flushed_samples: get(&self.counters.flushed_samples),
            block_cache_bytes: cache.bytes as u64,
            block_cache_hits: cache.hits,
            block_cache_misses: cache.misses,
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

    /// What the store was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Where the series of one tenant's head come from.
    pub fn cardinality(&self, tenant: &Tenant, request: &CardinalityRequest) -> Cardinality {
        let now_ms = self.clock.now().ms();
        self.head(tenant).map(|head| cardinality(&head, request, now_ms)).unwrap_or_default()
    }

    /// Where finished blocks lie, for people, and whether that outlives this machine's disk.
    pub fn block_place(&self) -> (String, bool) {
        let files = self.shelf.files();
        (files.describe(), files.is_remote())
    }

    /// How many samples came in, by the minutes of the last hour.
    pub fn rates(&self) -> Vec<Rate> {
        self.moments.rates()
    }

    /// How fast samples and series come in.
    pub fn pace(&self) -> Pace {
        self.moments.pace(self.clock.now(), self.counted())
    }

    pub(super) fn counted(&self) -> Counted {
        Counted {
            samples: get(&self.counters.appended),
            series_created: get(&self.counters.series_created),
            series_removed: get(&self.counters.series_removed),
        }
    }

    /// What is to be done, as far as it can be told now; at most `limit` merges.
    pub fn pending(&self, limit: usize) -> PendingWork {
        let maintenance = self.maintenance.try_lock();
        let view = self.shelf.view();
        let mut entries = view.manifest.blocks.clone();
        let expired = self.compactor.expired(&entries, self.clock.now());
        let expired_bytes = entries.iter().filter(|entry| expired.contains(&entry.id)).map(|entry| entry.bytes).sum();
        entries.retain(|entry| !expired.contains(&entry.id));
        let mut merges = Vec::new();
        let held = self.compactor.held.ids();
        while merges.len() < limit
            && let Some(job) = next_job_without(&entries, &held, self.clock.now(), self.compactor.plan())
        {
            entries.retain(|entry| !job.inputs.contains(&entry.id));
            merges.push(job);
        }
        PendingWork {
            flush_is_running: maintenance.is_none(),
            since_flush: maintenance.map(|maintenance| maintenance.last_flush.elapsed()),
            merges,
            expired_blocks: expired.len() as u64,
            expired_bytes,
            deletions: view.manifest.tombstones.len() as u64,
        }
    }

    /// Puts other limits in force, for what comes from now on.
    pub fn set_limits(&self, limits: LimitTable) {
        *self.limits.write() = limits;
    }

    pub(super) fn limits(&self, tenant: &Tenant) -> Limits {
        let (now, tenant) = (self.clock.now(), self.limits.read().of(tenant));
        let aged = tenant.sample_age_ms.map_or(i64::MIN, |age| now.plus_ms(age.saturating_neg()).ms());
        Limits {
            oldest: self.cutoff().max(aged),
            newest: now.plus_ms(tenant.sample_future_ms.unwrap_or(self.options.future_limit_ms)).ms(),
            window_ms: self.options.out_of_order_window_ms,
            series: tenant.series.unwrap_or(usize::MAX),
            exemplars: self.options.exemplar_capacity,
            tenant,
        }
    }
}
