//! Metric queries: the tree is walked from its leaves, each of which is a range aggregation or a number.

use model::{Labels, LabelsBuilder, MatchOp, Matcher};

use super::run::Run;
use super::{Series, Steps, aggregate, binary, range};
use crate::error::QueryError;
use crate::syntax::ast::{Binary, LabelReplace, LabelReplaceArgs, MetricExpr, RangeOp, VectorAggregation, VectorOp};

/// Evaluates a metric query.
pub(crate) fn evaluate(run: &Run<'_>, expr: &MetricExpr, steps: Steps) -> Result<Vec<Series>, QueryError> {
    run.check()?;
    match expr {
        MetricExpr::Range(aggregation) => range::evaluate(run, aggregation, None, steps),
        MetricExpr::Vector(aggregation) => vector(run, aggregation, steps),
        MetricExpr::Binary(binary) => both(run, binary, steps),
        MetricExpr::VectorOf(value) => constant(run, *value, steps),
        MetricExpr::LabelReplace(replace) => {
            let LabelReplace { inner, args } = &**replace;
            let series = evaluate(run, inner, steps)?;
            let before = Series::bytes(&series);
            run.exchange(before, label_replace(args, series)?)
        }
        MetricExpr::Literal(_) => {
            Err(QueryError::BadRequest("a number stands where series are needed: write vector(n) instead".to_owned()))
        }
    }
}

/// The same value at each step.
pub(crate) fn constant(run: &Run<'_>, value: f64, steps: Steps) -> Result<Vec<Series>, QueryError> {
    run.exchange(0, vec![Series::constant(value, steps)])
}

fn vector(run: &Run<'_>, aggregation: &VectorAggregation, steps: Steps) -> Result<Vec<Series>, QueryError> {
    if let (VectorOp::Sum, MetricExpr::Range(range)) = (aggregation.op, &aggregation.inner) {
        let adds_up =
            matches!(range.op, RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum);
        if adds_up && range.grouping.is_none() {
            let series = range::evaluate(run, range, Some(&aggregation.grouping), steps)?;
            let before = Series::bytes(&series);
            return run.exchange(before, aggregate::aggregate(aggregation, series, steps));
        }
    }
    let series = evaluate(run, &aggregation.inner, steps)?;
    let before = Series::bytes(&series);
    run.exchange(before, aggregate::aggregate(aggregation, series, steps))
}

fn both(run: &Run<'_>, binary: &Binary, steps: Steps) -> Result<Vec<Series>, QueryError> {
    match (&binary.left, &binary.right) {
        (MetricExpr::Literal(value), right) => {
            Ok(binary::with_literal(binary, *value, true, evaluate(run, right, steps)?))
        }
        (left, MetricExpr::Literal(value)) => {
            Ok(binary::with_literal(binary, *value, false, evaluate(run, left, steps)?))
        }
        (left, right) => {
            let left = evaluate(run, left, steps)?;
            let right = evaluate(run, right, steps)?;
            let before = Series::bytes(&left) + Series::bytes(&right);
            run.exchange(before, binary::between(binary, left, right, steps)?)
        }
    }
}

fn label_replace(args: &LabelReplaceArgs, mut series: Vec<Series>) -> Result<Vec<Series>, QueryError> {
    let regex = crate::regexes::anchored(&args.pattern).map_err(QueryError::BadRequest)?;
    let replacement = crate::regexes::template(&args.replacement);
    for one in &mut series {
        let source = one.labels.get(&args.source).unwrap_or("");
        let Some(captures) = regex.captures(source.as_bytes()) else { continue };
        let mut value = Vec::new();
        captures.expand(replacement.as_bytes(), &mut value);
        let mut labels = one.labels.to_builder();
        labels.set(&args.target, &String::from_utf8_lossy(&value));
        one.labels = labels.build();
    }
    Ok(series)
}

/// What `absent_over_time` names its series by: labels that the selector states once, by `=`.
pub(super) fn absent_labels(matchers: &[Matcher]) -> Labels {
    let mut labels = LabelsBuilder::default();
    let mut gone: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != model::METRIC_NAME) {
        if matcher.op == MatchOp::Equal && labels.get(&matcher.name).is_empty() {
            labels.set(&matcher.name, &matcher.value);
        } else {
            gone.push(&matcher.name);
        }
    }
    for name in gone {
        labels.remove(name);
    }
    labels.build()
}
