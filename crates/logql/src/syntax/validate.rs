//! What a query means nothing without: Loki's checks beyond the grammar, with its words.

use model::Matcher;

use super::ast::{
    Binary, BinaryOp, Comparison, Expr, Grouping, LogRange, Matching, MetricExpr, RangeAggregation, RangeOp, Stage,
    VectorOp,
};
use crate::vector_math::merge_literals;

const NO_MATCHER: &str = "queries require at least one regexp or equality matcher that does not have an empty-compatible value. \
     For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";

/// Every selector has a matcher that an absent label does not satisfy, or a search behind it, which is over all streams.
pub(super) fn selectors(expr: &Expr) -> Result<(), String> {
    let is_narrow = |matchers: &[Matcher]| matchers.iter().any(|matcher| !matcher.matches_empty());
    let is_search = |stages: &[Stage]| stages.iter().any(|stage| matches!(stage, Stage::Search(_)));
    match expr.selectors().into_iter().all(|log| is_narrow(&log.matchers) || is_search(&log.stages)) {
        true => Ok(()),
        false => Err(NO_MATCHER.to_owned()),
    }
}

pub(super) fn range_aggregation(
    op: RangeOp,
    param: Option<String>,
    range: LogRange,
    grouping: Option<Grouping>,
) -> Result<RangeAggregation, String> {
    use RangeOp as R;
    let name = op.as_str();
    let param = match param {
        Some(param) if op != R::Quantile => {
            return Err(format!("parameter {param} not supported for operation {name}"));
        }
        None if op == R::Quantile => return Err(format!("parameter required for operation {name}")),
        Some(param) => {
            let value = crate::units::number(&param);
            Some(value.map_err(|error| format!("invalid parameter for operation {name}: {error}"))?)
        }
        None => None,
    };
    let groups = matches!(op, R::Avg | R::Stddev | R::Stdvar | R::Quantile | R::Max | R::Min | R::First | R::Last);
    if grouping.is_some() && !groups {
        return Err(format!("grouping not allowed for {name} aggregation"));
    }
    let reads_lines = matches!(op, R::Bytes | R::BytesRate | R::Count | R::Rate | R::Absent);
    let reads_values = !matches!(op, R::Bytes | R::BytesRate | R::Count);
    match range.unwrap.is_some() {
        true if !reads_values => Err(format!("invalid aggregation {name} with unwrap")),
        false if !reads_lines => Err(format!("invalid aggregation {name} without unwrap")),
        _ => Ok(RangeAggregation { op, param, range, grouping }),
    }
}

pub(super) fn vector_param(op: VectorOp, param: Option<&str>, grouping: Option<&Grouping>) -> Result<usize, String> {
    let name = op.as_str();
    let is_sort = matches!(op, VectorOp::Sort | VectorOp::SortDesc);
    if is_sort && grouping.is_some_and(|grouping| !grouping.names.is_empty()) {
        return Err("sort and sort_desc doesn't allow grouping by ".to_owned());
    }
    match (op.takes_param(), param) {
        (false, Some(param)) => Err(format!("unsupported parameter for operation {name}({param},")),
        (false, None) => Ok(0),
        (true, None) => Err(format!("parameter required for operation {name}")),
        (true, Some(param)) => {
            let count: i64 = param.parse().map_err(|_| format!("invalid parameter {name}({param},"))?;
            if count <= 0 {
                return Err(format!("invalid parameter (must be greater than 0) {name}({param}"));
            }
            if op == VectorOp::ApproxTopk && grouping.is_some() {
                return Err(format!("grouping not allowed for {name} aggregation"));
            }
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        }
    }
}

/// The operation; a number where both sides are numbers.
pub(super) fn binary(
    op: BinaryOp,
    matching: Matching,
    left: MetricExpr,
    right: MetricExpr,
) -> Result<MetricExpr, String> {
    let literal = |side: &str, value: f64| {
        format!("unexpected literal for {side} leg of logical/set binary operation ({}): {value:.6}", op.as_str())
    };
    match (&left, &right) {
        (MetricExpr::Literal(value), _) if op.is_set() => return Err(literal("left", *value)),
        (_, MetricExpr::Literal(value)) if op.is_set() => return Err(literal("right", *value)),
        (MetricExpr::Literal(left), MetricExpr::Literal(right)) => {
            return Ok(MetricExpr::Literal(merge_literals(op, *left, *right)));
        }
        _ => {}
    }
    Ok(MetricExpr::Binary(Box::new(Binary { op, matching, left, right })))
}

/// What may stand to the right of a comparison in a label filter.
pub(super) fn expected_operand(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal | Comparison::NotEqual => "",
        _ => "BYTES or NUMBER or DURATION",
    }
}
