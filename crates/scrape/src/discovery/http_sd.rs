//! Targets from a URL that answers with JSON.

use std::time::Duration;

use client::{BodyLimit, HttpClient, read_body};
use config::HttpSdConfig;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::warn;

use super::{GroupFile, Groups, Publisher, SourceContext, groups_from};

/// Bytes of an answer that are read at most.
const MOST_BYTES: u64 = 256 << 20;

/// Asks every refresh interval. A failure keeps what was found before.
pub(super) async fn run(config: HttpSdConfig, client: HttpClient, publisher: Publisher, context: SourceContext) {
    let period = config.refresh_interval.to_std();
    let mut refresh = interval_at(Instant::now(), period);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        refresh.tick().await;
        match ask(&config, &client, period).await {
            Ok(groups) => {
                context.troubles.clear(&config.url.to_string());
                publisher.publish(groups);
            }
            Err(error) => {
                context.troubles.note(&config.url.to_string(), &error);
                context.metrics.sd_http_failures.inc();
                warn!(pool = context.pool, url = %config.url, error, "unable to refresh target groups");
            }
        }
    }
}

async fn ask(config: &HttpSdConfig, client: &HttpClient, period: Duration) -> Result<Groups, String> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let seconds = model::float::format_f(config.refresh_interval.seconds());
    if let Ok(value) = HeaderValue::from_str(&seconds) {
        headers.insert(HeaderName::from_static("x-prometheus-refresh-interval-seconds"), value);
    }
    let url = config.url.as_url().as_str();
    let answer = async {
        let response = client.get(url, headers).await.map_err(|e| e.to_string())?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("server returned HTTP status {}", response.status()));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !is_json(content_type) {
            return Err(format!("unsupported content type {content_type:?}"));
        }
        read_body(response, BodyLimit { bytes: MOST_BYTES }, 0).await.map_err(|e| e.to_string())
    };
    let body = tokio::time::timeout(period, answer).await.map_err(|_| "context deadline exceeded".to_owned())??;
    let groups: Option<Vec<Option<GroupFile>>> = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
    groups_from(groups.unwrap_or_default(), &config.url.to_string(), "__meta_url")
}

fn is_json(content_type: &str) -> bool {
    let lower = content_type.trim().to_ascii_lowercase();
    let (kind, parameter) = lower.split_once(';').unwrap_or((&lower, ""));
    kind == "application/json" && matches!(parameter.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"")
}
