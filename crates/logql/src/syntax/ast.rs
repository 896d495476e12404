//! The tree of a query.

mod log;
mod metric;

pub use log::{
    Comparison, Extraction, LabelChoice, LabelFilter, LabelFormat, LabelFormatValue, LineFilter, LineMatch, LineOp,
    LogExpr, Stage,
};
pub use metric::{
    Binary, BinaryOp, Cardinality, Conversion, Grouping, LabelReplace, LabelReplaceArgs, LogRange, Matching,
    MetricExpr, RangeAggregation, RangeOp, Unwrap, VectorAggregation, VectorOp,
};

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Lines of streams.
    Log(LogExpr),
    /// Numbers made of them.
    Metric(MetricExpr),
}

impl Expr {
    /// The selectors of the query, from left to right.
    pub fn selectors(&self) -> Vec<&LogExpr> {
        let mut selectors = Vec::new();
        match self {
            Expr::Log(log) => selectors.push(log),
            Expr::Metric(metric) => metric.ranges(&mut |range| selectors.push(&range.range.log)),
        }
        selectors
    }

    /// The ranges of range aggregations, in nanoseconds, from left to right.
    pub fn intervals(&self) -> Vec<i64> {
        let mut intervals = Vec::new();
        if let Expr::Metric(metric) = self {
            metric.ranges(&mut |range| intervals.push(range.range.interval));
        }
        intervals
    }
}
