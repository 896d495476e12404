//! The functions of PromQL as data: names, argument types, result types. The parser checks calls against this table;
//! it is the table of Prometheus 3.13.

use crate::ast::ValueType;

use ValueType::{Matrix as M, Scalar as S, String as T, Vector as V};

/// The signature of a function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Name as written.
    pub name: &'static str,
    /// Types of the arguments; with `variadic` the last one repeats.
    pub arg_types: &'static [ValueType],
    /// 0: exactly `arg_types`; n: the last n of the largest allowed number are optional; -1: the last argument may be
    /// absent or repeat without limit.
    pub variadic: i32,
    /// Type of the result.
    pub return_type: ValueType,
    /// True for functions behind Prometheus' flag for experimental functions.
    pub experimental: bool,
}

/// The function of that name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|i| &FUNCTIONS[i])
}

const fn def(
    name: &'static str,
    arg_types: &'static [ValueType],
    variadic: i32,
    return_type: ValueType,
    experimental: bool,
) -> Function {
    Function { name, arg_types, variadic, return_type, experimental }
}

/// All functions, sorted by name. The letters stand for vector, matrix, scalar and text.
#[rustfmt::skip]
pub static FUNCTIONS: &[Function] = &[
    def("abs", &[V], 0, V, false),
    def("absent", &[V], 0, V, false),
    def("absent_over_time", &[M], 0, V, false),
    def("acos", &[V], 0, V, false),
    def("acosh", &[V], 0, V, false),
    def("asin", &[V], 0, V, false),
    def("asinh", &[V], 0, V, false),
    def("atan", &[V], 0, V, false),
    def("atanh", &[V], 0, V, false),
    def("avg_over_time", &[M], 0, V, false),
    def("ceil", &[V], 0, V, false),
    def("changes", &[M], 0, V, false),
    def("clamp", &[V, S, S], 0, V, false),
    def("clamp_max", &[V, S], 0, V, false),
    def("clamp_min", &[V, S], 0, V, false),
    def("cos", &[V], 0, V, false),
    def("cosh", &[V], 0, V, false),
    def("count_over_time", &[M], 0, V, false),
    def("day_of_month", &[V], 1, V, false),
    def("day_of_week", &[V], 1, V, false),
    def("day_of_year", &[V], 1, V, false),
    def("days_in_month", &[V], 1, V, false),
    def("deg", &[V], 0, V, false),
    def("delta", &[M], 0, V, false),
    def("deriv", &[M], 0, V, false),
    def("double_exponential_smoothing", &[M, S, S], 0, V, true),
    def("end", &[], 0, S, true),
    def("exp", &[V], 0, V, false),
    def("first_over_time", &[M], 0, V, false),
    def("floor", &[V], 0, V, false),
    def("histogram_avg", &[V], 0, V, false),
    def("histogram_count", &[V], 0, V, false),
    def("histogram_fraction", &[S, S, V], 0, V, false),
    def("histogram_quantile", &[S, V], 0, V, false),
    def("histogram_quantiles", &[V, T, S, S], 9, V, true),
    def("histogram_stddev", &[V], 0, V, false),
    def("histogram_stdvar", &[V], 0, V, false),
    def("histogram_sum", &[V], 0, V, false),
    def("hour", &[V], 1, V, false),
    def("idelta", &[M], 0, V, false),
    def("increase", &[M], 0, V, false),
    def("info", &[V, V], 1, V, true),
    def("irate", &[M], 0, V, false),
    def("label_join", &[V, T, T, T], -1, V, false),
    def("label_replace", &[V, T, T, T, T], 0, V, false),
    def("last_over_time", &[M], 0, V, false),
    def("ln", &[V], 0, V, false),
    def("log10", &[V], 0, V, false),
    def("log2", &[V], 0, V, false),
    def("mad_over_time", &[M], 0, V, true),
    def("max_of", &[S, S], 0, S, true),
    def("max_over_time", &[M], 0, V, false),
    def("min_of", &[S, S], 0, S, true),
    def("min_over_time", &[M], 0, V, false),
    def("minute", &[V], 1, V, false),
    def("month", &[V], 1, V, false),
    def("pi", &[], 0, S, false),
    def("predict_linear", &[M, S], 0, V, false),
    def("present_over_time", &[M], 0, V, false),
    def("quantile_over_time", &[S, M], 0, V, false),
    def("rad", &[V], 0, V, false),
    def("range", &[], 0, S, true),
    def("rate", &[M], 0, V, false),
    def("resets", &[M], 0, V, false),
    def("round", &[V, S], 1, V, false),
    def("scalar", &[V], 0, S, false),
    def("sgn", &[V], 0, V, false),
    def("sin", &[V], 0, V, false),
    def("sinh", &[V], 0, V, false),
    def("sort", &[V], 0, V, false),
    def("sort_by_label", &[V, T], -1, V, true),
    def("sort_by_label_desc", &[V, T], -1, V, true),
    def("sort_desc", &[V], 0, V, false),
    def("sqrt", &[V], 0, V, false),
    def("start", &[], 0, S, true),
    def("start_timestamp", &[V], 0, V, true),
    def("stddev_over_time", &[M], 0, V, false),
    def("stdvar_over_time", &[M], 0, V, false),
    def("step", &[], 0, S, true),
    def("sum_over_time", &[M], 0, V, false),
    def("tan", &[V], 0, V, false),
    def("tanh", &[V], 0, V, false),
    def("time", &[], 0, S, false),
    def("timestamp", &[V], 0, V, false),
    def("ts_of_first_over_time", &[M], 0, V, true),
    def("ts_of_last_over_time", &[M], 0, V, true),
    def("ts_of_max_over_time", &[M], 0, V, true),
    def("ts_of_min_over_time", &[M], 0, V, true),
    def("vector", &[S], 0, V, false),
    def("year", &[V], 1, V, false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted_and_complete() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(FUNCTIONS.len(), 90);
        assert_eq!(function("rate").map(|f| f.arg_types), Some([M].as_slice()));
        assert!(function("nope").is_none());
    }
}
