//! Moving samples from memory to disk. This is the one place where blocks take over from parts: what is written here, and
//! nothing else, decides the format at rest.
//!
//! 1. The log begins a new segment N. All that is in older segments is in the head by now.
//! 2. Every series seals its samples; they are written to a part that says "segments below N are in here". Definitions that
//!    are not in the head's own file are appended to it first.
//! 3. Once the part is durable and visible, the series drop what they sealed, and the segments are removed.
//!
//! A failure in 1 or 2 changes nothing: the samples stay in memory and in the log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use blocks::wal::Wal;
use model::{Metadata, SampleBuffer, TimeRange};

use crate::headlog::HeadLog;
use crate::part::PartWriter;
use crate::parts::Parts;
use crate::record::RecordWriter;
use crate::{chunk, head, merge};
use head::{Head, LOGGED_FOR_GOOD, Stored};

/// A record of the head's own file is ended at this size: damage takes a record's series with it, so not too many.
const RECORD_BYTES: usize = 1 << 15;

/// What a flush has moved.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flushed {
    pub(crate) series: u64,
    pub(crate) samples: u64,
}

/// Flushes all heads.
pub(crate) fn flush(heads: &[Arc<Head>], wal: &Wal, parts: &Parts, headlog: &mut HeadLog) -> io::Result<Flushed> {
    let wal_from = wal.roll().map_err(io::Error::other)?;
    log_definitions(heads, headlog)?;
    let (number, mut writer) = parts.begin()?;
    let written = heads.iter().try_fold(Flushed::default(), |sum, head| {
        let flushed = write_head(head, &mut writer)?;
        Ok(Flushed { series: sum.series + flushed.series, samples: sum.samples + flushed.samples })
    });
    let committed = match written {
        Ok(_) if writer.is_empty() => {
            parts.abandon(writer);
            Ok(())
        }
        Ok(_) => parts.commit(number, writer, wal_from),
        Err(error) => {
            parts.abandon(writer);
            finish(heads, false);
            return Err(error);
        }
    };
    finish(heads, committed.is_ok());
    committed?;
    wal.remove_below(wal_from)?;
    written
}

fn write_head(head: &Head, writer: &mut PartWriter) -> io::Result<Flushed> {
    let mut flushed = Flushed::default();
    let mut sealed = Vec::new();
    let mut entries: Vec<(u64, usize)> = Vec::new();
    let mut samples = SampleBuffer::default();
    for shard in &head.shards {
        let pages = shard.read().page_count();
        for page in 0..pages {
            // Under the lock only what must be; compressing for the disk happens after it.
            sealed.clear();
            entries.clear();
            let mut guard = shard.write();
            for (_, series) in guard.page_mut(page) {
                let before = series.weight();
                if series.begin_flush(&mut sealed) {
                    entries.push((series.id, sealed.len()));
                }
                head.account_since(before, series);
            }
            drop(guard);
            let mut from = 0;
            for &(id, to) in &entries {
                samples.clear();
                for piece in chunk::listed(&sealed[from..to]) {
                    piece.and_then(|p| chunk::decode(p, TimeRange::ALL, &mut samples)).map_err(io::Error::other)?;
                }
                from = to;
                merge::normalise(&mut samples, 0);
                writer.add(id, &samples)?;
                flushed.series += 1;
                flushed.samples += samples.len() as u64;
            }
        }
    }
    Ok(flushed)
}

fn finish(heads: &[Arc<Head>], is_durable: bool) {
    for head in heads {
        for shard in &head.shards {
            let pages = shard.read().page_count();
            for page in 0..pages {
                for (_, series) in shard.write().page_mut(page) {
                    let before = series.weight();
                    if is_durable {
                        series.flushed();
                    } else {
                        series.keep_unflushed();
                    }
                    head.account_since(before, series);
                }
            }
        }
    }
}

/// Brings the head's own file up to date: appends what it lacks, or writes it anew where it is bloated or cannot be trusted
/// after a failed write.
fn log_definitions(heads: &[Arc<Head>], headlog: &mut HeadLog) -> io::Result<()> {
    let known = heads.iter().map(|h| h.known.load(Ordering::Relaxed) as u64).sum();
    let everything = headlog.must_be_rewritten(known);
    let mut records = Vec::new();
    let mut definitions = 0;
    let mut newly_logged: Vec<(&Head, usize, u32)> = Vec::new();
    let mut details: Vec<(Vec<String>, usize)> = Vec::new();
    for head in heads {
        let mut out = Records::new(head, &mut records);
        for (number, shard) in head.shards.iter().enumerate() {
            for (local, series) in shard.read().iter() {
                let is_new = series.logged_epoch != LOGGED_FOR_GOOD;
                if is_new {
                    newly_logged.push((head, number, local));
                }
                if is_new || everything {
                    definitions += 1;
                    out.define(series);
                }
            }
        }
        let metadata = head.unlogged_metadata(everything);
        metadata.iter().for_each(|(family, m)| out.metadata(family, m));
        let (exemplars, unlogged) = head.exemplars.lock().unlogged(everything);
        exemplars.iter().for_each(|e| out.exemplar(e));
        out.end_record_at(1);
        details.push((metadata.into_iter().map(|(family, _)| family).collect(), unlogged));
    }
    if everything {
        headlog.rewrite(&records, definitions)?;
    } else {
        headlog.append(&records, definitions)?;
    }
    for (head, number, local) in newly_logged {
        if let Some(series) = head.shards[number].write().get_mut(local) {
            series.logged_epoch = LOGGED_FOR_GOOD;
        }
    }
    for (head, (families, exemplars)) in heads.iter().zip(details) {
        head.metadata_is_logged(&families);
        head.exemplars.lock().are_logged(exemplars);
    }
    Ok(())
}

/// Records of one head, one after the other.
struct Records<'h> {
    head: &'h Head,
    writer: RecordWriter,
    bytes: &'h mut Vec<u8>,
}

impl<'h> Records<'h> {
    fn new(head: &'h Head, bytes: &'h mut Vec<u8>) -> Self {
        let mut writer = RecordWriter::default();
        writer.clear();
        Records { head, writer, bytes }
    }

    fn define(&mut self, series: &head::Series) {
        self.writer.define(series.id, &series.pairs, &self.head.index.read().symbols);
        self.end_record_at(RECORD_BYTES);
    }

    fn metadata(&mut self, family: &str, metadata: &Metadata) {
        self.writer.metadata(family, metadata);
        self.end_record_at(RECORD_BYTES);
    }

    fn exemplar(&mut self, exemplar: &Stored) {
        self.writer.exemplar(exemplar.id, exemplar.time, exemplar.value, &exemplar.labels);
        self.end_record_at(RECORD_BYTES);
    }

    fn end_record_at(&mut self, size: usize) {
        if self.writer.len() >= size {
            self.bytes.extend_from_slice(self.writer.finish(self.head.tenant.as_str()));
            self.writer.clear();
        }
    }
}
