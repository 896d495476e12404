//! The door to query languages.

use std::sync::Arc;

use model::{SeriesSource, Timestamp};
use parking_lot::RwLock;
use promql::engine::{CancelFlag, Engine, QueryContext, Value, VectorSample};

/// Evaluates the expressions of rules and templates. The calls block.
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
        let context = QueryContext { cancel: self.cancel.clone(), ..QueryContext::default() };
        let result = engine.instant(&*self.source, &context, expr, at).map_err(|e| e.to_string())?;
        to_vector(result.value)
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
