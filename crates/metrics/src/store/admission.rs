//! The way in: a batch is admitted, applied to the head, and acknowledged once its records are durable.

use std::sync::atomic::Ordering;

use model::{AppendError, AppendFuture, SampleSink, WriteBatch};

use super::{Store, TICK};
use crate::head::{Head, Visit, VisitError};
use crate::record::RecordWriter;
use crate::stats::add;

/// What a row of a batch is taken to need in memory, in bytes.
const ROW_BYTES: usize = 256;

impl Store {
    /// Applies a batch and queues its records.
    fn admit(&self, batch: &WriteBatch) -> Result<Visit, AppendError> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(AppendError::Closed);
        }
        let is_over = self.options.memory_limit_bytes.is_some_and(|limit| self.memory() > limit)
            || self.options.resident.as_ref().is_some_and(|resident| resident.is_over(batch.rows.len() * ROW_BYTES));
        if is_over {
            self.signal.wake();
            add(&self.counters.over_memory, batch.rows.len() as u64);
            return Err(AppendError::OverBudget { retry_after_s: TICK.as_secs() as u32 });
        }
        let head = self.head_or_new(&batch.tenant);
        let limits = self.limits(&batch.tenant);
        let mut visit = Visit::default();
        let result = head
            .append(&batch.rows, limits, &self.wal, &mut visit)
            .and_then(|()| head.append_exemplars(&batch.exemplars, limits, &self.wal, &mut visit))
            .and_then(|()| self.admit_metadata(&head, batch, &mut visit));
        result.map_err(|error| match error {
            VisitError::Full => {
                add(&self.counters.log_is_full, batch.rows.len() as u64);
                AppendError::OverBudget { retry_after_s: 1 }
            }
            VisitError::Closed => AppendError::Closed,
        })?;
        add(&self.counters.appended, visit.newest + visit.late);
        add(&self.counters.late, visit.late);
        add(&self.counters.exemplars, visit.report.exemplars);
        add(&self.counters.series_created, visit.series_created);
        visit.report.rejected.iter().for_each(|r| self.counters.reject(r.reason));
        Ok(visit)
    }

    fn admit_metadata(&self, head: &Head, batch: &WriteBatch, visit: &mut Visit) -> Result<(), VisitError> {
        if batch.metadata.is_empty() {
            return Ok(());
        }
        let mut record = RecordWriter::default();
        record.clear();
        for (family, metadata) in &batch.metadata {
            head.set_metadata(family, metadata, false);
            record.metadata(family, metadata);
        }
        visit.submit(&self.wal, record.finish(head.tenant.as_str()))
    }
}

impl SampleSink for Store {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        let admitted = self.admit(&batch);
        drop(batch);
        Box::pin(async move {
            let visit = admitted?;
            for commit in visit.commits {
                commit.wait().await.map_err(|reason| AppendError::Log(reason.to_string()))?;
            }
            Ok(visit.report)
        })
    }
}
