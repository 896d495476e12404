//! One compaction job: read some blocks, merge, thin, drop, and write what is left into the windows where it belongs.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blocks::catalogue::{BlockEntry, Loss};
use blocks::plan::{Job, OutputWindow};
use model::{SampleBuffer, Tenant, Timestamp};

use super::downsample::downsample;
use super::merge_rows::{Damage, MergedRows, MergedSeries};
use super::rules::{Rules, Treatment};
use crate::block::{Block, BlockWriter, WriterOptions, order};
use crate::losses::QUARANTINE;
use crate::shelf::{Shelf, View};

/// What a job did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Blocks read and replaced.
    pub(crate) inputs: u64,
    /// Blocks written.
    pub(crate) outputs: u64,
    /// Samples read.
    pub(crate) samples_in: u64,
    /// Samples written.
    pub(crate) samples_out: u64,
    /// Bytes of the blocks read.
    pub(crate) bytes_in: u64,
    /// Bytes of the blocks written.
    pub(crate) bytes_out: u64,
    /// Rows that could not be read; their files were set aside.
    pub(crate) damaged_rows: u64,
}

/// What a job works with besides its blocks.
pub(super) struct Bench<'b> {
    pub(super) shelf: &'b Shelf,
    pub(super) rules: &'b Rules,
    pub(super) now: Timestamp,
    /// Raised when the store closes.
    pub(super) cancel: &'b AtomicBool,
    /// Where damaged files are set aside.
    pub(super) quarantine: &'b Path,
}

/// An output under construction.
struct Output {
    window: OutputWindow,
    writer: BlockWriter,
    entry: BlockEntry,
}

impl Output {
    fn standing_at(mut self, first: u64) -> Self {
        self.entry.first = first;
        self
    }
}

/// Does a job. After an error nothing has changed and nothing is left behind.
pub(super) fn run(bench: &Bench<'_>, job: &Job) -> io::Result<Done> {
    // Ids before the view: a deletion from now on concerns the outputs, one from before is in the view.
    let label_names = label_names(&bench.shelf.view(), &job.inputs)?;
    let outputs = begin(bench, job, label_names)?;
    let view = bench.shelf.view();
    let inputs: Vec<Arc<Block>> =
        view.blocks.iter().filter(|block| job.inputs.contains(&block.entry().id)).cloned().collect();
    if inputs.len() != job.inputs.len() {
        abandon(outputs);
        return Err(io::Error::new(io::ErrorKind::NotFound, "a block of the job does not count any more"));
    }
    let mut done = Done {
        inputs: inputs.len() as u64,
        samples_in: inputs.iter().map(|block| block.entry().samples).sum(),
        bytes_in: inputs.iter().map(|block| block.entry().bytes).sum(),
        ..Done::default()
    };
    // The place in the order of writing, which the view keeps.
    let first = inputs.first().map_or(0, |block| block.entry().written().0);
    let outputs: Vec<Output> = outputs.into_iter().map(|output| output.standing_at(first)).collect();
    let (written, damaged) = write(bench, &inputs, &view, outputs, &job.inputs)?;
    let mut losses = Vec::with_capacity(damaged.len());
    for (block, damage) in &damaged {
        done.damaged_rows += damage.rows;
        if let Err(error) = set_aside(bench, block.entry(), damage.rows) {
            bench.shelf.discard(&written);
            return Err(error);
        }
        losses.push(loss(block.entry(), damage, bench.now));
    }
    done.outputs = written.len() as u64;
    done.samples_out = written.iter().map(|entry| entry.samples).sum();
    done.bytes_out = written.iter().map(|entry| entry.bytes).sum();
    drop((view, inputs, damaged));
    bench.shelf.commit(written, &job.inputs, |manifest| manifest.lose(losses))?;
    Ok(done)
}

/// The names of all labels of the inputs, those that most blocks have first.
fn label_names(view: &View, inputs: &[u64]) -> io::Result<Vec<String>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for block in view.blocks.iter().filter(|block| inputs.contains(&block.entry().id)) {
        match block.all_ranges().and_then(|rows| block.label_names(&rows)) {
            Ok(names) => names.into_iter().for_each(|name| *counts.entry(name).or_default() += 1),
            Err(error) if crate::shelf::is_damage(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let mut names: Vec<(String, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(names.into_iter().map(|(name, _)| name).collect())
}

fn begin(bench: &Bench<'_>, job: &Job, label_names: Vec<String>) -> io::Result<Vec<Output>> {
    let wal_from = bench.shelf.view().manifest.wal_from;
    let mut outputs = Vec::with_capacity(job.outputs.len());
    for window in &job.outputs {
        let options = WriterOptions { label_names: label_names.clone(), wal_from };
        match crate::shelf::create(bench.shelf, &job.tenant, window.level, bench.now, options) {
            Ok((writer, entry)) => outputs.push(Output { window: *window, writer, entry }),
            Err(error) => {
                abandon(outputs);
                return Err(error);
            }
        }
    }
    Ok(outputs)
}

fn abandon(outputs: impl IntoIterator<Item = Output>) {
    outputs.into_iter().for_each(|output| output.writer.abandon());
}

type Written = (Vec<BlockEntry>, Vec<(Arc<Block>, Damage)>);

/// Merges the inputs into the outputs and finishes those that got something.
fn write(
    bench: &Bench<'_>,
    inputs: &[Arc<Block>],
    view: &View,
    mut outputs: Vec<Output>,
    replaces: &[u64],
) -> io::Result<Written> {
    let damaged = match fill(bench, inputs, view, &mut outputs) {
        Ok(damaged) => damaged,
        Err(error) => {
            abandon(outputs);
            return Err(error);
        }
    };
    let (filled, empty): (Vec<Output>, Vec<Output>) = outputs.into_iter().partition(|output| output.writer.rows() > 0);
    abandon(empty);
    let mut written: Vec<BlockEntry> = Vec::with_capacity(filled.len());
    let count = filled.len();
    let mut rest = filled.into_iter();
    while let Some(Output { writer, mut entry, .. }) = rest.next() {
        if written.len() + 1 == count {
            entry.replaces = replaces.to_vec();
        }
        match writer.finish(entry) {
            Ok(entry) => written.push(entry),
            Err(error) => {
                abandon(rest);
                bench.shelf.discard(&written);
                return Err(error);
            }
        }
    }
    Ok((written, damaged))
}

fn fill(
    bench: &Bench<'_>,
    inputs: &[Arc<Block>],
    view: &View,
    outputs: &mut [Output],
) -> io::Result<Vec<(Arc<Block>, Damage)>> {
    let mut rows = MergedRows::new(inputs, view)?;
    let mut series = MergedSeries::default();
    let mut scratch = SampleBuffer::default();
    let mut youngest: Vec<i64> = vec![i64::MIN; outputs.len()];
    while rows.next(&mut series)? {
        if bench.cancel.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the store is closing"));
        }
        let treatment = bench.rules.treatment(&series.labels, bench.now);
        treat(&mut series, &treatment, &mut scratch);
        put(&mut series, outputs, &mut youngest, &mut scratch)?;
    }
    for (output, youngest) in outputs.iter_mut().zip(youngest) {
        let due = bench.rules.due(Timestamp(youngest), bench.now);
        output.entry.rules = due.iter().map(|effect| effect.hash).collect();
    }
    Ok(rows.damaged())
}

/// Drops what is too old and thins what is old.
fn treat(series: &mut MergedSeries, treatment: &Treatment<'_>, scratch: &mut SampleBuffer) {
    let kept_from = treatment.drop_before;
    let gone = series.samples.timestamps.partition_point(|t| *t < kept_from);
    if gone > 0 {
        scratch.clear();
        (gone..series.samples.len()).for_each(|row| scratch.push_row(&series.samples, row));
        std::mem::swap(scratch, &mut series.samples);
        series.exemplars.retain(|exemplar| exemplar.timestamp.is_none_or(|t| t.ms() >= kept_from));
    }
    for (step, until) in treatment.steps.iter().map(|step| (step, treatment.thin_until(step))) {
        if series.samples.timestamps.first().is_none_or(|first| *first > until) {
            continue;
        }
        scratch.clear();
        downsample(&series.samples, step.to_ms, until, scratch);
        std::mem::swap(scratch, &mut series.samples);
    }
}

/// Cuts a series along the windows of the outputs.
fn put(
    series: &mut MergedSeries,
    outputs: &mut [Output],
    youngest: &mut [i64],
    part: &mut SampleBuffer,
) -> io::Result<()> {
    let labels: Vec<(&str, &str)> = order::pairs(&series.labels).collect();
    let mut exemplars = series.exemplars.as_slice();
    let newest = series.samples.timestamps.last().copied().unwrap_or(i64::MIN);
    for (output, youngest) in outputs.iter_mut().zip(youngest) {
        let range = output.window.range;
        let rows = series.samples.rows_in(range);
        if rows.is_empty() {
            continue;
        }
        // An exemplar may lie a little outside of the samples that it came with; the last ones take what is left.
        let is_last = newest <= range.end.ms();
        let within = exemplars.partition_point(|e| is_last || e.timestamp.is_none_or(|t| t <= range.end));
        let (mine, later) = exemplars.split_at(within);
        exemplars = later;
        let samples = if rows.len() == series.samples.len() {
            &series.samples
        } else {
            part.clear();
            rows.for_each(|row| part.push_row(&series.samples, row));
            &*part
        };
        *youngest = samples.timestamps.last().map_or(*youngest, |last| (*youngest).max(*last));
        let coarsest = samples.aggregates.iter().map(|(_, aggregate)| aggregate.span_ms).max().unwrap_or(0);
        output.entry.resolution_ms = output.entry.resolution_ms.max(coarsest);
        output.writer.add(series.hash, &labels, series.metadata.as_ref(), samples, mine)?;
    }
    Ok(())
}

/// Gives a damaged file a second name in the quarantine, where it stays when the block goes.
fn set_aside(bench: &Bench<'_>, entry: &BlockEntry, rows: u64) -> io::Result<()> {
    let name = entry.file_name();
    bench.shelf.disk().create_dir_all(bench.quarantine)?;
    match bench.shelf.files().copy_out(&name, &bench.quarantine.join(&name)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => {
            tracing::error!(name, rows, directory = %bench.quarantine.display(), "a damaged block was set aside");
            Ok(())
        }
    }
}

/// What queries are told from now on about the rows of a damaged block.
fn loss(entry: &BlockEntry, damage: &Damage, now: Timestamp) -> Loss {
    let name = entry.file_name();
    let Damage { rows, range } = *damage;
    Loss {
        tenant: Some(entry.tenant.clone()),
        range,
        what: format!("block {name} was damaged"),
        file: Some(format!("{QUARANTINE}/{name}")),
        rows,
        noticed_ms: now.ms(),
    }
}

/// A job that writes one block again, within its own window.
pub(super) fn rewrite(entry: &BlockEntry, tenant: &Tenant) -> Job {
    Job {
        tenant: tenant.clone(),
        inputs: vec![entry.id],
        outputs: vec![OutputWindow { range: entry.range, level: entry.level }],
        input_bytes: entry.bytes,
    }
}
