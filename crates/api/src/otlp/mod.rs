//! The receiver of OpenTelemetry metrics: OTLP over HTTP and gRPC, translated as Prometheus 3's receiver translates
//! (`storage/remote/otlptranslator/prometheusremotewrite`).
//!
//! What is valid is stored, whatever else a request holds; the answer then is a partial success that says what was not stored
//! and why. Deltas are always added up to cumulative values. What the store cannot take now is answered so that the sender
//! comes again.

mod context;
mod delta;
mod grpc;
mod http;
mod json;
pub(crate) mod logs;
mod message;
mod names;
mod native;
mod plan;
mod points;
mod receiver_metrics;
mod settings;
mod status;
mod translate;
mod values;
mod weight;

use std::sync::Arc;

use ::http::HeaderMap;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use config::OtlpConfig;
use model::{AppendError, Clock, SampleSink, Tenant};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prometheus_client::registry::Registry;
use tonic::Code;
use tracing::{debug, warn};

use crate::MemoryLimits;
use crate::ingest::body::{self, MAX_BYTES, ReadFault};
use crate::ingest::unpack::{UnpackFault, unpack};
use crate::ingest::{Intake, LIMIT_RETRY_AFTER_S, RETRY_AFTER_S, cache};
use crate::state::{Api, Readiness};
use crate::tenant::RequestTenant;
use delta::Deltas;
pub(crate) use grpc::EXPORT_PATH;
use message::{Encoding, MessageFault, Packing};
use plan::Plan;
use receiver_metrics::ReceiverMetrics;
use settings::Settings;
use status::Failure;
use translate::Translator;

/// The family that holds the attributes of resources.
const TARGET_INFO: &str = "target_info";

/// A receiver and what it remembers of its senders.
pub struct Otlp {
    intake: Arc<Intake>,
    deltas: Deltas,
    metrics: ReceiverMetrics,
}

/// Whose request it is, and how it is translated.
#[derive(Clone, Debug)]
struct Request<'a> {
    tenant: Tenant,
    config: &'a OtlpConfig,
    /// Milliseconds.
    lookback_ms: i64,
}

/// A request that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Success {
    /// Points of which something was not stored.
    refused_points: u64,
    /// What was not stored and why, where anything was not.
    message: Option<String>,
}

impl Otlp {
    /// A receiver in front of `sink`. Requests under way take at most `in_flight_bytes`, as they came and decoded together.
    pub fn new(sink: Arc<dyn SampleSink>, clock: Arc<dyn Clock>, in_flight_bytes: u64) -> Arc<Self> {
        let limits = MemoryLimits { in_flight: 2 * in_flight_bytes, ..MemoryLimits::default() };
        Self::behind(Intake::new(sink, clock, &limits))
    }

    /// A receiver that shares its way into the store with others.
    pub(crate) fn behind(intake: Arc<Intake>) -> Arc<Self> {
        Arc::new(Otlp { deltas: Deltas::new(intake.delta_bytes), intake, metrics: ReceiverMetrics::default() })
    }

    /// Adds the receiver's metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    async fn receive(
        &self,
        transport: &'static str,
        request: Request<'_>,
        encoding: Encoding,
        packing: Packing,
        body: Body,
    ) -> Result<Success, Failure> {
        let tenant = request.tenant.clone();
        let taken = self.take(transport, request, encoding, packing, body).await;
        self.metrics.delta_series.set(self.deltas.len() as i64);
        if let Err(failure) = &taken {
            let outcome = outcome(failure);
            self.metrics.refuse(transport, outcome);
            match failure.code {
                Code::Unavailable => warn!(%tenant, transport, failure.message, "OTLP metrics could not be stored"),
                _ => debug!(%tenant, transport, failure.message, "OTLP metrics refused"),
            }
        }
        taken
    }

    async fn take(
        &self,
        transport: &'static str,
        request: Request<'_>,
        encoding: Encoding,
        packing: Packing,
        body: Body,
    ) -> Result<Success, Failure> {
        let mut reserved = self.intake.account.open();
        let mut bytes = body::read(body, &mut reserved).await.map_err(|fault| failure_of(&fault.into()))?;
        let mut packing = packing;
        if transport == "grpc" {
            let is_packed = grpc::unframe(&bytes)?.0;
            bytes.drain(..grpc::PREFIX_BYTES);
            packing = if is_packed { packing } else { Packing::None };
        }
        let most = self.intake.account.limit() / 2;
        // What is packed may unpack to far more, so it is large work from the beginning.
        let size = if packing == Packing::None { bytes.len() } else { MAX_BYTES };
        let decoded = self.intake.work(size, || {
            let bytes = unpack(bytes, packing, &mut reserved)?;
            message::decode(&bytes, encoding, &mut reserved, most).map(|request| (request, bytes.len()))
        });
        let (message, size) = decoded.await.map_err(|fault| failure_of(&fault))?;
        self.store(transport, &request, &message, size).await
    }

    async fn store(
        &self,
        transport: &'static str,
        request: &Request<'_>,
        message: &[ResourceMetrics],
        size: usize,
    ) -> Result<Success, Failure> {
        let now = self.intake.clock.now();
        let minute = cache::minute(now);
        self.intake.caches.sweep(minute);
        let settings = Settings::new(request.config, request.lookback_ms);
        let plan = self.intake.work(size, || Plan::new(message, &settings)).await;
        let cache = self.intake.caches.of(&request.tenant);
        let tenant = request.tenant.clone();
        let mut translator = Translator::new(&plan, &settings, &self.deltas, tenant, cache, (now, minute));
        let stored = self.store_portions(&mut translator, size).await;
        self.metrics.warn("empty_data_points", plan.empty_metrics);
        self.metrics.warn("label_name_collision", translator.collisions.0.len() as u64);
        self.metrics.warn("histogram_zero_count_non_zero_sum", translator.zero_counts);
        let Translator { written, samples, problems, .. } = &translator;
        if let Err(error) = stored {
            self.metrics.count(*written, problems);
            return Err(append_failure(&error));
        }
        let refused_points = translator.refused_points();
        self.metrics.take(transport, *written, plan.points, refused_points, problems);
        if problems.is_empty() {
            return Ok(Success::default());
        }
        // The specification counts points, the rest of the text series and their samples.
        let points = plan.points;
        let description = format!(
            "{refused_points} of {points} data points refused: {}",
            problems.describe(*samples, &request.tenant)
        );
        debug!(tenant = %request.tenant, description, "OTLP metrics stored in part");
        if problems.met_limit && written.samples + written.histograms == 0 {
            let retry_after_s = Some(LIMIT_RETRY_AFTER_S);
            return Err(Failure { code: Code::ResourceExhausted, message: description, retry_after_s });
        }
        Ok(Success { refused_points, message: Some(description) })
    }

    async fn store_portions(&self, translator: &mut Translator<'_, '_>, size: usize) -> Result<(), AppendError> {
        let sink = &self.intake.sink;
        loop {
            let step = || translator.portion().map(|(batch, sent)| (sink.append(batch), sent));
            let Some((append, mut sent)) = self.intake.work(size, step).await else { return Ok(()) };
            let report = match append.await {
                Ok(report) => report,
                Err(error) => {
                    self.deltas.take_back(std::mem::take(&mut sent.changes));
                    return Err(error);
                }
            };
            let Some((batch, sent)) = translator.settle(sent, &report, &self.intake.caches) else { continue };
            let report = sink.append(batch).await?;
            // These rows had labels, so none of them comes back.
            let _ = translator.settle(sent, &report, &self.intake.caches);
        }
    }
}

fn outcome(failure: &Failure) -> &'static str {
    match (failure.code, failure.retry_after_s) {
        (Code::ResourceExhausted, None) => "too_large",
        (Code::ResourceExhausted, Some(_)) => "series_limit",
        (Code::Unavailable, _) => "unavailable",
        _ => "malformed",
    }
}

fn failure_of(fault: &MessageFault) -> Failure {
    let (code, retry_after_s) = match fault {
        MessageFault::Read(ReadFault::OverBudget) | MessageFault::Unpack(UnpackFault::Read(ReadFault::OverBudget)) => {
            (Code::Unavailable, Some(RETRY_AFTER_S))
        }
        MessageFault::Read(fault) | MessageFault::Unpack(UnpackFault::Read(fault)) if fault.is_too_large() => {
            (Code::ResourceExhausted, None)
        }
        MessageFault::Unpack(UnpackFault::TooLarge) | MessageFault::TooHeavy(_) => (Code::ResourceExhausted, None),
        _ => (Code::InvalidArgument, None),
    };
    Failure { code, message: fault.to_string(), retry_after_s }
}

fn append_failure(error: &AppendError) -> Failure {
    let retry_after_s = match error {
        AppendError::OverBudget { retry_after_s } => *retry_after_s,
        // OTLP senders give up on 500, so a log that cannot be written is answered as what it is: a passing inability.
        AppendError::Closed | AppendError::Log(_) => RETRY_AFTER_S,
    };
    Failure { code: Code::Unavailable, message: error.to_string(), retry_after_s: Some(retry_after_s) }
}

/// The handler of `/v1/metrics` in the whole product's router.
pub(crate) async fn metrics_over_http(
    State(api): State<Arc<Api>>,
    RequestTenant(tenant): RequestTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let config = api.parts.config.read().otlp.clone();
    let request = Request { tenant, config: &config, lookback_ms: api.engine().options().lookback_delta_ms };
    http::answer(&api.otlp, request, &headers, body).await
}

/// The handler of the gRPC call in the whole product's router.
pub(crate) async fn metrics_over_grpc(
    State(api): State<Arc<Api>>,
    RequestTenant(tenant): RequestTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if api.readiness() != Readiness::Ready {
        return grpc::not_ready();
    }
    let config = api.parts.config.read().otlp.clone();
    let request = Request { tenant, config: &config, lookback_ms: api.engine().options().lookback_delta_ms };
    grpc::answer(&api.otlp, request, &headers, body).await
}

/// A router that serves this receiver alone, over HTTP at `/v1/metrics` and over gRPC.
pub fn otlp_router(receiver: Arc<Otlp>, config: OtlpConfig) -> Router {
    type Receiver = State<(Arc<Otlp>, Arc<OtlpConfig>)>;
    let over_http = |State((otlp, config)): Receiver, RequestTenant(tenant), headers: HeaderMap, body: Body| async move {
        http::answer(&otlp, Request { tenant, config: &config, lookback_ms: 0 }, &headers, body).await
    };
    let over_grpc = |State((otlp, config)): Receiver, RequestTenant(tenant), headers: HeaderMap, body: Body| async move {
        grpc::answer(&otlp, Request { tenant, config: &config, lookback_ms: 0 }, &headers, body).await
    };
    Router::new()
        .route("/v1/metrics", post(over_http))
        .route(EXPORT_PATH, post(over_grpc))
        .with_state((receiver, Arc::new(config)))
}
