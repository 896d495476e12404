//! `POST /api/v1/read`: Prometheus' remote read, answered with raw samples or streamed chunks
//! (`storage/remote/read_handler.go`, `codec.go`).
//!
//! Samples go out as they are stored, staleness markers included: the reader's engine knows them. Histograms always have
//! float counts. A stream that breaks half-way ends the connection, so that nobody takes half an answer for a whole one.

mod bits;
#[cfg(test)]
mod chunk_tests;
mod chunks;
mod frames;
mod labels;
mod request;
mod samples;

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use model::{Held, Labels, Reservation, SampleBuffer, SelectRequest, SeriesSource, SourceError, Tenant};
use prometheus_client::metrics::gauge::Gauge;
use promql::engine::CancelFlag;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::errors::{ApiError, ErrorKind};
use crate::gate::{Admission, Gate};
use crate::ingest::RETRY_AFTER_S;
use crate::ingest::body::{self, ReadFault, Reserved};
use crate::remote_write::snappy::{self, BodyFault};
use crate::state::Api;
use crate::tenant::RequestTenant;
use request::{Query, ReadRequest, ResponseType};

/// Requests that are answered at a time (Prometheus' `storage.remote.read-concurrent-limit`).
const CONCURRENCY: usize = 10;
/// Samples of one answer that is not streamed (Prometheus' `storage.remote.read-sample-limit`).
const MAX_SAMPLES: usize = 50_000_000;
/// What a series takes besides its labels while all are put in order.
const ORDER_BYTES: usize = 96;
/// Frames that wait for a slow reader.
const FRAMES_AHEAD: usize = 2;

/// What the endpoint keeps between requests.
pub(crate) struct RemoteRead {
    gate: Gate,
    /// Requests that run or wait, under Prometheus' name.
    queries: Gauge,
}

impl RemoteRead {
    pub(crate) fn new() -> Self {
        RemoteRead { gate: Gate::new(CONCURRENCY), queries: Gauge::default() }
    }

    pub(crate) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        registry.register(
            "prometheus_remote_read_handler_queries",
            "The current number of remote read queries that are either in execution or queued on the handler.",
            self.queries.clone(),
        );
    }
}

/// Counts a request for as long as it lives.
struct Running(Gauge);

impl Running {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Running(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What a request is answered from.
struct Reading {
    source: Arc<dyn SeriesSource>,
    tenant: Tenant,
    external: Labels,
    queries: Vec<Query>,
    cancel: CancelFlag,
    /// Of queries, as what is read is.
    memory: Arc<Reservation>,
    _running: Running,
}

/// The handler.
pub(crate) async fn read(State(api): State<Arc<Api>>, RequestTenant(tenant): RequestTenant, body: Body) -> Response {
    let running = Running::new(&api.remote_read.queries);
    match answer(&api, tenant, body, running).await {
        Ok(response) => response,
        Err(fault) => {
            match fault.kind.status().is_server_error() {
                true => warn!(%fault, "remote read failed"),
                false => debug!(%fault, "remote read refused"),
            }
            let headers =
                [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
            let mut response = (fault.kind.status(), headers, format!("{}\n", fault.message)).into_response();
            if let Some(seconds) = fault.retry_after_s {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

async fn answer(api: &Arc<Api>, tenant: Tenant, body: Body, running: Running) -> Result<Response, ApiError> {
    let admission = api.remote_read.gate.admit(api.engine().options().timeout).await?;
    let request = {
        let mut reserved = api.intake.account.open();
        decode(body, &mut reserved).await?
    };
    let external = api.parts.config.read().external_labels.clone();
    let mut queries = request.queries;
    for query in &mut queries {
        query.matchers = labels::without_external(std::mem::take(&mut query.matchers), &external);
    }
    let (source, cancel) = (Arc::clone(&api.parts.source), CancelFlag::default());
    let memory = api.engine().options().memory.open();
    let reading = Reading { source, tenant, external, queries, cancel, memory, _running: running };
    match request.response_type {
        ResponseType::Samples => all_samples(api, admission, reading).await,
        ResponseType::StreamedXorChunks => stream(admission, reading).await,
    }
}

async fn decode(body: Body, reserved: &mut Reserved<'_>) -> Result<ReadRequest, ApiError> {
    let compressed = body::read(body, reserved).await.map_err(|fault| match fault {
        ReadFault::OverBudget => ApiError::unavailable(fault.to_string(), RETRY_AFTER_S),
        _ => ApiError::bad_data(fault.to_string()),
    })?;
    let mut buffer = Vec::new();
    let unpack = |fault: BodyFault| ApiError::bad_data(fault.to_string());
    let size = snappy::declared_size(&compressed, reserved).map_err(unpack)?;
    let message = snappy::decompress(&compressed, size, &mut buffer).map_err(unpack)?;
    request::read(message).map_err(|fault| ApiError::bad_data(fault.to_string()))
}

impl Reading {
    /// Visits the series of a query that have samples, by labels; ends early where `visit` answers false.
    fn each_series(
        &self,
        query: &Query,
        mut visit: impl FnMut(&Labels, &SampleBuffer) -> Result<bool, ApiError>,
    ) -> Result<(), ApiError> {
        let (tenant, matchers, range) = (&self.tenant, &query.matchers, query.range);
        if range.end < range.start {
            return Ok(());
        }
        let memory = Some(&self.memory);
        let set = self.source.select(&SelectRequest { tenant, matchers, range, projection: None, memory })?;
        let mut held = Held::of(memory);
        let mut order: Vec<(Labels, usize)> = Vec::new();
        for index in 0..set.len() {
            let labels = set.labels(index);
            held.add(labels.encoded_len() + ORDER_BYTES)?;
            order.push((labels, index));
        }
        order.sort_unstable();
        let mut buffer = SampleBuffer::default();
        for (labels, index) in order {
            if self.cancel.is_canceled() {
                return Err(SourceError::Canceled.into());
            }
            buffer.clear();
            set.read(index, range, &mut buffer)?;
            if !buffer.is_empty() && !visit(&labels, &buffer)? {
                break;
            }
        }
        // The protocol has no place for them; Prometheus logs them as well.
        set.warnings().iter().for_each(|warning| warn!(tenant = tenant.as_str(), %warning, "remote read"));
        Ok(())
    }
}

/// Answers with everything in one message.
async fn all_samples(api: &Arc<Api>, admission: Admission, reading: Reading) -> Result<Response, ApiError> {
    let (cancel, shared) = (reading.cancel.clone(), Arc::clone(api));
    let packed = admission.run(cancel, move || gather(&shared, &reading)).await??;
    let headers = [(header::CONTENT_TYPE, "application/x-protobuf"), (header::CONTENT_ENCODING, "snappy")];
    Ok((headers, packed).into_response())
}

fn gather(api: &Api, reading: &Reading) -> Result<Vec<u8>, ApiError> {
    let mut reserved = api.intake.account.open();
    let mut out = Vec::new();
    let mut left = MAX_SAMPLES;
    for query in &reading.queries {
        let mut result = Vec::new();
        reading.each_series(query, |labels, buffer| {
            left = left
                .checked_sub(buffer.len())
                .ok_or_else(|| ApiError::bad_data(format!("exceeded sample limit ({MAX_SAMPLES})")))?;
            let before = result.len();
            samples::write_series(&mut result, labels, &reading.external, buffer);
            // The result is copied into the answer, and that is packed.
            reserved.add(2 * (result.len() - before)).map_err(|_| over_budget())?;
            Ok(true)
        })?;
        crate::protobuf_out::bytes(&mut out, 1, &result);
    }
    snap::raw::Encoder::new().compress_vec(&out).map_err(|e| ApiError::internal(format!("cannot pack the answer: {e}")))
}

fn over_budget() -> ApiError {
    let text = "the answer is larger than the memory for it: accept STREAMED_XOR_CHUNKS, or ask for less at a time";
    ApiError::unavailable(text, RETRY_AFTER_S)
}

/// Answers with frames that are made while the client reads.
async fn stream(admission: Admission, reading: Reading) -> Result<Response, ApiError> {
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, ApiError>>(FRAMES_AHEAD);
    let cancel = reading.cancel.clone();
    let work = move || {
        let ended = send_frames(&reading, &sender);
        if let Err(fault) = ended {
            // Where nobody listens any more, nobody needs to know.
            let _ = sender.blocking_send(Err(fault));
        }
    };
    tokio::spawn(admission.run(cancel, work));
    // What fails before the first frame has a status of its own.
    let first = receiver.recv().await.transpose()?;
    let rest = futures::stream::unfold(receiver, |mut receiver| async move {
        let frame = receiver.recv().await?;
        Some((frame, receiver))
    });
    let frames = futures::stream::StreamExt::map(
        futures::stream::StreamExt::chain(futures::stream::iter(first.map(Ok)), rest),
        |frame| {
            frame.map_err(|fault| {
                warn!(%fault, "remote read broke off");
                io::Error::other(fault)
            })
        },
    );
    let content_type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, content_type)], Body::from_stream(frames)).into_response())
}

fn send_frames(reading: &Reading, sender: &mpsc::Sender<Result<Bytes, ApiError>>) -> Result<(), ApiError> {
    for (index, query) in reading.queries.iter().enumerate() {
        let mut listening = true;
        reading.each_series(query, |labels, buffer| {
            let hand_over = |frame: Vec<u8>| sender.blocking_send(Ok(frame.into())).is_ok();
            listening = frames::series_frames(index, labels, &reading.external, buffer, hand_over);
            Ok(listening)
        })?;
        if !listening {
            return Err(ApiError::new(ErrorKind::Canceled, "the client went away"));
        }
    }
    Ok(())
}
