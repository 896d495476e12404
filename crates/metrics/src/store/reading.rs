//! The way out: what the query languages read.

use model::{
    LabelRequest, Labels, Matcher, Metadata, SelectRequest, SeriesRef, SeriesSet, SeriesSource, SourceError, Tenant,
    TimeRange,
};

use super::Store;
use crate::SeriesExemplars;
use crate::select::{self, Reader};

impl Store {
    fn reader(&self, tenant: &Tenant) -> Reader {
        let pin = self.shared.epochs.pin();
        Reader::new(pin, self.head(tenant), self.shelf.clone())
    }

    /// Metadata by metric family name, sorted; at most `limit` families (0 for all), or only that of `metric`.
    pub fn metadata(
        &self,
        tenant: &Tenant,
        limit: usize,
        metric: Option<&str>,
    ) -> Result<Vec<(String, Metadata)>, SourceError> {
        select::metadata(&self.reader(tenant), tenant, limit, metric)
    }

    /// Exemplars in `range` of the series that match all matchers of at least one set, sorted by labels.
    pub fn exemplars(
        &self,
        tenant: &Tenant,
        sets: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<Vec<SeriesExemplars>, SourceError> {
        select::exemplars(&self.reader(tenant), tenant, sets, range)
    }

    /// What a metric says of itself, as long as it is in memory; a histogram's `_bucket` says what its family says.
    pub fn metadata_of(&self, tenant: &Tenant, metric: &str) -> Option<Metadata> {
        self.head(tenant)?.metadata_of(metric)
    }

    /// The labels behind a reference that [`SampleSink::append`] answered, as long as the series is in memory.
    pub fn labels_of(&self, tenant: &Tenant, reference: SeriesRef) -> Option<Labels> {
        self.head(tenant)?.labels_of(reference)
    }
}

impl SeriesSource for Store {
    fn longest_bucket_ms(&self, tenant: &Tenant, range: TimeRange) -> i64 {
        let view = self.shelf.view();
        let near = |resolution: i64| TimeRange {
            start: range.start.plus_ms(resolution.saturating_neg()),
            end: range.end.plus_ms(resolution),
        };
        let thinned = view.manifest.blocks.iter().filter(|entry| entry.resolution_ms > 0 && entry.tenant == *tenant);
        let within = thinned.filter(|entry| entry.range.overlaps(&near(entry.resolution_ms)));
        within.map(|entry| entry.resolution_ms).max().unwrap_or(0)
    }

    fn missing(&self, tenant: &Tenant, range: TimeRange) -> Vec<String> {
        let mut missing = self.shelf.met_damage(tenant, range);
        missing.extend(self.shelf.view().gaps(tenant, range));
        missing
    }

    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        select::select(self.reader(request.tenant), request)
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        select::label_names(&self.reader(request.tenant), request)
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        select::label_values(&self.reader(request.tenant), name, request)
    }

    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        select::series(&self.reader(request.tenant), request)
    }
}
