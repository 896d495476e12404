//! Every error that an endpoint can answer, and the one place that maps its kind to an HTTP status.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use model::SourceError;
use thiserror::Error;

use crate::json::push_string;

/// Kinds of failure, by the names that Prometheus' API gives them in `errorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong.
    BadData,
    /// The query was understood and failed.
    Execution,
    /// The caller went away, or the server is stopping.
    Canceled,
    /// The query took longer than it may.
    Timeout,
    /// Stored data could not be read, or something is wrong with the server.
    Internal,
    /// The server cannot answer now; try again.
    Unavailable,
    /// There is no such thing.
    NotFound,
    /// No format that the caller accepts.
    NotAcceptable,
}

impl ErrorKind {
    /// The text of `errorType`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::BadData => "bad_data",
            ErrorKind::Execution => "execution",
            ErrorKind::Canceled => "canceled",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Internal => "internal",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::NotFound => "not_found",
            ErrorKind::NotAcceptable => "not_acceptable",
        }
    }

    /// The HTTP status, as in Prometheus 3 (`getDefaultErrorCode`); 499 is nginx's "client closed request".
    /// Prometheus answers `unavailable` with 500; here it is 503, so that clients try again.
    pub fn status(self) -> StatusCode {
        match self {
            ErrorKind::BadData => StatusCode::BAD_REQUEST,
            ErrorKind::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Canceled => StatusCode::from_u16(499).expect("499 lies in 100..=999"),
            ErrorKind::Timeout | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        }
    }
}

/// A failed request: answered as `{"status":"error","errorType":...,"error":...}`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}: {message}", kind.as_str())]
pub struct ApiError {
    /// What kind of failure, which decides the status.
    pub kind: ErrorKind,
    /// What went wrong, for the person who reads it.
    pub message: String,
    /// Seconds after which a new attempt makes sense.
    pub retry_after_s: Option<u32>,
}

impl ApiError {
    /// An error of some kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ApiError { kind, message: message.into(), retry_after_s: None }
    }

    /// A wrong request.
    pub fn bad_data(message: impl Into<String>) -> Self {
        ApiError::new(ErrorKind::BadData, message)
    }

    /// A wrong parameter: `invalid parameter "step": ...`.
    pub fn parameter(name: &str, reason: impl std::fmt::Display) -> Self {
        ApiError::bad_data(format!("invalid parameter \"{name}\": {reason}"))
    }

    /// Something failed that the caller cannot help.
    pub fn internal(message: impl Into<String>) -> Self {
        ApiError::new(ErrorKind::Internal, message)
    }

    /// The server is busy.
    pub fn unavailable(message: impl Into<String>, retry_after_s: u32) -> Self {
        ApiError { kind: ErrorKind::Unavailable, message: message.into(), retry_after_s: Some(retry_after_s) }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        let kind = match &error {
            SourceError::Memory(error) => return (*error).into(),
            SourceError::Limit(_) => ErrorKind::Execution,
            SourceError::Canceled => ErrorKind::Canceled,
            SourceError::Storage(_) => ErrorKind::Internal,
        };
        ApiError::new(kind, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(64 + self.message.len());
        body.extend_from_slice(br#"{"status":"error","errorType":""#);
        body.extend_from_slice(self.kind.as_str().as_bytes());
        body.extend_from_slice(br#"","error":"#);
        push_string(&mut body, &self.message);
        body.push(b'}');
        let mut response = (self.kind.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_prometheus() {
        for (kind, name, status) in [
            (ErrorKind::BadData, "bad_data", 400),
            (ErrorKind::Execution, "execution", 422),
            (ErrorKind::Canceled, "canceled", 499),
            (ErrorKind::Timeout, "timeout", 503),
            (ErrorKind::Internal, "internal", 500),
            (ErrorKind::Unavailable, "unavailable", 503),
            (ErrorKind::NotFound, "not_found", 404),
            (ErrorKind::NotAcceptable, "not_acceptable", 406),
        ] {
            assert_eq!((kind.as_str(), kind.status().as_u16()), (name, status));
        }
    }
}
