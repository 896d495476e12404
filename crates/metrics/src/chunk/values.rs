//! Float columns, bit-exact: the smallest of a constant, decimal-scaled integers with listed exceptions, XOR, and plain bits.
//!
//! Most values that services expose are integers or short decimals, so `v = n / 10^e` with an integer column for `n` is
//! usually the smallest. A value that does not survive the way there and back, bit by bit, is an exception.

use super::ints;
use crate::bytes::{Damaged, Reader, put_signed, put_varint};

const CONSTANT: u8 = 0;
const CONSTANT_INTEGER: u8 = 1;
const SCALED: u8 = 2;
const XOR: u8 = 3;
const PLAIN: u8 = 4;

const POWERS: [f64; 16] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53

/// `v * 10^exponent` as an integer, if that leads back to the same bits.
fn scaled(bits: u64, exponent: usize) -> Option<i64> {
    let v = f64::from_bits(bits);
    let limit = if exponent == 0 { 9.2e18 } else { EXACT };
    let product = v * POWERS[exponent];
    if product.is_nan() || product.abs() >= limit {
        return None;
    }
    let integer = product.round() as i64;
    (unscaled(integer, exponent) == bits).then_some(integer)
}

fn unscaled(integer: i64, exponent: usize) -> u64 {
    (integer as f64 / POWERS[exponent]).to_bits()
}

/// Appends the values given as bits. The reader must know how many there are.
pub(crate) fn encode(bits: &[u64], out: &mut Vec<u8>) {
    let Some(&first) = bits.first() else { return };
    if bits.iter().all(|b| *b == first) {
        match scaled(first, 0) {
            Some(integer) => {
                out.push(CONSTANT_INTEGER);
                put_signed(out, integer);
            }
            None => {
                out.push(CONSTANT);
                out.extend_from_slice(&first.to_le_bytes());
            }
        }
        return;
    }
    let begin = out.len();
    let found = encode_scaled(bits, out);
    let scaled_len = if found { out.len() - begin } else { usize::MAX };
    // Two bytes a value and less are hardly ever beaten; the search for something better would only cost time.
    if scaled_len <= 2 * bits.len() {
        return;
    }
    let best_so_far = scaled_len.min(1 + 8 * bits.len());
    let candidate = out.len();
    encode_xor(bits, out);
    if out.len() - candidate < best_so_far {
        out.drain(begin..candidate);
        return;
    }
    out.truncate(candidate);
    if scaled_len <= 1 + 8 * bits.len() {
        return;
    }
    out.truncate(begin);
    out.push(PLAIN);
    for b in bits {
        out.extend_from_slice(&b.to_le_bytes());
    }
}

/// The exponent that suits the values, if few enough of them are exceptions.
fn exponent_for(bits: &[u64]) -> Option<usize> {
    let allowed = bits.len() / 8 + 1;
    let mut exceptions = 0;
    let mut exponent = 0;
    for &b in bits {
        if scaled(b, exponent).is_some() {
            continue;
        }
        match (exponent + 1..POWERS.len()).find(|e| scaled(b, *e).is_some()) {
            Some(larger) => exponent = larger,
            None => exceptions += 1,
        }
        if exceptions > allowed {
            return None;
        }
    }
    Some(exponent)
}

fn encode_scaled(bits: &[u64], out: &mut Vec<u8>) -> bool {
    let Some(exponent) = exponent_for(bits) else { return false };
    let mut integers = vec![0; bits.len()];
    let integers = integers.as_mut_slice();
    let mut exceptions = Vec::new();
    let mut previous = bits.iter().find_map(|b| scaled(*b, exponent)).unwrap_or(0);
    for (row, (&b, slot)) in bits.iter().zip(integers.iter_mut()).enumerate() {
        match scaled(b, exponent) {
            Some(integer) => previous = integer,
            None => exceptions.push(row),
        }
        *slot = previous;
    }
    if exceptions.len() > bits.len() / 4 + 1 {
        return false;
    }
    out.push(SCALED);
    out.push(exponent as u8);
    put_varint(out, exceptions.len() as u64);
    for row in exceptions {
        put_varint(out, row as u64);
        out.extend_from_slice(&bits[row].to_le_bytes());
    }
    ints::encode(integers, out);
    true
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
        SCALED => decode_scaled(reader, count, out)?,
        XOR => decode_xor(reader, count, out)?,
        PLAIN => {
            for _ in 0..count {
                out.push(f64::from_bits(reader.u64()?));
            }
        }
        _ => return Err(Damaged("unknown float coding")),
    }
    Ok(())
}

fn decode_scaled(reader: &mut Reader<'_>, count: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let exponent = usize::from(reader.byte()?);
    if exponent >= POWERS.len() {
        return Err(Damaged("unknown decimal exponent"));
    }
    let exception_count = reader.count(9)?;
    let mut exceptions = *reader;
    for _ in 0..exception_count {
        reader.varint()?;
        reader.u64()?;
    }
    let mut integers = Vec::with_capacity(count);
    ints::decode(reader, count, &mut integers)?;
    let begin = out.len();
    if exponent == 0 {
        out.extend(integers.iter().map(|i| *i as f64));
    } else {
        let power = POWERS[exponent];
        out.extend(integers.iter().map(|i| *i as f64 / power));
    }
    for _ in 0..exception_count {
        let row = exceptions.varint()? as usize;
        let bits = exceptions.u64()?;
        *out[begin..].get_mut(row).ok_or(Damaged("an exception lies outside of the chunk"))? = f64::from_bits(bits);
    }
    Ok(())
}

/// Gorilla: a zero bit for a repeated value; else whether the last window of meaningful bits is used again, or a new window
/// of 6 bits for its leading zeros and 6 for its length less one.
fn encode_xor(bits: &[u64], out: &mut Vec<u8>) {
    out.push(XOR);
    let mut writer = BitWriter { out, pending: 0, bits: 0 };
    let mut previous = bits[0];
    writer.put(previous, 64);
    let mut window = (64, 0);
    for &b in &bits[1..] {
        let xor = previous ^ b;
        previous = b;
        if xor == 0 {
            writer.put(0, 1);
            continue;
        }
        let (leading, trailing) = (xor.leading_zeros(), xor.trailing_zeros());
        let fits = leading >= window.0 && trailing >= window.1;
        let (reused, fresh) = (64_u32.saturating_sub(window.0 + window.1), 64 - leading - trailing);
        if fits && reused <= fresh + 12 {
            writer.put(0b01, 2);
            writer.put(xor >> window.1, reused);
        } else {
            window = (leading, trailing);
            writer.put(0b11, 2);
            writer.put(u64::from(leading), 6);
            writer.put(u64::from(fresh - 1), 6);
            writer.put(xor >> trailing, fresh);
        }
    }
    writer.finish();
}

fn decode_xor(reader: &mut Reader<'_>, count: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let mut bits = BitReader { reader, pending: 0, bits: 0 };
    let mut value = bits.get(64)?;
    out.push(f64::from_bits(value));
    let (mut trailing, mut width) = (0, 0);
    for _ in 1..count {
        if bits.get(1)? == 1 {
            if bits.get(1)? == 1 {
                let leading = bits.get(6)? as u32;
                width = bits.get(6)? as u32 + 1;
                trailing = 64_u32.checked_sub(leading + width).ok_or(Damaged("an XOR window is too wide"))?;
            } else if width == 0 {
                return Err(Damaged("an XOR window is used before it is set"));
            }
            value ^= bits.get(width)? << trailing;
        }
        out.push(f64::from_bits(value));
    }
    Ok(())
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u128,
    bits: u32,
}

impl BitWriter<'_> {
    fn put(&mut self, value: u64, width: u32) {
        self.pending |= u128::from(value) << self.bits;
        self.bits += width;
        while self.bits >= 8 {
            self.out.push(self.pending as u8);
            self.pending >>= 8;
            self.bits -= 8;
        }
    }

    fn finish(self) {
        if self.bits > 0 {
            self.out.push(self.pending as u8);
        }
    }
}

struct BitReader<'r, 'a> {
    reader: &'r mut Reader<'a>,
    pending: u128,
    bits: u32,
}

impl BitReader<'_, '_> {
    fn get(&mut self, width: u32) -> Result<u64, Damaged> {
        while self.bits < width {
            self.pending |= u128::from(self.reader.byte()?) << self.bits;
            self.bits += 8;
        }
        let value = self.pending as u64 & (u64::MAX >> (64 - width));
        self.pending >>= width;
        self.bits -= width;
        Ok(value)
    }
}
