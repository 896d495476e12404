//! What a kept sample of downsampled data says of the raw samples that are gone.

/// The raw float samples after the previous kept sample of the series, up to and including the kept one that carries this.
///
/// The first and the last sample of each time bucket are kept. A bucket is `(k * span, (k + 1) * span]`, open on the left like
/// a range of PromQL, so that a range whose edges are multiples of `span` holds whole buckets and everything that is
/// summed up here is exact for it.
///
/// An aggregate of a native histogram sample has only `count` and `span_ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// How many samples, without staleness markers. At least 1.
    pub count: u32,
    /// Sum of the values.
    pub sum: f64,
    /// Smallest value; NaN only where all are.
    pub min: f64,
    /// Largest value; NaN only where all are.
    pub max: f64,
    /// Sum of the values that a counter had before each drop, for drops to a sample that is gone or to the kept one from one
    /// that is gone. A drop from one kept sample to the next is not in it: the two values tell of it.
    pub lost: f64,
    /// The drops that `lost` sums up.
    pub resets: u32,
    /// Samples that differ from the one before, counted like `resets`. A NaN does not differ from a NaN.
    pub changes: u32,
    /// Length of the bucket in milliseconds.
    pub span_ms: i64,
}

impl Aggregate {
    /// The aggregate of a kept sample alone.
    pub fn of_one(value: f64, span_ms: i64) -> Self {
        Aggregate { count: 1, sum: value, min: value, max: value, lost: 0.0, resets: 0, changes: 0, span_ms }
    }

    /// The bucket that a sample of this time (milliseconds) lies in: open start and closed end.
    pub fn bucket(time: i64, span_ms: i64) -> (i64, i64) {
        let span = span_ms.max(1);
        let start = time.saturating_sub(1).div_euclid(span).saturating_mul(span);
        (start, start.saturating_add(span))
    }
}
