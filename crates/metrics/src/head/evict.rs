//! How samples and series leave a head.
//!
//! Samples leave when they are in blocks and every reader sees these blocks. A series without samples that went stale or
//! idle leaves with them, unless the head alone has exemplars of it. It leaves in two steps: it is retired, so that neither
//! a selection nor a sample finds it any more (a sample makes a new series), and later it is freed, together with its
//! symbols: after the readers that may have found it are gone, and after one more flush, so that the head's own file never
//! lacks a series that the log still names.

use std::sync::atomic::Ordering;

use model::TimeRange;
use roaring::RoaringBitmap;

use super::Weight;
use super::{Head, restore};

/// What only maintenance touches.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// Slots of the series in the order of blocks, as of the last flush.
    pub(crate) order: Vec<u32>,
    retired: Vec<Retired>,
}

#[derive(Debug)]
struct Retired {
    slot: u32,
    /// Readers of this epoch and later cannot have found it.
    epoch: u64,
    /// The flush after which it was retired.
    flush: u64,
}

/// When series count as idle. Seconds on the store's own count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) now: u32,
    pub(crate) after: u32,
}

impl Head {
    /// The flush under way is committed: from now on the samples that it took are read from blocks, by those who see these.
    pub(crate) fn mark_flushed(&self) {
        self.each_page(|shard, page| {
            for (_, series) in self.shards[shard].write().page_mut(page) {
                series.flushed();
            }
        });
    }

    /// The flush under way has failed.
    pub(crate) fn keep_unflushed(&self) {
        self.each_page(|shard, page| {
            for (_, series) in self.shards[shard].write().page_mut(page) {
                series.keep_unflushed();
            }
        });
    }

    /// Samples of these series in a range are deleted: the newest ones must not stand in the way of their like.
    pub(crate) fn forget_newest(&self, slots: &RoaringBitmap, range: TimeRange) {
        for slot in slots {
            if let Some(series) = self.shards[self.shard_of_slot(slot)].write().get_mut(self.local(slot)) {
                series.forget_newest(range);
            }
        }
    }

    fn each_page(&self, mut visit: impl FnMut(usize, usize)) {
        for shard in 0..self.shards.len() {
            let pages = self.shards[shard].read().page_count();
            (0..pages).for_each(|page| visit(shard, page));
        }
    }

    /// Drops samples that every reader reads from blocks, and retires series that are finished; answers the slots of these.
    /// `is_marked` says whether [`Head::mark_flushed`] was called before.
    pub(crate) fn drop_flushed(&self, is_marked: bool, idle: Idle) -> Vec<u32> {
        let held = self.exemplars.lock().series_only_here();
        let mut retired = Vec::new();
        let mut oldest = i64::MAX;
        self.each_page(|number, page| {
            let mut shard = self.shards[number].write();
            let mut finished = Vec::new();
            for (local, series) in shard.page_mut(page) {
                let before = series.weight();
                if !is_marked {
                    series.flushed();
                }
                series.drop_durable();
                self.account_since(before, series);
                oldest = oldest.min(series.first_time);
                if series.is_finished(idle.now, idle.after) && !held.contains(&series.id) {
                    finished.push(local);
                }
            }
            if finished.is_empty() {
                return;
            }
            let mut index = self.index.write();
            for local in finished {
                let Some(series) = shard.retire(local) else { continue };
                let slot = self.slot(number, local);
                self.churn.lock().removed(index.metric_name(&series.pairs));
                self.add_memory(-(index.remove(slot, &series.pairs) as i64));
                retired.push(slot);
            }
        });
        self.known.fetch_sub(retired.len(), Ordering::Relaxed);
        let newest = self.max_time.load(Ordering::Relaxed);
        self.min_time.store(oldest.min(newest), Ordering::Relaxed);
        retired
    }

    /// Notes series that [`Head::drop_flushed`] has retired; an epoch has begun since.
    pub(crate) fn note_retired(&self, slots: Vec<u32>, epoch: u64, flush: u64) {
        self.upkeep.lock().retired.extend(slots.into_iter().map(|slot| Retired { slot, epoch, flush }));
    }

    /// Frees retired series, after flush number `flush` was committed.
    pub(crate) fn free_retired(&self, flush: u64) {
        let mut upkeep = self.upkeep.lock();
        let epochs = &self.shared.epochs;
        let is_free = |r: &mut Retired| r.flush < flush && epochs.reached(r.epoch);
        let freed: RoaringBitmap = upkeep.retired.extract_if(.., is_free).map(|r| r.slot).collect();
        if freed.is_empty() {
            return;
        }
        upkeep.order.retain(|slot| !freed.contains(*slot));
        for slot in freed {
            let mut shard = self.shards[self.shard_of_slot(slot)].write();
            let Some(series) = shard.remove(self.local(slot)) else { continue };
            let bytes = self.index.write().release(&series.pairs) + restore::series_bytes(&series.pairs);
            self.add_memory(-(bytes as i64));
            self.account(Weight::default() - series.weight());
        }
    }
}
