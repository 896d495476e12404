//! `/api/v1/rules`, `/api/v1/alerts` and `/api/v1/alertmanagers`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use model::{Labels, Matcher};
use rules::{Alert, AlertState, GroupView, RuleView};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::params::Params;
use crate::prom_labels::matcher_sets;
use crate::state::Api;
use crate::time_text::{rfc3339, rfc3339_or_never};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleDiscovery<'a> {
    groups: Vec<GroupJson<'a>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    group_next_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupJson<'a> {
    name: &'a str,
    file: &'a str,
    rules: Vec<RuleJson<'a>>,
    interval: f64,
    limit: usize,
    evaluation_time: f64,
    last_evaluation: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RuleJson<'a> {
    Alerting(AlertingJson<'a>),
    Recording(RecordingJson<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertingJson<'a> {
    state: &'static str,
    name: &'a str,
    query: &'a str,
    duration: f64,
    keep_firing_for: f64,
    labels: &'a Labels,
    annotations: &'a Labels,
    /// `null` where the request does without.
    alerts: Option<Vec<AlertJson<'a>>>,
    health: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    last_error: &'a str,
    evaluation_time: f64,
    last_evaluation: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordingJson<'a> {
    name: &'a str,
    query: &'a str,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    health: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    last_error: &'a str,
    evaluation_time: f64,
    last_evaluation: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertJson<'a> {
    labels: &'a Labels,
    annotations: &'a Labels,
    state: &'static str,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<String>,
    value: String,
}

#[derive(Serialize)]
struct AlertDiscovery<'a> {
    alerts: Vec<AlertJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertmanagerDiscovery {
    active_alertmanagers: Vec<AlertmanagerJson>,
    dropped_alertmanagers: Vec<AlertmanagerJson>,
}

#[derive(Serialize)]
struct AlertmanagerJson {
    url: String,
}

/// Which rules a request asks for.
struct Asked<'a> {
    matchers: Vec<Vec<Matcher>>,
    kind: String,
    names: Vec<&'a str>,
    groups: Vec<&'a str>,
    files: Vec<&'a str>,
    exclude_alerts: bool,
}

impl Asked<'_> {
    fn wants_group(&self, group: &GroupView) -> bool {
        (self.groups.is_empty() || self.groups.contains(&group.name.as_str()))
            && (self.files.is_empty() || self.files.contains(&group.file.as_str()))
    }

    fn wants_rule(&self, rule: &RuleView) -> bool {
        let kind = match self.kind.as_str() {
            "alert" => rule.alerting.is_some(),
            "record" => rule.alerting.is_none(),
            _ => true,
        };
        let named = self.names.is_empty() || self.names.contains(&rule.name.as_str());
        kind && named && (self.matchers.is_empty() || self.matchers.iter().any(|set| matches(rule, set)))
    }
}

/// A label whose value is a template matches as if it were not there.
fn matches(rule: &RuleView, matchers: &[Matcher]) -> bool {
    let value = |name: &str| rule.labels.get(name).filter(|value| !value.contains("{{")).unwrap_or("");
    matchers.iter().all(|matcher| matcher.matches(value(&matcher.name)))
}

pub(crate) async fn rules(State(api): State<Arc<Api>>, params: Params) -> Answer {
    success(&list(&api.parts.rules.groups(), &params)?)
}

/// The same for rules over logs, as Loki's ruler answers.
pub(crate) async fn log_rules(State(api): State<Arc<Api>>, params: Params) -> Answer {
    as_loki(&list(&api.parts.rules.log_groups(), &params)?)
}

/// Loki's ruler has the fields of an error in every answer.
fn as_loki(data: &impl Serialize) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a, T> {
        status: &'static str,
        data: &'a T,
        error_type: &'static str,
        error: &'static str,
    }
    let envelope = Envelope { status: "success", data, error_type: "", error: "" };
    Ok(axum::Json(envelope).into_response())
}

fn list<'a>(groups: &'a [Arc<GroupView>], params: &Params) -> Result<RuleDiscovery<'a>, ApiError> {
    let matchers = matcher_sets(params).map_err(ApiError::bad_data)?;
    let kind = params.get("type").to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        let reason = format!("not supported value {}", model::float::go_quote(&kind));
        return Err(ApiError::parameter("type", reason));
    }
    let exclude_alerts = boolean(params)?;
    let page = page(params)?;
    let asked = Asked {
        matchers,
        kind,
        names: params.all("rule_name[]").collect(),
        groups: params.all("rule_group[]").collect(),
        files: params.all("file[]").collect(),
        exclude_alerts,
    };
    discover(groups, &asked, page)
}

fn discover<'a>(
    groups: &'a [Arc<GroupView>],
    asked: &Asked<'_>,
    page: Option<(usize, &str)>,
) -> Result<RuleDiscovery<'a>, ApiError> {
    let mut found = RuleDiscovery { groups: Vec::new(), group_next_token: String::new() };
    let mut skipping = page.is_some_and(|(_, after)| !after.is_empty());
    for group in groups {
        if let Some((_, after)) = page.filter(|_| skipping) {
            if token(group) != after {
                continue;
            }
            skipping = false;
        }
        if !asked.wants_group(group) {
            continue;
        }
        let rules: Vec<RuleJson<'_>> =
            group.rules.iter().filter(|rule| asked.wants_rule(rule)).map(|rule| rule_json(rule, asked)).collect();
        if rules.is_empty() {
            continue;
        }
        if page.is_some_and(|(limit, _)| found.groups.len() == limit) {
            found.group_next_token = token(group);
            break;
        }
        found.groups.push(GroupJson {
            name: &group.name,
            file: &group.file,
            rules,
            interval: group.interval_ms as f64 / 1000.0,
            limit: group.limit,
            evaluation_time: group.evaluation_seconds,
            last_evaluation: rfc3339_or_never(group.last_evaluation),
        });
    }
    match page {
        Some((_, after)) if skipping => {
            let reason = format!("invalid group_next_token '{after}'. were rule groups changed?");
            Err(ApiError::parameter("group_next_token", reason))
        }
        _ => Ok(found),
    }
}

fn rule_json<'a>(rule: &'a RuleView, asked: &Asked<'_>) -> RuleJson<'a> {
    let last_evaluation = rfc3339_or_never(rule.last_evaluation);
    let Some(alerting) = &rule.alerting else {
        return RuleJson::Recording(RecordingJson {
            name: &rule.name,
            query: &rule.query,
            labels: &rule.labels,
            health: rule.health.as_str(),
            last_error: &rule.last_error,
            evaluation_time: rule.evaluation_seconds,
            last_evaluation,
            kind: "recording",
        });
    };
    let alerts = (!asked.exclude_alerts).then(|| alerting.alerts.iter().map(alert_json).collect());
    RuleJson::Alerting(AlertingJson {
        state: alerting.state.as_str(),
        name: &rule.name,
        query: &rule.query,
        duration: alerting.hold_ms as f64 / 1000.0,
        keep_firing_for: alerting.keep_firing_for_ms as f64 / 1000.0,
        labels: &rule.labels,
        annotations: &alerting.annotations,
        alerts,
        health: rule.health.as_str(),
        last_error: &rule.last_error,
        evaluation_time: rule.evaluation_seconds,
        last_evaluation,
        kind: "alerting",
    })
}

fn alert_json(alert: &Alert) -> AlertJson<'_> {
    AlertJson {
        labels: &alert.labels,
        annotations: &alert.annotations,
        state: alert.state.as_str(),
        active_at: rfc3339(alert.active_at),
        keep_firing_since: alert.keep_firing_since.map(rfc3339),
        value: scientific(alert.value),
    }
}

/// Go's `strconv.FormatFloat(v, 'e', -1, 64)`: `1e+00`.
fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return model::float::format_f(value);
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
    format!("{digits}e{sign}{size:0>2}")
}

fn token(group: &GroupView) -> String {
    format!("{:032x}", xxh3_128(format!("{};{}", group.file, group.name).as_bytes()))
}

fn boolean(params: &Params) -> Result<bool, ApiError> {
    match params.get("exclude_alerts").to_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "" | "0" | "f" | "false" => Ok(false),
        text => {
            let reason =
                format!("error converting exclude_alerts: strconv.ParseBool: parsing {text:?}: invalid syntax");
            Err(ApiError::parameter("exclude_alerts", reason))
        }
    }
}

/// How many groups, and the token of the first one.
fn page(params: &Params) -> Result<Option<(usize, &str)>, ApiError> {
    let (limit, token) = (params.get("group_limit"), params.get("group_next_token"));
    if limit.is_empty() && token.is_empty() {
        return Ok(None);
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
        Ok(limit) => match usize::try_from(limit) {
            Ok(limit) if limit > 0 => Ok(Some((limit, token))),
            _ => refuse("group_limit", "group_limit needs to be greater than 0".to_owned()),
        },
    }
}

pub(crate) async fn alerts(State(api): State<Arc<Api>>) -> Answer {
    success(&list_alerts(&api.parts.rules.groups()))
}

/// The same for rules over logs.
pub(crate) async fn log_alerts(State(api): State<Arc<Api>>) -> Answer {
    as_loki(&list_alerts(&api.parts.rules.log_groups()))
}

fn list_alerts(groups: &[Arc<GroupView>]) -> AlertDiscovery<'_> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let alerts = rules.filter_map(|rule| rule.alerting.as_ref()).flat_map(|alerting| &alerting.alerts);
    let shown = alerts.filter(|alert| alert.state > AlertState::Inactive).map(alert_json);
    AlertDiscovery { alerts: shown.collect() }
}

pub(crate) async fn alertmanagers(State(api): State<Arc<Api>>) -> Answer {
    let (active, dropped) = api.parts.rules.alertmanagers();
    let json = |urls: Vec<String>| urls.into_iter().map(|url| AlertmanagerJson { url }).collect();
    success(&AlertmanagerDiscovery { active_alertmanagers: json(active), dropped_alertmanagers: json(dropped) })
}
