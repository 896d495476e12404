//! WeChat Work: a token for the corporation's application, then the message.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Failure, Receiver, Result, post_json, template};
use crate::message::Message;

pub(super) async fn send(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let secret = receiver.secret("api_secret", "api_secret_file").await?;
    let base = settings.text("api_url").trim_end_matches('/').to_owned();
    let pairs = [("corpid", text("corp_id")?), ("corpsecret", message.text(&secret).map_err(template)?)];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let token = reply(receiver, &format!("{base}/gettoken?{query}"), &json!({})).await?;
    let token =
        token["access_token"].as_str().ok_or_else(|| Failure::Final("WeChat gave no access token".to_owned()))?;
    let kind = settings.text("message_type");
    let body = json!({
        "touser": text("to_user")?,
        "toparty": text("to_party")?,
        "totag": text("to_tag")?,
        "agentid": text("agent_id")?,
        "safe": "0",
        "msgtype": kind,
        kind: {"content": text("message")?},
    });
    let query: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    reply(receiver, &format!("{base}/message/send?access_token={query}"), &body).await?;
    Ok(BTreeMap::new())
}

/// The answer, whose `errcode` says whether it is one.
async fn reply(receiver: &Receiver, url: &str, body: &Value) -> std::result::Result<Value, Failure> {
    let answer = post_json(receiver, url, body).await?;
    answer.check(&[])?;
    let reply: Value = serde_json::from_str(&answer.body).map_err(|error| Failure::Final(error.to_string()))?;
    match reply["errcode"].as_i64().unwrap_or(0) {
        0 => Ok(reply),
        // The token has expired, the system is busy, too many requests.
        code @ (42001 | -1 | 45009) => Err(Failure::Retry(None, format!("WeChat error {code}"))),
        code => Err(Failure::Final(format!("WeChat error {code}: {}", reply["errmsg"].as_str().unwrap_or("")))),
    }
}
