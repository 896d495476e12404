//! Pages: read from the file, checked against their checksum, unpacked; and what stands in them.

use std::cell::RefCell;
use std::io;

use blocks::disk::ReadFile;

use super::codes;
use super::layout::Piece;
use crate::bytes::{Damaged, Reader};

/// Most bytes of an unpacked page. Dictionaries are the largest; the writer's row groups keep them far below.
const MAX_BYTES: usize = 256 << 20;

const PLAIN: i32 = 0;
const PLAIN_DICTIONARY: i32 = 2;
const RLE_DICTIONARY: i32 = 8;

/// An unpacked page.
#[derive(Debug)]
pub(super) struct Page {
    /// Content without the header.
    pub(super) bytes: Vec<u8>,
    /// Number of values, absent ones among them.
    pub(super) values: usize,
    /// Whether its values are places in a dictionary.
    pub(super) has_codes: bool,
    is_dictionary: bool,
}

thread_local! {
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Reads a page and checks it.
pub(super) fn read(file: &dyn ReadFile, piece: &Piece, is_packed: bool) -> io::Result<Page> {
    let mut bytes = vec![0; piece.length as usize];
    file.read_at(&mut bytes, piece.offset)?;
    if crc32fast::hash(&bytes) != piece.checksum {
        return Err(invalid("a page does not have its checksum"));
    }
    let (header, length) = header(&bytes).map_err(invalid)?;
    if header.packed != bytes.len() - length || header.unpacked > MAX_BYTES {
        return Err(invalid("a page does not have its length"));
    }
    if is_packed {
        bytes = UNPACKER.with_borrow_mut(|unpacker| {
            let unpacker = match unpacker {
                Some(unpacker) => unpacker,
                None => unpacker.insert(zstd::bulk::Decompressor::new()?),
            };
            unpacker.decompress(&bytes[length..], header.unpacked)
        })?;
    } else {
        bytes.drain(..length);
    }
    if bytes.len() != header.unpacked {
        return Err(invalid("a page does not unpack to its length"));
    }
    let has_codes = match header.encoding {
        PLAIN => false,
        PLAIN_DICTIONARY | RLE_DICTIONARY => !header.is_dictionary,
        _ => return Err(invalid("a page has an encoding that no block has")),
    };
    Ok(Page { bytes, values: header.values, has_codes, is_dictionary: header.is_dictionary })
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

struct Header {
    is_dictionary: bool,
    unpacked: usize,
    packed: usize,
    values: usize,
    encoding: i32,
}

const BOOLEAN_TRUE: u8 = 1;
const BOOLEAN_FALSE: u8 = 2;
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// Takes a field's number, its value if that is an integer, and the reader at its begin if it is a struct.
type OnField<'f, 'a> = dyn FnMut(i64, Option<i64>, &mut Reader<'a>) -> Result<(), Damaged> + 'f;

/// Calls `field` for each field of a struct in Thrift's compact protocol, of the few kinds that page headers have.
fn fields<'a>(reader: &mut Reader<'a>, field: &mut OnField<'_, 'a>) -> Result<(), Damaged> {
    let mut id = 0;
    loop {
        let byte = reader.byte()?;
        if byte == 0 {
            return Ok(());
        }
        id = match byte >> 4 {
            0 => reader.signed()?,
            delta => id + i64::from(delta),
        };
        match byte & 0xf {
            BOOLEAN_TRUE | BOOLEAN_FALSE => {}
            I32 => {
                let number = reader.signed()?;
                field(id, Some(number), reader)?;
            }
            STRUCT => field(id, None, reader)?,
            _ => return Err(Damaged("a page header has an unknown field")),
        }
    }
}

/// Reads a page's header; answers its length too.
fn header(bytes: &[u8]) -> Result<(Header, usize), Damaged> {
    let mut reader = Reader(bytes);
    let (mut kind, mut unpacked, mut packed) = (-1, -1, -1);
    let (mut values, mut encoding) = (-1, -1);
    fields(&mut reader, &mut |id, number, reader| {
        match (id, number) {
            (1, Some(number)) => kind = number,
            (2, Some(number)) => unpacked = number,
            (3, Some(number)) => packed = number,
            // Data page and dictionary page both begin with the number of values and their encoding.
            (5 | 7, None) => fields(reader, &mut |id, number, _| {
                match (id, number) {
                    (1, Some(number)) => values = number,
                    (2, Some(number)) => encoding = number,
                    (_, Some(_)) => {}
                    (_, None) => return Err(Damaged("a page header has an unknown field")),
                }
                Ok(())
            })?,
            (_, Some(_)) => {}
            (_, None) => return Err(Damaged("a page header has an unknown field")),
        }
        Ok(())
    })?;
    let size = |n: i64| usize::try_from(n).map_err(|_| Damaged("a page header lacks a number"));
    let is_dictionary = match kind {
        0 => false,
        2 => true,
        _ => return Err(Damaged("a page is of an unknown kind")),
    };
    let encoding = i32::try_from(encoding).map_err(|_| Damaged("a page has an unknown encoding"))?;
    let header =
        Header { is_dictionary, unpacked: size(unpacked)?, packed: size(packed)?, values: size(values)?, encoding };
    Ok((header, bytes.len() - reader.0.len()))
}

/// Reads levels that have their length in front, and moves `bytes` behind them.
pub(super) fn levels(bytes: &mut &[u8], width: u32, count: usize, run: impl FnMut(u32, usize)) -> Result<(), Damaged> {
    let mut reader = Reader(bytes);
    let length = reader.u32()? as usize;
    let levels = reader.take(length)?;
    *bytes = reader.0;
    codes::decode(levels, width, count, run)
}

/// Reads `count` places in a dictionary of `dictionary` values.
pub(super) fn indexes(
    bytes: &[u8],
    count: usize,
    dictionary: usize,
    mut run: impl FnMut(u32, usize),
) -> Result<(), Damaged> {
    if count == 0 {
        return Ok(());
    }
    let mut reader = Reader(bytes);
    let width = u32::from(reader.byte()?);
    let mut fits = true;
    codes::decode(reader.0, width, count, |code, n| {
        fits &= (code as usize) < dictionary;
        run(code, n);
    })?;
    if fits { Ok(()) } else { Err(Damaged("a code has no value in the dictionary")) }
}

fn push(out: &mut Vec<u32>, code: u32, n: usize) {
    match n {
        1 => out.push(code),
        n => out.resize(out.len() + n, code),
    }
}

/// The codes of a page: 0 for an absent value, otherwise the place in the dictionary and one. Appends them to `out`.
pub(super) fn page_codes(page: &Page, optional: bool, dictionary: usize, out: &mut Vec<u32>) -> Result<(), Damaged> {
    if !page.has_codes && page.values > 0 {
        return Err(Damaged("a page has no codes"));
    }
    if page.values > super::group::MAX_ROWS {
        return Err(Damaged("a page has too many values"));
    }
    if !optional {
        return indexes(&page.bytes, page.values, dictionary, |code, n| push(out, code + 1, n));
    }
    let mut bytes = &page.bytes[..];
    let mut present: Vec<(bool, usize)> = Vec::new();
    levels(&mut bytes, 1, page.values, |level, n| match present.last_mut() {
        Some(last) if last.0 == (level == 1) => last.1 += n,
        _ => present.push((level == 1, n)),
    })?;
    let count = present.iter().filter(|(there, _)| *there).map(|(_, n)| n).sum();
    if present.len() == 1 && count > 0 {
        return indexes(bytes, count, dictionary, |code, n| push(out, code + 1, n));
    }
    let mut codes = Vec::with_capacity(count);
    indexes(bytes, count, dictionary, |code, n| push(&mut codes, code + 1, n))?;
    let mut rest = &codes[..];
    for (there, n) in present {
        if there {
            let (taken, after) = rest.split_at(n);
            out.extend_from_slice(taken);
            rest = after;
        } else {
            out.resize(out.len() + n, 0);
        }
    }
    Ok(())
}

/// Byte strings in plain encoding, found by their place.
#[derive(Debug)]
pub(super) struct Binary {
    bytes: Vec<u8>,
    /// Begin and end of each; the same where there is none.
    spans: Vec<(u32, u32)>,
}

impl Binary {
    /// Takes a dictionary or a data page apart.
    pub(super) fn new(page: Page, optional: bool) -> Result<Binary, Damaged> {
        if page.has_codes || page.values > super::group::MAX_ROWS {
            return Err(Damaged("a page has no plain values"));
        }
        let mut spans: Vec<(u32, u32)> = Vec::with_capacity(page.values);
        let mut rest = &page.bytes[..];
        let mut runs = vec![(1, page.values)];
        if optional && !page.is_dictionary {
            runs.clear();
            levels(&mut rest, 1, page.values, |level, n| runs.push((level, n)))?;
        }
        let total = page.bytes.len();
        let mut reader = Reader(rest);
        for (level, n) in runs {
            for _ in 0..n {
                if level == 0 {
                    spans.push((0, 0));
                    continue;
                }
                let length = reader.u32()? as usize;
                let begin = total - reader.0.len();
                reader.take(length)?;
                spans.push((begin as u32, (begin + length) as u32));
            }
        }
        Ok(Binary { bytes: page.bytes, spans })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// One of them; empty where it is absent.
    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        let (begin, end) = *self.spans.get(at)?;
        self.bytes.get(begin as usize..end as usize)
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.spans.len() * 8
    }
}
