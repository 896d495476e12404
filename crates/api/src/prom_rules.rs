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
    boolean(&params)?;
    check_page(&params)?;
    success(&RuleDiscovery { groups: [] })
}

fn boolean(params: &Params) -> Result<(), ApiError> {
    match params.get("exclude_alerts").to_lowercase().as_str() {
        "" | "1" | "t" | "true" | "0" | "f" | "false" => Ok(()),
        text => {
            let reason =
                format!("error converting exclude_alerts: strconv.ParseBool: parsing {text:?}: invalid syntax");
            Err(ApiError::parameter("exclude_alerts", reason))
        }
    }
}

/// Pages of groups: as there are no groups, a token is always one of a page that is gone.
fn check_page(params: &Params) -> Result<(), ApiError> {
    let (limit, token) = (params.get("group_limit"), params.get("group_next_token"));
    if limit.is_empty() && token.is_empty() {
        return Ok(());
    }
    let refuse = |name: &str, reason: String| Err(ApiError::parameter(name, reason));
    if limit.is_empty() {
        let reason = "group_limit needs to be present in order to paginate over the groups";
        return refuse("group_next_token", reason.to_owned());
    }
    match limit.parse::<i32>() {
        Err(_) => {
            let problem = if limit.parse::<i128>().is_ok() { "value out of range" } else { "invalid syntax" };
            let reason =
                format!("group_limit needs to be a valid number: strconv.ParseInt: parsing {limit:?}: {problem}");
            refuse("group_limit", reason)
        }
        Ok(limit) if limit <= 0 => refuse("group_limit", "group_limit needs to be greater than 0".to_owned()),
        Ok(_) if !token.is_empty() => {
            let reason = format!("invalid group_next_token '{token}'. were rule groups changed?");
            refuse("group_next_token", reason)
        }
        Ok(_) => Ok(()),
    }
}

pub(crate) async fn alerts() -> Answer {
    success(&AlertDiscovery { alerts: [] })
}

pub(crate) async fn alertmanagers() -> Answer {
    success(&AlertmanagerDiscovery { active_alertmanagers: [], dropped_alertmanagers: [] })
}
