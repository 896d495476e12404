//! The first look at the samples of a log: which entries of which record belong to which part of a head.
//!
//! A log holds its samples scrape by scrape, and going from scrape to scrape through a million series finds none of them in
//! a cache. So the entries are not taken as they come: the scan notes *runs*, neighbouring entries of one record whose
//! series stand close together. Sorted by place, each stretch of series gets all its samples at once.

use model::SampleBuffer;

use super::ids::IdMap;
use crate::bytes::{Damaged, Reader};
use crate::record::{self, Floats};

/// A number of a head and a slot in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) head: usize,
    pub(super) slot: u32,
}

impl Location {
    pub(super) fn pack(self) -> u64 {
        (self.head as u64) << 32 | u64::from(self.slot)
    }

    pub(super) fn unpack(packed: u64) -> Self {
        Location { head: (packed >> 32) as usize, slot: packed as u32 }
    }
}

/// A head and a stretch of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) head: usize,
    pub(super) stretch: u32,
}

/// Samples of one stretch that are neighbours in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) place: Place,
    pub(super) content: Content<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// So many from here.
    Floats(Floats<'a>, u32),
    /// Samples of any kind in a slot.
    Samples(u32, &'a [u8]),
}

/// The entries of a record that are not read in the scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a> {
    pub(super) head: usize,
    pub(super) tag: u8,
    pub(super) count: usize,
    pub(super) entries: Reader<'a>,
}

/// What a scan has found.
#[derive(Debug, Default)]
pub(super) struct Scanned<'a> {
    /// In the order of the log.
    pub(super) runs: Vec<Run<'a>>,
    pub(super) rest: Vec<Rest<'a>>,
    /// Samples whose series was never defined.
    pub(super) orphaned: u64,
    pub(super) highest_id: u64,
    buffer: SampleBuffer,
}

impl<'a> Scanned<'a> {
    /// Scans what follows the definitions in a record of a head. Finds in front of damage are kept.
    pub(super) fn add(
        &mut self,
        head: usize,
        mut reader: Reader<'a>,
        ids: &IdMap,
        stretch_bits: &[u32],
    ) -> Result<(), Damaged> {
        while !reader.is_empty() {
            let (tag, count) = record::section(&mut reader)?;
            let entries = reader;
            match tag {
                record::FLOATS => reader = self.add_floats(reader, count, ids, stretch_bits)?,
                record::SAMPLES => self.add_samples(&mut reader, count, ids, stretch_bits)?,
                record::EXEMPLARS => {
                    let mut id = 0;
                    (0..count).try_for_each(|_| record::exemplar(&mut reader, &mut id).map(drop))?;
                    self.rest.push(Rest { head, tag, count, entries });
                }
                record::METADATA => {
                    (0..count).try_for_each(|_| record::metadata(&mut reader).map(drop))?;
                    self.rest.push(Rest { head, tag, count, entries });
                }
                _ => return Err(Damaged("unknown section")),
            }
        }
        Ok(())
    }

    fn add_floats(
        &mut self,
        reader: Reader<'a>,
        count: usize,
        ids: &IdMap,
        stretch_bits: &[u32],
    ) -> Result<Reader<'a>, Damaged> {
        let mut ids = ids.lookup();
        let mut floats = Floats::new(reader);
        let mut run: Option<(Place, Floats<'a>, u32)> = None;
        let mut result = Ok(());
        for _ in 0..count {
            let here = floats;
            let id = match floats.read() {
                Ok((id, ..)) => id,
                Err(damage) => {
                    result = Err(damage);
                    break;
                }
            };
            self.highest_id = self.highest_id.max(id);
            let place = ids.get(id).map(|packed| place_of(packed, stretch_bits).0);
            match &mut run {
                Some((known, _, n)) if Some(*known) == place => *n += 1,
                _ => {
                    self.end_run(run.take());
                    run = place.map(|place| (place, here, 1));
                    self.orphaned += u64::from(place.is_none());
                }
            }
        }
        self.end_run(run);
        result.map(|()| floats.rest())
    }

    fn end_run(&mut self, run: Option<(Place, Floats<'a>, u32)>) {
        self.runs.extend(run.map(|(place, from, count)| Run { place, content: Content::Floats(from, count) }));
    }

    fn add_samples(
        &mut self,
        reader: &mut Reader<'a>,
        count: usize,
        ids: &IdMap,
        stretch_bits: &[u32],
    ) -> Result<(), Damaged> {
        let mut ids = ids.lookup();
        let mut id = 0;
        for _ in 0..count {
            let (id, bytes) = record::sample(reader, &mut id)?;
            let samples = record::samples(bytes, &mut self.buffer)?.count();
            self.highest_id = self.highest_id.max(id);
            match ids.get(id) {
                Some(packed) => {
                    let (place, slot) = place_of(packed, stretch_bits);
                    self.runs.push(Run { place, content: Content::Samples(slot, bytes) });
                }
                None => self.orphaned += samples as u64,
            }
        }
        Ok(())
    }
}

fn place_of(packed: u64, stretch_bits: &[u32]) -> (Place, u32) {
    let Location { head, slot } = Location::unpack(packed);
    (Place { head, stretch: slot >> stretch_bits[head] }, slot)
}
