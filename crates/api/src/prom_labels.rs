//! `/api/v1/labels`, `/api/v1/label/<name>/values` and `/api/v1/series`.

use std::sync::Arc;

use axum::extract::{Path, State};
use model::{LabelRequest, Matcher, SeriesSource, SourceError, Tenant, TimeRange};
use promql::engine::CancelFlag;
use promql::parser::parse_metric_selector;

use crate::answer::{Answer, TRUNCATED, success_chunks};
use crate::errors::ApiError;
use crate::json::{push_labels, push_string};
use crate::list_answer::ListAnswer;
use crate::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use crate::state::Api;
use crate::tenant::RequestTenant;

/// What all three endpoints read.
struct Lookup {
    tenant: Tenant,
    matcher_sets: Vec<Vec<Matcher>>,
    range: TimeRange,
    limit: usize,
}

pub(crate) async fn names(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let lookup = Lookup::read(tenant, &params, ApiError::bad_data)?;
    lookup.answer(&api, |source, request| source.label_names(request), |out, name| push_string(out, name)).await
}

pub(crate) async fn values(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    tenant: RequestTenant,
    params: Params,
) -> Answer {
    let name = if name.starts_with("U__") { unescape_name(&name) } else { name };
    if name.is_empty() {
        return Err(ApiError::bad_data(format!("invalid label name: {name:?}")));
    }
    let lookup = Lookup::read(tenant, &params, ApiError::bad_data)?;
    let ask = move |source: &dyn SeriesSource, request: &LabelRequest<'_>| source.label_values(&name, request);
    lookup.answer(&api, ask, |out, value| push_string(out, value)).await
}

pub(crate) async fn series(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let lookup = Lookup::read(tenant, &params, |reason| ApiError::parameter("match[]", reason))?;
    lookup.answer(&api, |source, request| source.series(request), push_labels).await
}

impl Lookup {
    fn read(tenant: RequestTenant, params: &Params, wrap: fn(String) -> ApiError) -> Result<Lookup, ApiError> {
        let limit = params.limit()?;
        let start = params.time_or("start", MIN_TIME_MS)?;
        let end = params.time_or("end", MAX_TIME_MS)?;
        let matcher_sets = matcher_sets(params).map_err(wrap)?;
        Ok(Lookup { tenant: tenant.0, matcher_sets, range: TimeRange { start, end }, limit })
    }

    /// Asks for one answer more than the limit, so that a cut is noticed.
    async fn answer<T: Send + 'static>(
        self,
        api: &Arc<Api>,
        ask: impl FnOnce(&dyn SeriesSource, &LabelRequest<'_>) -> Result<Vec<T>, SourceError> + Send + 'static,
        push: fn(&mut Vec<u8>, &T),
    ) -> Answer {
        let limit = self.limit;
        let reservation = api.engine().options().memory.open();
        let memory = reservation.clone();
        let admission = api.lookups.admit(api.engine().options().timeout).await?;
        let source = Arc::clone(&api.parts.source);
        let answer = admission.run(CancelFlag::default(), move || {
            let request = LabelRequest {
                tenant: &self.tenant,
                matcher_sets: &self.matcher_sets,
                range: self.range,
                limit: if self.limit == 0 { 0 } else { self.limit.saturating_add(1) },
                memory: Some(&memory),
            };
            let found = ask(source.as_ref(), &request)?;
            Ok::<_, SourceError>((found, source.missing(&self.tenant, self.range)))
        });
        let (mut found, mut warnings) = answer.await??;
        if limit > 0 && found.len() > limit {
            found.truncate(limit);
            warnings.push(TRUNCATED.to_owned());
        }
        Ok(success_chunks(ListAnswer::new(found, push, warnings, reservation)))
    }
}

/// The selectors of all `match[]`; each needs a matcher that refuses the empty value.
pub(crate) fn matcher_sets(params: &Params) -> Result<Vec<Vec<Matcher>>, String> {
    let mut sets = Vec::new();
    for selector in params.all("match[]") {
        let matchers = parse_metric_selector(selector).map_err(|e| e.to_string())?;
        if matchers.iter().all(Matcher::matches_empty) {
            return Err("match[] must contain at least one non-empty matcher".to_owned());
        }
        sets.push(matchers);
    }
    Ok(sets)
}

/// Undoes Prometheus' "values" escaping: `U__` in front, `__` for `_`, `_1F600_` for a code point. What is not such an
/// escape makes the whole name stand for itself.
fn unescape_name(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let Some((hex, after)) = rest.split_once('_') else { return name.to_owned() };
        let code = if (1..=6).contains(&hex.len()) { u32::from_str_radix(hex, 16).ok() } else { None };
        let Some(c) = code.and_then(char::from_u32) else { return name.to_owned() };
        out.push(c);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        for (escaped, name) in [
            ("U__http_2e_status__code", "http.status_code"),
            ("U__plain", "plain"),
            ("U___1f600_", "😀"),
            ("U__a_b", "U__a_b"),
            ("U__a_zz_b", "U__a_zz_b"),
            ("U__a_1234567_", "U__a_1234567_"),
            ("other", "other"),
        ] {
            assert_eq!(unescape_name(escaped), name, "{escaped}");
        }
    }
}
