//! `POST /api/v1/write`: the receiver of Remote-Write 1.0 and 2.0 (specification 2.0-rc.4).
//!
//! What is valid is stored, whatever else the request holds; then the answer is 400 and says what was not stored and why. What
//! the store cannot take now is answered with 503 and `Retry-After`: Prometheus repeats on 5xx always, on 429 only when told to.
//!
//! Unlike Prometheus' receiver, version 1.0 follows these rules too, and labels may come in any order in both.

mod convert;
mod decode;
mod dialect;
mod labels;
mod negotiate;
mod portion;
mod receiver_metrics;
pub(crate) mod snappy;
mod v1;
mod v2;
pub(crate) mod wire;

use std::fmt::Display;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::{AppendError, Clock, SampleSink, Tenant};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tracing::{debug, warn};

use crate::ingest::body::{self, Buffers, ReadFault};
use crate::ingest::problems::{Lost, Problems};
use crate::ingest::{Intake, LIMIT_RETRY_AFTER_S, RETRY_AFTER_S, cache};
use crate::memory::MemoryLimits;
use crate::state::Api;
use crate::tenant::RequestTenant;
use decode::Decoder;
use dialect::{Dialect, MetadataFault};
use negotiate::{Version, negotiate};
use portion::Written;
use receiver_metrics::ReceiverMetrics;
use snappy::BodyFault;
use v1::V1;
use v2::{TableFault, V2};
use wire::WireError;

/// Metric families whose metadata is taken from one request.
const MAX_FAMILIES: usize = 65_536;

const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// A receiver and what it remembers of its senders' series.
pub struct RemoteWrite {
    intake: Arc<Intake>,
    buffers: Buffers,
    metrics: ReceiverMetrics,
}

/// Why a request ended early. What was stored before stays stored.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error("malformed {message}: {fault}", message = .0.message(), fault = .1)]
    Wire(Version, WireError),
    #[error(transparent)]
    Table(TableFault),
    #[error(transparent)]
    Sink(#[from] AppendError),
}

/// What became of a request.
#[derive(Debug, Default)]
struct Outcome {
    samples: u64,
    written: Written,
    problems: Problems,
}

impl RemoteWrite {
    /// A receiver in front of `sink`. Requests under way take at most `in_flight_bytes`, compressed and decompressed together.
    pub fn new(sink: Arc<dyn SampleSink>, clock: Arc<dyn Clock>, in_flight_bytes: u64) -> Arc<Self> {
        let limits = MemoryLimits { in_flight: 2 * in_flight_bytes, ..MemoryLimits::default() };
        Self::behind(Intake::new(sink, clock, &limits))
    }

    /// A receiver that shares its way into the store with others.
    pub(crate) fn behind(intake: Arc<Intake>) -> Arc<Self> {
        Arc::new(RemoteWrite { intake, buffers: Buffers::default(), metrics: ReceiverMetrics::default() })
    }

    /// Adds the receiver's metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    async fn receive(
        &self,
        tenant: Tenant,
        version: Version,
        body: Body,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let mut reserved = self.intake.account.open();
        let compressed = body::read(body, &mut reserved).await.map_err(BodyFault::from)?;
        let size = snappy::declared_size(&compressed, &mut reserved)?;
        let mut buffer = self.buffers.take();
        let stored = match self.decompress(compressed, size, &mut buffer).await {
            Ok(message) => self.store_message(tenant, version, message, outcome).await,
            Err(fault) => Err(fault.into()),
        };
        self.buffers.give_back(buffer);
        stored
    }

    async fn decompress<'b>(
        &self,
        compressed: Vec<u8>,
        size: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], BodyFault> {
        self.intake.work(size, || snappy::decompress(&compressed, size, buffer)).await
    }

    async fn store_message(
        &self,
        tenant: Tenant,
        version: Version,
        message: &[u8],
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let minute = cache::minute(self.intake.clock.now());
        self.intake.caches.sweep(minute);
        let cache = self.intake.caches.of(&tenant);
        match version {
            Version::V1 => {
                let scanned = self.intake.work(message.len(), || V1::scan(message, MAX_FAMILIES)).await;
                let (series, families, fault) = scanned.map_err(|e| Failure::Wire(version, e))?;
                let mut decoder = Decoder::new(V1, message, tenant, cache, minute, series, families);
                if let Some(fault) = fault {
                    refuse_families(&mut decoder.problems, fault);
                }
                self.store(version, &mut decoder, message.len(), outcome).await
            }
            Version::V2 => {
                let dialect = self.intake.work(message.len(), || V2::scan(message)).await.map_err(Failure::Table)?;
                let series = dialect.series;
                let mut decoder = Decoder::new(dialect, message, tenant, cache, minute, series, Vec::new());
                self.store(version, &mut decoder, message.len(), outcome).await
            }
        }
    }

    async fn store<'a, D: Dialect<'a> + Send>(
        &self,
        version: Version,
        decoder: &mut Decoder<'a, D>,
        size: usize,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let stored = self.store_portions(version, decoder, size).await;
        outcome.samples = decoder.samples;
        outcome.written = decoder.written;
        outcome.problems = std::mem::take(&mut decoder.problems);
        stored
    }

    async fn store_portions<'a, D: Dialect<'a> + Send>(
        &self,
        version: Version,
        decoder: &mut Decoder<'a, D>,
        size: usize,
    ) -> Result<(), Failure> {
        let malformed = |error| Failure::Wire(version, error);
        loop {
            let step =
                || decoder.portion().map(|found| found.map(|(batch, sent)| (self.intake.sink.append(batch), sent)));
            let Some((append, sent)) = self.intake.work(size, step).await.map_err(malformed)? else { return Ok(()) };
            let report = append.await?;
            let forgotten = decoder.settle(sent, &report, &self.intake.caches);
            if forgotten.is_empty() {
                continue;
            }
            let step = || decoder.once_more(&forgotten).map(|(batch, sent)| (self.intake.sink.append(batch), sent));
            let (append, sent) = self.intake.work(size, step).await.map_err(malformed)?;
            let report = append.await?;
            decoder.settle(sent, &report, &self.intake.caches);
        }
    }
}

fn refuse_families(problems: &mut Problems, fault: MetadataFault) {
    problems.add(Lost::Metadata, "invalid metadata", 0, || fault.to_string());
}

/// The handler of the whole product's router.
pub(crate) async fn write(
    State(api): State<Arc<Api>>,
    RequestTenant(tenant): RequestTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&api.remote_write, tenant, &headers, body).await
}

/// A router that serves this receiver alone, at `/api/v1/write`.
pub fn remote_write_router(receiver: Arc<RemoteWrite>) -> Router {
    let write = |State(receiver): State<Arc<RemoteWrite>>, RequestTenant(tenant), headers: HeaderMap, body: Body| async move {
        answer(&receiver, tenant, &headers, body).await
    };
    Router::new().route("/api/v1/write", post(write)).with_state(receiver)
}

async fn answer(receiver: &RemoteWrite, tenant: Tenant, headers: &HeaderMap, body: Body) -> Response {
    let version = match negotiate(headers) {
        Ok(version) => version,
        Err(unsupported) => {
            receiver.metrics.refuse("unsupported");
            debug!(%unsupported, "remote write refused");
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, &unsupported);
        }
    };
    let mut outcome = Outcome::default();
    let ended = receiver.receive(tenant.clone(), version, body, &mut outcome).await;
    receiver.metrics.count(version, outcome.written, &outcome.problems);
    receiver.metrics.cached_series.set(receiver.intake.caches.len() as i64);
    let mut response = match ended {
        Ok(()) if outcome.problems.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => {
            let description = outcome.problems.describe(outcome.samples, &tenant);
            debug!(%tenant, description, "remote write stored in part");
            if outcome.problems.met_limit {
                retry_later(StatusCode::TOO_MANY_REQUESTS, LIMIT_RETRY_AFTER_S, &description)
            } else {
                text(StatusCode::BAD_REQUEST, &description)
            }
        }
        Err(failure) => answer_failure(receiver, &tenant, &failure),
    };
    if version == Version::V2 {
        let Written { samples, histograms, exemplars } = outcome.written;
        let headers = response.headers_mut();
        headers.insert(SAMPLES_WRITTEN, HeaderValue::from(samples));
        headers.insert(HISTOGRAMS_WRITTEN, HeaderValue::from(histograms));
        headers.insert(EXEMPLARS_WRITTEN, HeaderValue::from(exemplars));
    }
    response
}

fn answer_failure(receiver: &RemoteWrite, tenant: &Tenant, failure: &Failure) -> Response {
    let unavailable = |seconds| retry_later(StatusCode::SERVICE_UNAVAILABLE, seconds, failure);
    let (reason, response) = match failure {
        Failure::Body(BodyFault::Read(fault)) if fault.is_too_large() => {
            ("too_large", text(StatusCode::PAYLOAD_TOO_LARGE, failure))
        }
        Failure::Body(BodyFault::Read(ReadFault::OverBudget)) => ("over_budget", unavailable(RETRY_AFTER_S)),
        Failure::Sink(AppendError::OverBudget { retry_after_s }) => ("over_budget", unavailable(*retry_after_s)),
        Failure::Sink(AppendError::Closed) => ("closed", unavailable(RETRY_AFTER_S)),
        Failure::Sink(AppendError::Log(_)) => ("log", unavailable(RETRY_AFTER_S)),
        Failure::Body(_) | Failure::Wire(..) | Failure::Table(_) => {
            ("malformed", text(StatusCode::BAD_REQUEST, failure))
        }
    };
    receiver.metrics.refuse(reason);
    match response.status().is_server_error() {
        true => warn!(%tenant, %failure, "remote write could not be stored"),
        false => debug!(%tenant, %failure, "remote write refused"),
    }
    response
}

fn text(status: StatusCode, message: &dyn Display) -> Response {
    (status, format!("{message}\n")).into_response()
}

fn retry_later(status: StatusCode, seconds: u32, message: &dyn Display) -> Response {
    (status, [(header::RETRY_AFTER, HeaderValue::from(seconds))], format!("{message}\n")).into_response()
}
