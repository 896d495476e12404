//! One column of a page: the texts that stood at like places of its lines, coded by what they are.
//!
//! Texts come back byte by byte. A number is held as a number only where writing it gives the same text; what is common to
//! the beginnings and ends of all texts is held once.

use std::borrow::Cow;

use blocks::bytes::{Damaged, Reader, put_varint};
use hashbrown::HashMap;

use super::number::{Style, number, write_number};
use super::time_text::{self, Format};
use super::{ints, zip};

const CONSTANT: u8 = 0;
const NUMBERS: u8 = 1;
const HEX: u8 = 2;
const TIMES: u8 = 3;
const DICTIONARY: u8 = 4;
const TEXTS: u8 = 5;

/// The texts of a column, in the order of the lines.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Begin and end of each in the text of the page.
    pub(super) ranges: Vec<(u32, u32)>,
    /// The entry that each belongs to.
    pub(super) entries: Vec<u32>,
}

/// A column ready to be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decoded {
    Constant(Vec<u8>),
    Numbers {
        prefix: Vec<u8>,
        suffix: Vec<u8>,
        style: Style,
        values: Vec<i64>,
    },
    /// `length` digits each, packed two in a byte; with dashes as in a UUID where `dashes` is set.
    Hex {
        prefix: Vec<u8>,
        suffix: Vec<u8>,
        length: usize,
        dashes: bool,
        packed: Vec<u8>,
    },
    Times {
        format: Format,
        values: Vec<i64>,
    },
    Dictionary {
        text: Vec<u8>,
        ends: Vec<u32>,
        codes: Vec<u32>,
    },
    Texts {
        text: Vec<u8>,
        ends: Vec<u32>,
    },
}

/// Appends a column. `timestamps` are the times of the page's entries.
pub(super) fn encode(values: &Values, text: &[u8], timestamps: &[i64], out: &mut Vec<u8>) {
    let get = |(begin, end): &(u32, u32)| &text[*begin as usize..*end as usize];
    let texts: Vec<&[u8]> = values.ranges.iter().map(get).collect();
    let Some(first) = texts.first() else {
        out.push(CONSTANT);
        put_varint(out, 0);
        return;
    };
    if texts.iter().all(|text| text == first) {
        out.push(CONSTANT);
        put_bytes(first, out);
        return;
    }
    if encode_times(&texts, values, timestamps, out) {
        return;
    }
    let (prefix, suffix) = affixes(&texts);
    if encode_numbers(&texts, prefix, suffix, out) || encode_hex(&texts, prefix, suffix, out) {
        return;
    }
    encode_texts(&texts, out);
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn encode_times(texts: &[&[u8]], values: &Values, timestamps: &[i64], out: &mut Vec<u8>) -> bool {
    let Some((format, _)) = time_text::parse(texts[0]) else { return false };
    let mut numbers = Vec::with_capacity(texts.len());
    for (text, entry) in texts.iter().zip(&values.entries) {
        match time_text::parse(text) {
            Some((other, value)) if other == format => {
                numbers.push(value.wrapping_sub(timestamps[*entry as usize].div_euclid(format.unit())));
            }
            _ => return false,
        }
    }
    out.push(TIMES);
    out.extend_from_slice(&[format.separator, format.point, format.digits, format.zone]);
    out.extend_from_slice(&format.offset.to_le_bytes());
    // Which entry a value belongs to is told by the templates; only where some have none or several is it stored.
    let is_each = values.entries.len() == timestamps.len()
        && values.entries.iter().enumerate().all(|(at, entry)| at as u32 == *entry);
    out.push(u8::from(!is_each));
    if !is_each {
        let entries: Vec<i64> = values.entries.iter().map(|entry| i64::from(*entry)).collect();
        ints::encode(&entries, out);
    }
    ints::encode(&numbers, out);
    true
}

/// What all texts begin and end with, less what may be part of a number.
fn affixes<'t>(texts: &[&'t [u8]]) -> (&'t [u8], &'t [u8]) {
    let first = texts[0];
    let shortest = texts.iter().map(|text| text.len()).min().unwrap_or(0);
    let (mut prefix, mut suffix) = (shortest, shortest);
    for text in texts {
        prefix = first.iter().zip(*text).take(prefix).take_while(|(a, b)| a == b).count();
        suffix = first.iter().rev().zip(text.iter().rev()).take(suffix).take_while(|(a, b)| a == b).count();
    }
    while prefix > 0 && (first[prefix - 1].is_ascii_hexdigit() || matches!(first[prefix - 1], b'.' | b'-')) {
        // A dash is a sign only in front of everything.
        if first[prefix - 1] == b'-' && prefix > 1 && !first[prefix - 2].is_ascii_hexdigit() {
            break;
        }
        prefix -= 1;
    }
    let is_word = |b: u8| b.is_ascii_hexdigit() || b == b'.';
    while suffix > 0 && is_word(first[first.len() - suffix]) {
        suffix -= 1;
    }
    if prefix + suffix > shortest {
        return (&[], &[]);
    }
    (&first[..prefix], &first[first.len() - suffix..])
}

fn inner<'t>(text: &'t [u8], prefix: &[u8], suffix: &[u8]) -> &'t [u8] {
    &text[prefix.len()..text.len() - suffix.len()]
}

fn encode_numbers(texts: &[&[u8]], prefix: &[u8], suffix: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((_, scale)) = number(inner(texts[0], prefix, suffix)) else { return false };
    let mut parsed = Vec::with_capacity(texts.len());
    let (mut same_scale, mut most) = (true, 0);
    for text in texts {
        let Some((value, its_scale)) = number(inner(text, prefix, suffix)) else { return false };
        same_scale &= its_scale == scale;
        most = most.max(its_scale);
        parsed.push((value, its_scale));
    }
    let width = inner(texts[0], prefix, suffix).len();
    let styles = match (same_scale, scale) {
        (true, 0) => [Style::Plain, Style::Padded(width as u8)],
        (true, scale) => [Style::Shortest(scale as u8), Style::Fixed(scale as u8)],
        _ => [Style::Shortest(most as u8), Style::Shortest(most as u8)],
    };
    let mut scratch = Vec::new();
    for style in styles {
        let mut values = Vec::with_capacity(parsed.len());
        let fits = parsed.iter().zip(texts).all(|((value, its_scale), text)| {
            let up = if matches!(style, Style::Shortest(_)) { most - its_scale } else { 0 };
            let Some(value) = value.checked_mul(10_i64.pow(up as u32)) else { return false };
            scratch.clear();
            write_number(style, value, &mut scratch);
            values.push(value);
            scratch == inner(text, prefix, suffix)
        });
        if !fits {
            continue;
        }
        out.push(NUMBERS);
        put_bytes(prefix, out);
        put_bytes(suffix, out);
        out.extend_from_slice(&match style {
            Style::Plain => [0, 0],
            Style::Padded(n) => [1, n],
            Style::Fixed(n) => [2, n],
            Style::Shortest(n) => [3, n],
        });
        ints::encode(&values, out);
        return true;
    }
    false
}

const DASHES: [usize; 4] = [8, 13, 18, 23];

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn encode_hex(texts: &[&[u8]], prefix: &[u8], suffix: &[u8], out: &mut Vec<u8>) -> bool {
    let first = inner(texts[0], prefix, suffix);
    let dashes = first.len() == 36 && DASHES.iter().all(|at| first[*at] == b'-');
    let length = if dashes { 32 } else { first.len() };
    if length < 6 {
        return false;
    }
    let mut packed = Vec::with_capacity(texts.len() * length.div_ceil(2));
    for text in texts {
        let digits = inner(text, prefix, suffix);
        if digits.len() != first.len() || (dashes && DASHES.iter().any(|at| digits[*at] != b'-')) {
            return false;
        }
        let (mut high, mut count) = (None, 0);
        for (at, digit) in digits.iter().enumerate() {
            if dashes && DASHES.contains(&at) {
                continue;
            }
            let Some(nibble) = nibble(*digit) else { return false };
            count += 1;
            high = match high {
                None => Some(nibble << 4),
                Some(high) => {
                    packed.push(high | nibble);
                    None
                }
            };
        }
        packed.extend(high);
        debug_assert_eq!(count, length);
    }
    out.push(HEX);
    put_bytes(prefix, out);
    put_bytes(suffix, out);
    put_varint(out, (length as u64) << 1 | u64::from(dashes));
    zip::put_blob(&packed, out);
    true
}

fn encode_texts(texts: &[&[u8]], out: &mut Vec<u8>) {
    let mut known: HashMap<&[u8], i64> = HashMap::new();
    let mut codes = Vec::with_capacity(texts.len());
    let mut distinct: Vec<&[u8]> = Vec::new();
    for text in texts {
        let next = distinct.len() as i64;
        let code = *known.entry(text).or_insert(next);
        if code == next {
            distinct.push(text);
        }
        codes.push(code);
        if distinct.len() > 16 && distinct.len() * 4 > texts.len() * 3 {
            break;
        }
    }
    let is_dictionary = codes.len() == texts.len();
    let list = if is_dictionary { &distinct } else { texts };
    out.push(if is_dictionary { DICTIONARY } else { TEXTS });
    put_varint(out, list.len() as u64);
    let lengths: Vec<i64> = list.iter().map(|text| text.len() as i64).collect();
    ints::encode(&lengths, out);
    zip::put_blob(&list.concat(), out);
    if is_dictionary {
        ints::encode(&codes, out);
    }
}

/// Reads a column of `count` texts.
pub(super) fn decode(bytes: &[u8], count: usize, timestamps: &[i64]) -> Result<Decoded, Damaged> {
    let mut reader = Reader(bytes);
    let reader = &mut reader;
    match reader.byte()? {
        CONSTANT => Ok(Decoded::Constant(take_bytes(reader)?)),
        NUMBERS => {
            let (prefix, suffix) = (take_bytes(reader)?, take_bytes(reader)?);
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
            let (prefix, suffix) = (take_bytes(reader)?, take_bytes(reader)?);
            let head = reader.varint()?;
            let (length, dashes) = ((head >> 1) as usize, head & 1 == 1);
            let packed = zip::take_blob(reader)?.into_owned();
            let fits = length.div_ceil(2).checked_mul(count) == Some(packed.len());
            if !fits || (dashes && length != 32) {
                return Err(Damaged("hexadecimal digits do not fit"));
            }
            Ok(Decoded::Hex { prefix, suffix, length, dashes, packed })
        }
        TIMES => decode_times(reader, count, timestamps),
        DICTIONARY => {
            let (text, ends) = take_texts(reader, |listed| listed <= count)?;
            let codes = ints::decode(reader, count)?;
            let in_range = codes.iter().all(|code| (0..ends.len() as i64).contains(code));
            if !in_range {
                return Err(Damaged("a code without a text"));
            }
            Ok(Decoded::Dictionary { text, ends, codes: codes.into_iter().map(|code| code as u32).collect() })
        }
        TEXTS => {
            let (text, ends) = take_texts(reader, |listed| listed == count)?;
            Ok(Decoded::Texts { text, ends })
        }
        _ => Err(Damaged("a column in an unknown coding")),
    }
}

fn take_bytes(reader: &mut Reader<'_>) -> Result<Vec<u8>, Damaged> {
    let length = reader.count(1)?;
    Ok(reader.take(length)?.to_vec())
}

fn take_texts(reader: &mut Reader<'_>, fits: impl Fn(usize) -> bool) -> Result<(Vec<u8>, Vec<u32>), Damaged> {
    let count = usize::try_from(reader.varint()?).map_err(|_| Damaged("too many texts"))?;
    if !fits(count) {
        return Err(Damaged("another number of texts"));
    }
    let lengths = ints::decode(reader, count)?;
    let text = zip::take_blob(reader)?.into_owned();
    let mut end = 0_u64;
    let mut ends = Vec::with_capacity(count);
    for length in lengths {
        let length = u64::try_from(length).map_err(|_| Damaged("a text of negative length"))?;
        end = end.saturating_add(length);
        ends.push(u32::try_from(end).map_err(|_| Damaged("texts are too long"))?);
    }
    if end != text.len() as u64 {
        return Err(Damaged("texts do not fit"));
    }
    Ok((text, ends))
}

fn decode_times(reader: &mut Reader<'_>, count: usize, timestamps: &[i64]) -> Result<Decoded, Damaged> {
    let [separator, point, digits, zone] = [reader.byte()?, reader.byte()?, reader.byte()?, reader.byte()?];
    let offset = i16::from_le_bytes([reader.byte()?, reader.byte()?]);
    if digits > 9 || zone > 3 {
        return Err(Damaged("times in an unknown format"));
    }
    let format = Format { separator, point, digits, zone, offset };
    let entries: Cow<'_, [i64]> = match reader.byte()? {
        0 if count == timestamps.len() => Cow::Owned((0..count as i64).collect()),
        1 => Cow::Owned(ints::decode(reader, count)?),
        _ => return Err(Damaged("times of no entry")),
    };
    let mut values = ints::decode(reader, count)?;
    for (value, entry) in values.iter_mut().zip(entries.iter()) {
        let time = usize::try_from(*entry).ok().and_then(|entry| timestamps.get(entry));
        *value = value.wrapping_add(time.ok_or(Damaged("times of no entry"))?.div_euclid(format.unit()));
    }
    Ok(Decoded::Times { format, values })
}

fn piece<'t>(text: &'t [u8], ends: &[u32], at: usize) -> &'t [u8] {
    let begin = if at == 0 { 0 } else { ends[at - 1] as usize };
    &text[begin..ends[at] as usize]
}

impl Decoded {
    /// Appends text `index`, which is below the count of the column.
    pub(super) fn write(&self, index: usize, out: &mut Vec<u8>) {
        match self {
            Decoded::Constant(text) => out.extend_from_slice(text),
            Decoded::Numbers { prefix, suffix, style, values } => {
                out.extend_from_slice(prefix);
                write_number(*style, values[index], out);
                out.extend_from_slice(suffix);
            }
            Decoded::Hex { prefix, suffix, length, dashes, packed } => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(prefix);
                let size = length.div_ceil(2);
                for (at, byte) in packed[index * size..(index + 1) * size].iter().enumerate() {
                    if *dashes && matches!(at, 4 | 6 | 8 | 10) {
                        out.push(b'-');
                    }
                    let is_half = at + 1 == size && length % 2 == 1;
                    match is_half {
                        true => out.push(DIGITS[(byte >> 4) as usize]),
                        false => out.extend([DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]),
                    }
                }
                out.extend_from_slice(suffix);
            }
            Decoded::Times { format, values } => time_text::write(format, values[index], out),
            Decoded::Dictionary { text, ends, codes } => {
                out.extend_from_slice(piece(text, ends, codes[index] as usize));
            }
            Decoded::Texts { text, ends } => out.extend_from_slice(piece(text, ends, index)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(texts: &[String]) {
        let mut text = Vec::new();
        let mut values = Values::default();
        for (at, value) in texts.iter().enumerate() {
            values.ranges.push((text.len() as u32, (text.len() + value.len()) as u32));
            values.entries.push(at as u32 / 2);
            text.extend_from_slice(value.as_bytes());
        }
        let timestamps: Vec<i64> = (0..texts.len() as i64).map(|at| 1_700_000_000_000_000_000 + at * 777).collect();
        let mut bytes = Vec::new();
        encode(&values, &text, &timestamps, &mut bytes);
        let decoded = decode(&bytes, texts.len(), &timestamps).unwrap();
        for (at, value) in texts.iter().enumerate() {
            let mut out = Vec::new();
            decoded.write(at, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), *value);
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            if let Ok(decoded) = decode(&bad, texts.len(), &timestamps) {
                (0..texts.len()).for_each(|at| decoded.write(at, &mut Vec::new()));
            }
            let _ = decode(&bytes[..at], texts.len(), &timestamps);
        }
    }

    proptest! {
        #[test]
        fn texts_come_back(
            texts in prop_oneof![
                proptest::collection::vec("[0-9]{1,4}", 0..40),
                proptest::collection::vec("-?[0-9]{1,3}(\\.[0-9]{1,3})?", 0..40),
                proptest::collection::vec("-?[0-9]{1,3}\\.[0-9]{3}ms", 0..40),
                proptest::collection::vec("user-[0-9]{1,5}", 0..40),
                proptest::collection::vec("n-[0-9]{3}x", 0..40),
                proptest::collection::vec("[0-9a-f]{16}", 0..40),
                proptest::collection::vec("r[0-9a-f]{7}", 0..40),
                proptest::collection::vec("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", 0..40),
                proptest::collection::vec("2026-11-22T07:5[0-9]:34\\.[0-9]{3}Z", 0..40),
                proptest::collection::vec("(info|warn|error)", 0..40),
                proptest::collection::vec("[ -~]{0,12}", 0..100),
            ],
        ) {
            check(&texts);
        }
    }
}
