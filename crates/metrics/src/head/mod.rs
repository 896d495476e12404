//! The head: everything of one tenant that is in memory.
//!
//! Locks are taken in this order and never the other way: maintenance, upkeep, shard, index, exemplars or metadata or churn, log queue.

mod append;
mod evict;
mod exemplar_rows;
mod exemplars;
mod fill;
mod index;
mod order;
mod restore;
mod seal;
mod series;
mod shard;
mod symbols;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use model::{Exemplar, Labels, Matcher, Metadata, SeriesRef, Tenant, TimeRange};
use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;

pub(crate) use append::{Limits, Visit, VisitError};
pub(crate) use evict::{Idle, Upkeep};
pub(crate) use exemplars::{Exemplars, Pushed, Stored};
pub(crate) use index::{Index, Postings};
pub(crate) use restore::Stretch;
pub(crate) use seal::push_sample;
pub(crate) use series::{LOGGED_FOR_GOOD, Series, Taken};
pub(crate) use shard::Shard;
pub(crate) use symbols::{Pair, Symbol, Symbols};
pub(crate) use weight::Weight;

use crate::block::SeriesHash;
use crate::churn::Churn;
use crate::epochs::Epochs;

/// What OpenMetrics adds to a family's name for the metrics that it consists of.
pub(crate) const PART_SUFFIXES: [&str; 7] = ["_bucket", "_count", "_sum", "_total", "_created", "_info", "_gcount"];

/// Numbers that all heads of a store share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Id of the next series.
    pub(crate) next_id: AtomicU64,
    /// Estimate of the memory of all heads, bytes.
    pub(crate) memory: AtomicI64,
    /// Who reads.
    pub(crate) epochs: Arc<Epochs>,
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
    pub(crate) churn: Mutex<Churn>,
    pub(crate) upkeep: Mutex<Upkeep>,
    shared: Arc<Shared>,
    /// Readers that began in this epoch or later see the blocks of every committed flush.
    pub(crate) durable_epoch: AtomicU64,
    /// Series known and series that take samples.
    pub(crate) known: AtomicUsize,
    pub(crate) active: AtomicUsize,
    /// Chunks in memory, open ones included.
    pub(crate) chunks: AtomicI64,
    /// Oldest sample time in memory, and newest of all.
    pub(crate) min_time: AtomicI64,
    pub(crate) max_time: AtomicI64,
}

impl Head {
    pub(crate) fn new(tenant: Tenant, shards: usize, shared: Arc<Shared>) -> Self {
        let shards = shards.next_power_of_two();
        Head {
            tenant,
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            shard_bits: shards.trailing_zeros(),
            index: RwLock::default(),
            exemplars: Mutex::default(),
            metadata: Mutex::default(),
            churn: Mutex::default(),
            upkeep: Mutex::default(),
            shared,
            durable_epoch: AtomicU64::new(0),
            known: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            chunks: AtomicI64::new(0),
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

    pub(crate) fn shard_of(&self, identity: SeriesHash) -> usize {
        (identity.0 >> 64) as usize & (self.shards.len() - 1)
    }

    /// Enters a new series into a locked shard; answers its slot and the bytes it takes.
    pub(crate) fn create<'a>(
        &self,
        shard_number: usize,
        shard: &mut Shard,
        id: u64,
        identity: SeriesHash,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> (u32, usize) {
        let slot = self.slot(shard_number, shard.next_local());
        let (pairs, index_bytes) = self.index.write().insert(slot, labels);
        let bytes = index_bytes + restore::series_bytes(&pairs);
        shard.insert(Series::new(id, identity, pairs));
        self.known.fetch_add(1, Ordering::Relaxed);
        self.shared.memory.fetch_add(bytes as i64, Ordering::Relaxed);
        (slot, bytes)
    }

    /// Notes how much a series has grown since it had another weight.
    /// The labels behind a reference, as long as its series is here.
    pub(crate) fn labels_of(&self, reference: SeriesRef) -> Option<Labels> {
        let slot = reference.0 as u32;
        let shard = self.shards[self.shard_of_slot(slot)].read();
        let series = shard.get(self.local(slot)).filter(|s| s.id as u32 == (reference.0 >> 32) as u32)?;
        let index = self.index.read();
        let texts = series.pairs.iter().map(|pair| (index.symbols.text(pair.name), index.symbols.text(pair.value)));
        Some(Labels::from_sorted(texts, &mut String::new()))
    }

    pub(crate) fn account_since(&self, before: Weight, series: &Series) {
        self.account(series.weight() - before);
    }

    pub(crate) fn account(&self, grown: Weight) {
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

    /// True where no sample in memory lies outside of the range.
    pub(crate) fn lies_within(&self, range: TimeRange) -> bool {
        range.start.ms() <= self.min_time.load(Ordering::Relaxed)
            && self.max_time.load(Ordering::Relaxed) <= range.end.ms()
    }

    /// Slots of series that satisfy the matchers and may have samples in the range.
    pub(crate) fn matching(&self, matchers: &[Matcher], range: TimeRange) -> RoaringBitmap {
        let mut found = self.index.read().matching(matchers);
        if !self.lies_within(range) {
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

    /// All metadata that is known.
    pub(crate) fn metadata(&self) -> BTreeMap<String, Metadata> {
        self.metadata.lock().families.clone()
    }

    /// Metadata of the family that a metric belongs to: its own, or that of its name without the suffix of a part.
    pub(crate) fn metadata_of(&self, metric: &str) -> Option<Metadata> {
        let known = self.metadata.lock();
        let family = |name: &str| known.families.get(name).cloned();
        family(metric).or_else(|| PART_SUFFIXES.iter().find_map(|suffix| family(metric.strip_suffix(suffix)?)))
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
        self.exemplars.lock().push(
            Stored { id, slot, time, value, labels, logged_epoch, is_in_block: false },
            capacity,
            false,
        )
    }
}
