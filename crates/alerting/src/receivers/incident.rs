//! Systems for incidents other than PagerDuty: Opsgenie, VictorOps, incident.io, Pushover.

use std::collections::BTreeMap;

use bytes::Bytes;
use config::Settings;
use serde_json::{Map, Value, json};

use super::http::post;
use super::slack::add;
use super::{Failure, Receiver, Result, post_json, template, truncated};
use crate::message::Message;

fn done() -> Result {
    Ok(BTreeMap::new())
}

pub(super) async fn opsgenie(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let key = receiver.secret("api_key", "api_key_file").await?;
    let key = message.text(&key).map_err(template)?;
    let alias = message.incident_key();
    let base = format!("{}/v2/alerts", settings.text("api_url").trim_end_matches('/'));
    let mut body = Map::new();
    add(&mut body, "source", text("source")?);
    let url = if message.is_resolved() {
        format!("{base}/{alias}/close?identifierType=alias")
    } else {
        let mut details: Map<String, Value> =
            message.data.common_labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        for (name, value) in settings.map("details").into_iter().flatten() {
            details.insert(name.clone(), json!(message.text(value).map_err(template)?));
        }
        body.insert("alias".to_owned(), json!(alias));
        body.insert("message".to_owned(), json!(truncated(&text("message")?, 130)));
        body.insert("details".to_owned(), Value::Object(details));
        for name in ["description", "note", "priority", "entity"] {
            add(&mut body, name, text(name)?);
        }
        for name in ["tags", "actions"] {
            let list: Vec<String> =
                text(name)?.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
            if !list.is_empty() {
                body.insert(name.to_owned(), json!(list));
            }
        }
        let mut responders = Vec::new();
        for responder in settings.list("responders") {
            let mut map = Map::new();
            for name in ["id", "name", "username", "type"] {
                add(&mut map, name, message.text(responder.text(name)).map_err(template)?);
            }
            responders.push(Value::Object(map));
        }
        if !responders.is_empty() {
            body.insert("responders".to_owned(), Value::Array(responders));
        }
        base
    };
    let headers = [("authorization", format!("GenieKey {key}"))];
    let bytes = Bytes::from(Value::Object(body).to_string());
    post(receiver, &url, "application/json", &headers, bytes).await?.check(&[])?;
    done()
}

pub(super) async fn victorops(receiver: &Receiver, message: &Message<'_>) -> Result {
    const MOST_STATE: usize = 20_480;
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let key = receiver.secret("api_key", "api_key_file").await?;
    let kind = match text("message_type")?.to_uppercase().as_str() {
        _ if message.is_resolved() => "RECOVERY",
        "WARNING" => "WARNING",
        "INFO" => "INFO",
        _ => "CRITICAL",
    };
    let mut body = json!({
        "message_type": kind,
        "entity_id": message.incident_key(),
        "entity_display_name": text("entity_display_name")?,
        "state_message": truncated(&text("state_message")?, MOST_STATE),
        "monitoring_tool": text("monitoring_tool")?,
    });
    for (name, value) in settings.map("custom_fields").into_iter().flatten() {
        body[name.as_str()] = json!(message.text(value).map_err(template)?);
    }
    let url = format!("{}/{key}/{}", settings.text("api_url").trim_end_matches('/'), text("routing_key")?);
    post_json(receiver, &url, &body).await?.check(&[])?;
    done()
}

pub(super) async fn incidentio(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let url = receiver.secret("url", "url_file").await?;
    let token = receiver.secret("alert_source_token", "alert_source_token_file").await?;
    let most = usize::try_from(settings.number("max_alerts").unwrap_or(0)).unwrap_or(0);
    let headers: Vec<(&'static str, String)> =
        if token.is_empty() { Vec::new() } else { vec![("authorization", format!("Bearer {token}"))] };
    let bytes = Bytes::from(Value::Object(message.json(most)).to_string());
    post(receiver, &url, "application/json", &headers, bytes).await?.check(&[])?;
    done()
}

/// Keys and texts go into the body, not into the address as Alertmanager writes them.
pub(super) async fn pushover(receiver: &Receiver, message: &Message<'_>) -> Result {
    const URL: &str = "https://api.pushover.net/1/messages.json";
    let token = receiver.secret("token", "token_file").await?;
    let user = receiver.secret("user_key", "user_key_file").await?;
    let bytes = Bytes::from(pushover_form(&receiver.config.settings, message, &token, &user)?);
    post(receiver, URL, "application/x-www-form-urlencoded", &[], bytes).await?.check(&[])?;
    done()
}

fn pushover_form(
    settings: &Settings,
    message: &Message<'_>,
    token: &str,
    user: &str,
) -> std::result::Result<String, Failure> {
    let is_html = settings.flag("html") == Some(true);
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let body = if is_html { message.html(settings.text("message")) } else { message.text(settings.text("message")) };
    let body = body.map_err(template)?;
    let body = if body.trim().is_empty() { "(no details)".to_owned() } else { truncated(body.trim(), 1024) };
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", &message.text(token).map_err(template)?);
    form.append_pair("user", &message.text(user).map_err(template)?);
    form.append_pair("title", &truncated(&text("title")?, 250));
    form.append_pair("message", &body);
    form.append_pair("priority", &text("priority")?);
    for (name, most) in [("url", 512), ("url_title", 100), ("device", 256), ("sound", 256)] {
        let value = text(name)?;
        if !value.is_empty() {
            form.append_pair(name, &truncated(&value, most));
        }
    }
    for name in ["retry", "expire", "ttl"] {
        let time = settings.time(name);
        if !time.is_zero() {
            form.append_pair(name, &(time.ms() / 1000).to_string());
        }
    }
    for name in ["html", "monospace"] {
        if settings.flag(name) == Some(true) {
            form.append_pair(name, "1");
        }
    }
    Ok(form.finish())
}
