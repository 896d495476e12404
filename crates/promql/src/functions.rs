//! PromQL's functions, by theme. Range functions turn a window into a value; the others turn columns into columns.

pub(crate) mod changes;
pub(crate) mod date;
pub(crate) mod extended;
pub(crate) mod histogram_range;
pub(crate) mod histogram_vector;
pub(crate) mod labels;
pub(crate) mod math;
pub(crate) mod over_time;
pub(crate) mod quantile;
pub(crate) mod rate;
pub(crate) mod regression;
pub(crate) mod sort;

use model::SampleValue;

use crate::annotations::{Annotations, Notice};
use crate::engine::QueryError;
use crate::eval::Window;

/// What a range function may use besides the window.
pub(crate) struct RangeEnv<'a> {
    /// Scalar arguments at this step, in order.
    pub(crate) scalars: [f64; 2],
    /// Name of the series' metric, empty where it has none.
    pub(crate) metric: &'a str,
    /// Byte offset of the call's first argument.
    pub(crate) position: usize,
    /// Receives annotations.
    pub(crate) notes: &'a mut Annotations,
}

impl RangeEnv<'_> {
    pub(crate) fn note(&mut self, notice: Notice<'_>) {
        self.notes.add(notice.at(self.position));
    }
}

/// Computes the value of a window; `None` where it has none.
pub(crate) type RangeFunction = fn(&Window<'_>, &mut RangeEnv<'_>) -> Result<Option<SampleValue>, QueryError>;

/// The range function of that name.
pub(crate) fn range_function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        "absent_over_time" | "present_over_time" => over_time::present,
        "avg_over_time" => over_time::avg,
        "changes" => changes::changes,
        "count_over_time" => over_time::count,
        "delta" => rate::delta,
        "deriv" => regression::deriv,
        "double_exponential_smoothing" => regression::double_exponential_smoothing,
        "first_over_time" => over_time::first,
        "idelta" => rate::idelta,
        "increase" => rate::increase,
        "irate" => rate::irate,
        "last_over_time" => over_time::last,
        "mad_over_time" => over_time::mad,
        "max_over_time" => over_time::max,
        "min_over_time" => over_time::min,
        "predict_linear" => regression::predict_linear,
        "quantile_over_time" => over_time::quantile,
        "rate" => rate::rate,
        "resets" => changes::resets,
        "stddev_over_time" => over_time::stddev,
        "stdvar_over_time" => over_time::stdvar,
        "sum_over_time" => over_time::sum,
        "ts_of_first_over_time" => over_time::time_of_first,
        "ts_of_last_over_time" => over_time::time_of_last,
        "ts_of_max_over_time" => over_time::time_of_max,
        "ts_of_min_over_time" => over_time::time_of_min,
        _ => return None,
    })
}
