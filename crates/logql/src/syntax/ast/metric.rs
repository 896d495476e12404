//! Metric queries: functions over windows of lines, and what is computed with their series.

use super::{LabelFilter, LogExpr};

/// `by (a, b)` or `without (a, b)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// `without`
    pub without: bool,
    /// The names.
    pub names: Vec<String>,
}

/// A metric query.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricExpr {
    /// `rate({...}[5m])`
    Range(Box<RangeAggregation>),
    /// `sum by (a) (...)`
    Vector(Box<VectorAggregation>),
    /// `a / b`
    Binary(Box<Binary>),
    /// A number.
    Literal(f64),
    /// `vector(1)`
    VectorOf(f64),
    /// `label_replace(...)`
    LabelReplace(Box<LabelReplace>),
}

/// A function over the lines of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeOp {
    /// `count_over_time`
    Count,
    /// `rate`
    Rate,
    /// `rate_counter`
    RateCounter,
    /// `bytes_over_time`
    Bytes,
    /// `bytes_rate`
    BytesRate,
    /// `avg_over_time`
    Avg,
    /// `sum_over_time`
    Sum,
    /// `min_over_time`
    Min,
    /// `max_over_time`
    Max,
    /// `stdvar_over_time`
    Stdvar,
    /// `stddev_over_time`
    Stddev,
    /// `quantile_over_time`
    Quantile,
    /// `first_over_time`
    First,
    /// `last_over_time`
    Last,
    /// `absent_over_time`
    Absent,
}

impl RangeOp {
    /// All of them.
    pub const ALL: [RangeOp; 15] = [
        RangeOp::Count,
        RangeOp::Rate,
        RangeOp::RateCounter,
        RangeOp::Bytes,
        RangeOp::BytesRate,
        RangeOp::Avg,
        RangeOp::Sum,
        RangeOp::Min,
        RangeOp::Max,
        RangeOp::Stdvar,
        RangeOp::Stddev,
        RangeOp::Quantile,
        RangeOp::First,
        RangeOp::Last,
        RangeOp::Absent,
    ];

    /// The function as written.
    pub fn as_str(self) -> &'static str {
        match self {
            RangeOp::Count => "count_over_time",
            RangeOp::Rate => "rate",
            RangeOp::RateCounter => "rate_counter",
            RangeOp::Bytes => "bytes_over_time",
            RangeOp::BytesRate => "bytes_rate",
            RangeOp::Avg => "avg_over_time",
            RangeOp::Sum => "sum_over_time",
            RangeOp::Min => "min_over_time",
            RangeOp::Max => "max_over_time",
            RangeOp::Stdvar => "stdvar_over_time",
            RangeOp::Stddev => "stddev_over_time",
            RangeOp::Quantile => "quantile_over_time",
            RangeOp::First => "first_over_time",
            RangeOp::Last => "last_over_time",
            RangeOp::Absent => "absent_over_time",
        }
    }
}

/// A function over a window of lines.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    /// The function.
    pub op: RangeOp,
    /// The φ of `quantile_over_time`.
    pub param: Option<f64>,
    /// What it reads.
    pub range: LogRange,
    /// Grouping, for the functions that take one.
    pub grouping: Option<Grouping>,
}

/// Lines of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRange {
    /// The lines.
    pub log: LogExpr,
    /// The label whose value counts.
    pub unwrap: Option<Unwrap>,
    /// Length of the window in nanoseconds.
    pub interval: i64,
    /// How far back it lies, in nanoseconds; forth where negative.
    pub offset: i64,
}

/// How an unwrapped value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// `bytes(x)`
    Bytes,
    /// `duration(x)`
    Duration,
    /// `duration_seconds(x)`
    DurationSeconds,
}

impl Conversion {
    /// The function as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Conversion::Bytes => "bytes",
            Conversion::Duration => "duration",
            Conversion::DurationSeconds => "duration_seconds",
        }
    }
}

/// `| unwrap x`
#[derive(Clone, Debug, PartialEq)]
pub struct Unwrap {
    /// The label.
    pub label: String,
    /// How it is read; as a number where none is written.
    pub conversion: Option<Conversion>,
    /// Filters written after it.
    pub filters: Vec<LabelFilter>,
}

/// An aggregation over series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VectorOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `count`
    Count,
    /// `max`
    Max,
    /// `min`
    Min,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `bottomk`
    Bottomk,
    /// `topk`
    Topk,
    /// `sort`
    Sort,
    /// `sort_desc`
    SortDesc,
    /// `approx_topk`
    ApproxTopk,
}

impl VectorOp {
    /// All of them.
    pub const ALL: [VectorOp; 12] = [
        VectorOp::Sum,
        VectorOp::Avg,
        VectorOp::Count,
        VectorOp::Max,
        VectorOp::Min,
        VectorOp::Stddev,
        VectorOp::Stdvar,
        VectorOp::Bottomk,
        VectorOp::Topk,
        VectorOp::Sort,
        VectorOp::SortDesc,
        VectorOp::ApproxTopk,
    ];

    /// The function as written.
    pub fn as_str(self) -> &'static str {
        match self {
            VectorOp::Sum => "sum",
            VectorOp::Avg => "avg",
            VectorOp::Count => "count",
            VectorOp::Max => "max",
            VectorOp::Min => "min",
            VectorOp::Stddev => "stddev",
            VectorOp::Stdvar => "stdvar",
            VectorOp::Bottomk => "bottomk",
            VectorOp::Topk => "topk",
            VectorOp::Sort => "sort",
            VectorOp::SortDesc => "sort_desc",
            VectorOp::ApproxTopk => "approx_topk",
        }
    }

    /// True where the function takes how many.
    pub fn takes_param(self) -> bool {
        matches!(self, VectorOp::Bottomk | VectorOp::Topk | VectorOp::ApproxTopk)
    }
}

/// An aggregation over series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorAggregation {
    /// The function.
    pub op: VectorOp,
    /// How many; 0 where the function takes none.
    pub param: usize,
    /// Grouping; `by ()` where none is written.
    pub grouping: Grouping,
    /// What it reads.
    pub inner: MetricExpr,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `unless`
    Unless,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
}

impl BinaryOp {
    /// All of them.
    pub const ALL: [BinaryOp; 15] = [
        BinaryOp::Or,
        BinaryOp::And,
        BinaryOp::Unless,
        BinaryOp::Eq,
        BinaryOp::Ne,
        BinaryOp::Gt,
        BinaryOp::Ge,
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Mod,
        BinaryOp::Pow,
    ];

    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Unless => "unless",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Pow => "^",
        }
    }

    /// How tightly it binds, from 1 (`or`) to 6 (`^`).
    pub fn precedence(self) -> u8 {
        use BinaryOp as B;
        match self {
            B::Or => 1,
            B::And | B::Unless => 2,
            B::Eq | B::Ne | B::Gt | B::Ge | B::Lt | B::Le => 3,
            B::Add | B::Sub => 4,
            B::Mul | B::Div | B::Mod => 5,
            B::Pow => 6,
        }
    }

    /// True for `and`, `or`, `unless`.
    pub fn is_set(self) -> bool {
        self.precedence() <= 2
    }

    /// True for the six comparisons.
    pub fn is_comparison(self) -> bool {
        self.precedence() == 3
    }
}

/// How many of each side match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// One to one.
    #[default]
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
}

/// How the series of two sides are matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// `bool`
    pub returns_bool: bool,
    /// `on`; `ignoring`, or nothing, where false.
    pub on: bool,
    /// The names of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// `group_left`, `group_right`.
    pub cardinality: Cardinality,
    /// Labels taken over from the one side; `None` without a list.
    pub include: Option<Vec<String>>,
}

/// A binary operation. Two literals never stand on both sides: they are computed when the query is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// How series match.
    pub matching: Matching,
    /// Left side.
    pub left: MetricExpr,
    /// Right side.
    pub right: MetricExpr,
}

/// `label_replace(inner, "target", "replacement", "source", "pattern")`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelReplaceArgs {
    /// The label that is set.
    pub target: String,
    /// What it becomes, with `$1` for groups.
    pub replacement: String,
    /// The label that is looked at.
    pub source: String,
    /// What it must match as a whole.
    pub pattern: String,
}

/// A `label_replace`.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelReplace {
    /// What it reads.
    pub inner: MetricExpr,
    /// What is replaced.
    pub args: LabelReplaceArgs,
}

impl MetricExpr {
    /// True where the query sorts, so that the order of an instant answer matters.
    pub fn is_sorted(&self) -> bool {
        match self {
            MetricExpr::Vector(vector) => {
                matches!(vector.op, VectorOp::Sort | VectorOp::SortDesc) || vector.inner.is_sorted()
            }
            MetricExpr::LabelReplace(replace) => replace.inner.is_sorted(),
            MetricExpr::Binary(binary) => binary.left.is_sorted() || binary.right.is_sorted(),
            MetricExpr::Range(_) | MetricExpr::Literal(_) | MetricExpr::VectorOf(_) => false,
        }
    }

    /// Calls `visit` with every range aggregation.
    pub fn ranges<'a>(&'a self, visit: &mut impl FnMut(&'a RangeAggregation)) {
        match self {
            MetricExpr::Range(range) => visit(range),
            MetricExpr::Vector(vector) => vector.inner.ranges(visit),
            MetricExpr::LabelReplace(replace) => replace.inner.ranges(visit),
            MetricExpr::Binary(binary) => {
                binary.left.ranges(visit);
                binary.right.ranges(visit);
            }
            MetricExpr::Literal(_) | MetricExpr::VectorOf(_) => {}
        }
    }
}
