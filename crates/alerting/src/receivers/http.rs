//! What all HTTP receivers share: posting JSON, and what a status means.
//!
//! Unlike Alertmanager, which repeats after 5xx alone, 429 is repeated for every receiver, and `Retry-After` is honoured.

use ::http::Response;
use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use bytes::Bytes;

use super::{Failure, Receiver};

/// An answer whose body was read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_ms: Option<i64>,
    pub(crate) body: String,
}

/// A request that was answered.
pub(crate) type Sent = std::result::Result<Answer, Failure>;

/// Bytes of an answer that are looked at.
const MOST_ANSWER: u64 = 64 << 10;

/// Posts JSON.
pub(crate) async fn post_json(receiver: &Receiver, url: &str, body: &serde_json::Value) -> Sent {
    let body = Bytes::from(body.to_string());
    post(receiver, url, "application/json", &[], body).await
}

/// Asks.
pub(crate) async fn get(receiver: &Receiver, url: &str) -> Sent {
    finished(receiver.client.get(url, HeaderMap::new()).await).await
}

/// Posts anything.
pub(crate) async fn post(
    receiver: &Receiver,
    url: &str,
    content_type: &'static str,
    more: &[(&'static str, String)],
    body: Bytes,
) -> Sent {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in more {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Failure::Final(format!("the header {name} cannot be sent: it holds control characters")))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    finished(receiver.client.post(url, headers, body).await).await
}

/// The URL may be a secret, so that an error must not name it.
async fn finished(answer: std::result::Result<Response<client::Incoming>, client::FetchError>) -> Sent {
    let response = answer.map_err(|error| match error {
        client::FetchError::Request { reason, .. } => Failure::Retry(None, reason),
        other => Failure::Retry(None, other.to_string()),
    })?;
    let status = response.status().as_u16();
    let retry_after_ms = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<i64>().ok())
        .map(|seconds| seconds.clamp(0, 3600) * 1000);
    let limit = client::BodyLimit { bytes: MOST_ANSWER };
    let body = client::read_body(response, limit, 0).await.unwrap_or_default();
    Ok(Answer { status, retry_after_ms, body: String::from_utf8_lossy(&body).into_owned() })
}

impl Answer {
    /// Fails unless the status is 2xx. `retried` names further statuses after which it makes sense to try again.
    pub(crate) fn check(&self, retried: &[u16]) -> std::result::Result<(), Failure> {
        if (200..300).contains(&self.status) {
            return Ok(());
        }
        let said = self.body.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {}", shortened(said)) };
        let reason = format!("unexpected status code {}{said}", self.status);
        if self.status / 100 == 5 || self.status == 429 || retried.contains(&self.status) {
            return Err(Failure::Retry(self.retry_after_ms, reason));
        }
        Err(Failure::Final(reason))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(500).collect()
}
