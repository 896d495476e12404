//! The door to query languages.

use std::sync::Arc;

use model::{LogSource, SampleValue, SeriesSource, Tenant, Timestamp};
use parking_lot::RwLock;
use promql::engine::{CancelFlag, Engine, QueryContext, Value, VectorSample};

/// Evaluates the expressions of rules and templates, all in one language. The calls block.
pub trait Queries: Send + Sync {
    /// The instant vector of an expression at a time; a scalar is a vector of one sample without labels.
    fn vector(&self, expr: &str, at: Timestamp) -> Result<Vec<VectorSample>, String>;
}

/// PromQL over a store.
pub struct PromqlQueries {
    /// Where series are read.
    pub source: Arc<dyn SeriesSource>,
    /// Evaluates; replaced by reloads.
    pub engine: Arc<RwLock<Engine>>,
    /// Raised when the server stops.
    pub cancel: CancelFlag,
}

impl Queries for PromqlQueries {
    fn vector(&self, expr: &str, at: Timestamp) -> Result<Vec<VectorSample>, String> {
        let engine = self.engine.read().clone();
        let context = QueryContext { cancel: self.cancel.clone(), keep_parsed: true, ..QueryContext::default() };
        let result = engine.instant(&*self.source, &context, expr, at).map_err(|e| e.to_string())?;
        to_vector(result.value)
    }
}

/// LogQL over a log store: the streams of the default tenant.
pub struct LogqlQueries {
    /// Where streams are read.
    pub source: Arc<dyn LogSource>,
    /// Evaluates.
    pub engine: logql::Engine,
    /// Raised when the server stops.
    pub cancel: logql::CancelFlag,
}

impl Queries for LogqlQueries {
    fn vector(&self, expr: &str, at: Timestamp) -> Result<Vec<VectorSample>, String> {
        let parsed = logql::parse(expr).map_err(|e| e.to_string())?;
        let context = logql::QueryContext {
            tenant: Tenant::default(),
            cancel: self.cancel.clone(),
            ..logql::QueryContext::default()
        };
        let time = at.ms().saturating_mul(1_000_000);
        let result = self.engine.query_instant(&*self.source, &context, &parsed, time).map_err(|e| e.to_string())?;
        let sample = |labels, timestamp, value| VectorSample { labels, timestamp, value: SampleValue::Float(value) };
        match result.value {
            logql::Value::Vector(samples) => {
                Ok(samples.into_iter().map(|s| sample(s.labels, s.timestamp, s.value)).collect())
            }
            logql::Value::Scalar(timestamp, value) => Ok(vec![sample(model::Labels::empty(), timestamp, value)]),
            logql::Value::Streams(_) | logql::Value::Matrix(_) => {
                Err("rule result is not a vector or scalar".to_owned())
            }
        }
    }
}

/// What a rule can use of a value.
pub(crate) fn to_vector(value: Value) -> Result<Vec<VectorSample>, String> {
    match value {
        Value::Vector(samples) => Ok(samples),
        Value::Scalar(timestamp, v) => {
            let value = model::SampleValue::Float(v);
            Ok(vec![VectorSample { labels: model::Labels::empty(), timestamp, value }])
        }
        Value::String(..) | Value::Matrix(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}
