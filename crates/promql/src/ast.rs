//! The syntax tree of PromQL. Every node knows the bytes of the query it was read from, because annotations and errors
//! quote them. Durations are milliseconds unless said otherwise.

use std::fmt;

use model::Matcher;

pub use crate::functions_table::{FUNCTIONS, Function, function};
pub use crate::operators::{AggregateOp, BinaryOp, DurationOp, Sign};

/// A half-open range of bytes of the query text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` up to, not including, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    /// From the start of this span to the end of the other.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end }
    }
}

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number per step.
    Scalar,
    /// One sample per series and step.
    Vector,
    /// A range of samples per series and step.
    Matrix,
    /// A string literal.
    String,
}

impl ValueType {
    /// The name that messages for people use: `instant vector`, `range vector`, `scalar`, `string`.
    pub fn documented(self) -> &'static str {
        match self {
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
        }
    }

    /// The name that the HTTP API uses as `resultType`: `vector`, `matrix`, `scalar`, `string`.
    pub fn as_str(self) -> &'static str {
        match self {
            ValueType::Vector => "vector",
            ValueType::Matrix => "matrix",
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Any expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `1`, `0x1f`, `Inf`, `5m`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `metric{label="value"} offset 5m`
    Vector(VectorSelector),
    /// `metric[5m]`
    Matrix(MatrixSelector),
    /// `expr[1h:1m]`
    Subquery(Subquery),
    /// `rate(metric[5m])`
    Call(Call),
    /// `sum by (label) (expr)`
    Aggregate(Aggregate),
    /// `a + on (label) b`
    Binary(Binary),
    /// `-a`
    Unary(Unary),
    /// `(a)`
    Paren(Paren),
    /// An expression that gives the same answer at every step. Planners insert it; the parser never does.
    StepInvariant(Box<Expr>),
}

/// A number.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    /// Value; a duration counts in seconds.
    pub value: f64,
    /// True where it was written as a duration (`5m`).
    pub duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// A string.
#[derive(Clone, Debug, PartialEq)]
pub struct StringLiteral {
    /// Unquoted text.
    pub value: String,
    /// The unquoted bytes where escapes made them other than UTF-8; `value` then has U+FFFD in the place of those.
    pub invalid_utf8: Option<Vec<u8>>,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// The time that `@` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since the epoch.
    Timestamp(i64),
    /// `@ start()`: the first step of the query.
    Start,
    /// `@ end()`: the last step of the query.
    End,
}

/// Selects series, one sample each.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// Metric name, where it was written before the braces or as a quoted string inside them. `matchers` holds it too.
    pub name: Option<String>,
    /// All conditions; the one for `__name__` comes last if `name` is set.
    pub matchers: Vec<Matcher>,
    /// Offset as written, in milliseconds; 0 where there is none or while `offset_expr` is not evaluated.
    pub offset_ms: i64,
    /// Offset that must be calculated when the step and range of the query are known.
    pub offset_expr: Option<DurationExpr>,
    /// `@` modifier.
    pub at: Option<At>,
    /// `anchored`: range functions also see the last sample before the range.
    pub anchored: bool,
    /// `smoothed`: values at both ends of the range are interpolated.
    pub smoothed: bool,
    /// True for the second argument of `info`, which may be as wide as `{}`.
    pub bypass_empty_matcher_check: bool,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// Selects series, a range of samples each.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// Which series; carries offset, `@`, `anchored` and `smoothed`.
    pub selector: VectorSelector,
    /// Length of the range in milliseconds; 0 while `range_expr` is not evaluated.
    pub range_ms: i64,
    /// Range that must be calculated when the step and range of the query are known.
    pub range_expr: Option<DurationExpr>,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// Evaluates an expression at several steps of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Box<Expr>,
    /// Length of the range in milliseconds.
    pub range_ms: i64,
    /// Range that must be calculated first.
    pub range_expr: Option<DurationExpr>,
    /// Step in milliseconds; 0 for the engine's default.
    pub step_ms: i64,
    /// Step that must be calculated first.
    pub step_expr: Option<DurationExpr>,
    /// Offset as written, in milliseconds.
    pub offset_ms: i64,
    /// Offset that must be calculated first.
    pub offset_expr: Option<DurationExpr>,
    /// `@` modifier.
    pub at: Option<At>,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which function.
    pub func: &'static Function,
    /// Arguments as written; types and number were checked.
    pub args: Vec<Expr>,
    /// From the name to the closing parenthesis.
    pub span: Span,
}

/// An aggregation over labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which aggregation.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Box<Expr>,
    /// Parameter of `topk`, `bottomk`, `limitk`, `limit_ratio`, `quantile`, `count_values`.
    pub param: Option<Box<Expr>>,
    /// Labels after `by` or `without`, in the order written.
    pub grouping: Vec<String>,
    /// True for `without`.
    pub without: bool,
    /// From the operator to the end of the clause that comes last.
    pub span: Span,
}

/// How many series of each side may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchCardinality {
    /// The default.
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

impl MatchCardinality {
    /// `one-to-one`, `many-to-one`, `one-to-many`, `many-to-many`.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchCardinality::OneToOne => "one-to-one",
            MatchCardinality::ManyToOne => "many-to-one",
            MatchCardinality::OneToMany => "one-to-many",
            MatchCardinality::ManyToMany => "many-to-many",
        }
    }
}

/// How the series of two vectors find each other.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatching {
    /// Cardinality.
    pub card: MatchCardinality,
    /// Labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// True for `on`; false for `ignoring` and for no clause at all.
    pub on: bool,
    /// Labels of `group_left` or `group_right`.
    pub include: Vec<String>,
    /// Value for a missing left series (`fill`, `fill_left`).
    pub fill_left: Option<f64>,
    /// Value for a missing right series (`fill`, `fill_right`).
    pub fill_right: Option<f64>,
}

/// A binary operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// Operator.
    pub op: BinaryOp,
    /// Left operand.
    pub lhs: Box<Expr>,
    /// Right operand.
    pub rhs: Box<Expr>,
    /// Present exactly where both operands are vectors.
    pub matching: Option<VectorMatching>,
    /// `bool`: a comparison gives 0 or 1 instead of filtering.
    pub return_bool: bool,
    /// From the left operand to the right one.
    pub span: Span,
}

/// A sign before an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// Which sign.
    pub op: Sign,
    /// Operand: a scalar or an instant vector.
    pub expr: Box<Expr>,
    /// From the sign to the end of the operand.
    pub span: Span,
}

/// Parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Paren {
    /// What stands inside.
    pub expr: Box<Expr>,
    /// Parentheses included.
    pub span: Span,
}

/// Arithmetic in the place of a duration: `[5m * 2]`, `offset step()`. Values count in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    /// A number of seconds or a duration.
    Number(NumberLiteral),
    /// `step()`: the step of the query, 0 for an instant query.
    Step(Span),
    /// `range()`: end minus start of the query.
    Range(Span),
    /// `-d`, `+d`
    Unary {
        /// Which sign.
        op: Sign,
        /// Operand.
        operand: Box<DurationExpr>,
        /// From the sign on.
        span: Span,
    },
    /// `a + b`, `min_of(a, b)`
    Binary {
        /// Operator.
        op: DurationOp,
        /// Left operand.
        lhs: Box<DurationExpr>,
        /// Right operand.
        rhs: Box<DurationExpr>,
        /// Both operands, and the call where it is one.
        span: Span,
    },
    /// `(d)`
    Paren {
        /// What stands inside.
        inner: Box<DurationExpr>,
        /// Parentheses included.
        span: Span,
    },
}

impl DurationExpr {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            DurationExpr::Number(n) => n.span,
            DurationExpr::Step(span) | DurationExpr::Range(span) => *span,
            DurationExpr::Unary { span, .. } | DurationExpr::Binary { span, .. } | DurationExpr::Paren { span, .. } => {
                *span
            }
        }
    }
}

impl Expr {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Expr::Number(e) => e.span,
            Expr::String(e) => e.span,
            Expr::Vector(e) => e.span,
            Expr::Matrix(e) => e.span,
            Expr::Subquery(e) => e.span,
            Expr::Call(e) => e.span,
            Expr::Aggregate(e) => e.span,
            Expr::Binary(e) => e.span,
            Expr::Unary(e) => e.span,
            Expr::Paren(e) => e.span,
            Expr::StepInvariant(e) => e.span(),
        }
    }

    /// What it evaluates to.
    pub fn value_type(&self) -> ValueType {
        match self {
            Expr::Number(_) => ValueType::Scalar,
            Expr::String(_) => ValueType::String,
            Expr::Vector(_) | Expr::Aggregate(_) => ValueType::Vector,
            Expr::Matrix(_) | Expr::Subquery(_) => ValueType::Matrix,
            Expr::Call(e) => e.func.return_type,
            Expr::Binary(e) => match (e.lhs.value_type(), e.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            Expr::Unary(e) => e.expr.value_type(),
            Expr::Paren(e) => e.expr.value_type(),
            Expr::StepInvariant(e) => e.value_type(),
        }
    }

    /// The expression inside any parentheses and step-invariance marks.
    pub fn unwrapped(&self) -> &Expr {
        match self {
            Expr::Paren(e) => e.expr.unwrapped(),
            Expr::StepInvariant(e) => e.unwrapped(),
            other => other,
        }
    }

    /// Sub-expressions in the order in which Prometheus visits them (an aggregation's operand before its parameter). The
    /// selector inside a [`MatrixSelector`] is not an expression of its own.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => Vec::new(),
            Expr::Subquery(e) => vec![&e.expr],
            Expr::Call(e) => e.args.iter().collect(),
            Expr::Aggregate(e) => std::iter::once(&*e.expr).chain(e.param.as_deref()).collect(),
            Expr::Binary(e) => vec![&e.lhs, &e.rhs],
            Expr::Unary(e) => vec![&e.expr],
            Expr::Paren(e) => vec![&e.expr],
            Expr::StepInvariant(e) => vec![e],
        }
    }

    /// The same as [`children`](Self::children), to change them.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => Vec::new(),
            Expr::Subquery(e) => vec![&mut e.expr],
            Expr::Call(e) => e.args.iter_mut().collect(),
            Expr::Aggregate(e) => std::iter::once(&mut *e.expr).chain(e.param.as_deref_mut()).collect(),
            Expr::Binary(e) => vec![&mut e.lhs, &mut e.rhs],
            Expr::Unary(e) => vec![&mut e.expr],
            Expr::Paren(e) => vec![&mut e.expr],
            Expr::StepInvariant(e) => vec![e],
        }
    }

    /// The selector of a vector or matrix selector.
    pub fn selector(&self) -> Option<&VectorSelector> {
        match self {
            Expr::Vector(e) => Some(e),
            Expr::Matrix(e) => Some(&e.selector),
            _ => None,
        }
    }
}

/// Calls `visit` for the expression and all below it, parents first, with the path of ancestors (outermost first).
pub fn walk<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr, &[&'a Expr])) {
    fn step<'a>(expr: &'a Expr, path: &mut Vec<&'a Expr>, visit: &mut impl FnMut(&'a Expr, &[&'a Expr])) {
        visit(expr, path);
        path.push(expr);
        for child in expr.children() {
            step(child, path, visit);
        }
        path.pop();
    }
    step(expr, &mut Vec::new(), visit);
}

/// Calls `visit` for the expression and all below it, parents first.
pub fn walk_mut(expr: &mut Expr, visit: &mut impl FnMut(&mut Expr)) {
    visit(expr);
    for child in expr.children_mut() {
        walk_mut(child, visit);
    }
}

/// The matchers of every selector in the expression, in the order in which [`walk`] meets them.
pub fn selectors(expr: &Expr) -> Vec<&[Matcher]> {
    let mut found = Vec::new();
    walk(expr, &mut |e, _| found.extend(e.selector().map(|s| s.matchers.as_slice())));
    found
}
