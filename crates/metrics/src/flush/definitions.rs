//! The part of a flush that keeps the head's own file complete: whatever the log loses with its old segments, and blocks do
//! not hold, is there.

use std::io;
use std::sync::Arc;

use model::Metadata;

use crate::head::{Head, LOGGED_FOR_GOOD, Series, Stored};
use crate::headlog::HeadLog;
use crate::record::RecordWriter;

/// A record is ended at this size: damage takes a record's series with it, so not too many.
const RECORD_BYTES: usize = 1 << 15;

/// Appends what the file lacks; writes it anew where it cannot be trusted.
pub(super) fn bring_up_to_date(heads: &[Arc<Head>], headlog: &mut HeadLog) -> io::Result<()> {
    write(heads, headlog, headlog.is_doubtful())
}

/// Writes the file anew.
pub(super) fn rewrite(heads: &[Arc<Head>], headlog: &mut HeadLog) -> io::Result<()> {
    write(heads, headlog, true)
}

fn write(heads: &[Arc<Head>], headlog: &mut HeadLog, everything: bool) -> io::Result<()> {
    let mut records = Vec::new();
    let mut definitions = 0;
    let mut newly_logged: Vec<(&Head, usize, u32)> = Vec::new();
    let mut families: Vec<Vec<String>> = Vec::new();
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
        if everything {
            head.exemplars.lock().only_here().iter().for_each(|e| out.exemplar(e));
        }
        out.end_record_at(1);
        families.push(metadata.into_iter().map(|(family, _)| family).collect());
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
    for (head, families) in heads.iter().zip(families) {
        head.metadata_is_logged(&families);
    }
    Ok(())
}

/// Appends exemplars that go into no block, as their series had no sample.
pub(super) fn log_exemplars(head: &Head, exemplars: &[Stored], headlog: &mut HeadLog) -> io::Result<()> {
    let mut records = Vec::new();
    let mut out = Records::new(head, &mut records);
    exemplars.iter().for_each(|e| out.exemplar(e));
    out.end_record_at(1);
    headlog.append(&records, 0)
}

/// What a copy of the blocks lacks: the exemplars that only the head's own file holds, behind the definitions of their series.
pub(crate) fn beside_blocks(heads: &[Arc<Head>]) -> Vec<u8> {
    let mut records = Vec::new();
    for head in heads {
        let mut exemplars = head.exemplars.lock().only_here();
        exemplars.sort_by_key(|exemplar| (exemplar.id, exemplar.time));
        let mut out = Records::new(head, &mut records);
        let mut defined = None;
        for exemplar in &exemplars {
            if defined != Some(exemplar.id) {
                let shard = head.shards[head.shard_of_slot(exemplar.slot)].read();
                let Some(series) = shard.get(head.local(exemplar.slot)).filter(|s| s.id == exemplar.id) else {
                    continue;
                };
                out.define(series);
                defined = Some(exemplar.id);
            }
            out.exemplar(exemplar);
        }
        out.end_record_at(1);
    }
    records
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

    fn define(&mut self, series: &Series) {
        self.writer.define(series.id, series.identity(), &series.pairs, &self.head.index.read().symbols);
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
