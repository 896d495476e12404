//! Entries of a stream that are in memory: those that came in order, and those that came late.

use std::borrow::Cow;

use hashbrown::HashMap;
use model::NanoRange;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::entries::{Entries, merge};

/// Entries of one stream, about a page of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    /// In order of time.
    main: Entries,
    /// In order of arrival, each older than some entry of `main` that came before it.
    late: Entries,
    /// Places in `late` by hash of time and line. Where two share a hash the second is not listed, and a repetition of it
    /// goes when the chunk is sorted.
    late_places: HashMap<u64, u32>,
    first: i64,
    last: i64,
}

fn hash(timestamp: i64, line: &[u8]) -> u64 {
    xxh3_64_with_seed(line, timestamp as u64)
}

impl Chunk {
    /// Makes room in an empty chunk for as much as another one has.
    pub(crate) fn reserve_as(&mut self, size: (usize, usize)) {
        self.main.reserve_as(size);
    }

    /// Entries and bytes of lines in order.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.main.len(), self.main.lines.text.len())
    }

    /// Adds an entry; answers the bytes of memory that it takes.
    pub(crate) fn push<'a>(
        &mut self,
        timestamp: i64,
        line: &[u8],
        metadata: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> usize {
        let before = self.memory();
        if self.len() == 0 {
            (self.first, self.last) = (timestamp, timestamp);
        }
        self.first = self.first.min(timestamp);
        self.last = self.last.max(timestamp);
        if self.main.timestamps.last().is_none_or(|last| *last <= timestamp) {
            self.main.push(timestamp, line, metadata);
        } else {
            self.late_places.entry(hash(timestamp, line)).or_insert(self.late.len() as u32);
            self.late.push(timestamp, line, metadata);
        }
        self.memory() - before
    }

    /// True where an entry of this time and line is in it.
    pub(crate) fn contains(&self, timestamp: i64, line: &[u8]) -> bool {
        if self.len() == 0 || timestamp < self.first || timestamp > self.last {
            return false;
        }
        let times = &self.main.timestamps;
        let begin = times.partition_point(|time| *time < timestamp);
        let same = times[begin..].iter().take_while(|time| **time == timestamp).count();
        if (begin..begin + same).any(|at| self.main.lines.get(at) == line) {
            return true;
        }
        let place = self.late_places.get(&hash(timestamp, line));
        place.is_some_and(|at| {
            self.late.timestamps[*at as usize] == timestamp && self.late.lines.get(*at as usize) == line
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.main.len() + self.late.len()
    }

    /// Bytes of lines.
    pub(crate) fn text_bytes(&self) -> usize {
        self.main.lines.text.len() + self.late.lines.text.len()
    }

    /// Bytes of memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.main.memory() + self.late.memory() + 16 * self.late_places.len()
    }

    /// Time of the oldest entry.
    pub(crate) fn first(&self) -> i64 {
        self.first
    }

    /// Time of the newest entry.
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// True where an entry may lie in the range.
    pub(crate) fn overlaps(&self, range: NanoRange) -> bool {
        self.len() > 0 && self.first < range.end && range.start <= self.last
    }

    /// True where entries came late and have not been put in order yet.
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.late.is_empty()
    }

    /// The same with all entries in order.
    pub(crate) fn settled(&self) -> Chunk {
        let main = self.sorted().into_owned();
        Chunk { main, late: Entries::default(), late_places: HashMap::new(), first: self.first, last: self.last }
    }

    /// The entries, where they are in order.
    pub(crate) fn in_order(&self) -> Option<&Entries> {
        self.late.is_empty().then_some(&self.main)
    }

    /// Entries in order of time; there is at least one.
    pub(crate) fn of(entries: Entries) -> Chunk {
        let (first, last) = (entries.timestamps[0], entries.timestamps[entries.len() - 1]);
        Chunk { main: entries, late: Entries::default(), late_places: HashMap::new(), first, last }
    }

    /// All entries in order of time, each time and line once.
    pub(crate) fn sorted(&self) -> Cow<'_, Entries> {
        if self.late.is_empty() {
            return Cow::Borrowed(&self.main);
        }
        Cow::Owned(merge(&[&self.main, &self.late]))
    }
}
