//! Integer columns: as they are, as deltas, as deltas of deltas, or as distances from a line; what is left is packed.
//!
//! ```text
//! transformation | layout | factor flag | [first, factor] | [first [first delta] or slope] | residuals
//! ```
//!
//! A line suits what happens at a steady pace with jitter, as scrapes do: there a delta has the jitter of two samples. A
//! factor suits what comes in steps, as memory does in pages. All arithmetic wraps, so any 64-bit integers survive.

use std::cell::RefCell;

use super::residuals::{self, Segment};
use super::{MAX_SAMPLES, huffman, pack};
use crate::bytes::{Damaged, Reader, put_signed, put_varint};

const PLAIN: u8 = 0;
const DELTA: u8 = 1;
const DELTA_OF_DELTA: u8 = 2;
const LINE: u8 = 3;
const TRANSFORMATION: u8 = 3;
/// One segment for each [`GROUP`] values rather than one for all.
const GROUPED: u8 = 4;
/// The residuals are one segment with a Huffman code.
const CODED: u8 = 8;
const FACTOR: u8 = 16;

const GROUP: usize = 64;
/// Binary digits of a slope after the point.
const SLOPE_BITS: u32 = 16;

thread_local! {
    static SCRATCH: RefCell<[Vec<i64>; 2]> = RefCell::default();
}

/// Appends up to [`MAX_SAMPLES`] values. The reader must know how many there are.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) {
    debug_assert!(values.len() <= MAX_SAMPLES, "a column is too long");
    SCRATCH.with_borrow_mut(|[reduced, rest]| {
        let Some(&first) = values.first() else { return };
        let factor = common_factor(values);
        // What the factor takes off each value must pay for the factor.
        let saved = values.len() * pack::width_of(factor as u64).saturating_sub(1) as usize / 8;
        if saved < 16 {
            return encode_steps(values, None, out, rest);
        }
        reduced.clear();
        reduced.extend(values.iter().map(|v| v.wrapping_sub(first) / factor));
        encode_steps(reduced, Some((first, factor)), out, rest);
    });
}

/// What all differences from the first value are multiples of; 1 where that is nothing, 0 where there is no difference.
fn common_factor(values: &[i64]) -> i64 {
    let mut factor = 0_u64;
    for v in values {
        let mut rest = v.wrapping_sub(values[0]).unsigned_abs();
        if factor != 0 {
            rest %= factor;
        }
        while rest != 0 {
            (factor, rest) = (rest, factor % rest);
        }
        if factor == 1 {
            break;
        }
    }
    i64::try_from(factor).unwrap_or(1)
}

fn encode_steps(values: &[i64], multiple: Option<(i64, i64)>, out: &mut Vec<u8>, rest: &mut Vec<i64>) {
    let slope = slope(values);
    let transformation = choose(values, slope);
    let begin = out.len();
    out.push(0);
    if let Some((first, factor)) = multiple {
        put_signed(out, first);
        put_varint(out, factor as u64);
    }
    rest.clear();
    match transformation {
        PLAIN => rest.extend_from_slice(values),
        DELTA => {
            put_signed(out, values[0]);
            rest.extend(values.windows(2).map(|w| w[1].wrapping_sub(w[0])));
        }
        DELTA_OF_DELTA => {
            put_signed(out, values[0]);
            put_signed(out, values[1].wrapping_sub(values[0]));
            rest.extend(values.windows(3).map(second_difference));
        }
        _ => {
            let is_whole = slope.trailing_zeros() >= SLOPE_BITS;
            put_signed(out, if is_whole { slope >> SLOPE_BITS << 1 } else { slope << 1 | 1 });
            rest.extend(values.iter().enumerate().map(|(i, v)| v.wrapping_sub(on_line(slope, i))));
        }
    }
    let layout = put_residuals(rest, out);
    out[begin] = transformation | layout | if multiple.is_some() { FACTOR } else { 0 };
}

fn second_difference(w: &[i64]) -> i64 {
    w[2].wrapping_sub(w[1]).wrapping_sub(w[1].wrapping_sub(w[0]))
}

fn on_line(slope: i64, i: usize) -> i64 {
    slope.wrapping_mul(i as i64) >> SLOPE_BITS
}

/// The slope of the line through the values that leaves the least squares; 0 where no line is worth the search.
fn slope(values: &[i64]) -> i64 {
    let n = values.len() as f64;
    if values.len() < 8 {
        return 0;
    }
    let first = values[0];
    let center = (n - 1.0) / 2.0;
    // Four sums, so that an addition need not wait for the one before.
    let mut sums = [0.0; 4];
    for (from, values) in (0..).step_by(4).zip(values.chunks(4)) {
        for (i, (v, sum)) in (from..).zip(values.iter().zip(&mut sums)) {
            *sum += (f64::from(i) - center) * v.wrapping_sub(first) as f64;
        }
    }
    let sum: f64 = sums.iter().sum();
    let slope = sum * 12.0 / (n * (n * n - 1.0));
    if slope.abs() > (1_i64 << 36) as f64 {
        return 0;
    }
    // Whoever sets a pace sets a round one.
    let whole = slope.round();
    if (slope - whole).abs() < 0.05 {
        return (whole as i64) << SLOPE_BITS;
    }
    (slope * (1_i64 << SLOPE_BITS) as f64).round() as i64
}

/// The transformation that leaves the shortest numbers, judged by every few of them.
fn choose(values: &[i64], slope: i64) -> u8 {
    if values.len() < 3 {
        return PLAIN;
    }
    let step = if values.len() > 2 * GROUP { 8 } else { 1 };
    let mut scores = [0_usize; 4];
    let mut few = [[0_i64; GROUP]; 4];
    for from in (0..values.len()).step_by(GROUP) {
        let mut n = 0;
        for i in (from.max(2)..(from + GROUP).min(values.len())).step_by(step) {
            let w = &values[i - 2..=i];
            few[0][n] = w[2];
            few[1][n] = w[2].wrapping_sub(w[1]);
            few[2][n] = second_difference(w);
            few[3][n] = w[2].wrapping_sub(on_line(slope, i));
            n += 1;
        }
        if n == 0 {
            continue;
        }
        for (score, few) in scores.iter_mut().zip(&few) {
            let center = residuals::middle(&few[..n]);
            *score +=
                few[..n].iter().map(|v| pack::width_of(v.wrapping_sub(center).unsigned_abs()) as usize).sum::<usize>();
        }
    }
    if slope == 0 {
        scores[3] = usize::MAX;
    }
    // The simpler one where it does not matter.
    [PLAIN, DELTA, LINE, DELTA_OF_DELTA].into_iter().min_by_key(|t| scores[usize::from(*t)]).unwrap_or(PLAIN)
}

fn put_residuals(values: &[i64], out: &mut Vec<u8>) -> u8 {
    if values.is_empty() {
        return 0;
    }
    let uniform = residuals::plan(values);
    if values.len() <= GROUP || uniform.width == 0 && uniform.bytes < 8 {
        residuals::put(values, &uniform, out);
        return 0;
    }
    // Groups of which none has a narrower range than the column have no outliers worth the search either.
    let ranges: usize = values.chunks(GROUP).map(|group| residuals::whole(group).bytes).sum();
    let mut groups = [None; MAX_SAMPLES / GROUP];
    let mut grouped = usize::MAX;
    if uniform.outliers > 0 || ranges < uniform.bytes {
        for (slot, group) in groups.iter_mut().zip(values.chunks(GROUP)) {
            *slot = Some(residuals::plan(group));
        }
        grouped = groups.iter().flatten().map(|segment| segment.bytes).sum();
    }
    let packed = grouped.min(uniform.bytes);
    // A code takes twice as long to read, so it must be worth it.
    let limit = packed - packed / 12;
    let coded = |segment: Segment| {
        let head = segment.bytes - pack::packed_len(values.len(), segment.width);
        let code = huffman::plan(values, segment.base, segment.width, limit.checked_sub(head)?)?;
        Some((head + code.bytes, segment, code))
    };
    if uniform.width > 0 {
        let candidates = [Some(uniform), residuals::widen(values, &uniform)];
        let best = candidates.into_iter().flatten().filter_map(coded).min_by_key(|(bytes, ..)| *bytes);
        if let Some((_, segment, code)) = best {
            residuals::put_coded(values, &segment, &code, out);
            return CODED;
        }
    }
    if grouped < uniform.bytes {
        for (group, segment) in values.chunks(GROUP).zip(groups.iter().flatten()) {
            residuals::put(group, segment, out);
        }
        return GROUPED;
    }
    residuals::put(values, &uniform, out);
    0
}

fn get_residuals(reader: &mut Reader<'_>, flags: u8, count: usize, out: &mut Vec<i64>) -> Result<(), Damaged> {
    if count == 0 {
        return Ok(());
    }
    if flags & GROUPED == 0 {
        return residuals::get(reader, count, flags & CODED != 0, out);
    }
    let mut left = count;
    while left > 0 {
        let n = left.min(GROUP);
        residuals::get(reader, n, false, out)?;
        left -= n;
    }
    Ok(())
}

/// Appends `count` values to `out`.
pub(super) fn decode(reader: &mut Reader<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Damaged> {
    if count == 0 {
        return Ok(());
    }
    let flags = reader.byte()?;
    if flags & !(TRANSFORMATION | GROUPED | CODED | FACTOR) != 0 {
        return Err(Damaged("unknown integer coding"));
    }
    let multiple = if flags & FACTOR != 0 { Some((reader.signed()?, reader.varint()? as i64)) } else { None };
    let begin = out.len();
    match flags & TRANSFORMATION {
        PLAIN => get_residuals(reader, flags, count, out)?,
        DELTA => {
            let mut value = reader.signed()?;
            out.push(value);
            get_residuals(reader, flags, count - 1, out)?;
            for slot in &mut out[begin + 1..] {
                value = value.wrapping_add(*slot);
                *slot = value;
            }
        }
        DELTA_OF_DELTA => {
            let left = count.checked_sub(2).ok_or(Damaged("too few for differences"))?;
            let mut value = reader.signed()?;
            let mut delta = reader.signed()?;
            out.push(value);
            value = value.wrapping_add(delta);
            out.push(value);
            get_residuals(reader, flags, left, out)?;
            for slot in &mut out[begin + 2..] {
                delta = delta.wrapping_add(*slot);
                value = value.wrapping_add(delta);
                *slot = value;
            }
        }
        _ => {
            let slope = reader.signed()?;
            let slope = if slope & 1 == 0 { slope >> 1 << SLOPE_BITS } else { slope >> 1 };
            get_residuals(reader, flags, count, out)?;
            for (i, slot) in out[begin..].iter_mut().enumerate() {
                *slot = slot.wrapping_add(on_line(slope, i));
            }
        }
    }
    if let Some((first, factor)) = multiple {
        out[begin..].iter_mut().for_each(|v| *v = first.wrapping_add(v.wrapping_mul(factor)));
    }
    Ok(())
}
