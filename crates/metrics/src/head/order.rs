//! The series of a head in the order of blocks, kept from flush to flush: only those that are new are sorted in.
//!
//! Series of one metric mostly share labels, so they are compared symbol by symbol, and texts are looked at only where the
//! first difference is. Nobody who writes waits for the whole of it: locks are held for a few thousand steps at most.

use std::cmp::Ordering;

use hashbrown::HashMap;
use model::METRIC_NAME;
use parking_lot::RwLockReadGuard;

use super::{Head, Index, Pair, Symbol};
use crate::block::order;

/// Steps between two chances for writers.
const STEPS: usize = 4096;

/// Compares two series with pairs of one index, in the order of blocks.
pub(crate) fn compare(index: &Index, a: &[Pair], b: &[Pair]) -> Ordering {
    let text = |pair: &Pair| (index.symbols.text(pair.name), index.symbols.text(pair.value));
    let equal = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    // A metric name within the equal part is equal too, and so is the lack of one.
    order::compare(a[equal..].iter().map(text), b[equal..].iter().map(text))
}

impl Head {
    /// Sorts series in that are not in the list yet.
    pub(crate) fn sort_in_new(&self, order: &mut Vec<u32>) {
        let new = self.sorted(self.entered());
        if new.is_empty() {
            return;
        }
        *order = if order.is_empty() { new } else { self.merged(order, &new) };
    }

    /// Slots of the series that were entered since the last call, in no order.
    fn entered(&self) -> Vec<u32> {
        let mut slots = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            slots.extend(shard.write().take_entered().into_iter().map(|local| self.slot(number, local)));
        }
        // A place may have been entered twice, one series after the other.
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    fn sorted(&self, slots: Vec<u32>) -> Vec<u32> {
        let metric = self.index.read().symbols.find(METRIC_NAME);
        let mut by_metric: HashMap<Option<Symbol>, Vec<u32>> = HashMap::new();
        for slots in slots.chunks(STEPS) {
            for &slot in slots {
                let shard = self.shards[self.shard_of_slot(slot)].read();
                let Some(series) = shard.get(self.local(slot)).filter(|s| !s.is_retired) else { continue };
                let name = series.pairs.iter().find(|pair| Some(pair.name) == metric).map(|pair| pair.value);
                by_metric.entry(name).or_default().push(slot);
            }
        }
        let index = self.index.read();
        let mut groups: Vec<(&str, Vec<u32>)> = by_metric
            .into_iter()
            .map(|(name, slots)| (name.map_or("", |name| index.symbols.text(name)), slots))
            .collect();
        groups.sort_unstable_by_key(|(name, _)| *name);
        let groups: Vec<Vec<u32>> = groups.into_iter().map(|(_, slots)| slots).collect();
        drop(index);
        groups.into_iter().flat_map(|slots| self.sorted_group(&slots)).collect()
    }

    /// Sorts the series of one metric. Their pairs are copied first, so that they lie together.
    fn sorted_group(&self, slots: &[u32]) -> Vec<u32> {
        let mut pairs: Vec<Pair> = Vec::new();
        let mut rows: Vec<(u32, usize, usize)> = Vec::with_capacity(slots.len());
        for &slot in slots {
            let shard = self.shards[self.shard_of_slot(slot)].read();
            let Some(series) = shard.get(self.local(slot)) else { continue };
            let begin = pairs.len();
            pairs.extend_from_slice(&series.pairs);
            rows.push((slot, begin, pairs.len()));
        }
        let mut index = self.index.read();
        let mut steps = 0_usize;
        rows.sort_unstable_by(|a, b| {
            steps += 1;
            if steps.is_multiple_of(STEPS) {
                RwLockReadGuard::bump(&mut index);
            }
            compare(&index, &pairs[a.1..a.2], &pairs[b.1..b.2])
        });
        rows.into_iter().map(|(slot, ..)| slot).collect()
    }

    /// Merges two sorted lists. The places of the new ones are searched for in growing steps from the place before.
    fn merged(&self, old: &[u32], new: &[u32]) -> Vec<u32> {
        let mut out = Vec::with_capacity(old.len() + new.len());
        let mut from = 0;
        for &slot in new {
            let precedes = |other: u32| self.compare_slots(other, slot) == Ordering::Less;
            let (mut low, mut step) = (from, 1);
            while low + step <= old.len() && precedes(old[low + step - 1]) {
                low += step;
                step *= 2;
            }
            let high = (low + step).min(old.len());
            let to = low + old[low..high].partition_point(|other| precedes(*other));
            out.extend_from_slice(&old[from..to]);
            out.push(slot);
            from = to;
        }
        out.extend_from_slice(&old[from..]);
        out
    }

    fn compare_slots(&self, a: u32, b: u32) -> Ordering {
        // Both may be in one shard: a second, plain read would wait for a writer that waits for the first.
        let shards = [a, b].map(|slot| self.shards[self.shard_of_slot(slot)].read_recursive());
        let index = self.index.read();
        let pairs = |at: usize, slot| shards[at].get(self.local(slot)).map_or(&[][..], |series| &series.pairs);
        compare(&index, pairs(0, a), pairs(1, b))
    }
}
