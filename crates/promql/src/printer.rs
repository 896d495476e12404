//! Writes expressions as text: in one line as Prometheus' `Expr.String()`, or broken into lines as `format_query` does.
//!
//! What is written reads back as the same tree, positions apart.

use std::fmt::{self, Write};

use model::duration::format_duration_ms;
use model::float::{format_f, format_g, go_quote};
use model::{METRIC_NAME, MatchOp, is_valid_legacy_label_name};

use crate::ast::{
    Aggregate, At, Binary, DurationExpr, DurationOp, Expr, MatchCardinality, MatrixSelector, NumberLiteral, Sign,
    Subquery, VectorMatching, VectorSelector,
};
use crate::parser::quote_bytes;

/// Lines longer than this are broken, in bytes.
const MAX_LINE: usize = 100;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Number(e) => e.fmt(f),
            Expr::String(e) => f.write_str(&quote_bytes(e.invalid_utf8.as_deref().unwrap_or(e.value.as_bytes()))),
            Expr::Vector(e) => e.fmt(f),
            Expr::Matrix(e) => e.fmt(f),
            Expr::Subquery(e) => write!(f, "{}{}", e.expr, subquery_suffix(e)),
            Expr::Call(e) => {
                write!(f, "{}(", e.func.name)?;
                for (i, arg) in e.args.iter().enumerate() {
                    write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
                }
                f.write_char(')')
            }
            Expr::Aggregate(e) => {
                write!(f, "{}(", aggregate_head(e))?;
                if let Some(param) = &e.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", e.expr)
            }
            Expr::Binary(e) => write!(f, "{} {} {}", e.lhs, operator(e), e.rhs),
            Expr::Unary(e) => write!(f, "{}{}", e.op.as_str(), e.expr),
            Expr::Paren(e) => write!(f, "({})", e.expr),
            Expr::StepInvariant(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.duration {
            return f.write_str(&format_f(self.value));
        }
        // Prometheus counts durations in nanoseconds and writes whole milliseconds.
        let ms = ((self.value * 1e9).abs() as i64) / 1_000_000;
        write!(f, "{}{}", if self.value < 0.0 { "-" } else { "" }, format_duration_ms(ms))
    }
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_series(self, f)?;
        write_at(self.at, f)?;
        f.write_str(extension(self))?;
        write_offset(self.offset_ms, self.offset_expr.as_ref(), f)
    }
}

impl fmt::Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_series(&self.selector, f)?;
        write!(f, "[{}]{}", duration(self.range_ms, self.range_expr.as_ref()), extension(&self.selector))?;
        write_at(self.selector.at, f)?;
        write_offset(self.selector.offset_ms, self.selector.offset_expr.as_ref(), f)
    }
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DurationExpr::Number(number) => number.fmt(f),
            DurationExpr::Step(_) => f.write_str("step()"),
            DurationExpr::Range(_) => f.write_str("range()"),
            DurationExpr::Unary { op: Sign::Plus, operand, .. } => operand.fmt(f),
            DurationExpr::Unary { op: Sign::Minus, operand, .. } => write!(f, "-{operand}"),
            DurationExpr::Binary { op: op @ (DurationOp::MinOf | DurationOp::MaxOf), lhs, rhs, .. } => {
                write!(f, "{}({lhs}, {rhs})", op.as_str())
            }
            DurationExpr::Binary { op, lhs, rhs, .. } => write!(f, "{lhs} {} {rhs}", op.as_str()),
            DurationExpr::Paren { inner, .. } => write!(f, "({inner})"),
        }
    }
}

/// Name and matchers, without modifiers. Matchers come in the order of their text.
fn write_series(e: &VectorSelector, f: &mut impl Write) -> fmt::Result {
    let name = e.name.as_deref().unwrap_or("");
    let is_name =
        |m: &&model::Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal && m.value == name && !name.is_empty();
    let mut matchers: Vec<String> = e.matchers.iter().filter(|m| !is_name(m)).map(ToString::to_string).collect();
    matchers.sort_unstable();
    f.write_str(name)?;
    if !matchers.is_empty() || name.is_empty() {
        write!(f, "{{{}}}", matchers.join(","))?;
    }
    Ok(())
}

fn write_at(at: Option<At>, f: &mut impl Write) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
        Some(At::Timestamp(ms)) => write!(f, " @ {:.3}", ms as f64 / 1000.0),
    }
}

fn write_offset(ms: i64, expr: Option<&DurationExpr>, f: &mut impl Write) -> fmt::Result {
    match expr {
        Some(expr) => write!(f, " offset {expr}"),
        None if ms == 0 => Ok(()),
        None => write!(f, " offset {}", format_duration_ms(ms)),
    }
}

fn extension(e: &VectorSelector) -> &'static str {
    match (e.anchored, e.smoothed) {
        (true, _) => " anchored",
        (false, true) => " smoothed",
        (false, false) => "",
    }
}

fn duration(ms: i64, expr: Option<&DurationExpr>) -> String {
    expr.map_or_else(|| format_duration_ms(ms), ToString::to_string)
}

/// `[1h:5m] @ 10.000 offset 1m`
fn subquery_suffix(e: &Subquery) -> String {
    let step =
        if e.step_ms == 0 && e.step_expr.is_none() { String::new() } else { duration(e.step_ms, e.step_expr.as_ref()) };
    let mut out = format!("[{}:{step}]", duration(e.range_ms, e.range_expr.as_ref()));
    write_at(e.at, &mut out)
        .and_then(|()| write_offset(e.offset_ms, e.offset_expr.as_ref(), &mut out))
        .expect("writing to a string cannot fail");
    out
}

/// `sum by (job) `, or only `sum`.
fn aggregate_head(e: &Aggregate) -> String {
    let clause = match (e.without, e.grouping.is_empty()) {
        (true, _) => " without ",
        (false, false) => " by ",
        (false, true) => return e.op.as_str().to_owned(),
    };
    format!("{}{clause}({}) ", e.op, labels(&e.grouping))
}

fn labels(names: &[String]) -> String {
    let quoted = |name: &String| if is_valid_legacy_label_name(name) { name.clone() } else { go_quote(name) };
    names.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// The operator with everything up to its right operand.
fn operator(e: &Binary) -> String {
    let mut out = e.op.as_str().to_owned();
    if e.return_bool {
        out.push_str(" bool");
    }
    if let Some(matching) = &e.matching {
        out.push_str(&matching_clauses(matching));
    }
    out
}

fn matching_clauses(m: &VectorMatching) -> String {
    let mut out = String::new();
    let group = match m.card {
        MatchCardinality::ManyToOne => Some("left"),
        MatchCardinality::OneToMany => Some("right"),
        MatchCardinality::OneToOne | MatchCardinality::ManyToMany => None,
    };
    if !m.labels.is_empty() || m.on || group.is_some() {
        out.push_str(if m.on { " on (" } else { " ignoring (" });
        out.push_str(&labels(&m.labels));
        out.push(')');
    }
    if let Some(side) = group {
        out.push_str(&format!(" group_{side} ({})", labels(&m.include)));
    }
    match (m.fill_left, m.fill_right) {
        (Some(left), Some(right)) if left == right => out.push_str(&format!(" fill ({})", format_g(left))),
        (left, right) => {
            for (side, value) in [("left", left), ("right", right)] {
                if let Some(value) = value {
                    out.push_str(&format!(" fill_{side} ({})", format_g(value)));
                }
            }
        }
    }
    out
}

/// Breaks an expression into indented lines wherever it is longer than 100 bytes, as the API's `format_query`.
pub fn prettify(expr: &Expr) -> String {
    let mut out = String::new();
    pretty(expr, 0, true, &mut out);
    out
}

/// Writes an expression at some level; `indented` is false where its first line continues another.
fn pretty(expr: &Expr, level: usize, indented: bool, out: &mut String) {
    let indent = "  ".repeat(level);
    let short = fits_a_line(expr);
    // Prometheus leaves a short subquery without its indentation.
    let indents_itself = !matches!(expr, Expr::StepInvariant(_) | Expr::Subquery(_) | Expr::Binary(_));
    if indented && (indents_itself || (short && matches!(expr, Expr::Binary(_)))) {
        out.push_str(&indent);
    }
    match expr {
        Expr::StepInvariant(e) => pretty(e, level, indented, out),
        Expr::Unary(e) => {
            out.push_str(e.op.as_str());
            pretty(&e.expr, level, false, out);
        }
        Expr::Subquery(e) if !short => {
            pretty(&e.expr, level, indented, out);
            out.push_str(&subquery_suffix(e));
        }
        Expr::Call(e) if !short => {
            push(out, format_args!("{}(\n", e.func.name));
            for (i, arg) in e.args.iter().enumerate() {
                out.push_str(if i > 0 { ",\n" } else { "" });
                pretty(arg, level + 1, true, out);
            }
            push(out, format_args!("\n{indent})"));
        }
        Expr::Aggregate(e) if !short => {
            push(out, format_args!("{}(\n", aggregate_head(e)));
            if let Some(param) = &e.param {
                pretty(param, level + 1, true, out);
                out.push_str(",\n");
            }
            pretty(&e.expr, level + 1, true, out);
            push(out, format_args!("\n{indent})"));
        }
        Expr::Binary(e) if !short => {
            pretty(&e.lhs, level + 1, indented, out);
            push(out, format_args!("\n{indent}{}\n", operator(e)));
            pretty(&e.rhs, level + 1, true, out);
        }
        Expr::Paren(e) if !short => {
            out.push_str("(\n");
            pretty(&e.expr, level + 1, true, out);
            push(out, format_args!("\n{indent})"));
        }
        _ => push(out, format_args!("{expr}")),
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

/// Looks at no more of the text than it must: a deep tree asks this at every level.
fn fits_a_line(expr: &Expr) -> bool {
    struct Left(usize);
    impl Write for Left {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    write!(Left(MAX_LINE), "{expr}").is_ok()
}
