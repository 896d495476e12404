//! Times of a page, ascending, in blocks that can be read alone: how many entries lie before some time is told without reading
//! them all.
//!
//! ```text
//! unit | first | each block after the first: how far its first time is from that of the block before
//!      | each block: least difference, width | differences of each block, bit-packed
//! ```

use blocks::bytes::{Damaged, Reader, put_signed, put_varint};

use super::ints::{pack, unpack, width_of};

/// Times of a block.
const BLOCK: usize = 128;
/// Nanoseconds; the largest that all differences are multiples of counts.
const UNITS: [u64; 4] = [1_000_000_000, 1_000_000, 1_000, 1];

/// Appends times in order; there is at least one.
pub(super) fn encode(times: &[i64], out: &mut Vec<u8>) {
    let difference = |pair: &[i64]| pair[1].wrapping_sub(pair[0]) as u64;
    let fits = |unit: &u64| times.windows(2).all(|pair| difference(pair).is_multiple_of(*unit));
    let code = UNITS.iter().position(fits).unwrap_or(UNITS.len() - 1);
    let unit = UNITS[code];
    out.push(code as u8);
    put_signed(out, times.first().copied().unwrap_or(0));
    let blocks = || times.chunks(BLOCK);
    for (before, block) in blocks().zip(blocks().skip(1)) {
        put_varint(out, block[0].wrapping_sub(before[0]) as u64 / unit);
    }
    let mut packed = Vec::new();
    for block in blocks() {
        let differences = || block.windows(2).map(|pair| difference(pair) / unit);
        let least = differences().min().unwrap_or(0);
        let width = width_of(differences().map(|d| d - least).max().unwrap_or(0));
        put_varint(out, least);
        out.push(width as u8);
        pack(differences().map(|d| d - least), width, &mut packed);
    }
    out.extend_from_slice(&packed);
}

#[derive(Clone, Copy, Debug)]
struct Block {
    first: i64,
    least: u64,
    width: u32,
    /// Where its differences begin.
    at: usize,
}

/// Times that are read as they are asked for.
#[derive(Debug)]
pub(super) struct Times<'b> {
    count: usize,
    unit: u64,
    blocks: Vec<Block>,
    packed: &'b [u8],
}

impl<'b> Times<'b> {
    /// Reads what is in front of the differences, of so many times.
    pub(super) fn open(bytes: &'b [u8], count: usize) -> Result<Self, Damaged> {
        let mut reader = Reader(bytes);
        let unit = *UNITS.get(reader.byte()? as usize).ok_or(Damaged("times in an unknown unit"))?;
        let mut first = reader.signed()?;
        let number = count.div_ceil(BLOCK);
        if number > bytes.len() {
            return Err(Damaged("more times than there are"));
        }
        let mut blocks = Vec::with_capacity(number);
        for block in 0..number {
            if block > 0 {
                first = first.wrapping_add(reader.varint()?.wrapping_mul(unit) as i64);
            }
            blocks.push(Block { first, least: 0, width: 0, at: 0 });
        }
        let mut at = 0;
        for (number, block) in blocks.iter_mut().enumerate() {
            (block.least, block.width, block.at) = (reader.varint()?, u32::from(reader.byte()?), at);
            let inner = (count - number * BLOCK).min(BLOCK) - 1;
            at += (inner * block.width as usize).div_ceil(8);
        }
        let is_sorted = blocks.is_sorted_by_key(|block| block.first);
        if at != reader.0.len() || !is_sorted {
            return Err(Damaged("times do not fit"));
        }
        Ok(Times { count, unit, blocks, packed: reader.0 })
    }

    /// Visits the times of a block.
    fn block(&self, number: usize, mut visit: impl FnMut(i64)) -> Result<(), Damaged> {
        let block = &self.blocks[number];
        let inner = (self.count - number * BLOCK).min(BLOCK) - 1;
        let mut time = block.first;
        visit(time);
        let mut reader = Reader(&self.packed[block.at..]);
        unpack(&mut reader, block.width, inner, |difference| {
            time = time.wrapping_add(difference.wrapping_add(block.least).wrapping_mul(self.unit) as i64);
            visit(time);
        })
    }

    /// All times.
    pub(super) fn all(&self) -> Result<Vec<i64>, Damaged> {
        let mut times = Vec::with_capacity(self.count);
        for number in 0..self.blocks.len() {
            self.block(number, |time| times.push(time))?;
        }
        if times.is_sorted() { Ok(times) } else { Err(Damaged("times are not in order")) }
    }

    /// For each of `until`, how many times are not after it.
    pub(super) fn count_until(&self, until: &[i64]) -> Result<Vec<u32>, Damaged> {
        let mut counts: Vec<u32> = Vec::with_capacity(until.len());
        for (at, limit) in until.iter().enumerate() {
            // Buckets follow one another: one ends where the next begins.
            if at > 0 && until[at - 1] == *limit {
                counts.push(counts[at - 1]);
                continue;
            }
            let after = self.blocks.partition_point(|block| block.first <= *limit);
            let mut count = 0;
            if let Some(number) = after.checked_sub(1) {
                count = number * BLOCK;
                self.block(number, |time| count += usize::from(time <= *limit))?;
            }
            counts.push(count as u32);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_come_back_and_are_counted(
            mut times in proptest::collection::vec(any::<i64>(), 1..900), shift in 0_u32..64, unit in 0_usize..5,
            until in proptest::collection::vec(any::<prop::sample::Index>(), 0..9), off in -1_i64..2,
        ) {
            let unit = [1, 1000, 1_000_000, 1_000_000_000, 7][unit];
            times.iter_mut().for_each(|time| *time = (*time >> shift) / unit * unit);
            times.sort_unstable();
            let mut bytes = Vec::new();
            encode(&times, &mut bytes);
            let read = Times::open(&bytes, times.len()).unwrap();
            prop_assert_eq!(read.all().unwrap(), times.clone());
            let until: Vec<i64> = until.iter().map(|at| times[at.index(times.len())].saturating_add(off)).collect();
            let wanted: Vec<u32> =
                until.iter().map(|limit| times.partition_point(|time| time <= limit) as u32).collect();
            prop_assert_eq!(read.count_until(&until).unwrap(), wanted);
        }

        #[test]
        fn damaged_times_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 1_usize..2000) {
            if let Ok(times) = Times::open(&bytes, count) {
                let _ = (times.all(), times.count_until(&[0, 1, i64::MAX]));
            }
        }
    }
}
