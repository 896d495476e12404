//! `/api/v1/search/metric_names`, `label_names` and `label_values`: names that fit search terms, as lines of JSON
//! (`web/api/v1/search.go`). Lines of results come first, then one that says how it ended.

mod request;
mod score;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use model::{LabelRequest, METRIC_NAME, SeriesSource, SourceError};
use promql::engine::CancelFlag;
use serde::{Serialize, Serializer};

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::params::Params;
use crate::state::Api;
use crate::tenant::RequestTenant;
use request::{Order, SearchRequest, boolean};

const NDJSON: &str = "application/x-ndjson; charset=utf-8";

/// A name that was found, and how well it fits.
struct Hit {
    name: String,
    score: f64,
}

#[derive(Serialize)]
struct Batch<T> {
    results: Vec<T>,
}

#[derive(Serialize)]
struct Trailer {
    status: &'static str,
    has_more: bool,
}

#[derive(Serialize)]
struct Name {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "short")]
    score: Option<f64>,
}

#[derive(Serialize)]
struct Value {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "short")]
    score: Option<f64>,
}

#[derive(Serialize)]
struct Metric {
    #[serde(flatten)]
    name: Name,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    metric_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    help: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    unit: String,
}

/// Go writes whole numbers without a point.
fn short<S: Serializer>(score: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match score {
        Some(whole) if whole.fract() == 0.0 => serializer.serialize_u64(*whole as u64),
        Some(score) => serializer.serialize_f64(*score),
        None => serializer.serialize_none(),
    }
}

pub(crate) async fn metric_names(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let request = SearchRequest::read(&api, tenant, &params, "metric_names")?;
    let with_metadata = boolean(&params, "include_metadata", false)?;
    let scored = request.include_score;
    let batch_size = request.batch_size;
    let (hits, has_more) = find(&api, request, |source, labels| source.label_values(METRIC_NAME, labels)).await?;
    let mut known = BTreeMap::new();
    if with_metadata && !hits.is_empty() {
        for target in api.parts.targets.metadata() {
            for family in target.families.iter() {
                known.entry(family.family.clone()).or_insert_with(|| family.metadata.clone());
            }
        }
    }
    let metric = |hit: Hit| {
        let metadata = known.get(&hit.name).cloned();
        let (metric_type, help, unit) =
            metadata.map_or_else(Default::default, |m| (m.metric_type.as_str().to_owned(), m.help, m.unit));
        Metric { name: name(hit, scored), metric_type, help, unit }
    };
    lines(hits.into_iter().map(metric).collect(), batch_size, has_more)
}

pub(crate) async fn label_names(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let request = SearchRequest::read(&api, tenant, &params, "label_names")?;
    let (scored, batch_size) = (request.include_score, request.batch_size);
    let (hits, has_more) = find(&api, request, |source, labels| source.label_names(labels)).await?;
    lines(hits.into_iter().map(|hit| name(hit, scored)).collect(), batch_size, has_more)
}

pub(crate) async fn label_values(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let request = SearchRequest::read(&api, tenant, &params, "label_values")?;
    let label = params.get("label").to_owned();
    if label.is_empty() {
        return Err(ApiError::bad_data("missing required parameter \"label\""));
    }
    let (scored, batch_size) = (request.include_score, request.batch_size);
    let (hits, has_more) = find(&api, request, move |source, labels| source.label_values(&label, labels)).await?;
    let value = |hit: Hit| Value { value: hit.name, score: scored.then_some(hit.score) };
    lines(hits.into_iter().map(value).collect(), batch_size, has_more)
}

fn name(hit: Hit, scored: bool) -> Name {
    Name { name: hit.name, score: scored.then_some(hit.score) }
}

/// The names that fit, at most as many as asked for, and whether there are more.
async fn find(
    api: &Arc<Api>,
    request: SearchRequest,
    list: impl FnOnce(&dyn SeriesSource, &LabelRequest<'_>) -> Result<Vec<String>, SourceError> + Send + 'static,
) -> Result<(Vec<Hit>, bool), ApiError> {
    let admission = api.lookups.admit(api.engine().options().timeout).await?;
    let (source, memory) = (Arc::clone(&api.parts.source), api.engine().options().memory.open());
    let found = admission.run(CancelFlag::default(), move || {
        let labels = LabelRequest {
            tenant: &request.tenant,
            matcher_sets: &request.matcher_sets,
            range: request.range,
            limit: 0,
            memory: Some(&memory),
        };
        let names = list(source.as_ref(), &labels)?;
        let hits = names.into_iter().filter_map(|name| Some(Hit { score: request.search.score(&name)?, name }));
        let mut hits: Vec<Hit> = match request.order {
            // Names come sorted.
            Order::Ascending => hits.take(request.limit.saturating_add(1)).collect(),
            Order::Descending | Order::Score => hits.collect(),
        };
        match request.order {
            Order::Ascending => {}
            Order::Descending => hits.reverse(),
            Order::Score => hits.sort_by(|a, b| b.score.total_cmp(&a.score)),
        }
        let has_more = hits.len() > request.limit;
        hits.truncate(request.limit);
        Ok::<_, SourceError>((hits, has_more))
    });
    Ok(found.await??)
}

/// The stream: batches, at least one, and the trailer.
fn lines<T: Serialize>(mut results: Vec<T>, batch_size: usize, has_more: bool) -> Answer {
    let mut out = Vec::with_capacity(4096);
    loop {
        let rest = results.split_off(results.len().min(batch_size));
        push_line(&mut out, &Batch { results })?;
        results = rest;
        if results.is_empty() {
            break;
        }
    }
    push_line(&mut out, &Trailer { status: "success", has_more })?;
    let response: Response = ([(header::CONTENT_TYPE, NDJSON)], Body::from(out)).into_response();
    Ok(response)
}

fn push_line(out: &mut Vec<u8>, line: &impl Serialize) -> Result<(), ApiError> {
    serde_json::to_writer(&mut *out, line).map_err(|e| ApiError::internal(e.to_string()))?;
    out.push(b'\n');
    Ok(())
}
