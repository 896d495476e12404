//! Subqueries: the inner expression on a grid of its own, its result as the samples of a range.

use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram};

use super::buckets::Buckets;
use super::select::Lookup;
use super::series::{Series, Steps};
use super::windows::Samples;
use super::{Evaluated, Evaluator, is_present};
use crate::ast::Subquery;
use crate::engine::{MatrixSeries, QueryError};

/// An evaluated subquery.
pub(crate) struct Inner {
    pub(crate) series: Vec<Series>,
    pub(crate) steps: Steps,
}

impl Evaluator<'_> {
    /// Evaluates the inner expression wherever the steps of this evaluator look. The grid is aligned to multiples of the
    /// subquery's step, independent of the query's times.
    fn eval_inner(&mut self, subquery: &Subquery) -> Result<(Inner, super::SampleStats), QueryError> {
        let lookup = Lookup::new(subquery.at, subquery.offset_ms);
        let (first, last) = lookup.extent(self.steps);
        let interval = if subquery.step_ms > 0 {
            subquery.step_ms
        } else {
            self.query.options.no_step_subquery_interval_ms.max(1)
        };
        let after = first.saturating_sub(subquery.range_ms);
        let mut start = interval * (after / interval);
        if start <= after {
            start += interval;
        }
        let steps = Steps::between(start, last, interval);
        self.query.check_steps(steps)?;
        let mut inner = Evaluator { buckets: Buckets::Needed, ..Evaluator::new(self.query, steps) };
        let value = inner.eval(&subquery.expr)?;
        self.notes.merge(inner.notes);
        self.stats.add_downsampled(inner.stats.downsampled);
        let series = match value {
            Evaluated::Vector(series) => series,
            Evaluated::Scalar(column) => vec![Series::of_scalar(column)],
            Evaluated::Text(_) | Evaluated::Ranges(_) => Vec::new(),
        };
        Ok((Inner { series, steps }, inner.stats))
    }

    /// A subquery as the argument of a range function.
    pub(crate) fn eval_subquery_argument(&mut self, subquery: &Subquery) -> Result<Inner, QueryError> {
        let (inner, stats) = self.eval_inner(subquery)?;
        let count = self.steps.count;
        if count <= 1 {
            if let Some(first) = self.stats.read.first_mut() {
                *first += stats.read.iter().sum::<u64>();
            }
            return Ok(inner);
        }
        for (k, samples) in stats.read.iter().enumerate().filter(|(_, n)| **n > 0) {
            let time = inner.steps.at(k) + subquery.offset_ms;
            let ahead = time - self.steps.start;
            let step = if ahead > 0 { (ahead + self.steps.interval - 1) / self.steps.interval } else { 0 };
            let step = (step as usize).min(count - 1);
            // Samples that fall between two windows of the outer query are read for nothing and not counted.
            if time > self.steps.at(step) - subquery.range_ms {
                self.stats.read[step] += samples;
            }
        }
        Ok(inner)
    }

    /// A subquery as the result of the query.
    pub(crate) fn eval_bare_subquery(&mut self, subquery: &Subquery) -> Result<Vec<(MatrixSeries, bool)>, QueryError> {
        let (inner, stats) = self.eval_inner(subquery)?;
        if let Some(last) = self.stats.total.last_mut() {
            *last += stats.total.iter().sum::<u64>();
        }
        if let Some(last) = self.stats.read.last_mut() {
            *last += stats.read.iter().sum::<u64>();
        }
        let steps = inner.steps;
        Ok(inner.series.into_iter().map(|s| (s.drop_name, s)).map(|(drop, s)| (as_matrix(s, steps), drop)).collect())
    }
}

/// A column as samples at the times of its steps.
pub(crate) fn as_matrix(series: Series, steps: Steps) -> MatrixSeries {
    let live = |(_, v): &(usize, &f64)| is_present(**v);
    MatrixSeries {
        labels: series.labels,
        floats: series.floats.iter().enumerate().filter(live).map(|(step, v)| (steps.at(step), *v)).collect(),
        histograms: series.histograms.into_iter().map(|(step, h)| (steps.at(step as usize), h)).collect(),
    }
}

/// A column as the samples of a range. Reset hints speak of neighbours in the store, which a subquery may skip or repeat, so
/// they are forgotten.
pub(crate) fn load_samples(samples: &mut Samples, series: &Series, steps: Steps) {
    samples.clear();
    for (step, v) in series.floats.iter().enumerate().filter(|(_, v)| is_present(**v)) {
        samples.float_times.push(steps.at(step));
        samples.floats.push(*v);
    }
    for (step, histogram) in &series.histograms {
        let histogram = match histogram.counter_reset_hint {
            CounterResetHint::CounterReset | CounterResetHint::NotCounterReset => {
                Arc::new(FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..(**histogram).clone() })
            }
            CounterResetHint::Unknown | CounterResetHint::Gauge => Arc::clone(histogram),
        };
        samples.push_histogram(steps.at(*step as usize), histogram);
    }
}
