//! Answers and errors in Loki's forms: JSON, or plain text where something is wrong.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use model::SourceError;
use thiserror::Error;

use crate::errors::{ApiError, ErrorKind};
use crate::json::{push_string, push_strings};

/// A failed request: the text for the person who asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub(crate) struct LokiError {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    retry_after_s: Option<u32>,
}

impl LokiError {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        LokiError { status, text: text.into(), retry_after_s: None }
    }

    /// The server is busy.
    pub(crate) fn again(text: impl Into<String>, retry_after_s: u32) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        LokiError { status, text: text.into(), retry_after_s: Some(retry_after_s) }
    }

    /// A wrong request.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        LokiError::new(StatusCode::BAD_REQUEST, text)
    }
}

impl From<ApiError> for LokiError {
    fn from(error: ApiError) -> Self {
        let status = match error.kind {
            // What a query may not do is a bad request in Loki, too large ones among them.
            ErrorKind::Execution => StatusCode::BAD_REQUEST,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            kind => kind.status(),
        };
        LokiError { status, text: error.message, retry_after_s: error.retry_after_s }
    }
}

impl From<SourceError> for LokiError {
    fn from(error: SourceError) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for LokiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What a handler gives back.
pub(crate) type Answer = Result<Response, LokiError>;

/// An answer that is JSON already.
pub(crate) fn json(body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}

/// `{"status":"success","data":...}`; without `data` where there is nothing, as Loki's lists of labels are.
pub(crate) fn strings(texts: &[String]) -> Response {
    let mut out = Vec::with_capacity(64 + texts.iter().map(|text| text.len() + 3).sum::<usize>());
    out.extend_from_slice(br#"{"status":"success""#);
    if !texts.is_empty() {
        out.extend_from_slice(br#","data":"#);
        push_strings(&mut out, texts);
    }
    out.push(b'}');
    json(out)
}

/// `{"values":[...]}`, as the legacy endpoints answer; without `values` where there are none.
pub(crate) fn legacy_strings(texts: &[String]) -> Response {
    let mut out = Vec::from(&b"{"[..]);
    if !texts.is_empty() {
        out.extend_from_slice(br#""values":"#);
        push_strings(&mut out, texts);
    }
    out.push(b'}');
    json(out)
}

/// `{"status":...,"error":...}`, as few endpoints have it.
pub(crate) fn json_error(status: StatusCode, kind: &str, text: &str) -> Response {
    let mut out = Vec::from(&br#"{"status":"#[..]);
    push_string(&mut out, kind);
    out.extend_from_slice(br#","error":"#);
    push_string(&mut out, text);
    out.push(b'}');
    let mut response = (status, out).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
