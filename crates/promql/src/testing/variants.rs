//! Other ways to ask an instant query that must give the same answer.

use crate::ast::{At, Expr};
use crate::parser::{ParseOptions, parse};

/// Functions whose answer depends on the time of evaluation or on the time of samples, even under `@` (Prometheus'
/// `AtModifierUnsafeFunctions`).
const UNSAFE_UNDER_AT: [&str; 15] = [
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

/// The query with `@ at` on every selector and subquery, to be asked at several other times. Empty where that would change
/// the answer, or where the query cannot be read.
pub(super) fn pinned(query: &str, at: i64) -> Vec<(String, i64)> {
    let Ok(mut expr) = parse(query, &ParseOptions::default()) else { return Vec::new() };
    if !pin(&mut expr, at) {
        return Vec::new();
    }
    let text = expr.to_string();
    let times = if at == 0 { vec![-1000, 0, 1000] } else { vec![-10 * at, 0, at / 5, at, 10 * at] };
    times.into_iter().map(|time| (text.clone(), time)).collect()
}

/// Adds `@`, outermost first: what lies in a pinned subquery stays as it is. False where a function forbids it.
fn pin(expr: &mut Expr, at: i64) -> bool {
    let slot = match expr {
        Expr::Vector(e) => &mut e.at,
        Expr::Matrix(e) => &mut e.selector.at,
        Expr::Subquery(e) => {
            if !matches!(e.at, Some(At::Timestamp(_))) {
                e.at = Some(At::Timestamp(at));
            }
            return true;
        }
        Expr::Call(e) if UNSAFE_UNDER_AT.contains(&e.func.name) => return false,
        other => return other.children_mut().into_iter().all(|child| pin(child, at)),
    };
    if !matches!(slot, Some(At::Timestamp(_))) {
        *slot = Some(At::Timestamp(at));
    }
    true
}

/// True where the query asks for its own start, end, range or step, so that as a range query it has another answer.
pub(super) fn depends_on_range(query: &str) -> bool {
    ["start()", "end()", "range()", "step()"].iter().any(|call| query.contains(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_pinned_once() {
        let text = |query| pinned(query, 5000).first().map(|(text, _)| text.clone());
        assert_eq!(text("a + rate(b[1m] @ 7)").as_deref(), Some("a @ 5.000 + rate(b[1m] @ 7.000)"));
        assert_eq!(text("sum_over_time(a[1m:5s])").as_deref(), Some("sum_over_time(a[1m:5s] @ 5.000)"));
        assert_eq!(text("a + time()"), None);
        let times: Vec<i64> = pinned("a", 5000).into_iter().map(|(_, time)| time).collect();
        assert_eq!(times, [-50_000, 0, 1000, 5000, 50_000]);
    }
}
