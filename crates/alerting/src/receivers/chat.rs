//! Systems for conversation that take one JSON post: Discord, Microsoft Teams, Webex, Telegram, Rocket.Chat, Mattermost.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::http::post;
use super::slack::{add, fields};
use super::{Failure, Receiver, Result, post_json, read_secret, template, truncated};
use crate::message::Message;

fn done() -> Result {
    Ok(BTreeMap::new())
}

pub(super) async fn discord(receiver: &Receiver, message: &Message<'_>) -> Result {
    const RED: u32 = 0x99_2d22;
    const GREEN: u32 = 0x2e_cc71;
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let url = receiver.secret("webhook_url", "webhook_url_file").await?;
    let mut body = Map::new();
    body.insert("content".to_owned(), json!(truncated(&text("content")?, 2000)));
    for name in ["username", "avatar_url"] {
        add(&mut body, name, text(name)?);
    }
    let embed = json!({
        "title": truncated(&text("title")?, 256),
        "description": truncated(&text("message")?, 4096),
        "color": if message.is_resolved() { GREEN } else { RED },
    });
    body.insert("embeds".to_owned(), json!([embed]));
    post_json(receiver, &url, &Value::Object(body)).await?.check(&[])?;
    done()
}

/// Connectors of Microsoft Teams.
pub(super) async fn teams(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let url = receiver.secret("webhook_url", "webhook_url_file").await?;
    let body = json!({
        "@context": "http://schema.org/extensions",
        "@type": "MessageCard",
        "title": text("title")?,
        "summary": text("summary")?,
        "text": text("text")?,
        "themeColor": if message.is_resolved() { "2DC72D" } else { "8C1A1A" },
    });
    let answer = post_json(receiver, &url, &body).await?;
    answer.check(&[])?;
    // The status of an error from behind the connector stands in the body.
    match answer.body.trim() {
        "" | "1" => done(),
        other if other.contains("429") => Err(Failure::Retry(answer.retry_after_ms, truncated(other, 200))),
        other => Err(Failure::Final(format!("error response from Teams: {}", truncated(other, 200)))),
    }
}

/// Flows of Microsoft Teams: an adaptive card.
pub(super) async fn teams_flow(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let url = receiver.secret("webhook_url", "webhook_url_file").await?;
    let color = if message.is_resolved() { "Good" } else { "Attention" };
    let heading = json!({
        "type": "TextBlock", "text": text("title")?, "weight": "Bolder", "size": "Medium", "wrap": true,
        "style": "heading", "color": color,
    });
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [heading, {"type": "TextBlock", "text": text("text")?, "wrap": true}],
        "msteams": {"width": "full"},
    });
    let attachment =
        json!({"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card});
    let body = json!({"type": "message", "attachments": [attachment]});
    post_json(receiver, &url, &body).await?.check(&[])?;
    done()
}

pub(super) async fn webex(receiver: &Receiver, message: &Message<'_>) -> Result {
    const MOST_BYTES: usize = 7439;
    let settings = &receiver.config.settings;
    let mut text = message.text(settings.text("message")).map_err(template)?;
    if text.len() > MOST_BYTES {
        let end = (0..=MOST_BYTES - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    let body = json!({"markdown": text, "roomId": message.text(settings.text("room_id")).map_err(template)?});
    post_json(receiver, settings.text("api_url"), &body).await?.check(&[])?;
    done()
}

pub(super) async fn telegram(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let token = receiver.secret("bot_token", "bot_token_file").await?;
    let chat = match settings.file("chat_id_file") {
        Some(file) => {
            let text = read_secret(file).await?;
            text.parse().map_err(|_| Failure::Final(format!("{} holds no chat id", file.display())))?
        }
        None => settings.number("chat_id").unwrap_or(0),
    };
    let text = settings.text("message");
    let mode = settings.text("parse_mode");
    let text = if mode == "HTML" { message.html(text) } else { message.text(text) }.map_err(template)?;
    let mut body = json!({
        "chat_id": chat,
        "text": truncated(&text, 4096),
        "disable_notification": settings.flag("disable_notifications").unwrap_or(false),
        "disable_web_page_preview": true,
    });
    if !mode.is_empty() {
        body["parse_mode"] = json!(mode);
    }
    if let Some(thread) = settings.number("message_thread_id").filter(|thread| *thread != 0) {
        body["message_thread_id"] = json!(thread);
    }
    let url = format!("{}/bot{token}/sendMessage", settings.text("api_url").trim_end_matches('/'));
    let mut answer = post_json(receiver, &url, &body).await?;
    // Telegram says in the body how long to wait.
    if let Ok(reply) = serde_json::from_str::<Value>(&answer.body)
        && let Some(seconds) = reply["parameters"]["retry_after"].as_i64()
    {
        answer.retry_after_ms = Some(seconds.saturating_mul(1000));
    }
    answer.check(&[])?;
    done()
}

pub(super) async fn rocketchat(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let token = receiver.secret("token", "token_file").await?;
    let user = receiver.secret("token_id", "token_id_file").await?;
    let mut attachment = Map::new();
    add(&mut attachment, "title", truncated(&text("title")?, 1024));
    for name in ["title_link", "text", "image_url", "thumb_url", "color"] {
        add(&mut attachment, name, text(name)?);
    }
    attachment.insert("fields".to_owned(), Value::Array(fields(settings, message).map_err(template)?));
    let mut actions = Vec::new();
    for action in settings.list("actions") {
        let mut map = Map::new();
        for name in ["type", "text", "url", "msg"] {
            add(&mut map, name, message.text(action.text(name)).map_err(template)?);
        }
        actions.push(Value::Object(map));
    }
    attachment.insert("actions".to_owned(), Value::Array(actions));
    let mut body = Map::new();
    add(&mut body, "channel", text("channel")?);
    add(&mut body, "emoji", text("emoji")?);
    add(&mut body, "avatar", text("icon_url")?);
    body.insert("attachments".to_owned(), json!([attachment]));
    let url = format!("{}/api/v1/chat.postMessage", settings.text("api_url").trim_end_matches('/'));
    let headers = [("x-auth-token", token), ("x-user-id", user)];
    let bytes = Bytes::from(Value::Object(body).to_string());
    let answer = post(receiver, &url, "application/json", &headers, bytes).await?;
    answer.check(&[])?;
    match serde_json::from_str::<Value>(&answer.body) {
        Ok(reply) if reply["success"].as_bool() == Some(false) => {
            let error = reply["error"].as_str().unwrap_or("unknown");
            Err(Failure::Final(format!("error response from Rocket.Chat: {}", truncated(error, 200))))
        }
        _ => done(),
    }
}

pub(super) async fn mattermost(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let url = receiver.secret("webhook_url", "webhook_url_file").await?;
    let mut body = Map::new();
    for name in ["channel", "username", "text", "icon_url", "icon_emoji", "type"] {
        add(&mut body, name, text(name)?);
    }
    if let Some(props) = settings.section("props") {
        body.insert("props".to_owned(), json!({"card": message.text(props.text("card")).map_err(template)?}));
    }
    if let Some(priority) = settings.section("priority") {
        let asked = json!({
            "priority": message.text(priority.text("priority")).map_err(template)?,
            "requested_ack": priority.flag("requested_ack").unwrap_or(false),
            "persistent_notifications": priority.flag("persistent_notifications").unwrap_or(false),
        });
        body.insert("priority".to_owned(), asked);
    }
    let mut attachments = Vec::new();
    for attachment in settings.list("attachments") {
        let mut map = Map::new();
        for name in [
            "fallback",
            "color",
            "pretext",
            "text",
            "author_name",
            "author_link",
            "author_icon",
            "title",
            "title_link",
            "thumb_url",
            "footer",
            "footer_icon",
            "image_url",
        ] {
            add(&mut map, name, message.text(attachment.text(name)).map_err(template)?);
        }
        map.insert("fields".to_owned(), Value::Array(fields(attachment, message).map_err(template)?));
        attachments.push(Value::Object(map));
    }
    if !attachments.is_empty() {
        body.insert("attachments".to_owned(), Value::Array(attachments));
    }
    post_json(receiver, &url, &Value::Object(body)).await?.check(&[])?;
    done()
}
