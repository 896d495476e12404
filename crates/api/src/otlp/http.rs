//! OTLP over HTTP: `POST /v1/metrics`, and Prometheus' `/api/v1/otlp/v1/metrics`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use serde_json::json;

use super::message::{Encoding, Packing};
use super::status::Failure;
use super::{Otlp, Request, Success};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Takes a request and answers it.
pub(super) async fn answer(otlp: &Otlp, request: Request<'_>, headers: &HeaderMap, body: Body) -> Response {
    let (encoding, packing) = match negotiate(headers) {
        Ok(negotiated) => negotiated,
        Err(unsupported) => {
            otlp.metrics.refuse("http", "unsupported");
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, unsupported).into_response();
        }
    };
    match otlp.receive("http", request, encoding, packing, body).await {
        Ok(success) => encoded(StatusCode::OK, encoding, || response(&success).encode_to_vec(), || json_of(&success)),
        Err(failure) => failed(&failure, encoding),
    }
}

/// The answer to a request that failed.
pub(super) fn failed(failure: &Failure, encoding: Encoding) -> Response {
    let status = http_status(failure);
    let mut response = encoded(status, encoding, || failure.protobuf(), || failure.json());
    if let Some(seconds) = failure.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn http_status(failure: &Failure) -> StatusCode {
    match (failure.code, failure.retry_after_s) {
        (tonic::Code::ResourceExhausted, None) => StatusCode::PAYLOAD_TOO_LARGE,
        (tonic::Code::ResourceExhausted, Some(_)) => StatusCode::TOO_MANY_REQUESTS,
        (tonic::Code::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The answer to a request that was taken, wholly or in part.
pub(super) fn response(success: &Success) -> ExportMetricsServiceResponse {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;
    let partial_success = success.message.as_ref().map(|message| ExportMetricsPartialSuccess {
        rejected_data_points: success.refused_points as i64,
        error_message: message.clone(),
    });
    ExportMetricsServiceResponse { partial_success }
}

fn json_of(success: &Success) -> serde_json::Value {
    match &success.message {
        None => json!({}),
        Some(message) => json!({"partialSuccess": {
            "rejectedDataPoints": success.refused_points.to_string(),
            "errorMessage": message,
        }}),
    }
}

/// An answer in the encoding of the request.
pub(super) fn encoded(
    status: StatusCode,
    encoding: Encoding,
    protobuf: impl FnOnce() -> Vec<u8>,
    json: impl FnOnce() -> serde_json::Value,
) -> Response {
    match encoding {
        Encoding::Protobuf => (status, [(header::CONTENT_TYPE, PROTOBUF)], protobuf()).into_response(),
        Encoding::Json => (status, [(header::CONTENT_TYPE, JSON)], json().to_string()).into_response(),
    }
}

/// How a request is written and packed; an error is the text for its sender.
pub(super) fn negotiate(headers: &HeaderMap) -> Result<(Encoding, Packing), String> {
    let text = |name| headers.get(name).map(|v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let encoding = match media_type.as_str() {
        PROTOBUF => Encoding::Protobuf,
        JSON => Encoding::Json,
        _ => return Err(format!("unsupported content type: {content_type}, supported: [{JSON}, {PROTOBUF}]\n")),
    };
    let packing = text(header::CONTENT_ENCODING).unwrap_or_default();
    match Packing::named(&packing) {
        Some(packing) => Ok((encoding, packing)),
        None => Err(format!("unsupported compression: {packing}, supported: gzip, zstd or none\n")),
    }
}
