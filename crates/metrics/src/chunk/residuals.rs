//! What a transformation leaves of an integer column: bit-packed above a base, a few outliers listed apart.
//!
//! ```text
//! width | 0x80 if outliers | base | [outliers] | packed
//! outliers: count < 8 | (gap, value - base)...
//!           count >= 8 | width of gaps | width of values | least value - base | packed gaps | packed values
//! ```
//!
//! Instead of packed, the values of a segment may be coded by [`huffman`].

use super::{huffman, pack};
use crate::bytes::{Damaged, Reader, put_signed, put_varint, varint_len, zigzag};

const OUTLIERS: u8 = 0x80;
const CLASSES: usize = 65;
/// From this many on, outliers are packed.
const MANY: usize = 8;

/// How one segment is stored at the least cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) base: i64,
    pub(super) width: u32,
    pub(super) outliers: usize,
    /// Bytes, header included.
    pub(super) bytes: usize,
}

impl Segment {
    fn is_outlier(&self, v: i64) -> bool {
        self.width < 64 && (v.wrapping_sub(self.base) as u64) >> self.width != 0
    }
}

/// The middle one of a few values from all over the slice.
pub(super) fn middle(values: &[i64]) -> i64 {
    let mut few: [i64; 5] = std::array::from_fn(|i| values[i * (values.len() - 1) / 4]);
    few.sort_unstable();
    few[2]
}

fn bounds(values: impl Iterator<Item = i64>) -> (i64, i64) {
    values.fold((i64::MAX, i64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)))
}

/// The segment that takes in every value. There must be one.
pub(super) fn whole(values: &[i64]) -> Segment {
    let (min, max) = bounds(values.iter().copied());
    let width = pack::width_of(max.wrapping_sub(min) as u64);
    let bytes = 1 + varint_len(zigzag(min)) + pack::packed_len(values.len(), width);
    Segment { base: min, width, outliers: 0, bytes }
}

/// Finds base, width and outliers of a segment. There must be a value.
pub(super) fn plan(values: &[i64]) -> Segment {
    let whole = whole(values);
    let width = whole.width;
    if width == 0 || values.len() < 8 {
        return whole;
    }
    let center = middle(values);
    // Neighbours are mostly of one class: counting them apart keeps an increment from waiting for the one before.
    let mut classes = [[0_u16; CLASSES]; 2];
    let class_of = |v: &i64| pack::width_of(v.wrapping_sub(center).unsigned_abs()) as usize;
    let (pairs, last) = values.as_chunks::<2>();
    for [a, b] in pairs {
        classes[0][class_of(a)] += 1;
        classes[1][class_of(b)] += 1;
    }
    let [mut classes, odd] = classes;
    last.iter().for_each(|v| classes[class_of(v)] += 1);
    classes.iter_mut().zip(odd).for_each(|(class, odd)| *class += odd);
    let Some(class) = cut(&classes, values.len(), width) else { return whole };
    let is_kept = |v: &i64| class_of(v) <= class;
    let (base, top) = bounds(values.iter().copied().filter(is_kept));
    let cut = measure(values, base, pack::width_of(top.wrapping_sub(base) as u64));
    if cut.bytes < whole.bytes { cut } else { whole }
}

/// A segment that takes in more of what are outliers now: a code pays less for a wide range than packing does.
pub(super) fn widen(values: &[i64], segment: &Segment) -> Option<Segment> {
    if segment.outliers == 0 || segment.width > 60 {
        return None;
    }
    let (min, _) = bounds(values.iter().copied());
    let base = segment.base.saturating_sub(1 << segment.width).max(min);
    Some(measure(values, base, segment.width + 2))
}

/// The segment for a given base and width.
fn measure(values: &[i64], base: i64, width: u32) -> Segment {
    let mut segment = Segment { base, width, outliers: 0, bytes: 0 };
    let mut listed = 0;
    let mut previous = 0;
    let (mut widest_gap, mut least, mut most) = (0, i64::MAX, i64::MIN);
    for (row, v) in values.iter().enumerate() {
        if segment.is_outlier(*v) {
            let (gap, above) = (row - previous, v.wrapping_sub(base));
            segment.outliers += 1;
            listed += varint_len(gap as u64) + varint_len(zigzag(above));
            previous = row;
            (widest_gap, least, most) = (gap.max(widest_gap), above.min(least), above.max(most));
        }
    }
    if segment.outliers >= MANY {
        listed = 2 + varint_len(zigzag(least));
        listed += pack::packed_len(segment.outliers, pack::width_of(widest_gap as u64));
        listed += pack::packed_len(segment.outliers, pack::width_of(most.wrapping_sub(least) as u64));
    }
    if segment.outliers > 0 {
        listed += varint_len(segment.outliers as u64);
    }
    segment.bytes = 1 + varint_len(zigzag(base)) + listed + pack::packed_len(values.len(), width);
    segment
}

/// The distance from the middle, in bits, beyond which values had better be outliers.
fn cut(classes: &[u16; CLASSES], count: usize, width: u32) -> Option<usize> {
    let mut best = (count * width as usize, None);
    let (mut outliers, mut outlier_bits) = (0, 0);
    for class in (0..CLASSES.min(width as usize + 2) - 1).rev() {
        let beyond = usize::from(classes[class + 1]);
        outliers += beyond;
        outlier_bits += beyond * (9 + class);
        if outliers * 3 > count {
            break;
        }
        // The kept ones lie on both sides of the middle.
        let bits = outlier_bits + if class == 0 { 0 } else { count * (class + 1) };
        if outliers > 0 && bits < best.0 + count / 2 {
            best = (bits.min(best.0), Some(class));
        }
    }
    best.1
}

/// Appends a segment as planned.
pub(super) fn put(values: &[i64], segment: &Segment, out: &mut Vec<u8>) {
    put_head(values, segment, out);
    pack::pack(values, segment.base, segment.width, out);
}

/// Appends a segment with a Huffman code instead of packed.
pub(super) fn put_coded(values: &[i64], segment: &Segment, code: &huffman::Code, out: &mut Vec<u8>) {
    put_head(values, segment, out);
    huffman::put(values, segment.base, segment.width, code, out);
}

fn put_head(values: &[i64], segment: &Segment, out: &mut Vec<u8>) {
    out.push(segment.width as u8 | if segment.outliers > 0 { OUTLIERS } else { 0 });
    put_signed(out, segment.base);
    if segment.outliers == 0 {
        return;
    }
    put_varint(out, segment.outliers as u64);
    let mut previous = 0;
    let outliers = values.iter().enumerate().filter(|(_, v)| segment.is_outlier(**v)).map(|(row, v)| {
        let gap = row - previous;
        previous = row;
        (gap as i64, v.wrapping_sub(segment.base))
    });
    if segment.outliers < MANY {
        outliers.for_each(|(gap, above)| {
            put_varint(out, gap as u64);
            put_signed(out, above);
        });
        return;
    }
    let (gaps, above): (Vec<i64>, Vec<i64>) = outliers.unzip();
    let (_, widest_gap) = bounds(gaps.iter().copied());
    let (least, most) = bounds(above.iter().copied());
    let widths = [widest_gap, most.wrapping_sub(least)].map(|v| pack::width_of(v as u64));
    out.extend(widths.map(|w| w as u8));
    put_signed(out, least);
    pack::pack(&gaps, 0, widths[0], out);
    pack::pack(&above, least, widths[1], out);
}

/// Appends the `count` values of a segment to `out`.
pub(super) fn get(reader: &mut Reader<'_>, count: usize, is_coded: bool, out: &mut Vec<i64>) -> Result<(), Damaged> {
    let first = reader.byte()?;
    let width = u32::from(first & !OUTLIERS);
    if width > 64 {
        return Err(Damaged("a bit width above 64"));
    }
    let base = reader.signed()?;
    let begin = out.len();
    if first & OUTLIERS == 0 {
        return get_values(reader, count, base, width, is_coded, out);
    }
    let outliers = reader.varint()? as usize;
    if outliers > count {
        return Err(Damaged("more outliers than values"));
    }
    let mut listed = *reader;
    if outliers < MANY {
        for _ in 0..2 * outliers {
            reader.varint()?;
        }
        get_values(reader, count, base, width, is_coded, out)?;
        let segment = &mut out[begin..];
        let mut row = 0;
        for _ in 0..outliers {
            set(segment, &mut row, listed.varint()?, base.wrapping_add(listed.signed()?))?;
        }
        return Ok(());
    }
    let widths = [u32::from(reader.byte()?), u32::from(reader.byte()?)];
    if widths.iter().any(|w| *w > 64) {
        return Err(Damaged("a bit width above 64"));
    }
    let least = base.wrapping_add(reader.signed()?);
    let packed =
        [reader.take(pack::packed_len(outliers, widths[0]))?, reader.take(pack::packed_len(outliers, widths[1]))?];
    let mut columns = Vec::with_capacity(2 * outliers);
    pack::unpack(packed[0], outliers, 0, widths[0], &mut columns);
    pack::unpack(packed[1], outliers, least, widths[1], &mut columns);
    get_values(reader, count, base, width, is_coded, out)?;
    let (gaps, values) = columns.split_at(outliers);
    let mut row = 0;
    for (gap, v) in gaps.iter().zip(values) {
        set(&mut out[begin..], &mut row, *gap as u64, *v)?;
    }
    Ok(())
}

fn set(segment: &mut [i64], row: &mut usize, gap: u64, v: i64) -> Result<(), Damaged> {
    *row = row.saturating_add(gap as usize);
    *segment.get_mut(*row).ok_or(Damaged("an outlier lies outside of its segment"))? = v;
    Ok(())
}

fn get_values(
    reader: &mut Reader<'_>,
    count: usize,
    base: i64,
    width: u32,
    is_coded: bool,
    out: &mut Vec<i64>,
) -> Result<(), Damaged> {
    if is_coded {
        return huffman::get(reader, count, base, out);
    }
    pack::unpack(reader.take(pack::packed_len(count, width))?, count, base, width, out);
    Ok(())
}
