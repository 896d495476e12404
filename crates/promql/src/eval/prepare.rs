//! Makes an expression ready for evaluation: times and durations become numbers, parts that cannot change from step to step
//! are marked, superfluous parentheses go.

use crate::ast::{At, DurationExpr, DurationOp, Expr, NumberLiteral, Sign, VectorSelector, walk_mut};
use crate::engine::QueryError;

/// Start, end and step of the query in milliseconds; an instant query has step 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryTimes {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

/// Functions whose value changes with the time of evaluation even if their arguments do not.
const TIME_DEPENDENT: [&str; 15] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// Resolves everything that is known before the first sample is read.
pub(crate) fn prepare(expr: &Expr, start: i64, end: i64, step: i64) -> Result<Expr, QueryError> {
    let times = QueryTimes { start, end, step };
    let mut expr = expr.clone();
    let mut failure = None;
    walk_mut(&mut expr, &mut |node| {
        fold_context_call(node, times);
        if let Err(error) = resolve_times(node, times) {
            failure.get_or_insert(error);
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let (_, wrap) = mark_invariant(&mut expr);
    Ok(if wrap { Expr::StepInvariant(Box::new(expr)) } else { expr })
}

/// `start()`, `end()`, `range()` and `step()` are constants of the query, in seconds.
fn fold_context_call(node: &mut Expr, times: QueryTimes) {
    let Expr::Call(call) = node else { return };
    let value = match call.func.name {
        "start" => times.start as f64 / 1000.0,
        "end" => times.end as f64 / 1000.0,
        "range" => (times.end - times.start) as f64 / 1000.0,
        "step" if times.start == times.end => 0.0,
        "step" => times.step as f64 / 1000.0,
        _ => return,
    };
    *node = Expr::Number(NumberLiteral { value, duration: false, span: call.span });
}

fn resolve_times(node: &mut Expr, times: QueryTimes) -> Result<(), QueryError> {
    match node {
        Expr::Vector(selector) => resolve_selector(selector, times),
        Expr::Matrix(matrix) => {
            if let Some(range) = &matrix.range_expr {
                matrix.range_ms = duration_ms(range, times, false)?;
            }
            resolve_selector(&mut matrix.selector, times)
        }
        Expr::Subquery(subquery) => {
            if let Some(offset) = &subquery.offset_expr {
                subquery.offset_ms = duration_ms(offset, times, true)?;
            }
            if let Some(step) = &subquery.step_expr {
                subquery.step_ms = duration_ms(step, times, false)?;
            }
            if let Some(range) = &subquery.range_expr {
                subquery.range_ms = duration_ms(range, times, false)?;
            }
            resolve_at(&mut subquery.at, times);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn resolve_selector(selector: &mut VectorSelector, times: QueryTimes) -> Result<(), QueryError> {
    if let Some(offset) = &selector.offset_expr {
        selector.offset_ms = duration_ms(offset, times, true)?;
    }
    resolve_at(&mut selector.at, times);
    Ok(())
}

fn resolve_at(at: &mut Option<At>, times: QueryTimes) {
    match at {
        Some(At::Start) => *at = Some(At::Timestamp(times.start)),
        Some(At::End) => *at = Some(At::Timestamp(times.end)),
        Some(At::Timestamp(_)) | None => {}
    }
}

fn duration_ms(expr: &DurationExpr, times: QueryTimes, negative_allowed: bool) -> Result<i64, QueryError> {
    const MAX_SECONDS: f64 = 9_223_372_036.854_776;
    let fail = |why: &str| {
        let span = expr.span();
        Err(QueryError::Parse(format!("{}:{}: {why}", span.start, span.end)))
    };
    let seconds = duration_seconds(expr, times)?;
    if !seconds.is_finite() {
        return fail("duration is NaN or infinite");
    }
    if seconds <= 0.0 && !negative_allowed {
        return fail("duration must be greater than 0");
    }
    if seconds.abs() > MAX_SECONDS {
        return fail("duration is out of range");
    }
    Ok((seconds * 1000.0) as i64)
}

fn duration_seconds(expr: &DurationExpr, times: QueryTimes) -> Result<f64, QueryError> {
    Ok(match expr {
        DurationExpr::Number(number) => number.value,
        DurationExpr::Step(_) => times.step as f64 / 1000.0,
        DurationExpr::Range(_) => (times.end - times.start) as f64 / 1000.0,
        DurationExpr::Paren { inner, .. } => duration_seconds(inner, times)?,
        DurationExpr::Unary { op, operand, .. } => {
            let value = duration_seconds(operand, times)?;
            if *op == Sign::Minus { -value } else { value }
        }
        DurationExpr::Binary { op, lhs, rhs, span } => {
            let (l, r) = (duration_seconds(lhs, times)?, duration_seconds(rhs, times)?);
            let fail = |why: &str| Err(QueryError::Parse(format!("{}:{}: {why}", span.start, span.end)));
            match op {
                DurationOp::Add => l + r,
                DurationOp::Sub => l - r,
                DurationOp::Mul => l * r,
                DurationOp::Div if r == 0.0 => return fail("division by zero"),
                DurationOp::Div => l / r,
                DurationOp::Mod if r == 0.0 => return fail("modulo by zero"),
                DurationOp::Mod => l % r,
                DurationOp::Pow => l.powf(r),
                DurationOp::MinOf => l.min(r),
                DurationOp::MaxOf => l.max(r),
            }
        }
    })
}

/// Wraps the highest parts whose value is the same at every step. Answers whether the node is such a part, and whether
/// wrapping it makes sense: literals and range selectors are never wrapped.
fn mark_invariant(node: &mut Expr) -> (bool, bool) {
    match node {
        Expr::Number(_) | Expr::String(_) => (true, false),
        Expr::Vector(selector) => (selector.at.is_some(), selector.at.is_some()),
        Expr::Matrix(matrix) => (matrix.selector.at.is_some(), false),
        Expr::Subquery(subquery) => {
            if mark_invariant(&mut subquery.expr).0 {
                wrap(&mut subquery.expr);
            }
            (subquery.at.is_some(), false)
        }
        Expr::Paren(paren) => mark_invariant(&mut paren.expr),
        Expr::Unary(unary) => mark_invariant(&mut unary.expr),
        Expr::StepInvariant(_) => (true, false),
        Expr::Aggregate(aggregate) => {
            unwrap_parens(&mut aggregate.expr);
            if let Some(param) = &mut aggregate.param {
                unwrap_parens(param);
                // A parameter that changes from step to step makes the whole change.
                let (invariant, wrap_param) = mark_invariant(param);
                if !invariant {
                    let (_, wrap_operand) = mark_invariant(&mut aggregate.expr);
                    if wrap_operand {
                        wrap(&mut aggregate.expr);
                    }
                    return (false, false);
                }
                let (operand_invariant, operand_wrap) = mark_invariant(&mut aggregate.expr);
                if !operand_invariant && wrap_param {
                    wrap(param);
                }
                return (operand_invariant, operand_wrap);
            }
            mark_invariant(&mut aggregate.expr)
        }
        Expr::Binary(binary) => {
            let (left, wrap_left) = mark_invariant(&mut binary.lhs);
            let (right, wrap_right) = mark_invariant(&mut binary.rhs);
            if left && right {
                return (true, true);
            }
            if wrap_left {
                wrap(&mut binary.lhs);
            }
            if wrap_right {
                wrap(&mut binary.rhs);
            }
            (false, false)
        }
        Expr::Call(call) => {
            let mut invariant = !TIME_DEPENDENT.contains(&call.func.name);
            // timestamp() of a pinned selector is pinned as well; of anything else it gives the step's time.
            let mut pinned_timestamp = call.func.name == "timestamp";
            let mut to_wrap = Vec::with_capacity(call.args.len());
            for arg in &mut call.args {
                unwrap_parens(arg);
                let (arg_invariant, wrap_arg) = mark_invariant(arg);
                to_wrap.push(wrap_arg);
                invariant &= arg_invariant;
                pinned_timestamp &= arg_invariant && matches!(arg, Expr::Vector(_));
            }
            if invariant || pinned_timestamp {
                return (true, true);
            }
            for (arg, wrap_arg) in call.args.iter_mut().zip(to_wrap) {
                if wrap_arg {
                    wrap(arg);
                }
            }
            (false, false)
        }
    }
}

fn wrap(expr: &mut Expr) {
    let inner = take(expr);
    *expr = Expr::StepInvariant(Box::new(inner));
}

fn unwrap_parens(expr: &mut Expr) {
    while let Expr::Paren(_) = expr {
        let Expr::Paren(paren) = take(expr) else { return };
        *expr = *paren.expr;
    }
}

fn take(expr: &mut Expr) -> Expr {
    let placeholder = Expr::Number(NumberLiteral { value: 0.0, duration: false, span: expr.span() });
    std::mem::replace(expr, placeholder)
}

/// Byte offset that annotations about an argument name. A subquery stands in Prometheus' evaluator for a selector without a
/// place in the text, so annotations about it point to the start of the query.
pub(crate) fn selector_span(expr: &Expr) -> usize {
    match expr {
        Expr::Subquery(_) => 0,
        other => other.span().start,
    }
}
