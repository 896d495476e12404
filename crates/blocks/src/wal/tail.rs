//! Reading a log while it is written, from a place that the reader remembers.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::{HEADER, Piece, Pieces};
use super::replay::{segment_name, segment_number};
use crate::disk::Disk;

/// A place between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes from the beginning of the segment.
    pub offset: u64,
}

/// Numbers of the segments in a directory, in order.
pub fn segments(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk.list(dir)?.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Behind everything that is in a directory's segments.
pub fn end(disk: &dyn Disk, dir: &Path) -> io::Result<Position> {
    let Some(segment) = segments(disk, dir)?.pop() else { return Ok(Position::default()) };
    let offset = disk.open(&dir.join(segment_name(segment)))?.len()?;
    Ok(Position { segment, offset })
}

/// Walks over the records of a log behind its writer.
///
/// A record is given once all its bytes are in the file, which may be before its sync. Damaged places and segments that are
/// gone are passed over.
#[derive(Debug)]
pub struct Tail {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    position: Position,
    /// Bytes of the segment from the position on, as far as they were there when last looked.
    ahead: Vec<u8>,
    /// How many of them are behind the position by now.
    taken: usize,
    /// Bytes passed over because they were no record.
    damaged_bytes: u64,
}

impl Tail {
    /// Begins at `position`; a position in a segment that is gone means the beginning of the next one that is there.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, position: Position) -> Self {
        Tail { disk, dir: dir.to_owned(), position, ahead: Vec::new(), taken: 0, damaged_bytes: 0 }
    }

    /// Behind the record that was given last.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Bytes passed over because they were no record.
    pub fn damaged_bytes(&self) -> u64 {
        self.damaged_bytes
    }

    /// The payload of the next record; `None` where the writer has not written one yet.
    pub fn next_record(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match Pieces::new(&self.ahead[self.taken..]).next() {
                Some(Piece::Record(payload)) => {
                    let payload = payload.to_vec();
                    self.pass(payload.len() + super::FRAME);
                    return Ok(Some(payload));
                }
                Some(Piece::Damage { bytes }) => {
                    self.damaged_bytes += bytes as u64;
                    self.pass(bytes);
                    continue;
                }
                Some(Piece::Tail { .. }) | None => {}
            }
            // What comes later is asked before the segment is read once more: then nothing is added to it in between.
            let later = segments(&*self.disk, &self.dir)?.into_iter().find(|number| *number > self.position.segment);
            if self.look()? {
                continue;
            }
            let Some(next) = later else { return Ok(None) };
            self.damaged_bytes += (self.ahead.len() - self.taken) as u64;
            self.position = Position { segment: next, offset: HEADER as u64 };
            self.ahead.clear();
            self.taken = 0;
        }
    }

    fn pass(&mut self, bytes: usize) {
        self.taken += bytes;
        self.position.offset += bytes as u64;
    }

    /// Reads what the segment has gained; answers whether that is anything.
    fn look(&mut self) -> io::Result<bool> {
        self.position.offset = self.position.offset.max(HEADER as u64);
        self.ahead.drain(..self.taken);
        self.taken = 0;
        let file = match self.disk.open(&self.dir.join(segment_name(self.position.segment))) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let known = self.position.offset + self.ahead.len() as u64;
        let length = file.len()?;
        if length <= known {
            // The writer cut off what it could not make durable; it may write other bytes there.
            self.ahead.truncate(length.saturating_sub(self.position.offset) as usize);
            return Ok(false);
        }
        let from = self.ahead.len();
        self.ahead.resize(from + (length - known) as usize, 0);
        file.read_at(&mut self.ahead[from..], known)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::wal::{Record, SyncMode, Wal, WalOptions};

    fn record(text: &str) -> Record {
        let mut record = Record::new();
        record.payload().extend_from_slice(text.as_bytes());
        record
    }

    fn open(dir: &Path) -> Wal {
        let options = WalOptions { sync: SyncMode::Always, segment_bytes: 200, queue_bytes: 1 << 20 };
        Wal::open(Arc::new(RealDisk), dir, options, 0, &mut |_| Vec::new()).unwrap().0
    }

    async fn write(wal: &Wal, text: &str) {
        wal.submit(wal.epoch(), record(text).seal()).unwrap().wait().await.unwrap();
    }

    fn all(tail: &mut Tail) -> Vec<String> {
        std::iter::from_fn(|| tail.next_record().unwrap()).map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    #[tokio::test]
    async fn records_come_once_and_in_order_across_segments_and_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        let mut position = Position::default();
        let mut written = 0;
        for _ in 0..3 {
            let wal = open(dir.path());
            let mut tail = Tail::new(Arc::new(RealDisk), dir.path(), position);
            for _ in 0..40 {
                write(&wal, &format!("record {written}")).await;
                written += 1;
                if written % 3 == 0 {
                    seen.extend(all(&mut tail));
                    position = tail.position();
                }
            }
            wal.close();
        }
        let mut tail = Tail::new(Arc::new(RealDisk), dir.path(), position);
        seen.extend(all(&mut tail));
        assert_eq!(seen, (0..written).map(|i| format!("record {i}")).collect::<Vec<_>>());
        assert_eq!(tail.damaged_bytes(), 0);
    }

    #[tokio::test]
    async fn damage_and_missing_segments_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let wal = open(dir.path());
        for i in 0..40 {
            write(&wal, &format!("record {i}")).await;
        }
        wal.close();
        let numbers = segments(&RealDisk, dir.path()).unwrap();
        assert!(numbers.len() > 3);
        std::fs::remove_file(dir.path().join(segment_name(numbers[1]))).unwrap();
        let hurt = dir.path().join(segment_name(numbers[2]));
        let mut bytes = std::fs::read(&hurt).unwrap();
        bytes[HEADER + 14] ^= 1;
        std::fs::write(&hurt, bytes).unwrap();
        let mut tail = Tail::new(Arc::new(RealDisk), dir.path(), Position::default());
        let seen = all(&mut tail);
        assert!(tail.damaged_bytes() > 0);
        assert_eq!(seen.first().map(String::as_str), Some("record 0"));
        assert_eq!(seen.last().map(String::as_str), Some("record 39"));
        assert!(seen.len() > 20 && seen.len() < 40);
    }
}
