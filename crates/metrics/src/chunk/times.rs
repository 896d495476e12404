//! The column of sample times: how many, the first, the last, then the times between them.
//!
//! ```text
//! 2 * count     | first | last - first | integers
//! 2 * count + 1 | first | step                      where all steps are equal
//! ```
//!
//! Strictly increasing milliseconds. The head is enough to know whether a query needs the rest.

use model::TimeRange;

use super::{MAX_SAMPLES, ints};
use crate::bytes::{Damaged, Reader, put_signed, put_varint};

/// What the first bytes of a column of times say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Number of samples, 1 to [`MAX_SAMPLES`].
    pub(crate) count: usize,
    /// First and last time.
    pub(crate) range: TimeRange,
}

/// Appends 1 to [`MAX_SAMPLES`] strictly increasing times.
pub(crate) fn encode(times: &[i64], out: &mut Vec<u8>) {
    let (first, last) = (times[0], times[times.len() - 1]);
    let step = times.get(1).map_or(1, |second| second.wrapping_sub(first));
    let is_regular = times.windows(2).all(|w| w[1].wrapping_sub(w[0]) == step);
    put_varint(out, 2 * times.len() as u64 + u64::from(is_regular));
    put_signed(out, first);
    if is_regular {
        put_varint(out, step as u64);
        return;
    }
    put_varint(out, last.wrapping_sub(first) as u64);
    let relative: Vec<i64> = times.iter().map(|t| t.wrapping_sub(first)).collect();
    ints::encode(&relative, out);
}

/// Reads the head of a column.
pub(crate) fn span(bytes: &[u8]) -> Result<Span, Damaged> {
    let (span, _) = get_span(&mut Reader(bytes))?;
    Ok(span)
}

/// The head, and the step where all are equal.
fn get_span(reader: &mut Reader<'_>) -> Result<(Span, Option<i64>), Damaged> {
    let count = reader.varint()?;
    let (count, is_regular) = ((count / 2) as usize, count % 2 == 1);
    if count == 0 || count > MAX_SAMPLES {
        return Err(Damaged("an impossible number of samples"));
    }
    let first = reader.signed()?;
    let distance = reader.varint()? as i64;
    let (last, step) = if is_regular {
        (first.wrapping_add(distance.wrapping_mul(count as i64 - 1)), Some(distance))
    } else {
        (first.wrapping_add(distance), None)
    };
    if last < first {
        return Err(Damaged("times are out of order"));
    }
    Ok((Span { count, range: TimeRange::new(first, last) }, step))
}

/// Appends the times to `out` and answers the number of bytes that they took. Fails where there are not `count` of them.
pub(crate) fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<usize, Damaged> {
    let mut reader = Reader(bytes);
    let (span, step) = get_span(&mut reader)?;
    if span.count != count {
        return Err(Damaged("columns differ in length"));
    }
    let begin = out.len();
    let first = span.range.start.ms();
    if let Some(step) = step {
        out.extend((0..count as i64).map(|i| first.wrapping_add(step.wrapping_mul(i))));
    } else {
        ints::decode(&mut reader, count, out)?;
        out[begin..].iter_mut().for_each(|t| *t = t.wrapping_add(first));
    }
    let times = &out[begin..];
    if !times.is_sorted_by(|a, b| a < b) || times.last() != Some(&span.range.end.ms()) {
        return Err(Damaged("times are out of order"));
    }
    Ok(bytes.len() - reader.0.len())
}
