//! The parameters of a search.

use model::{Matcher, Tenant, TimeRange};

use super::score::{Fuzziness, Search};
use crate::errors::ApiError;
use crate::params::{Params, parse_time};
use crate::prom_labels::matcher_sets;
use crate::state::Api;
use crate::tenant::RequestTenant;

const DEFAULT_LIMIT: usize = 100;
/// Prometheus' default of `--web.search.max-limit`.
const MAX_LIMIT: usize = 10_000;
const DEFAULT_BATCH: usize = 100;
const MAX_TERMS: usize = 32;
/// Without `start`, the search looks back for so long.
const DEFAULT_SPAN_MS: i64 = 3_600_000;

/// In which order names are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
    /// The best first; of equal ones in ascending order.
    Score,
}

/// What somebody looks for.
pub(super) struct SearchRequest {
    pub(super) tenant: Tenant,
    pub(super) matcher_sets: Vec<Vec<Matcher>>,
    pub(super) range: TimeRange,
    pub(super) search: Search,
    pub(super) order: Order,
    pub(super) include_score: bool,
    pub(super) limit: usize,
    pub(super) batch_size: usize,
}

impl SearchRequest {
    pub(super) fn read(
        api: &Api,
        tenant: RequestTenant,
        params: &Params,
        endpoint: &str,
    ) -> Result<SearchRequest, ApiError> {
        let now = api.parts.clock.now();
        let time = |name: &str, default: i64| match params.get(name) {
            "" => Ok(model::Timestamp(default)),
            text => parse_time(text).map_err(|e| ApiError::bad_data(format!("invalid time value for '{name}': {e}"))),
        };
        let start = time("start", now.ms() - DEFAULT_SPAN_MS)?;
        let end = time("end", now.ms())?;
        if end < start {
            return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
        }
        let matcher_sets = matcher_sets(params).map_err(ApiError::bad_data)?;
        let (search, include_score) = search(params)?;
        let order = order(params, &search)?;
        let limit = number(params, "limit", DEFAULT_LIMIT)?;
        if limit > MAX_LIMIT {
            return Err(ApiError::bad_data(format!("limit {limit} exceeds the maximum of {MAX_LIMIT}")));
        }
        let batch_size = number(params, "batch_size", DEFAULT_BATCH)?;
        let Some(order) = order else {
            return Err(ApiError::bad_data(format!(
                "invalid sort_by {} for {endpoint}: must be \"alpha\" or \"score\"",
                quoted(params.get("sort_by"))
            )));
        };
        let range = TimeRange { start, end };
        let tenant = tenant.0;
        Ok(SearchRequest { tenant, matcher_sets, range, search, order, include_score, limit, batch_size })
    }
}

fn search(params: &Params) -> Result<(Search, bool), ApiError> {
    let terms: Vec<&str> = params.all("search[]").collect();
    if terms.len() > MAX_TERMS {
        let message = format!("too many search[] terms: got {}, maximum is {MAX_TERMS}", terms.len());
        return Err(ApiError::bad_data(message));
    }
    let threshold = match params.get("fuzz_threshold") {
        "" => 0,
        text => text
            .parse::<u8>()
            .ok()
            .filter(|t| *t <= 100)
            .ok_or_else(|| ApiError::bad_data(format!("invalid fuzz_threshold {}: must be 0-100", quoted(text))))?,
    };
    let fuzziness = match params.get("fuzz_alg") {
        "" | "subsequence" => Fuzziness::Subsequence,
        "jarowinkler" => Fuzziness::JaroWinkler,
        other => {
            return Err(ApiError::bad_data(format!(
                "unsupported fuzz_alg {}: must be one of [subsequence jarowinkler]",
                quoted(other)
            )));
        }
    };
    let case_sensitive = boolean(params, "case_sensitive", true)?;
    let include_score = boolean(params, "include_score", false)?;
    let fold = |term: &str| if case_sensitive { term.to_owned() } else { term.to_lowercase() };
    let terms = terms.into_iter().filter(|term| !term.is_empty()).map(fold).collect();
    Ok((Search { terms, fuzziness, threshold: f64::from(threshold) / 100.0, case_sensitive }, include_score))
}

/// `None` where `sort_by` is not known.
fn order(params: &Params, search: &Search) -> Result<Option<Order>, ApiError> {
    let (by, direction) = (params.get("sort_by"), params.get("sort_dir"));
    let refuse = |message: &str| Err(ApiError::bad_data(message));
    if !direction.is_empty() && by.is_empty() {
        return refuse("sort_dir is only valid when sort_by is set");
    }
    if !direction.is_empty() && by == "score" {
        return refuse("sort_dir is not supported for sort_by=score");
    }
    if !matches!(direction, "" | "asc" | "dsc") {
        let message = format!("invalid sort_dir {}: must be \"asc\" or \"dsc\"", quoted(direction));
        return Err(ApiError::bad_data(message));
    }
    if by == "score" && search.terms.is_empty() && params.all("search[]").next().is_none() {
        return refuse("sort_by=score requires search[] to be set");
    }
    Ok(match by {
        "score" => Some(Order::Score),
        "alpha" if direction == "dsc" => Some(Order::Descending),
        "" | "alpha" => Some(Order::Ascending),
        _ => None,
    })
}

fn number(params: &Params, name: &str, default: usize) -> Result<usize, ApiError> {
    match params.get(name) {
        "" => Ok(default),
        text => {
            text.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                ApiError::bad_data(format!("invalid {name} {}: must be a positive integer", quoted(text)))
            })
        }
    }
}

/// Go's `strconv.ParseBool`.
pub(super) fn boolean(params: &Params, name: &str, default: bool) -> Result<bool, ApiError> {
    match params.get(name) {
        "" => Ok(default),
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        text => Err(ApiError::bad_data(format!("invalid {name} {}: must be boolean", quoted(text)))),
    }
}

fn quoted(text: &str) -> String {
    model::float::go_quote(text)
}
