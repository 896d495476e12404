//! A receiver of Loki's push protocol (`/loki/api/v1/push`) and of plain lines (`/promtail/api/v1/raw`). An answer is given once
//! the lines are durable.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use config::promtail::PushTargetConfig;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::{Source, owned};
use crate::ShipError;
use crate::batch::Batch;
use crate::entry::{Entry, TENANT_LABEL};
use crate::pipeline::parse_labels;
use crate::wire;

/// Bytes of a request, packed and unpacked.
const MOST_BODY: usize = 16 << 20;
const MOST_UNPACKED: u64 = 64 << 20;

struct Door {
    source: Mutex<Source>,
    config: PushTargetConfig,
}

pub(super) async fn start(source: Source, config: &PushTargetConfig) -> Result<JoinHandle<()>, ShipError> {
    let refuse = |error: std::io::Error| ShipError::Listen {
        what: format!("loki_push_api of job {:?}", source.job),
        address: config.listen.to_string(),
        reason: error.to_string(),
    };
    let listener = TcpListener::bind(config.listen).await.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    source.context.status.forget(&source.job, source.kind, &source.name);
    let source = source.sibling(&address.to_string());
    info!(job = source.job, %address, "push receiver");
    let stop = source.context.stop.clone();
    let door = Arc::new(Door { source: Mutex::new(source), config: config.clone() });
    let router = Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/promtail/api/v1/raw", post(raw))
        .route("/ready", get(|| async { "ready" }))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(door);
    Ok(tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await });
        if let Err(error) = served.await {
            warn!(%error, "a push receiver has ended");
        }
    }))
}

/// A line with its labels, as it was pushed.
struct Pushed {
    labels: Vec<(String, String)>,
    timestamp: i64,
    line: Vec<u8>,
    metadata: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct JsonPush {
    streams: Vec<JsonStream>,
}

#[derive(Deserialize)]
struct JsonStream {
    #[serde(default)]
    stream: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Vec<serde_json::Value>>,
}

async fn push(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    match decode(&headers, &body) {
        Ok(pushed) => take(&door, &headers, pushed).await,
        Err(reason) => (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response(),
    }
}

async fn raw(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let lines = body.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines.filter(|line| !line.is_empty());
    let pushed =
        lines.map(|line| Pushed { labels: Vec::new(), timestamp: 0, line: line.to_vec(), metadata: Vec::new() });
    take(&door, &headers, pushed.collect()).await
}

async fn take(door: &Door, headers: &HeaderMap, pushed: Vec<Pushed>) -> Response {
    let tenant = headers.get("x-scope-orgid").and_then(|value| value.to_str().ok());
    let mut source = door.source.lock().await;
    let mut batch = Batch::default();
    source.context.metrics.push_entries.inc_by(pushed.len() as u64);
    for Pushed { labels, timestamp, line, metadata } in pushed {
        let mut all = owned(&door.config.labels);
        all.extend(labels);
        if let Some(tenant) = tenant {
            all.push((TENANT_LABEL.to_owned(), tenant.to_owned()));
        }
        let Some(base) = source.base(all) else { continue };
        let keep = door.config.use_incoming_timestamp && timestamp != 0;
        let timestamp = if keep { timestamp } else { source.stamp() };
        let mut entry = Entry::new(&base, timestamp, &line, 0);
        entry.metadata =
            metadata.iter().map(|(name, value)| (Arc::from(name.as_str()), value.as_str().into())).collect();
        source.put(&mut batch, entry);
    }
    // What a stage holds back would be acknowledged without being durable.
    source.tick(&mut batch, true);
    let size = source.context.intake.batch_size();
    if batch.bytes > size.saturating_mul(64) {
        return (StatusCode::PAYLOAD_TOO_LARGE, "too many lines in one request\n").into_response();
    }
    match source.submit_durable(batch).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the shipper is stopping\n").into_response(),
    }
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Pushed>, String> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_lowercase();
    let unpacked = match header(CONTENT_ENCODING).as_str() {
        "gzip" => unpack(flate2::read::MultiGzDecoder::new(body))?,
        "deflate" => unpack(flate2::read::DeflateDecoder::new(body))?,
        "" | "snappy" | "identity" => body.to_vec(),
        other => return Err(format!("Content-Encoding {other:?} is not supported")),
    };
    if header(CONTENT_TYPE).starts_with("application/json") {
        return decode_json(&unpacked);
    }
    let message = wire::unpack(&unpacked).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let mut problem = None;
    wire::read_push(&message, |labels, entry| match parse_labels(labels) {
        Ok(labels) => out.push(Pushed {
            labels: labels.iter().map(|label| (label.name.to_owned(), label.value.to_owned())).collect(),
            timestamp: entry.timestamp,
            line: entry.line.to_vec(),
            metadata: entry.metadata.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        }),
        Err(reason) => {
            problem.get_or_insert(format!("couldn't parse labels: {reason}"));
        }
    })
    .map_err(|error| error.to_string())?;
    problem.map_or(Ok(out), Err)
}

fn unpack(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    reader.take(MOST_UNPACKED + 1).read_to_end(&mut out).map_err(|error| error.to_string())?;
    if out.len() as u64 > MOST_UNPACKED { Err("the request unpacks to too much".to_owned()) } else { Ok(out) }
}

fn decode_json(body: &[u8]) -> Result<Vec<Pushed>, String> {
    let request: JsonPush = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    for stream in request.streams {
        let labels: Vec<(String, String)> = stream.stream.into_iter().collect();
        for value in stream.values {
            let text = |at: usize| value.get(at).and_then(|part| part.as_str());
            let (Some(time), Some(line)) = (text(0), text(1)) else {
                return Err("a value must be [\"<nanoseconds>\", \"<line>\"]".to_owned());
            };
            let timestamp = time.parse().map_err(|_| format!("{time:?} is no time in nanoseconds"))?;
            let metadata = value.get(2).and_then(|part| part.as_object()).into_iter().flatten();
            let metadata = metadata.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
            let (line, metadata) = (line.as_bytes().to_vec(), metadata.collect());
            out.push(Pushed { labels: labels.clone(), timestamp, line, metadata });
        }
    }
    Ok(out)
}
