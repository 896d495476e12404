//! Putting a head together at a start, shard by shard and many series at a time.
//!
//! One thread reads the files and interns the labels; the series themselves are made, and filled with the samples of the log,
//! by threads of which each has shards of its own. Postings come last and all at once: nothing asks for them before.

use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use model::{Exemplar, Sample};

use super::series::{LOGGED_FOR_GOOD, Series, Weight};
use super::symbols::Pair;
use super::{Head, Stored, Symbol};
use crate::block::SeriesHash;

const PAGE_BITS: u32 = 9;
const PAGE: usize = 1 << PAGE_BITS;
const ABSENT: u64 = u64::MAX;

/// A series as a log defines it. Its symbols count it as a user.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) id: u64,
    pub(crate) identity: SeriesHash,
    pub(crate) pairs: Box<[Pair]>,
    /// The definition stands in the head's own file, not only in the log.
    pub(crate) is_headlog: bool,
}

/// What a log says about the series of one shard; no sample comes before the definition of its series.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) definitions: Vec<Definition>,
    pub(crate) samples: Vec<(u64, Sample)>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.definitions.len() + self.samples.len()
    }
}

/// A number for each series id. Neighbouring ids share a page, as they are asked for one after the other.
#[derive(Debug, Default)]
pub(crate) struct IdMap {
    by_number: HashMap<u64, usize>,
    pages: Vec<Box<[u64; PAGE]>>,
    /// The page asked for last and where it is.
    last: Option<(u64, usize)>,
}

impl IdMap {
    pub(crate) fn get(&mut self, id: u64) -> Option<u64> {
        let number = id >> PAGE_BITS;
        let at = match self.last {
            Some((last, at)) if last == number => at,
            _ => *self.by_number.get(&number)?,
        };
        self.last = Some((number, at));
        Some(self.pages[at][id as usize & (PAGE - 1)]).filter(|value| *value != ABSENT)
    }

    pub(crate) fn insert(&mut self, id: u64, value: u64) {
        let number = id >> PAGE_BITS;
        let at = *self.by_number.entry(number).or_insert(self.pages.len());
        if at == self.pages.len() {
            self.pages.push(Box::new([ABSENT; PAGE]));
        }
        self.pages[at][id as usize & (PAGE - 1)] = value;
    }
}

impl Head {
    /// Interns a label's name or value that was not seen before in a record.
    pub(crate) fn intern(&self, text: &str, is_name: bool) -> Symbol {
        let (symbol, is_new) = self.index.write().symbols.intern(text);
        if is_new {
            self.add_memory(super::index::text_bytes(text, is_name) as i64);
        }
        symbol
    }

    /// Enters series and their samples into a shard and notes the local number of each series. Answers the number of samples.
    /// The labels of a series that is known already go to `known_before`.
    pub(crate) fn restore(
        &self,
        number: usize,
        batch: Batch,
        locals: &mut IdMap,
        known_before: &mut dyn FnMut(Box<[Pair]>),
    ) -> u64 {
        let mut shard = self.shards[number].write();
        let (mut bytes, mut made) = (0, 0);
        for Definition { id, identity, pairs, is_headlog } in batch.definitions {
            let logged_epoch = if is_headlog { LOGGED_FOR_GOOD } else { 0 };
            let known = shard.find(identity.0 as u64, |s| s.pairs == pairs);
            if let Some(local) = known {
                known_before(pairs);
                // Evicted once and made again under another id, which is a higher one: that counts.
                if let Some(series) = shard.get_mut(local)
                    && series.id < id
                {
                    series.id = id;
                    series.logged_epoch = logged_epoch;
                }
                locals.insert(id, u64::from(local));
                continue;
            }
            bytes += series_bytes(&pairs);
            made += 1;
            let mut series = Series::new(id, identity, pairs);
            series.logged_epoch = logged_epoch;
            locals.insert(id, u64::from(shard.insert(series)));
        }
        let mut samples = 0;
        let mut grown = Weight::default();
        let mut span = (i64::MAX, i64::MIN);
        for (id, sample) in batch.samples {
            let Some(series) = locals.get(id).and_then(|local| shard.get_mut(local as u32)) else { continue };
            let before = series.weight();
            series.append(&sample, i64::MAX);
            grown += series.weight() - before;
            span = (span.0.min(sample.timestamp.ms()), span.1.max(sample.timestamp.ms()));
            samples += 1;
        }
        drop(shard);
        self.known.fetch_add(made, Ordering::Relaxed);
        self.add_memory(bytes as i64);
        self.account(grown);
        self.widen(span.0, span.1);
        samples
    }

    /// Keeps an exemplar from a log. Where its series stands is said later, by [`Head::place_exemplars`].
    pub(crate) fn restore_exemplar(&self, id: u64, exemplar: Exemplar, time: i64, capacity: usize, is_headlog: bool) {
        let Exemplar { labels, value, .. } = exemplar;
        let stored =
            Stored { id, slot: u32::MAX, time, value, labels, logged_epoch: LOGGED_FOR_GOOD, is_in_block: false };
        self.exemplars.lock().push(stored, capacity, is_headlog);
    }

    pub(crate) fn place_exemplars(&self, slot: impl FnMut(u64) -> Option<u32>) {
        self.exemplars.lock().place(slot);
    }

    /// Enters all series into the index, which is empty but for the symbols.
    pub(crate) fn fill_index(&self, threads: usize) {
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.read()).collect();
        let end = shards.iter().map(|shard| shard.end()).max().unwrap_or(0);
        let walk = |locals: std::ops::Range<u32>, visit: &mut dyn FnMut(u32, &[Pair])| {
            for local in locals {
                for (number, shard) in shards.iter().enumerate() {
                    if let Some(series) = shard.get(local) {
                        visit(self.slot(number, local), &series.pairs);
                    }
                }
            }
        };
        let bytes = self.index.write().fill(end, threads, &walk);
        self.add_memory(bytes as i64);
    }
}

/// Bytes of a series without its samples.
pub(super) fn series_bytes(pairs: &[Pair]) -> usize {
    size_of::<Series>() + size_of_val(pairs) + 24
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_map_is_a_map(entries in proptest::collection::vec((prop_oneof![0_u64..3000, any::<u64>()], 0_u64..100), 0..200)) {
            let mut map = IdMap::default();
            let mut expected = HashMap::new();
            for (id, value) in entries {
                prop_assert_eq!(map.get(id), expected.get(&id).copied());
                map.insert(id, value);
                expected.insert(id, value);
            }
            for (id, value) in expected {
                prop_assert_eq!(map.get(id), Some(value));
            }
        }
    }
}
