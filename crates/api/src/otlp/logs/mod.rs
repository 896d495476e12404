//! OpenTelemetry logs: `/v1/logs`, Loki's `/otlp/v1/logs` and gRPC's `LogsService/Export`, mapped to streams and structured
//! metadata as Loki maps them (`pkg/loghttp/push/otlp.go`).

mod json;
mod translate;

use std::sync::Arc;

use ::http::{HeaderMap, StatusCode};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use model::Tenant;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;
use serde_json::json;
use tonic::Code;
use tracing::{debug, warn};

use super::message::{Encoding, MessageFault, Packing};
use super::status::Failure;
use super::{append_failure, failure_of, grpc, http, outcome, weight};
use crate::ingest::RETRY_AFTER_S;
use crate::ingest::body::{self, MAX_BYTES, Reserved};
use crate::ingest::unpack::unpack;
use crate::log_intake::admission::Admission;
use crate::log_intake::refusals::Refusals;
use crate::log_state::{LogTenant, Logs};

/// Where the call of gRPC is.
pub(crate) const EXPORT_PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// The handler of `/v1/logs`.
pub(crate) async fn over_http(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&logs, &tenant, &headers, body, false).await
}

/// The handler of Loki's path, which answers 204 where all was stored.
pub(crate) async fn as_loki(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&logs, &tenant, &headers, body, true).await
}

async fn answer(logs: &Logs, tenant: &Tenant, headers: &HeaderMap, body: Body, is_loki: bool) -> Response {
    let (encoding, packing) = match http::negotiate(headers) {
        Ok(negotiated) => negotiated,
        Err(unsupported) => {
            logs.intake.counters.request("otlp", "unsupported");
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, unsupported).into_response();
        }
    };
    match receive(logs, tenant, false, encoding, packing, body).await {
        Ok(refusals) if refusals.is_empty() && is_loki => StatusCode::NO_CONTENT.into_response(),
        Ok(refusals) => http::encoded(
            StatusCode::OK,
            encoding,
            || response(&refusals).encode_to_vec(),
            || match refusals.is_empty() {
                true => json!({}),
                false => json!({"partialSuccess": {
                    "rejectedLogRecords": refusals.entries().to_string(),
                    "errorMessage": refusals.describe(),
                }}),
            },
        ),
        Err(failure) => http::failed(&failure, encoding),
    }
}

/// The handler of the call of gRPC.
pub(crate) async fn over_grpc(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let packing = match grpc::negotiate(&headers) {
        Ok(packing) => packing,
        Err(refusal) => {
            logs.intake.counters.request("otlp", "unsupported");
            return *refusal;
        }
    };
    match receive(&logs, &tenant, true, Encoding::Protobuf, packing, body).await {
        Ok(refusals) => grpc::reply(&response(&refusals).encode_to_vec()),
        Err(failure) => grpc::failed(&failure),
    }
}

fn response(refusals: &Refusals) -> ExportLogsServiceResponse {
    let partial_success = (!refusals.is_empty()).then(|| ExportLogsPartialSuccess {
        rejected_log_records: refusals.entries() as i64,
        error_message: refusals.describe(),
    });
    ExportLogsServiceResponse { partial_success }
}

async fn receive(
    logs: &Logs,
    tenant: &Tenant,
    is_framed: bool,
    encoding: Encoding,
    packing: Packing,
    body: Body,
) -> Result<Refusals, Failure> {
    let taken = take(logs, tenant, is_framed, encoding, packing, body).await;
    let counters = &logs.intake.counters;
    match &taken {
        Ok(refusals) if refusals.is_empty() => counters.request("otlp", "stored"),
        Ok(refusals) => {
            counters.request("otlp", "stored_in_part");
            debug!(%tenant, text = refusals.describe(), "OTLP logs stored in part");
        }
        Err(failure) => {
            counters.request("otlp", outcome(failure));
            match failure.code {
                Code::Unavailable => warn!(%tenant, failure.message, "OTLP logs could not be stored"),
                _ => debug!(%tenant, failure.message, "OTLP logs refused"),
            }
        }
    }
    taken
}

async fn take(
    logs: &Logs,
    tenant: &Tenant,
    is_framed: bool,
    encoding: Encoding,
    mut packing: Packing,
    body: Body,
) -> Result<Refusals, Failure> {
    let intake = &logs.intake;
    let mut reserved = intake.requests.account.open();
    let mut bytes = body::read(body, &mut reserved).await.map_err(|fault| failure_of(&fault.into()))?;
    if is_framed {
        let is_packed = grpc::unframe(&bytes)?.0;
        bytes.drain(..grpc::PREFIX_BYTES);
        packing = if is_packed { packing } else { Packing::None };
    }
    let config = intake.config();
    let mut admission = intake.admission(&config, tenant);
    let most = intake.requests.account.limit() / 2;
    let size = if packing == Packing::None { bytes.len() } else { MAX_BYTES };
    let admitted = intake.requests.work(size, || {
        let bytes = unpack(bytes, packing, &mut reserved)?;
        let request = decode(&bytes, encoding, &mut reserved, most, &mut admission)?;
        translate::admit(&request, &mut admission);
        Ok::<_, MessageFault>(())
    });
    admitted.await.map_err(|fault| failure_of(&fault))?;
    let all = admission.received_lines;
    let refusals = intake.store(tenant, admission).await.map_err(|error| append_failure(&error))?;
    if refusals.may_pass() && refusals.entries() == all {
        let retry_after_s = Some(RETRY_AFTER_S);
        return Err(Failure { code: Code::ResourceExhausted, message: refusals.describe(), retry_after_s });
    }
    Ok(refusals)
}

fn decode(
    bytes: &[u8],
    encoding: Encoding,
    reserved: &mut Reserved<'_>,
    most: u64,
    admission: &mut Admission<'_>,
) -> Result<ExportLogsServiceRequest, MessageFault> {
    let weight = match encoding {
        Encoding::Protobuf => weight::logs(bytes)?,
        Encoding::Json => weight::json(bytes),
    };
    if weight > most {
        return Err(MessageFault::TooHeavy(weight));
    }
    reserved.add(weight as usize)?;
    Ok(match encoding {
        Encoding::Protobuf => ExportLogsServiceRequest::decode(bytes)?,
        Encoding::Json => json::decode(bytes, |size, reason| {
            admission.malformed(size, || format!("a log record cannot be read: {reason}"));
        })?,
    })
}
