//! How many lines a search finds, and when.

use std::sync::Arc;

use axum::extract::State;
use logql::ast::LogExpr;
use logql::{Direction, RangeParams, Value};
use serde_json::json;

use super::{Answer, bad, count, range, search};
use crate::answer::success;
use crate::log_state::{LogTenant, Logs};
use crate::loki::query::look_up;
use crate::loki::{LokiError, query};
use crate::params::{Params, parse_duration_ns};

/// Bars, where neither their number nor their width is said.
const DEFAULT_BARS: usize = 60;
const MOST_BARS: usize = 5000;
/// Widths of bars in seconds that people can read.
const WIDTHS: [i64; 16] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 10_800, 21_600, 86_400];
/// What bars are broken down by, where nothing is said.
const LEVEL: &str = "detected_level";

/// `GET /api/afferent/v1/logs/histogram`
pub(crate) async fn histogram(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant, params: Params) -> Answer {
    let search = search(&params)?;
    let range = range(&logs, &params)?;
    let span_ms = (range.end.saturating_sub(range.start) / 1_000_000).max(1);
    let step_ms = match params.get("step") {
        "" => readable_step(span_ms, count(&params, "bars", DEFAULT_BARS, MOST_BARS)?),
        text => match parse_duration_ns(text) {
            Ok(nanos) if nanos >= 1_000_000 => nanos / 1_000_000,
            _ => return Err(bad(format!("step: expected a duration such as 30s, got {text:?}"))),
        },
    };
    let start_ms = range.start.div_euclid(1_000_000).div_euclid(step_ms) * step_ms;
    let bars = (range.end.div_euclid(1_000_000) - start_ms + step_ms - 1).div_euclid(step_ms).max(1);
    if bars > MOST_BARS as i64 {
        return Err(bad(format!("step: there would be {bars} bars; at most {MOST_BARS} are given")));
    }
    let by = match params.get("by") {
        "" => LEVEL,
        name => name,
    };
    let query = counted(&search, by, &format!("{step_ms}ms"));
    let expr = query::parse(&query).map_err(|error| bad(format!("by: {error}")))?;
    // A step counts what is not later than it; a bar has its first instant, and not the one at its end.
    let asked = RangeParams {
        start: (start_ms + step_ms) * 1_000_000 - 1,
        end: (start_ms + bars * step_ms) * 1_000_000 - 1,
        step: step_ms * 1_000_000,
        interval: 0,
        limit: 0,
        direction: Direction::Forward,
    };
    let source = logs.source.clone();
    let label = by.to_owned();
    let series = look_up(&logs, tenant, move |logs, context| {
        let result = logs.engine.query_range(source.as_ref(), context, &expr, &asked)?;
        let Value::Matrix(series) = result.value else { return Err(LokiError::bad("the search counts nothing")) };
        let of = |series: logql::MatrixSeries| {
            let mut counts = vec![0_u64; bars as usize];
            for (ms, value) in &series.points {
                let bar = (ms - start_ms).div_euclid(step_ms);
                if let Some(count) = usize::try_from(bar).ok().and_then(|bar| counts.get_mut(bar)) {
                    *count = *value as u64;
                }
            }
            (series.labels.get(&label).unwrap_or_default().to_owned(), counts)
        };
        Ok(series.into_iter().map(of).collect::<Vec<_>>())
    })
    .await?;
    let total: u64 = series.iter().flat_map(|(_, counts)| counts).sum();
    let series: Vec<_> = series
        .into_iter()
        .map(|(value, counts)| json!({"value": value, "total": counts.iter().sum::<u64>(), "counts": counts}))
        .collect();
    Ok(success(&json!({
        "query": search.to_string(), "by": by, "startMs": start_ms, "stepMs": step_ms, "total": total, "series": series,
    }))?)
}

/// The search's lines counted by a label. A parser's failure is no reason not to count a line.
pub(super) fn counted(search: &LogExpr, by: &str, window: &str) -> String {
    format!("sum by ({by}) (count_over_time({search} [{window}]))")
}

fn readable_step(span_ms: i64, bars: usize) -> i64 {
    let least = span_ms / bars as i64;
    let width = WIDTHS.into_iter().map(|seconds| seconds * 1000).find(|width| *width >= least);
    width.unwrap_or_else(|| (least / 86_400_000 + 1) * 86_400_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_readable_widths() {
        assert_eq!(readable_step(3_600_000, 60), 60_000);
        assert_eq!(readable_step(1000, 60), 1000);
        assert_eq!(readable_step(90 * 86_400_000, 60), 2 * 86_400_000);
    }
}
