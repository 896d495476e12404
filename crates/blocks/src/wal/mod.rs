//! The write-ahead log: numbered segments, framed records, group commit.
//!
//! One thread writes. Whatever was submitted while it wrote the last group becomes the next group: one write, one
//! fdatasync, then every waiter of the group is released. A failed write or sync closes the segment; the next group goes to
//! a new one, and the *epoch* counts up so that producers know that definitions which they logged earlier may be lost and
//! must be logged again.

mod frame;
mod replay;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use thiserror::Error;
use tokio::sync::watch;

pub use frame::{FRAME, Piece, Pieces, Record};
pub use replay::WalRecovery;
pub use tail::{Position, Tail, end, segments};

use crate::disk::Disk;

/// When a record counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// After fdatasync of its group.
    Always,
    /// Once written; fdatasync follows at this interval, so a power cut may lose that much.
    Interval(Duration),
}

/// Why a log cannot be opened.
#[derive(Debug, Error)]
pub enum WalError {
    /// The directory cannot be used.
    #[error(
        "write-ahead log: cannot {action} {path}: {source}; check that the directory exists, is writable and has free space"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a record was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SubmitError {
    /// The epoch has changed; encode again, with all definitions.
    #[error("the log has begun a new epoch")]
    Epoch,
    /// More bytes are waiting than [`WalOptions::queue_bytes`].
    #[error("too much is waiting to be written")]
    Full,
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}

/// How a log behaves.
#[derive(Clone, Copy, Debug)]
pub struct WalOptions {
    /// When a record counts as durable.
    pub sync: SyncMode,
    /// A segment is closed at this size in bytes.
    pub segment_bytes: u64,
    /// Most bytes that may wait to be written.
    pub queue_bytes: usize,
}

/// What a log has done since it was opened. Read with [`Wal::counters`].
#[derive(Debug, Default)]
pub struct WalCounters {
    /// Bytes of all segments on disk.
    pub disk_bytes: AtomicU64,
    /// Bytes written.
    pub written_bytes: AtomicU64,
    /// Groups written.
    pub groups: AtomicU64,
    /// Syncs done.
    pub syncs: AtomicU64,
    /// Microseconds spent in syncs.
    pub sync_micros: AtomicU64,
    /// Groups that failed.
    pub failures: AtomicU64,
    /// Number of the present segment.
    pub segment: AtomicU64,
}

impl WalCounters {
    fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// `None` while the group is on its way.
type Outcome = Option<Result<(), Arc<str>>>;

/// The fate of a record that was submitted.
#[derive(Clone, Debug)]
pub struct Commit(watch::Receiver<Outcome>);

impl Commit {
    /// True where both records went into the same group, so that waiting for one is enough.
    pub fn same_group(&self, other: &Commit) -> bool {
        self.0.same_channel(&other.0)
    }

    /// Waits until the record is durable, or answers why it is not.
    pub async fn wait(mut self) -> Result<(), Arc<str>> {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(Arc::from("the log was closed before the record was written")),
        }
    }
}

#[derive(Debug)]
struct Queue {
    bytes: Vec<u8>,
    group: watch::Sender<Outcome>,
    rolls: Vec<std::sync::mpsc::Sender<u64>>,
    epoch: u64,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: WalOptions,
    queue: Mutex<Queue>,
    wake: Condvar,
    counters: WalCounters,
}

/// An open log.
#[derive(Debug)]
pub struct Wal {
    shared: Arc<Shared>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Wal {
    /// Opens the log in `dir`: removes segments below `keep_from`, hands the good records of each other segment to `visit`, in
    /// the order of writing, and begins a new segment.
    ///
    /// `visit` answers the numbers of the records that it cannot read, each once; they are counted as damaged. A torn tail is
    /// cut, damaged places are skipped, unreadable files are renamed to `.quarantine`, segments that are gone are named: none
    /// of it is an error.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: WalOptions,
        keep_from: u64,
        visit: &mut dyn FnMut(&[&[u8]]) -> Vec<usize>,
    ) -> Result<(Wal, WalRecovery), WalError> {
        let (recovery, disk_bytes) = replay::replay(&*disk, dir, keep_from, visit)?;
        let wal = Wal::start(disk, dir, options, (recovery.next_segment, recovery.last_segment), disk_bytes)?;
        Ok((wal, recovery))
    }

    fn start(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: WalOptions,
        (next_segment, last_segment): (u64, Option<u64>),
        disk_bytes: u64,
    ) -> Result<Wal, WalError> {
        let shared = Arc::new(Shared {
            disk,
            dir: dir.to_owned(),
            options,
            queue: Mutex::new(Queue {
                bytes: Vec::new(),
                group: watch::Sender::new(None),
                rolls: Vec::new(),
                epoch: 1,
                closed: false,
            }),
            wake: Condvar::new(),
            counters: WalCounters::default(),
        });
        shared.counters.disk_bytes.store(disk_bytes, Ordering::Relaxed);
        let writer = writer::Writer::new(shared.clone(), next_segment, last_segment);
        let thread =
            std::thread::Builder::new().name("wal-writer".into()).spawn(move || writer.run()).map_err(|source| {
                WalError::Io { action: "start the writer of", path: dir.display().to_string(), source }
            })?;
        Ok(Wal { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Opens the log in `dir` behind what is there, without reading it: for a log that is read by a [`Tail`].
    pub fn resume(disk: Arc<dyn Disk>, dir: &Path, options: WalOptions) -> Result<Wal, WalError> {
        let fail = |action| move |source| WalError::Io { action, path: dir.display().to_string(), source };
        disk.create_dir_all(dir).map_err(fail("create"))?;
        let mut disk_bytes = 0;
        let numbers = segments(&*disk, dir).map_err(fail("list"))?;
        for number in &numbers {
            let file = disk.open(&dir.join(replay::segment_name(*number))).map_err(fail("open a segment of"))?;
            disk_bytes += file.len().map_err(fail("measure a segment of"))?;
        }
        let last = numbers.last().copied();
        Wal::start(disk, dir, options, (last.unwrap_or(0) + 1, last), disk_bytes)
    }

    /// The present epoch: definitions logged in an earlier one may be lost.
    pub fn epoch(&self) -> u64 {
        self.shared.queue.lock().epoch
    }

    /// Queues a sealed record that was encoded in `epoch`. Records are written in the order of these calls.
    pub fn submit(&self, epoch: u64, record: &[u8]) -> Result<Commit, SubmitError> {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            return Err(SubmitError::Closed);
        }
        if queue.epoch != epoch {
            return Err(SubmitError::Epoch);
        }
        if queue.bytes.len() + record.len() > self.shared.options.queue_bytes && !queue.bytes.is_empty() {
            return Err(SubmitError::Full);
        }
        let first = queue.bytes.is_empty();
        queue.bytes.extend_from_slice(record);
        let commit = Commit(queue.group.subscribe());
        drop(queue);
        if first {
            self.shared.wake.notify_one();
        }
        Ok(commit)
    }

    /// Queues a sealed record that leans on no other, in whichever epoch.
    pub fn submit_alone(&self, record: &[u8]) -> Result<Commit, SubmitError> {
        loop {
            match self.submit(self.epoch(), record) {
                Err(SubmitError::Epoch) => continue,
                answer => return answer,
            }
        }
    }

    /// Ends the present segment. Everything submitted before lies in segments below the number that is answered, everything
    /// submitted later in that one or above. Blocks while the queue is written.
    pub fn roll(&self) -> Result<u64, SubmitError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            return Err(SubmitError::Closed);
        }
        queue.rolls.push(sender);
        drop(queue);
        self.shared.wake.notify_one();
        receiver.recv().map_err(|_| SubmitError::Closed)
    }

    /// Removes segments below `number`. What cannot be removed is left for the next time.
    pub fn remove_below(&self, number: u64) -> std::io::Result<()> {
        let shared = &self.shared;
        for name in shared.disk.list(&shared.dir)? {
            if replay::segment_number(&name).is_some_and(|n| n < number) {
                let path = shared.dir.join(&name);
                let length = shared.disk.open(&path)?.len()?;
                shared.disk.remove(&path)?;
                shared.counters.disk_bytes.fetch_sub(length, Ordering::Relaxed);
            }
        }
        shared.disk.sync_dir(&shared.dir)
    }

    /// What the log has done.
    pub fn counters(&self) -> &WalCounters {
        &self.shared.counters
    }

    /// Writes what is waiting, syncs and stops the writer. Later records are refused.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the write-ahead log panicked");
        }
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        self.close();
    }
}
