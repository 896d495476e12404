//! `GET /api/afferent/v1/status/cardinality?match[]=&label=&search=&limit=`: where the series of a tenant come from.
//!
//! The series in memory are counted: those that have had samples since the last flush or the idle time. What has gone stale is
//! in blocks only, which are in `status/store`.

use std::sync::Arc;

use axum::extract::State;
use metrics::{Cardinality, CardinalityRequest, MetricChurn, NamedCount};
use serde::Serialize;

use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::params::Params;
use crate::prom_labels::matcher_sets;
use crate::state::Api;
use crate::tenant::RequestTenant;

const DEFAULT_TOP: usize = 20;
const MAX_TOP: usize = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CardinalityStatus {
    /// Series that were counted.
    series: u64,
    metric_count: u64,
    label_pair_count: u64,
    series_count_by_metric_name: Vec<NamedCount>,
    value_count_by_label_name: Vec<NamedCount>,
    series_count_by_label_pair: Vec<NamedCount>,
    /// Of the label that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<LabelView>,
    churn: Churn,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LabelView {
    name: String,
    value_count: u64,
    series_count_by_value: Vec<NamedCount>,
}

/// Series that came and went: of all tenants together, then by metric of the tenant that asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Churn {
    created_per_hour: f64,
    removed_per_hour: f64,
    /// Time that they were counted over.
    over_ms: i64,
    metrics: Vec<MetricChurn>,
    /// Time that these were counted over.
    metrics_over_ms: i64,
}

pub(crate) async fn cardinality(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let sets = matcher_sets(&params).map_err(|reason| ApiError::parameter("match[]", reason))?;
    let label = Some(params.get("label").to_owned()).filter(|name| !name.is_empty());
    let search = params.get("search").to_owned();
    let top = match params.get("limit") {
        "" => DEFAULT_TOP,
        text => match text.parse::<usize>() {
            Ok(top) if (1..=MAX_TOP).contains(&top) => top,
            _ => return Err(ApiError::parameter("limit", format!("expected a number from 1 to {MAX_TOP}"))),
        },
    };
    let admission = api.lookups.admit(api.engine().options().timeout).await?;
    let store = Arc::clone(&api.parts.store);
    let request = CardinalityRequest { sets, label: label.clone(), search, top };
    let counted = admission.run(Default::default(), move || store.cardinality(&tenant.0, &request)).await?;
    let pace = api.parts.store.pace();
    let Cardinality { series, metric_count, label_pair_count, .. } = counted;
    success(&CardinalityStatus {
        series,
        metric_count,
        label_pair_count,
        series_count_by_metric_name: counted.metrics,
        value_count_by_label_name: counted.label_names,
        series_count_by_label_pair: counted.label_pairs,
        label: label.map(|name| LabelView {
            name,
            value_count: counted.label_value_count,
            series_count_by_value: counted.label_values,
        }),
        churn: Churn {
            created_per_hour: pace.series_created_per_hour,
            removed_per_hour: pace.series_removed_per_hour,
            over_ms: pace.series_over_ms,
            metrics: counted.churn,
            metrics_over_ms: counted.churn_over_ms,
        },
    })
}
