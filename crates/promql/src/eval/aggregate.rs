//! `sum`, `avg`, `count`, `min`, `max`, `group`, `stddev`, `stdvar`, `quantile`.
//!
//! Input series stream through and are added to their group's cells, one cell per step; where the operand allows it, they are
//! never in memory all at once.

use std::sync::Arc;

use model::histogram::{HistogramSum, IncompatibleSchema, kahan_inc};
use model::{FloatHistogram, METRIC_NAME, Projection, SampleValue};

use super::float_columns::FloatColumns;
use super::grouping::Grouping;
use super::range_call::can_stream;
use super::select::{Holding, Sink, pinned_name};
use super::{Evaluator, Series, is_present};
use crate::annotations::{Annotations, HistogramOperation, Notice};
use crate::ast::{Aggregate, AggregateOp, Expr};
use crate::engine::QueryError;
use crate::functions::histogram_range::{HistogramMean, SeenHints};
use crate::functions::over_time::Mean;
use crate::functions::quantile::quantile;
use crate::functions::range_function;

/// What one group has gathered at one step.
#[derive(Clone, Default)]
struct Cell {
    floats: FloatCell,
    histograms: Option<Box<HistogramCell>>,
    /// Histograms with exponential and custom buckets met; the rest of the step is ignored.
    incompatible: bool,
    /// A float came before the histograms: nothing can come of them any more, so they are not added up and not judged.
    floats_first: bool,
    drop_name: bool,
}

#[derive(Clone, Default)]
enum FloatCell {
    #[default]
    Empty,
    /// Sum and rounding error.
    Sum(f64, f64),
    Mean(Mean),
    /// A count, or the constant of `group`.
    Number(f64),
    Extreme(f64),
    /// Count, mean and sum of squared distances (Welford).
    Spread(f64, f64, f64),
    All(Vec<f64>),
}

#[derive(Clone)]
struct HistogramCell {
    value: HistogramValue,
    hints: SeenHints,
}

#[derive(Clone)]
enum HistogramValue {
    Sum(HistogramSum),
    Mean(HistogramMean),
}

/// What one group has gathered. Many groupings put a single series in most of their groups, which needs no cells.
enum Members {
    One(Series),
    /// Floats alone, of an operation that [`FloatColumns`] knows.
    Floats(FloatColumns),
    /// By step.
    Many(Vec<Cell>),
}

/// The groups of one aggregation.
struct Groups<'a> {
    op: AggregateOp,
    grouping: Grouping<'a>,
    /// By group.
    members: Vec<Members>,
    /// What the members weigh, in samples.
    weight: usize,
    steps: usize,
    position: usize,
}

impl Evaluator<'_> {
    pub(crate) fn eval_aggregate(&mut self, aggregate: &Aggregate) -> Result<Vec<Series>, QueryError> {
        match aggregate.op {
            AggregateOp::CountValues => return self.eval_count_values(aggregate),
            op if op.takes_param() && op != AggregateOp::Quantile => return self.eval_ranked(aggregate),
            _ => {}
        }
        let quantiles = match &aggregate.param {
            Some(param) => self.eval_scalar(param)?,
            None => Vec::new(),
        };
        let mut groups = Groups {
            op: aggregate.op,
            grouping: Grouping::new(aggregate),
            members: Vec::new(),
            weight: 0,
            steps: self.steps.count,
            position: aggregate.expr.span().start,
        };
        let before = self.query.account.level();
        let mut notes = Annotations::default();
        let account = &self.query.account;
        self.stream_vector(aggregate, &mut |batch, held| {
            let weight = groups.weight;
            batch.into_iter().for_each(|series| groups.add(series, &mut notes));
            account.release(held.samples.min(account.current().saturating_sub(before.samples)));
            account.release_series(held.bytes, before);
            account.take(groups.weight - weight)?;
            Ok(())
        })?;
        let result = groups.finish(&quantiles, &mut notes);
        if let Some(param) = &aggregate.param {
            self.check_quantile_range(&quantiles, param);
        }
        self.notes.merge(notes);
        Ok(result)
    }

    fn check_quantile_range(&mut self, column: &[f64], param: &Expr) {
        let position = param.span().start;
        let mut warn = |q: f64| self.notes.add(Notice::InvalidQuantile(q).at(position));
        if column.iter().any(|q| q.is_nan()) {
            warn(f64::NAN);
        }
        let highest = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = column.iter().copied().fold(f64::INFINITY, f64::min);
        if highest > 1.0 {
            warn(highest);
        }
        if lowest < 0.0 {
            warn(lowest);
        }
    }

    fn stream_vector(&mut self, aggregate: &Aggregate, sink: Sink<'_>) -> Result<(), QueryError> {
        let (query, steps, operand) = (self.query, self.steps, &*aggregate.expr);
        let streams = match operand {
            Expr::Vector(_) => true,
            Expr::Call(call) => {
                can_stream(call, query.options.delayed_name_removal) && range_function(call.func.name).is_some()
            }
            _ => false,
        };
        match query.profile.filter(|_| streams) {
            None => self.stream_operand(aggregate, sink),
            Some(profile) => {
                profile.note_stream(query, operand, steps, sink, |sink| self.stream_operand(aggregate, sink))
            }
        }
    }

    /// Hands the operand's series on, in portions where its kind allows it, with only the labels that the grouping reads.
    fn stream_operand(&mut self, aggregate: &Aggregate, sink: Sink<'_>) -> Result<(), QueryError> {
        // Annotations name the metric and its type.
        let projected = |noted: &[&str]| {
            let mut names = aggregate.grouping.clone();
            if aggregate.without {
                names.retain(|n| n != METRIC_NAME);
                return Projection::Without(names);
            }
            for also in noted {
                if !names.iter().any(|n| n == also) {
                    names.push((*also).to_owned());
                }
            }
            Projection::Only(names)
        };
        match &*aggregate.expr {
            Expr::Vector(selector) => {
                let projection = projected(&[METRIC_NAME]);
                self.stream_vector_selector(selector, Some(&projection), sink)
            }
            Expr::Call(call) if can_stream(call, self.query.options.delayed_name_removal) => {
                let function = range_function(call.func.name);
                let Some(function) = function else { return self.hand_on(&aggregate.expr, sink) };
                let name = call.args.iter().find_map(|a| a.selector()).and_then(pinned_name);
                // The pinned name is known, and a range function drops it.
                let noted: &[&str] = if self.query.options.type_and_unit_labels { &["__type__"] } else { &[] };
                let projection = name.map(|_| projected(noted));
                self.stream_range_call(call, function, projection.as_ref(), sink)
            }
            other => self.hand_on(other, sink),
        }
    }

    fn hand_on(&mut self, expr: &Expr, sink: Sink<'_>) -> Result<(), QueryError> {
        let series = self.eval_vector(expr)?;
        let held = Holding::of(&series);
        sink(series, held)
    }
}

impl Groups<'_> {
    fn add(&mut self, series: Series, notes: &mut Annotations) {
        let group = self.grouping.group_of(&series.labels);
        let Some(members) = self.members.get_mut(group) else {
            self.weight += series.samples();
            self.members.push(Members::One(series));
            return;
        };
        let into = (self.op, self.position);
        match members {
            Members::Many(cells) => add_to_cells(cells, &series, into, notes),
            Members::Floats(columns) if columns.takes(&series) => columns.add(&series.floats),
            Members::Floats(columns) => {
                let mut cells = to_cells(columns, self.op);
                self.weight += self.steps * size_of::<Cell>() / 16;
                add_to_cells(&mut cells, &series, into, notes);
                *members = Members::Many(cells);
            }
            Members::One(first) => {
                if let Some(mut columns) = FloatColumns::new(self.op, first).filter(|c| c.takes(&series)) {
                    self.weight += self.steps;
                    columns.add(&series.floats);
                    *members = Members::Floats(columns);
                    return;
                }
                let mut cells = vec![Cell::default(); self.steps];
                self.weight += self.steps * size_of::<Cell>() / 16;
                add_to_cells(&mut cells, first, into, notes);
                add_to_cells(&mut cells, &series, into, notes);
                *members = Members::Many(cells);
            }
        }
    }

    fn finish(self, quantiles: &[f64], notes: &mut Annotations) -> Vec<Series> {
        let mut result = Vec::with_capacity(self.grouping.len());
        let (op, position) = (self.op, self.position);
        for (group, members) in self.members.into_iter().enumerate() {
            let mut out = Series::new(self.grouping.labels(group).clone());
            let close = |out: &mut Series, step: usize, cell: Cell, notes: &mut Annotations| {
                let drop_name = cell.drop_name;
                let q = quantiles.get(step).copied().unwrap_or(f64::NAN);
                if let Some(value) = cell.finish(op, q, position, notes) {
                    out.set(step, value, self.steps);
                    out.drop_name = drop_name;
                }
            };
            match members {
                Members::Floats(columns) => {
                    out.drop_name = columns.drop_name();
                    out.floats = columns.finish();
                }
                Members::Many(cells) => {
                    cells.into_iter().enumerate().for_each(|(step, cell)| close(&mut out, step, cell, notes));
                }
                Members::One(series) => {
                    for step in 0..self.steps {
                        let mut cell = Cell::default();
                        cell.add(op, series.float(step), series.histogram(step), &series, position, notes);
                        close(&mut out, step, cell, notes);
                    }
                }
            }
            if !out.is_empty() {
                result.push(out);
            }
        }
        result
    }
}

/// Cells that go on where columns do not.
fn to_cells(columns: &FloatColumns, op: AggregateOp) -> Vec<Cell> {
    let cell = |gathered: Option<(f64, f64)>| match gathered {
        None => Cell::default(),
        Some((value, error)) => {
            let floats = match op {
                AggregateOp::Sum => FloatCell::Sum(value, error),
                AggregateOp::Min | AggregateOp::Max => FloatCell::Extreme(value),
                _ => FloatCell::Number(value),
            };
            Cell { floats, drop_name: columns.drop_name(), ..Cell::default() }
        }
    };
    columns.gathered().map(cell).collect()
}

fn add_to_cells(cells: &mut [Cell], series: &Series, (op, position): (AggregateOp, usize), notes: &mut Annotations) {
    for (cell, v) in cells.iter_mut().zip(&series.floats) {
        if is_present(*v) {
            cell.add(op, Some(*v), None, series, position, notes);
        }
    }
    for (step, h) in &series.histograms {
        cells[*step as usize].add(op, None, Some(h), series, position, notes);
    }
}

impl FloatCell {
    fn add(&mut self, op: AggregateOp, v: f64) {
        match self {
            FloatCell::Empty => *self = FloatCell::first(op, v),
            FloatCell::Sum(sum, error) => (*sum, *error) = kahan_inc(v, *sum, *error),
            FloatCell::Mean(mean) => mean.add(v),
            FloatCell::Number(n) if op == AggregateOp::Count => *n += 1.0,
            FloatCell::Number(_) => {}
            FloatCell::Extreme(best) => {
                let beats = if op == AggregateOp::Max { *best < v } else { *best > v };
                if beats || best.is_nan() {
                    *best = v;
                }
            }
            FloatCell::Spread(count, mean, squares) => {
                *count += 1.0;
                let delta = v - *mean;
                *mean += delta / *count;
                *squares += delta * (v - *mean);
            }
            FloatCell::All(values) => values.push(v),
        }
    }

    fn first(op: AggregateOp, v: f64) -> Self {
        match op {
            AggregateOp::Sum => FloatCell::Sum(v, 0.0),
            AggregateOp::Avg => FloatCell::Mean(Mean::new(v)),
            AggregateOp::Min | AggregateOp::Max => FloatCell::Extreme(v),
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                FloatCell::Spread(1.0, v, if v.is_finite() { 0.0 } else { f64::NAN })
            }
            AggregateOp::Quantile => FloatCell::All(vec![v]),
            _ => FloatCell::Number(1.0),
        }
    }
}

impl Cell {
    fn add(
        &mut self,
        op: AggregateOp,
        float: Option<f64>,
        histogram: Option<&Arc<FloatHistogram>>,
        series: &Series,
        position: usize,
        notes: &mut Annotations,
    ) {
        if self.incompatible {
            return;
        }
        if let Some(v) = float {
            self.drop_name |= series.drop_name;
            self.floats.add(op, v);
        }
        if let Some(h) = histogram {
            self.add_histogram(op, h, series, position, notes);
        }
    }

    fn add_histogram(
        &mut self,
        op: AggregateOp,
        h: &Arc<FloatHistogram>,
        series: &Series,
        position: usize,
        notes: &mut Annotations,
    ) {
        match op {
            AggregateOp::Sum | AggregateOp::Avg => {}
            AggregateOp::Count | AggregateOp::Group => {
                self.drop_name |= series.drop_name;
                self.floats.add(op, 1.0);
                return;
            }
            other => {
                notes.add(Notice::HistogramIgnoredInAggregation { aggregation: other.as_str() }.at(position));
                return;
            }
        }
        self.drop_name |= series.drop_name;
        if self.floats_first {
            return;
        }
        let added = match &mut self.histograms {
            None => {
                self.floats_first = !matches!(self.floats, FloatCell::Empty);
                let value = match op {
                    AggregateOp::Sum => HistogramValue::Sum(HistogramSum::new((**h).clone())),
                    _ => HistogramValue::Mean(HistogramMean::new((**h).clone())),
                };
                let mut hints = SeenHints::default();
                hints.see(h.counter_reset_hint);
                self.histograms = Some(Box::new(HistogramCell { value, hints }));
                return;
            }
            Some(cell) => {
                cell.hints.see(h.counter_reset_hint);
                match &mut cell.value {
                    HistogramValue::Sum(sum) => sum.add(h).map(|merged| merged.bounds_reconciled),
                    HistogramValue::Mean(mean) => mean.add(h),
                }
            }
        };
        match added {
            Ok(true) => {
                notes.add(Notice::MismatchedCustomBuckets(HistogramOperation::Aggregation).at(position));
            }
            Ok(false) => {}
            Err(IncompatibleSchema) => {
                let metric = series.labels.metric_name();
                notes.add(Notice::MixedExponentialCustom { metric }.at(position));
                self.incompatible = true;
            }
        }
    }

    fn finish(self, op: AggregateOp, q: f64, position: usize, notes: &mut Annotations) -> Option<SampleValue> {
        if let Some(histograms) = self.histograms {
            if !matches!(self.floats, FloatCell::Empty) {
                notes.add(Notice::MixedFloatsHistogramsAggregation.at(position));
                return None;
            }
            if self.incompatible {
                return None;
            }
            if histograms.hints.collide() {
                notes.add(Notice::CounterResetCollision(HistogramOperation::Aggregation).at(position));
            }
            let mut value = match histograms.value {
                HistogramValue::Sum(sum) => sum.finish(),
                HistogramValue::Mean(mean) => mean.finish(),
            };
            value.compact();
            return Some(SampleValue::Histogram(Arc::new(value)));
        }
        let value = match self.floats {
            FloatCell::Empty => return None,
            FloatCell::Sum(sum, error) => sum + error,
            FloatCell::Mean(mean) => mean.value(),
            FloatCell::Number(n) | FloatCell::Extreme(n) => n,
            FloatCell::Spread(count, _, squares) if op == AggregateOp::Stdvar => squares / count,
            FloatCell::Spread(count, _, squares) => (squares / count).sqrt(),
            FloatCell::All(mut values) => quantile(q, &mut values),
        };
        Some(SampleValue::Float(value))
    }
}
