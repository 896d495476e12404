//! `query_range` and `query`: admitted, listed, killed and logged like queries of metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use logql::ast::Expr;
use logql::{CancelFlag, Direction, QueryContext, QueryError, QueryResult, RangeParams, Value};
use model::{LogSource, NanoRange, Tenant, Timestamp};

use super::answer::{Answer, LokiError};
use super::encode::{self, Categorize};
use super::{answer, times};
use crate::log_state::{LogTenant, Logs};
use crate::memory::MEMORY_RETRY_AFTER_S;
use crate::params::Params;
use crate::queries::{Asked, Client, Times};

/// One entry of an answer, by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// Nanoseconds since the Unix epoch.
    pub(crate) time: i64,
    pub(crate) line: Vec<u8>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) parsed: Vec<(String, String)>,
}

/// Asks that the query stops, once nobody waits for it any more.
struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl From<QueryError> for LokiError {
    fn from(error: QueryError) -> Self {
        let status = match &error {
            QueryError::Memory(model::MemoryError::All | model::MemoryError::Process) => {
                return LokiError::again(error.to_string(), MEMORY_RETRY_AFTER_S);
            }
            QueryError::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            QueryError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
            QueryError::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            _ => StatusCode::BAD_REQUEST,
        };
        LokiError::new(status, error.to_string())
    }
}

pub(crate) async fn range(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    client: Client,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let mut range = times::ordered_bounds(&params, logs.intake.now())?;
    let query = params.get("query").to_owned();
    let limit = times::positive(&params, "limit", 100)?;
    let direction = match params.get("direction").to_ascii_lowercase().as_str() {
        "" | "backward" => Direction::Backward,
        "forward" => Direction::Forward,
        _ => return Err(LokiError::bad(format!("invalid direction '{}'", params.get("direction")))),
    };
    let step = times::step(&params, range)?;
    let interval = times::interval(&params)?;
    let expr = parse(&query)?;
    let checks = check(&logs, &tenant, &expr, &mut range, limit)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let asked = RangeParams { start: range.start, end: range.end, step, interval, limit, direction };
    let shown = Times::Range {
        start: Timestamp(range.start.div_euclid(1_000_000)),
        end: Timestamp(range.end.div_euclid(1_000_000)),
        step_ms: step / 1_000_000,
    };
    let categorize = Categorize::of(&headers);
    let source = logs.source.clone();
    run(
        &logs,
        "logql_range",
        query,
        tenant,
        client,
        shown,
        checks,
        move |logs, context| {
            let result = logs.engine.query_range(source.as_ref(), context, &expr, &asked)?;
            Ok((result, direction))
        },
        categorize,
    )
    .await
}

pub(crate) async fn instant(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    client: Client,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let time = times::time_or(&params, "time", logs.intake.now())?;
    let query = params.get("query").to_owned();
    let limit = times::positive(&params, "limit", 100)?;
    let expr = parse(&query)?;
    let mut range = NanoRange { start: time, end: time };
    let checks = check(&logs, &tenant, &expr, &mut range, limit)?;
    let shown = Times::Instant(Timestamp(time.div_euclid(1_000_000)));
    let categorize = Categorize::of(&headers);
    let source = logs.source.clone();
    run(
        &logs,
        "logql_instant",
        query,
        tenant,
        client,
        shown,
        checks,
        move |logs, context| {
            let result = logs.engine.query_instant(source.as_ref(), context, &expr, time)?;
            Ok((result, Direction::Backward))
        },
        categorize,
    )
    .await
}

/// A tree of a query's text.
pub(crate) fn parse(query: &str) -> Result<Expr, LokiError> {
    if query.is_empty() {
        return Err(LokiError::bad("parse error : syntax error: unexpected $end"));
    }
    logql::parse(query).map_err(|error| LokiError::bad(error.to_string()))
}

/// An error where the text is no log query.
pub(crate) fn check_log_query(query: &str) -> Result<(), LokiError> {
    logql::parse_log(query).map(drop).map_err(|error| LokiError::bad(error.to_string()))
}

/// What limits say of a query that is about to run.
#[derive(Clone, Copy, Debug)]
struct Checks {
    timeout: Duration,
    /// Series of an answer; 0 for no limit.
    max_series: u64,
}

fn check(logs: &Logs, tenant: &Tenant, expr: &Expr, range: &mut NanoRange, limit: u64) -> Result<Checks, LokiError> {
    let config = logs.intake.config();
    let limits = config.limits_of(tenant);
    let most = limits.max_entries_limit_per_query;
    if matches!(expr, Expr::Log(_)) && most > 0 && limit > most {
        let text =
            format!("max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {most})");
        return Err(LokiError::bad(text));
    }
    let span_ms = range.end.saturating_sub(range.start) / 1_000_000;
    if !limits.max_query_length.is_zero() && span_ms > limits.max_query_length.ms() {
        let (length, most) = (model::duration::format_duration_ms(span_ms), limits.max_query_length);
        return Err(LokiError::bad(format!(
            "the query time range exceeds the limit (query length: {length}, limit: {most})"
        )));
    }
    let most = limits.max_query_range;
    if let Some(interval) = expr.intervals().into_iter().max().filter(|_| !most.is_zero())
        && interval > most.ms().saturating_mul(1_000_000)
    {
        let interval = model::duration::format_duration_ms(interval / 1_000_000);
        return Err(LokiError::bad(format!("[interval] value exceeds limit: [{interval}] > [{most}]")));
    }
    if !limits.max_query_lookback.is_zero() {
        let oldest = logs.intake.now().saturating_sub(limits.max_query_lookback.ms().saturating_mul(1_000_000));
        range.start = range.start.max(oldest).min(range.end);
    }
    for selector in expr.selectors() {
        let missing: Vec<&str> = limits
            .required_labels
            .iter()
            .map(String::as_str)
            .filter(|label| !selector.matchers.iter().any(|matcher| matcher.name == **label))
            .collect();
        if !missing.is_empty() {
            let present: Vec<&str> = selector.matchers.iter().map(|matcher| matcher.name.as_str()).collect();
            return Err(LokiError::bad(format!(
                "stream selector is missing required matchers [{}], labels present in the query were [{}]",
                missing.join(" "),
                present.join(" ")
            )));
        }
    }
    let timeout = limits.query_timeout.map_or(logs.timeout, |timeout| timeout.to_std().min(logs.timeout));
    Ok(Checks { timeout, max_series: limits.max_query_series })
}

#[allow(clippy::too_many_arguments)] // what both endpoints read, each of its own kind
async fn run(
    logs: &Arc<Logs>,
    kind: &'static str,
    query: String,
    tenant: Tenant,
    client: Client,
    times: Times,
    checks: Checks,
    ask: impl FnOnce(&Logs, &QueryContext) -> Result<(QueryResult, Direction), LokiError> + Send + 'static,
    categorize: Categorize,
) -> Answer {
    let context = QueryContext { tenant: tenant.clone(), timeout: Some(checks.timeout), ..QueryContext::default() };
    let _cancel = CancelOnDrop(context.cancel.clone());
    let asked = Asked { kind, query, tenant, times, timeout: checks.timeout, client };
    let shared = logs.clone();
    let work = move |turn: &crate::queries::Turn| {
        turn.follow(context.progress.clone());
        let answered = ask(&shared, &context).and_then(|(result, direction)| {
            check_series(&result, checks.max_series)?;
            encode::answer(&result, categorize, direction, turn.waited)
        });
        turn.ended_with(answered.as_ref().err().map(|error| error.text.clone()));
        answered
    };
    let (answered, _) = logs.active_queries.run(&logs.queries, asked, work).await?;
    answered.map(answer::json)
}

fn check_series(result: &QueryResult, most: u64) -> Result<(), LokiError> {
    let series = match &result.value {
        Value::Matrix(series) => series.len(),
        Value::Vector(samples) => samples.len(),
        Value::Streams(_) | Value::Scalar(..) => 0,
    };
    if most > 0 && series as u64 > most {
        let text = format!(
            "maximum number of series ({most}) reached for a single query; consider reducing query cardinality by adding \
             more specific stream selectors, reducing the time range, or aggregating results with functions like sum(), \
             count() or topk()"
        );
        return Err(LokiError::bad(text));
    }
    Ok(())
}

/// The newest entries of a log query, the newest first.
pub(crate) async fn newest(
    logs: &Arc<Logs>,
    tenant: Tenant,
    query: &str,
    range: NanoRange,
    limit: u64,
) -> Result<Vec<Found>, LokiError> {
    newest_of(logs, logs.source.clone(), tenant, query, range, limit).await
}

/// The same of any source.
pub(crate) async fn newest_of(
    logs: &Arc<Logs>,
    source: Arc<dyn LogSource>,
    tenant: Tenant,
    query: &str,
    range: NanoRange,
    limit: u64,
) -> Result<Vec<Found>, LokiError> {
    let expr = Expr::Log(logql::parse_log(query).map_err(|error| LokiError::bad(error.to_string()))?);
    let limit = usize::try_from(limit).unwrap_or(0);
    entries(logs, source, tenant, expr, range, limit, Direction::Backward).await
}

/// Entries of a log query in the order of the direction.
pub(crate) async fn entries(
    logs: &Arc<Logs>,
    source: Arc<dyn LogSource>,
    tenant: Tenant,
    expr: Expr,
    range: NanoRange,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Found>, LokiError> {
    let params = RangeParams { start: range.start, end: range.end, step: 1, interval: 0, limit, direction };
    look_up(logs, tenant, move |logs, context| {
        let result = logs.engine.query_range(source.as_ref(), context, &expr, &params)?;
        let Value::Streams(streams) = &result.value else { return Ok(Vec::new()) };
        let pairs = |labels: &model::Labels| labels.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect();
        let mut found: Vec<Found> = Vec::new();
        for stream in streams {
            found.extend(stream.entries.iter().map(|entry| Found {
                time: entry.timestamp,
                line: entry.line.clone(),
                labels: pairs(&stream.stream),
                metadata: pairs(&stream.metadata),
                parsed: pairs(&stream.parsed),
            }));
        }
        match direction {
            Direction::Backward => found.sort_by_key(|entry| std::cmp::Reverse(entry.time)),
            Direction::Forward => found.sort_by_key(|entry| entry.time),
        }
        Ok(found)
    })
    .await
}

/// Runs work with the engine that is no query of its own: admitted like the look-ups, not on the list.
pub(crate) async fn look_up<T: Send + 'static>(
    logs: &Arc<Logs>,
    tenant: Tenant,
    work: impl FnOnce(&Logs, &QueryContext) -> Result<T, LokiError> + Send + 'static,
) -> Result<T, LokiError> {
    let context = QueryContext { tenant, timeout: Some(logs.timeout), ..QueryContext::default() };
    let _cancel = CancelOnDrop(context.cancel.clone());
    let admission = logs.lookups.admit(logs.timeout).await?;
    let shared = logs.clone();
    admission.run(promql::engine::CancelFlag::default(), move || work(&shared, &context)).await?
}

/// `format_query`.
pub(crate) async fn format_query(params: Params) -> Response {
    match logql::format(params.get("query")) {
        Ok(text) => {
            let mut out = Vec::from(&br#"{"status":"success","data":"#[..]);
            crate::json::push_string(&mut out, &text);
            out.push(b'}');
            let mut response = answer::json(out);
            let lower = http::HeaderValue::from_static("application/json; charset=utf-8");
            response.headers_mut().insert(http::header::CONTENT_TYPE, lower);
            response
        }
        Err(error) => answer::json_error(StatusCode::BAD_REQUEST, "invalid-query", &error.to_string()),
    }
}
