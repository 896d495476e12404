//! Huffman coding of residuals whose values are not equally frequent, as the steps of counters are.
//!
//! The upper bits of a residual are a symbol of at most [`MOST_SYMBOLS`]; the bits below them, which are as good as random, are
//! packed. The symbols lie in two streams, so that a processor can follow both at once.
//!
//! ```text
//! packed bits | number of symbols | code lengths (4 bits each) | bytes of each stream | streams | packed bits
//! ```

use std::sync::LazyLock;

use super::{MAX_SAMPLES, pack};
use crate::bytes::{Damaged, Reader, put_varint, varint_len};

const MOST_SYMBOLS: usize = 64;
const LONGEST: u32 = 9;
const HALF: usize = MAX_SAMPLES / 2;
/// Symbols that can be read after one load: 57 bits are sure.
const BATCH: usize = 6;
/// Room for the longest stream and a load at its end.
const STREAM: usize = HALF * LONGEST as usize / 8 + 8;

/// Binary logarithms of the counts up to a full column, in 1/256.
static LOGARITHMS: LazyLock<Vec<u32>> =
    LazyLock::new(|| (0..=MAX_SAMPLES).map(|n| ((n.max(1) as f64).log2() * 256.0).round() as u32).collect());

/// A code for one column.
#[derive(Debug)]
pub(super) struct Code {
    /// Bits below the symbols.
    shift: u32,
    lengths: [u8; MOST_SYMBOLS],
    symbols: usize,
    /// Stands in where a value is listed as an outlier.
    commonest: u8,
    /// Bytes that the column takes, about.
    pub(super) bytes: usize,
}

/// Finds a code for values of which those that fit into `width` bits above `base` count; none where it is of no use.
pub(super) fn plan(values: &[i64], base: i64, width: u32, limit: usize) -> Option<Code> {
    let shift = width.saturating_sub(6);
    let mut counts = [0_u16; MOST_SYMBOLS];
    for v in values {
        let symbol = v.wrapping_sub(base) as u64 >> shift;
        if symbol < 1 << (width - shift) {
            counts[symbol as usize] += 1;
        }
    }
    let mut halved = [0; MOST_SYMBOLS];
    halved.iter_mut().zip(counts.chunks(2)).for_each(|(half, pair)| *half = pair[0] + pair[1]);
    let mut candidates = [(shift, counts), (shift + 1, halved)];
    let estimate = |(shift, counts): &(u32, [u16; MOST_SYMBOLS])| {
        let logarithm = |n: usize| LOGARITHMS[n] as usize;
        let total = logarithm(values.len());
        let bits: usize = counts.iter().map(|c| usize::from(*c) * (total - logarithm(usize::from(*c)))).sum();
        let symbols = MOST_SYMBOLS - counts.iter().rev().take_while(|c| **c == 0).count();
        bits / 2048 + symbols / 2 + 6 + pack::packed_len(values.len(), *shift)
    };
    let estimates = [estimate(&candidates[0]), estimate(&candidates[1])];
    if width > 5 && estimates[1] < estimates[0] {
        candidates.swap(0, 1);
    }
    if estimates[0].min(estimates[1]) > limit {
        return None;
    }
    let (shift, counts) = candidates[0];
    let lengths = lengths(&counts);
    let symbols = MOST_SYMBOLS - lengths.iter().rev().take_while(|l| **l == 0).count();
    let commonest = (0..MOST_SYMBOLS).max_by_key(|s| counts[*s])? as u8;
    let bits: usize = lengths.iter().zip(&counts).map(|(l, c)| usize::from(*l) * usize::from(*c)).sum();
    let streams = bits / 8 + 2;
    let bytes = 2 + symbols.div_ceil(2) + streams + 2 * varint_len(streams as u64 / 2);
    let bytes = bytes + pack::packed_len(values.len(), shift);
    (bytes <= limit).then_some(Code { shift, lengths, symbols, commonest, bytes })
}

/// Code lengths of Huffman's tree, none above [`LONGEST`].
fn lengths(counts: &[u16; MOST_SYMBOLS]) -> [u8; MOST_SYMBOLS] {
    let mut lengths = [0; MOST_SYMBOLS];
    let mut order: Vec<(u16, u8)> = (0..).zip(counts).filter(|(_, c)| **c > 0).map(|(s, c)| (*c, s)).collect();
    order.sort_unstable();
    let leaves = order.len();
    if leaves < 2 {
        order.iter().for_each(|(_, s)| lengths[usize::from(*s)] = 1);
        return lengths;
    }
    // Leaves in order, then the inner nodes, which come into being in order too.
    let mut weights: Vec<u32> = order.iter().map(|(c, _)| u32::from(*c)).collect();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut inner) = (0, leaves);
    while weights.len() < parents.len() {
        let node = weights.len();
        let mut lightest = || {
            let take_leaf = leaf < leaves && (inner >= node || weights[leaf] <= weights[inner]);
            let next = if take_leaf { &mut leaf } else { &mut inner };
            *next += 1;
            parents[*next - 1] = node;
            weights[*next - 1]
        };
        let weight = lightest() + lightest();
        weights.push(weight);
    }
    let mut depths = vec![0_u32; parents.len()];
    for node in (0..parents.len() - 1).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    // What is too deep is lifted; to pay for it the deepest of the others go down, the rarest first.
    let room = 1_usize << LONGEST;
    let mut used = 0;
    for depth in &mut depths[..leaves] {
        *depth = (*depth).min(LONGEST);
        used += room >> *depth;
    }
    while used > room {
        let at = (0..leaves).filter(|i| depths[*i] < LONGEST).max_by_key(|i| (depths[*i], leaves - i));
        let at = at.expect("64 symbols of 9 bits fit");
        used -= room >> (depths[at] + 1);
        depths[at] += 1;
    }
    order.iter().zip(&depths).for_each(|((_, s), depth)| lengths[usize::from(*s)] = *depth as u8);
    lengths
}

/// The code words of the canonical code, to be written lowest bit first.
fn words(lengths: &[u8; MOST_SYMBOLS]) -> [u16; MOST_SYMBOLS] {
    let mut next = [0_u16; 16];
    lengths.iter().for_each(|l| next[usize::from(*l)] += 1);
    let mut first = 0;
    for (length, next) in next.iter_mut().enumerate() {
        let count = if length == 0 { 0 } else { *next };
        *next = first;
        first = (first + count) << 1;
    }
    let mut words = [0; MOST_SYMBOLS];
    for (word, length) in words.iter_mut().zip(lengths).filter(|(_, l)| **l > 0) {
        let next = &mut next[usize::from(*length)];
        *word = next.reverse_bits() >> (16 - length);
        *next += 1;
    }
    words
}

/// Appends the column.
pub(super) fn put(values: &[i64], base: i64, width: u32, code: &Code, out: &mut Vec<u8>) {
    out.push(code.shift as u8);
    out.push(code.symbols as u8);
    out.extend(code.lengths[..code.symbols].chunks(2).map(|pair| pair[0] | pair.get(1).unwrap_or(&0) << 4));
    let words = words(&code.lengths);
    let mut streams = [Vec::with_capacity(STREAM), Vec::with_capacity(STREAM)];
    let (first, second) = values.split_at(values.len() / 2);
    for (half, stream) in [first, second].into_iter().zip(&mut streams) {
        let (mut pending, mut bits) = (0_u64, 0);
        for v in half {
            let symbol = v.wrapping_sub(base) as u64 >> code.shift;
            let symbol = if symbol < 1 << (width - code.shift) { symbol as usize } else { code.commonest.into() };
            pending |= u64::from(words[symbol]) << bits;
            bits += u32::from(code.lengths[symbol]);
            if bits >= 32 {
                stream.extend_from_slice(&(pending as u32).to_le_bytes());
                pending >>= 32;
                bits -= 32;
            }
        }
        stream.extend_from_slice(&pending.to_le_bytes()[..bits.div_ceil(8) as usize]);
        put_varint(out, stream.len() as u64);
    }
    streams.iter().for_each(|stream| out.extend_from_slice(stream));
    pack::pack(values, base, code.shift, out);
}

/// Appends `count` values to `out`, `base` added to each.
pub(super) fn get(reader: &mut Reader<'_>, count: usize, base: i64, out: &mut Vec<i64>) -> Result<(), Damaged> {
    let shift = u32::from(reader.byte()?);
    let symbols = usize::from(reader.byte()?);
    if shift > 63 || symbols > MOST_SYMBOLS || count > MAX_SAMPLES {
        return Err(Damaged("a code is too large"));
    }
    let (table, longest) = table(reader.take(symbols.div_ceil(2))?)?;
    let lens = [reader.count(1)?, reader.count(1)?];
    let [first, second] = [stream(reader.take(lens[0])?)?, stream(reader.take(lens[1])?)?];
    let begin = out.len();
    pack::unpack(reader.take(pack::packed_len(count, shift))?, count, base, shift, out);
    let (a, b) = out[begin..].split_at_mut(count / 2);
    let mask = (1 << longest) - 1;
    let mut at = [0_usize; 2];
    let mut step = |a: &mut [i64], b: &mut [i64]| {
        let mut bits = [load(&first, at[0]), load(&second, at[1])];
        let mut follow = |stream: usize, slot: &mut i64| {
            let entry = table[bits[stream] as usize & mask];
            bits[stream] >>= entry & 15;
            at[stream] += usize::from(entry & 15);
            *slot = slot.wrapping_add(i64::from(entry >> 4) << shift);
        };
        let both = a.len();
        for (x, y) in a.iter_mut().zip(b.iter_mut()) {
            follow(0, x);
            follow(1, y);
        }
        b[both..].iter_mut().for_each(|y| follow(1, y));
    };
    let (a, a_rest) = a.as_chunks_mut::<BATCH>();
    let (b_whole, b_rest) = b.split_at_mut(a.len() * BATCH);
    for (a, b) in a.iter_mut().zip(b_whole.as_chunks_mut::<BATCH>().0) {
        step(a, b);
    }
    // The second half may be one longer than the first.
    let (b_rest, b_last) = b_rest.split_at_mut(a_rest.len());
    step(a_rest, b_rest);
    step(&mut [], b_last);
    if at.iter().zip(lens).any(|(at, len)| *at > 8 * len) {
        return Err(Damaged("it ends too early"));
    }
    Ok(())
}

/// The symbol (in the upper bits) that follows from each combination of the next bits, and how many bits it takes.
fn table(nibbles: &[u8]) -> Result<([u16; 1 << LONGEST], u32), Damaged> {
    let mut lengths = [0; MOST_SYMBOLS];
    for (pair, nibble) in lengths.chunks_mut(2).zip(nibbles) {
        pair.copy_from_slice(&[nibble & 15, nibble >> 4]);
    }
    let longest = u32::from(lengths.iter().copied().max().unwrap_or(0));
    let used: u32 = lengths.iter().filter(|l| **l > 0).map(|l| (1 << LONGEST) >> l).sum();
    if longest > LONGEST || longest == 0 || used > 1 << LONGEST {
        return Err(Damaged("an impossible code"));
    }
    let mut table = [0; 1 << LONGEST];
    for (symbol, (length, word)) in (0_u16..).zip(lengths.iter().zip(words(&lengths))).filter(|(_, (l, _))| **l > 0) {
        let slots = table[..1 << longest].iter_mut().skip(usize::from(word)).step_by(1 << length);
        slots.for_each(|slot| *slot = symbol << 4 | u16::from(*length));
    }
    Ok((table, longest))
}

fn stream(bytes: &[u8]) -> Result<[u8; STREAM], Damaged> {
    let mut padded = [0; STREAM];
    let room = padded.get_mut(..bytes.len()).filter(|room| room.len() <= STREAM - 8);
    room.ok_or(Damaged("a stream is too long"))?.copy_from_slice(bytes);
    Ok(padded)
}

/// The next 57 bits and more. A damaged stream ends in zeros, and at most nine bits a symbol are ever asked for.
fn load(stream: &[u8; STREAM], at: usize) -> u64 {
    let bytes = stream[at / 8..].first_chunk().expect("there is room for a load at the end");
    u64::from_le_bytes(*bytes) >> (at % 8)
}
