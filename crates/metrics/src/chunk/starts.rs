//! The column of start timestamps: milliseconds, 0 where unknown, in no order.

use super::ints;
use crate::bytes::{Damaged, Reader};

/// Appends up to [`super::MAX_SAMPLES`] start timestamps. The reader must know how many there are.
pub(crate) fn encode(starts: &[i64], out: &mut Vec<u8>) {
    ints::encode(starts, out);
}

/// Appends `count` start timestamps to `out` and answers the number of bytes that they took.
pub(crate) fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<usize, Damaged> {
    let mut reader = Reader(bytes);
    ints::decode(&mut reader, count, out)?;
    Ok(bytes.len() - reader.0.len())
}
