//! `index`: the symbols, and the series with their labels and the places of their chunks.
//!
//! Symbols are held in memory; series are read one after the other. Postings are for lookups and not read.

use std::path::Path;

use model::Labels;

use crate::bytes::{Bytes, Short, uvarint};
use crate::error::TsdbError;
use crate::window::Window;

const MAGIC: u32 = 0xBAAA_D700;
const CRC: u64 = 4;
/// Six offsets and a CRC.
const TOC: u64 = 6 * 8 + CRC;
/// Series begin at multiples of this; their number is the quotient.
const ALIGNMENT: u64 = 16;
/// The longest number in groups of seven bits that is 32 bits wide.
const MAX_LENGTH_BYTES: u64 = 5;

/// Where a chunk lies, and its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkPlace {
    /// Number of the file, from 0 on.
    pub(crate) segment: usize,
    /// Where in the file.
    pub(crate) offset: u64,
    /// Times of its first and its last sample.
    pub(crate) times: (i64, i64),
}

/// A series of the index.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its number, by which tombstones know it.
    pub(crate) number: u64,
    /// Where the entry begins.
    pub(crate) offset: u64,
    pub(crate) labels: Labels,
    pub(crate) chunks: Vec<ChunkPlace>,
}

/// An open index and where the walk over its series stands.
#[derive(Debug)]
pub(crate) struct Index {
    file: Window,
    symbols: Symbols,
    next: u64,
    end: u64,
}

#[derive(Debug, Default)]
struct Symbols {
    text: String,
    ends: Vec<usize>,
}

impl Symbols {
    fn get(&self, number: u64) -> Option<&str> {
        let number = usize::try_from(number).ok()?;
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }
}

impl Index {
    pub(crate) fn open(path: &Path) -> Result<Self, TsdbError> {
        let mut file = Window::open(path)?;
        let header = file.get(0, 5, "the header")?;
        if header[..4] != MAGIC.to_be_bytes() {
            return Err(file.damaged(0, "this is not the index of a block"));
        }
        let version = header[4];
        if version != 2 {
            let reason = match version {
                1 => "version 1 of the index is not read; Prometheus 2.3 and later write version 2 when they compact"
                    .into(),
                other => format!("version {other} of the index is not known here, only 2"),
            };
            return Err(TsdbError::Unsupported { path: path.to_owned(), reason });
        }
        let toc_at = file.length.saturating_sub(TOC);
        let toc = file.get(toc_at, TOC, "the table of contents")?;
        let (offsets, checksum) = toc.split_at((TOC - CRC) as usize);
        let sections: Vec<u64> = offsets.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect();
        if crc32c::crc32c(offsets).to_be_bytes() != checksum {
            return Err(file.damaged(toc_at, "the checksum of the table of contents does not match"));
        }
        let (symbols_at, series_at) = (sections[0], sections[1]);
        // Series end where the next section begins.
        let end = sections[2..].iter().copied().filter(|at| *at > series_at).min().unwrap_or(toc_at).min(toc_at);
        let symbols = symbols(&mut file, symbols_at)?;
        let next = if series_at == 0 { end } else { series_at };
        Ok(Index { file, symbols, next, end })
    }

    /// The next series; `None` at the end. After an error it goes on behind the series that is damaged, or ends where that
    /// cannot be found.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TsdbError> {
        loop {
            // Zero bytes up to the next multiple.
            let Some(start) = self.next.checked_next_multiple_of(ALIGNMENT).filter(|start| *start < self.end) else {
                return Ok(None);
            };
            let head = self.file.up_to(start, MAX_LENGTH_BYTES)?;
            let mut bytes = Bytes::new(head);
            let available = head.len();
            let length = uvarint(|| bytes.u8());
            let prefix = (available - bytes.len()) as u64;
            // Where the length is damaged nothing says where the next series begins.
            self.next = self.end;
            let Ok(length) = length else {
                return Err(self.file.damaged(start, "a series has no valid length"));
            };
            if length == 0 {
                self.next = start + ALIGNMENT;
                continue;
            }
            let taken = self.file.get(start + prefix, length.saturating_add(CRC), "a series")?;
            self.next = start + prefix + length + CRC;
            let (content, checksum) = taken.split_at(length as usize);
            if crc32c::crc32c(content).to_be_bytes() != checksum {
                return Err(self.file.damaged(start, "the checksum of a series does not match"));
            }
            return match entry(start, content, &self.symbols) {
                Ok(entry) => Ok(Some(entry)),
                Err(Short) => Err(self.file.damaged(start, "a series makes no sense")),
            };
        }
    }
}

fn symbols(file: &mut Window, at: u64) -> Result<Symbols, TsdbError> {
    if at == 0 {
        return Ok(Symbols::default());
    }
    let head = file.get(at, 4, "the length of the symbols")?;
    let length = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
    let taken = file.get(at + 4, length + CRC, "the table of symbols")?;
    let (content, checksum) = taken.split_at(length as usize);
    if crc32c::crc32c(content).to_be_bytes() != checksum {
        return Err(file.damaged(at, "the checksum of the symbols does not match"));
    }
    let parse = || {
        let mut bytes = Bytes::new(content);
        let count = bytes.be32()?;
        let mut symbols = Symbols::default();
        for _ in 0..count {
            let length = usize::try_from(bytes.uvarint()?).map_err(|_| Short)?;
            symbols.text.push_str(std::str::from_utf8(bytes.take(length)?).map_err(|_| Short)?);
            symbols.ends.push(symbols.text.len());
        }
        Ok(symbols)
    };
    let parsed: Result<Symbols, Short> = parse();
    parsed.map_err(|Short| TsdbError::damaged(&file.path, at, "the symbols make no sense"))
}

fn entry(offset: u64, content: &[u8], symbols: &Symbols) -> Result<Entry, Short> {
    let mut bytes = Bytes::new(content);
    let mut pairs = Vec::new();
    for _ in 0..bytes.uvarint()? {
        let name = symbols.get(bytes.uvarint()?).ok_or(Short)?;
        pairs.push((name, symbols.get(bytes.uvarint()?).ok_or(Short)?));
    }
    let mut chunks: Vec<ChunkPlace> = Vec::new();
    let (mut reference, mut last) = (0_u64, 0_i64);
    for number in 0..bytes.uvarint()? {
        let start = match number {
            0 => bytes.varint()?,
            _ => last.checked_add_unsigned(bytes.uvarint()?).ok_or(Short)?,
        };
        last = start.checked_add_unsigned(bytes.uvarint()?).ok_or(Short)?;
        let before = reference;
        reference = match number {
            0 => bytes.uvarint()?,
            _ => reference.checked_add_signed(bytes.varint()?).ok_or(Short)?,
        };
        // The same chunk again and again would be samples without end.
        if number > 0 && reference <= before {
            return Err(Short);
        }
        let segment = usize::try_from(reference >> 32).map_err(|_| Short)?;
        chunks.push(ChunkPlace { segment, offset: reference & u64::from(u32::MAX), times: (start, last) });
    }
    if bytes.len() > 0 {
        return Err(Short);
    }
    Ok(Entry { number: offset / ALIGNMENT, offset, labels: Labels::from_pairs(pairs), chunks })
}
