//! The one thread that writes segments.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::watch;

use super::frame::{HEADER, segment_header};
use super::replay::segment_name;
use super::{Outcome, Shared, SyncMode, WalCounters};
use crate::disk::WriteFile;

struct Segment {
    number: u64,
    file: Box<dyn WriteFile>,
    length: u64,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    segment: Option<Segment>,
    next_number: u64,
    /// The segment that was written last, here or before this start.
    last_number: Option<u64>,
    /// Since when bytes wait for a sync ([`SyncMode::Interval`] only).
    dirty_since: Option<Instant>,
}

/// What one round of the loop has to do.
struct Work {
    bytes: Vec<u8>,
    group: watch::Sender<Outcome>,
    rolls: Vec<std::sync::mpsc::Sender<u64>>,
    closed: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, next_number: u64, last_number: Option<u64>) -> Self {
        Writer { shared, segment: None, next_number, last_number, dirty_since: None }
    }

    pub(super) fn run(mut self) {
        let mut spare = Vec::new();
        loop {
            let work = self.wait(spare);
            if !work.bytes.is_empty() {
                let result = self.write(&work.bytes);
                self.finish(work.group, result);
            } else if self.sync_is_due() {
                let result = self.sync();
                self.finish_interval_sync(result);
            }
            if !work.rolls.is_empty() {
                self.end_segment();
                for roll in work.rolls {
                    // A caller that has gone away no longer needs the number.
                    let _ = roll.send(self.next_number);
                }
            }
            if work.closed {
                self.end_segment();
                return;
            }
            spare = work.bytes;
            spare.clear();
            spare.shrink_to(1 << 20);
        }
    }

    fn wait(&self, spare: Vec<u8>) -> Work {
        let mut queue = self.shared.queue.lock();
        while queue.bytes.is_empty() && queue.rolls.is_empty() && !queue.closed && !self.sync_is_due() {
            match (self.dirty_since, self.shared.options.sync) {
                (Some(since), SyncMode::Interval(interval)) => {
                    self.shared.wake.wait_until(&mut queue, since + interval);
                }
                _ => self.shared.wake.wait(&mut queue),
            }
        }
        Work {
            bytes: std::mem::replace(&mut queue.bytes, spare),
            group: std::mem::replace(&mut queue.group, watch::Sender::new(None)),
            rolls: std::mem::take(&mut queue.rolls),
            closed: queue.closed,
        }
    }

    fn sync_is_due(&self) -> bool {
        match (self.dirty_since, self.shared.options.sync) {
            (Some(since), SyncMode::Interval(interval)) => since.elapsed() >= interval,
            _ => false,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.segment.as_ref().is_some_and(|s| s.length >= self.shared.options.segment_bytes) {
            if self.dirty_since.is_some() {
                self.sync()?;
            }
            self.segment = None;
        }
        if self.segment.is_none() {
            self.begin_segment()?;
        }
        let segment = self.segment.as_mut().expect("a segment was begun above");
        segment.file.write_all(bytes)?;
        match self.shared.options.sync {
            SyncMode::Always => self.sync()?,
            SyncMode::Interval(_) => {
                self.dirty_since.get_or_insert_with(Instant::now);
                if self.sync_is_due() {
                    self.sync()?;
                }
            }
        }
        let segment = self.segment.as_mut().expect("a sync leaves the segment in place");
        segment.length += bytes.len() as u64;
        let counters = &self.shared.counters;
        WalCounters::add(&counters.written_bytes, bytes.len() as u64);
        WalCounters::add(&counters.disk_bytes, bytes.len() as u64);
        WalCounters::add(&counters.groups, 1);
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let number = self.next_number;
        // Counts up even where creation fails: a half-made file of this name is never written to again.
        self.next_number += 1;
        let shared = &self.shared;
        let path = shared.dir.join(segment_name(number));
        let mut file = shared.disk.create(&path)?;
        let begun = file.write_all(&segment_header(number, self.last_number)).and_then(|()| file.sync());
        if let Err(error) = begun.and_then(|()| shared.disk.sync_dir(&shared.dir)) {
            // A full disk would collect one for each attempt. What cannot be removed is an empty segment to a reader.
            let _ = shared.disk.remove(&path);
            return Err(error);
        }
        WalCounters::add(&shared.counters.disk_bytes, HEADER as u64);
        shared.counters.segment.store(number, Ordering::Relaxed);
        self.segment = Some(Segment { number, file, length: HEADER as u64 });
        self.last_number = Some(number);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.dirty_since = None;
        let Some(segment) = self.segment.as_mut() else { return Ok(()) };
        let begun = Instant::now();
        segment.file.sync()?;
        WalCounters::add(&self.shared.counters.syncs, 1);
        WalCounters::add(&self.shared.counters.sync_micros, begun.elapsed().as_micros() as u64);
        Ok(())
    }

    fn finish(&mut self, group: watch::Sender<Outcome>, result: io::Result<()>) {
        match result {
            Ok(()) => {
                group.send_replace(Some(Ok(())));
            }
            Err(error) => {
                let reason = self.give_up_segment(&error);
                group.send_replace(Some(Err(reason)));
            }
        }
    }

    fn finish_interval_sync(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.give_up_segment(&error);
        }
    }

    /// After a failure nothing of the segment's end can be trusted: leaves the segment, begins a new epoch, and fails what
    /// is queued, because it may rest on definitions of the failed group.
    fn give_up_segment(&mut self, error: &io::Error) -> Arc<str> {
        let reason: Arc<str> = Arc::from(error.to_string());
        tracing::error!(dir = %self.shared.dir.display(), %error, "the write-ahead log cannot be written");
        WalCounters::add(&self.shared.counters.failures, 1);
        self.dirty_since = None;
        if let Some(Segment { number, length, file }) = self.segment.take() {
            drop(file);
            let path = self.shared.dir.join(segment_name(number));
            if let Err(error) = self.shared.disk.truncate(&path, length) {
                tracing::warn!(path = %path.display(), %error, "the failed end of a log segment cannot be cut");
            }
        }
        let mut queue = self.shared.queue.lock();
        queue.epoch += 1;
        queue.bytes.clear();
        let waiting = std::mem::replace(&mut queue.group, watch::Sender::new(None));
        drop(queue);
        waiting.send_replace(Some(Err(reason.clone())));
        reason
    }

    fn end_segment(&mut self) {
        if self.dirty_since.is_some() {
            let result = self.sync();
            self.finish_interval_sync(result);
        }
        self.segment = None;
    }
}
