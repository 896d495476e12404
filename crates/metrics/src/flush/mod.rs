//! Moving samples from memory into blocks.
//!
//! 1. The log begins a new segment N. All that is in older segments is in some head by now; the heads are listed after that,
//!    because the first batch of a tenant makes one.
//! 2. Definitions that are not in the head's own file are appended to it.
//! 3. Every series seals its samples; they are written to a block of level 0, one for each tenant.
//! 4. The blocks are committed together with the words "segments below N are in blocks".
//! 5. Once every reader sees the blocks, the series drop what they sealed; until then it waits, and nothing else does.
//!    Segments below N are removed.
//!
//! A failure before 4 changes nothing: the samples stay in memory and in the log.

mod definitions;
mod rows;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use blocks::wal::Wal;
use model::Timestamp;

use crate::block::BlockEntry;
use crate::epochs::Epochs;
use crate::head::{Head, Idle};
use crate::headlog::HeadLog;
use crate::shelf::Shelf;
use rows::Written;

pub(crate) use definitions::beside_blocks;

/// What flushes keep between two of them.
#[derive(Debug)]
pub(crate) struct Flusher {
    headlog: HeadLog,
    /// Number of the last flush that was committed.
    number: u64,
    /// Readers that began before this epoch hold up the dropping of samples.
    waiting_for: Option<u64>,
}

/// What a flush works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'s> {
    pub(crate) heads: &'s [Arc<Head>],
    pub(crate) wal: &'s Wal,
    pub(crate) shelf: &'s Shelf,
    pub(crate) epochs: &'s Epochs,
    pub(crate) now: Timestamp,
    pub(crate) idle: Idle,
}

/// What a flush has moved.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flushed {
    pub(crate) samples: u64,
    /// Series that left the head.
    pub(crate) evicted: u64,
}

impl Flusher {
    pub(crate) fn new(headlog: HeadLog) -> Self {
        Flusher { headlog, number: 0, waiting_for: None }
    }

    /// True where samples that are in blocks still wait for readers to go.
    pub(crate) fn is_pending(&self) -> bool {
        self.waiting_for.is_some()
    }

    /// Flushes all heads. `wal_from` is the segment that the log had begun before they were listed.
    pub(crate) fn flush(&mut self, places: Places<'_>, wal_from: u64) -> io::Result<Flushed> {
        let Places { heads, wal, shelf, epochs, .. } = places;
        let written = match self.write(places, wal_from) {
            Ok(written) => written,
            Err(error) => {
                heads.iter().for_each(|head| head.keep_unflushed());
                return Err(error);
            }
        };
        let entries: Vec<BlockEntry> = written.iter().filter_map(|written| written.entry.clone()).collect();
        let samples = entries.iter().map(|entry| entry.samples).sum();
        if !entries.is_empty()
            && let Err(error) = shelf.commit(entries, &[], |manifest| manifest.wal_from = wal_from)
        {
            heads.iter().for_each(|head| head.keep_unflushed());
            return Err(error);
        }
        written.iter().zip(heads).for_each(|(written, head)| written.is_committed(head));
        self.number += 1;
        // Readers of the next epoch see the blocks. Told first, so that nobody who does not leaves out what is marked.
        let next = epochs.next();
        heads.iter().for_each(|head| head.durable_epoch.store(next, Ordering::SeqCst));
        let evicted = if epochs.reached(epochs.advance()) {
            self.drop_flushed(places, false)
        } else {
            heads.iter().for_each(|head| head.mark_flushed());
            self.waiting_for = Some(next);
            0
        };
        heads.iter().for_each(|head| head.free_retired(self.number));
        if self.headlog.is_bloated(known(heads)) {
            definitions::rewrite(heads, &mut self.headlog)?;
        }
        wal.remove_below(wal_from)?;
        Ok(Flushed { samples, evicted })
    }

    /// Everything that can fail without a trace.
    fn write(&mut self, places: Places<'_>, wal_from: u64) -> io::Result<Vec<Written>> {
        definitions::bring_up_to_date(places.heads, &mut self.headlog)?;
        let mut written: Vec<Written> = Vec::new();
        for head in places.heads {
            match rows::write(head, places, wal_from, &mut self.headlog) {
                Ok(one) => written.push(one),
                Err(error) => {
                    let entries: Vec<BlockEntry> = written.into_iter().filter_map(|written| written.entry).collect();
                    places.shelf.discard(&entries);
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    /// Drops what waits for readers to go, if they are gone; answers the number of series that left.
    pub(crate) fn finish(&mut self, places: Places<'_>) -> u64 {
        if self.waiting_for.is_none_or(|epoch| !places.epochs.reached(epoch)) {
            return 0;
        }
        self.drop_flushed(places, true)
    }

    fn drop_flushed(&mut self, places: Places<'_>, is_marked: bool) -> u64 {
        self.waiting_for = None;
        let retired: Vec<Vec<u32>> =
            places.heads.iter().map(|head| head.drop_flushed(is_marked, places.idle)).collect();
        let count = retired.iter().map(|slots| slots.len() as u64).sum();
        if count > 0 {
            let epoch = places.epochs.advance();
            for (head, slots) in places.heads.iter().zip(retired) {
                head.note_retired(slots, epoch, self.number);
            }
        }
        count
    }
}

/// Definitions that the head's own file needs.
fn known(heads: &[Arc<Head>]) -> u64 {
    heads.iter().map(|head| head.known.load(Ordering::Relaxed) as u64).sum()
}
