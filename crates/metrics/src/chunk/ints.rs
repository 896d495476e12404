//! Integer columns: as they are, as deltas, or as deltas of deltas, in bit-packed groups with a minimum each.
//!
//! All arithmetic wraps, so any 64-bit integers survive.

use crate::bytes::{Damaged, Reader, put_signed, varint_len, zigzag};

const PLAIN: u8 = 0;
const DELTA: u8 = 1;
const DELTA_OF_DELTA: u8 = 2;
/// Values packed with one width.
const GROUP: usize = 64;

/// Appends the values. The reader must know how many there are.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else { return };
    let mut deltas = vec![0; rest.len()];
    let deltas = deltas.as_mut_slice();
    for (delta, pair) in deltas.iter_mut().zip(values.windows(2)) {
        *delta = pair[1].wrapping_sub(pair[0]);
    }
    let plain = groups_len(values);
    let delta = varint_len(zigzag(first)) + groups_len(deltas);
    let mut seconds = vec![0; deltas.len().saturating_sub(1)];
    let seconds = seconds.as_mut_slice();
    for (second, pair) in seconds.iter_mut().zip(deltas.windows(2)) {
        *second = pair[1].wrapping_sub(pair[0]);
    }
    let second = match deltas.first() {
        Some(&d) => varint_len(zigzag(first)) + varint_len(zigzag(d)) + groups_len(seconds),
        None => usize::MAX,
    };
    if second < delta && second < plain {
        out.push(DELTA_OF_DELTA);
        put_signed(out, first);
        put_signed(out, deltas[0]);
        put_groups(seconds, out);
    } else if delta < plain {
        out.push(DELTA);
        put_signed(out, first);
        put_groups(deltas, out);
    } else {
        out.push(PLAIN);
        put_groups(values, out);
    }
}

/// Appends `count` values to `out`.
pub(super) fn decode(reader: &mut Reader<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Damaged> {
    if count == 0 {
        return Ok(());
    }
    let mode = reader.byte()?;
    let begin = out.len();
    match mode {
        PLAIN => get_groups(reader, count, out)?,
        DELTA => {
            let mut value = reader.signed()?;
            out.push(value);
            get_groups(reader, count - 1, out)?;
            for slot in &mut out[begin + 1..] {
                value = value.wrapping_add(*slot);
                *slot = value;
            }
        }
        DELTA_OF_DELTA => {
            let mut value = reader.signed()?;
            out.push(value);
            if count > 1 {
                let mut delta = reader.signed()?;
                value = value.wrapping_add(delta);
                out.push(value);
                get_groups(reader, count - 2, out)?;
                for slot in &mut out[begin + 2..] {
                    delta = delta.wrapping_add(*slot);
                    value = value.wrapping_add(delta);
                    *slot = value;
                }
            }
        }
        _ => return Err(Damaged("unknown integer coding")),
    }
    Ok(())
}

fn bounds(group: &[i64]) -> (i64, u32) {
    let (min, max) = group.iter().fold((i64::MAX, i64::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    (min, 64 - (max.wrapping_sub(min) as u64).leading_zeros())
}

fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

fn groups_len(values: &[i64]) -> usize {
    values
        .chunks(GROUP)
        .map(|group| {
            let (min, width) = bounds(group);
            1 + varint_len(zigzag(min)) + packed_len(group.len(), width)
        })
        .sum()
}

fn put_groups(values: &[i64], out: &mut Vec<u8>) {
    for group in values.chunks(GROUP) {
        let (min, width) = bounds(group);
        out.push(width as u8);
        put_signed(out, min);
        if width == 0 {
            continue;
        }
        let mut pending: u128 = 0;
        let mut bits = 0;
        for &v in group {
            pending |= u128::from(v.wrapping_sub(min) as u64) << bits;
            bits += width;
            while bits >= 8 {
                out.push(pending as u8);
                pending >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            out.push(pending as u8);
        }
    }
}

fn get_groups(reader: &mut Reader<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Damaged> {
    let mut left = count;
    while left > 0 {
        let n = left.min(GROUP);
        left -= n;
        let width = u32::from(reader.byte()?);
        let min = reader.signed()?;
        if width > 64 {
            return Err(Damaged("a bit width above 64"));
        }
        if width == 0 {
            out.resize(out.len() + n, min);
            continue;
        }
        let packed = reader.take(packed_len(n, width))?;
        let mask = u64::MAX >> (64 - width);
        let mut pending: u128 = 0;
        let mut bits = 0;
        let mut bytes = packed.iter();
        for _ in 0..n {
            while bits < width {
                pending |= u128::from(*bytes.next().expect("the packed length covers every value")) << bits;
                bits += 8;
            }
            out.push(min.wrapping_add((pending as u64 & mask) as i64));
            pending >>= width;
            bits -= width;
        }
    }
    Ok(())
}
