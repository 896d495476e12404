//! The syntax tree as JSON, in the shape of Prometheus' `/api/v1/parse_query`.

use model::Matcher;
use model::float::format_f;
use serde_json::{Value, json};

use crate::ast::{At, DurationExpr, Expr, Sign, VectorMatching, VectorSelector};

/// The tree as `/api/v1/parse_query` returns it in `data`. Durations count in milliseconds.
pub fn ast_to_json(expr: &Expr) -> Value {
    match expr {
        Expr::Number(e) => json!({"type": "numberLiteral", "val": format_f(e.value)}),
        Expr::String(e) => json!({"type": "stringLiteral", "val": e.value}),
        Expr::Paren(e) => json!({"type": "parenExpr", "expr": ast_to_json(&e.expr)}),
        Expr::Unary(e) => json!({"type": "unaryExpr", "op": e.op.as_str(), "expr": ast_to_json(&e.expr)}),
        Expr::StepInvariant(e) => ast_to_json(e),
        Expr::Vector(e) => selector("vectorSelector", e),
        Expr::Matrix(e) => {
            let mut out = selector("matrixSelector", &e.selector);
            out["range"] = json!(e.range_ms);
            out["rangeExpr"] = duration(e.range_expr.as_ref());
            out
        }
        Expr::Subquery(e) => {
            let (timestamp, start_or_end) = at(e.at);
            json!({
                "type": "subquery",
                "expr": ast_to_json(&e.expr),
                "range": e.range_ms,
                "rangeExpr": duration(e.range_expr.as_ref()),
                "offset": e.offset_ms,
                "offsetExpr": duration(e.offset_expr.as_ref()),
                "step": e.step_ms,
                "stepExpr": duration(e.step_expr.as_ref()),
                "timestamp": timestamp,
                "startOrEnd": start_or_end,
            })
        }
        Expr::Call(e) => json!({
            "type": "call",
            "func": {
                "name": e.func.name,
                "argTypes": e.func.arg_types.iter().map(|t| t.as_str()).collect::<Vec<_>>(),
                "variadic": e.func.variadic,
                "returnType": e.func.return_type.as_str(),
            },
            "args": e.args.iter().map(ast_to_json).collect::<Vec<_>>(),
        }),
        Expr::Aggregate(e) => json!({
            "type": "aggregation",
            "op": e.op.as_str(),
            "expr": ast_to_json(&e.expr),
            "param": e.param.as_deref().map(ast_to_json),
            "grouping": e.grouping,
            "without": e.without,
        }),
        Expr::Binary(e) => json!({
            "type": "binaryExpr",
            "op": e.op.as_str(),
            "lhs": ast_to_json(&e.lhs),
            "rhs": ast_to_json(&e.rhs),
            "matching": e.matching.as_ref().map(matching),
            "bool": e.return_bool,
        }),
    }
}

fn selector(kind: &str, e: &VectorSelector) -> Value {
    let (timestamp, start_or_end) = at(e.at);
    json!({
        "type": kind,
        "name": e.name.as_deref().unwrap_or(""),
        "offset": e.offset_ms,
        "offsetExpr": duration(e.offset_expr.as_ref()),
        "matchers": e.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "timestamp": timestamp,
        "startOrEnd": start_or_end,
        "anchored": e.anchored,
        "smoothed": e.smoothed,
    })
}

fn matcher(m: &Matcher) -> Value {
    json!({"name": m.name, "value": m.value, "type": m.op.as_str()})
}

fn matching(m: &VectorMatching) -> Value {
    json!({
        "card": m.card.as_str(),
        "labels": m.labels,
        "on": m.on,
        "include": m.include,
        "fillValues": {"lhs": m.fill_left, "rhs": m.fill_right},
    })
}

fn at(at: Option<At>) -> (Value, Value) {
    match at {
        None => (Value::Null, Value::Null),
        Some(At::Timestamp(ms)) => (json!(ms), Value::Null),
        Some(At::Start) => (Value::Null, json!("start")),
        Some(At::End) => (Value::Null, json!("end")),
    }
}

fn duration(expr: Option<&DurationExpr>) -> Value {
    expr.map_or(Value::Null, duration_node)
}

fn duration_node(expr: &DurationExpr) -> Value {
    let node = |op: &str, lhs: Value, rhs: Value| json!({"type": "durationExpr", "op": op, "lhs": lhs, "rhs": rhs, "wrapped": false});
    match expr {
        DurationExpr::Number(n) => json!({"type": "numberLiteral", "val": format_f(n.value), "duration": n.duration}),
        DurationExpr::Step(_) => node("step", Value::Null, Value::Null),
        DurationExpr::Range(_) => node("range", Value::Null, Value::Null),
        DurationExpr::Unary { op, operand, .. } => node(op.as_str(), Value::Null, duration_node(operand)),
        DurationExpr::Binary { op, lhs, rhs, .. } => node(op.as_str(), duration_node(lhs), duration_node(rhs)),
        DurationExpr::Paren { inner, .. } => {
            // A number in parentheses has nothing to carry the mark, so Prometheus puts a plus before it.
            let mut out = match &**inner {
                number @ DurationExpr::Number(_) => node(Sign::Plus.as_str(), Value::Null, duration_node(number)),
                other => duration_node(other),
            };
            out["wrapped"] = Value::Bool(true);
            out
        }
    }
}
