//! The buffer on disk: batches that are not delivered yet, and with each batch how far its sources were read.
//!
//! A record is `version u8 | changes: length u32, JSON | parts: count u32, each { tenant length u8, tenant, entries u32, bytes u64,
//! body length u32, body }`. Every client reads the log at its own pace; a segment goes when the last one is through with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blocks::disk::{Disk, RealDisk};
use blocks::wal::{Position, Record, SyncMode, Tail, Wal, WalOptions, segments};
use tokio::sync::watch;

use crate::ShipError;
use crate::batch::Batch;
pub use crate::batch::Part;
use crate::positions::Change;

const VERSION: u8 = 1;
/// Small, because a reader holds a segment in memory.
const SEGMENT_BYTES: u64 = 2 << 20;
const QUEUE_BYTES: usize = 64 << 20;

/// The buffer, open for writing.
#[derive(Debug)]
pub struct Buffer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    wal: Wal,
    most_bytes: u64,
    written: watch::Sender<u64>,
    trimmed: watch::Sender<u64>,
    waits: AtomicU64,
}

impl Buffer {
    /// Opens the buffer in a directory; answers the changes of positions that are in it, in their order.
    pub(crate) fn open(dir: &Path, most_bytes: u64) -> Result<(Self, Vec<Change>), ShipError> {
        let refuse = |reason: String| ShipError::Buffer { path: dir.to_owned(), reason };
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let options = WalOptions { sync: SyncMode::Always, segment_bytes: SEGMENT_BYTES, queue_bytes: QUEUE_BYTES };
        let mut changes = Vec::new();
        let (wal, _) = Wal::open(disk.clone(), dir, options, 0, &mut |records| {
            let mut unreadable = Vec::new();
            for (at, record) in records.iter().enumerate() {
                match read_changes(record) {
                    Some((read, _)) => changes.extend(read),
                    None => unreadable.push(at),
                }
            }
            unreadable
        })
        .map_err(|error| refuse(error.to_string()))?;
        let buffer = Buffer {
            disk,
            dir: dir.to_owned(),
            wal,
            most_bytes,
            written: watch::Sender::new(0),
            trimmed: watch::Sender::new(0),
            waits: AtomicU64::new(0),
        };
        Ok((buffer, changes))
    }

    /// Waits until there is room. Batches that are written without waiting may pass the limit by as much as is on its way.
    pub(crate) async fn room(&self) {
        let mut trimmed = self.trimmed.subscribe();
        if self.bytes() >= self.most_bytes {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        while self.bytes() >= self.most_bytes {
            if trimmed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns once the batch is durable. The error says what the disk said.
    pub(crate) async fn push(&self, batch: &Batch) -> Result<(), String> {
        let record = encode(batch);
        let commit = self.wal.submit_alone(&record).map_err(|error| error.to_string())?;
        commit.wait().await.map_err(|reason| reason.to_string())?;
        self.written.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Changes whenever something was written.
    pub(crate) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    pub(crate) fn tail(&self, position: Position) -> Tail {
        Tail::new(self.disk.clone(), &self.dir, position)
    }

    /// Removes segments that no client needs.
    pub(crate) fn trim(&self, needed_from: u64) -> std::io::Result<()> {
        let present = segments(&*self.disk, &self.dir)?;
        if present.first().is_some_and(|first| *first < needed_from) {
            self.wal.remove_below(needed_from)?;
            self.trimmed.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Ends the present segment where it holds something that is delivered, so that it can go. Blocks for a moment.
    /// Answers the number of the next one.
    pub(crate) fn roll(&self) -> Option<u64> {
        // A closed log has nothing to end.
        self.wal.roll().ok()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.wal.counters().disk_bytes.load(Ordering::Relaxed)
    }

    /// Bytes at which sources wait.
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// How often sources had to wait for room.
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.wal.close();
    }
}

fn encode(batch: &Batch) -> Vec<u8> {
    let parts = batch.parts();
    let changes = serde_json::to_vec(&batch.changes).expect("positions are plain data with text keys");
    let mut record = Record::new();
    let out = record.payload();
    out.reserve(changes.len() + parts.iter().map(|part| part.body.len() + part.tenant.len() + 32).sum::<usize>() + 16);
    out.push(VERSION);
    out.extend_from_slice(&(changes.len() as u32).to_le_bytes());
    out.extend_from_slice(&changes);
    out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    for part in &parts {
        let tenant = part.tenant.as_bytes().get(..part.tenant.len().min(255)).unwrap_or_default();
        out.push(tenant.len() as u8);
        out.extend_from_slice(tenant);
        out.extend_from_slice(&(part.entries as u32).to_le_bytes());
        out.extend_from_slice(&part.bytes.to_le_bytes());
        out.extend_from_slice(&(part.body.len() as u32).to_le_bytes());
        out.extend_from_slice(&part.body);
    }
    record.seal().to_vec()
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn u32_of(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?))
}

/// The changes of a record, and what stands behind them.
fn read_changes(mut record: &[u8]) -> Option<(Vec<Change>, &[u8])> {
    (take(&mut record, 1)? == [VERSION]).then_some(())?;
    let length = u32_of(&mut record)? as usize;
    let changes = serde_json::from_slice(take(&mut record, length)?).ok()?;
    Some((changes, record))
}

/// The parts of a record; `None` where it is damaged or of a version that is not known.
pub(crate) fn read_parts(mut record: &[u8]) -> Option<Vec<Part>> {
    (take(&mut record, 1)? == [VERSION]).then_some(())?;
    let length = u32_of(&mut record)? as usize;
    take(&mut record, length)?;
    let count = u32_of(&mut record)?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let length = usize::from(take(&mut record, 1)?[0]);
        let tenant = std::str::from_utf8(take(&mut record, length)?).ok()?.to_owned();
        let entries = u64::from(u32_of(&mut record)?);
        let bytes = u64::from_le_bytes(take(&mut record, 8)?.try_into().ok()?);
        let length = u32_of(&mut record)? as usize;
        parts.push(Part { tenant, entries, bytes, body: take(&mut record, length)?.to_vec() });
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{BaseLabels, Entry};
    use crate::positions::Mark;

    fn batch(line: &str, offset: u64) -> Batch {
        let base = BaseLabels::new([("a", "b")]);
        let mut batch = Batch::default();
        batch.push(&Entry::new(&base, 1, line.as_bytes(), 0));
        batch.changes.push(("f".into(), Some(Mark::File { offset, identity: None })));
        batch
    }

    #[tokio::test]
    async fn batches_and_their_positions_are_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let (buffer, changes) = Buffer::open(dir.path(), 1 << 20).unwrap();
            assert_eq!(changes.len() as u64, round * 2);
            for i in 0..2 {
                buffer.push(&batch("line", round * 2 + i)).await.unwrap();
            }
        }
        let (buffer, changes) = Buffer::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(changes.last().unwrap().1, Some(Mark::File { offset: 5, identity: None }));
        let mut tail = buffer.tail(Position::default());
        let mut seen = 0;
        while let Some(record) = tail.next_record().unwrap() {
            seen += read_parts(&record).unwrap().iter().map(|part| part.entries).sum::<u64>();
        }
        assert_eq!(seen, 6);
    }

    #[test]
    fn mutated_records_are_read_or_refused() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let record = encode(&batch("line", 5));
        let payload = &record[blocks::wal::FRAME..];
        let mut rng = StdRng::seed_from_u64(11);
        for _ in 0..5000 {
            let mut bytes = payload.to_vec();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = (read_changes(&bytes), read_parts(&bytes));
        }
    }
}
