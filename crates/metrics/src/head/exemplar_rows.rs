//! Exemplars that come without a sample: Prometheus' remote write sends each exemplar as a series of its own.

use blocks::wal::Wal;
use model::ExemplarRow;

use super::append::VisitError;
use super::{Head, Limits, Pushed, Series, Visit};
use crate::block::SeriesHash;
use crate::record::RecordWriter;

impl Head {
    /// Keeps the exemplars of known series and queues their records; the others are left out.
    pub(crate) fn append_exemplars(
        &self,
        rows: &[ExemplarRow],
        limits: Limits,
        wal: &Wal,
        visit: &mut Visit,
    ) -> Result<(), VisitError> {
        let mut record = RecordWriter::default();
        for row in rows {
            self.append_exemplar_row(row, limits, wal, &mut record, visit)?;
        }
        Ok(())
    }

    fn append_exemplar_row(
        &self,
        row: &ExemplarRow,
        limits: Limits,
        wal: &Wal,
        record: &mut RecordWriter,
        visit: &mut Visit,
    ) -> Result<(), VisitError> {
        let Some((number, local)) = self.place_of(row) else { return Ok(()) };
        let mut shard = self.shards[number].write();
        loop {
            let epoch = wal.epoch();
            record.clear();
            let Some(id) = shard.get(local).filter(|s| !s.is_retired).map(|series| series.id) else { return Ok(()) };
            let mut defined = Vec::new();
            let mut logged = Vec::new();
            for exemplar in &row.exemplars {
                let Some(time) = exemplar.timestamp.map(|t| t.ms()) else { continue };
                if !(limits.oldest..=limits.newest).contains(&time) {
                    continue;
                }
                let slot = self.slot(number, local);
                let pushed = self.push_exemplar((id, slot), exemplar, time, limits.exemplars, epoch as u32);
                visit.report.exemplars += u64::from(pushed == Pushed::New);
                if pushed != Pushed::Known {
                    self.define(&mut shard, local, epoch as u32, record, &mut defined);
                    record.exemplar(id, time, exemplar.value, &exemplar.labels);
                    logged.push((id, time));
                }
            }
            if record.is_empty() {
                return Ok(());
            }
            let Some(submitted) = self.submit(wal, epoch, record, visit) else { continue };
            if submitted.is_err() {
                self.forget_logged(&mut shard, &defined, &logged);
            }
            return submitted;
        }
    }

    /// The shard and local number of a row's series.
    fn place_of(&self, row: &ExemplarRow) -> Option<(usize, u32)> {
        if let Some(hint) = row.hint {
            let slot = hint.0 as u32;
            let (number, local) = (self.shard_of_slot(slot), self.local(slot));
            let is_it = |s: &Series| s.id as u32 == (hint.0 >> 32) as u32 && !s.is_retired;
            if self.shards[number].read().get(local).is_some_and(is_it) {
                return Some((number, local));
            }
        }
        let identity = SeriesHash::of(&row.labels);
        let number = self.shard_of(identity);
        let local = self.find(&self.shards[number].read(), identity, &row.labels)?;
        Some((number, local))
    }
}
