//! Slack: incoming webhooks, or `chat.postMessage` with an app token; with `update_message` the first message is changed.

use std::collections::BTreeMap;

use bytes::Bytes;
use config::Settings;
use serde_json::{Map, Value, json};

use super::http::post;
use super::{Failure, Receiver, Result, template, truncated};
use crate::message::Message;

const MOST_TITLE: usize = 1024;
/// Errors of the API that pass.
const PASSING: [&str; 6] =
    ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];

pub(super) async fn send(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let by_token = settings.has("app_token") || settings.has("app_token_file");
    let mut body = body(settings, message).map_err(template)?;
    let mut headers = Vec::new();
    let mut url = receiver.secret("api_url", "api_url_file").await?;
    if by_token {
        let token = receiver.secret("app_token", "app_token_file").await?;
        headers.push(("authorization", format!("Bearer {token}")));
        url = settings.text("app_url").to_owned();
        let previous = (message.previous.get("threadTs"), message.previous.get("channelId"));
        if settings.flag("update_message") == Some(true)
            && let (Some(ts), Some(channel)) = previous
        {
            url = url.replace("chat.postMessage", "chat.update");
            body.insert("ts".to_owned(), json!(ts));
            body.insert("channel".to_owned(), json!(channel));
        }
    }
    let bytes = Bytes::from(Value::Object(body).to_string());
    let answer = post(receiver, &url, "application/json", &headers, bytes).await?;
    answer.check(&[])?;
    let said = answer.body.trim();
    let Ok(reply) = serde_json::from_str::<Value>(said) else {
        return match said {
            "ok" => Ok(BTreeMap::new()),
            other => Err(Failure::Final(format!("error response from Slack: {}", truncated(other, 200)))),
        };
    };
    if reply["ok"].as_bool() == Some(false) {
        let error = reply["error"].as_str().unwrap_or("unknown").to_owned();
        let reason = format!("error response from Slack: {error}");
        let passes = PASSING.contains(&error.as_str());
        return Err(if passes { Failure::Retry(answer.retry_after_ms, reason) } else { Failure::Final(reason) });
    }
    let mut data = BTreeMap::new();
    for (name, key) in [("threadTs", "ts"), ("channelId", "channel")] {
        if let Some(value) = reply[key].as_str() {
            data.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(data)
}

/// Adds a text unless it is empty.
pub(super) fn add(map: &mut Map<String, Value>, name: &str, text: String) {
    if !text.is_empty() {
        map.insert(name.to_owned(), Value::String(text));
    }
}

fn body(settings: &Settings, message: &Message<'_>) -> std::result::Result<Map<String, Value>, String> {
    let text = |key: &str| message.text(settings.text(key));
    let mut attachment = Map::new();
    add(&mut attachment, "title", truncated(&text("title")?, MOST_TITLE));
    for name in
        ["title_link", "pretext", "text", "fallback", "callback_id", "image_url", "thumb_url", "footer", "color"]
    {
        add(&mut attachment, name, text(name)?);
    }
    let marked = match settings.texts("mrkdwn_in") {
        [] => vec!["fallback".to_owned(), "pretext".to_owned(), "text".to_owned()],
        given => given.to_vec(),
    };
    attachment.insert("mrkdwn_in".to_owned(), json!(marked));
    let fields = fields(settings, message)?;
    if !fields.is_empty() {
        attachment.insert("fields".to_owned(), Value::Array(fields));
    }
    let actions = actions(settings, message)?;
    if !actions.is_empty() {
        attachment.insert("actions".to_owned(), Value::Array(actions));
    }
    let mut body = Map::new();
    for name in ["channel", "username", "icon_emoji", "icon_url"] {
        add(&mut body, name, text(name)?);
    }
    add(&mut body, "text", text("message_text")?);
    if settings.flag("link_names") == Some(true) {
        body.insert("link_names".to_owned(), json!(true));
    }
    body.insert("attachments".to_owned(), json!([attachment]));
    Ok(body)
}

/// The fields of an attachment, which several systems share.
pub(super) fn fields(settings: &Settings, message: &Message<'_>) -> std::result::Result<Vec<Value>, String> {
    let short_by_default = settings.flag("short_fields").unwrap_or(false);
    let mut out = Vec::new();
    for field in settings.list("fields") {
        out.push(json!({
            "title": message.text(field.text("title"))?,
            "value": message.text(field.text("value"))?,
            "short": field.flag("short").unwrap_or(short_by_default),
        }));
    }
    Ok(out)
}

fn actions(settings: &Settings, message: &Message<'_>) -> std::result::Result<Vec<Value>, String> {
    let mut out = Vec::new();
    for action in settings.list("actions") {
        let mut map = Map::new();
        for name in ["type", "text", "url", "style", "name", "value"] {
            add(&mut map, name, message.text(action.text(name))?);
        }
        if let Some(confirm) = action.section("confirm") {
            let mut asked = Map::new();
            for name in ["title", "text", "ok_text", "dismiss_text"] {
                add(&mut asked, name, message.text(confirm.text(name))?);
            }
            map.insert("confirm".to_owned(), Value::Object(asked));
        }
        out.push(Value::Object(map));
    }
    Ok(out)
}
