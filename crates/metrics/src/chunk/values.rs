//! Float columns, bit-exact: a constant, decimals as integers, or the bits as integers.
//!
//! Most values that services expose are integers or short decimals, or sums of such: `v = n / 10^e`, give or take the last
//! bits that a sum has got wrong. So there is an integer column for `n` and, where needed, one for the distance in units of
//! the last place. What is no such decimal at all (a stale marker, say) is listed as an exception.
//!
//! ```text
//! SCALED | exponent, flags | [exceptions: count, (row, bits)...] | n | [distances]
//! ```

use std::cell::RefCell;

use super::ints;
use crate::bytes::{Damaged, Reader, put_signed, put_varint};

const CONSTANT: u8 = 0;
const CONSTANT_INTEGER: u8 = 1;
const SCALED: u8 = 2;
const BITS: u8 = 3;

const EXPONENT: u8 = 31;
const CORRECTED: u8 = 64;
const EXCEPTIONS: u8 = 128;

const POWERS: [f64; 16] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Farther from the decimal than this many units of the last place, a value is an exception.
const FARTHEST: u64 = 1 << 16;
/// Adding and taking away this rounds to an integer what is below 2^51.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
const ROUNDED_BELOW: f64 = 2_251_799_813_685_248.0;

#[derive(Default)]
struct Scratch {
    integers: Vec<i64>,
    distances: Vec<i64>,
    exceptions: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The integer next to `v * power`, and how many units of the last place `v` is off the float that the integer stands for.
#[inline]
fn scaled(bits: u64, power: f64) -> (i64, i64) {
    let product = f64::from_bits(bits) * power;
    let rounded = if product.abs() < ROUNDED_BELOW { (product + ROUNDING) - ROUNDING } else { product };
    let integer = rounded as i64;
    (integer, bits.wrapping_sub(unscaled(integer, power)) as i64)
}

#[inline]
fn unscaled(integer: i64, power: f64) -> u64 {
    (integer as f64 / power).to_bits()
}

/// Appends the values given as bits, at most [`super::MAX_SAMPLES`]. The reader must know how many there are.
pub(crate) fn encode(bits: &[u64], out: &mut Vec<u8>) {
    let Some(&first) = bits.first() else { return };
    if bits.iter().all(|b| *b == first) {
        match scaled(first, 1.0) {
            (integer, 0) => {
                out.push(CONSTANT_INTEGER);
                put_signed(out, integer);
            }
            _ => {
                out.push(CONSTANT);
                out.extend_from_slice(&first.to_le_bytes());
            }
        }
        return;
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let begin = out.len();
        let is_scaled = encode_scaled(bits, scratch, out);
        if is_scaled && out.len() - begin <= 4 * bits.len() {
            return;
        }
        let candidate = out.len();
        out.push(BITS);
        scratch.integers.clear();
        scratch.integers.extend(bits.iter().map(|b| *b as i64));
        ints::encode(&scratch.integers, out);
        if is_scaled && candidate - begin <= out.len() - candidate {
            out.truncate(candidate);
        } else {
            out.drain(begin..candidate);
        }
    });
}

/// The smallest power of ten, not below `from`, with which a value is a decimal: exactly, or so closely that it is no chance.
fn exponent_of(bits: u64, from: usize) -> Option<usize> {
    (from..POWERS.len()).find(|e| {
        let (integer, distance) = scaled(bits, POWERS[*e]);
        let off = f64::from_bits(bits) * POWERS[*e] - integer as f64;
        distance == 0 || distance.unsigned_abs() <= FARTHEST && off.abs() < 1.0 / 512.0
    })
}

/// An exponent that suits most of a few values.
fn guess_exponent(bits: &[u64]) -> Option<usize> {
    let step = bits.len().div_ceil(16);
    let (mut exponent, mut strangers, mut seen) = (0, 0, 0);
    for b in bits.iter().step_by(step) {
        seen += 1;
        match exponent_of(*b, exponent) {
            Some(larger) => exponent = larger,
            None => strangers += 1,
        }
    }
    (strangers * 4 <= seen).then_some(exponent)
}

/// Appends the column as decimals; answers false, and appends nothing, where too many values are none.
fn encode_scaled(bits: &[u64], scratch: &mut Scratch, out: &mut Vec<u8>) -> bool {
    let Some(mut exponent) = guess_exponent(bits) else { return false };
    while let Some(larger) = scale(bits, exponent, scratch) {
        exponent = larger;
    }
    let Scratch { integers, distances, exceptions } = scratch;
    if exceptions.len() > bits.len() / 4 + 1 {
        return false;
    }
    let is_corrected = distances.iter().any(|d| *d != 0);
    let flags = if is_corrected { CORRECTED } else { 0 } | if exceptions.is_empty() { 0 } else { EXCEPTIONS };
    out.push(SCALED);
    out.push(exponent as u8 | flags);
    if !exceptions.is_empty() {
        put_varint(out, exceptions.len() as u64);
        for row in exceptions {
            put_varint(out, *row as u64);
            out.extend_from_slice(&bits[*row].to_le_bytes());
        }
    }
    ints::encode(integers, out);
    if is_corrected {
        ints::encode(distances, out);
    }
    true
}

/// Fills the scratch columns for one exponent. Answers a larger exponent where a value asks for one.
fn scale(bits: &[u64], exponent: usize, scratch: &mut Scratch) -> Option<usize> {
    let Scratch { integers, distances, exceptions } = scratch;
    integers.clear();
    distances.clear();
    exceptions.clear();
    let power = POWERS[exponent];
    let mut previous = 0;
    for (row, b) in bits.iter().enumerate() {
        let (integer, distance) = scaled(*b, power);
        if distance == 0 {
            previous = integer;
            integers.push(integer);
            distances.push(0);
            continue;
        }
        match exponent_of(*b, exponent) {
            Some(same) if same == exponent => {
                previous = integer;
                integers.push(integer);
                distances.push(distance);
            }
            Some(larger) if exceptions.len() * 16 <= row => return Some(larger),
            _ => {
                exceptions.push(row);
                integers.push(previous);
                distances.push(0);
            }
        }
        if exceptions.len() > bits.len() / 4 + 1 {
            break;
        }
    }
    None
}

/// Appends `count` values to `out` and answers the number of bytes that they took.
pub(crate) fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<usize, Damaged> {
    let mut reader = Reader(bytes);
    read(&mut reader, count, out)?;
    Ok(bytes.len() - reader.0.len())
}

pub(super) fn read(reader: &mut Reader<'_>, count: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    if count == 0 {
        return Ok(());
    }
    match reader.byte()? {
        CONSTANT => {
            let bits = reader.u64()?;
            out.resize(out.len() + count, f64::from_bits(bits));
        }
        CONSTANT_INTEGER => {
            let integer = reader.signed()?;
            out.resize(out.len() + count, integer as f64);
        }
        SCALED => SCRATCH.with_borrow_mut(|scratch| decode_scaled(reader, count, scratch, out))?,
        BITS => SCRATCH.with_borrow_mut(|Scratch { integers, .. }| {
            integers.clear();
            ints::decode(reader, count, integers)?;
            out.extend(integers.iter().map(|bits| f64::from_bits(*bits as u64)));
            Ok(())
        })?,
        _ => return Err(Damaged("unknown float coding")),
    }
    Ok(())
}

fn decode_scaled(
    reader: &mut Reader<'_>,
    count: usize,
    scratch: &mut Scratch,
    out: &mut Vec<f64>,
) -> Result<(), Damaged> {
    let Scratch { integers, distances, .. } = scratch;
    let flags = reader.byte()?;
    let power = *POWERS.get(usize::from(flags & EXPONENT)).ok_or(Damaged("unknown decimal exponent"))?;
    let exception_count = if flags & EXCEPTIONS != 0 { reader.count(9)? } else { 0 };
    let mut exceptions = *reader;
    for _ in 0..exception_count {
        reader.varint()?;
        reader.u64()?;
    }
    integers.clear();
    ints::decode(reader, count, integers)?;
    let begin = out.len();
    if flags & CORRECTED != 0 {
        distances.clear();
        ints::decode(reader, count, distances)?;
        let rows = integers.iter().zip(distances.iter());
        out.extend(rows.map(|(i, d)| f64::from_bits(unscaled(*i, power).wrapping_add(*d as u64))));
    } else if power == 1.0 {
        out.extend(integers.iter().map(|i| *i as f64));
    } else {
        out.extend(integers.iter().map(|i| *i as f64 / power));
    }
    for _ in 0..exception_count {
        let row = exceptions.varint()? as usize;
        let bits = exceptions.u64()?;
        *out[begin..].get_mut(row).ok_or(Damaged("an exception lies outside of the column"))? = f64::from_bits(bits);
    }
    Ok(())
}
