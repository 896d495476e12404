//! The door through which samples enter a store.
//!
//! Producers (scrapes, remote write, rules) fill a [`WriteBatch`] and hand it to a [`SampleSink`]; the future that comes back
//! resolves once the batch is durable. One bad sample never refuses the batch: it is listed in the report.

use std::future::Future;
use std::pin::Pin;

use thiserror::Error;

use crate::{Exemplar, Labels, Metadata, Sample, Tenant};

/// A store's short name for a live series. Valid until the series is evicted; a store that no longer knows it falls back to
/// the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesRef(pub u64);

/// Samples of one series within a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteRow {
    /// The whole label set, metric name included. May be empty where there is a hint: a store that no longer knows the hint
    /// then rejects the row with [`RejectReason::UnknownSeries`], and the caller sends it again with its labels.
    pub labels: Labels,
    /// What the store answered for this label set last time, if anything: spares the lookup.
    pub hint: Option<SeriesRef>,
    /// The sample.
    pub sample: Sample,
    /// Exemplars seen with the sample.
    pub exemplars: Vec<Exemplar>,
}

/// Exemplars of a series that come without a sample. They are taken where the series is known, and left out otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct ExemplarRow {
    /// The whole label set; may be empty where there is a hint.
    pub labels: Labels,
    /// What the store answered for this label set last time, if anything.
    pub hint: Option<SeriesRef>,
    /// The exemplars; those without a timestamp are left out.
    pub exemplars: Vec<Exemplar>,
}

/// Samples that are admitted, made durable and acknowledged together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteBatch {
    /// Whose samples these are.
    pub tenant: Tenant,
    /// Samples, in any order.
    pub rows: Vec<WriteRow>,
    /// Metric family name and what it says of itself, where that is new or changed.
    pub metadata: Vec<(String, Metadata)>,
    /// Exemplars without a sample; applied after the rows, so that the series of a row counts as known.
    pub exemplars: Vec<ExemplarRow>,
}

impl WriteBatch {
    /// Adds a sample.
    pub fn push(&mut self, labels: Labels, hint: Option<SeriesRef>, sample: Sample) {
        self.rows.push(WriteRow { labels, hint, sample, exemplars: Vec::new() });
    }
}

/// Why one sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RejectReason {
    /// Older than the newest sample of its series by more than the out-of-order window.
    #[error("out of order sample")]
    OutOfOrder,
    /// Same series and time as a stored sample, other value.
    #[error("duplicate sample for timestamp")]
    DuplicateTimestamp,
    /// Older than the store accepts.
    #[error("timestamp too old")]
    TooOld,
    /// Further in the future than the store accepts.
    #[error("timestamp too far in the future")]
    TooFarInFuture,
    /// No metric name, or a name or value that is not allowed.
    #[error("invalid labels")]
    InvalidLabels,
    /// A histogram that contradicts itself.
    #[error("invalid histogram")]
    InvalidHistogram,
    /// The row named its series by a hint alone, and the store no longer knows it. Send it again with its labels.
    #[error("unknown series reference")]
    UnknownSeries,
    /// The tenant has as many active series as it may.
    #[error("per-tenant series limit reached")]
    SeriesLimit,
    /// The series has more labels than its tenant may use.
    #[error("more labels than allowed")]
    TooManyLabels,
    /// A label name is longer than its tenant may use.
    #[error("label name longer than allowed")]
    LabelNameTooLong,
    /// A label value is longer than its tenant may use.
    #[error("label value longer than allowed")]
    LabelValueTooLong,
}

impl RejectReason {
    /// True where a limit of the tenant was met.
    pub fn is_limit(self) -> bool {
        use RejectReason::{LabelNameTooLong, LabelValueTooLong, SeriesLimit, TooManyLabels};
        matches!(self, SeriesLimit | TooManyLabels | LabelNameTooLong | LabelValueTooLong)
    }

    /// The value of the `reason` label in counters.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::OutOfOrder => "out_of_order",
            RejectReason::DuplicateTimestamp => "duplicate_timestamp",
            RejectReason::TooOld => "too_old",
            RejectReason::TooFarInFuture => "too_far_in_future",
            RejectReason::InvalidLabels => "invalid_labels",
            RejectReason::InvalidHistogram => "invalid_histogram",
            RejectReason::UnknownSeries => "unknown_series",
            RejectReason::SeriesLimit => "series_limit",
            RejectReason::TooManyLabels => "too_many_labels",
            RejectReason::LabelNameTooLong => "label_name_too_long",
            RejectReason::LabelValueTooLong => "label_value_too_long",
        }
    }
}

/// One sample that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Index into [`WriteBatch::rows`].
    pub row: usize,
    /// Why.
    pub reason: RejectReason,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendReport {
    /// A reference for each row, in order; `None` where the row was rejected.
    pub refs: Vec<Option<SeriesRef>>,
    /// Rows that were not taken.
    pub rejected: Vec<Rejection>,
    /// Exemplars taken, of rows and alone; those that were known before are not counted.
    pub exemplars: u64,
}

/// Why a whole batch was not taken. The caller keeps it and may try again later.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// The memory budget is used up; ask again after so many seconds.
    #[error("ingestion is over its memory budget, retry after {retry_after_s} s")]
    OverBudget {
        /// Seconds.
        retry_after_s: u32,
    },
    /// The log could not be written; nothing of the batch is acknowledged.
    #[error("write-ahead log: {0}")]
    Log(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Resolves once the batch is durable.
pub type AppendFuture = Pin<Box<dyn Future<Output = Result<AppendReport, AppendError>> + Send>>;

/// A place that takes samples.
pub trait SampleSink: Send + Sync {
    /// Admits a batch. Samples are visible to queries at the latest when the future resolves.
    fn append(&self, batch: WriteBatch) -> AppendFuture;
}
