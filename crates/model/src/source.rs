//! The door through which query languages read series.
//!
//! The calls block: they may touch disk. Callers run them on threads where that is allowed.

use std::sync::Arc;

use thiserror::Error;

use crate::{Labels, Matcher, MemoryError, Reservation, SampleBuffer, Tenant, TimeRange};

/// Why series cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The query read more than it may.
    #[error("{0}")]
    Limit(String),
    /// There is no memory for it.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The caller went away.
    #[error("query was canceled")]
    Canceled,
    /// Stored data cannot be read.
    #[error("storage: {0}")]
    Storage(String),
}

/// The labels that a caller will look at; a store may leave out the others.
///
/// Series that differ only in labels left out stay separate entries of the [`SeriesSet`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Projection {
    /// Only these (as in `sum by`).
    Only(Vec<String>),
    /// All but these (as in `sum without`).
    Without(Vec<String>),
}

/// What to select.
#[derive(Clone, Copy, Debug)]
pub struct SelectRequest<'a> {
    /// Whose series.
    pub tenant: &'a Tenant,
    /// All must match.
    pub matchers: &'a [Matcher],
    /// Series without a sample in this range may be left out.
    pub range: TimeRange,
    /// Labels that matter; `None` for all.
    pub projection: Option<&'a Projection>,
    /// What the set and reading from it take is asked for here, for as long as it is held.
    pub memory: Option<&'a Arc<Reservation>>,
}

/// What to list: label names, values or whole label sets.
#[derive(Clone, Copy, Debug)]
pub struct LabelRequest<'a> {
    /// Whose series.
    pub tenant: &'a Tenant,
    /// Alternatives: a series counts if all matchers of at least one set match. Empty means every series.
    pub matcher_sets: &'a [Vec<Matcher>],
    /// Series without a sample in this range may be left out.
    pub range: TimeRange,
    /// At most so many answers; 0 for no limit.
    pub limit: usize,
    /// What the answers take is asked for here, and stays taken.
    pub memory: Option<&'a Arc<Reservation>>,
}

/// What a selection touches of stored data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Series that have samples in memory.
    pub head_series: u64,
    /// Blocks that hold selected series.
    pub blocks_read: u64,
    /// Blocks of the tenant that hold none in the range: for their span of time, or for their labels.
    pub blocks_skipped: u64,
    /// Rows of blocks (slices of series).
    pub rows: u64,
    /// Pages of samples that hold those rows.
    pub pages_read: u64,
    /// Pages of samples in the blocks that are read which hold none of them.
    pub pages_skipped: u64,
    /// Bytes of the pages that are read, as they are stored. Pages in the cache count too.
    pub bytes: u64,
}

/// Selected series, in no particular order, each label set once.
pub trait SeriesSet: Send + Sync {
    /// Number of series.
    fn len(&self) -> usize;

    /// True where nothing was selected.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Labels of series `index` (the projected ones, where a projection was asked for).
    fn labels(&self, index: usize) -> Labels;

    /// Appends the samples of series `index` in `range` to `out`, in order of time. May be called from several threads.
    fn read(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError>;

    /// For callers that look at the newest sample in `range` alone: appends that one, or as many as [`SeriesSet::read`] would.
    fn read_newest(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        self.read(index, range, out)
    }

    /// What the reader of an answer should know, such as stored data that was damaged and left out; as of the reads so far.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// What reading all of the set touches, for `explain`; costs something, and nothing where nobody asks.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }
}

/// A place that series can be read from.
pub trait SeriesSource: Send + Sync {
    /// Finds series. Samples are decoded later, series by series.
    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError>;

    /// The longest bucket, in milliseconds, of downsampled data that may be read in `range`; 0 where all is raw. A bucket's
    /// samples stand for times up to its length before and after them, so a reader looks further by this.
    fn longest_bucket_ms(&self, _tenant: &Tenant, _range: TimeRange) -> i64 {
        0
    }

    /// What answers about a range lack, such as stored data that was damaged, in sentences for people: as far as it is known
    /// when it is asked, what the last list met included. A [`SeriesSet`] has warnings of its own.
    fn missing(&self, _tenant: &Tenant, _range: TimeRange) -> Vec<String> {
        Vec::new()
    }

    /// Sorted names of labels.
    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError>;

    /// Sorted values of a label.
    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError>;

    /// Sorted label sets.
    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError>;
}
