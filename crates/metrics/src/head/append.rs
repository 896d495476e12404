//! Admitting the rows of a batch that fall into one shard.
//!
//! The rows are applied and their log record is queued under one hold of the shard's lock. So the log has a series'
//! definition before its samples, and samples in the order in which they were applied.

use std::sync::atomic::Ordering;

use blocks::wal::{Commit, SubmitError, Wal};
use model::{
    AppendReport, FloatHistogram, Labels, RejectReason, Rejection, SampleValue, SeriesRef, WriteRow, is_stale,
};

use super::{Head, LOGGED_FOR_GOOD, Pushed, Shard, Taken};
use crate::TenantLimits;
use crate::block::SeriesHash;
use crate::record::RecordWriter;

/// What is accepted at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    pub(crate) window_ms: i64,
    pub(crate) series: usize,
    pub(crate) exemplars: usize,
    /// Those that say how labels may look.
    pub(crate) tenant: TenantLimits,
}

/// A row of the batch and where it goes.
#[derive(Clone, Copy, Debug)]
struct Route {
    row: u32,
    shard: u32,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// By its hint or its labels: the local number and the low bits of the id that stood there.
    Known { local: u32, id: u32 },
    /// Identity of labels that were not known, and the id of their series if it is made now.
    New { identity: SeriesHash, id: u64 },
}

/// Why a visit to a shard failed. Rows may have been applied, but none is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum VisitError {
    Full,
    Closed,
}

/// What visits to the shards add up to.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    pub(crate) report: AppendReport,
    pub(crate) commits: Vec<Commit>,
    pub(crate) newest: u64,
    pub(crate) late: u64,
    pub(crate) series_created: u64,
}

impl Visit {
    pub(super) fn keep(&mut self, commit: Commit) {
        if !self.commits.iter().any(|known| known.same_group(&commit)) {
            self.commits.push(commit);
        }
    }

    /// Queues a record that rests on no definition.
    pub(crate) fn submit(&mut self, wal: &Wal, record: &[u8]) -> Result<(), VisitError> {
        loop {
            match wal.submit(wal.epoch(), record) {
                Ok(commit) => {
                    self.keep(commit);
                    return Ok(());
                }
                Err(SubmitError::Epoch) => {}
                Err(SubmitError::Full) => return Err(VisitError::Full),
                Err(SubmitError::Closed) => return Err(VisitError::Closed),
            }
        }
    }
}

enum Outcome {
    Taken(u32, u64, Taken),
    Rejected(RejectReason),
    /// The series is not where it was.
    Lost,
}

impl Head {
    /// Applies rows and queues their records.
    pub(crate) fn append(
        &self,
        rows: &[WriteRow],
        limits: Limits,
        wal: &Wal,
        visit: &mut Visit,
    ) -> Result<(), VisitError> {
        visit.report.refs.resize(rows.len(), None);
        let mut record = RecordWriter::default();
        let mut routes: Vec<Route> = (0_u32..).zip(rows).map(|(row, content)| self.route(row, content)).collect();
        while !routes.is_empty() {
            self.number_new(&mut routes);
            // Stable, so that the rows of a shard keep their order.
            routes.sort_by_key(|route| route.shard);
            let mut lost = Vec::new();
            for here in routes.chunk_by(|a, b| a.shard == b.shard) {
                self.visit(here, rows, limits, wal, &mut record, visit, &mut lost)?;
            }
            lost.sort_unstable();
            routes = lost.into_iter().map(|row| self.route_by_labels(row, &rows[row as usize])).collect();
        }
        visit.report.rejected.sort_unstable_by_key(|r| r.row);
        Ok(())
    }

    fn route(&self, row: u32, content: &WriteRow) -> Route {
        let Some(hint) = content.hint else { return self.route_by_labels(row, content) };
        let slot = hint.0 as u32;
        let place = Place::Known { local: self.local(slot), id: (hint.0 >> 32) as u32 };
        Route { row, shard: self.shard_of_slot(slot) as u32, place }
    }

    fn route_by_labels(&self, row: u32, content: &WriteRow) -> Route {
        let identity = SeriesHash::of(&content.labels);
        let number = self.shard_of(identity);
        let shard = self.shards[number].read();
        let known = self.find(&shard, identity, &content.labels).and_then(|local| Some((local, shard.get(local)?.id)));
        let place = match known {
            Some((local, id)) => Place::Known { local, id: id as u32 },
            None => Place::New { identity, id: 0 },
        };
        Route { row, shard: number as u32, place }
    }

    pub(super) fn find(&self, shard: &Shard, identity: SeriesHash, labels: &Labels) -> Option<u32> {
        let index = self.index.read();
        shard.find(identity.0 as u64, |s| index.same_labels(&s.pairs, labels.iter().map(|l| (l.name, l.value))))
    }

    /// Gives ids to new series in the order of the rows, though the shards make them in another: as in Prometheus' head, a
    /// selection has the series of a scrape in the order of its exposition.
    fn number_new(&self, routes: &mut [Route]) {
        let is_new = |route: &&mut Route| matches!(route.place, Place::New { .. });
        let count = routes.iter_mut().filter(is_new).count() as u64;
        if count == 0 {
            return;
        }
        let first = self.shared.next_id.fetch_add(count, Ordering::Relaxed);
        for (next, route) in (first..).zip(routes.iter_mut().filter(is_new)) {
            if let Place::New { id, .. } = &mut route.place {
                *id = next;
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // one call site, and a struct would only rename the arguments
    fn visit(
        &self,
        routes: &[Route],
        rows: &[WriteRow],
        limits: Limits,
        wal: &Wal,
        record: &mut RecordWriter,
        visit: &mut Visit,
        lost: &mut Vec<u32>,
    ) -> Result<(), VisitError> {
        let number = routes[0].shard as usize;
        let mut shard = self.shards[number].write();
        let (rejected_before, lost_before) = (visit.report.rejected.len(), lost.len());
        loop {
            // A new epoch between here and the submission makes the rows go round again: then they are all known, and are
            // logged once more together with their definitions.
            let epoch = wal.epoch();
            record.clear();
            visit.report.rejected.truncate(rejected_before);
            lost.truncate(lost_before);
            let mut defined = Vec::new();
            let mut exemplars = Vec::new();
            let mut span = (i64::MAX, i64::MIN);
            for route in routes {
                let row = &rows[route.row as usize];
                match self.apply(number, &mut shard, row, route.place, limits, visit) {
                    Outcome::Taken(local, id, taken) => {
                        let t = row.sample.timestamp.ms();
                        span = (span.0.min(t), span.1.max(t));
                        self.define(&mut shard, local, epoch as u32, record, &mut defined);
                        record.sample(id, &row.sample);
                        let slot = self.slot(number, local);
                        visit.report.refs[route.row as usize] = Some(SeriesRef(id << 32 | u64::from(slot)));
                        visit.newest += u64::from(taken == Taken::Newest);
                        visit.late += u64::from(taken == Taken::Late);
                        self.log_exemplars((id, slot), row, limits, epoch as u32, record, visit, &mut exemplars);
                    }
                    Outcome::Rejected(reason) => {
                        visit.report.rejected.push(Rejection { row: route.row as usize, reason });
                    }
                    Outcome::Lost => lost.push(route.row),
                }
            }
            if record.is_empty() {
                return Ok(());
            }
            self.widen(span.0, span.1);
            let Some(submitted) = self.submit(wal, epoch, record, visit) else { continue };
            if submitted.is_err() {
                self.forget_logged(&mut shard, &defined, &exemplars);
            }
            return submitted;
        }
    }

    /// Queues a record; `None` where the log has begun a new epoch, so that the record must be made anew.
    pub(super) fn submit(
        &self,
        wal: &Wal,
        epoch: u64,
        record: &mut RecordWriter,
        visit: &mut Visit,
    ) -> Option<Result<(), VisitError>> {
        match wal.submit(epoch, record.finish(self.tenant.as_str())) {
            Ok(commit) => {
                visit.keep(commit);
                Some(Ok(()))
            }
            Err(SubmitError::Epoch) => None,
            Err(SubmitError::Full) => Some(Err(VisitError::Full)),
            Err(SubmitError::Closed) => Some(Err(VisitError::Closed)),
        }
    }

    /// A record was not queued: its definitions and exemplars are not in the log.
    pub(super) fn forget_logged(&self, shard: &mut Shard, defined: &[u32], exemplars: &[(u64, i64)]) {
        for local in defined {
            if let Some(series) = shard.get_mut(*local) {
                series.logged_epoch = 0;
            }
        }
        let mut known = self.exemplars.lock();
        exemplars.iter().for_each(|(id, time)| known.was_not_logged(*id, *time));
    }

    fn apply(
        &self,
        number: usize,
        shard: &mut Shard,
        row: &WriteRow,
        place: Place,
        limits: Limits,
        visit: &mut Visit,
    ) -> Outcome {
        let t = row.sample.timestamp.ms();
        if t > limits.newest {
            return Outcome::Rejected(RejectReason::TooFarInFuture);
        }
        if t < limits.oldest {
            return Outcome::Rejected(RejectReason::TooOld);
        }
        if let SampleValue::Histogram(histogram) = &row.sample.value
            && !is_valid_histogram(histogram)
        {
            return Outcome::Rejected(RejectReason::InvalidHistogram);
        }
        let local = match place {
            Place::Known { local, id } => match shard.get(local) {
                Some(series) if series.id as u32 == id && !series.is_retired => local,
                _ => return Outcome::Lost,
            },
            Place::New { identity, id } => {
                match self.find_or_create(number, shard, row, (identity, id), limits, visit) {
                    Ok(local) => local,
                    Err(reason) => return Outcome::Rejected(reason),
                }
            }
        };
        let Some(series) = shard.get_mut(local) else { return Outcome::Lost };
        if !series.is_active && self.active.load(Ordering::Relaxed) >= limits.series {
            return Outcome::Rejected(RejectReason::SeriesLimit);
        }
        let before = series.weight();
        let id = series.id;
        let taken = series.append(&row.sample, limits.window_ms);
        self.account_since(before, series);
        match taken {
            Taken::Conflict => Outcome::Rejected(RejectReason::DuplicateTimestamp),
            Taken::TooLate => Outcome::Rejected(RejectReason::OutOfOrder),
            Taken::Newest | Taken::Late | Taken::Again => Outcome::Taken(local, id, taken),
        }
    }

    fn find_or_create(
        &self,
        number: usize,
        shard: &mut Shard,
        row: &WriteRow,
        (identity, id): (SeriesHash, u64),
        limits: Limits,
        visit: &mut Visit,
    ) -> Result<u32, RejectReason> {
        if let Some(local) = self.find(shard, identity, &row.labels) {
            return Ok(local);
        }
        if row.labels.metric_name().is_empty() {
            let is_by_hint_alone = row.hint.is_some() && row.labels.is_empty();
            return Err(if is_by_hint_alone { RejectReason::UnknownSeries } else { RejectReason::InvalidLabels });
        }
        limits.tenant.check_labels(&row.labels)?;
        if self.active.load(Ordering::Relaxed) >= limits.series {
            return Err(RejectReason::SeriesLimit);
        }
        visit.series_created += 1;
        self.churn.lock().created(row.labels.metric_name());
        let (slot, _) = self.create(number, shard, id, identity, row.labels.iter().map(|l| (l.name, l.value)));
        Ok(self.local(slot))
    }

    /// Logs which labels a series has, unless the log knows.
    pub(super) fn define(
        &self,
        shard: &mut Shard,
        local: u32,
        epoch: u32,
        record: &mut RecordWriter,
        defined: &mut Vec<u32>,
    ) {
        let Some(series) = shard.get_mut(local) else { return };
        if series.logged_epoch != epoch && series.logged_epoch != LOGGED_FOR_GOOD {
            record.define(series.id, series.identity(), &series.pairs, &self.index.read().symbols);
            series.logged_epoch = epoch;
            defined.push(local);
        }
    }

    #[allow(clippy::too_many_arguments)] // one call site, and a struct would only rename the arguments
    fn log_exemplars(
        &self,
        series: (u64, u32),
        row: &WriteRow,
        limits: Limits,
        epoch: u32,
        record: &mut RecordWriter,
        visit: &mut Visit,
        logged: &mut Vec<(u64, i64)>,
    ) {
        for exemplar in &row.exemplars {
            let time = exemplar.timestamp.unwrap_or(row.sample.timestamp).ms();
            let pushed = self.push_exemplar(series, exemplar, time, limits.exemplars, epoch);
            visit.report.exemplars += u64::from(pushed == Pushed::New);
            if pushed != Pushed::Known {
                record.exemplar(series.0, time, exemplar.value, &exemplar.labels);
                logged.push((series.0, time));
            }
        }
    }
}

/// Prometheus' `FloatHistogram.Validate`: spans that fit the buckets, no negative counts, rising custom bounds.
fn is_valid_histogram(h: &FloatHistogram) -> bool {
    if is_stale(h.sum) {
        return true;
    }
    let side = |spans: &[model::BucketSpan], buckets: &[f64]| {
        let length: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
        let gaps = spans.iter().skip(1).all(|s| s.offset >= 0);
        length == buckets.len() as u64 && gaps && !buckets.iter().any(|b| *b < 0.0)
    };
    let is_custom = h.schema == -53;
    let schema = is_custom || (-4..=8).contains(&h.schema);
    let bounds = h.custom_values.is_sorted_by(|a, b| a < b) && (is_custom || h.custom_values.is_empty());
    let negative = !is_custom || h.negative_buckets.is_empty();
    let counts = !(h.count < 0.0 || h.zero_count < 0.0);
    schema
        && bounds
        && negative
        && counts
        && side(&h.positive_spans, &h.positive_buckets)
        && side(&h.negative_spans, &h.negative_buckets)
}
