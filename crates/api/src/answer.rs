//! The envelope of successful answers: `{"status":"success","data":...,"warnings":[...],"infos":[...]}`.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use serde::Serialize;

use crate::errors::ApiError;
use crate::json::push_strings;

/// What a handler of the Prometheus API gives back.
pub(crate) type Answer = Result<Response, ApiError>;

/// The warning of every endpoint that cuts its answer.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

/// Opens the envelope; `data` follows.
pub(crate) fn open_envelope(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"status":"success","data":"#);
}

/// Closes the envelope behind `data`.
pub(crate) fn close_envelope(out: &mut Vec<u8>, warnings: &[String], infos: &[String]) {
    for (name, texts) in [("warnings", warnings), ("infos", infos)] {
        if !texts.is_empty() {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            push_strings(out, texts);
        }
    }
    out.push(b'}');
}

/// Answers with small data that serde writes.
pub(crate) fn success(data: &impl Serialize) -> Answer {
    let mut out = Vec::with_capacity(512);
    open_envelope(&mut out);
    serde_json::to_writer(&mut out, data).map_err(|e| ApiError::internal(e.to_string()))?;
    close_envelope(&mut out, &[], &[]);
    Ok(json_response(Body::from(out)))
}

/// Answers with data that `write` appends.
pub(crate) fn success_with(warnings: &[String], write: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut out = Vec::with_capacity(4096);
    open_envelope(&mut out);
    write(&mut out);
    close_envelope(&mut out, warnings, &[]);
    json_response(Body::from(out))
}

/// Answers with chunks that are made while the client reads.
pub(crate) fn success_chunks(mut chunks: impl ExactEnd<Item = Bytes> + Send + 'static) -> Response {
    let first = chunks.next().unwrap_or_default();
    if chunks.is_done() {
        return json_response(Body::from(first));
    }
    let all = std::iter::once(first).chain(chunks).map(Ok::<_, Infallible>);
    json_response(Body::from_stream(futures::stream::iter(all)))
}

/// An iterator that knows whether it has given its last item.
pub(crate) trait ExactEnd: Iterator {
    /// True once nothing follows.
    fn is_done(&self) -> bool;
}

fn json_response(body: Body) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
