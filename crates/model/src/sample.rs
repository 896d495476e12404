//! Samples, exemplars, and the columnar buffer that stores decode into.

use std::sync::Arc;

use crate::{Aggregate, FloatHistogram, Labels, TimeRange, Timestamp};

/// The bit pattern of the NaN that marks a series as gone.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The staleness marker.
#[inline]
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// True for the staleness marker only, not for other NaNs.
#[inline]
pub fn is_stale(v: f64) -> bool {
    v.to_bits() == STALE_NAN_BITS
}

/// The value of one sample.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    /// A float.
    Float(f64),
    /// A native histogram (exponential or custom buckets). A stale marker has a stale `sum`.
    Histogram(Arc<FloatHistogram>),
}

/// One sample of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Time of the sample.
    pub timestamp: Timestamp,
    /// When the counter or histogram started counting; `None` where unknown.
    pub start_timestamp: Option<Timestamp>,
    /// Value.
    pub value: SampleValue,
}

impl Sample {
    /// A float sample without a start timestamp.
    pub fn float(timestamp: Timestamp, value: f64) -> Self {
        Sample { timestamp, start_timestamp: None, value: SampleValue::Float(value) }
    }
}

/// An example of what was counted, usually with a trace id.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Labels of the exemplar itself, such as `trace_id`.
    pub labels: Labels,
    /// Observed value.
    pub value: f64,
    /// When it was observed; `None` takes the sample's time.
    pub timestamp: Option<Timestamp>,
}

/// Samples of one series, by column, in order of time.
#[derive(Clone, Debug, Default)]
pub struct SampleBuffer {
    /// Milliseconds since the epoch, strictly increasing.
    pub timestamps: Vec<i64>,
    /// As long as `timestamps`; the entry of a histogram row is meaningless.
    pub values: Vec<f64>,
    /// Row and value of each histogram sample, by row. Empty for the usual float series.
    pub histograms: Vec<(u32, Arc<FloatHistogram>)>,
    /// Start timestamps in milliseconds, 0 where unknown: either empty or as long as `timestamps`.
    pub start_timestamps: Vec<i64>,
    /// Row and aggregate of each row that is left of downsampled data, by row. Empty for raw data.
    pub aggregates: Vec<(u32, Aggregate)>,
}

impl SampleBuffer {
    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.values.clear();
        self.histograms.clear();
        self.start_timestamps.clear();
        self.aggregates.clear();
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// True where there is no sample.
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Appends a float sample.
    pub fn push_float(&mut self, timestamp: i64, value: f64) {
        self.timestamps.push(timestamp);
        self.values.push(value);
        if !self.start_timestamps.is_empty() {
            self.start_timestamps.push(0);
        }
    }

    /// Appends a histogram sample.
    pub fn push_histogram(&mut self, timestamp: i64, histogram: Arc<FloatHistogram>) {
        self.histograms.push((self.timestamps.len() as u32, histogram));
        self.push_float(timestamp, 0.0);
    }

    /// Sets the start timestamp of the last sample (milliseconds, 0 for unknown).
    pub fn set_last_start(&mut self, start: i64) {
        if start != 0 || !self.start_timestamps.is_empty() {
            self.start_timestamps.resize(self.timestamps.len(), 0);
            if let Some(last) = self.start_timestamps.last_mut() {
                *last = start;
            }
        }
    }

    /// Says what the last sample stands for.
    pub fn set_last_aggregate(&mut self, aggregate: Aggregate) {
        if let Some(row) = self.timestamps.len().checked_sub(1) {
            self.aggregates.push((row as u32, aggregate));
        }
    }

    /// The histogram of a row.
    pub fn histogram(&self, row: usize) -> Option<&Arc<FloatHistogram>> {
        let at = self.histograms.binary_search_by_key(&(row as u32), |(r, _)| *r).ok()?;
        Some(&self.histograms[at].1)
    }

    /// The aggregate of a row; `None` for a raw sample.
    pub fn aggregate(&self, row: usize) -> Option<&Aggregate> {
        let at = self.aggregates.binary_search_by_key(&(row as u32), |(r, _)| *r).ok()?;
        Some(&self.aggregates[at].1)
    }

    /// True for a staleness marker of either kind.
    pub fn is_stale(&self, row: usize) -> bool {
        is_stale(self.histogram(row).map_or(self.values[row], |h| h.sum))
    }

    /// Appends a row of another buffer with all that belongs to it.
    pub fn push_row(&mut self, from: &SampleBuffer, row: usize) {
        match from.histogram(row) {
            Some(histogram) => self.push_histogram(from.timestamps[row], Arc::clone(histogram)),
            None => self.push_float(from.timestamps[row], from.values[row]),
        }
        self.set_last_start(from.start_timestamps.get(row).copied().unwrap_or(0));
        if let Some(aggregate) = from.aggregate(row) {
            self.set_last_aggregate(*aggregate);
        }
    }

    /// Drops the rows from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.timestamps.truncate(length);
        self.values.truncate(length);
        self.start_timestamps.truncate(length);
        self.histograms.truncate(self.histograms.partition_point(|(row, _)| (*row as usize) < length));
        self.aggregates.truncate(self.aggregates.partition_point(|(row, _)| (*row as usize) < length));
    }

    /// The rows whose time lies in `range`.
    pub fn rows_in(&self, range: TimeRange) -> std::ops::Range<usize> {
        let start = self.timestamps.partition_point(|t| *t < range.start.ms());
        let end = self.timestamps.partition_point(|t| *t <= range.end.ms());
        start..end.max(start)
    }
}
