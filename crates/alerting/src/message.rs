//! What is told, as receivers and their templates see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::data::{Alert as AlertData, Notification, Pairs};
use gotemplate::funcs::alertmanager::with_route_labels;
use gotemplate::time::Time;
use gotemplate::{Funcs, Value};
use model::Labels;

use crate::alert::Fingerprint;
use crate::state::Pending;
use crate::templates::Templates;

/// One notification with what is needed to expand templates for it.
pub struct Message<'a> {
    /// What is told.
    pub item: &'a Pending,
    /// What the receiver wanted to be told again.
    pub previous: &'a BTreeMap<String, String>,
    /// The templates.
    pub templates: &'a Templates,
    /// The data of the templates.
    pub data: Notification,
    value: Value,
    bound: Funcs,
}

fn pairs(labels: &Labels) -> Pairs {
    labels.iter().map(|label| (label.name.to_owned(), label.value.to_owned())).collect()
}

/// What all have in common.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Pairs {
    let mut shared = all.next().map(pairs).unwrap_or_default();
    for labels in all {
        shared.retain(|name, value| labels.get(name) == Some(value));
    }
    shared
}

impl<'a> Message<'a> {
    /// Of an item of the outbox.
    pub fn new(
        item: &'a Pending,
        previous: &'a BTreeMap<String, String>,
        templates: &'a Templates,
        external_url: &str,
    ) -> Self {
        let alerts = item.alerts.iter().map(|told| AlertData {
            status: if told.resolved { "resolved" } else { "firing" }.to_owned(),
            labels: pairs(&told.alert.labels),
            annotations: pairs(&told.alert.annotations),
            starts_at: Time::from_timestamp(told.alert.starts_at),
            ends_at: if told.resolved { Time::from_timestamp(told.alert.ends_at) } else { Time::ZERO },
            generator_url: told.alert.generator_url.clone(),
            fingerprint: Fingerprint::of(&told.alert.labels).to_string(),
        });
        let alerts: Vec<AlertData> = alerts.collect();
        let mut data = Notification {
            receiver: quote_meta(&item.to.receiver),
            status: if item.alerts.iter().all(|told| told.resolved) { "resolved" } else { "firing" }.to_owned(),
            alerts,
            group_labels: pairs(&item.group_labels),
            common_labels: common(item.alerts.iter().map(|told| &told.alert.labels)),
            common_annotations: common(item.alerts.iter().map(|told| &told.alert.annotations)),
            route_labels: Pairs::new(),
            external_url: external_url.to_owned(),
            notification_reason: item.reason.as_str().to_owned(),
        };
        let value = data.to_value();
        for (name, text) in &item.route_labels {
            let expanded = templates.text(text, &value, &Funcs::new()).unwrap_or_else(|error| format!("<{error}>"));
            data.route_labels.insert(name.clone(), expanded);
        }
        let known = data.route_labels.clone();
        let bound = with_route_labels(Arc::new(move |name: &str| Ok(known.get(name).cloned().unwrap_or_default())));
        Message { item, previous, templates, value: data.to_value(), data, bound }
    }

    /// Expands a text.
    pub fn text(&self, text: &str) -> Result<String, String> {
        self.templates.text(text, &self.value, &self.bound).map_err(|error| error.to_string())
    }

    /// Expands a text as HTML.
    pub fn html(&self, text: &str) -> Result<String, String> {
        self.templates.html(text, &self.value, &self.bound).map_err(|error| error.to_string())
    }

    /// True where everything told has ended.
    pub fn is_resolved(&self) -> bool {
        self.data.status == "resolved"
    }

    /// The key under which incident systems know the group: SHA-256 of the group key, in hexadecimal digits.
    pub fn incident_key(&self) -> String {
        use sha2::{Digest, Sha256};
        Sha256::digest(self.item.incident.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The data as JSON with Alertmanager's names, as the webhook has it.
    pub fn json(&self, max_alerts: usize) -> serde_json::Map<String, serde_json::Value> {
        use serde_json::json;
        let shown = if max_alerts == 0 { self.data.alerts.len() } else { max_alerts.min(self.data.alerts.len()) };
        let alerts: Vec<serde_json::Value> = self.data.alerts[..shown]
            .iter()
            .map(|alert| {
                json!({
                    "status": alert.status,
                    "labels": alert.labels,
                    "annotations": alert.annotations,
                    "startsAt": time_text(alert.starts_at),
                    "endsAt": time_text(alert.ends_at),
                    "generatorURL": alert.generator_url,
                    "fingerprint": alert.fingerprint,
                })
            })
            .collect();
        let value = json!({
            "receiver": self.data.receiver,
            "status": self.data.status,
            "alerts": alerts,
            "notification_reason": self.data.notification_reason,
            "groupLabels": self.data.group_labels,
            "commonLabels": self.data.common_labels,
            "commonAnnotations": self.data.common_annotations,
            "routeLabels": self.data.route_labels,
            "externalURL": self.data.external_url,
            "version": "4",
            "groupKey": self.item.incident,
            "truncatedAlerts": self.data.alerts.len() - shown,
        });
        match value {
            serde_json::Value::Object(map) => map,
            _ => serde_json::Map::new(),
        }
    }
}

/// Go's `regexp.QuoteMeta`: receivers stand quoted in templates.
fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// As Go's JSON writes a time.
fn time_text(time: Time) -> String {
    time.format("2006-01-02T15:04:05.999999999Z07:00")
}
