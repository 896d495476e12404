//! OTLP over gRPC: `opentelemetry.proto.collector.metrics.v1.MetricsService/Export`.
//!
//! The one unary call is framed here rather than by tonic's server, because tonic reads and unpacks a message before anyone can
//! say that there is no memory for it. Status, details and their headers are tonic's.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;
use http_body_util::StreamBody;

use prost::Message;
use tonic::{Code, Status};

use super::http::response;
use super::message::{Encoding, Packing};
use super::status::Failure;
use super::{Otlp, Request};
use crate::ingest::RETRY_AFTER_S;

/// Where the call is.
pub(crate) const EXPORT_PATH: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// A flag and a length stand before a message.
pub(super) const PREFIX_BYTES: usize = 5;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// Takes a call and answers it.
pub(super) async fn answer(otlp: &Otlp, request: Request<'_>, headers: &HeaderMap, body: Body) -> Response {
    let packing = match negotiate(headers) {
        Ok(packing) => packing,
        Err(refusal) => {
            otlp.metrics.refuse("grpc", "unsupported");
            return *refusal;
        }
    };
    match otlp.receive("grpc", request, Encoding::Protobuf, packing, body).await {
        Ok(success) => reply(&response(&success).encode_to_vec()),
        Err(failure) => failed(&failure),
    }
}

/// How the message of a call is packed; an error is the answer.
pub(super) fn negotiate(headers: &HeaderMap) -> Result<Packing, Box<Response>> {
    let is_grpc = headers.get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        return Err(Box::new(refusal(Status::invalid_argument("the content type of gRPC is application/grpc"))));
    }
    let packing = headers.get("grpc-encoding").map_or("", |v| v.to_str().unwrap_or("?"));
    Packing::named(packing).ok_or_else(|| {
        let mut response = refusal(Status::unimplemented(format!("unsupported compression: {packing}")));
        response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,zstd"));
        Box::new(response)
    })
}

/// The answer to a call that failed.
pub(super) fn failed(failure: &Failure) -> Response {
    refusal(status(failure))
}

/// One message and the trailer that ends the call.
pub(super) fn reply(message: &[u8]) -> Response {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames: [Result<Frame<Bytes>, Infallible>; 2] =
        [Ok(Frame::data(framed.freeze())), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

/// The answer while the server starts or stops.
pub(super) fn not_ready() -> Response {
    let message = "the server is starting or stopping".to_owned();
    refusal(status(&Failure { code: Code::Unavailable, message, retry_after_s: Some(RETRY_AFTER_S) }))
}

fn refusal(status: Status) -> Response {
    status.into_http::<Body>()
}

fn status(failure: &Failure) -> Status {
    Status::with_details(failure.code, failure.message.clone(), Bytes::from(failure.protobuf()))
}

/// The message of a call's body, and whether it is packed.
pub(super) fn unframe(body: &[u8]) -> Result<(bool, &[u8]), Failure> {
    let wrong = |message: &str| Failure { code: Code::Internal, message: message.to_owned(), retry_after_s: None };
    let Some((prefix, message)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(wrong("the call ended before its message"));
    };
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    match prefix[0] {
        _ if length != message.len() => Err(wrong("the call does not hold exactly one message")),
        0 => Ok((false, message)),
        1 => Ok((true, message)),
        _ => Err(wrong("the flag before the message is neither 0 nor 1")),
    }
}
