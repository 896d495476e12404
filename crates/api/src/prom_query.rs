//! `/api/v1/query` and `/api/v1/query_range`, with the parameters and errors of Prometheus 3.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use http::HeaderMap;
use model::{Reservation, Timestamp};
use promql::engine::{QueryContext, QueryError, QueryResult, Value};

use crate::answer::{Answer, TRUNCATED, success, success_chunks};
use crate::columns::{self, Grid, Wish};
use crate::encode::{EncodeCost, QueryAnswer, cost_of, stats_json};
use crate::errors::{ApiError, ErrorKind};
use crate::explain::Explanation;
use crate::params::{Params, parse_duration_ns, parse_time};
use crate::queries::{Asked, Client, Times};
use crate::state::Api;
use crate::tenant::RequestTenant;

/// Steps that a range query may have, less one.
const MAX_STEPS: i128 = 11_000;
/// The same for answers that are reduced to what a picture shows.
const MAX_PICTURE_STEPS: i128 = 200_000;
/// Warnings and infos that an answer lists, each.
const MAX_ANNOTATIONS: usize = 10;

/// What both endpoints read besides the times.
struct QueryRequest {
    query: String,
    limit: usize,
    stats: String,
    explain: bool,
    timeout: Option<Duration>,
    lookback_delta_ms: Option<i64>,
}

pub(crate) async fn instant(
    State(api): State<Arc<Api>>,
    tenant: RequestTenant,
    client: Client,
    params: Params,
) -> Answer {
    let limit = params.limit()?;
    let times = instant_times(&api, &params)?;
    let request = query_request(&params, limit)?;
    let answered = run(&api, "instant", tenant, client, &request, times).await?;
    answer(answered, &request)
}

pub(crate) async fn range(
    State(api): State<Arc<Api>>,
    tenant: RequestTenant,
    client: Client,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let limit = params.limit()?;
    let wish = Wish::read(&headers, &params)?;
    let max_steps = if wish.is_some_and(|wish| wish.width > 0) { MAX_PICTURE_STEPS } else { MAX_STEPS };
    let (start, end, step_ms) = range_times(&params, max_steps)?;
    let request = query_request(&params, limit)?;
    let grid = wish.map(|wish| Grid::new(start.ms(), end.ms(), step_ms, wish, &request.query));
    let times = Times::Range { start: grid.map_or(start, |grid| Timestamp(grid.from)), end, step_ms };
    let answered = run(&api, "range", tenant, client, &request, times).await?;
    let Some((wish, grid)) = wish.zip(grid) else { return answer(answered, &request) };
    let finished = finish(answered, &request);
    let writing = tokio::task::spawn_blocking(move || {
        let Finished { value, stats, warnings, infos, reservation: _reservation } = finished;
        columns::answer(&value, grid, wish, stats, &warnings, &infos)
    });
    writing.await.map_err(|_| ApiError::internal("the answer could not be written"))?
}

/// Answers what a query does instead of what it says; with `start`, as a range query.
pub(crate) async fn explain(
    State(api): State<Arc<Api>>,
    tenant: RequestTenant,
    client: Client,
    params: Params,
) -> Answer {
    let times = if params.get("start").is_empty() {
        instant_times(&api, &params)?
    } else {
        let (start, end, step_ms) = range_times(&params, MAX_STEPS)?;
        Times::Range { start, end, step_ms }
    };
    let request = QueryRequest { explain: true, ..query_request(&params, 0)? };
    let answered = run(&api, "explain", tenant, client, &request, times).await?;
    success(&explanation(&answered))
}

fn instant_times(api: &Api, params: &Params) -> Result<Times, ApiError> {
    Ok(Times::Instant(params.time_or("time", api.parts.clock.now().ms())?))
}

/// First and last step, and their distance in milliseconds.
fn range_times(params: &Params, max_steps: i128) -> Result<(Timestamp, Timestamp, i64), ApiError> {
    let start = parse_time(params.get("start")).map_err(|e| ApiError::parameter("start", e))?;
    let end = parse_time(params.get("end")).map_err(|e| ApiError::parameter("end", e))?;
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step_ns = parse_duration_ns(params.get("step")).map_err(|e| ApiError::parameter("step", e))?;
    // Steps finer than the clock's millisecond would never advance.
    let step_ms = step_ns / 1_000_000;
    if step_ms <= 0 {
        let reason = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", reason));
    }
    let span_ns = (i128::from(end.ms()) - i128::from(start.ms())) * 1_000_000;
    if span_ns / i128::from(step_ns) > max_steps {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    Ok((start, end, step_ms))
}

fn query_request(params: &Params, limit: usize) -> Result<QueryRequest, ApiError> {
    let timeout = match params.get("timeout") {
        "" => None,
        text => {
            let ns = parse_duration_ns(text).map_err(|e| ApiError::parameter("timeout", e))?;
            Some(Duration::from_nanos(u64::try_from(ns).unwrap_or(0)))
        }
    };
    let lookback_delta_ms = match params.get("lookback_delta") {
        "" => None,
        text => {
            let ns = parse_duration_ns(text)
                .map_err(|e| ApiError::bad_data(format!("error parsing lookback delta duration: {e}")))?;
            Some(ns / 1_000_000)
        }
    };
    let (query, stats) = (params.get("query").to_owned(), params.get("stats").to_owned());
    let explain = matches!(params.get("explain"), "1" | "true");
    Ok(QueryRequest { query, limit, stats, explain, timeout, lookback_delta_ms })
}

/// A query's result, and what it took besides.
struct Answered {
    result: QueryResult,
    waited: Duration,
    /// Where the query is to be explained.
    encoding: EncodeCost,
}

async fn run(
    api: &Arc<Api>,
    kind: &'static str,
    tenant: RequestTenant,
    client: Client,
    request: &QueryRequest,
    times: Times,
) -> Result<Answered, ApiError> {
    let longest = api.engine().options().timeout;
    let timeout = request.timeout.map_or(longest, |asked| asked.min(longest));
    let (query, tenant) = (request.query.clone(), tenant.0);
    let asked = Asked { kind, query: query.clone(), tenant: tenant.clone(), times, timeout, client };
    let (lookback_delta_ms, per_step_stats, explain) =
        (request.lookback_delta_ms, request.stats == "all", request.explain);
    let shared = Arc::clone(api);
    let answered = api.active_queries.run(&api.queries, asked, move |turn| {
        let context = QueryContext {
            tenant,
            cancel: turn.cancel.clone(),
            lookback_delta_ms,
            timeout: Some(timeout.saturating_sub(turn.waited)),
            per_step_stats,
            progress: turn.progress.clone(),
            explain,
            keep_parsed: false,
        };
        let result = evaluate(&shared, &context, &query, times);
        turn.ended(&result);
        let mut result = result?;
        let mut encoding = EncodeCost::default();
        if explain {
            (result.value, encoding) = cost_of(result.value);
        }
        Ok::<_, QueryError>((result, encoding))
    });
    let (answered, waited) = answered.await?;
    let (result, encoding) = answered?;
    Ok(Answered { result, waited, encoding })
}

fn evaluate(api: &Api, context: &QueryContext, query: &str, times: Times) -> Result<QueryResult, QueryError> {
    let (engine, source) = (api.engine(), api.parts.source.as_ref());
    match times {
        Times::Instant(at) => engine.instant(source, context, query, at),
        Times::Range { start, end, step_ms } => engine.range(source, context, query, start, end, step_ms),
    }
}

fn explanation(answered: &Answered) -> Explanation {
    let Answered { result, waited, encoding } = answered;
    Explanation::new(result.explain.as_deref(), &result.stats, *waited, *encoding)
}

/// What is left to be written.
struct Finished {
    value: Value,
    stats: Option<Vec<u8>>,
    warnings: Vec<String>,
    infos: Vec<String>,
    /// The memory that the value is accounted with.
    reservation: Arc<Reservation>,
}

fn finish(answered: Answered, request: &QueryRequest) -> Finished {
    let Answered { result, waited, .. } = answered;
    let (mut warnings, infos) = result.annotations.render(&request.query, MAX_ANNOTATIONS);
    let mut value = result.value;
    if request.limit > 0 && truncate(&mut value, request.limit) {
        warnings.push(TRUNCATED.to_owned());
    }
    if !matches!(request.stats.as_str(), "" | "true" | "all") {
        warnings.push(format!(
            "value {} for parameter \"stats\" is deprecated and will be rejected in the next major release, use \"true\" or \"all\"",
            model::float::go_quote(&request.stats)
        ));
    }
    let stats = (!request.stats.is_empty()).then(|| stats_json(&result.stats, waited.as_secs_f64()));
    Finished { value, stats, warnings, infos, reservation: result.reservation }
}

fn answer(answered: Answered, request: &QueryRequest) -> Answer {
    let explained = request.explain.then(|| serde_json::to_vec(&explanation(&answered))).transpose();
    let explained = explained.map_err(|e| ApiError::internal(e.to_string()))?;
    let Finished { value, stats, warnings, infos, reservation } = finish(answered, request);
    let mut answer = QueryAnswer::new(value, stats, warnings, infos).holding(reservation);
    if let Some(explained) = explained {
        answer = answer.explained(explained);
    }
    Ok(success_chunks(answer))
}

/// Cuts vectors and matrices to `limit` series; true where something was cut.
fn truncate(value: &mut Value, limit: usize) -> bool {
    let before = match value {
        Value::Vector(samples) => samples.len(),
        Value::Matrix(series) => series.len(),
        Value::Scalar(..) | Value::String(..) => 0,
    };
    match value {
        Value::Vector(samples) => samples.truncate(limit),
        Value::Matrix(series) => series.truncate(limit),
        Value::Scalar(..) | Value::String(..) => {}
    }
    before > limit
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let kind = match &error {
            QueryError::Parse(_) => return ApiError::parameter("query", error),
            QueryError::OutOfMemory(error) => return (*error).into(),
            QueryError::Execution(_) | QueryError::TooManySamples | QueryError::TooManyBytes { .. } => {
                ErrorKind::Execution
            }
            QueryError::Timeout(_) => ErrorKind::Timeout,
            QueryError::Canceled(_) => ErrorKind::Canceled,
            QueryError::Storage(model::SourceError::Limit(_)) => ErrorKind::Execution,
            QueryError::Storage(_) => ErrorKind::Internal,
        };
        ApiError::new(kind, error.to_string())
    }
}
