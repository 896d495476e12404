//! Native histograms, with exponential or custom buckets, counts as floats.

/// Whether a histogram starts counting anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterResetHint {
    /// Compare with the sample before.
    #[default]
    Unknown,
    /// It does.
    CounterReset,
    /// It does not.
    NotCounterReset,
    /// It is a gauge; resets mean nothing.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BucketSpan {
    /// Empty buckets since the end of the span before (since index 0 for the first, may be negative there).
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// A native histogram. Buckets are absolute counts (not cumulative, not deltas).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FloatHistogram {
    /// Kind of counting.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: each power of two is cut into 2^schema buckets, -4 to 8; -53 means custom buckets.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of observations.
    pub sum: f64,
    /// Where positive buckets lie.
    pub positive_spans: Vec<BucketSpan>,
    /// Where negative buckets lie.
    pub negative_spans: Vec<BucketSpan>,
    /// Counts of positive buckets.
    pub positive_buckets: Vec<f64>,
    /// Counts of negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds for schema -53, strictly increasing, without +Inf.
    pub custom_values: Vec<f64>,
}
