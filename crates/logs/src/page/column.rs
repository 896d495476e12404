//! One column of a page: the texts that stood at like places of its lines, coded by what they are.
//!
//! Texts come back byte by byte. A number is held as a number only where writing it gives the same text; what is common to
//! the beginnings and ends of all texts is held once.

use blocks::bytes::put_varint;
use hashbrown::HashMap;
use model::{NumberStyle as Style, NumberText, number_text};

use super::number::number;
use super::{ints, time_text, zip};

pub(super) const CONSTANT: u8 = 0;
pub(super) const NUMBERS: u8 = 1;
pub(super) const HEX: u8 = 2;
pub(super) const TIMES: u8 = 3;
pub(super) const DICTIONARY: u8 = 4;
pub(super) const TEXTS: u8 = 5;

/// The texts of a column, in the order of the lines.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Begin and end of each in the text of the page.
    pub(super) ranges: Vec<(u32, u32)>,
    /// The entry that each belongs to.
    pub(super) entries: Vec<u32>,
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
    let mut date = time_text::Date::default();
    for (text, entry) in texts.iter().zip(&values.entries) {
        match time_text::parse_near(text, &mut date) {
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
    let mut digits = NumberText::default();
    for style in styles {
        let mut values = Vec::with_capacity(parsed.len());
        let fits = parsed.iter().zip(texts).all(|((value, its_scale), text)| {
            let up = if matches!(style, Style::Shortest(_)) { most - its_scale } else { 0 };
            let Some(value) = value.checked_mul(10_i64.pow(up as u32)) else { return false };
            let (at, length) = number_text(style, value, &mut digits);
            values.push(value);
            digits.0[at..at + length] == *inner(text, prefix, suffix)
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

/// What a digit stands for; 0xff for what is none.
static NIBBLES: [u8; 256] = {
    let mut nibbles = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        nibbles[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    nibbles
};

/// Appends digits, two in a byte, the last one alone where they are odd; false where one is none.
fn pack_hex(digits: &[u8], packed: &mut Vec<u8>) -> bool {
    let (pairs, odd) = digits.as_chunks::<2>();
    let mut all = 0;
    packed.extend(pairs.iter().map(|[high, low]| {
        let (high, low) = (NIBBLES[*high as usize], NIBBLES[*low as usize]);
        all |= high | low;
        high << 4 | low
    }));
    packed.extend(odd.iter().map(|digit| {
        all |= NIBBLES[*digit as usize];
        NIBBLES[*digit as usize] << 4
    }));
    all < 16
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
        let fits = match dashes {
            false => pack_hex(digits, &mut packed),
            // Each part has an even number of digits.
            true => [0..8, 9..13, 14..18, 19..23, 24..36].into_iter().all(|part| pack_hex(&digits[part], &mut packed)),
        };
        if !fits {
            return false;
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decoded::{Writing, decode};
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
        let mut writing = Writing::default();
        for (at, value) in texts.iter().enumerate() {
            let mut out = Vec::new();
            decoded.write(at, &mut writing, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), *value);
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            if let Ok(decoded) = decode(&bad, texts.len(), &timestamps) {
                (0..texts.len()).for_each(|at| decoded.write(at, &mut Writing::default(), &mut Vec::new()));
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
