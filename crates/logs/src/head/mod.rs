//! The streams of one tenant that take entries, and what of them is not in blocks yet.
//!
//! One lock for a tenant: entries are checked, logged and put in place while it is held, so that everything in a log segment is
//! in the head by the time the segment ends. Readers take the chunks of the streams that they want; a chunk that a reader
//! holds is copied before it grows.

mod chunk;
mod rate;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use blocks::wal::{Commit, Record, SubmitError, Wal};
use hashbrown::HashMap;
use model::{Labels, LogBatch, LogRejectReason, LogRejection, LogReport, Matcher, NanoRange, Tenant};

pub(crate) use chunk::Chunk;
use rate::Bucket;

use crate::LogLimits;
use crate::record;

/// What a stream costs beside its labels and chunks.
const STREAM_BYTES: usize = 400;
/// At most one of so many bytes of a stream stays behind in a flush.
const HELD_SHARE: usize = 8;

/// After a chunk with so many bytes of lines, room is made for as many more at once.
const LARGE_CHUNK: usize = 128 << 10;

/// What all heads of a store share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Estimate of the memory of all heads in bytes.
    pub(crate) memory: AtomicI64,
    pub(crate) entries: AtomicI64,
    pub(crate) appended: AtomicU64,
    pub(crate) appended_bytes: AtomicU64,
    pub(crate) duplicates: AtomicU64,
}

#[derive(Debug)]
struct Stream {
    labels: Labels,
    /// Full ones, and those of a flush that failed.
    chunks: Vec<Arc<Chunk>>,
    open: Arc<Chunk>,
    /// What stays behind in the flush that begins.
    held: Option<Arc<Chunk>>,
    /// On their way into a block.
    flushing: Vec<Arc<Chunk>>,
    newest: i64,
    /// The same while a batch is checked.
    next_newest: i64,
    bucket: Option<Bucket>,
    used_ms: i64,
    /// Entries and bytes of lines of the chunk before the open one, where that was large.
    usual: Option<(usize, usize)>,
}

/// What a batch adds to a head.
#[derive(Clone, Copy, Debug, Default)]
struct Added {
    entries: u64,
    duplicates: u64,
    /// Of lines and metadata.
    bytes: u64,
    memory: i64,
}

/// What a reader or a flush takes of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) labels: Labels,
    pub(crate) chunks: Vec<Arc<Chunk>>,
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too much waits to be logged.
    Full,
    /// The log is closed.
    Closed,
}

/// The streams of one tenant.
#[derive(Debug)]
pub(crate) struct Head {
    shared: Arc<Shared>,
    streams: Vec<Stream>,
    places: HashMap<Labels, usize>,
    record: Record,
    page_bytes: usize,
}

impl Head {
    pub(crate) fn new(shared: Arc<Shared>, page_bytes: usize) -> Self {
        Head { shared, streams: Vec::new(), places: HashMap::new(), record: Record::new(), page_bytes }
    }

    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Checks, logs and takes the entries of a batch. After an error nothing was taken.
    pub(crate) fn append(
        &mut self,
        batch: &LogBatch,
        limits: &LogLimits,
        now_ms: i64,
        wal: &Wal,
    ) -> Result<(LogReport, Option<Commit>), Refused> {
        let mut report = LogReport::default();
        let places = self.find_streams(batch, limits, now_ms);
        let mut takes = Vec::with_capacity(batch.len());
        for (index, entry) in batch.iter().enumerate() {
            let bytes = entry.line().len() as f64;
            let verdict = match places[entry.stream() as usize] {
                Some(place) => self.streams[place].check(entry.timestamp(), bytes, limits, now_ms),
                None => Err((LogRejectReason::StreamLimit, None)),
            };
            takes.push(verdict.is_ok());
            if let Err((reason, oldest_acceptable)) = verdict {
                report.rejected.push(LogRejection { entry: index, reason, oldest_acceptable });
            }
        }
        if !takes.contains(&true) {
            return Ok((report, None));
        }
        let mut written = std::mem::take(&mut self.record);
        record::encode(batch, &takes, &mut written);
        let submitted = submit(wal, written.seal());
        written.clear();
        if written.payload().capacity() <= 4 << 20 {
            self.record = written;
        }
        let commit = submitted?;
        let mut added = Added::default();
        for (entry, _) in batch.iter().zip(&takes).filter(|(_, takes)| **takes) {
            let place = places[entry.stream() as usize].expect("entries without a stream are not taken");
            self.put(place, entry, now_ms, &mut added);
        }
        report.stored = added.entries;
        self.count(added);
        self.shared.appended.fetch_add(report.stored, Ordering::Relaxed);
        Ok((report, Some(commit)))
    }

    /// Takes the entries of a record of the log; answers how many were new.
    pub(crate) fn restore(&mut self, batch: &LogBatch, now_ms: i64) -> u64 {
        let no_limits = LogLimits { streams: None, stream_rate: None, out_of_order_window: None };
        let places = self.find_streams(batch, &no_limits, now_ms);
        let mut added = Added::default();
        for entry in batch.iter() {
            let place = places[entry.stream() as usize].expect("without a limit every stream has a place");
            self.put(place, entry, now_ms, &mut added);
        }
        self.count(added);
        added.entries
    }

    fn count(&self, added: Added) {
        self.weigh(added.memory);
        self.shared.entries.fetch_add(added.entries as i64, Ordering::Relaxed);
        self.shared.duplicates.fetch_add(added.duplicates, Ordering::Relaxed);
        self.shared.appended_bytes.fetch_add(added.bytes, Ordering::Relaxed);
    }

    /// The place of each stream of a batch; `None` where there may be no more.
    fn find_streams(&mut self, batch: &LogBatch, limits: &LogLimits, now_ms: i64) -> Vec<Option<usize>> {
        let mut places = Vec::with_capacity(batch.streams().len());
        for labels in batch.streams() {
            let known = self.places.get(labels).copied();
            let place = match known {
                Some(place) => Some(place),
                None if limits.streams.is_some_and(|most| self.streams.len() >= most) => None,
                None => Some(self.add_stream(labels.clone(), now_ms)),
            };
            if let Some(place) = place {
                self.streams[place].next_newest = self.streams[place].newest;
            }
            places.push(place);
        }
        places
    }

    fn add_stream(&mut self, labels: Labels, now_ms: i64) -> usize {
        let place = self.streams.len();
        self.weigh((STREAM_BYTES + labels.encoded_len()) as i64);
        self.places.insert(labels.clone(), place);
        self.streams.push(Stream {
            labels,
            chunks: Vec::new(),
            open: Arc::default(),
            held: None,
            flushing: Vec::new(),
            newest: i64::MIN,
            next_newest: i64::MIN,
            bucket: None,
            used_ms: now_ms,
            usual: None,
        });
        place
    }

    fn weigh(&self, bytes: i64) {
        self.shared.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Puts an entry in place, unless it is there already.
    fn put(&mut self, place: usize, entry: model::LogEntry<'_>, now_ms: i64, added: &mut Added) {
        let stream = &mut self.streams[place];
        let (timestamp, line) = (entry.timestamp(), entry.line());
        stream.used_ms = now_ms;
        if timestamp <= stream.newest && stream.contains(timestamp, line) {
            added.duplicates += 1;
            return;
        }
        stream.newest = stream.newest.max(timestamp);
        if stream.open.text_bytes() + line.len() > self.page_bytes + self.page_bytes / 8 && stream.open.len() > 0 {
            let full = stream.begin_chunk();
            stream.chunks.push(full);
        }
        let open = Arc::make_mut(&mut stream.open);
        if open.len() == 0
            && let Some(size) = stream.usual
        {
            open.reserve_as(size);
        }
        added.memory += open.push(timestamp, line, entry.metadata()) as i64;
        added.entries += 1;
        added.bytes += (line.len() + entry.metadata_bytes()) as u64;
    }

    /// What matching streams hold in memory in the range, in order of time within each chunk.
    pub(crate) fn select(&mut self, matchers: &[Matcher], range: NanoRange) -> Vec<Taken> {
        let mut found = Vec::new();
        for stream in &mut self.streams {
            if !matches(&stream.labels, matchers) {
                continue;
            }
            let pieces = stream.flushing.iter_mut().chain(&mut stream.chunks).chain([&mut stream.open]);
            for chunk in pieces.filter(|chunk| chunk.is_unsettled() && chunk.overlaps(range)) {
                let (bytes, entries) = settle(chunk);
                self.shared.memory.fetch_add(bytes, Ordering::Relaxed);
                self.shared.entries.fetch_add(entries, Ordering::Relaxed);
            }
            let chunks: Vec<Arc<Chunk>> = stream.all().filter(|chunk| chunk.overlaps(range)).cloned().collect();
            if !chunks.is_empty() {
                found.push(Taken { labels: stream.labels.clone(), chunks });
            }
        }
        found
    }

    /// Begins to move everything into a block; what a flush that failed has begun to move goes along.
    ///
    /// With `hold_back` entries that are newer than so many nanoseconds before the newest stay where they are, so that what comes
    /// a little late does not overlap with the block. They are logged anew, because the log so far is about to go.
    pub(crate) fn begin_flush(
        &mut self,
        tenant: &Tenant,
        hold_back: i64,
        now_ms: i64,
        wal: &Wal,
    ) -> (Vec<Taken>, Option<Commit>) {
        let mut batch = LogBatch::new(tenant.clone());
        if hold_back > 0 {
            let mut grown = 0;
            for stream in &mut self.streams {
                if stream.used_ms.saturating_add(hold_back / 1_000_000) < now_ms {
                    continue;
                }
                let (bytes, entries) = stream.hold_back(hold_back);
                grown += bytes;
                self.shared.entries.fetch_add(entries, Ordering::Relaxed);
                if let Some(entries) = stream.held.as_ref().and_then(|chunk| chunk.in_order()) {
                    let place = batch.add_stream(stream.labels.clone());
                    for at in 0..entries.len() {
                        batch.push(place, entries.timestamps[at], entries.lines.get(at), entries.meta.of(at));
                    }
                }
            }
            self.weigh(grown);
        }
        let mut commit = None;
        if !batch.is_empty() {
            let mut written = Record::new();
            record::encode(&batch, &vec![true; batch.len()], &mut written);
            commit = submit(wal, written.seal()).ok();
        }
        (self.take_for_flush(commit.is_some()), commit)
    }

    fn take_for_flush(&mut self, holds_back: bool) -> Vec<Taken> {
        let mut taken = Vec::new();
        for stream in &mut self.streams {
            let held = stream.held.take();
            if let Some(held) = &held
                && !holds_back
            {
                stream.chunks.push(held.clone());
            }
            stream.flushing.append(&mut stream.chunks);
            if stream.open.len() > 0 {
                let open = stream.begin_chunk();
                stream.flushing.push(open);
            }
            if let Some(held) = held.filter(|_| holds_back) {
                stream.open = held;
            }
            if !stream.flushing.is_empty() {
                taken.push(Taken { labels: stream.labels.clone(), chunks: stream.flushing.clone() });
            }
        }
        taken.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        taken
    }

    /// The block counts: what was moved goes, and so do streams that have been idle.
    pub(crate) fn end_flush(&mut self, idle_before_ms: i64) {
        let (mut bytes, mut entries) = (0, 0);
        for stream in &mut self.streams {
            for chunk in stream.flushing.drain(..) {
                bytes += chunk.memory() as i64;
                entries += chunk.len() as i64;
            }
        }
        self.shared.entries.fetch_sub(entries, Ordering::Relaxed);
        let is_idle = |stream: &Stream| stream.open.len() == 0 && stream.used_ms < idle_before_ms;
        if self.streams.iter().any(is_idle) {
            let gone = self.streams.extract_if(.., |stream| is_idle(stream));
            bytes += gone.map(|stream| (STREAM_BYTES + stream.labels.encoded_len()) as i64).sum::<i64>();
            self.places =
                self.streams.iter().enumerate().map(|(place, stream)| (stream.labels.clone(), place)).collect();
        }
        self.weigh(-bytes);
    }

    /// Labels of the streams that have entries in memory in the range.
    pub(crate) fn labels_in(&self, range: NanoRange) -> impl Iterator<Item = &Labels> {
        let in_range = move |stream: &&Stream| stream.all().any(|chunk| chunk.overlaps(range));
        self.streams.iter().filter(in_range).map(|stream| &stream.labels)
    }
}

/// Puts a chunk in order; answers by how much its memory and its entries have changed.
fn settle(chunk: &mut Arc<Chunk>) -> (i64, i64) {
    let settled = chunk.settled();
    let bytes = settled.memory() as i64 - chunk.memory() as i64;
    let entries = settled.len() as i64 - chunk.len() as i64;
    *chunk = Arc::new(settled);
    (bytes, entries)
}

impl Stream {
    /// Begins a new chunk; answers the one before.
    fn begin_chunk(&mut self) -> Arc<Chunk> {
        self.usual = Some(self.open.size()).filter(|(_, bytes)| *bytes >= LARGE_CHUNK);
        std::mem::take(&mut self.open)
    }

    /// Sets entries aside that are newer than so many nanoseconds before the newest, at most a part of all. Answers by how much
    /// memory and entries have changed.
    fn hold_back(&mut self, nanoseconds: i64) -> (i64, i64) {
        // Where several chunks are that young the stream is fast, and a part of the last of them is enough.
        if self.open.len() == 0 {
            return (0, 0);
        }
        let (bytes, entries) = if self.open.is_unsettled() { settle(&mut self.open) } else { (0, 0) };
        let Some(open) = self.open.in_order() else { return (bytes, entries) };
        let text = open.lines.text.len();
        let most = (self.chunks.iter().map(|chunk| chunk.text_bytes()).sum::<usize>() + text) / HELD_SHARE;
        let too_large = open.lines.ends.partition_point(|end| text - *end as usize > most);
        let last = open.len() - 1;
        let cut = open.timestamps[last].saturating_sub(nanoseconds).max(open.timestamps[too_large.min(last)]);
        let at = open.timestamps.partition_point(|time| *time <= cut);
        if at > last {
            return (bytes, entries);
        }
        let held = Chunk::of(open.part(at..open.len()));
        let rest = if at == 0 { Chunk::default() } else { Chunk::of(open.part(0..at)) };
        let bytes = bytes + held.memory() as i64 + rest.memory() as i64 - self.open.memory() as i64;
        (self.held, self.open) = (Some(Arc::new(held)), Arc::new(rest));
        (bytes, entries)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Chunk>> {
        self.flushing.iter().chain(&self.chunks).chain([&self.open])
    }

    fn contains(&self, timestamp: i64, line: &[u8]) -> bool {
        self.all().any(|chunk| chunk.contains(timestamp, line))
    }

    /// Whether an entry may be taken; where it is too old, also from when on entries may be.
    fn check(
        &mut self,
        timestamp: i64,
        bytes: f64,
        limits: &LogLimits,
        now_ms: i64,
    ) -> Result<(), (LogRejectReason, Option<i64>)> {
        if let Some(window) = limits.out_of_order_window {
            let oldest = self.next_newest.saturating_sub(window);
            if timestamp < oldest {
                return Err((LogRejectReason::TooFarBehind, Some(oldest)));
            }
        }
        if let Some(rate) = limits.stream_rate {
            let bucket = self.bucket.get_or_insert_with(|| Bucket::full(rate.burst_bytes, now_ms));
            if !bucket.take(bytes, rate.bytes_a_second, rate.burst_bytes, now_ms) {
                return Err((LogRejectReason::StreamRate, None));
            }
        }
        self.next_newest = self.next_newest.max(timestamp);
        Ok(())
    }
}

/// True where the labels satisfy all matchers; an absent label counts as the empty value.
pub(crate) fn matches(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or("")))
}

fn submit(wal: &Wal, record: &[u8]) -> Result<Commit, Refused> {
    // Records stand alone: the same one serves any epoch.
    wal.submit_alone(record).map_err(|error| match error {
        SubmitError::Full => Refused::Full,
        SubmitError::Closed | SubmitError::Epoch => Refused::Closed,
    })
}
