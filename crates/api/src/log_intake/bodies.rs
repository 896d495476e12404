//! From a request's body to the store, for protocols that read plain text: unpacked, admitted, stored.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use model::{AppendError, Tenant};
use thiserror::Error;

use super::LogIntake;
use super::admission::Admission;
use super::refusals::Refusals;
use crate::ingest::RETRY_AFTER_S;
use crate::ingest::body::{self, MAX_BYTES, ReadFault};
use crate::ingest::unpack::{Packing, UnpackFault, unpack};

/// Why a request stored nothing.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Unpack(#[from] UnpackFault),
    #[error("unsupported Content-Encoding {0:?}: expected gzip, deflate, zstd or none")]
    Packing(String),
    #[error(transparent)]
    Sink(#[from] AppendError),
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Failure::Sink(_) | Failure::Unpack(UnpackFault::Read(ReadFault::OverBudget)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Failure::Unpack(UnpackFault::TooLarge | UnpackFault::Read(ReadFault::TooLarge)) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Failure::Packing(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Failure::Unpack(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Pause before the next attempt, in seconds, where there may be one.
    pub(crate) fn retry_after_s(&self) -> Option<u32> {
        match self {
            Failure::Sink(AppendError::OverBudget { retry_after_s }) => Some(*retry_after_s),
            failure if failure.status() == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_S),
            _ => None,
        }
    }

    /// For the counter of requests.
    pub(crate) fn outcome(&self) -> &'static str {
        if self.status().is_server_error() { "unavailable" } else { "malformed" }
    }
}

/// The answer to a request that stored nothing, as text.
pub(crate) fn failed(failure: &Failure) -> Response {
    let text = format!("{failure}\n");
    match failure.retry_after_s() {
        Some(seconds) => (failure.status(), [(header::RETRY_AFTER, seconds.to_string())], text).into_response(),
        None => (failure.status(), text).into_response(),
    }
}

/// Reads and unpacks a body, lets `admit` read it, and stores what it admits.
pub(crate) async fn take(
    intake: &LogIntake,
    tenant: &Tenant,
    headers: &HeaderMap,
    body: Body,
    admit: impl FnOnce(&[u8], &mut Admission<'_>),
) -> Result<Refusals, Failure> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?"));
    let packing = Packing::named(encoding).ok_or_else(|| Failure::Packing(encoding.to_owned()))?;
    let mut reserved = intake.requests.account.open();
    let bytes = body::read(body, &mut reserved).await.map_err(UnpackFault::Read)?;
    let config = intake.config();
    let mut admission = intake.admission(&config, tenant);
    let size = if packing == Packing::None { bytes.len() } else { MAX_BYTES };
    let admitted = intake.requests.work(size, || {
        let bytes = unpack(bytes, packing, &mut reserved)?;
        // What is read is copied once into the batch.
        reserved.add(bytes.len()).map_err(UnpackFault::Read)?;
        admit(&bytes, &mut admission);
        Ok::<_, UnpackFault>(())
    });
    admitted.await?;
    Ok(intake.store(tenant, admission).await?)
}
