//! Pushed samples on their way into the store: known series go by reference, batches are bounded, and a series that the
//! store has forgotten is sent once more with its labels.
//!
//! Remote write, which is measured in millions of samples a second, does the same in its own way.

use model::{
    AppendError, AppendReport, Exemplar, Labels, Metadata, RejectReason, Rejection, Sample, SeriesRef, Tenant,
    WriteBatch, WriteRow,
};

use super::Intake;
use super::cache::{self, SeriesKey, TenantCache, Update};

/// Rows of one batch.
const BATCH_ROWS: usize = 20_000;

/// One sample on its way into the store.
#[derive(Clone, Debug)]
pub(crate) struct IntakeRow {
    /// Names the series: equal keys, equal labels. Made of bytes that begin with the protocol's own mark.
    pub(crate) key: SeriesKey,
    pub(crate) sample: Sample,
    pub(crate) exemplars: Vec<Exemplar>,
}

/// What became of rows.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Samples that are durable.
    pub(crate) samples: u64,
    /// Rows that the store refused, by their place among all rows, in order.
    pub(crate) rejected: Vec<Rejection>,
    /// Why the rest was not stored, where that is so.
    pub(crate) failure: Option<AppendError>,
}

impl Stored {
    /// True where the limit of series was met: the same request may succeed later.
    pub(crate) fn met_limit(&self) -> bool {
        self.rejected.iter().any(|r| r.reason == RejectReason::SeriesLimit)
    }
}

impl Intake {
    /// Stores rows. `labels` makes the labels of a row by its place and is asked only for series that are not known.
    pub(crate) async fn append(
        &self,
        tenant: &Tenant,
        rows: Vec<IntakeRow>,
        metadata: Vec<(String, Metadata)>,
        labels: impl Fn(usize) -> Labels,
    ) -> Stored {
        let minute = cache::minute(self.clock.now());
        self.caches.sweep(minute);
        let cache = self.caches.of(tenant);
        let mut stored = Stored::default();
        let mut news = self.news(&cache, metadata);
        let mut rows = rows.into_iter();
        let mut first = 0;
        loop {
            let part: Vec<IntakeRow> = rows.by_ref().take(BATCH_ROWS).collect();
            if part.is_empty() && news.is_empty() {
                break;
            }
            let size = part.len();
            let metadata = std::mem::take(&mut news);
            let families: Vec<(String, u64)> =
                metadata.iter().map(|(family, m)| (family.clone(), cache::metadata_hash(m))).collect();
            let place = Place { tenant, cache: &cache, minute, first };
            if let Err(failure) = self.append_part(&place, part, metadata, &labels, &mut stored).await {
                stored.failure = Some(failure);
                break;
            }
            cache.keep_families(families.into_iter());
            first += size;
        }
        stored.rejected.sort_unstable_by_key(|r| r.row);
        stored
    }

    fn news(&self, cache: &TenantCache, metadata: Vec<(String, Metadata)>) -> Vec<(String, Metadata)> {
        metadata.into_iter().filter(|(family, m)| cache.is_news(family, cache::metadata_hash(m))).collect()
    }

    async fn append_part(
        &self,
        place: &Place<'_>,
        part: Vec<IntakeRow>,
        metadata: Vec<(String, Metadata)>,
        labels: &impl Fn(usize) -> Labels,
        stored: &mut Stored,
    ) -> Result<(), AppendError> {
        let keys: Vec<SeriesKey> = part.iter().map(|row| row.key).collect();
        let hints = place.hints(&keys);
        let mut batch = WriteBatch {
            tenant: place.tenant.clone(),
            rows: Vec::with_capacity(part.len()),
            metadata,
            exemplars: Vec::new(),
        };
        let mut kept: Vec<Option<WriteRow>> = Vec::with_capacity(part.len());
        for (at, row) in part.into_iter().enumerate() {
            let names = if hints[at].is_some() { Labels::empty() } else { labels(place.first + at) };
            let row = WriteRow { labels: names, hint: hints[at], sample: row.sample, exemplars: row.exemplars };
            // Rows by reference may have to be sent again.
            kept.push(row.hint.is_some().then(|| row.clone()));
            batch.rows.push(row);
        }
        let report = self.sink.append(batch).await?;
        let mut again = WriteBatch { tenant: place.tenant.clone(), ..WriteBatch::default() };
        let mut again_at = Vec::new();
        for rejection in &report.rejected {
            match kept[rejection.row].take() {
                Some(row) if rejection.reason == RejectReason::UnknownSeries => {
                    let labels = labels(place.first + rejection.row);
                    again.rows.push(WriteRow { labels, hint: None, ..row });
                    again_at.push(rejection.row);
                }
                _ => {
                    stored.rejected.push(Rejection { row: place.first + rejection.row, reason: rejection.reason });
                }
            }
        }
        stored.samples += (keys.len() - report.rejected.len()) as u64;
        self.remember(place, &keys, &hints, &report);
        if again.rows.is_empty() {
            return Ok(());
        }
        let report = self.sink.append(again).await?;
        stored.samples += (again_at.len() - report.rejected.len()) as u64;
        let moved = |r: &Rejection| Rejection { row: place.first + again_at[r.row], reason: r.reason };
        stored.rejected.extend(report.rejected.iter().map(moved));
        let keys: Vec<SeriesKey> = again_at.iter().map(|at| keys[*at]).collect();
        self.remember(place, &keys, &vec![None; keys.len()], &report);
        Ok(())
    }

    fn remember(&self, place: &Place<'_>, keys: &[SeriesKey], hints: &[Option<SeriesRef>], report: &AppendReport) {
        let answers = keys.iter().zip(hints).zip(&report.refs);
        let news = answers.filter_map(|((key, hint), reference)| {
            let reference = (*reference)?;
            (*hint != Some(reference)).then_some(Update { key: *key, reference, metadata: 0 })
        });
        self.caches.keep(place.cache, &news.collect::<Vec<_>>(), place.minute);
    }
}

/// Where a part of the rows belongs.
struct Place<'a> {
    tenant: &'a Tenant,
    cache: &'a TenantCache,
    minute: u32,
    /// Place of the part's first row among all rows.
    first: usize,
}

impl Place<'_> {
    fn hints(&self, keys: &[SeriesKey]) -> Vec<Option<SeriesRef>> {
        let series = self.cache.series.read();
        let known = keys.iter().map(|key| {
            let entry = series.get(key)?;
            entry.touch(self.minute);
            Some(entry.reference)
        });
        known.collect()
    }
}
