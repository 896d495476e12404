//! The head: everything of one tenant that is in memory.
//!
//! Locks are taken in this order and never the other way: maintenance, shard, index, exemplars or metadata, log queue.

mod append;
mod exemplar_rows;
mod exemplars;
mod fill;
mod index;
mod restore;
mod series;
mod shard;
mod symbols;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use model::{Exemplar, Labels, Matcher, Metadata, Tenant, TimeRange};
use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;

pub(crate) use append::{Limits, Visit, VisitError};
pub(crate) use exemplars::{Exemplars, Pushed, Stored};
pub(crate) use index::Index;
pub(crate) use restore::{Batch, Definition, IdMap};
pub(crate) use series::{LOGGED_FOR_GOOD, Series, Taken, Weight, push_sample};
pub(crate) use shard::Shard;
pub(crate) use symbols::{Pair, Symbol, Symbols};

use crate::parts::Parts;

/// Numbers that all heads of a store share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Id of the next series.
    pub(crate) next_id: AtomicU64,
    /// Estimate of the memory of all heads, bytes.
    pub(crate) memory: AtomicI64,
}

#[derive(Debug, Default)]
struct FamilyMetadata {
    families: BTreeMap<String, Metadata>,
    unflushed: BTreeSet<String>,
}

/// One tenant's head.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) tenant: Tenant,
    pub(crate) shards: Box<[RwLock<Shard>]>,
    shard_bits: u32,
    pub(crate) index: RwLock<Index>,
    pub(crate) exemplars: Mutex<Exemplars>,
    metadata: Mutex<FamilyMetadata>,
    pub(crate) parts: Arc<Parts>,
    shared: Arc<Shared>,
    /// Series known and series that take samples.
    pub(crate) known: AtomicUsize,
    pub(crate) active: AtomicUsize,
    /// Chunks in memory, open ones included.
    pub(crate) chunks: AtomicI64,
    /// Selections in use: their slots and symbols must stay.
    pub(crate) pins: AtomicUsize,
    /// Oldest and newest sample time.
    pub(crate) min_time: AtomicI64,
    pub(crate) max_time: AtomicI64,
}

impl Head {
    pub(crate) fn new(tenant: Tenant, shards: usize, parts: Arc<Parts>, shared: Arc<Shared>) -> Self {
        let shards = shards.next_power_of_two();
        Head {
            tenant,
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            shard_bits: shards.trailing_zeros(),
            index: RwLock::default(),
            exemplars: Mutex::default(),
            metadata: Mutex::default(),
            parts,
            shared,
            known: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            chunks: AtomicI64::new(0),
            pins: AtomicUsize::new(0),
            min_time: AtomicI64::new(i64::MAX),
            max_time: AtomicI64::new(i64::MIN),
        }
    }

    /// A slot is a shard and a number within it.
    pub(crate) fn slot(&self, shard: usize, local: u32) -> u32 {
        local << self.shard_bits | shard as u32
    }

    pub(crate) fn shard_of_slot(&self, slot: u32) -> usize {
        slot as usize & (self.shards.len() - 1)
    }

    pub(crate) fn local(&self, slot: u32) -> u32 {
        slot >> self.shard_bits
    }

    pub(crate) fn shard_of_hash(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.shards.len() - 1)
    }

    /// Enters a new series into a locked shard; answers its slot and the bytes it takes.
    pub(crate) fn create<'a>(
        &self,
        shard_number: usize,
        shard: &mut Shard,
        id: u64,
        hash: u64,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> (u32, usize) {
        let slot = self.slot(shard_number, shard.next_local());
        let (pairs, index_bytes) = self.index.write().insert(slot, labels);
        let bytes = index_bytes + restore::series_bytes(&pairs);
        shard.insert(Series::new(id, hash, pairs));
        self.known.fetch_add(1, Ordering::Relaxed);
        self.shared.memory.fetch_add(bytes as i64, Ordering::Relaxed);
        (slot, bytes)
    }

    /// Asks the parts about a series that was loaded at the start, unless a sample of this time is newer than all of them.
    fn resolve_for(&self, series: &mut Series, time: i64) {
        if time <= self.parts.newest() {
            self.resolve(series);
        }
    }

    /// Asks the parts about a series that was loaded at the start.
    fn resolve(&self, series: &mut Series) {
        if series.is_unresolved {
            series.resolve(self.parts.range_of(series.id));
        }
    }

    /// Notes how much a series has grown since it had another weight.
    pub(crate) fn account_since(&self, before: Weight, series: &Series) {
        self.account(series.weight() - before);
    }

    fn account(&self, grown: Weight) {
        if grown.bytes != 0 {
            self.add_memory(grown.bytes);
        }
        if grown.chunks != 0 {
            self.chunks.fetch_add(grown.chunks, Ordering::Relaxed);
        }
        if grown.active != 0 {
            self.active.fetch_add(grown.active as usize, Ordering::Relaxed);
        }
    }

    pub(crate) fn add_memory(&self, bytes: i64) {
        self.shared.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn widen(&self, from: i64, to: i64) {
        if from < self.min_time.load(Ordering::Relaxed) {
            self.min_time.fetch_min(from, Ordering::Relaxed);
        }
        if to > self.max_time.load(Ordering::Relaxed) {
            self.max_time.fetch_max(to, Ordering::Relaxed);
        }
    }

    /// Slots of series that satisfy the matchers and may have samples in the range.
    pub(crate) fn matching(&self, matchers: &[Matcher], range: TimeRange) -> RoaringBitmap {
        let mut found = self.index.read().matching(matchers);
        let holds_all = range.start.ms() <= self.min_time.load(Ordering::Relaxed)
            && range.end.ms() >= self.max_time.load(Ordering::Relaxed);
        if !holds_all {
            let shards: Vec<_> = self.shards.iter().map(RwLock::read).collect();
            let outside: Vec<u32> = found
                .iter()
                .filter(|slot| {
                    let series = shards[self.shard_of_slot(*slot)].get(self.local(*slot));
                    !series.is_some_and(|s| s.overlaps(range))
                })
                .collect();
            found -= RoaringBitmap::from_iter(outside);
        }
        found
    }

    /// The labels of a series in use.
    pub(crate) fn labels(&self, pairs: &[Pair], scratch: &mut String) -> Labels {
        let index = self.index.read();
        let text = |s| index.symbols.text(s);
        Labels::from_sorted(pairs.iter().map(|p| (text(p.name), text(p.value))), scratch)
    }

    /// Keeps metadata that is new or changed; answers whether it was.
    pub(crate) fn set_metadata(&self, family: &str, metadata: &Metadata, is_durable: bool) -> bool {
        let mut known = self.metadata.lock();
        if known.families.get(family) == Some(metadata) {
            return false;
        }
        known.families.insert(family.to_owned(), metadata.clone());
        if !is_durable {
            known.unflushed.insert(family.to_owned());
        }
        true
    }

    pub(crate) fn metadata(&self, limit: usize, metric: Option<&str>) -> Vec<(String, Metadata)> {
        let known = self.metadata.lock();
        let limit = if limit == 0 { usize::MAX } else { limit };
        match metric {
            Some(name) => known.families.get_key_value(name).map(|(n, m)| (n.clone(), m.clone())).into_iter().collect(),
            None => known.families.iter().take(limit).map(|(n, m)| (n.clone(), m.clone())).collect(),
        }
    }

    /// Metadata that the head's own file does not hold yet, or all.
    pub(crate) fn unlogged_metadata(&self, everything: bool) -> Vec<(String, Metadata)> {
        let known = self.metadata.lock();
        let wanted = known.families.iter().filter(|(name, _)| everything || known.unflushed.contains(*name));
        wanted.map(|(name, metadata)| (name.clone(), metadata.clone())).collect()
    }

    /// The head's own file holds all metadata that [`Head::unlogged_metadata`] answered. What changed since is logged once
    /// more by its producer, or is in the log.
    pub(crate) fn metadata_is_logged(&self, families: &[String]) {
        let mut known = self.metadata.lock();
        families.iter().for_each(|family| {
            known.unflushed.remove(family);
        });
    }

    /// Keeps an exemplar of the series `(id, slot)` that is about to be logged in an epoch.
    pub(crate) fn push_exemplar(
        &self,
        (id, slot): (u64, u32),
        exemplar: &Exemplar,
        time: i64,
        capacity: usize,
        logged_epoch: u32,
    ) -> Pushed {
        let (value, labels) = (exemplar.value, exemplar.labels.clone());
        self.exemplars.lock().push(Stored { id, slot, time, value, labels, logged_epoch }, capacity, false)
    }

    /// Forgets series that have no sample since `cutoff`, unless a selection is in use; answers how many.
    pub(crate) fn forget_before(&self, cutoff: i64) -> usize {
        let mut forgotten = 0;
        let mut to_resolve = 10_000;
        for (number, shard) in self.shards.iter().enumerate() {
            let pages = shard.read().page_count();
            for page in 0..pages {
                let mut guard = shard.write();
                let mut old = Vec::new();
                for (local, series) in guard.page_mut(page) {
                    if series.is_active || !series.is_empty() {
                        continue;
                    }
                    if series.is_unresolved && to_resolve > 0 {
                        to_resolve -= 1;
                        self.resolve(series);
                    }
                    if !series.is_unresolved && series.last_time < cutoff && series.logged_epoch == LOGGED_FOR_GOOD {
                        old.push(local);
                    }
                }
                if old.is_empty() {
                    continue;
                }
                let mut index = self.index.write();
                // A selection pins before it reads the index: none can begin while the index is locked here.
                if self.pins.load(Ordering::SeqCst) > 0 {
                    return forgotten;
                }
                for local in old {
                    if let Some(series) = guard.remove(local) {
                        index.remove(self.slot(number, local), &series.pairs);
                        self.add_memory(-(restore::series_bytes(&series.pairs) as i64));
                        self.account(Weight::default() - series.weight());
                        self.known.fetch_sub(1, Ordering::Relaxed);
                        forgotten += 1;
                    }
                }
            }
        }
        forgotten
    }
}
