//! Why a query has no answer, in Prometheus' words.

use model::{MemoryError, SourceError};
use thiserror::Error;

/// Why a query has no answer.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The text is not PromQL, or asks for what a range query cannot give. HTTP answers 400 `bad_data`.
    #[error("{0}")]
    Parse(String),
    /// Evaluation failed, as on duplicate series. HTTP answers 422 `execution`.
    #[error("{0}")]
    Execution(String),
    /// More samples at a time than `max_samples`. HTTP answers 422 `execution`.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// More bytes than one query may take. HTTP answers 422 `execution`.
    #[error(
        "query processing would load too many bytes into memory in query execution: one query may take {limit} bytes"
    )]
    TooManyBytes {
        /// Bytes.
        limit: usize,
    },
    /// All queries together, or the process, are at their limit. HTTP answers 503 `unavailable` with `Retry-After`.
    #[error(transparent)]
    OutOfMemory(MemoryError),
    /// HTTP answers 503 `timeout`.
    #[error("query timed out in {0}")]
    Timeout(&'static str),
    /// HTTP answers 499 or 503 `canceled`.
    #[error("query was canceled in {0}")]
    Canceled(&'static str),
    /// The store failed. HTTP answers 500 `internal`.
    #[error("{0}")]
    Storage(#[source] SourceError),
}

impl QueryError {
    /// The stage named by timeouts and cancellations.
    pub(crate) const EXECUTION: &'static str = "query execution";
    /// The same, while the tree is evaluated.
    pub(crate) const EVALUATION: &'static str = "expression evaluation";

    /// An execution error with this text.
    pub(crate) fn execution(text: impl Into<String>) -> Self {
        QueryError::Execution(text.into())
    }
}

impl From<MemoryError> for QueryError {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::One { limit } => QueryError::TooManyBytes { limit },
            MemoryError::All | MemoryError::Process => QueryError::OutOfMemory(error),
        }
    }
}

impl From<SourceError> for QueryError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Canceled => QueryError::Canceled(QueryError::EXECUTION),
            SourceError::Memory(error) => error.into(),
            other => QueryError::Storage(other),
        }
    }
}
