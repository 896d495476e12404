//! The coders of the columns at rest, for those who measure them or read a block with other tools.
//!
//! A column has 1 to [`MAX_SAMPLES`] entries and says itself where it ends; decoders append to `out` and answer the number of
//! bytes that the column took.

pub use crate::bytes::Damaged;
use crate::chunk::{self, times, values};

/// Most samples in one column.
pub const MAX_SAMPLES: usize = chunk::MAX_SAMPLES;

/// Appends strictly increasing times in milliseconds.
pub fn encode_times(times: &[i64], out: &mut Vec<u8>) {
    times::encode(times, out);
}

/// Appends the `count` times of a column to `out`. Fails where the bytes are none or have another count.
pub fn decode_times(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<usize, Damaged> {
    times::decode(bytes, count, out)
}

/// Appends values given as bits ([`f64::to_bits`]).
pub fn encode_values(bits: &[u64], out: &mut Vec<u8>) {
    values::encode(bits, out);
}

/// Appends the `count` values of a column to `out`, each with the bits that it had. Fails where the bytes are no column.
pub fn decode_values(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<usize, Damaged> {
    values::decode(bytes, count, out)
}
