//! Putting a head together at a start, many series at a time.
//!
//! Threads enter the series of a record each, then fill stretches of neighbouring series with the samples of the log.
//! Postings come last and all at once: nothing asks for them before.

use std::sync::atomic::Ordering;

use model::Exemplar;
use parking_lot::RwLockWriteGuard;

use super::series::Series;
use super::shard::{PAGE, PAGE_BITS, Page, Shard};
use super::symbols::{Pair, Symbol};
use super::{Head, Stored, Weight};
use crate::record::{self, Definitions};

/// Slots of a stretch, as a power of two: their samples should fit a core's own cache.
const STRETCH_BITS: u32 = 13;

/// Neighbouring series of all shards.
#[derive(Debug)]
pub(crate) struct Stretch<'s> {
    /// For each shard, from [`Stretch::first_local`] on.
    pages: Vec<&'s mut [Page]>,
    first_local: u32,
    shard_bits: u32,
}

impl Stretch<'_> {
    /// What all samples of the series weigh.
    pub(crate) fn weight(&self) -> Weight {
        let mut sum = Weight::default();
        let pages = self.pages.iter().flat_map(|pages| pages.iter());
        pages.flatten().flatten().for_each(|series| sum += series.weight());
        sum
    }

    #[inline]
    pub(crate) fn series(&mut self, slot: u32) -> Option<&mut Series> {
        let pages = &mut self.pages[slot as usize & ((1 << self.shard_bits) - 1)];
        let at = (slot >> self.shard_bits).checked_sub(self.first_local)?;
        pages.get_mut((at >> PAGE_BITS) as usize)?.get_mut(at as usize & (PAGE - 1))?.as_mut()
    }
}

impl Head {
    /// Makes room for series that are about to be entered.
    pub(crate) fn reserve(&self, count: usize) {
        if count > 0 {
            self.shards.iter().for_each(|shard| shard.write().reserve(count / self.shards.len()));
        }
    }

    /// Enters the series of a record and puts the slot of each into `slots`. With different `turn`s, threads go to the shards
    /// in different orders.
    ///
    /// Wherever a definition was read, it is logged once more with the next sample: it may have been written without a sync,
    /// and then be there until the machine stops.
    pub(crate) fn restore_series(&self, definitions: &Definitions<'_>, turn: usize, slots: &mut Vec<u32>) {
        let symbols = self.intern(definitions);
        // Everything is made before a lock is taken, as the threads meet at these.
        let mut by_shard: Vec<Vec<_>> = (0..self.shards.len()).map(|_| Vec::new()).collect();
        slots.clear();
        for (at, (record::Definition { id, identity, .. }, labels)) in definitions.iter().enumerate() {
            let pair = |label: &(u32, u32)| Pair { name: symbols[label.0 as usize], value: symbols[label.1 as usize] };
            let pairs: Box<[Pair]> = labels.iter().map(pair).collect();
            by_shard[self.shard_of(identity)].push((at, id, identity, pairs));
            slots.push(0);
        }
        let (mut bytes, mut made) = (0, 0);
        let mut superfluous = Vec::new();
        let first = turn % self.shards.len();
        for number in (first..self.shards.len()).chain(0..first) {
            let members = std::mem::take(&mut by_shard[number]);
            if members.is_empty() {
                continue;
            }
            let mut shard = self.shards[number].write();
            for (at, id, identity, pairs) in members {
                let local = match shard.find(identity.0 as u64, |s| s.pairs == pairs) {
                    Some(local) => {
                        superfluous.push(pairs);
                        // Evicted once and made again under another id, which is a higher one: that counts.
                        if let Some(series) = shard.get_mut(local)
                            && series.id < id
                        {
                            series.id = id;
                        }
                        local
                    }
                    None => {
                        bytes += series_bytes(&pairs);
                        made += 1;
                        shard.insert(Series::new(id, identity, pairs))
                    }
                };
                slots[at] = self.slot(number, local);
            }
        }
        for pairs in superfluous {
            self.index.write().release(&pairs);
        }
        self.known.fetch_add(made, Ordering::Relaxed);
        self.add_memory(bytes as i64);
    }

    /// Interns the texts of a record and counts its series as their users.
    fn intern(&self, definitions: &Definitions<'_>) -> Vec<Symbol> {
        let mut users = vec![(0, false); definitions.texts.len()];
        for (name, value) in definitions.iter().flat_map(|(_, labels)| labels) {
            users[*name as usize].0 += 1;
            users[*name as usize].1 = true;
            users[*value as usize].0 += 1;
        }
        let mut bytes = 0;
        let mut index = self.index.write();
        let intern = |(text, (users, is_name)): (&&str, (u32, bool))| {
            if users == 0 {
                // Of a definition that is damaged.
                return Symbol(u32::MAX);
            }
            let (symbol, is_new) = index.symbols.intern(text);
            index.symbols.add_users(symbol, users);
            bytes += if is_new { super::index::text_bytes(text, is_name) } else { 0 };
            symbol
        };
        let symbols = definitions.texts.iter().zip(users).map(intern).collect();
        drop(index);
        self.add_memory(bytes as i64);
        symbols
    }

    /// Bits of a slot that tell series of a stretch apart; whole pages of each shard.
    pub(crate) fn stretch_bits(&self) -> u32 {
        STRETCH_BITS.max(self.shard_bits + PAGE_BITS)
    }

    pub(crate) fn lock_shards(&self) -> Vec<RwLockWriteGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.write()).collect()
    }

    /// All series by stretch.
    pub(crate) fn stretches<'s>(&self, shards: &'s mut [RwLockWriteGuard<'_, Shard>]) -> Vec<Stretch<'s>> {
        let local_bits = self.stretch_bits() - self.shard_bits;
        let end = shards.iter().map(|shard| shard.end()).max().unwrap_or(0);
        let mut pages: Vec<_> =
            shards.iter_mut().map(|shard| shard.pages_mut().chunks_mut(1 << (local_bits - PAGE_BITS))).collect();
        let stretch = |number: u32| Stretch {
            pages: pages.iter_mut().map(|chunks| chunks.next().unwrap_or_default()).collect(),
            first_local: number << local_bits,
            shard_bits: self.shard_bits,
        };
        (0..end.div_ceil(1 << local_bits)).map(stretch).collect()
    }

    /// Keeps an exemplar of the series `(id, slot)` from a log. If it comes again it is logged again, as the definitions are.
    pub(crate) fn restore_exemplar(
        &self,
        (id, slot): (u64, u32),
        exemplar: Exemplar,
        time: i64,
        capacity: usize,
        is_headlog: bool,
    ) {
        let Exemplar { labels, value, .. } = exemplar;
        let stored = Stored { id, slot, time, value, labels, logged_epoch: 0, is_in_block: false };
        self.exemplars.lock().push(stored, capacity, is_headlog);
    }

    /// Enters all series into the index, which is empty but for the symbols, and notes the span of their samples.
    pub(crate) fn fill_index(&self, threads: usize) {
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.read()).collect();
        let end = shards.iter().map(|shard| shard.end()).max().unwrap_or(0);
        let walk = |locals: std::ops::Range<u32>, visit: &mut dyn FnMut(u32, &[Pair])| {
            let mut span = (i64::MAX, i64::MIN);
            for local in locals {
                for (number, shard) in shards.iter().enumerate() {
                    if let Some(series) = shard.get(local) {
                        visit(self.slot(number, local), &series.pairs);
                        span = (span.0.min(series.first_time), span.1.max(series.last_time));
                    }
                }
            }
            self.widen(span.0, span.1);
        };
        let bytes = self.index.write().fill(end, threads, &walk);
        self.add_memory(bytes as i64);
    }
}

/// Bytes of a series without its samples.
pub(super) fn series_bytes(pairs: &[Pair]) -> usize {
    size_of::<Series>() + size_of_val(pairs) + 24
}
