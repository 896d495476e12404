//! Parquet's hybrid of runs and bit-packed groups, in which levels and dictionary indexes are written, and the form in which
//! the codes of a column are kept in memory.

use crate::bytes::{Damaged, Reader, put_varint};

/// Bits that hold every code below `count`; at least one.
pub(super) fn width_for(count: usize) -> u32 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1)
}

/// Appends the values of runs `(value, length)`, which all fit into `width` bits.
pub(super) fn encode(runs: impl IntoIterator<Item = (u32, usize)>, width: u32, out: &mut Vec<u8>) {
    // Values that wait to be packed; a run may only follow a full group of eight.
    let mut literals: Vec<u32> = Vec::new();
    for (value, mut length) in runs {
        let fill = literals.len().next_multiple_of(8) - literals.len();
        if length < fill + 16 {
            literals.extend(std::iter::repeat_n(value, length));
            continue;
        }
        literals.extend(std::iter::repeat_n(value, fill));
        length -= fill;
        put_packed(&mut literals, width, out);
        put_varint(out, (length as u64) << 1);
        out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
    }
    put_packed(&mut literals, width, out);
}

fn put_packed(literals: &mut Vec<u32>, width: u32, out: &mut Vec<u8>) {
    if literals.is_empty() {
        return;
    }
    let groups = literals.len().div_ceil(8);
    literals.resize(groups * 8, 0);
    put_varint(out, (groups as u64) << 1 | 1);
    let (mut pending, mut bits) = (0_u64, 0);
    for value in literals.drain(..) {
        pending |= u64::from(value) << bits;
        bits += width;
        while bits >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            bits -= 8;
        }
    }
}

/// Calls `run` with values and lengths until `count` values are read.
pub(super) fn decode(bytes: &[u8], width: u32, count: usize, mut run: impl FnMut(u32, usize)) -> Result<(), Damaged> {
    if width > 32 {
        return Err(Damaged("a bit width above 32"));
    }
    let mut reader = Reader(bytes);
    let mut left = count;
    while left > 0 {
        let header = reader.varint()?;
        let length = usize::try_from(header >> 1).map_err(|_| Damaged("a run is too long"))?;
        if length == 0 {
            return Err(Damaged("an empty run"));
        }
        if header & 1 == 0 {
            let n = length.min(left);
            let mut value = [0; 4];
            let taken = reader.take(width.div_ceil(8) as usize)?;
            value[..taken.len()].copy_from_slice(taken);
            run(u32::from_le_bytes(value), n);
            left -= n;
            continue;
        }
        let packed_len = length.checked_mul(width as usize).ok_or(Damaged("a run is too long"))?;
        let packed = reader.take(packed_len)?;
        let n = length.saturating_mul(8).min(left);
        unpack(packed, width, n, &mut run);
        left -= n;
    }
    Ok(())
}

fn unpack(packed: &[u8], width: u32, count: usize, run: &mut impl FnMut(u32, usize)) {
    let mask = if width == 32 { u64::from(u32::MAX) } else { (1 << width) - 1 };
    let (mut pending, mut bits) = (0_u64, 0);
    let (words, tail) = packed.as_chunks::<4>();
    let (mut words, mut tail) = (words.iter(), tail.iter());
    for _ in 0..count {
        while bits < width {
            if let Some(word) = words.next() {
                pending |= u64::from(u32::from_le_bytes(*word)) << bits;
                bits += 32;
            } else {
                pending |= u64::from(*tail.next().expect("a group holds all of its values")) << bits;
                bits += 8;
            }
        }
        run((pending & mask) as u32, 1);
        pending >>= width;
        bits -= width;
    }
}

/// Codes that are compared at once.
const CHUNK: usize = 128;

/// A small number for each row of a column chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Codes {
    /// Runs of equal codes: the row after the last of each run, and its code.
    Runs {
        /// Strictly increasing; the last is the number of rows.
        ends: Vec<u32>,
        /// As long as `ends`.
        codes: Vec<u32>,
    },
    /// A code for each row.
    Bytes(Vec<u8>),
    /// A code for each row.
    Shorts(Vec<u16>),
    /// A code for each row.
    Words(Vec<u32>),
}

impl Codes {
    /// Takes the smallest form.
    pub(super) fn new(flat: Vec<u32>) -> Self {
        let runs = flat.chunk_by(|a, b| a == b).count();
        let max = flat.iter().copied().max().unwrap_or(0);
        let width = if max < 1 << 8 {
            1
        } else if max < 1 << 16 {
            2
        } else {
            4
        };
        if runs * 16 <= flat.len() * width || runs <= 1 {
            let (mut ends, mut codes) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
            let mut end = 0;
            for run in flat.chunk_by(|a, b| a == b) {
                end += run.len() as u32;
                ends.push(end);
                codes.push(run[0]);
            }
            return Codes::Runs { ends, codes };
        }
        match width {
            1 => Codes::Bytes(flat.iter().map(|c| *c as u8).collect()),
            2 => Codes::Shorts(flat.iter().map(|c| *c as u16).collect()),
            _ => Codes::Words(flat),
        }
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        match self {
            Codes::Runs { ends, .. } => ends.len() * 8,
            Codes::Bytes(codes) => codes.len(),
            Codes::Shorts(codes) => codes.len() * 2,
            Codes::Words(codes) => codes.len() * 4,
        }
    }

    /// The code of a row.
    pub(super) fn get(&self, row: usize) -> u32 {
        match self {
            Codes::Runs { ends, codes } => {
                codes.get(ends.partition_point(|end| *end as usize <= row)).copied().unwrap_or(0)
            }
            Codes::Bytes(codes) => codes.get(row).copied().unwrap_or(0).into(),
            Codes::Shorts(codes) => codes.get(row).copied().unwrap_or(0).into(),
            Codes::Words(codes) => codes.get(row).copied().unwrap_or(0),
        }
    }

    /// Calls `take` with the codes of sorted rows, in their order.
    pub(super) fn for_rows(&self, rows: impl Iterator<Item = usize>, mut take: impl FnMut(u32)) {
        let Codes::Runs { ends, codes } = self else {
            return rows.for_each(|row| take(self.get(row)));
        };
        let mut run = 0;
        for row in rows {
            if ends.get(run).is_some_and(|end| *end as usize <= row) {
                run += ends[run..].partition_point(|end| *end as usize <= row);
            }
            take(codes.get(run).copied().unwrap_or(0));
        }
    }

    /// Looks at the codes of the rows of `ranges` until `test` accepts one; equal neighbours may be looked at once.
    pub(super) fn any(&self, ranges: &[(u32, u32)], mut test: impl FnMut(u32) -> bool) -> bool {
        let mut ranges = ranges.iter().map(|(from, to)| *from as usize..*to as usize);
        match self {
            Codes::Runs { ends, codes } => ranges.any(|range| {
                let first = ends.partition_point(|end| *end as usize <= range.start);
                let after = ends.partition_point(|end| (*end as usize) < range.end);
                codes[first..(after + 1).min(codes.len())].iter().any(|code| test(*code))
            }),
            Codes::Bytes(codes) => ranges.any(|range| codes[range].iter().any(|code| test((*code).into()))),
            Codes::Shorts(codes) => ranges.any(|range| codes[range].iter().any(|code| test((*code).into()))),
            Codes::Words(codes) => ranges.any(|range| codes[range].iter().any(|code| test(*code))),
        }
    }

    /// Cuts those rows out of sorted `ranges` whose code `keep` does not accept.
    pub(super) fn retain(&self, ranges: &[(u32, u32)], keep: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
        let mut out: Vec<(u32, u32)> = Vec::new();
        let mut push = |from: u32, to: u32| match out.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => out.push((from, to)),
        };
        fn flat<T: Copy + Into<u32>>(
            codes: &[T],
            ranges: &[(u32, u32)],
            keep: impl Fn(u32) -> bool,
            push: &mut impl FnMut(u32, u32),
        ) {
            for &(from, to) in ranges {
                for (chunk, codes) in (0..).zip(codes[from as usize..to as usize].chunks(CHUNK)) {
                    // Most chunks have none, which is seen at a glance.
                    if !codes.iter().fold(false, |any, code| any | keep((*code).into())) {
                        continue;
                    }
                    for (row, code) in (from + chunk * CHUNK as u32..).zip(codes) {
                        if keep((*code).into()) {
                            push(row, row + 1);
                        }
                    }
                }
            }
        }
        match self {
            Codes::Runs { ends, codes } => {
                for &(mut from, to) in ranges {
                    let mut run = ends.partition_point(|end| *end <= from);
                    while from < to {
                        let end = ends[run].min(to);
                        if keep(codes[run]) {
                            push(from, end);
                        }
                        from = end;
                        run += 1;
                    }
                }
            }
            Codes::Bytes(codes) => flat(codes, ranges, keep, &mut push),
            Codes::Shorts(codes) => flat(codes, ranges, keep, &mut push),
            Codes::Words(codes) => flat(codes, ranges, keep, &mut push),
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn codes_survive(runs in proptest::collection::vec((0..70_000_u32, prop_oneof![Just(1_usize), 1..40_usize]), 0..60)) {
            let flat: Vec<u32> = runs.iter().flat_map(|(v, n)| std::iter::repeat_n(*v, *n)).collect();
            let width = width_for(flat.iter().max().map_or(0, |m| *m as usize + 1));
            let mut bytes = Vec::new();
            encode(runs.iter().copied(), width, &mut bytes);
            let mut back = Vec::new();
            decode(&bytes, width, flat.len(), |v, n| back.extend(std::iter::repeat_n(v, n))).unwrap();
            prop_assert_eq!(&back, &flat);

            let codes = Codes::new(flat.clone());
            let rows = flat.len() as u32;
            prop_assert!((0..flat.len()).all(|row| codes.get(row) == flat[row]));
            let mut found = Vec::new();
            codes.for_rows((0..flat.len()).step_by(3), |c| found.push(c));
            prop_assert_eq!(found, flat.iter().copied().step_by(3).collect::<Vec<_>>());
            let ranges = [(0, rows / 3), (rows / 2, rows)];
            let kept = codes.retain(&ranges, |c| c.is_multiple_of(2));
            let mut seen = std::collections::BTreeSet::new();
            prop_assert!(!codes.any(&ranges, |c| !seen.insert(c) && c == u32::MAX));
            let there = ranges.iter().flat_map(|r| r.0..r.1).map(|row| flat[row as usize]).collect();
            prop_assert_eq!(seen, there);
            let kept: Vec<u32> = kept.into_iter().flat_map(|(a, b)| a..b).collect();
            let wanted: Vec<u32> = ranges.iter().flat_map(|r| r.0..r.1).filter(|r| flat[*r as usize].is_multiple_of(2)).collect();
            prop_assert_eq!(kept, wanted);
        }

        #[test]
        fn anything_is_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..40), width in 0..40_u32) {
            let mut n = 0;
            let _ = decode(&bytes, width, 1000, |_, length| n += length);
            prop_assert!(n <= 1000);
        }
    }
}
