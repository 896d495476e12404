//! Puts together what head and blocks have of each series, by the hash of its labels.
//!
//! The rows of every block are in one order, so most of the time the lists are walked side by side and each row is the next
//! entry. Only a series that the list lacks is compared by its labels, and only with its neighbours.

use std::cmp::Ordering;
use std::ops::Range;

use hashbrown::HashMap;
use model::{Labels, SourceError};

use super::found::{BlockRows, HeadSeries};
use super::{Reader, Wanted};
use crate::block::{SeriesHash, order};
use crate::head;

/// No slot, or no source.
pub(super) const NONE: u32 = u32::MAX;
/// Entries that are looked at before a map is made.
const AHEAD: usize = 8;

/// A series.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    identity: SeriesHash,
    /// Its place in the head, if it has one.
    pub(super) slot: u32,
    /// First of its sources and the end; while joining, the first and the last of its chain.
    first: u32,
    last: u32,
}

impl Entry {
    /// Where its rows stand in the list of sources, in the order of blocks.
    pub(super) fn sources(&self) -> Range<usize> {
        self.first as usize..self.last as usize
    }
}

/// A row of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// Place of the block in the selection.
    pub(super) block: u32,
    pub(super) row: u32,
    /// The next source of the series, while joining.
    next: u32,
}

/// Series with their rows.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) entries: Vec<Entry>,
    pub(super) sources: Vec<Source>,
}

/// A series that is to be entered, between two entries.
struct Missing {
    entry: Entry,
    labels: Labels,
    between: Range<usize>,
}

/// Joins rows and series of the head.
pub(super) fn join(reader: &Reader, blocks: &[BlockRows], mut in_head: Vec<HeadSeries>) -> Result<Joined, SourceError> {
    let mut joined = Joined::default();
    if blocks.is_empty() {
        in_head.sort_unstable_by_key(|series| series.id);
        let entry = |s: HeadSeries| Entry { identity: s.identity, slot: s.slot, first: 0, last: 0 };
        joined.entries = in_head.into_iter().map(entry).collect();
        return Ok(joined);
    }
    for at in 0..blocks.len() {
        joined.add_block(reader, blocks, at)?;
    }
    joined.add_head(reader, blocks, in_head)?;
    joined.flatten();
    Ok(joined)
}

impl Joined {
    fn add_block(&mut self, reader: &Reader, blocks: &[BlockRows], at: usize) -> Result<(), SourceError> {
        let BlockRows { block, rows, .. } = &blocks[at];
        let Some(hashes) = reader.sound(block, block.hashes(rows))? else { return Ok(()) };
        let mut places: Option<HashMap<SeriesHash, u32>> = None;
        let mut missing: Vec<(Entry, usize)> = Vec::new();
        let mut next = 0;
        let mut from = 0;
        while from < rows.len() {
            let identity = hashes[from];
            let to = from + hashes[from..].iter().take_while(|hash| **hash == identity).count();
            let ahead = self.entries[next..].iter().take(AHEAD).position(|entry| entry.identity == identity);
            let known = match ahead {
                Some(steps) => Some(next + steps),
                None if self.entries.is_empty() => None,
                None => {
                    let entries = &self.entries;
                    let map = places.get_or_insert_with(|| {
                        (0_u32..).zip(entries).map(|(place, entry)| (entry.identity, place)).collect()
                    });
                    map.get(&identity).map(|place| *place as usize)
                }
            };
            let chain = self.chain(at as u32, &rows[from..to]);
            match known {
                Some(place) => {
                    self.append(place, chain);
                    next = place + 1;
                }
                None => missing.push((Entry { identity, slot: NONE, first: chain.0, last: chain.1 }, next)),
            }
            from = to;
        }
        if self.entries.is_empty() {
            self.entries = missing.into_iter().map(|(entry, _)| entry).collect();
            return Ok(());
        }
        self.insert_rows(reader, blocks, at, missing)
    }

    /// Links rows of one block; answers the first and the last link.
    fn chain(&mut self, block: u32, rows: &[u32]) -> (u32, u32) {
        let first = self.sources.len() as u32;
        let last = first + rows.len() as u32 - 1;
        self.sources.extend((first + 1..).zip(rows).map(|(next, row)| Source { block, row: *row, next }));
        self.sources[last as usize].next = NONE;
        (first, last)
    }

    fn append(&mut self, place: usize, (first, last): (u32, u32)) {
        let entry = &mut self.entries[place];
        if entry.first == NONE {
            entry.first = first;
        } else {
            self.sources[entry.last as usize].next = first;
        }
        entry.last = last;
    }

    /// Enters series of a block that no block before it has; each comes with the place that it does not stand before.
    fn insert_rows(
        &mut self,
        reader: &Reader,
        blocks: &[BlockRows],
        at: usize,
        missing: Vec<(Entry, usize)>,
    ) -> Result<(), SourceError> {
        if missing.is_empty() {
            return Ok(());
        }
        let rows: Vec<u32> = missing.iter().map(|(entry, _)| self.sources[entry.first as usize].row).collect();
        let block = &blocks[at].block;
        let labels = reader.sound(block, block.labels_of(&rows, None))?;
        // Without their labels they cannot be told apart by people either: they are left out, as other damage is.
        let Some(labels) = labels else { return Ok(()) };
        let end = self.entries.len();
        let missing = missing.into_iter().zip(labels);
        let missing = missing.map(|((entry, from), labels)| Missing { entry, labels, between: from..end }).collect();
        self.insert(reader, blocks, missing)
    }

    fn add_head(&mut self, reader: &Reader, blocks: &[BlockRows], in_head: Vec<HeadSeries>) -> Result<(), SourceError> {
        if in_head.is_empty() {
            return Ok(());
        }
        let places: HashMap<SeriesHash, u32> =
            (0_u32..).zip(&self.entries).map(|(place, entry)| (entry.identity, place)).collect();
        let mut missing: Vec<HeadSeries> = Vec::new();
        for series in in_head {
            match places.get(&series.identity) {
                Some(place) => self.entries[*place as usize].slot = series.slot,
                None => missing.push(series),
            }
        }
        if let Some(head) = &reader.head {
            let shards: Vec<_> = head.shards.iter().map(|shard| shard.read()).collect();
            let index = head.index.read();
            let pairs = |slot: u32| {
                let series = shards[head.shard_of_slot(slot)].get(head.local(slot));
                series.map_or(&[][..], |series| &series.pairs)
            };
            missing.sort_unstable_by(|a, b| head::compare(&index, pairs(a.slot), pairs(b.slot)));
        }
        let end = self.entries.len();
        let missing = missing.into_iter().map(|series| Missing {
            entry: Entry { identity: series.identity, slot: series.slot, first: NONE, last: NONE },
            labels: reader.head_labels(series.slot, &Wanted::All),
            between: 0..end,
        });
        let missing = missing.collect();
        self.insert(reader, blocks, missing)
    }

    /// Enters sorted series. The place of each is searched for in growing steps from the place of the one before.
    fn insert(&mut self, reader: &Reader, blocks: &[BlockRows], missing: Vec<Missing>) -> Result<(), SourceError> {
        let mut entries = Vec::with_capacity(self.entries.len() + missing.len());
        let mut copied = 0;
        for Missing { entry, labels, between } in missing {
            let precedes = |place: usize| -> Result<bool, SourceError> {
                let other = self.labels(reader, blocks, &self.entries[place])?;
                Ok(order::compare_labels(&other, &labels) == Ordering::Less)
            };
            let (mut low, mut step) = (between.start.max(copied), 1);
            while low + step <= between.end && precedes(low + step - 1)? {
                low += step;
                step *= 2;
            }
            let mut high = (low + step - 1).clamp(low, between.end);
            while low < high {
                let middle = low + (high - low) / 2;
                if precedes(middle)? {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            entries.extend_from_slice(&self.entries[copied..low]);
            entries.push(entry);
            copied = low;
        }
        entries.extend_from_slice(&self.entries[copied..]);
        self.entries = entries;
        Ok(())
    }

    fn labels(&self, reader: &Reader, blocks: &[BlockRows], entry: &Entry) -> Result<Labels, SourceError> {
        let Some(source) = self.sources.get(entry.first as usize) else {
            return Ok(reader.head_labels(entry.slot, &Wanted::All));
        };
        let block = &blocks[source.block as usize].block;
        Ok(reader.sound(block, block.labels(source.row, None))?.unwrap_or_default())
    }

    /// Puts the sources of each series next to each other.
    fn flatten(&mut self) {
        let mut flat = Vec::with_capacity(self.sources.len());
        for entry in &mut self.entries {
            let mut at = entry.first;
            entry.first = flat.len() as u32;
            while let Some(source) = self.sources.get(at as usize) {
                flat.push(*source);
                at = source.next;
            }
            entry.last = flat.len() as u32;
        }
        self.sources = flat;
    }
}
