//! The front door for queries: text and times in, a value with annotations and statistics out.
//!
//! An [`Engine`] holds only options, so one engine serves all threads. A query runs on the calling thread (and on rayon's
//! pool where there is enough work); it blocks, so callers keep it off async threads.

mod error;
mod stats;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{SeriesSource, Tenant, Timestamp};

pub use error::QueryError;
pub use stats::{QueryStats, QueryTimings, StepStat};
pub use value::{MatrixSeries, Value, VectorSample};

use crate::annotations::Annotations;

/// How queries are read and evaluated. The default is what Prometheus does without feature flags.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How long a sample stays visible to instant selectors, in milliseconds.
    pub lookback_delta_ms: i64,
    /// Samples that one query may hold in memory at a time; a histogram counts for several.
    pub max_samples: usize,
    /// Time that one query may take.
    pub timeout: Duration,
    /// Step of subqueries that name none, in milliseconds: Prometheus takes the global evaluation interval.
    pub no_step_subquery_interval_ms: i64,
    /// Drop `__name__` only when the result is assembled (`promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Let rate, increase and resets look at start timestamps (`use-start-timestamps`).
    pub use_start_timestamps: bool,
    /// Treat `__type__` and `__unit__` as belonging to the metric name (`type-and-unit-labels`).
    pub type_and_unit_labels: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            lookback_delta_ms: 5 * 60 * 1000,
            max_samples: 50_000_000,
            timeout: Duration::from_secs(120),
            no_step_subquery_interval_ms: 60 * 1000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
        }
    }
}

/// Raised by a caller that no longer wants the answer; clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks the query to stop at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once [`CancelFlag::cancel`] was called.
    pub fn is_canceled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Who asks, and what this one query wants different from the engine's options.
#[derive(Clone, Debug, Default)]
pub struct QueryContext {
    /// Whose series are read.
    pub tenant: Tenant,
    /// Raised when the caller goes away.
    pub cancel: CancelFlag,
    /// Overrides [`EngineOptions::lookback_delta_ms`]; `None` or a value below 1 keeps it.
    pub lookback_delta_ms: Option<i64>,
    /// Overrides [`EngineOptions::timeout`] where it is shorter.
    pub timeout: Option<Duration>,
    /// Collect [`QueryStats`] per step as well (`stats=all`).
    pub per_step_stats: bool,
}

/// What a query answers.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The value. Vectors come in the order of evaluation, matrices sorted by labels.
    pub value: Value,
    /// Warnings and infos, to be rendered with the query's text.
    pub annotations: Annotations,
    /// What was read and how long it took.
    pub stats: QueryStats,
}

/// Evaluates queries.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    options: EngineOptions,
}

impl Engine {
    /// An engine with these options.
    pub fn new(options: EngineOptions) -> Self {
        Engine { options }
    }

    /// The options.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Evaluates `query` at one instant. The value is a scalar, string, vector, or (for range selectors) a matrix.
    pub fn instant(
        &self,
        _source: &dyn SeriesSource,
        _ctx: &QueryContext,
        _query: &str,
        _at: Timestamp,
    ) -> Result<QueryResult, QueryError> {
        Err(QueryError::Execution("the evaluator is not there yet".into()))
    }

    /// Evaluates `query` at `start`, `start + step_ms`, ... up to and including `end`. The value is a matrix.
    pub fn range(
        &self,
        _source: &dyn SeriesSource,
        _ctx: &QueryContext,
        _query: &str,
        _start: Timestamp,
        _end: Timestamp,
        _step_ms: i64,
    ) -> Result<QueryResult, QueryError> {
        Err(QueryError::Execution("the evaluator is not there yet".into()))
    }
}
