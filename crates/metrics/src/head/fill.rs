//! Postings of many series at once: slots come in order, so they are collected and put into bitmaps a thousand at a time, without
//! a search for each.

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use super::index::{NameIndex, PAIR_BYTES, POSTINGS_BYTES, Postings};
use super::symbols::{Pair, Symbol};

const PENDING: usize = 1024;

/// Slots that are collected in rising order.
#[derive(Debug, Default)]
struct Rising {
    bitmap: RoaringBitmap,
    pending: Vec<u32>,
}

impl Rising {
    fn push(&mut self, slot: u32) {
        if self.pending.len() == PENDING {
            self.settle();
        }
        self.pending.push(slot);
    }

    fn settle(&mut self) {
        if let (Some(first), Some(last)) = (self.pending.first(), self.pending.last())
            && (last - first) as usize + 1 == self.pending.len()
        {
            self.bitmap.insert_range(*first..=*last);
            self.pending.clear();
            return;
        }
        self.bitmap.append(self.pending.drain(..)).expect("slots are visited in rising order");
    }

    fn finish(mut self) -> RoaringBitmap {
        self.settle();
        self.bitmap
    }
}

#[derive(Debug)]
enum Slots {
    One(u32),
    Many(Box<Rising>),
}

impl Slots {
    fn push(&mut self, slot: u32) {
        match self {
            Slots::One(first) => {
                let pending = vec![*first, slot];
                *self = Slots::Many(Box::new(Rising { pending, ..Rising::default() }));
            }
            Slots::Many(rising) => rising.push(slot),
        }
    }

    fn finish(self) -> Postings {
        match self {
            Slots::One(slot) => Postings::One(slot),
            Slots::Many(rising) => Postings::Many(Box::new(rising.finish())),
        }
    }
}

/// Values that are remembered by the last bits of a slot: neighbours in a shard mostly belong to one target and share values.
const RECENT: usize = 16;

#[derive(Debug, Default)]
struct Name {
    any: Rising,
    /// Where each value stands in `slots`.
    values: HashMap<Symbol, u32>,
    slots: Vec<Slots>,
    recent: [Option<(Symbol, u32)>; RECENT],
}

impl Name {
    /// Enters a slot; answers whether the value is new.
    fn push(&mut self, slot: u32, value: Symbol) -> bool {
        self.any.push(slot);
        let recent = &mut self.recent[slot as usize % RECENT];
        if let Some((known, at)) = recent
            && *known == value
        {
            self.slots[*at as usize].push(slot);
            return false;
        }
        let next = self.slots.len() as u32;
        let at = *self.values.entry(value).or_insert(next);
        *recent = Some((value, at));
        if at == next {
            self.slots.push(Slots::One(slot));
        } else {
            self.slots[at as usize].push(slot);
        }
        at == next
    }

    fn finish(self) -> NameIndex {
        let mut slots: Vec<_> = self.slots.into_iter().map(|slots| Some(slots.finish())).collect();
        let values = self.values.into_iter().filter_map(|(value, at)| Some((value, slots[at as usize].take()?)));
        NameIndex { values: values.collect(), any: self.any.finish() }
    }
}

/// Collects the postings of series that come in the order of their slots.
#[derive(Debug, Default)]
pub(super) struct Filling {
    names: HashMap<Symbol, Name>,
    all: Rising,
    bytes: usize,
}

/// The postings of some slots.
pub(super) struct Filled {
    pub(super) names: HashMap<Symbol, NameIndex>,
    pub(super) all: RoaringBitmap,
    /// What they take, roughly.
    pub(super) bytes: usize,
}

impl Filling {
    pub(super) fn push(&mut self, slot: u32, pairs: &[Pair]) {
        self.all.push(slot);
        for pair in pairs {
            self.bytes += PAIR_BYTES;
            if self.names.entry(pair.name).or_default().push(slot, pair.value) {
                self.bytes += POSTINGS_BYTES;
            }
        }
    }

    pub(super) fn finish(self) -> Filled {
        Filled {
            names: self.names.into_iter().map(|(symbol, name)| (symbol, name.finish())).collect(),
            all: self.all.finish(),
            bytes: self.bytes,
        }
    }
}
