//! The tree of routes, and where a label set goes in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alerting::Setup;
use axum::body::Bytes;
use axum::extract::State;
use model::{Labels, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::whatif::candidate;
use super::{alerting, read};
use crate::answer::{Answer, success};
use crate::state::Api;

/// The nodes, the root first; `counts` are groups and alerts by the ids of routes.
fn nodes(setup: &Setup, counts: Option<&HashMap<Arc<str>, (usize, usize)>>, now: Timestamp) -> Vec<Value> {
    let routes = setup.routes.0.iter().enumerate().map(|(id, route)| {
        let integrations = setup.integrations(&route.receiver).iter().map(|one| one.id.to_string());
        let labels: BTreeMap<&String, &String> = route.labels.iter().map(|(name, value)| (name, value)).collect();
        let mut node = json!({
            "id": id, "parent": route.parent, "receiver": &*route.receiver,
            "matchers": config::matchers_text(&route.matchers), "continue": route.continues,
            "groupBy": if route.group_by_all { vec!["...".to_owned()] } else { route.group_by.clone() },
            "groupWait": route.group_wait.to_string(), "groupInterval": route.group_interval.to_string(),
            "repeatInterval": route.repeat_interval.to_string(), "muteTimeIntervals": route.mute,
            "activeTimeIntervals": route.active, "labels": labels, "mutedBy": setup.muted_by(route, now),
            "integrations": integrations.collect::<Vec<_>>(),
        });
        if let Some(counts) = counts {
            let (groups, alerts) = counts.get(&route.id).copied().unwrap_or_default();
            node["groups"] = json!(groups);
            node["alerts"] = json!(alerts);
        }
        node
    });
    routes.collect()
}

/// The tree that is in force.
pub(super) async fn tree(State(api): State<Arc<Api>>) -> Answer {
    let found = alerting(&api)?.read(|engine, now| {
        let mut counts: HashMap<Arc<str>, (usize, usize)> = HashMap::new();
        let alerts = &engine.state().alerts;
        for group in engine.state().groups.values() {
            let (groups, fire) = counts.entry(group.route.clone()).or_default();
            *groups += 1;
            let members = group.members.keys().filter(|alert| !group.guests.contains(alert));
            *fire += members.filter(|alert| alerts.get(alert).is_some_and(|alert| !alert.resolved_at(now))).count();
        }
        nodes(engine.setup(), Some(&counts), now)
    });
    success(&found)
}

#[derive(Deserialize)]
struct Asked {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    config: Option<String>,
}

/// Who would be told of an alert with these labels.
pub(super) async fn test(State(api): State<Arc<Api>>, body: Bytes) -> Answer {
    let alerting = alerting(&api)?;
    let asked: Asked = read(&body)?;
    let setup = match &asked.config {
        Some(text) => candidate(alerting, text)?.0,
        None => alerting.read(|engine, _| engine.setup().clone()),
    };
    let labels = Labels::from_pairs(&asked.labels);
    let mut receivers: Vec<Arc<str>> = Vec::new();
    let found: Vec<Value> = setup
        .routes
        .matching(&labels)
        .into_iter()
        .map(|id| {
            let route = &setup.routes.0[id];
            if !receivers.contains(&route.receiver) {
                receivers.push(route.receiver.clone());
            }
            let mut path = vec![id];
            let mut at = route.parent;
            while let Some(id) = at {
                path.push(id);
                at = setup.routes.0[id].parent;
            }
            path.reverse();
            json!({"path": path, "receiver": &*route.receiver, "groupLabels": route.group_labels(&labels)})
        })
        .collect();
    let receivers: Vec<&str> = receivers.iter().map(|name| &**name).collect();
    let tree = nodes(&setup, None, alerting.clock().now());
    success(&json!({"receivers": receivers, "routes": found, "tree": tree}))
}
