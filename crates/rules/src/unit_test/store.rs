//! The store of a test: series that appear as time goes on, and what rules write.

use std::collections::VecDeque;

use config::RuleTestGroup;
use model::{
    AppendFuture, LabelRequest, Labels, Sample, SampleSink, SelectRequest, SeriesSet, SeriesSource, SourceError,
    Tenant, TimeRange, Timestamp, WriteBatch,
};
use parking_lot::{Mutex, RwLock};
use promql::engine::{Engine, QueryContext, VectorSample};
use promql::testing::MemorySource;

use super::series;
use crate::query::{Queries, to_vector};

pub(super) struct TestStore {
    /// What is still to come, in order of time.
    coming: Mutex<VecDeque<(Labels, Sample)>>,
    source: RwLock<MemorySource>,
}

impl TestStore {
    /// With the series of a test, none of which has begun.
    pub(super) fn load(test: &RuleTestGroup, start: Timestamp) -> Result<Self, String> {
        let mut coming = Vec::new();
        for input in &test.input_series {
            coming.extend(series::samples(input, start, test.interval.ms())?);
        }
        coming.sort_by_key(|(_, sample)| sample.timestamp);
        Ok(TestStore { coming: Mutex::new(coming.into()), source: RwLock::default() })
    }

    /// Lets in all samples up to a time.
    pub(super) fn advance(&self, to: Timestamp) -> Result<(), String> {
        let mut coming = self.coming.lock();
        let mut source = self.source.write();
        while coming.front().is_some_and(|(_, sample)| sample.timestamp <= to) {
            let Some((labels, sample)) = coming.pop_front() else { break };
            source.append(&labels, [sample]).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl SampleSink for TestStore {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        Box::pin(std::future::ready(Ok(self.source.write().write(batch))))
    }
}

impl SeriesSource for TestStore {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        self.source.read().select(request)
    }

    fn longest_bucket_ms(&self, tenant: &Tenant, range: TimeRange) -> i64 {
        self.source.read().longest_bucket_ms(tenant, range)
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        self.source.read().label_names(request)
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        self.source.read().label_values(name, request)
    }

    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        self.source.read().series(request)
    }
}

/// PromQL over the store of a test.
pub(super) struct TestQueries {
    pub(super) store: std::sync::Arc<TestStore>,
    pub(super) engine: Engine,
}

impl Queries for TestQueries {
    fn vector(&self, expr: &str, at: Timestamp) -> Result<Vec<VectorSample>, String> {
        let context = QueryContext { keep_parsed: true, ..QueryContext::default() };
        let result = self.engine.instant(&*self.store, &context, expr, at);
        to_vector(result.map_err(|error| error.to_string())?.value)
    }
}
