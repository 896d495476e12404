//! Lists of whole numbers: the smallest of a constant, numbers or differences in as many bits as the greatest needs, and
//! whole bytes under zstd.

use blocks::bytes::{Damaged, Reader, put_signed, put_varint};

use super::zip;

const CONSTANT: u8 = 0;
const PACKED: u8 = 1;
const DELTAS: u8 = 2;
const BYTES: u8 = 3;

/// Fewer numbers are not worth a try of zstd.
const LEAST_FOR_ZSTD: usize = 64;
/// Numbers that are tried before many.
const SAMPLE: usize = 512;
/// Wider numbers are stored as whole words.
const WIDEST: u32 = 56;

fn range(values: impl Iterator<Item = i64> + Clone) -> (i64, u32) {
    let least = values.clone().min().unwrap_or(0);
    let most = values.max().unwrap_or(0);
    (least, width_of(most.wrapping_sub(least) as u64))
}

/// Bits of the numbers up to `most`.
pub(super) fn width_of(most: u64) -> u32 {
    let width = 64 - most.leading_zeros();
    if width > WIDEST { 64 } else { width }
}

fn deltas(values: &[i64]) -> impl Iterator<Item = i64> + Clone {
    values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]))
}

/// Appends numbers. Their count is the reader's to know.
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value == first) {
        out.push(CONSTANT);
        put_signed(out, *first);
        return;
    }
    let (least, width) = range(values.iter().copied());
    let (least_delta, delta_width) = range(deltas(values));
    let packed_bytes = (values.len() * width.min(delta_width) as usize).div_ceil(8);
    if values.len() >= LEAST_FOR_ZSTD {
        let size = width.div_ceil(8) as usize;
        let whole_bytes = |values: &[i64]| {
            let mut bytes = Vec::with_capacity(values.len() * size);
            values.iter().for_each(|value| {
                bytes.extend_from_slice(&value.wrapping_sub(least).to_le_bytes()[..size]);
            });
            bytes
        };
        if values.len() > 4 * SAMPLE {
            // Most numbers are as random as they look; a sample tells.
            let from = values.len() / 2;
            let sample = whole_bytes(&values[from..from + SAMPLE]);
            let packed = (SAMPLE * width.min(delta_width) as usize).div_ceil(8);
            if zip::compress(&sample).is_none_or(|zipped| zipped.len() > packed + packed / 8) {
                encode_packed(values, (least, width), (least_delta, delta_width), out);
                return;
            }
        }
        let bytes = whole_bytes(values);
        if let Some(zipped) = zip::compress(&bytes)
            && zipped.len() + zipped.len() / 16 < packed_bytes
        {
            out.push(BYTES);
            put_signed(out, least);
            out.push(size as u8);
            put_varint(out, zipped.len() as u64);
            out.extend_from_slice(&zipped);
            return;
        }
    }
    encode_packed(values, (least, width), (least_delta, delta_width), out);
}

fn encode_packed(
    values: &[i64],
    (least, width): (i64, u32),
    (least_delta, delta_width): (i64, u32),
    out: &mut Vec<u8>,
) {
    if delta_width < width {
        out.push(DELTAS);
        put_signed(out, values[0]);
        put_signed(out, least_delta);
        out.push(delta_width as u8);
        pack(deltas(values).map(|delta| delta.wrapping_sub(least_delta) as u64), delta_width, out);
    } else {
        out.push(PACKED);
        put_signed(out, least);
        out.push(width as u8);
        pack(values.iter().map(|value| value.wrapping_sub(least) as u64), width, out);
    }
}

/// Appends numbers of so many bits each.
pub(super) fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 64 {
        values.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        return;
    }
    let (mut bits, mut count) = (0_u64, 0);
    for value in values {
        bits |= value << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(bits as u8);
    }
}

/// Reads what [`pack`] appended.
pub(super) fn unpack(
    reader: &mut Reader<'_>,
    width: u32,
    count: usize,
    mut visit: impl FnMut(u64),
) -> Result<(), Damaged> {
    if width > WIDEST && width != 64 {
        return Err(Damaged("numbers of an unknown width"));
    }
    let length = count.checked_mul(width as usize).ok_or(Damaged("too many numbers"))?.div_ceil(8);
    let bytes = reader.take(length)?;
    if width == 64 {
        bytes.as_chunks::<8>().0.iter().for_each(|word| visit(u64::from_le_bytes(*word)));
        return Ok(());
    }
    let mask = (1_u64 << width) - 1;
    for index in 0..count {
        let bit = index * width as usize;
        let (at, shift) = (bit / 8, bit % 8);
        let word = match bytes.get(at..at + 8) {
            Some(word) => u64::from_le_bytes(word.try_into().expect("eight bytes were taken")),
            None => {
                let mut word = [0; 8];
                let rest = &bytes[at.min(bytes.len())..];
                word[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(word)
            }
        };
        visit(word >> shift & mask);
    }
    Ok(())
}

/// Reads `count` numbers.
pub(crate) fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Damaged> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let kind = reader.byte()?;
    let first = reader.signed()?;
    match kind {
        CONSTANT => Ok(vec![first; count]),
        PACKED => {
            let width = u32::from(reader.byte()?);
            let mut values = Vec::with_capacity(count.min(reader.0.len() * 8));
            unpack(reader, width, count, |value| values.push(first.wrapping_add(value as i64)))?;
            Ok(values)
        }
        DELTAS => {
            let least = reader.signed()?;
            let width = u32::from(reader.byte()?);
            let mut values = Vec::with_capacity(count.min(reader.0.len() * 8 + 1));
            let mut value = first;
            values.push(value);
            unpack(reader, width, count - 1, |delta| {
                value = value.wrapping_add(least).wrapping_add(delta as i64);
                values.push(value);
            })?;
            Ok(values)
        }
        BYTES => {
            let size = reader.byte()? as usize;
            if size == 0 || size > 8 {
                return Err(Damaged("numbers of an unknown width"));
            }
            let packed = reader.count(1)?;
            let length = count.checked_mul(size).filter(|length| *length <= packed.saturating_mul(40_000));
            let bytes = zip::decompress(reader.take(packed)?, length.ok_or(Damaged("too many numbers"))?)?;
            let value = |bytes: &[u8]| {
                let mut word = [0; 8];
                word[..size].copy_from_slice(bytes);
                first.wrapping_add(u64::from_le_bytes(word) as i64)
            };
            // The common sizes without a detour.
            let add = |word: u64| first.wrapping_add(word as i64);
            Ok(match size {
                1 => bytes.iter().map(|byte| add(u64::from(*byte))).collect(),
                2 => bytes.as_chunks::<2>().0.iter().map(|two| add(u64::from(u16::from_le_bytes(*two)))).collect(),
                4 => bytes.as_chunks::<4>().0.iter().map(|four| add(u64::from(u32::from_le_bytes(*four)))).collect(),
                _ => bytes.chunks_exact(size).map(value).collect(),
            })
        }
        _ => Err(Damaged("numbers in an unknown coding")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(
            values in proptest::collection::vec((any::<i64>(), 0_u32..64), 0..300), step in -5_i64..5, regular in any::<bool>(),
        ) {
            let mut at = 0_i64;
            let values: Vec<i64> = values.into_iter().map(|(value, shift)| {
                at = at.wrapping_add(step);
                if regular { at + (value >> shift & 3) } else { value >> shift }
            }).collect();
            let mut bytes = Vec::new();
            encode(&values, &mut bytes);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(decode(&mut reader, values.len()), Ok(values));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn damaged_numbers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 0_usize..5000) {
            let _ = decode(&mut Reader(&bytes), count);
        }
    }
}
