//! `labels`, `label/<name>/values` and `series`, and their forms below `/api/prom`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use model::{LabelRequest, LogSource, Matcher, NanoRange, SourceError, Tenant, TimeRange, Timestamp};

use super::answer::{Answer, LokiError, json, legacy_strings, strings};
use super::{lookup, times};
use crate::json::push_labels;
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

/// What all of them read.
struct Question {
    tenant: Tenant,
    range: NanoRange,
    matcher_sets: Vec<Vec<Matcher>>,
}

impl Question {
    fn read(logs: &Logs, tenant: LogTenant, params: &Params, selectors: &[&str]) -> Result<Question, LokiError> {
        let range = times::bounds(params, logs.intake.now())?;
        let matcher_sets = selectors.iter().map(|text| lookup::matchers(text)).collect::<Result<Vec<_>, _>>()?;
        // A selector without conditions means all streams.
        let matcher_sets = if matcher_sets.iter().any(Vec::is_empty) { Vec::new() } else { matcher_sets };
        Ok(Question { tenant: tenant.0, range, matcher_sets })
    }

    async fn ask<T: Send + 'static>(
        self,
        logs: &Logs,
        ask: impl FnOnce(&dyn LogSource, &LabelRequest<'_>) -> Result<Vec<T>, SourceError> + Send + 'static,
    ) -> Result<Vec<T>, LokiError> {
        lookup::run(logs, move |reading| {
            let request = LabelRequest {
                tenant: &self.tenant,
                matcher_sets: &self.matcher_sets,
                range: milliseconds(self.range),
                limit: 0,
                memory: Some(&reading.memory),
            };
            Ok(ask(reading.source.as_ref(), &request)?)
        })
        .await
    }
}

/// The milliseconds that a span of nanoseconds touches.
pub(crate) fn milliseconds(range: NanoRange) -> TimeRange {
    TimeRange {
        start: Timestamp(range.start.div_euclid(1_000_000)),
        end: Timestamp(range.end.saturating_sub(1).div_euclid(1_000_000)),
    }
}

fn selector(params: &Params) -> Vec<&str> {
    Some(params.get("query")).filter(|text| !text.is_empty()).into_iter().collect()
}

async fn names_of(logs: &Logs, tenant: LogTenant, params: &Params) -> Result<Vec<String>, LokiError> {
    let question = Question::read(logs, tenant, params, &selector(params))?;
    question.ask(logs, |source, request| source.label_names(request)).await
}

async fn values_of(logs: &Logs, tenant: LogTenant, name: String, params: &Params) -> Result<Vec<String>, LokiError> {
    let question = Question::read(logs, tenant, params, &selector(params))?;
    question.ask(logs, move |source, request| source.label_values(&name, request)).await
}

pub(crate) async fn names(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    Ok(strings(&names_of(&logs, tenant, &params).await?))
}

pub(crate) async fn values(
    State(logs): State<Arc<Logs>>,
    Path(name): Path<String>,
    tenant: LogTenant,
    params: Params,
) -> Answer {
    Ok(strings(&values_of(&logs, tenant, name, &params).await?))
}

pub(crate) async fn legacy_names(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    Ok(legacy_strings(&names_of(&logs, tenant, &params).await?))
}

pub(crate) async fn legacy_values(
    State(logs): State<Arc<Logs>>,
    Path(name): Path<String>,
    tenant: LogTenant,
    params: Params,
) -> Answer {
    Ok(legacy_strings(&values_of(&logs, tenant, name, &params).await?))
}

pub(crate) async fn series(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let selectors: Vec<&str> = params.all("match").chain(params.all("match[]")).collect();
    let question = Question::read(&logs, tenant, &params, &selectors)?;
    let found = question.ask(&logs, |source, request| source.streams(request)).await?;
    Ok(series_answer(&found))
}

fn series_answer(found: &[model::Labels]) -> Response {
    let mut out = Vec::from(&br#"{"status":"success","data":["#[..]);
    for (at, labels) in found.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_labels(&mut out, labels);
    }
    out.extend_from_slice(b"]}");
    json(out)
}
