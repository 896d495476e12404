//! Bit-packing with kernels of fixed width: 64 values of `width` bits are `width` little-endian words, first value lowest.
//!
//! Each width has its own unrolled kernel, so that unpacking is loads, shifts by constants and masks. Fewer than 64 values
//! take just the bytes that they need and go through the same kernels by way of a buffer.

/// Values in one kernel call.
pub(super) const LANE: usize = 64;
/// Bytes that the widest group takes.
const WIDEST: usize = LANE * 8;

/// Bytes that `count` values of `width` bits take.
pub(super) fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Bits that `v` needs.
pub(super) fn width_of(v: u64) -> u32 {
    64 - v.leading_zeros()
}

/// Appends `values - base`, each of which must fit into `width` bits; higher bits are cut off.
pub(super) fn pack(values: &[i64], base: i64, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let mask = u64::MAX >> (64 - width);
    for group in values.chunks(LANE) {
        let begin = out.len();
        let (mut pending, mut bits) = (0_u64, 0);
        for v in group {
            let v = v.wrapping_sub(base) as u64 & mask;
            pending |= v << bits;
            bits += width;
            if bits >= 64 {
                out.extend_from_slice(&pending.to_le_bytes());
                bits -= 64;
                pending = if bits == 0 { 0 } else { v >> (width - bits) };
            }
        }
        out.extend_from_slice(&pending.to_le_bytes());
        out.truncate(begin + packed_len(group.len(), width));
    }
}

/// Appends `count` values, `base` added to each. `packed` must have [`packed_len`] bytes.
pub(super) fn unpack(packed: &[u8], count: usize, base: i64, width: u32, out: &mut Vec<i64>) {
    if width == 0 {
        out.resize(out.len() + count, base);
        return;
    }
    let begin = out.len();
    out.resize(begin + count, 0);
    let mut groups = out[begin..].chunks_exact_mut(LANE);
    let group_len = width as usize * 8;
    let mut at = 0;
    for group in &mut groups {
        unpack_group(width, &packed[at..at + group_len], base, group.try_into().expect("a whole group"));
        at += group_len;
    }
    let rest = groups.into_remainder();
    if !rest.is_empty() {
        let mut padded = [0; WIDEST];
        padded[..packed.len() - at].copy_from_slice(&packed[at..]);
        let mut group = [0; LANE];
        unpack_group(width, &padded[..group_len], base, &mut group);
        rest.copy_from_slice(&group[..rest.len()]);
    }
}

/// One value out of `W` words: `bit` is known when the kernel is compiled.
#[inline(always)]
fn field<const W: usize>(words: &[u64; W], index: usize) -> u64 {
    let mask = u64::MAX >> (64 - W);
    let (word, shift) = (index * W / 64, index * W % 64);
    let low = words[word] >> shift;
    let v = if shift + W > 64 { low | words[word + 1] << (64 - shift) } else { low };
    v & mask
}

fn kernel<const W: usize>(packed: &[u8], base: i64, out: &mut [i64; LANE]) {
    let mut words = [0; W];
    for (word, bytes) in words.iter_mut().zip(packed.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    }
    macro_rules! unrolled {
        ($($i:literal)*) => { $(out[$i] = base.wrapping_add(field::<W>(&words, $i) as i64);)* };
    }
    unrolled!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    unrolled!(32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
}

fn unpack_group(width: u32, packed: &[u8], base: i64, out: &mut [i64; LANE]) {
    macro_rules! by_width {
        ($($w:literal)*) => {
            match width {
                $($w => kernel::<$w>(packed, base, out),)*
                _ => unreachable!("widths are 1 to 64"),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_width_survives(width in 0..=64_u32, base: i64, raw in proptest::collection::vec(any::<u64>(), 1..300)) {
            let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            let values: Vec<i64> = raw.iter().map(|v| base.wrapping_add((v & mask) as i64)).collect();
            let mut packed = vec![9];
            pack(&values, base, width, &mut packed);
            prop_assert_eq!(packed.len() - 1, values.chunks(LANE).map(|g| packed_len(g.len(), width)).sum::<usize>());
            let mut back = vec![5];
            unpack(&packed[1..], values.len(), base, width, &mut back);
            prop_assert_eq!(&back[1..], &values);
        }
    }
}
