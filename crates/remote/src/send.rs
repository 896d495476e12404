//! One request: encoded once, repeated until it is taken or refused for good.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::{BodyLimit, HttpClient, read_body};
use config::{RemoteWriteConfig, RemoteWriteMessage};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use model::{Clock, SampleValue, Tenant, Timestamp};
use prost::Message;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use crate::message::{Describe, RequestV1, request_v1, request_v2};
use crate::metrics::{DropLabels, QueueLabels, SendMetrics};
use crate::series::Series;

/// Of an answer that is an error, so much is read for the log.
const MOST_ERROR_TEXT: u64 = 64 << 10;
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");
pub(crate) const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");
pub(crate) const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// What all requests to one receiver share.
pub(crate) struct Receiver {
    pub(crate) config: RemoteWriteConfig,
    pub(crate) client: HttpClient,
    pub(crate) labels: QueueLabels,
    pub(crate) metrics: Arc<SendMetrics>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How many of what a request holds.
#[derive(Clone, Copy, Debug, Default)]
struct Content {
    samples: u64,
    histograms: u64,
    exemplars: u64,
    newest: i64,
}

/// What became of one attempt.
enum Attempt {
    Taken,
    /// Worth another try, at the earliest after so long.
    Again(String, Option<Duration>),
    Refused(String),
}

impl Receiver {
    /// Sends series until the receiver has taken them or refuses them for good.
    pub(crate) async fn deliver(&self, tenant: &Tenant, mut series: Vec<Series>, describe: Describe<'_>) {
        let mut pause = self.config.queue_config.min_backoff.to_std();
        let mut body = None;
        loop {
            if self.drop_old(&mut series) {
                body = None;
            }
            let content = content(&series);
            if content.samples + content.histograms + content.exemplars == 0 {
                return;
            }
            let bytes = body.get_or_insert_with(|| self.encode(&series, describe)).clone();
            match self.attempt(tenant, bytes, content).await {
                Attempt::Taken => return self.count_taken(content),
                Attempt::Refused(reason) => {
                    self.metrics
                        .samples_failed
                        .get_or_create(&self.labels)
                        .inc_by(content.samples + content.histograms);
                    warn!(
                        receiver = self.labels.remote_name,
                        url = self.labels.url,
                        samples = content.samples,
                        reason,
                        "samples are refused by the receiver and not sent again"
                    );
                    return;
                }
                Attempt::Again(reason, after) => {
                    self.metrics
                        .samples_retried
                        .get_or_create(&self.labels)
                        .inc_by(content.samples + content.histograms);
                    debug!(receiver = self.labels.remote_name, url = self.labels.url, reason, "sending again");
                    sleep_until(Instant::now() + after.unwrap_or(pause).max(pause)).await;
                    pause = (pause * 2).min(self.config.queue_config.max_backoff.to_std());
                }
            }
        }
    }

    /// Sends metadata of version 1: tried a few times, as it is sent again anyway.
    pub(crate) async fn deliver_metadata(&self, tenant: &Tenant, request: RequestV1) {
        let entries = request.metadata.len() as u64;
        let body = packed(&request.encode_to_vec());
        for _ in 0..3 {
            match self.attempt(tenant, body.clone(), Content::default()).await {
                Attempt::Taken => {
                    self.metrics.metadata.get_or_create(&self.labels).inc_by(entries);
                    return;
                }
                Attempt::Refused(reason) => {
                    warn!(receiver = self.labels.remote_name, url = self.labels.url, reason, "metadata is refused");
                    return;
                }
                Attempt::Again(reason, _) => {
                    debug!(receiver = self.labels.remote_name, url = self.labels.url, reason, "metadata is not taken");
                    sleep_until(Instant::now() + self.config.queue_config.max_backoff.to_std()).await;
                }
            }
        }
    }

    fn encode(&self, series: &[Series], describe: Describe<'_>) -> Bytes {
        packed(&match self.config.protobuf_message {
            RemoteWriteMessage::V1 => request_v1(series).encode_to_vec(),
            RemoteWriteMessage::V2 => request_v2(series, describe).encode_to_vec(),
        })
    }

    fn count_taken(&self, content: Content) {
        self.metrics.samples.get_or_create(&self.labels).inc_by(content.samples);
        self.metrics.histograms.get_or_create(&self.labels).inc_by(content.histograms);
        self.metrics.exemplars.get_or_create(&self.labels).inc_by(content.exemplars);
        let newest = self.metrics.highest_sent.get_or_create(&self.labels);
        newest.set(newest.get().max(content.newest as f64 / 1000.0));
    }

    /// Drops samples beyond `sample_age_limit`; answers whether there were any.
    fn drop_old(&self, series: &mut Vec<Series>) -> bool {
        let limit = self.config.queue_config.sample_age_limit;
        if limit.is_zero() {
            return false;
        }
        let oldest = Timestamp(self.clock.now().ms() - limit.0);
        let before: usize = series.iter().map(|s| s.samples.len()).sum();
        for one in series.iter_mut() {
            one.samples.retain(|sample| sample.timestamp >= oldest);
        }
        series.retain(|one| !one.samples.is_empty());
        let dropped = before - series.iter().map(|s| s.samples.len()).sum::<usize>();
        self.count_dropped("too_old", dropped as u64);
        dropped > 0
    }

    pub(crate) fn count_dropped(&self, reason: &'static str, samples: u64) {
        if samples > 0 {
            let QueueLabels { remote_name, url } = self.labels.clone();
            self.metrics.samples_dropped.get_or_create(&DropLabels { remote_name, url, reason }).inc_by(samples);
        }
    }

    async fn attempt(&self, tenant: &Tenant, body: Bytes, content: Content) -> Attempt {
        let headers = match self.headers(tenant) {
            Ok(headers) => headers,
            Err(reason) => return Attempt::Refused(reason),
        };
        let begun = Instant::now();
        let size = body.len() as u64;
        let exchange = async {
            let response = self.client.post(self.config.url.as_url().as_str(), headers, body).await?;
            Ok::<_, client::FetchError>(self.judge(response, content).await)
        };
        let answer = timeout(self.config.remote_timeout.to_std(), exchange).await;
        self.metrics.bytes.get_or_create(&self.labels).inc_by(size);
        self.metrics.durations.get_or_create(&self.labels).observe(begun.elapsed().as_secs_f64());
        match answer {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(error)) => Attempt::Again(error.to_string(), None),
            Err(_) => Attempt::Again("context deadline exceeded".into(), None),
        }
    }

    fn headers(&self, tenant: &Tenant) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.config.headers {
            let name = HeaderName::try_from(name).map_err(|e| format!("headers: {name:?}: {e}"))?;
            let value = HeaderValue::try_from(value).map_err(|_| format!("headers: {name}: the value is no text"))?;
            headers.insert(name, value);
        }
        let (content_type, version) = match self.config.protobuf_message {
            RemoteWriteMessage::V1 => ("application/x-protobuf", "0.1.0"),
            RemoteWriteMessage::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        headers.insert(VERSION, HeaderValue::from_static(version));
        if *tenant != Tenant::default()
            && let Ok(value) = HeaderValue::from_str(tenant.as_str())
        {
            headers.entry(TENANT).or_insert(value);
        }
        Ok(headers)
    }

    async fn judge(&self, response: Response<client::Incoming>, content: Content) -> Attempt {
        let status = response.status();
        if status.is_success() {
            let is_v2 = self.config.protobuf_message == RemoteWriteMessage::V2;
            let confirms = WRITTEN.iter().any(|name| response.headers().contains_key(*name));
            if is_v2 && !confirms && content.samples + content.histograms > 0 {
                return Attempt::Refused(format!(
                    "{status} without a header that says what was written: the receiver only knows remote write 1.0"
                ));
            }
            return Attempt::Taken;
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| self.wait_of(v));
        let text = read_body(response, BodyLimit { bytes: MOST_ERROR_TEXT }, 0).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let reason = format!("server returned HTTP status {status}: {}", text.lines().next().unwrap_or_default());
        let may_retry = status.is_server_error()
            || (status == StatusCode::TOO_MANY_REQUESTS && self.config.queue_config.retry_on_http_429);
        if may_retry { Attempt::Again(reason, after) } else { Attempt::Refused(reason) }
    }

    /// `Retry-After`: seconds, or a date.
    fn wait_of(&self, text: &str) -> Option<Duration> {
        if let Ok(seconds) = text.trim().parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let date = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
        let ms = date.timestamp_millis() - self.clock.now().ms();
        Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }
}

pub(crate) fn packed(message: &[u8]) -> Bytes {
    snap::raw::Encoder::new().compress_vec(message).expect("a request is far below snappy's 4 GiB").into()
}

fn content(series: &[Series]) -> Content {
    let mut content = Content { newest: i64::MIN, ..Content::default() };
    for one in series {
        content.exemplars += one.exemplars.len() as u64;
        for sample in &one.samples {
            match sample.value {
                SampleValue::Float(_) => content.samples += 1,
                SampleValue::Histogram(_) => content.histograms += 1,
            }
            content.newest = content.newest.max(sample.timestamp.ms());
        }
    }
    content
}
