//! Whether the buckets of an integer histogram add up to its count, as `model/histogram/histogram.go` checks it.

use thiserror::Error;

/// Why counts contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CountFault {
    /// They do not add up.
    #[error(
        "{in_buckets} observations found in buckets, but the Count field is {count}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)"
    )]
    Mismatch {
        /// Sum over all buckets.
        in_buckets: u128,
        /// As given.
        count: u64,
    },
    /// The same where NaN was observed, which no bucket counts.
    #[error(
        "{in_buckets} observations found in buckets, but the Count field is {count}: histogram's observation count should be at least the number of observations found in the buckets"
    )]
    TooSmall {
        /// Sum over all buckets.
        in_buckets: u128,
        /// As given.
        count: u64,
    },
}

/// Compares the sum over all buckets with the count; `sum` is that of the observations.
pub(crate) fn check_count(in_buckets: u128, count: u64, sum: f64) -> Result<(), CountFault> {
    if sum.is_nan() {
        if in_buckets > u128::from(count) {
            return Err(CountFault::TooSmall { in_buckets, count });
        }
    } else if in_buckets != u128::from(count) {
        return Err(CountFault::Mismatch { in_buckets, count });
    }
    Ok(())
}
