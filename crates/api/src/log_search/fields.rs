//! Which fields the lines of a search have, with their commonest values: of a sample of the newest lines for all fields, of every
//! line for one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use logql::ast::LogExpr;
use logql::fields::DetectedField;
use logql::{Direction, RangeParams, Value, parse_log};
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
    ["json", "logfmt"].into_iter().find(|parser| field.parsers.contains(parser)).unwrap_or("metadata")
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
    let window = range.end.saturating_sub(range.start).max(1_000_000) / 1_000_000;
    let count = |stages: &str| {
        parse_log(&format!("{search}{stages}")).map(|counting| counted(&counting, &name, &format!("{window}ms")))
    };
    // Lines that a parser cannot read do not have its fields; where both kinds of lines are there, each line is read once.
    let is_json = format!(" | json | __error__=\"\" | {name}!=\"\"");
    let is_logfmt = format!(" | logfmt | __error__=\"\" | {name}!=\"\"");
    let else_logfmt = format!(" | json | __error__!=\"\" | drop __error__, __error_details__{is_logfmt}");
    let has = |parser| field.is_some_and(|field| field.parsers.contains(&parser));
    let ways: &[&str] = match (has("json"), has("logfmt")) {
        (true, true) => &[&is_json, &else_logfmt],
        (true, false) => &[&is_json],
        (false, true) => &[&is_logfmt],
        (false, false) => &[""],
    };
    let mut counts: HashMap<String, u64> = HashMap::new();
    for way in ways {
        let query = count(way).map_err(|error| bad(format!("field: {error}")))?;
        // Where values are added up, all of them count.
        let query = if ways.len() == 1 { format!("topk({most}, {query})") } else { query };
        for (value, count) in values(logs, &tenant, &query, &name, range.end).await? {
            *counts.entry(value).or_default() += count;
        }
    }
    let mut values: Vec<(String, u64)> = counts.into_iter().collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let values: Vec<_> =
        values.into_iter().take(most).map(|(value, count)| json!({"value": value, "count": count})).collect();
    Ok(success(&json!({
        "query": search.to_string(), "name": name, "source": field.map_or("label", source), "values": values,
    }))?)
}

/// What a query counts at a time by the values of a label.
async fn values(
    logs: &Arc<Logs>,
    tenant: &Tenant,
    query: &str,
    label: &str,
    at: i64,
) -> Result<Vec<(String, u64)>, super::SearchError> {
    let expr = parse(query).map_err(|error| bad(format!("field: {error}")))?;
    let (label, engine_source) = (label.to_owned(), logs.source.clone());
    let counted = look_up(logs, tenant.clone(), move |logs, context| {
        let result = logs.engine.query_instant(engine_source.as_ref(), context, &expr, at)?;
        let Value::Vector(samples) = result.value else { return Ok(Vec::new()) };
        let pair = |sample: &logql::VectorSample| Some((sample.labels.get(&label)?.to_owned(), sample.value as u64));
        Ok(samples.iter().filter_map(pair).collect())
    });
    Ok(counted.await?)
}
