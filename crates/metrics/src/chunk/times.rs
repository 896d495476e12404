//! The column of sample times: how many, the first, the last, then the times between them.
//!
//! ```text
//! count | first | last - first | integers
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
    put_varint(out, times.len() as u64);
    put_signed(out, first);
    put_varint(out, last.wrapping_sub(first) as u64);
    let relative: Vec<i64> = times.iter().map(|t| t.wrapping_sub(first)).collect();
    ints::encode(&relative, out);
}

/// Reads the head of a column.
pub(crate) fn span(bytes: &[u8]) -> Result<Span, Damaged> {
    get_span(&mut Reader(bytes))
}

fn get_span(reader: &mut Reader<'_>) -> Result<Span, Damaged> {
    let count = reader.varint()? as usize;
    if count == 0 || count > MAX_SAMPLES {
        return Err(Damaged("an impossible number of samples"));
    }
    let first = reader.signed()?;
    let last = first.wrapping_add(reader.varint()? as i64);
    Ok(Span { count, range: TimeRange::new(first, last) })
}

/// Appends the times to `out` and answers the number of bytes that they took. Fails where there are not `count` of them.
pub(crate) fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<usize, Damaged> {
    let mut reader = Reader(bytes);
    let span = get_span(&mut reader)?;
    if span.count != count {
        return Err(Damaged("columns differ in length"));
    }
    let begin = out.len();
    ints::decode(&mut reader, count, out)?;
    let first = span.range.start.ms();
    let times = &mut out[begin..];
    times.iter_mut().for_each(|t| *t = t.wrapping_add(first));
    if !times.is_sorted_by(|a, b| a < b) {
        return Err(Damaged("times are out of order"));
    }
    Ok(bytes.len() - reader.0.len())
}
