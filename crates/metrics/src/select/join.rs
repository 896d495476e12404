//! Puts together what head and blocks have of each series, by the hash of its labels.
//!
//! The rows of every block are in one order, so most of the time the lists are walked side by side and each row is the next
//! entry. A series that the list lacks comes last.

use std::ops::Range;

use hashbrown::HashMap;
use model::SourceError;

use super::Reader;
use super::found::{BlockRows, HeadSeries};
use crate::block::SeriesHash;

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
    fn of_head(series: HeadSeries) -> Self {
        Entry { identity: series.identity, slot: series.slot, first: NONE, last: NONE }
    }

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

/// Joins rows and series of the head.
pub(super) fn join(reader: &Reader, blocks: &[BlockRows], in_head: Vec<HeadSeries>) -> Result<Joined, SourceError> {
    let mut joined = Joined::default();
    for at in 0..blocks.len() {
        joined.add_block(reader, blocks, at)?;
    }
    joined.add_head(in_head);
    joined.flatten();
    Ok(joined)
}

impl Joined {
    fn add_block(&mut self, reader: &Reader, blocks: &[BlockRows], at: usize) -> Result<(), SourceError> {
        let BlockRows { block, rows, .. } = &blocks[at];
        let Some(hashes) = reader.sound(block, block.hashes(rows))? else { return Ok(()) };
        let mut places: Option<HashMap<SeriesHash, u32>> = None;
        let mut missing: Vec<Entry> = Vec::new();
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
                None => missing.push(Entry { identity, slot: NONE, first: chain.0, last: chain.1 }),
            }
            from = to;
        }
        self.entries.append(&mut missing);
        Ok(())
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

    /// Adds the series of the head: those that no block has come last, in the order of their creation.
    fn add_head(&mut self, mut in_head: Vec<HeadSeries>) {
        if in_head.is_empty() {
            return;
        }
        let places: HashMap<SeriesHash, u32> =
            (0_u32..).zip(&self.entries).map(|(place, entry)| (entry.identity, place)).collect();
        in_head.retain(|series| match places.get(&series.identity) {
            Some(place) => {
                self.entries[*place as usize].slot = series.slot;
                false
            }
            None => true,
        });
        in_head.sort_unstable_by_key(|series| series.id);
        self.entries.extend(in_head.into_iter().map(Entry::of_head));
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
