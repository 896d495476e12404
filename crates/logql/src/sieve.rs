//! A log query's stages for whoever has entries in hand: which of them pass, without a source, an engine or an answer.

use std::sync::{Arc, Mutex, PoisonError};

use model::{Clock, Labels};

use crate::error::QueryError;
use crate::pipeline::{Pipeline, StreamLabels, Wanted};
use crate::syntax::ast::LogExpr;

/// The stages of a query, compiled once. The selector is not looked at.
pub struct Sieve {
    pipeline: Mutex<Pipeline>,
    stream: StreamLabels,
}

impl Sieve {
    /// Compiles the stages; `clock` is what `now` reads in templates.
    pub fn new(query: &LogExpr, clock: &Arc<dyn Clock>) -> Result<Self, QueryError> {
        let pipeline = Pipeline::new(&query.stages, Wanted::All, clock)?;
        Ok(Sieve { pipeline: Mutex::new(pipeline), stream: StreamLabels { labels: Labels::empty() } })
    }

    /// True where an entry passes: its time in nanoseconds, its line, its structured metadata. Stages see no labels of a stream.
    pub fn passes(&self, time: i64, line: &[u8], metadata: &[(&str, &str)]) -> bool {
        let mut pipeline = self.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        pipeline.process(&self.stream, time, line, metadata).is_some()
    }
}
