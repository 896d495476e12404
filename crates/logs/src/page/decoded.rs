//! A column as it is read.

use blocks::bytes::{Damaged, Reader};
use model::{NumberStyle as Style, NumberText, number_text};

use super::column::{CONSTANT, DICTIONARY, HEX, NUMBERS, TEXTS, TIMES};
use super::sink::{SPARE, Sink, with_spare};
use super::time_text::{Format, Last};
use super::{ints, zip};

/// A text with bytes to spare behind it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    length: usize,
}

impl Kept {
    fn of(text: &[u8]) -> Kept {
        Kept { bytes: with_spare(text), length: text.len() }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn put(&self, out: &mut impl Sink) {
        if self.length > 0 {
            out.put(&self.bytes, 0, self.length);
        }
    }
}

/// Texts one behind the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    /// With bytes to spare behind them.
    bytes: Vec<u8>,
    /// Where each ends.
    pub(super) ends: Vec<u32>,
}

impl List {
    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - SPARE]
    }

    fn place(&self, index: usize) -> (usize, usize) {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        (begin, self.ends[index] as usize - begin)
    }

    pub(super) fn get(&self, index: usize) -> &[u8] {
        let (begin, length) = self.place(index);
        &self.bytes[begin..begin + length]
    }

    fn put(&self, index: usize, out: &mut impl Sink) {
        let (begin, length) = self.place(index);
        out.put(&self.bytes, begin, length);
    }
}

/// A column ready to be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decoded {
    Constant(Kept),
    Numbers {
        prefix: Kept,
        suffix: Kept,
        style: Style,
        values: Vec<i64>,
    },
    /// `length` digits each, packed two in a byte; with dashes as in a UUID where `dashes` is set.
    Hex {
        prefix: Kept,
        suffix: Kept,
        length: usize,
        dashes: bool,
        packed: Vec<u8>,
    },
    Times {
        format: Format,
        values: Vec<i64>,
    },
    Dictionary {
        list: List,
        codes: Vec<u32>,
    },
    Texts(List),
}

/// What writing texts one after the other keeps from one to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Writing {
    digits: NumberText,
    time: Option<Last>,
}

/// True where a column needs the times of the page to be read.
pub(super) fn needs_times(bytes: &[u8]) -> bool {
    bytes.first() == Some(&TIMES)
}

/// Reads a column of `count` texts. `timestamps` are the times of the page's entries where the column needs them.
pub(super) fn decode(bytes: &[u8], count: usize, timestamps: &[i64]) -> Result<Decoded, Damaged> {
    let mut reader = Reader(bytes);
    let reader = &mut reader;
    match reader.byte()? {
        CONSTANT => Ok(Decoded::Constant(take_text(reader)?)),
        NUMBERS => {
            let (prefix, suffix) = (take_text(reader)?, take_text(reader)?);
            let style = match (reader.byte()?, reader.byte()?) {
                (0, _) => Style::Plain,
                (1, n) => Style::Padded(n),
                (2, n) => Style::Fixed(n),
                (3, n) => Style::Shortest(n),
                _ => return Err(Damaged("numbers in an unknown style")),
            };
            Ok(Decoded::Numbers { prefix, suffix, style, values: ints::decode(reader, count)? })
        }
        HEX => {
            let (prefix, suffix) = (take_text(reader)?, take_text(reader)?);
            let head = reader.varint()?;
            let (length, dashes) = ((head >> 1) as usize, head & 1 == 1);
            let packed = zip::take_blob(reader)?.into_owned();
            let fits = length.div_ceil(2).checked_mul(count) == Some(packed.len());
            if !fits || length == 0 || (dashes && length != 32) {
                return Err(Damaged("hexadecimal digits do not fit"));
            }
            Ok(Decoded::Hex { prefix, suffix, length, dashes, packed })
        }
        TIMES => decode_times(reader, count, timestamps),
        DICTIONARY => {
            let list = take_list(reader, |listed| listed <= count)?;
            let codes = ints::decode(reader, count)?;
            let in_range = codes.iter().all(|code| (0..list.ends.len() as i64).contains(code));
            if !in_range {
                return Err(Damaged("a code without a text"));
            }
            Ok(Decoded::Dictionary { list, codes: codes.into_iter().map(|code| code as u32).collect() })
        }
        TEXTS => Ok(Decoded::Texts(take_list(reader, |listed| listed == count)?)),
        _ => Err(Damaged("a column in an unknown coding")),
    }
}

fn take_text(reader: &mut Reader<'_>) -> Result<Kept, Damaged> {
    let length = reader.count(1)?;
    Ok(Kept::of(reader.take(length)?))
}

fn take_list(reader: &mut Reader<'_>, fits: impl Fn(usize) -> bool) -> Result<List, Damaged> {
    let count = usize::try_from(reader.varint()?).map_err(|_| Damaged("too many texts"))?;
    if !fits(count) {
        return Err(Damaged("another number of texts"));
    }
    let lengths = ints::decode(reader, count)?;
    let mut bytes = zip::take_blob(reader)?.into_owned();
    let mut end = 0_u64;
    let mut ends = Vec::with_capacity(count);
    for length in lengths {
        let length = u64::try_from(length).map_err(|_| Damaged("a text of negative length"))?;
        end = end.saturating_add(length);
        ends.push(u32::try_from(end).map_err(|_| Damaged("texts are too long"))?);
    }
    if end != bytes.len() as u64 {
        return Err(Damaged("texts do not fit"));
    }
    bytes.resize(bytes.len() + SPARE, 0);
    Ok(List { bytes, ends })
}

fn decode_times(reader: &mut Reader<'_>, count: usize, timestamps: &[i64]) -> Result<Decoded, Damaged> {
    let [separator, point, digits, zone] = [reader.byte()?, reader.byte()?, reader.byte()?, reader.byte()?];
    let offset = i16::from_le_bytes([reader.byte()?, reader.byte()?]);
    if digits > 9 || zone > 3 {
        return Err(Damaged("times in an unknown format"));
    }
    let format = Format { separator, point, digits, zone, offset };
    let unit = format.unit();
    let entries = match reader.byte()? {
        0 if count == timestamps.len() => None,
        1 => Some(ints::decode(reader, count)?),
        _ => return Err(Damaged("times of no entry")),
    };
    let mut values = ints::decode(reader, count)?;
    match entries {
        None => values
            .iter_mut()
            .zip(timestamps)
            .for_each(|(value, time)| *value = value.wrapping_add(time.div_euclid(unit))),
        Some(entries) => {
            for (value, entry) in values.iter_mut().zip(entries) {
                let time = usize::try_from(entry).ok().and_then(|entry| timestamps.get(entry));
                *value = value.wrapping_add(time.ok_or(Damaged("times of no entry"))?.div_euclid(unit));
            }
        }
    }
    Ok(Decoded::Times { format, values })
}

/// The two digits of each byte.
static PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Packed bytes that are written at a time.
const HEX_AT_ONCE: usize = 16;

fn put_hex(packed: &[u8], length: usize, dashes: bool, out: &mut impl Sink) {
    let mut text = [0; 2 * HEX_AT_ONCE + SPARE];
    let mut left = length;
    for part in packed.chunks(HEX_AT_ONCE) {
        for (to, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(part) {
            *to = PAIRS[*byte as usize];
        }
        if dashes {
            for (n, (from, to)) in [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].into_iter().enumerate() {
                if n > 0 {
                    out.put(b"-", 0, 1);
                }
                out.put(&text, from, to - from);
            }
        } else {
            out.put(&text, 0, left.min(2 * part.len()));
        }
        left = left.saturating_sub(2 * part.len());
    }
}

impl Decoded {
    /// Appends text `index`, which is below the count of the column.
    #[inline]
    pub(super) fn write(&self, index: usize, writing: &mut Writing, out: &mut impl Sink) {
        match self {
            Decoded::Constant(text) => text.put(out),
            Decoded::Numbers { prefix, suffix, style, values } => {
                prefix.put(out);
                let (at, length) = number_text(*style, values[index], &mut writing.digits);
                out.put(&writing.digits.0, at, length);
                suffix.put(out);
            }
            Decoded::Hex { prefix, suffix, length, dashes, packed } => {
                prefix.put(out);
                let size = length.div_ceil(2);
                put_hex(&packed[index * size..(index + 1) * size], *length, *dashes, out);
                suffix.put(out);
            }
            Decoded::Times { format, values } => {
                let last = writing.time.get_or_insert_with(|| Last::new(format));
                last.set(format, values[index]);
                out.put(&last.text, 0, last.length);
            }
            Decoded::Dictionary { list, codes } => list.put(codes[index] as usize, out),
            Decoded::Texts(list) => list.put(index, out),
        }
    }
}
