//! The evaluator: every node of the tree is evaluated for all steps at once, series by series.
//!
//! A vector is a list of [`Series`], each a column of values over the steps. What depends only on labels (grouping,
//! matching, renaming) is therefore done once per series, and what depends on samples runs over plain columns.

mod account;
mod aggregate;
mod binary;
mod buckets;
mod calls;
mod count_values;
mod finish;
mod float_columns;
mod grouping;
mod info;
mod matching;
mod missing;
mod prepare;
mod profile;
mod range_call;
mod rank;
mod select;
mod series;
mod set_ops;
mod slide;
mod smooth;
mod subquery;
mod windows;

use std::time::Instant;

use model::{SeriesSource, Tenant};

pub(crate) use account::{Account, Level, SampleStats};
pub(crate) use finish::drop_reserved;
pub(crate) use missing::Missing;
pub(crate) use prepare::prepare;
pub(crate) use profile::Profile;
pub(crate) use series::{SERIES_BYTES, Series, Steps, is_present};
pub(crate) use subquery::as_matrix;
pub(crate) use windows::Window;

use self::buckets::Buckets;
use crate::annotations::Annotations;
use crate::ast::{Expr, Sign};
use crate::engine::{CancelFlag, EngineOptions, MatrixSeries, Progress, QueryError};

/// The deepest query that the parser lets pass is a thousand nodes deep. Threads of a server have two megabytes of stack, so
/// evaluation takes another piece of this many bytes whenever less than the reserve is left.
const STACK_PIECE: usize = 1 << 20;
const STACK_RESERVE: usize = 128 << 10;

/// What all parts of one query share.
pub(crate) struct Query<'q> {
    /// As written, because some errors quote it.
    pub(crate) text: &'q str,
    pub(crate) source: &'q dyn SeriesSource,
    pub(crate) tenant: &'q Tenant,
    pub(crate) cancel: &'q CancelFlag,
    pub(crate) deadline: Option<Instant>,
    pub(crate) options: &'q EngineOptions,
    pub(crate) lookback_ms: i64,
    pub(crate) account: Account,
    pub(crate) progress: &'q Progress,
    /// What selections say is missing from them.
    pub(crate) missing: &'q Missing,
    /// Where the query is to be explained.
    pub(crate) profile: Option<&'q Profile>,
}

impl Query<'_> {
    /// Refuses grids that no column could be kept for.
    pub(crate) fn check_steps(&self, steps: Steps) -> Result<(), QueryError> {
        if steps.count > self.options.max_samples { Err(QueryError::TooManySamples) } else { Ok(()) }
    }

    /// Fails once the caller is gone or the time is up.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.cancel.is_canceled() {
            return Err(QueryError::Canceled(QueryError::EVALUATION));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(QueryError::Timeout(QueryError::EVALUATION)),
            _ => Ok(()),
        }
    }
}

/// Bytes of a series of samples at their own times.
fn range_bytes(series: &MatrixSeries) -> usize {
    let histograms: usize = series.histograms.iter().map(|(_, h)| h.accounted_bytes()).sum();
    series.labels.encoded_len() + SERIES_BYTES + 16 * series.floats.len() + histograms
}

/// The value of a node.
pub(crate) enum Evaluated {
    /// One number per step.
    Scalar(Vec<f64>),
    /// Columns over the steps.
    Vector(Vec<Series>),
    /// A string literal.
    Text(String),
    /// Samples at their own times: a bare range selector or subquery. The flag says that the name is to be dropped.
    Ranges(Vec<(MatrixSeries, bool)>),
}

/// Evaluates nodes over one grid of steps; subqueries use another evaluator with their own grid.
pub(crate) struct Evaluator<'q> {
    pub(crate) query: &'q Query<'q>,
    pub(crate) steps: Steps,
    pub(crate) stats: SampleStats,
    pub(crate) notes: Annotations,
    /// How the node at hand wants histograms read.
    buckets: Buckets,
}

impl<'q> Evaluator<'q> {
    pub(crate) fn new(query: &'q Query<'q>, steps: Steps) -> Self {
        let (stats, notes) = (SampleStats::new(steps.count), Annotations::default());
        Evaluator { query, steps, stats, notes, buckets: Buckets::default() }
    }

    /// Evaluates a node; afterwards the account holds what the node's value holds.
    pub(crate) fn eval(&mut self, expr: &Expr) -> Result<Evaluated, QueryError> {
        self.query.check()?;
        if self.steps.count == 0 {
            return Ok(Evaluated::Vector(Vec::new()));
        }
        let before = self.query.account.level();
        let buckets = self.buckets;
        self.buckets = buckets.below(expr);
        let profile = self.query.profile.filter(|_| profile::is_noted(expr));
        if let Some(profile) = profile {
            profile.open(self.query, expr, self.steps);
        }
        let value = stacker::maybe_grow(STACK_RESERVE, STACK_PIECE, || self.eval_node(expr));
        self.buckets = buckets;
        let value = value?;
        if let Some(profile) = profile {
            profile.close(&value);
        }
        let held = match &value {
            Evaluated::Scalar(column) => (column.len(), 0),
            Evaluated::Vector(series) => {
                (series.iter().map(Series::samples).sum(), series.iter().map(Series::bytes_besides_samples).sum())
            }
            Evaluated::Text(_) => (0, 0),
            // As in Prometheus, no samples: but they are there.
            Evaluated::Ranges(ranges) => (0, ranges.iter().map(|(series, _)| range_bytes(series)).sum()),
        };
        let (samples, series_bytes) = (before.samples + held.0, before.series_bytes + held.1);
        self.query.account.settle(Level { samples, series_bytes })?;
        self.query.progress.hold(self.query.account.bytes());
        Ok(value)
    }

    fn eval_node(&mut self, expr: &Expr) -> Result<Evaluated, QueryError> {
        match expr {
            Expr::Number(number) => Ok(Evaluated::Scalar(vec![number.value; self.steps.count])),
            Expr::String(text) => Ok(Evaluated::Text(text.value.clone())),
            Expr::Paren(paren) => self.eval(&paren.expr),
            Expr::Vector(selector) => self.eval_vector_selector(selector).map(Evaluated::Vector),
            Expr::Matrix(selector) => self.eval_bare_matrix(selector).map(Evaluated::Ranges),
            Expr::Subquery(subquery) => self.eval_bare_subquery(subquery).map(Evaluated::Ranges),
            Expr::Call(call) => self.eval_call(call),
            Expr::Aggregate(aggregate) => self.eval_aggregate(aggregate).map(Evaluated::Vector),
            Expr::Binary(binary) => self.eval_binary(binary),
            Expr::Unary(unary) => {
                let value = self.eval(&unary.expr)?;
                if unary.op == Sign::Plus { Ok(value) } else { self.negate(value) }
            }
            Expr::StepInvariant(inner) => self.eval_step_invariant(inner),
        }
    }

    /// Evaluates a node that gives a vector.
    pub(crate) fn eval_vector(&mut self, expr: &Expr) -> Result<Vec<Series>, QueryError> {
        match self.eval(expr)? {
            Evaluated::Vector(series) => Ok(series),
            Evaluated::Scalar(column) => Ok(vec![Series::of_scalar(column)]),
            Evaluated::Text(_) | Evaluated::Ranges(_) => {
                Err(QueryError::execution("expected an instant vector".to_owned()))
            }
        }
    }

    /// Evaluates a node that gives a scalar.
    pub(crate) fn eval_scalar(&mut self, expr: &Expr) -> Result<Vec<f64>, QueryError> {
        match self.eval(expr)? {
            Evaluated::Scalar(column) => Ok(column),
            _ if self.steps.count == 0 => Ok(Vec::new()),
            _ => Err(QueryError::execution("expected a scalar".to_owned())),
        }
    }

    fn negate(&mut self, value: Evaluated) -> Result<Evaluated, QueryError> {
        let mut series = match value {
            Evaluated::Scalar(column) => return Ok(Evaluated::Scalar(column.into_iter().map(|v| -v).collect())),
            Evaluated::Vector(series) => series,
            other => return Ok(other),
        };
        for one in &mut series {
            self.mark_name_dropped(one);
            one.map_floats(|v| -v);
            one.map_histograms(|h| {
                let mut negative = h.clone();
                negative.mul(-1.0);
                negative
            });
        }
        if !self.query.options.delayed_name_removal {
            series = finish::merge_same_labels(series)?;
        }
        Ok(Evaluated::Vector(series))
    }

    /// The result of a function or operator has another meaning than its operand, so the metric's name must go: now, or at
    /// the end where removal is delayed.
    pub(crate) fn mark_name_dropped(&self, series: &mut Series) {
        if !self.query.options.delayed_name_removal {
            series.labels = drop_reserved(&series.labels);
        }
        series.drop_name = true;
    }

    fn eval_step_invariant(&mut self, inner: &Expr) -> Result<Evaluated, QueryError> {
        let mut once =
            Evaluator { buckets: self.buckets, ..Evaluator::new(self.query, Steps { count: 1, ..self.steps }) };
        let value = once.eval(inner)?;
        self.notes.merge(once.notes);
        self.stats.repeat(&once.stats);
        Ok(match value {
            Evaluated::Scalar(column) => Evaluated::Scalar(vec![column[0]; self.steps.count]),
            Evaluated::Vector(series) => {
                Evaluated::Vector(series.into_iter().map(|s| s.spread(self.steps.count)).collect())
            }
            other => other,
        })
    }
}
