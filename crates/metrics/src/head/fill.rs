//! Postings of many series at once: slots come in order, so they are collected and put into bitmaps a thousand at a time, without
//! a search for each.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
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

#[derive(Debug, Default)]
struct Name {
    any: Rising,
    values: HashMap<Symbol, Slots>,
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
            let name = self.names.entry(pair.name).or_default();
            name.any.push(slot);
            match name.values.entry(pair.value) {
                Entry::Occupied(mut known) => known.get_mut().push(slot),
                Entry::Vacant(vacant) => {
                    self.bytes += POSTINGS_BYTES;
                    vacant.insert(Slots::One(slot));
                }
            }
        }
    }

    pub(super) fn finish(self) -> Filled {
        let name_index = |name: Name| NameIndex {
            values: name.values.into_iter().map(|(value, slots)| (value, slots.finish())).collect(),
            any: name.any.finish(),
        };
        Filled {
            names: self.names.into_iter().map(|(symbol, name)| (symbol, name_index(name))).collect(),
            all: self.all.finish(),
            bytes: self.bytes,
        }
    }
}
