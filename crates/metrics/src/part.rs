//! A part: the chunks that flushes took out of the head, in one immutable file.
//!
//! ```text
//! "AFFPART\n"  version u32  0 u32
//! entries      listed chunks of one series each
//! index        rows of 40 bytes sorted by series id, in blocks of 128 with a CRC each:
//!              id u64 | first time i64 | last time i64 | offset u64 | length u32 | crc32 of the entry u32
//! sparse       first id of each index block u64
//! footer       64 bytes, see [`Footer`]
//! ```
//!
//! Only the sparse index is kept in memory, 8 bytes for 128 series. Parts hold samples until blocks take their place; labels are
//! not in them but in the head's own file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use blocks::disk::{Disk, ReadFile, WriteFile};
use model::{SampleBuffer, TimeRange};

use crate::bytes::{Damaged, Reader};
use crate::chunk;

const MAGIC: &[u8; 8] = b"AFFPART\n";
const VERSION: u32 = 1;
const ROW: usize = 40;
const BLOCK_ROWS: usize = 128;
const FOOTER: usize = 64;
const WRITE_BUFFER: usize = 1 << 18;

/// Where one series' chunks lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) range: TimeRange,
    offset: u64,
    length: u32,
    crc: u32,
}

#[derive(Clone, Copy, Debug)]
struct Footer {
    index_offset: u64,
    rows: u64,
    range: TimeRange,
    /// Log segments below this number are wholly contained in this part and those before it.
    wal_from: u64,
    max_id: u64,
}

/// Writes a part next to its place; [`PartWriter::finish`] moves it there.
pub(crate) struct PartWriter {
    file: Box<dyn WriteFile>,
    path: PathBuf,
    temporary: PathBuf,
    buffer: Vec<u8>,
    offset: u64,
    rows: Vec<Row>,
}

impl PartWriter {
    pub(crate) fn create(disk: &dyn Disk, path: PathBuf) -> io::Result<Self> {
        let temporary = path.with_extension("tmp");
        let file = disk.create(&temporary)?;
        let mut buffer = Vec::with_capacity(WRITE_BUFFER + 4096);
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        Ok(PartWriter { file, path, temporary, buffer, offset: 16, rows: Vec::new() })
    }

    /// Adds a series' samples, which are in order of time and not none.
    pub(crate) fn add(&mut self, id: u64, samples: &SampleBuffer) -> io::Result<()> {
        let begin = self.buffer.len();
        chunk::encode_list(samples, &mut self.buffer);
        let entry = &self.buffer[begin..];
        let range = TimeRange::new(samples.timestamps[0], samples.timestamps[samples.len() - 1]);
        let (length, crc) = (entry.len() as u32, crc32fast::hash(entry));
        self.rows.push(Row { id, range, offset: self.offset, length, crc });
        self.offset += u64::from(length);
        self.spill(WRITE_BUFFER)
    }

    /// True where no series was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn spill(&mut self, limit: usize) -> io::Result<()> {
        if self.buffer.len() >= limit {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Makes the part durable under its name.
    pub(crate) fn finish(mut self, disk: &dyn Disk, wal_from: u64) -> io::Result<()> {
        self.rows.sort_unstable_by_key(|row| row.id);
        let mut sparse = Vec::new();
        let rows = std::mem::take(&mut self.rows);
        for block in rows.chunks(BLOCK_ROWS) {
            sparse.extend_from_slice(&block[0].id.to_le_bytes());
            let begin = self.buffer.len();
            block.iter().for_each(|row| put_row(row, &mut self.buffer));
            let crc = crc32fast::hash(&self.buffer[begin..]);
            self.buffer.extend_from_slice(&crc.to_le_bytes());
            self.spill(WRITE_BUFFER)?;
        }
        let min = rows.iter().map(|r| r.range.start.ms()).min().unwrap_or(0);
        let max = rows.iter().map(|r| r.range.end.ms()).max().unwrap_or(0);
        let mut footer = Vec::with_capacity(FOOTER);
        let max_id = rows.last().map_or(0, |r| r.id);
        for number in [self.offset, rows.len() as u64, min as u64, max as u64, wal_from, max_id] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&sparse);
        hasher.update(&footer);
        footer.extend_from_slice(&hasher.finalize().to_le_bytes());
        footer.extend_from_slice(&VERSION.to_le_bytes());
        footer.extend_from_slice(MAGIC);
        self.buffer.extend_from_slice(&sparse);
        self.buffer.extend_from_slice(&footer);
        self.spill(0)?;
        self.file.sync()?;
        drop(self.file);
        disk.rename(&self.temporary, &self.path)?;
        self.path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
    }

    /// Removes what was written.
    pub(crate) fn abandon(self, disk: &dyn Disk) {
        if let Err(error) = disk.remove(&self.temporary) {
            tracing::debug!(path = %self.temporary.display(), %error, "the beginning of a part is left behind until the next start");
        }
    }
}

fn put_row(row: &Row, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.id.to_le_bytes());
    out.extend_from_slice(&row.range.start.ms().to_le_bytes());
    out.extend_from_slice(&row.range.end.ms().to_le_bytes());
    out.extend_from_slice(&row.offset.to_le_bytes());
    out.extend_from_slice(&row.length.to_le_bytes());
    out.extend_from_slice(&row.crc.to_le_bytes());
}

fn get_row(reader: &mut Reader<'_>) -> Result<Row, Damaged> {
    Ok(Row {
        id: reader.u64()?,
        range: TimeRange::new(reader.u64()? as i64, reader.u64()? as i64),
        offset: reader.u64()?,
        length: reader.u32()?,
        crc: reader.u32()?,
    })
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Damaged(what))
}

/// An open part.
#[derive(Debug)]
pub(crate) struct Part {
    /// First and last flush that it contains; also its file name.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    file: Arc<dyn ReadFile>,
    footer: Footer,
    sparse: Vec<u64>,
}

impl Part {
    /// The file name of a part that contains the flushes `first..=last`.
    pub(crate) fn name(first: u64, last: u64) -> String {
        format!("{first:010}-{last:010}.part")
    }

    pub(crate) fn parse_name(name: &str) -> Option<(u64, u64)> {
        let (first, last) = name.strip_suffix(".part")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }

    pub(crate) fn open(disk: &dyn Disk, path: PathBuf, first: u64, last: u64) -> io::Result<Part> {
        let file = disk.open(&path)?;
        let bytes = file.len()?;
        if bytes < (16 + FOOTER) as u64 {
            return Err(damaged("a part is too short"));
        }
        let mut tail = [0; FOOTER];
        file.read_at(&mut tail, bytes - FOOTER as u64)?;
        if &tail[56..] != MAGIC {
            return Err(damaged("a part has no footer"));
        }
        let mut reader = Reader(&tail);
        let mut next = || reader.u64().expect("the footer has 64 bytes");
        let (index_offset, rows, min, max, wal_from, max_id) = (next(), next(), next(), next(), next(), next());
        let crc = reader.u32().expect("the footer has 64 bytes");
        if reader.u32().expect("the footer has 64 bytes") != VERSION {
            return Err(damaged("a part has a version that this program cannot read"));
        }
        let blocks = rows.div_ceil(BLOCK_ROWS as u64);
        if blocks.saturating_mul(8) > bytes {
            return Err(damaged("a part's index is longer than the part"));
        }
        let mut sparse_bytes = vec![0; blocks as usize * 8];
        let sparse_offset = bytes - FOOTER as u64 - sparse_bytes.len() as u64;
        file.read_at(&mut sparse_bytes, sparse_offset)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&sparse_bytes);
        hasher.update(&tail[..48]);
        if hasher.finalize() != crc {
            return Err(damaged("a part's footer is damaged"));
        }
        let sparse = sparse_bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().expect("eight"))).collect();
        let footer = Footer { index_offset, rows, range: TimeRange::new(min as i64, max as i64), wal_from, max_id };
        Ok(Part { first, last, path, bytes, file, footer, sparse })
    }

    pub(crate) fn range(&self) -> TimeRange {
        self.footer.range
    }

    pub(crate) fn wal_from(&self) -> u64 {
        self.footer.wal_from
    }

    pub(crate) fn max_id(&self) -> u64 {
        self.footer.max_id
    }

    /// How many flushes it contains.
    pub(crate) fn span(&self) -> u64 {
        self.last - self.first + 1
    }

    pub(crate) fn block_count(&self) -> usize {
        self.sparse.len()
    }

    /// The rows of one index block.
    pub(crate) fn block(&self, block: usize) -> io::Result<Vec<Row>> {
        let begin = block * BLOCK_ROWS;
        let count = BLOCK_ROWS.min(self.footer.rows as usize - begin);
        let mut bytes = [0; BLOCK_ROWS * ROW + 4];
        let bytes = &mut bytes[..count * ROW + 4];
        let offset = self.footer.index_offset + (block * (BLOCK_ROWS * ROW + 4)) as u64;
        self.file.read_at(bytes, offset)?;
        let (rows, crc) = bytes.split_at(count * ROW);
        if crc32fast::hash(rows) != u32::from_le_bytes(crc.try_into().expect("four bytes are left")) {
            return Err(damaged("an index block of a part is damaged"));
        }
        let mut reader = Reader(rows);
        Ok((0..count).map(|_| get_row(&mut reader).expect("the block has that many rows")).collect())
    }

    /// The row of a series, if the part has samples of it.
    pub(crate) fn find(&self, id: u64) -> io::Result<Option<Row>> {
        let block = self.sparse.partition_point(|first| *first <= id);
        let Some(block) = block.checked_sub(1) else { return Ok(None) };
        let rows = self.block(block)?;
        Ok(rows.binary_search_by_key(&id, |row| row.id).ok().map(|at| rows[at]))
    }

    /// Appends the samples of a row that lie in `range`.
    pub(crate) fn read(&self, row: &Row, range: TimeRange, out: &mut SampleBuffer) -> io::Result<()> {
        if u64::from(row.length) > self.bytes {
            return Err(damaged("an entry of a part is longer than the part"));
        }
        let mut entry = vec![0; row.length as usize];
        self.file.read_at(&mut entry, row.offset)?;
        if crc32fast::hash(&entry) != row.crc {
            return Err(damaged("an entry of a part is damaged"));
        }
        for piece in chunk::listed(&entry) {
            let piece = piece.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            chunk::decode(piece, range, out).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        }
        Ok(())
    }
}
