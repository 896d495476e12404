//! Binary operators: between scalars, vectors and scalars, and matched vectors.

use std::collections::HashMap;
use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram, Labels, SampleValue, stale_nan};

use super::matching::{Signatures, changes_meaning, match_labels, result_labels};
use super::{Evaluated, Evaluator, Series, is_present};
use crate::annotations::{Annotation, Annotations, HistogramOperation, Notice};
use crate::ast::{Binary, BinaryOp, MatchCardinality, ValueType, VectorMatching};
use crate::engine::QueryError;

/// The notices of one operation: Prometheus keeps of each step only the one of the last sample that gave any.
#[derive(Default)]
struct LastNotices {
    /// By step; empty until the first.
    by_step: Vec<Option<Annotation>>,
}

impl LastNotices {
    fn set(&mut self, step: usize, steps: usize, annotation: Annotation) {
        self.by_step.resize(steps, None);
        self.by_step[step] = Some(annotation);
    }

    fn add_to(self, notes: &mut Annotations) {
        self.by_step.into_iter().flatten().for_each(|annotation| notes.add(annotation));
    }
}

/// What an operation on two samples gives.
enum Outcome<'n> {
    /// A value; a comparison also says whether it holds.
    Value(SampleValue, bool, Option<Notice<'n>>),
    /// Nothing, and why.
    Refused(Notice<'n>),
}

fn float(v: f64) -> Outcome<'static> {
    Outcome::Value(SampleValue::Float(v), true, None)
}

fn histogram(mut h: FloatHistogram, compact: bool, notice: Option<Notice<'_>>) -> Outcome<'_> {
    if compact {
        h.compact();
    }
    Outcome::Value(SampleValue::Histogram(Arc::new(h)), true, notice)
}

impl Evaluator<'_> {
    pub(crate) fn eval_binary(&mut self, binary: &Binary) -> Result<Evaluated, QueryError> {
        let (left, right) = (binary.lhs.value_type(), binary.rhs.value_type());
        if left == ValueType::Scalar && right == ValueType::Scalar {
            let (l, r) = (self.eval_scalar(&binary.lhs)?, self.eval_scalar(&binary.rhs)?);
            let column = l.into_iter().zip(r).map(|(l, r)| scalar_operation(binary.op, l, r)).collect();
            return Ok(Evaluated::Scalar(column));
        }
        if left == ValueType::Scalar || right == ValueType::Scalar {
            return self.vector_and_scalar(binary, left == ValueType::Scalar).map(Evaluated::Vector);
        }
        let left = self.eval_vector(&binary.lhs)?;
        let right = self.eval_vector(&binary.rhs)?;
        let Some(matching) = &binary.matching else {
            return Err(QueryError::execution("binary operation between vectors without matching"));
        };
        if binary.op.is_set() {
            return self.set_operation(binary.op, left, right, matching).map(Evaluated::Vector);
        }
        self.matched(binary, matching, left, right).map(Evaluated::Vector)
    }

    fn vector_and_scalar(&mut self, binary: &Binary, scalar_first: bool) -> Result<Vec<Series>, QueryError> {
        let (mut vector, scalar) = if scalar_first {
            let scalar = self.eval_scalar(&binary.lhs)?;
            (self.eval_vector(&binary.rhs)?, scalar)
        } else {
            let vector = self.eval_vector(&binary.lhs)?;
            (vector, self.eval_scalar(&binary.rhs)?)
        };
        let (op, position) = (binary.op, binary.span.start);
        let drop_name = changes_meaning(op) || binary.return_bool;
        let arithmetic = arithmetic(op);
        let mut notices = LastNotices::default();
        for series in &mut vector {
            if let (Some(function), true) = (arithmetic, series.histograms.is_empty()) {
                for (v, other) in series.floats.iter_mut().zip(&scalar).filter(|(v, _)| is_present(**v)) {
                    *v = if scalar_first { function(*other, *v) } else { function(*v, *other) };
                }
                self.mark_name_dropped(series);
                continue;
            }
            let mut out = Series::new(Labels::empty());
            for (step, other) in scalar.iter().copied().enumerate() {
                let Some(value) = series.value(step) else { continue };
                let scalar_value = SampleValue::Float(other);
                let outcome = if scalar_first {
                    operation(op, &scalar_value, &value)
                } else {
                    operation(op, &value, &scalar_value)
                };
                let (mut result, holds) = match outcome {
                    Outcome::Value(result, holds, _) => (result, holds),
                    Outcome::Refused(notice) => {
                        notices.set(step, self.steps.count, notice.at(position));
                        continue;
                    }
                };
                if op.is_comparison() && scalar_first {
                    result = value;
                }
                if binary.return_bool {
                    result = SampleValue::Float(f64::from(u8::from(holds)));
                }
                if holds || binary.return_bool {
                    out.set(step, result, self.steps.count);
                }
            }
            series.floats = out.floats;
            series.histograms = out.histograms;
            if drop_name {
                self.mark_name_dropped(series);
            }
        }
        notices.add_to(&mut self.notes);
        self.finish(vector)
    }

    fn matched(
        &mut self,
        binary: &Binary,
        matching: &VectorMatching,
        left: Vec<Series>,
        right: Vec<Series>,
    ) -> Result<Vec<Series>, QueryError> {
        // From here on `many` is the side that may have several series for a signature.
        let swapped = matching.card == MatchCardinality::OneToMany;
        let (many, one) = if swapped { (&right, &left) } else { (&left, &right) };
        // The values are not swapped along: Prometheus fills the "one" side with `fill_right` whichever side that is.
        let (fill_one, fill_many) = (matching.fill_right, matching.fill_left);
        if (many.is_empty() || one.is_empty()) && fill_one.is_none() && fill_many.is_none() {
            return Ok(Vec::new());
        }
        let signatures = Signatures::new(many, one, matching);
        let many_of = Signatures::members(&signatures.left, signatures.count);
        let one_of = Signatures::members(&signatures.right, signatures.count);
        let has_fill = fill_one.is_some() || fill_many.is_some();
        self.check_one_side(matching, many, one, &one_of, has_fill)?;

        let mut join = Join {
            binary,
            matching,
            swapped,
            steps: self.steps.count,
            drop_name: !self.query.options.delayed_name_removal && binary.return_bool,
            output: Vec::new(),
            places: HashMap::new(),
            matched: vec![None; if fill_many.is_some() { signatures.count } else { 0 }],
            notices: LastNotices::default(),
        };
        for (at, series) in many.iter().enumerate() {
            if at % 256 == 0 {
                self.query.check()?;
            }
            let signature = signatures.left[at];
            for other in &one_of[signature] {
                join.pair(signature, series, &one[*other])?;
            }
            if let Some(fill) = fill_one {
                let filled = fill_series(series, fill, matching, self.steps.count, |step| {
                    !one_of[signature].iter().any(|o| one[*o].is_present_at(step))
                });
                join.pair(signature, series, &filled)?;
            }
        }
        if let Some(fill) = fill_many {
            for (at, series) in one.iter().enumerate() {
                let signature = signatures.right[at];
                let matched = join.matched[signature].clone();
                let filled = fill_series(series, fill, matching, self.steps.count, |step| {
                    !matched.as_ref().is_some_and(|m| m[step])
                });
                join.pair(signature, &filled, series)?;
            }
        }
        if matching.card == MatchCardinality::OneToOne {
            self.check_many_side(binary.op, &many_of, &one_of, many, one, fill_one)?;
        }
        join.notices.add_to(&mut self.notes);
        let output = join.output.into_iter().map(|o| o.series).collect();
        self.finish(output)
    }

    /// On the "one" side a signature may have one series at a time.
    fn check_one_side(
        &self,
        matching: &VectorMatching,
        many: &[Series],
        one: &[Series],
        one_of: &[Vec<usize>],
        has_fill: bool,
    ) -> Result<(), QueryError> {
        let mut first: Option<(usize, usize, usize)> = None;
        for members in one_of.iter().filter(|m| m.len() > 1) {
            for step in 0..self.steps.count {
                if first.is_some_and(|(found, ..)| found < step) {
                    break;
                }
                let mut present = members.iter().copied().filter(|m| one[*m].is_present_at(step));
                if let (Some(a), Some(b)) = (present.next(), present.next()) {
                    let earlier = first.is_none_or(|(s, _, other)| (step, b) < (s, other));
                    let any_many = has_fill || many.iter().any(|m| m.is_present_at(step));
                    if earlier && any_many {
                        first = Some((step, a, b));
                    }
                }
            }
        }
        let Some((_, a, b)) = first else { return Ok(()) };
        let side = if matching.card == MatchCardinality::OneToMany { "left" } else { "right" };
        let mut names = [one[a].labels.to_string(), one[b].labels.to_string()];
        names.sort();
        Err(QueryError::execution(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}]\
             ;many-to-many matching not allowed: matching labels must be unique on one side",
            match_labels(&one[b].labels, matching),
            names[0],
            names[1]
        )))
    }

    /// One-to-one: a signature may also have only one series at a time on the other side, wherever it meets something that
    /// it can be combined with.
    fn check_many_side(
        &self,
        op: BinaryOp,
        many_of: &[Vec<usize>],
        one_of: &[Vec<usize>],
        many: &[Series],
        one: &[Series],
        fill: Option<f64>,
    ) -> Result<(), QueryError> {
        for (members, others) in many_of.iter().zip(one_of).filter(|(m, _)| m.len() > 1) {
            for step in 0..self.steps.count {
                let partner = others.iter().find_map(|o| one[*o].value(step)).or(fill.map(SampleValue::Float));
                let Some(partner) = partner else { continue };
                let combined = |value: SampleValue| !matches!(operation(op, &value, &partner), Outcome::Refused(_));
                if members.iter().filter(|m| many[**m].value(step).is_some_and(combined)).count() > 1 {
                    return Err(QueryError::execution(
                        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A stand-in for a missing partner: the fill value wherever `missing` says so.
fn fill_series(
    partner: &Series,
    fill: f64,
    matching: &VectorMatching,
    steps: usize,
    missing: impl Fn(usize) -> bool,
) -> Series {
    let mut filled = Series::new(match_labels(&partner.labels, matching));
    for step in 0..steps {
        if partner.is_present_at(step) && missing(step) {
            filled.set_float(step, fill, steps);
        }
    }
    filled
}

/// Output series and the steps at which they were met, filtered values included.
struct Output {
    series: Series,
    signature: usize,
    met: Vec<bool>,
}

/// The state of one matched operation.
struct Join<'a> {
    binary: &'a Binary,
    matching: &'a VectorMatching,
    swapped: bool,
    steps: usize,
    drop_name: bool,
    output: Vec<Output>,
    /// By labels: the output series that have them, for different signatures.
    places: HashMap<Labels, Vec<usize>>,
    /// By signature the steps that found a partner; kept only where the "many" side is filled.
    matched: Vec<Option<Vec<bool>>>,
    notices: LastNotices,
}

impl Join<'_> {
    /// Operates on all steps at which both series have a value.
    fn pair(&mut self, signature: usize, many: &Series, one: &Series) -> Result<(), QueryError> {
        let (op, return_bool) = (self.binary.op, self.binary.return_bool);
        if self.pair_floats(signature, many, one) {
            return Ok(());
        }
        let many_to_one = self.matching.card != MatchCardinality::OneToOne;
        let mut place = None;
        for step in 0..self.steps {
            let (Some(m), Some(o)) = (many.value(step), one.value(step)) else { continue };
            let outcome = if self.swapped { operation(op, &o, &m) } else { operation(op, &m, &o) };
            let (value, holds, notice) = match outcome {
                Outcome::Value(value, holds, notice) => (value, holds, notice),
                Outcome::Refused(notice) => {
                    self.notices.set(step, self.steps, notice.at(self.binary.span.start));
                    continue;
                }
            };
            if let Some(notice) = notice {
                self.notices.set(step, self.steps, notice.at(self.binary.span.start));
            }
            if let Some(matched) = self.matched.get_mut(signature) {
                matched.get_or_insert_with(|| vec![false; self.steps])[step] = true;
            }
            let place = *place.get_or_insert_with(|| self.place(signature, many, one));
            let out = &mut self.output[place];
            if many_to_one && std::mem::replace(&mut out.met[step], true) {
                return Err(QueryError::execution(
                    "multiple matches for labels: grouping labels must ensure unique matches",
                ));
            }
            let value = if return_bool { SampleValue::Float(f64::from(u8::from(holds))) } else { value };
            if !holds && !return_bool {
                continue;
            }
            if out.series.is_present_at(step) {
                return Err(QueryError::execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
            match value {
                SampleValue::Float(v) => out.series.set_float(step, v, self.steps),
                SampleValue::Histogram(h) => {
                    let at = out.series.histograms.partition_point(|(s, _)| (*s as usize) < step);
                    out.series.histograms.insert(at, (step as u32, h));
                }
            }
        }
        Ok(())
    }

    /// The usual case, at full speed: arithmetic of floats whose result has its labels for itself. False where it is not.
    fn pair_floats(&mut self, signature: usize, many: &Series, one: &Series) -> bool {
        let Some(function) = arithmetic(self.binary.op) else { return false };
        let only_floats = many.histograms.is_empty() && one.histograms.is_empty();
        if !only_floats || !self.matched.is_empty() || many.floats.is_empty() || one.floats.is_empty() {
            return false;
        }
        let labels = result_labels(&many.labels, &one.labels, self.binary.op, self.matching, self.drop_name);
        if self.places.contains_key(&labels) {
            return false;
        }
        let mut met = vec![false; self.steps];
        let pairs = many.floats.iter().zip(&one.floats).zip(&mut met);
        let column: Vec<f64> = pairs
            .map(|((m, o), met)| {
                *met = is_present(*m) && is_present(*o);
                match (*met, self.swapped) {
                    (false, _) => stale_nan(),
                    (true, false) => function(*m, *o),
                    (true, true) => function(*o, *m),
                }
            })
            .collect();
        if met.contains(&true) {
            self.places.insert(labels.clone(), vec![self.output.len()]);
            let series = Series { floats: column, drop_name: self.binary.return_bool, ..Series::new(labels) };
            self.output.push(Output { series, signature, met });
        }
        true
    }

    fn place(&mut self, signature: usize, many: &Series, one: &Series) -> usize {
        let labels = result_labels(&many.labels, &one.labels, self.binary.op, self.matching, self.drop_name);
        let places = self.places.entry(labels.clone()).or_default();
        if let Some(place) = places.iter().find(|p| self.output[**p].signature == signature) {
            return *place;
        }
        places.push(self.output.len());
        self.output.push(Output {
            series: Series { drop_name: self.binary.return_bool, ..Series::new(labels) },
            signature,
            met: vec![false; self.steps],
        });
        self.output.len() - 1
    }
}

/// The function of an arithmetic operator.
fn arithmetic(op: BinaryOp) -> Option<fn(f64, f64) -> f64> {
    Some(match op {
        BinaryOp::Add => |l, r| l + r,
        BinaryOp::Sub => |l, r| l - r,
        BinaryOp::Mul => |l, r| l * r,
        BinaryOp::Div => |l, r| l / r,
        BinaryOp::Pow => f64::powf,
        BinaryOp::Mod => |l, r| l % r,
        BinaryOp::Atan2 => f64::atan2,
        _ => return None,
    })
}

fn scalar_operation(op: BinaryOp, l: f64, r: f64) -> f64 {
    match operation(op, &SampleValue::Float(l), &SampleValue::Float(r)) {
        Outcome::Value(SampleValue::Float(v), holds, _) => {
            if op.is_comparison() {
                f64::from(u8::from(holds))
            } else {
                v
            }
        }
        _ => f64::NAN,
    }
}

fn operation<'n>(op: BinaryOp, left: &SampleValue, right: &SampleValue) -> Outcome<'n> {
    use SampleValue::{Float, Histogram};
    let refuse = |left, right| Outcome::Refused(Notice::IncompatibleTypes { left, operator: op.as_str(), right });
    match (left, right) {
        (Float(l), Float(r)) => {
            let (l, r) = (*l, *r);
            let compare = |holds| Outcome::Value(Float(l), holds, None);
            match op {
                BinaryOp::Eq => compare(l == r),
                BinaryOp::Ne => compare(l != r),
                BinaryOp::Gt => compare(l > r),
                BinaryOp::Lt => compare(l < r),
                BinaryOp::Ge => compare(l >= r),
                BinaryOp::Le => compare(l <= r),
                _ => match arithmetic(op) {
                    Some(function) => float(function(l, r)),
                    None => refuse("float", "float"),
                },
            }
        }
        (Float(l), Histogram(r)) => match op {
            BinaryOp::Mul => scaled(r, |h| h.mul(*l)),
            _ => refuse("float", "histogram"),
        },
        (Histogram(l), Float(r)) => match op {
            BinaryOp::Mul => scaled(l, |h| h.mul(*r)),
            BinaryOp::Div => scaled(l, |h| h.div(*r)),
            BinaryOp::TrimUpper => trimmed(l, |h| h.trim_above(*r)),
            BinaryOp::TrimLower => trimmed(l, |h| h.trim_below(*r)),
            _ => refuse("histogram", "float"),
        },
        (Histogram(l), Histogram(r)) => match op {
            BinaryOp::Add | BinaryOp::Sub => sum_or_difference(op, l, r),
            BinaryOp::Eq => Outcome::Value(Histogram(Arc::clone(l)), l.same_data(r), None),
            BinaryOp::Ne => Outcome::Value(Histogram(Arc::clone(l)), !l.same_data(r), None),
            _ => refuse("histogram", "histogram"),
        },
    }
}

fn scaled<'n>(h: &FloatHistogram, change: impl Fn(&mut FloatHistogram)) -> Outcome<'n> {
    let mut result = h.clone();
    change(&mut result);
    histogram(result, true, None)
}

fn trimmed<'n>(h: &FloatHistogram, change: impl Fn(&mut FloatHistogram)) -> Outcome<'n> {
    let mut result = h.clone();
    change(&mut result);
    histogram(result, false, None)
}

fn sum_or_difference<'n>(op: BinaryOp, left: &FloatHistogram, right: &FloatHistogram) -> Outcome<'n> {
    let mut result = left.clone();
    let (merged, operation) = if op == BinaryOp::Add {
        (result.add(right), HistogramOperation::Addition)
    } else {
        (result.sub(right), HistogramOperation::Subtraction)
    };
    let Ok(merged) = merged else {
        return Outcome::Refused(Notice::IncompatibleBucketLayout { operator: op.as_str() });
    };
    if op == BinaryOp::Sub {
        result.counter_reset_hint = CounterResetHint::Gauge;
    }
    if merged.counter_reset_collision {
        return Outcome::Refused(Notice::CounterResetCollision(operation));
    }
    histogram(result, true, merged.bounds_reconciled.then_some(Notice::MismatchedCustomBuckets(operation)))
}
