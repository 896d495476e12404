//! Walks over all rows of a block in order, for compaction and export.

use std::io;

use model::{Exemplar, Labels, Metadata, SampleBuffer, TimeRange};

use super::{Block, SeriesHash};

/// Rows whose hashes and labels are looked up together.
const BATCH: u32 = 1024;

/// A row with everything that it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct CursorRow {
    /// Number of the row.
    pub(crate) row: u32,
    /// Identity of the series.
    pub(crate) hash: SeriesHash,
    /// Labels of the series.
    pub(crate) labels: Labels,
    /// What the metric family says of itself, if that was known.
    pub(crate) metadata: Option<Metadata>,
    /// Samples in order of time.
    pub(crate) samples: SampleBuffer,
    /// Exemplars in order of time.
    pub(crate) exemplars: Vec<Exemplar>,
}

/// Where a walk stands.
#[derive(Debug)]
pub(crate) struct Cursor {
    block: Block,
    next: u32,
    first: u32,
    hashes: Vec<SeriesHash>,
    labels: Vec<Labels>,
}

impl Cursor {
    pub(super) fn new(block: Block) -> Self {
        Cursor { block, next: 0, first: 0, hashes: Vec::new(), labels: Vec::new() }
    }

    /// Replaces `row` by the next row; `false` at the end. The memory of `row` is used again.
    pub(crate) fn next(&mut self, row: &mut CursorRow) -> io::Result<bool> {
        let rows = self.block.rows()?;
        if self.next >= rows {
            return Ok(false);
        }
        if self.next >= self.first + self.hashes.len() as u32 {
            let batch: Vec<u32> = (self.next..rows.min(self.next + BATCH)).collect();
            self.hashes = self.block.hashes(&batch)?;
            self.labels = self.block.labels_of(&batch, None)?;
            self.first = self.next;
        }
        let at = (self.next - self.first) as usize;
        row.row = self.next;
        row.hash = self.hashes[at];
        row.labels = self.labels[at].clone();
        row.metadata = self.block.row_metadata(self.next)?;
        row.samples.clear();
        self.block.read(self.next, TimeRange::ALL, &mut row.samples)?;
        row.exemplars = self.block.row_exemplars(self.next)?;
        self.next += 1;
        Ok(true)
    }
}
