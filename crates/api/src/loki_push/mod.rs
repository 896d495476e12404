//! Loki's push: `POST /loki/api/v1/push` and `/api/prom/push`, in protocol buffers (snappy's block format) and JSON, plain or
//! packed. Answers are those of Loki 3: 204, or what was refused and why, as text.

mod json;
mod protobuf;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use model::{AppendError, Tenant};
use thiserror::Error;
use tracing::{debug, warn};

use crate::ingest::RETRY_AFTER_S;
use crate::ingest::body::{self, MAX_BYTES, ReadFault, Reserved};
use crate::ingest::unpack::{Packing, UnpackFault, unpack};
use crate::log_intake::LogIntake;
use crate::log_intake::admission::Admission;
use crate::log_intake::refusals::Refusals;
use crate::log_state::{LogTenant, Logs};
use crate::remote_write::snappy::{BodyFault, declared_size, decompress};
use crate::remote_write::wire::WireError;

/// Memory that the shortest entry of JSON takes once it is read, in bytes, for each bracket of the text.
const JSON_ENTRY_BYTES: usize = 160;

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
    LegacyJson,
}

/// Why a request stored nothing.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Read(#[from] ReadFault),
    #[error(transparent)]
    Unpack(#[from] UnpackFault),
    #[error("Content-Encoding {0:?} not supported")]
    Packing(String),
    #[error("snappy: corrupt input")]
    Snappy,
    #[error("decoded size of {0} bytes exceeds the {MAX_BYTES} bytes limit")]
    TooLarge(u64),
    #[error("the message would take {0} bytes of memory, more than all requests together may")]
    TooHeavy(usize),
    #[error("malformed PushRequest: {0}")]
    Wire(#[from] WireError),
    #[error("EOF")]
    Empty,
    #[error("loghttp.PushRequest: {0}")]
    Json(#[from] serde_json::Error),
    #[error("error at least one valid stream is required for ingestion")]
    NoStreams,
    #[error(transparent)]
    Sink(#[from] AppendError),
}

impl From<BodyFault> for Failure {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Read(fault) => Failure::Read(fault),
            BodyFault::DecodedTooLarge(size) => Failure::TooLarge(size),
            BodyFault::Empty | BodyFault::FrameFormat | BodyFault::Snappy(_) => Failure::Snappy,
        }
    }
}

/// The handler of `/loki/api/v1/push`.
pub(crate) async fn push(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&logs, tenant, &headers, Form::Json, body).await
}

/// The handler of `/api/prom/push`.
pub(crate) async fn push_legacy(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&logs, tenant, &headers, Form::LegacyJson, body).await
}

async fn answer(logs: &Logs, tenant: Tenant, headers: &HeaderMap, json: Form, body: Body) -> Response {
    const PROTOCOL: &str = "loki";
    let counters = &logs.intake.counters;
    match take(&logs.intake, &tenant, headers, json, body).await {
        Ok(refusals) if refusals.is_empty() => {
            counters.request(PROTOCOL, "stored");
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(refusals) => {
            counters.request(PROTOCOL, "stored_in_part");
            let text = refusals.describe();
            debug!(%tenant, text, "entries of a push refused");
            refused(&refusals, format!("{text}\n"))
        }
        Err(failure) => {
            let status = status(&failure);
            let outcome = if status.is_server_error() { "unavailable" } else { "malformed" };
            counters.request(PROTOCOL, outcome);
            match status.is_server_error() {
                true => warn!(%tenant, %failure, "a push could not be stored"),
                false => debug!(%tenant, %failure, "a push was refused"),
            }
            let text = format!("{failure}\n");
            match retry_after(&failure) {
                Some(seconds) => (status, [(header::RETRY_AFTER, seconds.to_string())], text).into_response(),
                None => (status, text).into_response(),
            }
        }
    }
}

/// The answer to a request of which not all was stored.
pub(crate) fn refused(refusals: &Refusals, text: String) -> Response {
    if refusals.may_pass() {
        let again: [(HeaderName, String); 1] = [(header::RETRY_AFTER, RETRY_AFTER_S.to_string())];
        return (StatusCode::TOO_MANY_REQUESTS, again, text).into_response();
    }
    (StatusCode::BAD_REQUEST, text).into_response()
}

fn status(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Read(ReadFault::OverBudget) | Failure::Unpack(UnpackFault::Read(ReadFault::OverBudget)) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Failure::Sink(_) => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Read(fault) | Failure::Unpack(UnpackFault::Read(fault)) if fault.is_too_large() => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Failure::Unpack(UnpackFault::TooLarge) | Failure::TooLarge(_) | Failure::TooHeavy(_) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Failure::NoStreams => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn retry_after(failure: &Failure) -> Option<u32> {
    match failure {
        Failure::Sink(AppendError::OverBudget { retry_after_s }) => Some(*retry_after_s),
        failure if status(failure) == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_S),
        _ => None,
    }
}

async fn take(
    intake: &LogIntake,
    tenant: &Tenant,
    headers: &HeaderMap,
    json: Form,
    body: Body,
) -> Result<Refusals, Failure> {
    let text = |name| headers.get(name).map_or("", |value: &http::HeaderValue| value.to_str().unwrap_or("?"));
    let media_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let form = if media_type == "application/json" { json } else { Form::Protobuf };
    let encoding = text(header::CONTENT_ENCODING);
    let packing = match encoding {
        // Some senders say so; it is what protocol buffers are packed in anyway.
        "snappy" => Packing::None,
        encoding => Packing::named(encoding).ok_or_else(|| Failure::Packing(encoding.to_owned()))?,
    };
    let mut reserved = intake.requests.account.open();
    let bytes = body::read(body, &mut reserved).await?;
    let config = intake.config();
    let mut admission = intake.admission(&config, tenant);
    let size = if packing == Packing::None { bytes.len() } else { MAX_BYTES };
    let streams = intake.requests.work(size, || {
        let bytes = unpack(bytes, packing, &mut reserved)?;
        admit(&bytes, form, &mut admission, &mut reserved, intake.requests.account.limit() / 2)
    });
    if streams.await? == 0 {
        return Err(Failure::NoStreams);
    }
    Ok(intake.store(tenant, admission).await?)
}

fn admit(
    bytes: &[u8],
    form: Form,
    admission: &mut Admission<'_>,
    reserved: &mut Reserved<'_>,
    most: u64,
) -> Result<usize, Failure> {
    if form == Form::Protobuf {
        let size = declared_size(bytes, reserved)?;
        let mut message = Vec::new();
        let message = decompress(bytes, size, &mut message)?;
        return Ok(protobuf::admit(message, admission)?);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Failure::Empty);
    }
    let brackets = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    let weight = brackets * JSON_ENTRY_BYTES;
    if weight as u64 > most {
        return Err(Failure::TooHeavy(weight));
    }
    reserved.add(weight)?;
    Ok(match form {
        Form::LegacyJson => json::admit_legacy(bytes, admission)?,
        _ => json::admit(bytes, admission)?,
    })
}
