//! zstd where it pays, with contexts that threads keep.

use std::borrow::Cow;
use std::cell::RefCell;

use blocks::bytes::{Damaged, Reader, put_varint};
use zstd::bulk::{Compressor, Decompressor};

/// By measurement: level 1 takes 4 % more, level 6 twice the time for 3 % less.
const LEVEL: i32 = 3;
/// Shorter pieces are stored as they are.
const LEAST: usize = 32;
/// Nothing in a page is longer, and nothing shrinks by more: what claims to be is damaged.
const MOST_BYTES: u64 = 1 << 31;
const MOST_RATIO: u64 = 40_000;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Of longer pieces some samples are tried first: random bytes, such as ids, cost as much to try as others to compress.
const LEAST_TO_SAMPLE: usize = 16 << 10;
const SAMPLE: usize = 4 << 10;

/// Compresses; `None` where that saves less than a sixteenth.
pub(crate) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < LEAST {
        return None;
    }
    let saves = |part: &[u8]| try_to(part).is_some_and(|packed| saves_enough(packed.len(), part.len()));
    if bytes.len() >= LEAST_TO_SAMPLE {
        let samples = [0, bytes.len() / 2, bytes.len() - SAMPLE];
        if !samples.iter().any(|from| saves(&bytes[*from..from + SAMPLE])) {
            return None;
        }
    }
    try_to(bytes).filter(|packed| saves_enough(packed.len(), bytes.len()))
}

fn saves_enough(packed: usize, length: usize) -> bool {
    packed + length / 16 < length
}

fn try_to(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Compressor::new(LEVEL).ok();
        }
        kept.as_mut()?.compress(bytes).ok()
    })
}

/// Undoes [`compress`].
pub(crate) fn decompress(packed: &[u8], length: usize) -> Result<Vec<u8>, Damaged> {
    let bytes = DECOMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Decompressor::new().ok();
        }
        kept.as_mut()?.decompress(packed, length).ok()
    });
    bytes.filter(|bytes| bytes.len() == length).ok_or(Damaged("what was compressed is damaged"))
}

/// Appends bytes, compressed where that pays, with their length.
pub(crate) fn put_blob(bytes: &[u8], out: &mut Vec<u8>) {
    match compress(bytes) {
        Some(packed) => {
            put_varint(out, (bytes.len() as u64) << 1 | 1);
            put_varint(out, packed.len() as u64);
            out.extend_from_slice(&packed);
        }
        None => {
            put_varint(out, (bytes.len() as u64) << 1);
            out.extend_from_slice(bytes);
        }
    }
}

/// Reads what [`put_blob`] appended.
pub(crate) fn take_blob<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, Damaged> {
    let head = reader.varint()?;
    if head & 1 == 0 {
        let length = usize::try_from(head >> 1).map_err(|_| Damaged("a piece is too long"))?;
        return Ok(Cow::Borrowed(reader.take(length)?));
    }
    let packed = reader.count(1)?;
    let length = head >> 1;
    if length > MOST_BYTES || length > (packed as u64).saturating_mul(MOST_RATIO) {
        return Err(Damaged("a piece is too long"));
    }
    Ok(Cow::Owned(decompress(reader.take(packed)?, length as usize)?))
}
