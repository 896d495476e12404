//! All followed files: which are new, which have moved, which are done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::FileJob;
use super::compressed::Compressed;
use super::groups::{Group, Groups};
use super::heirs::{Copied, is_named_after};
use super::identity::{FileId, has_content, id_of};
use super::tail::{Opening, Progress, Standing, Tail};
use crate::batch::Batch;
use crate::entry::BaseLabels;
use crate::intake::Intake;
use crate::metrics::{PathLabel, ShipMetrics};
use crate::pipeline::PipelineContext;
use crate::positions::{Mark, Marks};
use crate::stamp::Stamps;

/// A rotated file is closed when it has not grown for so long (nanoseconds): its writer has the new one by then.
const ROTATED_GRACE: i64 = 30_000_000_000;
/// A file without a name is closed sooner.
const DELETED_GRACE: i64 = 3_000_000_000;
/// Chunks that one file may give before the next one's turn.
const TURN: usize = 4;
/// Between the path and the inode in the position of a rotated file.
pub(super) const ROTATED: &str = "#rotated-";

/// The files of all jobs.
pub(super) struct Follower {
    pub(super) jobs: Vec<FileJob>,
    /// How far files were read that are not open now.
    pub(super) marks: Marks,
    pub(super) tails: Vec<Tail>,
    /// Files that cannot be opened, and why.
    failed: BTreeMap<(usize, PathBuf), String>,
    buffer: Vec<u8>,
    pub(super) stamps: Arc<Stamps>,
    intake: Arc<Intake>,
    pub(super) metrics: Arc<ShipMetrics>,
    handle: Handle,
    stop: CancellationToken,
    pub(super) wants_scan: bool,
}

impl Follower {
    pub(super) fn new(
        jobs: Vec<FileJob>,
        marks: Marks,
        context: &PipelineContext,
        intake: Arc<Intake>,
        metrics: Arc<ShipMetrics>,
        handle: Handle,
        stop: CancellationToken,
    ) -> Self {
        Follower {
            jobs,
            marks,
            tails: Vec::new(),
            failed: BTreeMap::new(),
            buffer: Vec::new(),
            stamps: context.stamps.clone(),
            intake,
            metrics,
            handle,
            stop,
            wants_scan: false,
        }
    }

    pub(super) fn tails(&self) -> impl Iterator<Item = &Tail> {
        self.tails.iter()
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &Path, &str)> {
        self.failed.iter().map(|((job, path), error)| (self.job_name(*job), path.as_path(), error.as_str()))
    }

    pub(super) fn job_name(&self, job: usize) -> &str {
        &self.jobs[job].name
    }

    pub(super) fn wants_scan(&mut self) -> bool {
        std::mem::take(&mut self.wants_scan)
    }

    /// Looks for new files. At the first time also for what was rotated while nobody looked.
    pub(super) fn scan(&mut self, groups: &mut [Groups], directories: &mut BTreeSet<PathBuf>, is_first: bool) {
        let mut present: BTreeSet<(usize, PathBuf)> = BTreeSet::new();
        let mut all: Vec<(usize, Group)> = Vec::new();
        for (job, groups) in groups.iter_mut().enumerate() {
            let name = self.jobs[job].name.clone();
            all.extend(groups.current(&name).into_iter().map(|group| (job, group)));
        }
        let mut meant: Vec<(usize, &Group, PathBuf)> = Vec::new();
        for (job, group) in &all {
            for path in group.pattern.find(directories) {
                if present.insert((*job, path.clone())) {
                    meant.push((*job, group, path));
                }
            }
        }
        if is_first {
            self.find_moved(&all, &meant);
        }
        for (job, group, path) in &meant {
            self.meet(*job, group, path);
        }
        if is_first {
            self.find_rotated(&all);
        }
        self.failed.retain(|key, _| present.contains(key));
        self.metrics.files_active.set(self.tails.len() as i64);
    }

    /// A path that is meant: perhaps a new file, perhaps one that is known under another name.
    fn meet(&mut self, job: usize, group: &Group, path: &Path) {
        let id = match std::fs::metadata(path) {
            Ok(metadata) => id_of(&metadata),
            Err(error) => return self.fail(job, path, &error),
        };
        let is_known = |tail: &Tail| tail.job == job && tail.id == id;
        if !self.tails.iter().any(is_known) {
            // If it is a copy of one that is followed, that one is now either read as far as the copy goes, or was cut since.
            self.read_originals(job, path);
        }
        if let Some(known) = self.tails.iter_mut().find(|tail| is_known(tail)) {
            if matches!(known.standing, Standing::Rotated(_)) {
                // It has a name that is meant, too: from now on this is its name.
                let old = std::mem::replace(&mut known.key, path.display().to_string());
                known.path = path.to_owned();
                known.standing = Standing::Current;
                let changes = vec![(old, None), (known.key.clone(), Some(known.mark()))];
                self.submit(Batch::of_changes(changes));
            }
            return;
        }
        match self.open(job, group, path) {
            Ok(()) => {
                self.failed.remove(&(job, path.to_owned()));
            }
            Err(error) => self.fail(job, path, &error),
        }
    }

    pub(super) fn fail(&mut self, job: usize, path: &Path, error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound {
            return;
        }
        let is_new = self.failed.insert((job, path.to_owned()), error.to_string()).is_none();
        if is_new {
            warn!(job = self.job_name(job), path = %path.display(), %error, "a log file cannot be read");
        }
    }

    fn open(&mut self, job: usize, group: &Group, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let id = id_of(&metadata);
        let now = self.stamps.now();
        let key = self.free_key(job, path);
        let mut offset = self.known_offset(&key, path, &file, id, metadata.len());
        if offset == 0 && (metadata.len() > 0 || Compressed::detect(path, 0).is_some()) {
            match self.copied_from(job, path, &file, &metadata)? {
                Copied::No => {}
                Copied::UpTo(done) => offset = done,
                Copied::NotYet => return Ok(()),
            }
        }
        let name = path.display().to_string();
        let labels = group.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let base = BaseLabels::new(labels.chain([("filename", name.as_str())]));
        let label = PathLabel { path: name };
        let opening = Opening {
            job,
            path: path.to_owned(),
            found: path.to_owned(),
            key: key.clone(),
            base,
            pipeline: self.jobs[job].pipeline.clone(),
            read_bytes: self.metrics.read_bytes.get_or_create(&label).clone(),
            read_lines: self.metrics.read_lines.get_or_create(&label).clone(),
        };
        let tail = Tail::new(opening, file, offset, now)?;
        info!(job = self.jobs[job].name, path = %path.display(), offset, "following a log file");
        // Before anything of it is read, the position says that this is the file: the old one's rest has a name of its own.
        self.submit(Batch::of_changes(vec![(key, Some(tail.mark()))]));
        self.tails.push(tail);
        Ok(())
    }

    /// The path itself, unless another job has it.
    fn free_key(&self, job: usize, path: &Path) -> String {
        let key = path.display().to_string();
        let is_taken = self.tails.iter().any(|tail| tail.job != job && tail.key == key);
        if is_taken { format!("{key}#{}", self.jobs[job].name) } else { key }
    }

    /// How far a file was read at an earlier time, whatever its name was then.
    fn known_offset(&mut self, key: &str, path: &Path, file: &File, id: FileId, size: u64) -> u64 {
        let is_packed = Compressed::detect(path, 0).is_some();
        let is_it = |mark: &Mark| match mark {
            Mark::File { offset, identity: Some(identity) } => {
                (identity.dev, identity.ino) == id
                    && (is_packed || *offset <= size)
                    && has_content(file, identity, *offset)
            }
            _ => false,
        };
        let own = self.marks.get(key).filter(|mark| is_it(mark));
        let found = own.or_else(|| self.marks.values().find(|mark| is_it(mark)));
        let offset = match (found, self.marks.get(key)) {
            (Some(Mark::File { offset, .. }), _) => *offset,
            // A position of Promtail says no more than how far.
            (None, Some(Mark::File { offset, identity: None })) if *offset <= size => *offset,
            // Compressed, of an older version: the offset counts unpacked bytes, and the file does not change.
            (None, Some(Mark::File { offset, identity: Some(identity) }))
                if identity.head_len == 0 && (identity.dev, identity.ino) == id && *offset > 0 =>
            {
                *offset
            }
            _ => 0,
        };
        if self.marks.get(key).is_some_and(is_it) {
            self.marks.remove(key);
        }
        offset
    }

    fn read_originals(&mut self, job: usize, path: &Path) {
        let is_original = |tail: &Tail| tail.job == job && tail.offset > 0 && is_named_after(path, &tail.path);
        let originals: Vec<usize> = (0..self.tails.len()).filter(|at| is_original(&self.tails[*at])).collect();
        for at in originals {
            while !self.stop.is_cancelled() && self.look_at(at) {}
        }
    }

    /// Reads what there is. True where there may be more at once.
    pub(super) fn look(&mut self) -> bool {
        let mut busy = false;
        let mut done = Vec::new();
        for at in 0..self.tails.len() {
            if self.stop.is_cancelled() {
                return false;
            }
            busy |= self.look_at(at);
            if self.is_finished(at) {
                done.push(at);
            }
        }
        for at in done.into_iter().rev() {
            self.finish(at);
        }
        busy
    }

    fn look_at(&mut self, at: usize) -> bool {
        for _ in 0..TURN {
            let now = self.stamps.now();
            if self.tails[at].not_before > now {
                return false;
            }
            let mut batch = Batch::default();
            let tail = &mut self.tails[at];
            let held = tail.holds();
            let progress = tail.read(&mut self.buffer, &mut batch, &self.intake, &self.stamps);
            if held || tail.holds() {
                tail.tick(&mut batch, &self.intake);
            }
            match progress {
                Ok(Progress::More) => {
                    tail.grown_at = now;
                    tail.error = None;
                    batch.changes.push((tail.key.clone(), Some(tail.mark())));
                    self.submit(batch);
                }
                Ok(Progress::AtEnd) => {
                    if !batch.is_empty() {
                        batch.changes.push((tail.key.clone(), Some(tail.mark())));
                        self.submit(batch);
                    }
                    self.check_standing(at, now);
                    return false;
                }
                Ok(Progress::Rewritten) => {
                    self.rewritten(at);
                    return true;
                }
                Err(error) => {
                    self.unreadable(at, &error);
                    return false;
                }
            }
        }
        true
    }

    fn unreadable(&mut self, at: usize, error: &io::Error) {
        let tail = &mut self.tails[at];
        if tail.error.is_none() {
            warn!(path = %tail.path.display(), %error, "a log file cannot be read");
        }
        tail.error = Some(error.to_string());
        let offset = tail.offset;
        if let Some(compressed) = &mut tail.compressed {
            compressed.begin_again(offset);
            tail.not_before = self.stamps.now().saturating_add(DELETED_GRACE);
        }
    }

    /// At its end a file is asked whether its path still leads to it.
    fn check_standing(&mut self, at: usize, now: i64) {
        let tail = &mut self.tails[at];
        self.metrics
            .file_bytes
            .get_or_create(&PathLabel { path: tail.path.display().to_string() })
            .set(tail.size as i64);
        if tail.standing != Standing::Current || tail.is_at(&tail.path) {
            return;
        }
        tail.standing = Standing::Rotated(now);
        let rotated = format!("{}{ROTATED}{}", tail.path.display(), tail.id.1);
        let old = std::mem::replace(&mut tail.key, rotated);
        let changes = vec![(old, None), (tail.key.clone(), Some(tail.mark()))];
        self.submit(Batch::of_changes(changes));
        // Its successor should not wait for the next round.
        self.wants_scan = true;
    }

    fn is_finished(&self, at: usize) -> bool {
        let tail = &self.tails[at];
        let Standing::Rotated(since) = tail.standing else { return false };
        let is_deleted = std::os::unix::fs::MetadataExt::nlink(&match tail.file.metadata() {
            Ok(metadata) => metadata,
            Err(_) => return true,
        }) == 0;
        let grace = if is_deleted { DELETED_GRACE } else { ROTATED_GRACE };
        let is_read = tail.compressed.as_ref().is_none_or(super::compressed::Compressed::is_done);
        is_read && self.stamps.now().saturating_sub(since.max(tail.grown_at)) >= grace
    }

    fn finish(&mut self, at: usize) {
        let mut tail = self.tails.remove(at);
        let mut batch = Batch::default();
        tail.read_rest(&mut self.buffer, &mut batch, &self.intake, &self.stamps);
        batch.changes.push((tail.key.clone(), None));
        let label = PathLabel { path: tail.path.display().to_string() };
        if !self.tails.iter().any(|other| other.path == tail.path) {
            self.metrics.read_bytes.remove(&label);
            self.metrics.read_lines.remove(&label);
            self.metrics.file_bytes.remove(&label);
        }
        info!(path = %tail.path.display(), offset = tail.offset, "done with a log file that is gone");
        self.submit(batch);
        self.metrics.files_active.set(self.tails.len() as i64);
    }

    /// Waits for room; a stop in between means that the lines are read again at the next start.
    pub(super) fn submit(&self, batch: Batch) {
        if self.handle.block_on(self.intake.submit(batch)).is_err() {
            self.stop.cancel();
        }
    }
}
