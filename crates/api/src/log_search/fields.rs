//! Which fields the lines of a search have, with their commonest values: of a sample of the newest lines for all fields, of every
//! line for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use logql::ast::{LogExpr, Stage};
use logql::fields::DetectedField;
use logql::{Direction, RangeParams, Value};
use model::{NanoRange, Tenant};
use serde_json::json;

use super::histogram::counted;
use super::{Answer, bad, count, find, range, search};
use crate::answer::success;
use crate::log_state::{LogTenant, Logs};
use crate::loki::query::{look_up, parse};
use crate::params::Params;

/// Lines that are looked at.
const DEFAULT_SAMPLE: usize = 1000;
const MOST_SAMPLE: usize = 20_000;
const DEFAULT_VALUES: usize = 5;
const MOST_VALUES: usize = 1000;

/// `GET /api/afferent/v1/logs/fields`
pub(crate) async fn fields(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant, params: Params) -> Answer {
    let search = search(&params)?;
    let range = range(&logs, &params)?;
    let sample = count(&params, "sample", DEFAULT_SAMPLE, MOST_SAMPLE)?;
    let most = count(&params, "values", DEFAULT_VALUES, MOST_VALUES)?;
    let found = detected(&logs, &tenant, &search, range, sample).await?;
    match params.get("field") {
        "" => {}
        name => return one(&logs, tenant, &search, range, name, most, &found).await,
    }
    let lines = find(&logs, &tenant, &search, range, sample, Direction::Backward).await?;
    let mut labels: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (name, value) in lines.iter().flat_map(|line| &line.labels) {
        *labels.entry(name).or_default().entry(value).or_default() += 1;
    }
    let of_labels = labels.into_iter().map(|(name, values)| {
        let distinct = values.len();
        let mut values: Vec<(&str, u64)> = values.into_iter().collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let count: u64 = values.iter().map(|(_, count)| count).sum();
        let shown: Vec<_> = values.iter().take(most).map(|(value, count)| json!({"value": value, "count": count})).collect();
        json!({"name": name, "source": "label", "type": "string", "count": count, "distinct": distinct, "values": shown})
    });
    let of_lines = found.iter().map(|field| {
        let count: u64 = field.values.iter().map(|(_, count)| count).sum();
        let shown = field.values.iter().take(most).map(|(value, count)| json!({"value": value, "count": count}));
        json!({
            "name": field.name, "source": source(field), "type": field.field_type.as_str(), "count": count,
            "distinct": field.cardinality, "values": shown.collect::<Vec<_>>(),
        })
    });
    let all: Vec<_> = of_labels.chain(of_lines).collect();
    Ok(success(&json!({"query": search.to_string(), "lines": lines.len(), "fields": all}))?)
}

fn source(field: &DetectedField) -> &'static str {
    field.parsers.first().copied().unwrap_or("metadata")
}

async fn detected(
    logs: &Arc<Logs>,
    tenant: &Tenant,
    search: &LogExpr,
    range: NanoRange,
    limit: usize,
) -> Result<Vec<DetectedField>, super::SearchError> {
    let asked =
        RangeParams { start: range.start, end: range.end, step: 1, interval: 0, limit, direction: Direction::Backward };
    let (search, engine_source) = (search.clone(), logs.source.clone());
    let found = look_up(logs, tenant.clone(), move |logs, context| {
        Ok(logs.engine.detected_fields(engine_source.as_ref(), context, &search, &asked)?)
    });
    Ok(found.await?)
}

/// The commonest values of one field, counted over all lines.
async fn one(
    logs: &Arc<Logs>,
    tenant: Tenant,
    search: &LogExpr,
    range: NanoRange,
    name: &str,
    most: usize,
    found: &[DetectedField],
) -> Answer {
    let name = logfields::sanitize(name);
    let field = found.iter().find(|field| field.name == name);
    let mut counting = search.clone();
    match field.map(source) {
        Some("json") => counting.stages.push(Stage::Json),
        Some("logfmt") => counting.stages.push(Stage::Logfmt { strict: false, keep_empty: false }),
        _ => {}
    }
    let window = range.end.saturating_sub(range.start).max(1_000_000) / 1_000_000;
    let mut query = counted(&counting, &name, &format!("{window}ms"));
    if counting.stages.len() > search.stages.len() {
        // Lines that the parser cannot read do not have the field.
        query = query.replacen(&counting.to_string(), &format!("{counting} | __error__=\"\" | {name}!=\"\""), 1);
    }
    let expr = parse(&format!("topk({most}, {query})")).map_err(|error| bad(format!("field: {error}")))?;
    let at = range.end;
    let label = name.clone();
    let engine_source = logs.source.clone();
    let values = look_up(logs, tenant, move |logs, context| {
        let result = logs.engine.query_instant(engine_source.as_ref(), context, &expr, at)?;
        let Value::Vector(samples) = result.value else { return Ok(Vec::new()) };
        let mut values: Vec<(String, u64)> = samples
            .iter()
            .filter_map(|sample| Some((sample.labels.get(&label)?.to_owned(), sample.value as u64)))
            .collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(values)
    })
    .await?;
    let values: Vec<_> = values.into_iter().map(|(value, count)| json!({"value": value, "count": count})).collect();
    Ok(success(&json!({
        "query": search.to_string(), "name": name, "source": field.map_or("label", source), "values": values,
    }))?)
}
