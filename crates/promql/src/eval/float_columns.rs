//! What a group of floats has gathered, by step, for the operations that need only one or two numbers of it: plain columns, so
//! that adding a series is one pass without branches.

use model::histogram::kahan_inc;
use model::stale_nan;

use super::{Series, is_present};
use crate::ast::AggregateOp;

/// The columns of one group; a step that has met no float holds the marker of absence.
pub(crate) struct FloatColumns {
    op: AggregateOp,
    values: Vec<f64>,
    /// Rounding errors, of sums only.
    errors: Vec<f64>,
    drop_name: bool,
}

impl FloatColumns {
    /// Columns that hold a group's first series, or `None` where it or the operation does not fit.
    pub(crate) fn new(op: AggregateOp, first: &Series) -> Option<Self> {
        use AggregateOp::{Count, Group, Max, Min, Sum};
        if !matches!(op, Sum | Count | Group | Min | Max) || !first.histograms.is_empty() || first.floats.is_empty() {
            return None;
        }
        let steps = first.floats.len();
        let errors = if op == Sum { vec![0.0; steps] } else { Vec::new() };
        let mut columns = FloatColumns { op, values: vec![stale_nan(); steps], errors, drop_name: first.drop_name };
        columns.add(&first.floats);
        Some(columns)
    }

    /// True where a series can be added.
    pub(crate) fn takes(&self, series: &Series) -> bool {
        series.histograms.is_empty() && series.drop_name == self.drop_name && series.floats.len() == self.values.len()
    }

    pub(crate) fn drop_name(&self) -> bool {
        self.drop_name
    }

    /// Value and rounding error of each step that has met a float.
    pub(crate) fn gathered(&self) -> impl Iterator<Item = Option<(f64, f64)>> {
        let error = |step: usize| self.errors.get(step).copied().unwrap_or(0.0);
        self.values.iter().enumerate().map(move |(step, v)| is_present(*v).then(|| (*v, error(step))))
    }

    /// Adds the floats of a series that fits.
    pub(crate) fn add(&mut self, floats: &[f64]) {
        match self.op {
            AggregateOp::Sum => {
                for ((sum, error), v) in self.values.iter_mut().zip(&mut self.errors).zip(floats) {
                    let grown = kahan_inc(*v, *sum, *error);
                    let grown = if is_present(*sum) { grown } else { (*v, 0.0) };
                    (*sum, *error) = if is_present(*v) { grown } else { (*sum, *error) };
                }
            }
            AggregateOp::Count => self.fold(floats, 1.0, |count, _| count + 1.0),
            AggregateOp::Max => self.fold_values(floats, |best, v| if best < v || best.is_nan() { v } else { best }),
            AggregateOp::Min => self.fold_values(floats, |best, v| if best > v || best.is_nan() { v } else { best }),
            _ => self.fold(floats, 1.0, |one, _| one),
        }
    }

    fn fold(&mut self, floats: &[f64], first: f64, next: impl Fn(f64, f64) -> f64) {
        for (held, v) in self.values.iter_mut().zip(floats) {
            let new = if is_present(*held) { next(*held, *v) } else { first };
            *held = if is_present(*v) { new } else { *held };
        }
    }

    fn fold_values(&mut self, floats: &[f64], better: impl Fn(f64, f64) -> f64) {
        for (held, v) in self.values.iter_mut().zip(floats) {
            let new = if is_present(*held) { better(*held, *v) } else { *v };
            *held = if is_present(*v) { new } else { *held };
        }
    }

    /// The column of the result.
    pub(crate) fn finish(self) -> Vec<f64> {
        let FloatColumns { mut values, errors, .. } = self;
        for (sum, error) in values.iter_mut().zip(errors) {
            *sum = if is_present(*sum) { *sum + error } else { *sum };
        }
        values
    }
}
