//! The front door for queries: a tree and times in, a value with statistics out.
//!
//! An [`Engine`] holds only options, so one engine serves all threads. A query runs on the calling thread and on rayon's
//! pool; it blocks, so callers keep it off async threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::{Clock, LogSource, MemoryPool, Reservation, SystemClock, Tenant};

use crate::error::QueryError;
use crate::eval::{Run, Steps, logs, metric};
use crate::syntax::ast::{Expr, MetricExpr};
use crate::value::{MatrixSeries, Value, VectorSample};

/// How queries are evaluated.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What this and all other queries may take of the process' memory.
    pub memory: Arc<MemoryPool>,
    /// Time that one query may take.
    pub timeout: Duration,
    /// Steps that a range query may have.
    pub max_steps: u64,
    /// What `now` reads in templates.
    pub clock: Arc<dyn Clock>,
}

impl Default for EngineOptions {
    /// No limit of memory, a minute, 11,000 steps.
    fn default() -> Self {
        EngineOptions {
            memory: MemoryPool::unlimited(),
            timeout: Duration::from_secs(60),
            max_steps: 11_000,
            clock: Arc::new(SystemClock),
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

/// How far a query has come; clones share the figures.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    pages: AtomicU64,
    pages_done: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// Pages that the query has found so far, and pages that it is done with.
    pub fn pages(&self) -> (u64, u64) {
        (self.0.pages.load(Ordering::Relaxed), self.0.pages_done.load(Ordering::Relaxed))
    }

    /// Lines looked at, one by one or as a column, and the bytes that were read for it.
    pub fn read(&self) -> (u64, u64) {
        (self.0.lines.load(Ordering::Relaxed), self.0.bytes.load(Ordering::Relaxed))
    }

    pub(crate) fn found(&self, pages: u64) {
        self.0.pages.fetch_add(pages, Ordering::Relaxed);
    }

    pub(crate) fn page_done(&self) {
        self.0.pages_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, lines: u64, bytes: u64) {
        self.0.lines.fetch_add(lines, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Who asks, and what this one query wants different from the engine's options.
#[derive(Clone, Debug, Default)]
pub struct QueryContext {
    /// Whose streams are read.
    pub tenant: Tenant,
    /// Raised when the caller goes away.
    pub cancel: CancelFlag,
    /// Overrides [`EngineOptions::timeout`] where it is shorter.
    pub timeout: Option<Duration>,
    /// Tells how far the query has come while it runs.
    pub progress: Progress,
}

/// Which entries come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The oldest.
    Forward,
    /// The newest.
    #[default]
    Backward,
}

/// What a range query asks for. Times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeParams {
    /// First step of a metric query; start of the entries of a log query, included.
    pub start: i64,
    /// Last possible step; end of the entries, not included.
    pub end: i64,
    /// Between two steps of a metric query.
    pub step: i64,
    /// Log queries: entries closer than this to the one before are left out; 0 for all.
    pub interval: i64,
    /// Log queries: at most so many entries; 0 for all.
    pub limit: usize,
    /// Log queries: which entries come first, and with a limit alone.
    pub direction: Direction,
}

/// What a query answers.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The value.
    pub value: Value,
    /// What was read and how long it took.
    pub stats: QueryStats,
    /// What the reader of the answer should know, such as stored data that was damaged and left out.
    pub warnings: Vec<String>,
    /// The memory that the value is accounted with, until this is dropped.
    pub reservation: Arc<Reservation>,
}

/// What a query read, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Bytes that were read: lines, metadata, columns.
    pub bytes_processed: u64,
    /// Lines that were looked at, one by one, as a column, or counted by a header.
    pub lines_processed: u64,
    /// Lines or points in the answer.
    pub entries_returned: u64,
    /// Streams that were selected.
    pub streams: u64,
    /// Pages that lie in the range.
    pub pages: u64,
    /// Pages of which more than the header was read.
    pub pages_read: u64,
    /// Time from call to answer.
    pub execution: Duration,
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

    /// Entries of a log query as [`Value::Streams`], or a metric query at `start`, `start + step`, ... up to and including
    /// `end` as [`Value::Matrix`].
    pub fn query_range(
        &self,
        source: &dyn LogSource,
        ctx: &QueryContext,
        query: &Expr,
        params: &RangeParams,
    ) -> Result<QueryResult, QueryError> {
        if params.end < params.start {
            return Err(QueryError::BadRequest("end timestamp must not be before or equal to start time".to_owned()));
        }
        let run = self.open(source, ctx);
        let value = match query {
            Expr::Log(log) => Value::Streams(logs::select(&run, log, params)?),
            Expr::Metric(metric) => {
                if params.step <= 0 {
                    let message =
                        "zero or negative query resolution step widths are not accepted. Try a positive integer";
                    return Err(QueryError::BadRequest(message.to_owned()));
                }
                let steps = Steps::between(params.start, params.end, params.step);
                if steps.count as u64 > self.options.max_steps {
                    let message = "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter";
                    return Err(QueryError::BadRequest(message.to_owned()));
                }
                let series = match metric {
                    MetricExpr::Literal(value) => metric::constant(&run, *value, steps)?,
                    metric => metric::evaluate(&run, metric, steps)?,
                };
                run.take(MatrixSeries::bytes_of(&series))?;
                let values = series.iter().map(|series| series.values.bytes()).sum();
                let matrix = MatrixSeries::join(series, steps);
                run.give_back(values);
                Value::Matrix(matrix)
            }
        };
        Ok(run.finish(value))
    }

    /// A metric query at one time, in nanoseconds: [`Value::Vector`], or [`Value::Scalar`] for a number.
    pub fn query_instant(
        &self,
        source: &dyn LogSource,
        ctx: &QueryContext,
        query: &Expr,
        time: i64,
    ) -> Result<QueryResult, QueryError> {
        let run = self.open(source, ctx);
        let ms = time.div_euclid(1_000_000);
        let value = match query {
            Expr::Log(_) => {
                let message = "log queries are not supported as an instant query type, please change your query to a range query type";
                return Err(QueryError::BadRequest(message.to_owned()));
            }
            Expr::Metric(MetricExpr::Literal(value)) => Value::Scalar(ms, *value),
            Expr::Metric(metric) => {
                let steps = Steps { start: time, step: 1, count: 1 };
                let mut series = metric::evaluate(&run, metric, steps)?;
                if !metric.is_sorted() {
                    series.sort_by(|a, b| a.labels.cmp(&b.labels));
                }
                Value::Vector(VectorSample::of(series, ms))
            }
        };
        Ok(run.finish(value))
    }

    pub(crate) fn open<'r>(&'r self, source: &'r dyn LogSource, ctx: &'r QueryContext) -> Run<'r> {
        let timeout = ctx.timeout.map_or(self.options.timeout, |timeout| timeout.min(self.options.timeout));
        Run::new(source, ctx, &self.options, Instant::now(), timeout)
    }
}
