//! One file that is followed: reading whole lines from where it was left, through the job's pipeline, into a batch.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use xxhash_rust::xxh3::xxh3_64;

use super::compressed::Compressed;
use super::identity::{ANCHOR, FileId, HEAD, has_content, id_of, identify, identify_packed};
use crate::batch::Batch;
use crate::entry::{BaseLabels, Entry};
use crate::intake::Intake;
use crate::pipeline::Pipeline;
use crate::positions::{Identity, Mark};
use crate::stamp::Stamps;

/// A longer line arrives in pieces of this many bytes.
pub(crate) const MOST_LINE: usize = 1 << 20;
/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// What the path of a file says about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The path leads to it.
    Current,
    /// The path leads elsewhere or nowhere since then (nanoseconds); it may still grow.
    Rotated(i64),
}

/// A file that is followed.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) job: usize,
    /// The path that its lines are labelled with, and where it is looked for.
    pub(super) path: PathBuf,
    /// Its name among the positions.
    pub(super) key: String,
    pub(super) id: FileId,
    pub(super) file: File,
    pub(super) offset: u64,
    pub(super) identity: Identity,
    pub(super) standing: Standing,
    pub(super) compressed: Option<Compressed>,
    /// Not read before this time, because of a rate limit.
    pub(super) not_before: i64,
    /// When it last gave lines.
    pub(super) grown_at: i64,
    pub(super) size: u64,
    pub(super) error: Option<String>,
    base: Arc<BaseLabels>,
    pipeline: Pipeline,
    read_bytes: Counter,
    read_lines: Counter,
}

/// What reading has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Lines were read; there may be more.
    More,
    /// There is no whole line.
    AtEnd,
    /// The file is no longer what was read: it was cut or written anew.
    Rewritten,
}

/// What a tail is made of.
pub(super) struct Opening {
    pub(super) job: usize,
    pub(super) path: PathBuf,
    /// Where it lies: by this it is known for compressed.
    pub(super) found: PathBuf,
    pub(super) key: String,
    pub(super) base: Arc<BaseLabels>,
    pub(super) pipeline: Pipeline,
    pub(super) read_bytes: Counter,
    pub(super) read_lines: Counter,
}

impl Tail {
    /// Follows a file from an offset on.
    pub(super) fn new(opening: Opening, file: File, offset: u64, now: i64) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let id = id_of(&metadata);
        let compressed = Compressed::detect(&opening.found, offset);
        let identity = match compressed {
            Some(_) => identify_packed(&file, id),
            None => identify(&file, id, offset),
        };
        Ok(Tail {
            job: opening.job,
            path: opening.path,
            key: opening.key,
            id,
            file,
            offset,
            identity,
            standing: Standing::Current,
            compressed,
            not_before: i64::MIN,
            grown_at: now,
            size: metadata.len(),
            error: None,
            base: opening.base,
            pipeline: opening.pipeline,
            read_bytes: opening.read_bytes,
            read_lines: opening.read_lines,
        })
    }

    /// As another file that takes the labels and the pipeline of this one.
    pub(super) fn sibling(&self, found: PathBuf, file: File, key: String, offset: u64, now: i64) -> io::Result<Self> {
        let opening = Opening {
            job: self.job,
            path: self.path.clone(),
            found,
            key,
            base: self.base.clone(),
            pipeline: self.pipeline.clone(),
            read_bytes: self.read_bytes.clone(),
            read_lines: self.read_lines.clone(),
        };
        Tail::new(opening, file, offset, now)
    }

    /// How far it was read, as far as nothing is held back.
    pub(super) fn mark(&self) -> Mark {
        match self.pipeline.held_from().filter(|from| *from < self.offset) {
            None => Mark::File { offset: self.offset, identity: Some(self.identity) },
            Some(offset) => {
                let identity = Identity { anchor_len: 0, anchor: xxh3_64(b""), ..self.identity };
                let head_fits = self.compressed.is_some() || u64::from(identity.head_len) <= offset;
                Mark::File { offset, identity: head_fits.then_some(identity) }
            }
        }
    }

    pub(super) fn holds(&self) -> bool {
        self.pipeline.holds()
    }

    /// Begins anew at the beginning of the file.
    pub(super) fn restart(&mut self) {
        self.offset = 0;
        self.identity = identify(&self.file, self.id, 0);
    }

    /// True where a path leads to this file.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| id_of(&metadata) == self.id)
    }

    /// Reads once: at most so many bytes of whole lines as fit a batch.
    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        batch: &mut Batch,
        intake: &Intake,
        stamps: &Stamps,
    ) -> io::Result<Progress> {
        if self.compressed.is_some() {
            return self.read_compressed(buffer, batch, intake, stamps);
        }
        let size = self.file.metadata()?.len();
        self.size = size;
        if size < self.offset {
            return Ok(Progress::Rewritten);
        }
        if size == self.offset {
            return Ok(Progress::AtEnd);
        }
        let limit = CHUNK.min(intake.batch_size() as usize).max(1);
        let anchor_len = self.identity.anchor_len as usize;
        let from = self.offset - anchor_len as u64;
        let mut wanted = anchor_len + limit;
        let mut filled = 0;
        loop {
            buffer.resize(wanted, 0);
            while filled < wanted {
                match self.file.read_at(&mut buffer[filled..wanted], from + filled as u64)? {
                    0 => break,
                    read => filled += read,
                }
            }
            if filled < anchor_len || xxh3_64(&buffer[..anchor_len]) != self.identity.anchor {
                return Ok(Progress::Rewritten);
            }
            let has_line = memchr::memchr(b'\n', &buffer[anchor_len..filled]).is_some();
            if has_line || filled < wanted || wanted - anchor_len >= MOST_LINE {
                break;
            }
            wanted = anchor_len + ((wanted - anchor_len) * 2).min(MOST_LINE);
        }
        let data = &buffer[anchor_len..filled];
        let whole = match memchr::memrchr(b'\n', data) {
            Some(at) => at + 1,
            None if data.len() >= MOST_LINE => MOST_LINE,
            None => return Ok(Progress::AtEnd),
        };
        let used = self.lines(&data[..whole], self.offset, batch, intake, stamps);
        let end = anchor_len + used;
        let anchor_from = end.saturating_sub(ANCHOR);
        self.offset += used as u64;
        let anchor = &buffer[anchor_from..end];
        self.identity.anchor_len = anchor.len() as u32;
        self.identity.anchor = xxh3_64(anchor);
        if (self.identity.head_len as usize) < HEAD {
            let head = identify(&self.file, self.id, self.offset);
            (self.identity.head_len, self.identity.head) = (head.head_len, head.head);
        }
        Ok(Progress::More)
    }

    /// Runs whole lines through the pipeline; stops early at a rate limit. Answers the bytes used.
    fn lines(&mut self, data: &[u8], from: u64, batch: &mut Batch, intake: &Intake, stamps: &Stamps) -> usize {
        let mut at = 0;
        let mut count = 0_u64;
        let mut stamp = 0;
        let mut stamps_left = 0;
        while at < data.len() {
            let end = memchr::memchr(b'\n', &data[at..]).map_or(data.len(), |found| at + found);
            if stamps_left == 0 {
                stamps_left = 64;
                stamp = stamps.take(stamps_left);
            }
            let entry = Entry::new(&self.base, stamp, &data[at..end], from + at as u64);
            stamp += 1;
            stamps_left -= 1;
            if self.pipeline.is_empty() {
                intake.put(batch, entry);
            } else {
                self.pipeline.run(entry, &mut |entry| intake.put(batch, entry));
            }
            count += 1;
            at = (end + 1).min(data.len());
            if let Some(pause) = self.pipeline.take_pause() {
                self.not_before = stamps.now().saturating_add(pause);
                break;
            }
        }
        self.read_lines.inc_by(count);
        self.read_bytes.inc_by(at as u64);
        at
    }

    fn read_compressed(
        &mut self,
        buffer: &mut Vec<u8>,
        batch: &mut Batch,
        intake: &Intake,
        stamps: &Stamps,
    ) -> io::Result<Progress> {
        let Some(mut compressed) = self.compressed.take() else { return Ok(Progress::AtEnd) };
        let limit = CHUNK.min(intake.batch_size() as usize).max(1);
        let outcome = compressed.fill(&self.file, buffer, limit);
        let progress = match outcome {
            Err(error) => Err(error),
            Ok(0) => Ok(Progress::AtEnd),
            Ok(whole) => {
                let used = self.lines(&buffer[..whole], self.offset, batch, intake, stamps);
                compressed.used(used);
                self.offset += used as u64;
                Ok(Progress::More)
            }
        };
        self.compressed = Some(compressed);
        progress
    }

    /// The rest of a file that grows no more: what stands behind its last newline.
    pub(super) fn read_rest(&mut self, buffer: &mut Vec<u8>, batch: &mut Batch, intake: &Intake, stamps: &Stamps) {
        if self.compressed.is_none() {
            let rest = self.size.saturating_sub(self.offset).min(MOST_LINE as u64) as usize;
            buffer.resize(rest, 0);
            if rest > 0
                && has_content(&self.file, &self.identity, self.offset)
                && self.file.read_exact_at(buffer, self.offset).is_ok()
            {
                let data = std::mem::take(buffer);
                let used = self.lines(&data, self.offset, batch, intake, stamps);
                self.offset += used as u64;
                self.identity = identify(&self.file, self.id, self.offset);
                *buffer = data;
            }
        }
        self.pipeline.tick(true, &mut |entry| intake.put(batch, entry));
    }

    /// Hands on what was held back for its time.
    pub(super) fn tick(&mut self, batch: &mut Batch, intake: &Intake) {
        self.pipeline.tick(false, &mut |entry| intake.put(batch, entry));
    }
}
