//! One request to a target: what is asked for, and what kind of answer comes back.

use std::time::Duration;

use client::{BodyLimit, read_body};
use config::ScrapeConfig;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;
use tokio::time::timeout;

use crate::exposition::{Format, format_of_content_type};
use crate::scrape_loop::{PoolSettings, Shared};
use crate::target::Target;

/// Why nothing was fetched. The texts follow those of Prometheus.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// There is no whole answer.
    #[error(transparent)]
    Client(#[from] client::FetchError),
    /// The answer is an error.
    #[error("server returned HTTP status {0}")]
    Status(http::StatusCode),
    /// The answer does not say, or says wrongly, in which format it is.
    #[error("{0}")]
    ContentType(String),
}

impl FetchError {
    /// The answer is larger than allowed.
    pub(crate) const TOO_LARGE: FetchError = FetchError::Client(client::FetchError::BodySizeLimit);

    /// The value of the `reason` label of failed scrapes.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            FetchError::Client(client::FetchError::Request { .. }) => "connection",
            FetchError::Client(client::FetchError::Body(_)) => "incomplete_body",
            FetchError::Client(client::FetchError::BodySizeLimit) => "body_size_limit",
            FetchError::Status(_) => "http_status",
            FetchError::ContentType(_) => "content_type",
        }
    }
}

/// What a target answered.
pub(crate) struct Body {
    /// Unpacked.
    pub(crate) bytes: Vec<u8>,
    /// By its content type.
    pub(crate) format: Format,
}

/// Fetches the target's metrics within its timeout.
pub(crate) async fn fetch(
    target: &Target,
    settings: &PoolSettings,
    shared: &Shared,
    hint: usize,
) -> Result<Body, FetchError> {
    if let Some(forced) = &settings.forced_error {
        return Err(client::FetchError::Body(forced.to_string()).into());
    }
    let config = &settings.config;
    let configured = config.body_size_limit.bytes();
    let limit = BodyLimit { bytes: if configured > 0 { configured } else { shared.most_body_bytes } };
    let request_failed = |reason: &str| {
        let (url, reason) = (target.url.clone(), reason.into());
        FetchError::Client(client::FetchError::Request { method: "Get", url, reason })
    };
    let answer = async {
        let response = settings.client.get(&target.url, request_headers(config, target)).await?;
        if response.status() != http::StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let content_type = content_type.to_owned();
        let bytes = read_body(response, limit, hint).await?;
        let fallback = config.fallback_scrape_protocol.map(|p| p.media_type());
        let fallback = fallback.and_then(|t| Format::of_media_type(t.split(';').next().unwrap_or_default()));
        // An empty body needs no type: it is an empty scrape.
        let format = match format_of_content_type(&content_type, fallback) {
            Err(_) if bytes.is_empty() => Ok(Format::Text),
            other => other,
        };
        let format = format.map_err(|e| FetchError::ContentType(e.to_string()))?;
        Ok(Body { bytes, format })
    };
    let limit = Duration::from_millis(target.timeout_ms.unsigned_abs());
    let result = timeout(limit, answer).await.unwrap_or_else(|_| Err(request_failed("context deadline exceeded")));
    if result.as_ref().err() == Some(&FetchError::TOO_LARGE) {
        shared.metrics.exceeded_body_size_limit.inc();
    }
    result
}

/// `Accept` with falling weights, what is unpacked, and the timeout for targets that care.
fn request_headers(config: &ScrapeConfig, target: &Target) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    if let Ok(accept) = HeaderValue::from_str(&accept_header(config)) {
        headers.insert(ACCEPT, accept);
    }
    let encoding = if config.enable_compression { "gzip" } else { "identity" };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    let timeout = model::float::format_f(target.timeout_ms as f64 / 1000.0);
    if let Ok(timeout) = HeaderValue::from_str(&timeout) {
        headers.insert(HeaderName::from_static("x-prometheus-scrape-timeout-seconds"), timeout);
    }
    headers
}

fn accept_header(config: &ScrapeConfig) -> String {
    use config::ScrapeProtocol::{OpenMetricsText1_0_0, PrometheusText1_0_0};
    let mut weight = config::ScrapeProtocol::PROTO_FIRST.len() + 1;
    let mut parts = Vec::new();
    for protocol in &config.scrape_protocols {
        let escaping = match protocol {
            OpenMetricsText1_0_0 | PrometheusText1_0_0 => {
                format!(";escaping={}", config.metric_name_escaping_scheme.as_str())
            }
            _ => String::new(),
        };
        parts.push(format!("{}{escaping};q=0.{weight}", protocol.media_type()));
        weight -= 1;
    }
    parts.push(format!("*/*;q=0.{weight}"));
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_is_that_of_prometheus() {
        let config = ScrapeConfig::default();
        assert_eq!(
            accept_header(&config),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
    }
}
