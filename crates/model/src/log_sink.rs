//! The door through which log entries enter a store.
//!
//! Producers (push protocols, syslog, the shipper) fill a [`LogBatch`] and hand it to a [`LogSink`]; the future that comes back
//! resolves once the batch is durable. One bad entry never refuses the batch: it is listed in the report.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use thiserror::Error;

use crate::{AppendError, Labels, Tenant};

/// Entries that are made durable and acknowledged together. Their text lies in one buffer, so that a batch of many thousand
/// lines takes a handful of allocations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogBatch {
    /// Whose entries these are.
    pub tenant: Tenant,
    streams: Vec<Labels>,
    entries: Vec<Entry>,
    text: Vec<u8>,
    metadata: Vec<(Range<u32>, Range<u32>)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    stream: u32,
    timestamp: i64,
    line: Range<u32>,
    metadata: Range<u32>,
}

/// One entry of a batch.
#[derive(Clone, Copy, Debug)]
pub struct LogEntry<'a> {
    batch: &'a LogBatch,
    entry: &'a Entry,
}

impl LogBatch {
    /// An empty batch.
    pub fn new(tenant: Tenant) -> Self {
        LogBatch { tenant, ..LogBatch::default() }
    }

    /// Adds a stream and returns its place, for [`LogBatch::push`]. The same labels may be added twice.
    pub fn add_stream(&mut self, labels: Labels) -> u32 {
        self.streams.push(labels);
        (self.streams.len() - 1) as u32
    }

    /// Makes room for so many bytes of lines and metadata.
    pub fn reserve(&mut self, text_bytes: usize) {
        self.text.reserve(text_bytes);
    }

    /// Adds an entry: nanoseconds since the Unix epoch, the line as it came (any bytes), and structured metadata.
    ///
    /// Panics where the batch would pass 4 GiB of text; doors bound their requests far below.
    pub fn push<'m>(
        &mut self,
        stream: u32,
        timestamp: i64,
        line: &[u8],
        metadata: impl IntoIterator<Item = (&'m str, &'m str)>,
    ) {
        let line = self.keep(line);
        let begin = self.metadata.len() as u32;
        for (name, value) in metadata {
            let pair = (self.keep(name.as_bytes()), self.keep(value.as_bytes()));
            self.metadata.push(pair);
        }
        let metadata = begin..self.metadata.len() as u32;
        self.entries.push(Entry { stream, timestamp, line, metadata });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<u32> {
        let begin = self.text.len();
        self.text.extend_from_slice(bytes);
        let end = u32::try_from(self.text.len()).expect("doors bound a batch far below 4 GiB");
        begin as u32..end
    }

    /// The streams, by place.
    pub fn streams(&self) -> &[Labels] {
        &self.streams
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entry `index`.
    pub fn entry(&self, index: usize) -> LogEntry<'_> {
        LogEntry { batch: self, entry: &self.entries[index] }
    }

    /// All entries, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = LogEntry<'_>> {
        self.entries.iter().map(move |entry| LogEntry { batch: self, entry })
    }

    /// Bytes of lines and structured metadata.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

impl<'a> LogEntry<'a> {
    /// The place of its stream in [`LogBatch::streams`].
    pub fn stream(self) -> u32 {
        self.entry.stream
    }

    /// Nanoseconds since the Unix epoch.
    pub fn timestamp(self) -> i64 {
        self.entry.timestamp
    }

    /// The line as it came.
    pub fn line(self) -> &'a [u8] {
        self.batch.bytes(&self.entry.line)
    }

    /// Bytes of structured metadata, names and values.
    pub fn metadata_bytes(self) -> usize {
        self.metadata_texts().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// As [`LogEntry::metadata`], as plain bytes.
    pub fn metadata_texts(self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        let range = self.entry.metadata.start as usize..self.entry.metadata.end as usize;
        self.batch.metadata[range].iter().map(move |(name, value)| (self.batch.bytes(name), self.batch.bytes(value)))
    }

    /// Structured metadata, in the order in which it came.
    pub fn metadata(self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> {
        let range = self.entry.metadata.start as usize..self.entry.metadata.end as usize;
        self.batch.metadata[range].iter().map(move |(name, value)| (self.batch.str(name), self.batch.str(value)))
    }
}

impl LogBatch {
    fn bytes(&self, range: &Range<u32>) -> &[u8] {
        &self.text[range.start as usize..range.end as usize]
    }

    fn str(&self, range: &Range<u32>) -> &str {
        std::str::from_utf8(self.bytes(range)).expect("metadata is pushed as str")
    }
}

/// Why one entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum LogRejectReason {
    /// Older than the newest entry of its stream by more than the out-of-order window.
    #[error("entry too far behind")]
    TooFarBehind,
    /// The tenant has as many active streams as it may.
    #[error("maximum active stream limit exceeded")]
    StreamLimit,
    /// The stream takes more bytes a second than it may.
    #[error("per stream rate limit exceeded")]
    StreamRate,
}

impl LogRejectReason {
    /// The value of the `reason` label in counters; Loki's names.
    pub fn as_str(self) -> &'static str {
        match self {
            LogRejectReason::TooFarBehind => "too_far_behind",
            LogRejectReason::StreamLimit => "stream_limit",
            LogRejectReason::StreamRate => "per_stream_rate_limit",
        }
    }
}

/// One entry that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRejection {
    /// Index of the entry in its batch.
    pub entry: usize,
    /// Why.
    pub reason: LogRejectReason,
    /// For [`LogRejectReason::TooFarBehind`]: the oldest time that would have been taken, in nanoseconds.
    pub oldest_acceptable: Option<i64>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Entries taken now. Those that were stored before (same stream, time, line) are acknowledged too, and not counted.
    pub stored: u64,
    /// Entries that were not taken.
    pub rejected: Vec<LogRejection>,
}

/// Resolves once the batch is durable.
pub type LogFuture = Pin<Box<dyn Future<Output = Result<LogReport, AppendError>> + Send>>;

/// A place that takes log entries.
pub trait LogSink: Send + Sync {
    /// Admits a batch. Entries are visible to queries at the latest when the future resolves.
    fn append(&self, batch: LogBatch) -> LogFuture;
}
