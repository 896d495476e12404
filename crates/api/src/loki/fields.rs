//! What fields entries have: `detected_labels`, `detected_fields` and their values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, State};
use logql::fields::DetectedField;
use logql::{Direction, RangeParams};
use serde_json::json;

use super::answer::{Answer, LokiError, json as json_answer};
use super::{labels, lookup, query, times};
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

/// Labels that are told even where all streams have one value of them.
const STATIC_LABELS: [&str; 4] = ["cluster", "namespace", "instance", "pod"];

/// Fields of the newest entries that the query finds.
async fn read(logs: &Arc<Logs>, tenant: LogTenant, params: &Params) -> Result<Vec<DetectedField>, LokiError> {
    let range = times::ordered_bounds(params, logs.intake.now())?;
    let line_limit = times::positive(params, "line_limit", 100)?;
    let limit = usize::try_from(line_limit).unwrap_or(usize::MAX);
    let query = logql::parse_log(params.get("query")).map_err(|error| LokiError::bad(error.to_string()))?;
    let wanted =
        RangeParams { start: range.start, end: range.end, step: 1, interval: 0, limit, direction: Direction::Backward };
    let source = logs.source.clone();
    query::look_up(logs, tenant.0, move |logs, context| {
        Ok(logs.engine.detected_fields(source.as_ref(), context, &query, &wanted)?)
    })
    .await
}

pub(crate) async fn detected_fields(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let limit = field_limit(&params)?;
    let fields = read(&logs, tenant, &params).await?;
    let views: Vec<_> = fields
        .iter()
        .take(limit)
        .map(|field| {
            json!({
                "label": field.name,
                "type": field.field_type.as_str(),
                "cardinality": field.cardinality,
                "parsers": Some(&field.parsers).filter(|parsers| !parsers.is_empty()),
            })
        })
        .collect();
    Ok(json_answer(json!({"fields": views, "limit": limit}).to_string()))
}

pub(crate) async fn detected_field_values(
    State(logs): State<Arc<Logs>>,
    Path(name): Path<String>,
    tenant: LogTenant,
    params: Params,
) -> Answer {
    let limit = field_limit(&params)?;
    let fields = read(&logs, tenant, &params).await?;
    let field = fields.into_iter().find(|field| field.name == name);
    let values: Vec<String> =
        field.into_iter().flat_map(|field| field.values).map(|(value, _)| value).take(limit).collect();
    Ok(json_answer(json!({"values": values, "limit": limit}).to_string()))
}

/// Loki's older clients say `field_limit`.
fn field_limit(params: &Params) -> Result<usize, LokiError> {
    let name = if params.get("limit").is_empty() { "field_limit" } else { "limit" };
    Ok(times::positive(params, name, 1000)? as usize)
}

pub(crate) async fn detected_labels(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let range = times::ordered_bounds(&params, logs.intake.now())?;
    let matchers = lookup::matchers(params.get("query"))?;
    let values = lookup::run(&logs, move |reading| {
        let sets = [matchers];
        let request = model::LabelRequest {
            tenant: &tenant.0,
            matcher_sets: if sets[0].is_empty() { &[] } else { &sets },
            range: labels::milliseconds(range),
            limit: 0,
            memory: Some(&reading.memory),
        };
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for labels in reading.source.streams(&request)? {
            for label in labels.iter() {
                values.entry(label.name.to_owned()).or_default().insert(label.value.to_owned());
            }
        }
        Ok(values)
    });
    let detected: Vec<_> = values
        .await?
        .into_iter()
        .filter(|(name, values)| {
            STATIC_LABELS.contains(&name.as_str()) || (values.len() > 1 && !values.iter().all(|value| is_id(value)))
        })
        .map(|(label, values)| json!({"label": label, "cardinality": values.len()}))
        .collect();
    Ok(json_answer(json!({"detectedLabels": detected}).to_string()))
}

/// Numbers and UUIDs say little about a stream.
fn is_id(value: &str) -> bool {
    let is_uuid = value.len() == 36
        && value.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    is_uuid || model::float::parse_go(value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert!(is_id("123e4567-e89b-12d3-a456-426614174000") && is_id("42") && !is_id("api"));
    }
}
