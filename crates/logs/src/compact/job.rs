//! One compaction job: read some blocks, and write what is left of them into the windows where it belongs.
//!
//! Pages that overlap no other, are large enough and hold nothing that has to go are copied as they are. All others are merged,
//! entry by entry.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blocks::catalogue::BlockEntry;
use blocks::plan::{Job, OutputWindow};
use blocks::shelf::{Grave, OpenBlock};
use model::{Labels, Timestamp};

use super::rules::Rules;
use crate::WINDOW_NANOS;
use crate::block::{Block, BlockWriter, Row, frequent_names};
use crate::entries::{Entries, cuts, merge};
use crate::page;
use crate::shelf::{Filters, Left, Shelf, View, bury, is_damage, left};

/// What a job did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) inputs: u64,
    pub(crate) outputs: u64,
    pub(crate) copied_pages: u64,
    pub(crate) merged_pages: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) damaged_pages: u64,
}

/// What a job works with besides its blocks.
pub(super) struct Bench<'b> {
    pub(super) shelf: &'b Shelf,
    pub(super) filters: &'b Filters,
    pub(super) rules: &'b Rules,
    pub(super) now: Timestamp,
    /// Raised when the store closes.
    pub(super) cancel: &'b AtomicBool,
    /// Where damaged files are set aside.
    pub(super) quarantine: &'b Path,
    pub(super) page_bytes: usize,
}

/// An output under construction.
struct Output {
    window: OutputWindow,
    writer: BlockWriter,
    entry: BlockEntry,
    youngest: i64,
}

/// A page on its way, and what of it counts as deleted.
struct Piece<'g> {
    block: Arc<Block>,
    number: u32,
    row: Row,
    graves: Vec<&'g Grave>,
}

/// Does a job. After an error nothing has changed and nothing is left behind.
pub(super) fn run(bench: &Bench<'_>, job: &Job) -> io::Result<Done> {
    // Ids before the view: a deletion from now on concerns the outputs, one from before is in the view.
    let begun: Vec<_> =
        job.outputs.iter().map(|window| (*window, bench.shelf.begin(&job.tenant, window.level, bench.now))).collect();
    let view = bench.shelf.view();
    let inputs: Vec<Arc<Block>> =
        view.blocks.iter().filter(|block| job.inputs.contains(&block.entry().id)).cloned().collect();
    if inputs.len() != job.inputs.len() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "a block of the job does not count any more"));
    }
    let mut done = Done {
        inputs: inputs.len() as u64,
        bytes_in: inputs.iter().map(|block| block.entry().bytes).sum(),
        ..Done::default()
    };
    let mut damaged: Vec<Arc<Block>> = Vec::new();
    let streams = streams_of(&inputs, &mut damaged)?;
    let names = frequent_names(streams.keys());
    // The place in the order of writing, which the view keeps.
    let first = inputs.first().map_or(0, |block| block.entry().written().0);
    let mut outputs: Vec<Output> = Vec::with_capacity(begun.len());
    for (window, (mut entry, path)) in begun {
        entry.first = first;
        match BlockWriter::create(bench.shelf.disk().clone(), path, names.clone()) {
            Ok(writer) => outputs.push(Output { window, writer, entry, youngest: i64::MIN }),
            Err(error) => {
                abandon(outputs);
                return Err(error);
            }
        }
    }
    let mut filling = Filling { bench, view: &view, outputs, done: &mut done, damaged: &mut damaged };
    let filled = streams.into_iter().try_for_each(|(labels, rows)| filling.stream(job, &labels, rows));
    let outputs = filling.outputs;
    if let Err(error) = filled {
        abandon(outputs);
        return Err(error);
    }
    let written = finish(bench, outputs, &job.inputs)?;
    for block in &damaged {
        if let Err(error) = set_aside(bench, block.entry()) {
            bench.shelf.discard(&written);
            return Err(error);
        }
    }
    done.outputs = written.len() as u64;
    done.bytes_out = written.iter().map(|entry| entry.bytes).sum();
    drop((view, inputs, damaged));
    bench.shelf.commit(written, &job.inputs, |_| ())?;
    Ok(done)
}

type Streams = BTreeMap<Labels, Vec<(Arc<Block>, u32, Row)>>;

fn streams_of(inputs: &[Arc<Block>], damaged: &mut Vec<Arc<Block>>) -> io::Result<Streams> {
    let mut streams = Streams::new();
    for block in inputs {
        let index = match block.index() {
            Ok(index) => index,
            Err(error) if is_damage(&error) => {
                tracing::error!(name = block.entry().file_name(), %error, "a block cannot be read");
                damaged.push(block.clone());
                continue;
            }
            Err(error) => return Err(error),
        };
        for (number, row) in index.rows.iter().enumerate() {
            let labels = &index.streams[row.stream as usize];
            streams.entry(labels.clone()).or_default().push((block.clone(), number as u32, *row));
        }
    }
    Ok(streams)
}

fn abandon(outputs: impl IntoIterator<Item = Output>) {
    outputs.into_iter().for_each(|output| output.writer.abandon());
}

/// Finishes the outputs that got something.
fn finish(bench: &Bench<'_>, outputs: Vec<Output>, replaces: &[u64]) -> io::Result<Vec<BlockEntry>> {
    let (filled, empty): (Vec<Output>, Vec<Output>) = outputs.into_iter().partition(|output| output.writer.pages() > 0);
    abandon(empty);
    let mut written: Vec<BlockEntry> = Vec::with_capacity(filled.len());
    let count = filled.len();
    let mut rest = filled.into_iter();
    while let Some(Output { writer, mut entry, youngest, .. }) = rest.next() {
        let due = bench.rules.due(Timestamp(youngest.div_euclid(1_000_000)), bench.now);
        entry.rules = due.into_iter().map(|(hash, _)| hash).collect();
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
    Ok(written)
}

struct Filling<'f> {
    bench: &'f Bench<'f>,
    view: &'f View,
    outputs: Vec<Output>,
    done: &'f mut Done,
    damaged: &'f mut Vec<Arc<Block>>,
}

impl Filling<'_> {
    /// Puts the pages of a stream together.
    fn stream(&mut self, job: &Job, labels: &Labels, rows: Vec<(Arc<Block>, u32, Row)>) -> io::Result<()> {
        if self.bench.cancel.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the store is closing"));
        }
        let drop_before = self.bench.rules.drop_before(&job.tenant, labels, self.bench.now);
        let view = self.view;
        let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(rows.len());
        for (block, number, row) in rows.into_iter().filter(|(_, _, row)| row.info.last >= drop_before) {
            let concerns = |grave: &&Grave| grave.tombstone.concerns(block.entry());
            let graves: Vec<&Grave> = view.graves.iter().filter(concerns).collect();
            match left(&graves, labels, &row.info) {
                Left::All => pieces.push(Piece { block, number, row, graves: Vec::new() }),
                Left::Nothing => {}
                Left::Some(graves) => pieces.push(Piece { block, number, row, graves }),
            }
        }
        pieces.sort_by_key(|piece| (piece.row.info.first, piece.row.info.last));
        // Pages that overlap, and small neighbours, are collected until they make a page.
        let mut pending: Vec<Piece<'_>> = Vec::new();
        let (mut bytes, mut last) = (0, i64::MIN);
        for piece in pieces {
            let info = piece.row.info;
            let overlaps = !pending.is_empty() && info.first <= last;
            let is_small = |bytes: u64| bytes < self.bench.page_bytes as u64 / 2;
            let joins = overlaps
                || (is_small(info.line_bytes.min(bytes)) && bytes + info.line_bytes < 2 * self.bench.page_bytes as u64);
            if !pending.is_empty() && !joins {
                self.put(labels, std::mem::take(&mut pending))?;
                bytes = 0;
            }
            bytes += info.line_bytes;
            last = last.max(info.last);
            pending.push(piece);
        }
        if pending.is_empty() { Ok(()) } else { self.put(labels, pending) }
    }

    /// Writes pages, merged into one where there are several.
    fn put(&mut self, labels: &Labels, pieces: Vec<Piece<'_>>) -> io::Result<()> {
        if let [piece] = pieces.as_slice()
            && piece.graves.is_empty()
            && let Some(output) = self.output_of(piece.row.info.first).filter(|_| {
                piece.row.info.first.div_euclid(WINDOW_NANOS) == piece.row.info.last.div_euclid(WINDOW_NANOS)
            })
        {
            match piece.block.raw(&piece.row) {
                Ok(raw) => {
                    self.done.copied_pages += 1;
                    self.outputs[output].youngest = self.outputs[output].youngest.max(piece.row.info.last);
                    return self.outputs[output].writer.add(labels, raw);
                }
                Err(error) => return self.note(&piece.block, error),
            }
        }
        let mut parts: Vec<Entries> = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            match piece.block.entries(piece.number, &piece.row) {
                Ok(mut entries) => {
                    bury(&mut entries, &piece.graves, self.bench.filters);
                    parts.push(entries);
                }
                Err(error) => self.note(&piece.block, error)?,
            }
        }
        let all = merge(&parts.iter().collect::<Vec<_>>());
        drop(parts);
        for range in cuts(&all, self.bench.page_bytes, WINDOW_NANOS) {
            let part = all.part(range);
            let first = part.timestamps[0];
            let output = self.output_of(first).ok_or_else(|| io::Error::other("entries of no output"))?;
            self.done.merged_pages += 1;
            self.outputs[output].youngest = self.outputs[output].youngest.max(part.info().last);
            self.outputs[output].writer.add(labels, page::encode(&part).into())?;
        }
        Ok(())
    }

    fn output_of(&self, time: i64) -> Option<usize> {
        let time = Timestamp(time.div_euclid(1_000_000));
        self.outputs.iter().position(|output| output.window.range.contains(time))
    }

    /// Passes over a damaged page; its file will be set aside.
    fn note(&mut self, block: &Arc<Block>, error: io::Error) -> io::Result<()> {
        if !is_damage(&error) {
            return Err(error);
        }
        tracing::error!(name = block.entry().file_name(), %error, "a page cannot be read and is left out");
        self.done.damaged_pages += 1;
        if !self.damaged.iter().any(|known| Arc::ptr_eq(known, block)) {
            self.damaged.push(block.clone());
        }
        Ok(())
    }
}

/// Gives a damaged file a second name in the quarantine, where it stays when the block goes.
fn set_aside(bench: &Bench<'_>, entry: &BlockEntry) -> io::Result<()> {
    let name = entry.file_name();
    bench.shelf.disk().create_dir_all(bench.quarantine)?;
    match bench.shelf.files().copy_out(&name, &bench.quarantine.join(&name)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => {
            tracing::error!(name, directory = %bench.quarantine.display(), "a damaged block was set aside");
            Ok(())
        }
    }
}

/// A job that writes one block again, within its own window.
pub(super) fn rewrite(entry: &BlockEntry) -> Job {
    Job {
        tenant: entry.tenant.clone(),
        inputs: vec![entry.id],
        outputs: vec![OutputWindow { range: entry.range, level: entry.level }],
        input_bytes: entry.bytes,
    }
}
