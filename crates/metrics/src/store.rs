//! The front door: opens a data directory and serves as sink and source.

use std::path::Path;
use std::sync::Arc;

use model::{
    AppendError, AppendFuture, Clock, LabelRequest, Labels, Matcher, Metadata, SampleSink, SelectRequest, SeriesSet,
    SeriesSource, SourceError, Tenant, TimeRange, WriteBatch,
};
use prometheus_client::registry::Registry;

use crate::{HeadStats, RecoveryReport, SeriesExemplars, StoreError, StoreOptions, StoreStats};

/// A metric store in one directory, for any number of tenants.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// Opens or creates the store in `dir`. Damaged files are set aside and reported, never a reason to fail.
    pub fn open(
        dir: &Path,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Store>, RecoveryReport), StoreError> {
        let _ = (dir, options, clock);
        Ok((Arc::new(Store {}), RecoveryReport::default()))
    }

    /// Metadata by metric family name, sorted; at most `limit` families (0 for all), or only those of `metric`.
    pub fn metadata(&self, tenant: &Tenant, limit: usize, metric: Option<&str>) -> Vec<(String, Metadata)> {
        let _ = (tenant, limit, metric);
        Vec::new()
    }

    /// Exemplars in `range` of the series that match all matchers of at least one set.
    pub fn exemplars(&self, tenant: &Tenant, sets: &[Vec<Matcher>], range: TimeRange) -> Vec<SeriesExemplars> {
        let _ = (tenant, sets, range);
        Vec::new()
    }

    /// Numbers about the whole store.
    pub fn stats(&self) -> StoreStats {
        StoreStats::default()
    }

    /// Numbers about one tenant's head, with the `top` entries of each list.
    pub fn head_stats(&self, tenant: &Tenant, top: usize) -> HeadStats {
        let _ = (tenant, top);
        HeadStats::default()
    }

    /// Tenants with data, sorted.
    pub fn tenants(&self) -> Vec<Tenant> {
        Vec::new()
    }

    /// Does what is due: flush, merge, retention. Called by the store itself unless `options.background` is off.
    pub fn maintain(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Writes everything in memory to files and empties the log.
    pub fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes no more samples, flushes and stops the threads of the store. Reading stays possible.
    pub fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Adds the store's metrics, under Prometheus' own names where it has one.
    pub fn register(&self, registry: &mut Registry) {
        let _ = registry;
    }
}

impl SampleSink for Store {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        let _ = batch;
        Box::pin(async { Err(AppendError::Closed) })
    }
}

impl SeriesSource for Store {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        let _ = request;
        Err(SourceError::Storage("not open".into()))
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let _ = request;
        Ok(Vec::new())
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let _ = (name, request);
        Ok(Vec::new())
    }

    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        let _ = request;
        Ok(Vec::new())
    }
}
