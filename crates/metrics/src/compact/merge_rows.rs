//! Several blocks as one sequence of series: a k-way merge of their rows.
//!
//! Blocks are given in the order of writing; where two hold a sample of one time, the older one's counts. Deleted samples are left out. A row
//! that cannot be read because its bytes are not what was written is left out, counted, and its block is named; any other error
//! ends the merge, because the bytes may well be there the next time.

use std::io;
use std::sync::Arc;

use model::{Exemplar, Labels, Matcher, Metadata, SampleBuffer, TimeRange};

use crate::block::{Block, Cursor, CursorRow, SeriesHash, order};
use crate::merge;
use crate::shelf::{View, is_damage};

/// One input with its row at hand.
struct Input {
    block: Arc<Block>,
    cursor: Cursor,
    row: CursorRow,
    has_row: bool,
    deleted: Vec<(Vec<Matcher>, TimeRange)>,
    damaged: Option<Damage>,
}

/// What of a block could not be read.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub(super) rows: u64,
    /// Their samples lay within, as far as it is known.
    pub(super) range: TimeRange,
}

/// A series with everything that the inputs hold of it.
#[derive(Debug, Default)]
pub(super) struct MergedSeries {
    pub(super) hash: SeriesHash,
    pub(super) labels: Labels,
    pub(super) metadata: Option<Metadata>,
    pub(super) samples: SampleBuffer,
    pub(super) exemplars: Vec<Exemplar>,
}

/// The merge.
pub(super) struct MergedRows {
    inputs: Vec<Input>,
    scratch: SampleBuffer,
}

impl MergedRows {
    /// Starts at the first series of `blocks`.
    pub(super) fn new(blocks: &[Arc<Block>], view: &View) -> io::Result<Self> {
        let mut inputs = Vec::with_capacity(blocks.len());
        for block in blocks {
            let deleted = view.graves_of(block).map(|grave| (grave.matchers.clone(), grave.tombstone.range)).collect();
            let mut input = Input {
                cursor: block.cursor(),
                block: block.clone(),
                row: CursorRow::default(),
                has_row: false,
                deleted,
                damaged: None,
            };
            match block.rows() {
                Ok(_) => input.advance()?,
                Err(error) if is_damage(&error) => {
                    tracing::error!(name = block.entry().file_name(), %error, "a whole block cannot be read");
                    let entry = block.entry();
                    input.damaged = Some(Damage { rows: entry.rows.max(1), range: entry.range });
                }
                Err(error) => return Err(error),
            }
            inputs.push(input);
        }
        Ok(MergedRows { inputs, scratch: SampleBuffer::default() })
    }

    /// Replaces `series` by the next one; `false` at the end. A series may come without samples.
    pub(super) fn next(&mut self, series: &mut MergedSeries) -> io::Result<bool> {
        let Some(smallest) = self.smallest() else { return Ok(false) };
        series.hash = self.inputs[smallest].row.hash;
        series.labels = self.inputs[smallest].row.labels.clone();
        series.metadata = None;
        series.samples.clear();
        series.exemplars.clear();
        for input in &mut self.inputs {
            input.take(series, &mut self.scratch)?;
        }
        merge::normalise(&mut series.samples, 0);
        let exemplars = &mut series.exemplars;
        if !exemplars.is_sorted_by(|a, b| a.timestamp < b.timestamp) {
            exemplars.sort_by_key(|exemplar| exemplar.timestamp);
            exemplars.dedup();
        }
        Ok(true)
    }

    fn smallest(&self) -> Option<usize> {
        let mut smallest: Option<usize> = None;
        for (at, input) in self.inputs.iter().enumerate().filter(|(_, input)| input.has_row) {
            let is_smaller = smallest.is_none_or(|other| {
                let (row, other) = (&input.row, &self.inputs[other].row);
                row.hash != other.hash && order::compare_labels(&row.labels, &other.labels).is_lt()
            });
            if is_smaller {
                smallest = Some(at);
            }
        }
        smallest
    }

    /// Blocks with rows that could not be read.
    pub(super) fn damaged(&self) -> Vec<(Arc<Block>, Damage)> {
        self.inputs.iter().filter_map(|input| Some((input.block.clone(), input.damaged.clone()?))).collect()
    }
}

impl Input {
    /// Moves to the next row that can be read.
    fn advance(&mut self) -> io::Result<()> {
        loop {
            match self.cursor.next(&mut self.row) {
                Ok(has_row) => {
                    self.has_row = has_row;
                    return Ok(());
                }
                Err(error) if is_damage(&error) => {
                    let entry = self.block.entry();
                    let row = self.cursor.passed();
                    let range = row.and_then(|row| self.block.times(row).ok()).unwrap_or(entry.range);
                    match &mut self.damaged {
                        Some(damage) => {
                            damage.rows += 1;
                            let (start, end) = (damage.range.start.min(range.start), damage.range.end.max(range.end));
                            damage.range = TimeRange { start, end };
                        }
                        None => {
                            self.damaged = Some(Damage { rows: 1, range });
                            let name = entry.file_name();
                            tracing::error!(name, %error, "a row cannot be read and is left out; the file will be set aside");
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds the rows of a series to it.
    fn take(&mut self, series: &mut MergedSeries, scratch: &mut SampleBuffer) -> io::Result<()> {
        let mut deleted: Option<Vec<TimeRange>> = None;
        while self.has_row && self.row.hash == series.hash {
            let deleted = deleted.get_or_insert_with(|| deleted_ranges(&self.deleted, &series.labels));
            let is_deleted = |time: i64| deleted.iter().any(|range| range.contains(model::Timestamp(time)));
            if deleted.is_empty() && series.samples.is_empty() {
                std::mem::swap(&mut series.samples, &mut self.row.samples);
            } else {
                let samples = if deleted.is_empty() {
                    &self.row.samples
                } else {
                    scratch.clear();
                    let kept = (0..self.row.samples.len()).filter(|row| !is_deleted(self.row.samples.timestamps[*row]));
                    kept.for_each(|row| scratch.push_row(&self.row.samples, row));
                    &*scratch
                };
                append(samples, &mut series.samples);
            }
            let exemplars = self.row.exemplars.drain(..);
            series.exemplars.extend(exemplars.filter(|e| e.timestamp.is_none_or(|t| !is_deleted(t.ms()))));
            if self.row.metadata.is_some() {
                series.metadata = self.row.metadata.take();
            }
            self.advance()?;
        }
        Ok(())
    }
}

fn append(from: &SampleBuffer, to: &mut SampleBuffer) {
    let plain = |b: &SampleBuffer| b.histograms.is_empty() && b.start_timestamps.is_empty() && b.aggregates.is_empty();
    if plain(from) && to.start_timestamps.is_empty() {
        to.timestamps.extend_from_slice(&from.timestamps);
        to.values.extend_from_slice(&from.values);
    } else {
        (0..from.len()).for_each(|row| to.push_row(from, row));
    }
}

fn deleted_ranges(deleted: &[(Vec<Matcher>, TimeRange)], labels: &Labels) -> Vec<TimeRange> {
    let matches = |matchers: &[Matcher]| matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")));
    deleted.iter().filter(|(matchers, _)| matches(matchers)).map(|(_, range)| *range).collect()
}
