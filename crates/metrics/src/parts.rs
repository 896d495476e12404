//! All parts of a store: reading across them, merging small ones, dropping old ones.
//!
//! Eight neighbours of one size become one part of the next size, so a day is some twenty files. A part whose flushes all lie
//! within another part was merged into it; a crash between the merge and the removal leaves both, and the start removes the
//! smaller one.

use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use blocks::disk::Disk;
use model::{SampleBuffer, TimeRange};
use parking_lot::{Mutex, RwLock};

use crate::merge;
use crate::part::{Part, PartWriter, Row};

const MERGE: usize = 8;
const LARGEST_SPAN: u64 = 512;

/// The parts of one store.
#[derive(Debug)]
pub(crate) struct Parts {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    list: RwLock<Arc<Vec<Arc<Part>>>>,
    next: AtomicU64,
    /// No part holds a newer sample.
    newest: AtomicI64,
    /// Held while parts are merged: two merges of one run would write to one file.
    merging: Mutex<()>,
    /// Entries that could not be read.
    pub(crate) damaged_reads: AtomicU64,
    pub(crate) merges: AtomicU64,
}

impl Parts {
    /// Opens all parts of a directory; answers with the files that were set aside.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> io::Result<(Parts, Vec<String>)> {
        disk.create_dir_all(dir)?;
        let names = disk.list(dir)?;
        let mut quarantined = Vec::new();
        let mut found = Vec::new();
        let mut highest = 0;
        for name in names {
            let path = dir.join(&name);
            if name.ends_with(".tmp") {
                remove(&*disk, &path);
                continue;
            }
            highest = highest.max(Part::parse_name(name.trim_end_matches(".quarantine")).map_or(0, |(_, last)| last));
            let Some((first, last)) = Part::parse_name(&name) else { continue };
            match Part::open(&*disk, path.clone(), first, last) {
                Ok(part) => found.push(Arc::new(part)),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "part set aside");
                    let aside = dir.join(format!("{name}.quarantine"));
                    if let Err(error) = disk.rename(&path, &aside) {
                        tracing::error!(path = %path.display(), %error, "part cannot be set aside");
                    }
                    quarantined.push(aside.display().to_string());
                }
            }
        }
        // The largest of those that begin with the same flush comes first and contains the others.
        found.sort_by_key(|part| (part.first, std::cmp::Reverse(part.last)));
        let mut live: Vec<Arc<Part>> = Vec::new();
        for part in found {
            if live.last().is_some_and(|kept| kept.last >= part.last) {
                remove(&*disk, &part.path);
            } else {
                live.push(part);
            }
        }
        let newest = live.iter().map(|p| p.range().end.ms()).max().unwrap_or(i64::MIN);
        let parts = Parts {
            disk,
            dir: dir.to_owned(),
            list: RwLock::new(Arc::new(live)),
            next: AtomicU64::new(highest + 1),
            newest: AtomicI64::new(newest),
            merging: Mutex::new(()),
            damaged_reads: AtomicU64::new(0),
            merges: AtomicU64::new(0),
        };
        Ok((parts, quarantined))
    }

    /// The parts as they are now, oldest flush first.
    pub(crate) fn snapshot(&self) -> Arc<Vec<Arc<Part>>> {
        self.list.read().clone()
    }

    /// Log segments below this number are contained in parts.
    pub(crate) fn wal_from(&self) -> u64 {
        self.snapshot().iter().map(|p| p.wal_from()).max().unwrap_or(0)
    }

    /// No part holds a sample newer than this.
    pub(crate) fn newest(&self) -> i64 {
        self.newest.load(Ordering::Relaxed)
    }

    pub(crate) fn max_id(&self) -> u64 {
        self.snapshot().iter().map(|p| p.max_id()).max().unwrap_or(0)
    }

    /// Begins the part of the next flush.
    pub(crate) fn begin(&self) -> io::Result<(u64, PartWriter)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok((number, PartWriter::create(&*self.disk, self.dir.join(Part::name(number, number)))?))
    }

    /// Makes a flush's part durable and visible.
    pub(crate) fn commit(&self, number: u64, writer: PartWriter, wal_from: u64) -> io::Result<()> {
        writer.finish(&*self.disk, wal_from)?;
        let part = Part::open(&*self.disk, self.dir.join(Part::name(number, number)), number, number)?;
        self.newest.fetch_max(part.range().end.ms(), Ordering::Relaxed);
        let mut list = self.list.write();
        let mut parts = (**list).clone();
        parts.push(Arc::new(part));
        *list = Arc::new(parts);
        Ok(())
    }

    pub(crate) fn abandon(&self, writer: PartWriter) {
        writer.abandon(&*self.disk);
    }

    /// Appends the samples of a series in `range`, part by part. What is damaged is counted and left out.
    pub(crate) fn read(&self, id: u64, range: TimeRange, out: &mut SampleBuffer) {
        self.read_from(&self.snapshot(), id, range, out);
    }

    pub(crate) fn read_from(&self, parts: &[Arc<Part>], id: u64, range: TimeRange, out: &mut SampleBuffer) {
        for part in parts.iter().filter(|p| p.range().overlaps(&range)) {
            let result = match part.find(id) {
                Ok(Some(row)) if row.range.overlaps(&range) => part.read(&row, range, out),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                self.damaged_reads.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(path = %part.path.display(), series_id = id, %error, "samples of a series cannot be read");
            }
        }
    }

    /// First and last time that parts hold of a series.
    pub(crate) fn range_of(&self, id: u64) -> Option<TimeRange> {
        let parts = self.snapshot();
        let ranges = parts.iter().filter_map(|part| part.find(id).ok().flatten()).map(|row| row.range);
        ranges.reduce(|a, b| TimeRange { start: a.start.min(b.start), end: a.end.max(b.end) })
    }

    /// Removes parts whose newest sample is older than `cutoff`; answers how many.
    pub(crate) fn drop_before(&self, cutoff: i64) -> usize {
        let mut list = self.list.write();
        let (old, live): (Vec<_>, Vec<_>) = list.iter().cloned().partition(|p| p.range().end.ms() < cutoff);
        if old.is_empty() {
            return 0;
        }
        *list = Arc::new(live);
        drop(list);
        old.iter().for_each(|part| remove(&*self.disk, &part.path));
        old.len()
    }

    /// Merges once where eight neighbours of one size stand; answers whether it did.
    pub(crate) fn merge_once(&self, cutoff: i64) -> io::Result<bool> {
        let _merging = self.merging.lock();
        let parts = self.snapshot();
        let is_run = |run: &&[Arc<Part>]| {
            let size = size_class(run[0].span());
            run[0].span() < LARGEST_SPAN && run.iter().all(|p| size_class(p.span()) == size)
        };
        let Some(run) = parts.windows(MERGE).find(is_run) else { return Ok(false) };
        let (first, last) = (run[0].first, run[MERGE - 1].last);
        let path = self.dir.join(Part::name(first, last));
        let mut writer = PartWriter::create(&*self.disk, path.clone())?;
        if let Err(error) = self.merge_into(&mut writer, run, cutoff) {
            writer.abandon(&*self.disk);
            return Err(error);
        }
        writer.finish(&*self.disk, run.iter().map(|p| p.wal_from()).max().unwrap_or(0))?;
        let merged = Arc::new(Part::open(&*self.disk, path, first, last)?);
        let mut list = self.list.write();
        let mut live: Vec<_> = list.iter().filter(|p| p.last < first || p.first > last).cloned().collect();
        let at = live.partition_point(|p| p.first < first);
        live.insert(at, merged);
        *list = Arc::new(live);
        drop(list);
        run.iter().for_each(|part| remove(&*self.disk, &part.path));
        self.merges.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn merge_into(&self, writer: &mut PartWriter, run: &[Arc<Part>], cutoff: i64) -> io::Result<()> {
        let mut cursors: Vec<Peekable<Rows<'_>>> = run.iter().map(|part| Rows::new(part).peekable()).collect();
        let mut samples = SampleBuffer::default();
        let kept = TimeRange::new(cutoff, i64::MAX);
        loop {
            let heads = cursors.iter_mut().filter_map(|c| c.peek().map(|row| row.id));
            let Some(id) = heads.min() else { break };
            samples.clear();
            for (cursor, part) in cursors.iter_mut().zip(run) {
                if let Some(row) = cursor.next_if(|row| row.id == id)
                    && let Err(error) = part.read(&row, kept, &mut samples)
                {
                    // Left out for good: the next size of part would carry the damage along for ever.
                    self.damaged_reads.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(path = %part.path.display(), series_id = id, %error, "samples are lost in a merge");
                }
            }
            merge::normalise(&mut samples, 0);
            if !samples.is_empty() {
                writer.add(id, &samples)?;
            }
        }
        Ok(())
    }
}

fn size_class(span: u64) -> u32 {
    span.ilog2() / 3
}

fn remove(disk: &dyn Disk, path: &Path) {
    if let Err(error) = disk.remove(path) {
        tracing::warn!(path = %path.display(), %error, "a file that is no longer needed cannot be removed");
    }
}

/// The index rows of a part, a block at a time. A damaged block is left out.
struct Rows<'p> {
    part: &'p Part,
    block: usize,
    rows: std::vec::IntoIter<Row>,
}

impl<'p> Rows<'p> {
    fn new(part: &'p Part) -> Self {
        Rows { part, block: 0, rows: Vec::new().into_iter() }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(row);
            }
            if self.block == self.part.block_count() {
                return None;
            }
            match self.part.block(self.block) {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(error) => {
                    tracing::error!(path = %self.part.path.display(), %error, "samples are lost in a merge");
                }
            }
            self.block += 1;
        }
    }
}
