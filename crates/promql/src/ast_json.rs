//! The syntax tree as JSON, in the shape of Prometheus' `/api/v1/parse_query`.

use model::Matcher;
use model::float::format_f;
use serde_json::Value;

use crate::ast::{At, DurationExpr, Expr, Sign, VectorMatching, VectorSelector};

/// The tree as `/api/v1/parse_query` returns it in `data`. Durations count in milliseconds.
pub fn ast_to_json(expr: &Expr) -> Value {
    match expr {
        Expr::Number(e) => node("numberLiteral", [("val", format_f(e.value).into())]),
        Expr::String(e) => node("stringLiteral", [("val", e.value.as_str().into())]),
        Expr::Paren(e) => node("parenExpr", [("expr", ast_to_json(&e.expr))]),
        Expr::Unary(e) => node("unaryExpr", [("op", e.op.as_str().into()), ("expr", ast_to_json(&e.expr))]),
        Expr::StepInvariant(e) => ast_to_json(e),
        Expr::Vector(e) => selector("vectorSelector", e),
        Expr::Matrix(e) => {
            let mut out = selector("matrixSelector", &e.selector);
            out["range"] = e.range_ms.into();
            out["rangeExpr"] = duration(e.range_expr.as_ref());
            out
        }
        Expr::Subquery(e) => {
            let (timestamp, start_or_end) = at(e.at);
            node(
                "subquery",
                [
                    ("expr", ast_to_json(&e.expr)),
                    ("range", e.range_ms.into()),
                    ("rangeExpr", duration(e.range_expr.as_ref())),
                    ("offset", e.offset_ms.into()),
                    ("offsetExpr", duration(e.offset_expr.as_ref())),
                    ("step", e.step_ms.into()),
                    ("stepExpr", duration(e.step_expr.as_ref())),
                    ("timestamp", timestamp),
                    ("startOrEnd", start_or_end),
                ],
            )
        }
        Expr::Call(e) => {
            let arg_types: Vec<&str> = e.func.arg_types.iter().map(|t| t.as_str()).collect();
            let func = object([
                ("name", e.func.name.into()),
                ("argTypes", arg_types.into()),
                ("variadic", e.func.variadic.into()),
                ("returnType", e.func.return_type.as_str().into()),
            ]);
            node("call", [("func", func), ("args", e.args.iter().map(ast_to_json).collect())])
        }
        Expr::Aggregate(e) => node(
            "aggregation",
            [
                ("op", e.op.as_str().into()),
                ("expr", ast_to_json(&e.expr)),
                ("param", e.param.as_deref().map_or(Value::Null, ast_to_json)),
                ("grouping", e.grouping.as_slice().into()),
                ("without", e.without.into()),
            ],
        ),
        Expr::Binary(e) => node(
            "binaryExpr",
            [
                ("op", e.op.as_str().into()),
                ("lhs", ast_to_json(&e.lhs)),
                ("rhs", ast_to_json(&e.rhs)),
                ("matching", e.matching.as_ref().map_or(Value::Null, matching)),
                ("bool", e.return_bool.into()),
            ],
        ),
    }
}

// `json!` would copy what is put into it, and so a deep tree again at every level.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn node<const N: usize>(kind: &str, fields: [(&str, Value); N]) -> Value {
    let kind = ("type", Value::from(kind));
    let fields = std::iter::once(kind).chain(fields);
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn selector(kind: &str, e: &VectorSelector) -> Value {
    let (timestamp, start_or_end) = at(e.at);
    node(
        kind,
        [
            ("name", e.name.as_deref().unwrap_or("").into()),
            ("offset", e.offset_ms.into()),
            ("offsetExpr", duration(e.offset_expr.as_ref())),
            ("matchers", e.matchers.iter().map(matcher).collect()),
            ("timestamp", timestamp),
            ("startOrEnd", start_or_end),
            ("anchored", e.anchored.into()),
            ("smoothed", e.smoothed.into()),
        ],
    )
}

fn matcher(m: &Matcher) -> Value {
    object([("name", m.name.as_str().into()), ("value", m.value.as_str().into()), ("type", m.op.as_str().into())])
}

fn matching(m: &VectorMatching) -> Value {
    let fill = |value: Option<f64>| value.map_or(Value::Null, Value::from);
    object([
        ("card", m.card.as_str().into()),
        ("labels", m.labels.as_slice().into()),
        ("on", m.on.into()),
        ("include", m.include.as_slice().into()),
        ("fillValues", object([("lhs", fill(m.fill_left)), ("rhs", fill(m.fill_right))])),
    ])
}

fn at(at: Option<At>) -> (Value, Value) {
    match at {
        None => (Value::Null, Value::Null),
        Some(At::Timestamp(ms)) => (ms.into(), Value::Null),
        Some(At::Start) => (Value::Null, "start".into()),
        Some(At::End) => (Value::Null, "end".into()),
    }
}

fn duration(expr: Option<&DurationExpr>) -> Value {
    expr.map_or(Value::Null, duration_node)
}

fn duration_node(expr: &DurationExpr) -> Value {
    let operation = |op: &str, lhs: Value, rhs: Value| {
        node("durationExpr", [("op", op.into()), ("lhs", lhs), ("rhs", rhs), ("wrapped", false.into())])
    };
    match expr {
        DurationExpr::Number(n) => {
            node("numberLiteral", [("val", format_f(n.value).into()), ("duration", n.duration.into())])
        }
        DurationExpr::Step(_) => operation("step", Value::Null, Value::Null),
        DurationExpr::Range(_) => operation("range", Value::Null, Value::Null),
        DurationExpr::Unary { op, operand, .. } => operation(op.as_str(), Value::Null, duration_node(operand)),
        DurationExpr::Binary { op, lhs, rhs, .. } => operation(op.as_str(), duration_node(lhs), duration_node(rhs)),
        DurationExpr::Paren { inner, .. } => {
            // A number in parentheses has nothing to carry the mark, so Prometheus puts a plus before it.
            let mut out = match &**inner {
                number @ DurationExpr::Number(_) => operation(Sign::Plus.as_str(), Value::Null, duration_node(number)),
                other => duration_node(other),
            };
            out["wrapped"] = true.into();
            out
        }
    }
}
