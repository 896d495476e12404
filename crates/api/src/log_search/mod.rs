//! `/api/afferent/v1/logs/*`: logs searched in Kibana's language or in LogQL. Lines, also as a file however many there are; how many
//! there are and when; which fields they have; and the lines around one.

mod export;
mod fields;
mod histogram;
mod lines;
pub(crate) mod saved;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use logql::ast::{Expr, LogExpr};
use logql::{Direction, kql};
use model::{NanoRange, Tenant};

pub(crate) use fields::fields;
pub(crate) use histogram::histogram;
pub(crate) use lines::{around, query};

use crate::errors::{ApiError, ErrorKind};
use crate::log_state::Logs;
use crate::loki::query::{Found, entries};
use crate::loki::{LokiError, times};
use crate::params::Params;

/// What handlers give back.
type Answer = Result<Response, SearchError>;

/// An error in the form of our own API.
pub(crate) struct SearchError(ApiError);

impl From<LokiError> for SearchError {
    fn from(error: LokiError) -> Self {
        let kind = match error.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Unavailable,
            StatusCode::GATEWAY_TIMEOUT => ErrorKind::Timeout,
            StatusCode::INTERNAL_SERVER_ERROR => ErrorKind::Internal,
            status if status.as_u16() == 499 => ErrorKind::Canceled,
            _ => ErrorKind::BadData,
        };
        SearchError(ApiError::new(kind, error.text))
    }
}

impl From<ApiError> for SearchError {
    fn from(error: ApiError) -> Self {
        SearchError(error)
    }
}

impl IntoResponse for SearchError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

fn bad(text: impl Into<String>) -> SearchError {
    SearchError(ApiError::bad_data(text.into()))
}

/// The search of a request: `query` in the `language`, which is KQL where nothing is said.
fn search(params: &Params) -> Result<LogExpr, SearchError> {
    let query = params.get("query");
    match params.get("language") {
        "" | "kql" => kql::log_expr(query).map_err(|error| bad(error.to_string())),
        "logql" => logql::parse_log(query).map_err(|error| bad(error.to_string())),
        other => Err(bad(format!("language: {other:?} is not known: expected kql or logql"))),
    }
}

fn direction(params: &Params) -> Result<Direction, SearchError> {
    match params.get("direction") {
        "" | "backward" => Ok(Direction::Backward),
        "forward" => Ok(Direction::Forward),
        other => Err(bad(format!("direction: {other:?} is not known: expected backward or forward"))),
    }
}

/// A number above zero.
fn count(params: &Params, name: &str, default: usize, most: usize) -> Result<usize, SearchError> {
    match params.get(name) {
        "" => Ok(default),
        text => match text.parse::<usize>() {
            Ok(count) if (1..=most).contains(&count) => Ok(count),
            _ => Err(bad(format!("{name}: expected a number from 1 to {most}, got {text:?}"))),
        },
    }
}

fn range(logs: &Logs, params: &Params) -> Result<NanoRange, SearchError> {
    Ok(times::ordered_bounds(params, logs.intake.now())?)
}

/// Entries of a search in the order of the direction.
async fn find(
    logs: &Arc<Logs>,
    tenant: &Tenant,
    search: &LogExpr,
    range: NanoRange,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Found>, LokiError> {
    let expr = Expr::Log(search.clone());
    entries(logs, logs.source.clone(), tenant.clone(), expr, range, limit, direction).await
}
