//! Lines of a search, and the lines around one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, header};
use logql::Direction;
use logql::ast::LogExpr;
use model::NanoRange;
use serde_json::json;

use super::export::{Form, file, object};
use super::{Answer, bad, count, direction, find, range, search};
use crate::answer::success;
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

/// Lines of an answer that is not a file, where nothing is said.
const DEFAULT_LINES: usize = 100;
/// Lines on each side of one.
const MOST_AROUND: usize = 1000;
/// How far neighbours may be, in nanoseconds: a week.
const REACH: i64 = 7 * 86_400_000_000_000;

/// `GET /api/afferent/v1/logs/query`
pub(crate) async fn query(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let search = search(&params)?;
    let range = range(&logs, &params)?;
    let direction = direction(&params)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Form::of(params.get("format"), accept, params.get("columns")).map_err(bad)?;
    let Some(form) = form else {
        let most = most_lines(&logs, &tenant);
        let limit = count(&params, "limit", DEFAULT_LINES.min(most), most)?;
        let found = find(&logs, &tenant, &search, range, limit, direction).await?;
        let lines: Vec<_> = found.iter().map(object).collect();
        return Ok(success(&json!({"query": search.to_string(), "lines": lines}))?);
    };
    let limit = match params.get("limit") {
        "" => None,
        _ => Some(count(&params, "limit", 1, usize::MAX)?),
    };
    let content_type = form.content_type();
    let pieces = file(logs, tenant, search, range, direction, limit, form).await?;
    Ok(([(header::CONTENT_TYPE, content_type)], Body::from_stream(pieces)).into_response())
}

/// `GET /api/afferent/v1/logs/around`
pub(crate) async fn around(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant, params: Params) -> Answer {
    let matchers = match params.get("stream") {
        "" => Vec::new(),
        text => logql::parse_matchers(text).map_err(|error| bad(format!("stream: {error}")))?,
    };
    if matchers.is_empty() {
        return Err(bad("stream: the labels of the line's stream are needed, as {app=\"shop\", pod=\"a\"}"));
    }
    let Ok(time) = params.get("timestamp").parse::<i64>() else {
        return Err(bad("timestamp: expected nanoseconds since the Unix epoch"));
    };
    let before = count(&params, "before", 10, MOST_AROUND)?;
    let after = count(&params, "after", 10, MOST_AROUND)?;
    let stream = LogExpr { matchers, stages: Vec::new() };
    let older = NanoRange { start: time.saturating_sub(REACH), end: time };
    let newer = NanoRange { start: time, end: time.saturating_add(REACH) };
    let mut lines = find(&logs, &tenant, &stream, older, before, Direction::Backward).await?;
    lines.reverse();
    let own = lines.len();
    // The line itself is the first of the newer ones.
    lines.extend(find(&logs, &tenant, &stream, newer, after + 1, Direction::Forward).await?);
    let lines: Vec<_> = lines.iter().map(object).collect();
    Ok(success(&json!({"lines": lines, "at": own}))?)
}

/// `max_entries_limit_per_query`.
fn most_lines(logs: &Logs, tenant: &model::Tenant) -> usize {
    match logs.intake.config().limits_of(tenant).max_entries_limit_per_query {
        0 => usize::MAX,
        most => usize::try_from(most).unwrap_or(usize::MAX),
    }
}
