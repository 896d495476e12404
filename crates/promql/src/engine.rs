//! The front door for queries: text and times in, a value with annotations and statistics out.
//!
//! An [`Engine`] holds only options, so one engine serves all threads. A query runs on the calling thread (and on rayon's
//! pool where there is enough work); it blocks, so callers keep it off async threads.

mod error;
mod explain;
mod parsed;
mod progress;
mod stats;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use model::{MemoryPool, Reservation, SeriesSource, Tenant, Timestamp};

pub use error::QueryError;
pub use explain::{ExplainNode, ExplainRead};
pub use progress::Progress;
pub use stats::{QueryStats, QueryTimings, StepStat};
pub use value::{MatrixSeries, Value, VectorSample};

use parsed::ParsedQueries;

use crate::annotations::Annotations;
use crate::ast::{Expr, ValueType};
use crate::eval::{Account, Evaluated, Evaluator, Missing, Profile, Query, Series, Steps, as_matrix, prepare};
use crate::parser::ParseOptions;

/// How queries are read and evaluated. The default evaluates as Prometheus does without feature flags, and reads the whole
/// language, experimental parts included.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How long a sample stays visible to instant selectors, in milliseconds.
    pub lookback_delta_ms: i64,
    /// Samples that one query may hold in memory at a time; a histogram counts for several.
    pub max_samples: usize,
    /// What this and all other queries may take of the process' memory.
    pub memory: Arc<MemoryPool>,
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
    /// Which experimental parts of the language are understood.
    pub parse: ParseOptions,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            lookback_delta_ms: 5 * 60 * 1000,
            max_samples: 50_000_000,
            memory: MemoryPool::unlimited(),
            timeout: Duration::from_secs(120),
            no_step_subquery_interval_ms: 60 * 1000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
            parse: ParseOptions::default(),
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
    /// Tells how far the query has come while it runs.
    pub progress: Progress,
    /// Note what each node does.
    pub explain: bool,
    /// Keep what the text was parsed to, as it will be asked again: for texts of the configuration only. A kept regular
    /// expression may hold megabytes that no budget counts.
    pub keep_parsed: bool,
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
    /// What each node did, where that was asked for.
    pub explain: Option<Box<ExplainNode>>,
    /// The memory that the value is accounted with, until this is dropped.
    pub reservation: Arc<Reservation>,
}

/// Evaluates queries.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    options: EngineOptions,
    parsed: ParsedQueries,
}

impl Engine {
    /// An engine with these options.
    pub fn new(options: EngineOptions) -> Self {
        Engine { options, parsed: ParsedQueries::default() }
    }

    /// The options.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Evaluates `query` at one instant. The value is a scalar, string, vector, or (for range selectors and subqueries) a
    /// matrix.
    pub fn instant(
        &self,
        source: &dyn SeriesSource,
        ctx: &QueryContext,
        query: &str,
        at: Timestamp,
    ) -> Result<QueryResult, QueryError> {
        let steps = Steps { start: at.ms(), interval: 1, count: 1 };
        let expr = |parsed: &Expr| prepare(parsed, at.ms(), at.ms(), 0);
        self.run(source, ctx, query, steps, expr, |evaluated, kind, stats| {
            instant_value(evaluated, kind, at.ms(), stats)
        })
    }

    /// Evaluates `query` at `start`, `start + step_ms`, ... up to and including `end`. The value is a matrix, or the text of a
    /// string literal.
    pub fn range(
        &self,
        source: &dyn SeriesSource,
        ctx: &QueryContext,
        query: &str,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
    ) -> Result<QueryResult, QueryError> {
        if step_ms <= 0 {
            return Err(QueryError::Parse("zero or negative query resolution step widths are not accepted".to_owned()));
        }
        let steps = Steps::between(start.ms(), end.ms(), step_ms);
        let expr = |parsed: &Expr| {
            let kind = parsed.value_type();
            if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
                return Err(QueryError::Parse(format!(
                    "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                    kind.documented()
                )));
            }
            prepare(parsed, start.ms(), end.ms(), step_ms)
        };
        self.run(source, ctx, query, steps, expr, |evaluated, _, stats| Ok(range_value(evaluated, steps, stats)))
    }

    fn run(
        &self,
        source: &dyn SeriesSource,
        ctx: &QueryContext,
        text: &str,
        steps: Steps,
        to_plan: impl FnOnce(&Expr) -> Result<Expr, QueryError>,
        to_value: impl FnOnce(Evaluated, ValueType, &mut QueryTimings) -> Result<Value, QueryError>,
    ) -> Result<QueryResult, QueryError> {
        let begin = Instant::now();
        let parsed = if ctx.keep_parsed {
            self.parsed.get(text, &self.options.parse)?
        } else {
            Arc::new(parsed::parse_query(text, &self.options.parse)?)
        };
        let mut timings = QueryTimings { parse: begin.elapsed(), ..QueryTimings::default() };

        let prepare_begin = Instant::now();
        let kind = parsed.value_type();
        let plan = to_plan(&parsed)?;
        let timeout = ctx.timeout.map_or(self.options.timeout, |t| t.min(self.options.timeout));
        let (profile, missing) = (ctx.explain.then(Profile::default), Missing::default());
        let query = Query {
            text,
            source,
            tenant: &ctx.tenant,
            cancel: &ctx.cancel,
            deadline: begin.checked_add(timeout),
            options: &self.options,
            lookback_ms: ctx.lookback_delta_ms.filter(|l| *l > 0).unwrap_or(self.options.lookback_delta_ms),
            account: Account::new(self.options.max_samples, self.options.memory.open()),
            progress: &ctx.progress,
            missing: &missing,
            profile: profile.as_ref(),
        };
        timings.prepare = prepare_begin.elapsed();

        let eval_begin = Instant::now();
        query.check_steps(steps)?;
        let mut evaluator = Evaluator::new(&query, steps);
        let evaluated = evaluator.eval(&plan)?;
        let evaluated = match evaluated {
            Evaluated::Vector(series) => Evaluated::Vector(evaluator.drop_marked_names(series)?),
            Evaluated::Ranges(ranges) => Evaluated::Ranges(evaluator.drop_marked_range_names(ranges)?),
            other => other,
        };
        timings.inner_eval = eval_begin.elapsed();
        let value = to_value(evaluated, kind, &mut timings)?;
        timings.eval_total = prepare_begin.elapsed();
        timings.total = begin.elapsed();
        let stats = QueryStats::collect(&evaluator.stats, steps, query.account.peak(), ctx.per_step_stats, timings);
        let mut annotations = evaluator.notes;
        missing.tell(&mut annotations);
        let reservation = query.account.into_reservation();
        let explain = profile.and_then(Profile::finish).map(Box::new);
        Ok(QueryResult { value, annotations, stats, explain, reservation })
    }
}

fn instant_value(
    evaluated: Evaluated,
    kind: ValueType,
    at: i64,
    timings: &mut QueryTimings,
) -> Result<Value, QueryError> {
    Ok(match evaluated {
        Evaluated::Text(text) => Value::String(at, text),
        Evaluated::Scalar(column) => Value::Scalar(at, column.first().copied().unwrap_or(f64::NAN)),
        Evaluated::Ranges(ranges) => Value::Matrix(sorted(ranges.into_iter().map(|(m, _)| m).collect(), timings)),
        Evaluated::Vector(series) if kind == ValueType::Scalar => {
            Value::Scalar(at, series.first().and_then(|s| s.float(0)).unwrap_or(f64::NAN))
        }
        Evaluated::Vector(series) => Value::Vector(
            series
                .into_iter()
                .filter_map(|s| {
                    let value = s.value(0)?;
                    Some(VectorSample { labels: s.labels, timestamp: at, value })
                })
                .collect(),
        ),
    })
}

fn range_value(evaluated: Evaluated, steps: Steps, timings: &mut QueryTimings) -> Value {
    let series = match evaluated {
        Evaluated::Text(text) => return Value::String(steps.start, text),
        Evaluated::Scalar(column) => vec![Series::of_scalar(column)],
        Evaluated::Vector(series) => series,
        Evaluated::Ranges(ranges) => {
            return Value::Matrix(sorted(ranges.into_iter().map(|(m, _)| m).collect(), timings));
        }
    };
    Value::Matrix(sorted(series.into_iter().map(|s| as_matrix(s, steps)).collect(), timings))
}

fn sorted(mut matrix: Vec<MatrixSeries>, timings: &mut QueryTimings) -> Vec<MatrixSeries> {
    let begin = Instant::now();
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    timings.result_sort = begin.elapsed();
    matrix
}
