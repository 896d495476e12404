//! Rules over logs: as Loki's ruler lists them, file by file in YAML, and with their state as Prometheus does.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Response};
use config::{RuleConfig, RuleGroupConfig, RuleKind};
use http::{StatusCode, header};
use rules::GroupSettings;
use serde::Serialize;

use crate::state::Api;

#[derive(Serialize)]
struct GroupYaml<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_offset: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    limit: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    rules: Vec<RuleYaml<'a>>,
}

#[derive(Serialize)]
struct RuleYaml<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'a str>,
    expr: &'a str,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_for: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, &'a str>,
}

fn is_zero(limit: &usize) -> bool {
    *limit == 0
}

fn texts(placed: &BTreeMap<String, config::Placed>) -> BTreeMap<&str, &str> {
    placed.iter().map(|(name, value)| (name.as_str(), value.text.as_str())).collect()
}

fn group_yaml(group: &RuleGroupConfig) -> GroupYaml<'_> {
    GroupYaml {
        name: &group.name,
        interval: group.interval.map(|interval| interval.to_string()),
        query_offset: group.query_offset.map(|offset| offset.to_string()),
        limit: group.limit,
        labels: texts(&group.labels),
        rules: group.rules.iter().map(rule_yaml).collect(),
    }
}

fn rule_yaml(rule: &RuleConfig) -> RuleYaml<'_> {
    let of = |kind: RuleKind| (rule.kind == kind).then_some(rule.name.text.as_str());
    let given = |time: config::Millis| (!time.is_zero()).then(|| time.to_string());
    RuleYaml {
        record: of(RuleKind::Recording),
        alert: of(RuleKind::Alerting),
        expr: &rule.expr.text,
        hold: given(rule.hold),
        keep_firing_for: given(rule.keep_firing_for),
        labels: texts(&rule.labels),
        annotations: texts(&rule.annotations),
    }
}

/// What Loki calls the namespace of a group: the name of its file.
fn namespace(group: &GroupSettings) -> String {
    Path::new(&group.file).file_name().map_or_else(|| group.file.clone(), |name| name.to_string_lossy().into_owned())
}

fn by_namespace(groups: &[GroupSettings]) -> BTreeMap<String, Vec<GroupYaml<'_>>> {
    let mut found: BTreeMap<String, Vec<GroupYaml<'_>>> = BTreeMap::new();
    for group in groups {
        found.entry(namespace(group)).or_default().push(group_yaml(&group.config));
    }
    found
}

fn yaml(value: &impl Serialize) -> Response {
    match serde_saphyr::to_string(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/yaml")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn none(what: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("{what}\n")).into_response()
}

/// All groups, by file.
pub(crate) async fn all(State(api): State<Arc<Api>>) -> Response {
    let groups = api.parts.rules.log_settings();
    yaml(&by_namespace(&groups))
}

/// The groups of one file.
pub(crate) async fn of_namespace(State(api): State<Arc<Api>>, UrlPath(asked): UrlPath<String>) -> Response {
    let groups = api.parts.rules.log_settings();
    let mut found = by_namespace(&groups);
    found.retain(|name, _| *name == asked);
    match found.is_empty() {
        true => none("no rule groups found"),
        false => yaml(&found),
    }
}

/// One group.
pub(crate) async fn one(State(api): State<Arc<Api>>, UrlPath((asked, name)): UrlPath<(String, String)>) -> Response {
    let groups = api.parts.rules.log_settings();
    match groups.iter().find(|group| namespace(group) == asked && group.config.name == name) {
        Some(group) => yaml(&group_yaml(&group.config)),
        None => none("group does not exist"),
    }
}

/// Rules are changed in their files.
pub(crate) async fn refuse() -> Response {
    let text = "rules come from the files in loki-rules beside the configuration: change them there and reload (POST /-/reload)\n";
    (StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}
