//! Sending for a command that waits: one request at a time, by remote write 2.0, repeated until it is taken or refused.

use std::time::Duration;

use bytes::Bytes;
use client::{BodyLimit, HttpClient, Incoming, read_body};
use config::HttpClientConfig;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use model::{Labels, Metadata, Sample, SampleBuffer, SampleValue, Tenant, Timestamp};
use prost::Message;
use tokio::time::{Instant, sleep_until, timeout};

use crate::message::request_v2;
use crate::send::{TENANT, VERSION, WRITTEN, packed};
use crate::series::{RemoteError, Series};

/// First pause before another attempt, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server that is full for so long, or away, is not waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// So much of an answer is read.
const MOST_TEXT: u64 = 64 << 10;

/// A way to one server, for one tenant.
pub struct Push {
    client: HttpClient,
    address: String,
    headers: HeaderMap,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Samples that the server has now, as it says.
    pub written: u64,
    /// Samples that it refused.
    pub refused: u64,
    /// Why.
    pub reason: Option<String>,
}

enum Attempt {
    Done(Pushed),
    Again(String, Option<Duration>),
}

impl Push {
    /// `server` is its address, such as `http://127.0.0.1:3000`, without a path of ours.
    ///
    /// # Errors
    /// Where that is no URL.
    pub fn new(server: &str, tenant: &Tenant) -> Result<Self, RemoteError> {
        let with_scheme = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let address = format!("{}/api/v1/write", with_scheme.trim_end_matches('/'));
        if address.parse::<http::Uri>().is_err() {
            return Err(RemoteError::Address(server.to_owned()));
        }
        let client = HttpClient::new(&HttpClientConfig::default())
            .map_err(|reason| RemoteError::Client { name: server.to_owned(), reason })?;
        let mut headers = HeaderMap::new();
        let content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        headers.insert(VERSION, HeaderValue::from_static("2.0.0"));
        if *tenant != Tenant::default()
            && let Ok(name) = HeaderValue::from_str(tenant.as_str())
        {
            headers.insert(TENANT, name);
        }
        Ok(Push { client, address, headers })
    }

    /// Sends samples, each series with its own in order of time.
    ///
    /// # Errors
    /// Where the server cannot be reached, or has no room, for two minutes.
    pub async fn send(
        &self,
        series: Vec<(Labels, SampleBuffer)>,
        describe: &(dyn Fn(&str) -> Option<Metadata> + Sync),
    ) -> Result<Pushed, RemoteError> {
        let series: Vec<Series> = series.into_iter().map(of_buffer).collect();
        let count = series.iter().map(|one| one.samples.len() as u64).sum();
        let body = packed(&request_v2(&series, describe).encode_to_vec());
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attempt(body.clone(), count).await {
                Attempt::Done(pushed) => return Ok(pushed),
                Attempt::Again(reason, _) if begun.elapsed() >= PATIENCE => {
                    return Err(RemoteError::NotTaken { address: self.address.clone(), reason });
                }
                Attempt::Again(_, after) => {
                    sleep_until(Instant::now() + after.unwrap_or(pause).clamp(pause, PATIENCE)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn attempt(&self, body: Bytes, count: u64) -> Attempt {
        let exchange = async {
            let response = self.client.post(&self.address, self.headers.clone(), body).await?;
            Ok::<_, client::FetchError>(judge(response, count).await)
        };
        match timeout(TIMEOUT, exchange).await {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(error)) => Attempt::Again(error.to_string(), None),
            Err(_) => Attempt::Again(format!("no answer within {} s", TIMEOUT.as_secs()), None),
        }
    }
}

/// Of a request that is refused in part the rest is stored, and the headers say how much.
async fn judge(response: Response<Incoming>, count: u64) -> Attempt {
    let status = response.status();
    let number = |name: &&str| response.headers().get(*name).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let told = WRITTEN[..2].iter().filter_map(number).reduce(|samples, histograms| samples + histograms);
    let after =
        response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    if status.is_success() {
        return Attempt::Done(Pushed { written: told.unwrap_or(count), ..Pushed::default() });
    }
    let text = read_body(response, BodyLimit { bytes: MOST_TEXT }, 0).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let reason = format!("HTTP status {status}: {}", text.lines().next().unwrap_or_default());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Attempt::Again(reason, after);
    }
    let written = told.unwrap_or(0).min(count);
    Attempt::Done(Pushed { written, refused: count - written, reason: Some(reason) })
}

fn of_buffer((labels, buffer): (Labels, SampleBuffer)) -> Series {
    let sample = |row: usize| Sample {
        timestamp: Timestamp(buffer.timestamps[row]),
        start_timestamp: buffer.start_timestamps.get(row).filter(|start| **start != 0).map(|start| Timestamp(*start)),
        value: match buffer.histogram(row) {
            Some(histogram) => SampleValue::Histogram(histogram.clone()),
            None => SampleValue::Float(buffer.values[row]),
        },
    };
    Series { labels, samples: (0..buffer.len()).map(sample).collect(), exemplars: Vec::new() }
}
