//! A part of a request on its way through the store: its rows, and what is needed to understand the store's answer.

use hashbrown::HashMap;
use model::{AppendReport, Exemplar, SeriesRef, WriteBatch};

use crate::ingest::cache::{SeriesKey, Update};

/// Estimate of the memory of one portion, in bytes.
const PORTION_BYTES: usize = 12 << 20;

/// Numbers for the `Written` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
}

/// A series message whose labels are told from the rest.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    /// `None` where labels do not stand together at the beginning: rare, and read without the cache.
    pub(super) key: Option<SeriesKey>,
    /// Reference and hash of the metadata, where the series is remembered.
    pub(super) known: Option<(SeriesRef, u32)>,
    pub(super) message: &'a [u8],
    /// What has not been decoded; may hold labels where there is no key.
    pub(super) rest: &'a [u8],
}

/// The rows that one series message became. Kept small: a request has thousands.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) key: Option<SeriesKey>,
    pub(super) message: &'a [u8],
    /// The part of the message that the rows come from.
    pub(super) rest: &'a [u8],
    pub(super) first_row: u32,
    pub(super) rows: u32,
    pub(super) hint: Option<SeriesRef>,
    /// Hash of the metadata that is to be remembered.
    pub(super) metadata: u32,
    pub(super) metadata_is_new: bool,
}

impl<'a> Span<'a> {
    pub(super) fn rows(&self) -> std::ops::Range<usize> {
        self.first_row as usize..(self.first_row + self.rows) as usize
    }

    pub(super) fn item(&self) -> Item<'a> {
        Item { key: self.key, known: None, message: self.message, rest: self.rest }
    }
}

/// What is needed of a portion once its batch is with the store.
#[derive(Default)]
pub(super) struct Sent<'a> {
    pub(super) spans: Vec<Span<'a>>,
    pub(super) rows: usize,
    pub(super) histogram_rows: Vec<usize>,
    /// Rows with exemplars, and how many.
    pub(super) exemplar_rows: Vec<(usize, usize)>,
    pub(super) families: HashMap<String, u64>,
}

/// A portion while it is filled.
pub(super) struct Portion<'a> {
    pub(super) batch: WriteBatch,
    pub(super) sent: Sent<'a>,
    /// Exemplars of series that had no sample in their message.
    pub(super) orphans: Vec<(Item<'a>, Vec<Exemplar>)>,
    pub(super) bytes: usize,
}

impl Portion<'_> {
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= PORTION_BYTES
    }

    pub(super) fn attach(&mut self, row: usize, exemplars: Vec<Exemplar>) {
        self.sent.exemplar_rows.push((row, exemplars.len()));
        self.batch.rows[row].exemplars.extend(exemplars);
    }
}

/// What is to be remembered of a series after the store has answered.
pub(super) fn update(span: &Span<'_>, report: &AppendReport) -> Option<Update> {
    let rows = report.refs.get(span.rows())?;
    let reference = rows.iter().flatten().next().copied()?;
    let is_news = span.hint != Some(reference) || span.metadata_is_new;
    let key = span.key?;
    is_news.then_some(Update { key, reference, metadata: span.metadata })
}
