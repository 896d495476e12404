//! Amazon SNS: one `Publish`, signed by Signature Version 4.

use std::collections::BTreeMap;

use bytes::Bytes;
use config::Settings;
use gotemplate::time::Time;
use sha2::{Digest, Sha256};

use super::http::post;
use super::{Failure, Receiver, Result, template, truncated};
use crate::message::Message;

const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

struct Keys {
    region: String,
    access: String,
    secret: String,
}

pub(super) async fn send(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let keys = keys(settings)?;
    let body = form(settings, message)?;
    let address = message.text(settings.text("api_url")).map_err(template)?;
    let address = if address.is_empty() { format!("https://sns.{}.amazonaws.com/", keys.region) } else { address };
    let url = url::Url::parse(&address).map_err(|error| Failure::Final(format!("api_url: {error}")))?;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let at = Time::from_timestamp(receiver.now()).format("20060102T150405Z");
    let authorization = sign(&keys, &host, url.path(), &at, &body);
    let headers = [("x-amz-date", at), ("authorization", authorization)];
    post(receiver, url.as_str(), CONTENT_TYPE, &headers, Bytes::from(body)).await?.check(&[])?;
    Ok(BTreeMap::new())
}

/// The parameters of the call.
fn form(settings: &Settings, message: &Message<'_>) -> std::result::Result<String, Failure> {
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", "Publish").append_pair("Version", "2010-03-31");
    for (key, name) in [("topic_arn", "TopicArn"), ("target_arn", "TargetArn"), ("phone_number", "PhoneNumber")] {
        let value = text(key)?;
        if !value.is_empty() {
            form.append_pair(name, &value);
        }
    }
    let subject = text("subject")?;
    if !subject.is_empty() {
        form.append_pair("Subject", &truncated(&subject.replace(['\r', '\n'], " "), 100));
    }
    let most = if settings.has("phone_number") { 1600 } else { 256 * 1024 };
    let body = text("message")?;
    let cut = (0..=most.min(body.len())).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
    form.append_pair("Message", &body[..cut]);
    if settings.text("topic_arn").ends_with(".fifo") {
        form.append_pair("MessageGroupId", &message.incident_key());
        let unique = format!("{}{}", message.incident_key(), message.item.id);
        form.append_pair("MessageDeduplicationId", &hex(&Sha256::digest(unique.as_bytes())));
    }
    let attributes = settings.map("attributes").into_iter().flatten();
    for (number, (name, value)) in attributes.enumerate() {
        let prefix = format!("MessageAttributes.entry.{}", number + 1);
        form.append_pair(&format!("{prefix}.Name"), &message.text(name).map_err(template)?);
        form.append_pair(&format!("{prefix}.Value.DataType"), "String");
        form.append_pair(&format!("{prefix}.Value.StringValue"), &message.text(value).map_err(template)?);
    }
    Ok(form.finish())
}

fn keys(settings: &Settings) -> std::result::Result<Keys, Failure> {
    let sigv4 = settings.section("sigv4");
    let own = |key: &str| sigv4.map(|sigv4| sigv4.text(key).to_owned()).filter(|text| !text.is_empty());
    if own("profile").is_some() || own("role_arn").is_some() {
        return Err(Failure::Final(
            "sigv4: profile and role_arn are not supported; use access_key and secret_key".into(),
        ));
    }
    let from = |key: &str, variable: &str| own(key).or_else(|| std::env::var(variable).ok());
    let arn = [settings.text("topic_arn"), settings.text("target_arn")].concat();
    let region = own("region").or_else(|| arn.split(':').nth(3).map(str::to_owned)).filter(|region| !region.is_empty());
    match (
        region.or_else(|| std::env::var("AWS_REGION").ok()),
        from("access_key", "AWS_ACCESS_KEY_ID"),
        from("secret_key", "AWS_SECRET_ACCESS_KEY"),
    ) {
        (Some(region), Some(access), Some(secret)) => Ok(Keys { region, access, secret }),
        _ => Err(Failure::Final("sigv4 needs a region, an access_key and a secret_key".to_owned())),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut padded = [0_u8; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let with = |mask: u8, rest: &[u8]| {
        let mut bytes: Vec<u8> = padded.iter().map(|byte| byte ^ mask).collect();
        bytes.extend_from_slice(rest);
        Sha256::digest(&bytes).to_vec()
    };
    with(0x5c, &with(0x36, text))
}

/// The `Authorization` header (AWS: "Create a signed request").
fn sign(keys: &Keys, host: &str, path: &str, at: &str, body: &str) -> String {
    let day = &at[..8];
    let signed = "content-type;host;x-amz-date";
    let payload = hex(&Sha256::digest(body.as_bytes()));
    let canonical =
        format!("POST\n{path}\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:{at}\n\n{signed}\n{payload}");
    let scope = format!("{day}/{}/sns/aws4_request", keys.region);
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = hmac(format!("AWS4{}", keys.secret).as_bytes(), day.as_bytes());
    for part in [keys.region.as_str(), "sns", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}", keys.access)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, and one key longer than a block (case 6).
    #[test]
    fn hmac_of_the_rfc() {
        let found = hex(&hmac(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(found, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let found = hex(&hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"));
        assert_eq!(found, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}
