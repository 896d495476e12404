//! `/api/v1/targets` and its neighbours: scrape pools, target metadata, metric metadata, relabelling steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use model::{Labels, Matcher, Metadata};
use promql::engine::CancelFlag;
use promql::parser::parse_metric_selector;
use scrape::{ActiveTarget, DroppedTarget};
use serde::Serialize;

use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::params::Params;
use crate::state::Api;
use crate::tenant::RequestTenant;
use crate::time_text::rfc3339_or_never;

/// Prometheus' fields, and `scrapePoolErrors` of our own, which is there where a job has trouble.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetDiscovery<'a> {
    active_targets: Vec<ActiveView<'a>>,
    dropped_targets: Vec<DroppedView<'a>>,
    dropped_target_counts: Option<&'a BTreeMap<String, usize>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    scrape_pool_errors: BTreeMap<&'a String, &'a Vec<String>>,
}

/// Prometheus' fields, and two of our own: `lastWarning` and `lastScrapeSamples`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveView<'a> {
    discovered_labels: &'a Labels,
    labels: &'a Labels,
    scrape_pool: &'a str,
    scrape_url: &'a str,
    global_url: &'a str,
    last_error: &'a str,
    last_warning: &'a str,
    last_scrape: String,
    last_scrape_duration: f64,
    last_scrape_samples: u64,
    health: &'static str,
    scrape_interval: &'a str,
    scrape_timeout: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedView<'a> {
    discovered_labels: &'a Labels,
    scrape_pool: &'a str,
}

impl<'a> From<&'a ActiveTarget> for ActiveView<'a> {
    fn from(target: &'a ActiveTarget) -> Self {
        ActiveView {
            discovered_labels: &target.discovered_labels,
            labels: &target.labels,
            scrape_pool: &target.scrape_pool,
            scrape_url: &target.scrape_url,
            global_url: &target.global_url,
            last_error: &target.last_error,
            last_warning: &target.last_warning,
            last_scrape: rfc3339_or_never(target.last_scrape),
            last_scrape_duration: target.last_scrape_duration,
            last_scrape_samples: target.last_scrape_samples,
            health: target.health.as_str(),
            scrape_interval: &target.scrape_interval,
            scrape_timeout: &target.scrape_timeout,
        }
    }
}

impl<'a> From<&'a DroppedTarget> for DroppedView<'a> {
    fn from(target: &'a DroppedTarget) -> Self {
        DroppedView { discovered_labels: &target.discovered_labels, scrape_pool: &target.scrape_pool }
    }
}

#[derive(Serialize)]
struct ConfigText {
    yaml: String,
}

/// The configuration of one job, as it is in force, without secrets.
pub(crate) async fn scrape_pool_config(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let pool = params.get("scrapePool");
    if pool.is_empty() {
        return Err(ApiError::bad_data("no scrapePool parameter provided"));
    }
    let config = api.parts.config.read().yaml.clone();
    let yaml = job_section(&config, pool).ok_or_else(|| {
        let pool = model::float::go_quote(pool);
        ApiError::bad_data(format!("error retrieving scrape config: scrape pool {pool} not found"))
    })?;
    success(&ConfigText { yaml })
}

/// The entry of `scrape_configs` with this name, as a mapping of its own. Reads what we have written ourselves: two spaces for
/// each level, and the name first.
fn job_section(config: &str, job: &str) -> Option<String> {
    let lines = config.lines().skip_while(|line| *line != "scrape_configs:").skip(1);
    let lines: Vec<&str> = lines.take_while(|line| line.starts_with([' ', '-'])).collect();
    let indent = lines.first()?.find('-')?;
    let begins = |line: &str| line.get(indent..).is_some_and(|rest| rest.starts_with("- "));
    let named = |line: &&str| {
        let name = line.get(indent + 2..).and_then(|rest| rest.strip_prefix("job_name:"));
        begins(line) && name.is_some_and(|name| name.trim().trim_matches(['"', '\'']) == job)
    };
    let from = lines.iter().position(named)?;
    let length = 1 + lines[from + 1..].iter().take_while(|line| !begins(line)).count();
    let section = lines[from..from + length].iter().map(|line| line.get(indent + 2..).unwrap_or_default());
    Some(section.map(|line| format!("{line}\n")).collect())
}

pub(crate) async fn targets(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let state = params.get("state").to_lowercase();
    let pool = params.get("scrapePool");
    let shows = |which: &str| matches!(state.as_str(), "" | "any") || state == which;
    let in_pool = |of: &str| pool.is_empty() || pool == of;
    let snapshot = api.parts.targets.snapshot();
    let active = snapshot.active.iter().filter(|t| shows("active") && in_pool(&t.scrape_pool));
    let dropped = snapshot.dropped.iter().filter(|t| shows("dropped") && in_pool(&t.scrape_pool));
    success(&TargetDiscovery {
        active_targets: active.map(ActiveView::from).collect(),
        dropped_targets: dropped.map(DroppedView::from).collect(),
        dropped_target_counts: shows("dropped").then_some(&snapshot.dropped_counts),
        scrape_pool_errors: snapshot.troubles.iter().filter(|(name, _)| in_pool(name)).collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScrapePools {
    scrape_pools: Vec<String>,
}

pub(crate) async fn scrape_pools(State(api): State<Arc<Api>>) -> Answer {
    success(&ScrapePools { scrape_pools: api.parts.targets.pools() })
}

fn pool_parameter(params: &Params) -> Result<&str, ApiError> {
    match params.get("scrapePool") {
        "" => Err(ApiError::bad_data("no scrapePool parameter provided")),
        pool => Ok(pool),
    }
}

#[derive(Serialize)]
struct RelabelSteps {
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    rule: config::RelabelConfig,
    output: Labels,
    keep: bool,
}

pub(crate) async fn relabel_steps(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let pool = pool_parameter(&params)?;
    let labels = match params.get("labels") {
        "" => return Err(ApiError::bad_data("no labels parameter provided")),
        json => serde_json::from_str::<BTreeMap<String, String>>(json)
            .map_err(|e| ApiError::bad_data(format!("error parsing labels: {e}")))?,
    };
    let steps = api
        .parts
        .targets
        .relabel_steps(pool, &Labels::from_pairs(&labels))
        .map_err(|e| ApiError::bad_data(format!("error retrieving scrape config: {e}")))?;
    let view = |step: scrape::RelabelStep| StepView { rule: step.rule, output: step.output, keep: step.keep };
    success(&RelabelSteps { steps: steps.into_iter().map(view).collect() })
}

#[derive(Serialize)]
struct TargetMetadataView<'a> {
    target: &'a Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<&'a str>,
    #[serde(flatten)]
    metadata: &'a Metadata,
}

pub(crate) async fn target_metadata(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let limit = count_parameter(&params, "limit")?;
    let matchers = match params.get("match_target") {
        "" => Vec::new(),
        selector => parse_metric_selector(selector).map_err(|e| ApiError::parameter("match_target", e))?,
    };
    let metric = params.get("metric");
    let matches = |labels: &Labels| matchers.iter().all(|m: &Matcher| m.matches(labels.get(&m.name).unwrap_or("")));
    let targets = api.parts.targets.metadata();
    let mut views = Vec::new();
    for target in targets.iter().filter(|t| matches(&t.labels)) {
        // Prometheus stops between targets, never inside one.
        if limit.is_some_and(|limit| views.len() >= limit) {
            break;
        }
        let families = target.families.iter().filter(|f| metric.is_empty() || f.family == metric);
        views.extend(families.map(|family| TargetMetadataView {
            target: &target.labels,
            metric: metric.is_empty().then_some(family.family.as_str()),
            metadata: &family.metadata,
        }));
    }
    success(&views)
}

pub(crate) async fn metadata(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let limit = count_parameter(&params, "limit")?.unwrap_or(usize::MAX);
    let per_metric = count_parameter(&params, "limit_per_metric")?.filter(|&n| n > 0).unwrap_or(usize::MAX);
    let metric = Some(params.get("metric")).filter(|m| !m.is_empty());
    let mut found: BTreeMap<String, Vec<Metadata>> = BTreeMap::new();
    let mut add = |family: &str, metadata: &Metadata| {
        let known = found.entry(family.to_owned()).or_default();
        if known.len() < per_metric && !known.contains(metadata) {
            known.push(metadata.clone());
        }
    };
    for target in api.parts.targets.metadata() {
        for family in target.families.iter().filter(|f| metric.is_none_or(|m| f.family == m)) {
            add(&family.family, &family.metadata);
        }
    }
    // Families that were pushed, or whose targets are gone.
    let admission = api.lookups.admit(api.engine().options().timeout).await?;
    let (store, metric) = (Arc::clone(&api.parts.store), metric.map(str::to_owned));
    let stored = admission.run(CancelFlag::default(), move || store.metadata(&tenant.0, 0, metric.as_deref()));
    for (family, metadata) in stored.await?? {
        add(&family, &metadata);
    }
    let shown: BTreeMap<_, _> = found.into_iter().take(limit).collect();
    success(&shown)
}

/// A whole number; absent or negative means no limit.
fn count_parameter(params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    match params.get(name) {
        "" => Ok(None),
        text => {
            let number: i64 = text.parse().map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
            Ok(usize::try_from(number).ok())
        }
    }
}
