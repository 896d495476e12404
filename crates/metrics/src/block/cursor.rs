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

    /// Replaces `row` by the next row; `false` at the end. The memory of `row` is used again. After an error the row that
    /// cannot be read is passed over, so that a caller may go on with the next one.
    pub(crate) fn next(&mut self, row: &mut CursorRow) -> io::Result<bool> {
        let rows = self.block.rows()?;
        if self.next >= rows {
            return Ok(false);
        }
        let number = self.next;
        self.next += 1;
        if number >= self.first + self.hashes.len() as u32 && self.look_up(number..rows.min(number + BATCH)).is_err() {
            // One damaged page among the labels must not take the rows around it away.
            self.look_up(number..number + 1)?;
        }
        let at = (number - self.first) as usize;
        row.row = number;
        row.hash = self.hashes[at];
        row.labels = self.labels[at].clone();
        row.metadata = self.block.row_metadata(number)?;
        row.samples.clear();
        self.block.read(number, TimeRange::ALL, &mut row.samples)?;
        row.exemplars = self.block.row_exemplars(number)?;
        Ok(true)
    }

    /// The row that was given or passed over last.
    pub(crate) fn passed(&self) -> Option<u32> {
        self.next.checked_sub(1)
    }

    fn look_up(&mut self, rows: std::ops::Range<u32>) -> io::Result<()> {
        self.hashes.clear();
        let first = rows.start;
        let batch: Vec<u32> = rows.collect();
        let labels = self.block.labels_of(&batch, None)?;
        self.hashes = self.block.hashes(&batch)?;
        (self.labels, self.first) = (labels, first);
        Ok(())
    }
}
