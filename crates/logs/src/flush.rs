//! Moving entries from memory into blocks.
//!
//! 1. The log begins a new segment N. All that is in older segments is in the head by now.
//! 2. Every stream hands out its chunks; they are written to a block of level 0, one for each tenant. Some seconds of each stream
//!    may stay behind: they are logged again, into segment N.
//! 3. The blocks are committed together with the words "segments below N are in blocks".
//! 4. The streams drop what they handed out, and segments below N are removed.
//!
//! A failure before 3 changes nothing: the entries stay in memory and in the log, and the next flush takes them again.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;

use blocks::catalogue::BlockEntry;
use blocks::wal::{Commit, Wal};
use model::{Tenant, Timestamp};
use parking_lot::Mutex;

use crate::WINDOW_NANOS;
use crate::block::BlockWriter;
use crate::entries::{Entries, cuts, merge};
use crate::head::{Head, Taken};
use crate::page;
use crate::select::Heads;
use crate::shelf::Shelf;

/// What a flush works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'s> {
    pub(crate) heads: &'s Heads,
    pub(crate) wal: &'s Wal,
    pub(crate) shelf: &'s Shelf,
    pub(crate) now: Timestamp,
    pub(crate) idle_ms: i64,
    pub(crate) page_bytes: usize,
    /// What is newer than so many nanoseconds before the newest of its stream may stay.
    pub(crate) hold_back: i64,
}

/// Flushes all heads; answers the number of entries.
pub(crate) fn flush(places: Places<'_>) -> io::Result<u64> {
    let wal_from = places.wal.roll().map_err(io::Error::other)?;
    // Listed only now: a head that was made before the segment ended may have entries in it.
    let heads: Vec<(Tenant, Arc<Mutex<Head>>)> =
        places.heads.read().iter().map(|(tenant, head)| (tenant.clone(), head.clone())).collect();
    let mut written: Vec<BlockEntry> = Vec::new();
    let mut commits = Vec::new();
    for (tenant, head) in &heads {
        let (taken, commit) = head.lock().begin_flush(tenant, places.hold_back, places.now.ms(), places.wal);
        commits.extend(commit);
        if taken.is_empty() {
            continue;
        }
        match write(places, tenant, &taken) {
            Ok(entry) => written.push(entry),
            Err(error) => {
                places.shelf.discard(&written);
                return Err(error);
            }
        }
    }
    for commit in commits {
        if let Err(reason) = wait(commit) {
            places.shelf.discard(&written);
            return Err(io::Error::other(reason.to_string()));
        }
    }
    let entries = written.iter().map(|entry| entry.samples).sum();
    if !written.is_empty() {
        places.shelf.commit(written, &[], |manifest| manifest.wal_from = wal_from)?;
    }
    let idle_before = places.now.ms().saturating_sub(places.idle_ms);
    heads.iter().for_each(|(_, head)| head.lock().end_flush(idle_before));
    places.wal.remove_below(wal_from)?;
    Ok(entries)
}

/// Waits until a record is durable.
fn wait(commit: Commit) -> Result<(), Arc<str>> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut waiting = pin!(commit.wait());
    loop {
        match waiting.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn write(places: Places<'_>, tenant: &Tenant, taken: &[Taken]) -> io::Result<BlockEntry> {
    let (entry, path) = places.shelf.begin(tenant, 0, places.now);
    let names = crate::block::frequent_names(taken.iter().map(|stream| &stream.labels));
    let mut writer = BlockWriter::create(places.shelf.disk().clone(), path, names)?;
    for stream in taken {
        if let Err(error) = write_stream(places, stream, &mut writer) {
            writer.abandon();
            return Err(error);
        }
    }
    writer.finish(entry)
}

fn write_stream(places: Places<'_>, stream: &Taken, writer: &mut BlockWriter) -> io::Result<()> {
    let sorted: Vec<_> = stream.chunks.iter().map(|chunk| chunk.sorted()).collect();
    let merged;
    let all: &Entries = match sorted.as_slice() {
        [one] => one,
        several => {
            merged = merge(&several.iter().map(|part| &**part).collect::<Vec<_>>());
            &merged
        }
    };
    for range in cuts(all, places.page_bytes, WINDOW_NANOS) {
        let page = match range.len() == all.len() {
            true => page::encode(all),
            false => page::encode(&all.part(range)),
        };
        writer.add(&stream.labels, page.into())?;
    }
    Ok(())
}
