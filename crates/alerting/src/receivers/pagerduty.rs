//! PagerDuty: Events API v2 (`routing_key`) and v1 (`service_key`). One event for a group, under a key that stays.

use std::collections::BTreeMap;

use config::{Settings, Tree};
use serde_json::{Map, Value, json};

use super::webhook::expanded;
use super::{Failure, Receiver, Result, post_json, template, truncated};
use crate::message::Message;

/// PagerDuty takes events up to this many bytes.
const MOST_BYTES: usize = 512_000;
const MOST_SUMMARY: usize = 1024;
const V2: &str = "https://events.pagerduty.com/v2/enqueue";
const V1: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";

pub(super) async fn send(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    if settings.has("routing_key") || settings.has("routing_key_file") {
        let key = receiver.secret("routing_key", "routing_key_file").await?;
        let key = message.text(&key).map_err(template)?;
        if key.is_empty() {
            return Err(Failure::Final("routing_key cannot be empty".to_owned()));
        }
        let mut body = v2(settings, message, &key).map_err(template)?;
        if body.to_string().len() > MOST_BYTES {
            let told = format!(
                "Custom details have been removed because the original event exceeds the maximum size of {MOST_BYTES} B"
            );
            body["payload"]["custom_details"] = json!({ "error": told });
        }
        post_json(receiver, settings.text("url"), &body).await?.check(&[])?;
    } else {
        let key = receiver.secret("service_key", "service_key_file").await?;
        let key = message.text(&key).map_err(template)?;
        if key.is_empty() {
            return Err(Failure::Final("service_key cannot be empty".to_owned()));
        }
        let body = v1(settings, message, &key).map_err(template)?;
        let url = Some(settings.text("url")).filter(|url| *url != V2 && !url.is_empty()).unwrap_or(V1);
        post_json(receiver, url, &body).await?.check(&[403])?;
    }
    Ok(BTreeMap::new())
}

fn action(message: &Message<'_>) -> &'static str {
    if message.is_resolved() { "resolve" } else { "trigger" }
}

/// What Alertmanager adds unless the user says otherwise.
const DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

fn details(settings: &Settings, message: &Message<'_>) -> std::result::Result<Map<String, Value>, String> {
    let mut out = Map::new();
    for (name, text) in DETAILS {
        out.insert(name.to_owned(), expanded(&Tree::Text(text.to_owned()), message)?);
    }
    if let Some(tree) = settings.tree("details")
        && let Value::Object(own) = expanded(tree, message)?
    {
        out.extend(own);
    }
    Ok(out)
}

fn v2(settings: &Settings, message: &Message<'_>, key: &str) -> std::result::Result<Value, String> {
    let text = |key: &str| message.text(settings.text(key));
    let or = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text };
    let client = text("client")?;
    let mut payload = json!({
        "summary": truncated(&text("description")?, MOST_SUMMARY),
        "source": or(text("source")?, &client),
        "severity": or(text("severity")?, "error"),
        "custom_details": details(settings, message)?,
    });
    for name in ["class", "component", "group"] {
        let value = text(name)?;
        if !value.is_empty() {
            payload[name] = json!(value);
        }
    }
    let mut body = json!({
        "routing_key": key,
        "event_action": action(message),
        "dedup_key": message.incident_key(),
        "client": client,
        "client_url": text("client_url")?,
        "payload": payload,
    });
    let (images, links) = (pieces(settings, "images", "src", message)?, pieces(settings, "links", "href", message)?);
    for (name, list) in [("images", images), ("links", links)] {
        if !list.is_empty() {
            body[name] = Value::Array(list);
        }
    }
    Ok(body)
}

/// Images and links; those without their address are left out.
fn pieces(
    settings: &Settings,
    key: &str,
    needed: &str,
    message: &Message<'_>,
) -> std::result::Result<Vec<Value>, String> {
    let mut out = Vec::new();
    for piece in settings.list(key) {
        let mut map = Map::new();
        for name in ["href", "src", "alt", "text"] {
            let value = message.text(piece.text(name))?;
            if !value.is_empty() {
                map.insert(name.to_owned(), Value::String(value));
            }
        }
        if map.contains_key(needed) {
            out.push(Value::Object(map));
        }
    }
    Ok(out)
}

fn v1(settings: &Settings, message: &Message<'_>, key: &str) -> std::result::Result<Value, String> {
    let details: Map<String, Value> = details(settings, message)?
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => (name, Value::String(text)),
            other => (name, Value::String(other.to_string())),
        })
        .collect();
    let mut body = json!({
        "service_key": key,
        "incident_key": message.incident_key(),
        "event_type": action(message),
        "description": truncated(&message.text(settings.text("description"))?, MOST_SUMMARY),
        "details": details,
    });
    if !message.is_resolved() {
        body["client"] = json!(message.text(settings.text("client"))?);
        body["client_url"] = json!(message.text(settings.text("client_url"))?);
    }
    Ok(body)
}
