//! The index of a block: its entry in the catalogue, its streams, and where each page lies.

use std::io;

use blocks::bytes::{Damaged, Reader, put_signed, put_text, put_varint};
use blocks::catalogue::BlockEntry;
use hashbrown::HashMap;
use model::{Labels, PageInfo};

use crate::filter;
use crate::page::{Shape, put_blob, take_blob};

const VERSION: u64 = 1;
const MAGIC: &[u8; 4] = b"AFLX";
/// Bytes behind the index that say what it is.
pub(crate) const TRAILER: usize = 12;
/// "PAR1" and the footer's length.
pub(crate) const TAIL: usize = 8;

/// A page of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Place of its stream in the index.
    pub(crate) stream: u32,
    pub(crate) info: PageInfo,
    pub(crate) shape: Shape,
    /// Where the page lies in the file.
    pub(crate) body_at: u64,
    pub(crate) body_bytes: u32,
    /// Where its filter lies.
    pub(crate) filter_at: u64,
}

/// What is known of a block without reading its pages.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Index {
    pub(crate) entry: BlockEntry,
    /// Sorted.
    pub(crate) streams: Vec<Labels>,
    /// By stream, then by time.
    pub(crate) rows: Vec<Row>,
}

impl Index {
    /// Bytes of memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        let labels: usize = self.streams.iter().map(|labels| 32 + labels.encoded_len()).sum();
        labels + size_of::<Row>() * self.rows.len()
    }

    /// The rows of a stream.
    pub(crate) fn rows_of(&self, stream: u32) -> std::ops::Range<usize> {
        let begin = self.rows.partition_point(|row| row.stream < stream);
        begin..begin + self.rows[begin..].partition_point(|row| row.stream == stream)
    }

    /// The index with its trailer.
    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, VERSION);
        put_text(&mut bytes, &serde_json::to_string(&self.entry)?);
        let mut texts: Vec<&str> = Vec::new();
        let mut codes: HashMap<&str, u64> = HashMap::new();
        for label in self.streams.iter().flat_map(Labels::iter) {
            for text in [label.name, label.value] {
                codes.entry(text).or_insert_with(|| {
                    texts.push(text);
                    texts.len() as u64 - 1
                });
            }
        }
        put_varint(&mut bytes, texts.len() as u64);
        texts.iter().for_each(|text| put_text(&mut bytes, text));
        put_varint(&mut bytes, self.streams.len() as u64);
        for labels in &self.streams {
            put_varint(&mut bytes, labels.len() as u64);
            for label in labels.iter() {
                put_varint(&mut bytes, codes[label.name]);
                put_varint(&mut bytes, codes[label.value]);
            }
        }
        put_varint(&mut bytes, self.rows.len() as u64);
        let mut time = 0;
        for row in &self.rows {
            put_varint(&mut bytes, u64::from(row.stream));
            put_signed(&mut bytes, row.info.first.wrapping_sub(time));
            put_varint(&mut bytes, row.info.last.wrapping_sub(row.info.first) as u64);
            time = row.info.last;
            let numbers = [
                u64::from(row.info.entries),
                row.info.line_bytes,
                row.info.metadata_bytes,
                row.body_at,
                u64::from(row.body_bytes),
                row.filter_at,
                u64::from(row.shape.head_bytes),
                u64::from(row.shape.head_crc),
                u64::from(row.shape.is_json) | u64::from(row.shape.is_logfmt) << 1 | u64::from(row.shape.no_json) << 2,
                u64::from(row.shape.filter.token_blocks),
                u64::from(row.shape.filter.gram_blocks),
                row.shape.filter.hex_lengths,
            ];
            numbers.into_iter().for_each(|number| put_varint(&mut bytes, number));
        }
        let mut out = Vec::new();
        put_blob(&bytes, &mut out);
        let length = out.len() as u32;
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(MAGIC);
        Ok(out)
    }

    /// Length of the index without its trailer, told from that.
    pub(crate) fn length(trailer: &[u8; TRAILER]) -> Result<(usize, u32), Damaged> {
        if trailer[8..] != *MAGIC {
            return Err(Damaged("it has no index"));
        }
        let word = |at: usize| u32::from_le_bytes(trailer[at..at + 4].try_into().expect("four bytes"));
        Ok((word(0) as usize, word(4)))
    }

    /// Reads an index whose checksum was right.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Index, Damaged> {
        let bytes = take_blob(&mut Reader(bytes))?;
        let mut reader = Reader(&bytes);
        let reader = &mut reader;
        if reader.varint()? != VERSION {
            return Err(Damaged("an index of an unknown version"));
        }
        let entry = serde_json::from_str(reader.text()?).map_err(|_| Damaged("its entry cannot be read"))?;
        let texts = (0..reader.count(1)?).map(|_| reader.text()).collect::<Result<Vec<&str>, _>>()?;
        let mut streams = Vec::new();
        for _ in 0..reader.count(1)? {
            let mut pairs = Vec::new();
            for _ in 0..reader.count(2)? {
                let mut text = || {
                    let code = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
                    texts.get(code).copied().ok_or(Damaged("a label without a text"))
                };
                pairs.push((text()?, text()?));
            }
            streams.push(Labels::from_pairs(pairs));
        }
        let mut rows = Vec::new();
        let mut time = 0_i64;
        for _ in 0..reader.count(12)? {
            rows.push(row(reader, &mut time)?);
        }
        if rows.iter().any(|row| row.stream as usize >= streams.len()) {
            return Err(Damaged("a page of no stream"));
        }
        Ok(Index { entry, streams, rows })
    }
}

fn row(reader: &mut Reader<'_>, time: &mut i64) -> Result<Row, Damaged> {
    let short = |number: u64| u32::try_from(number).map_err(|_| Damaged("a number is too large"));
    let stream = short(reader.varint()?)?;
    let first = time.wrapping_add(reader.signed()?);
    let last = first.wrapping_add(reader.varint()? as i64);
    *time = last;
    let info = PageInfo {
        first,
        last,
        entries: short(reader.varint()?)?,
        line_bytes: reader.varint()?,
        metadata_bytes: reader.varint()?,
    };
    let (body_at, body_bytes, filter_at) = (reader.varint()?, short(reader.varint()?)?, reader.varint()?);
    let (head_bytes, head_crc) = (short(reader.varint()?)?, short(reader.varint()?)?);
    let flags = reader.varint()?;
    let filter = filter::Shape {
        token_blocks: short(reader.varint()?)?,
        gram_blocks: short(reader.varint()?)?,
        hex_lengths: reader.varint()?,
    };
    if head_bytes > body_bytes {
        return Err(Damaged("a head is longer than its page"));
    }
    let (is_json, is_logfmt, no_json) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
    let shape = Shape { head_bytes, head_crc, is_json, is_logfmt, no_json, filter };
    Ok(Row { stream, info, shape, body_at, body_bytes, filter_at })
}
