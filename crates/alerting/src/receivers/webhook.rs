//! Any HTTP endpoint: the group as JSON, version 4, or as the user's own JSON.

use std::collections::BTreeMap;

use config::Tree;
use serde_json::Value;

use super::{Failure, Receiver, Result, post_json, template};
use crate::message::Message;

pub(super) async fn send(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let url = receiver.secret("url", "url_file").await?;
    let url = message.text(&url).map_err(template)?;
    if url.is_empty() {
        return Err(Failure::Final("webhook url is empty after templating".to_owned()));
    }
    let most = usize::try_from(settings.number("max_alerts").unwrap_or(0)).unwrap_or(0);
    let body = match settings.tree("payload") {
        Some(tree) => expanded(tree, message).map_err(template)?,
        None => Value::Object(message.json(most)),
    };
    post_json(receiver, &url, &body).await?.check(&[])?;
    Ok(BTreeMap::new())
}

/// The tree with every text expanded; what reads as JSON afterwards is that.
pub(super) fn expanded(tree: &Tree, message: &Message<'_>) -> std::result::Result<Value, String> {
    Ok(match tree {
        Tree::Null => Value::Null,
        Tree::Text(text) => {
            let expanded = message.text(text)?;
            match serde_json::from_str::<Value>(&expanded) {
                Ok(value) if !value.is_string() => value,
                _ => Value::String(expanded),
            }
        }
        Tree::List(items) => {
            Value::Array(items.iter().map(|item| self::expanded(item, message)).collect::<std::result::Result<_, _>>()?)
        }
        Tree::Map(entries) => {
            let mut map = serde_json::Map::new();
            for (name, value) in entries {
                map.insert(message.text(name)?, self::expanded(value, message)?);
            }
            Value::Object(map)
        }
    })
}
