//! `/api/v1/rules`, `/api/v1/alerts` and `/api/v1/alertmanagers`. No rule engine is part of the server yet, so the lists
//! are empty; parameters are checked as Prometheus checks them.

use serde::Serialize;

use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::params::Params;
use crate::prom_labels::matcher_sets;

#[derive(Serialize)]
struct RuleDiscovery {
    groups: [(); 0],
}

#[derive(Serialize)]
struct AlertDiscovery {
    alerts: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertmanagerDiscovery {
    active_alertmanagers: [(); 0],
    dropped_alertmanagers: [(); 0],
}

pub(crate) async fn rules(params: Params) -> Answer {
    matcher_sets(&params).map_err(ApiError::bad_data)?;
    let kind = params.get("type").to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        let reason = format!("not supported value {}", model::float::go_quote(&kind));
        return Err(ApiError::parameter("type", reason));
    }
    success(&RuleDiscovery { groups: [] })
}

pub(crate) async fn alerts() -> Answer {
    success(&AlertDiscovery { alerts: [] })
}

pub(crate) async fn alertmanagers() -> Answer {
    success(&AlertmanagerDiscovery { active_alertmanagers: [], dropped_alertmanagers: [] })
}
