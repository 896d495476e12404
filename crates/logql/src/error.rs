//! Why a query has no answer.

use std::time::Duration;

use model::{Labels, MemoryError, SourceError};
use thiserror::Error;

use crate::pipeline::StageError;
use crate::syntax::ParseError;

/// Why a query has no answer.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The text cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A stage cannot be compiled.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The query cannot be asked this way; the text says how.
    #[error("{0}")]
    BadRequest(String),
    /// A line of a metric query could not be read as the query wants it.
    #[error("{}", pipeline_message(.0))]
    Pipeline(Labels),
    /// Series of a binary operation do not match as they must.
    #[error("{0}")]
    Matching(&'static str),
    /// More than a query may ask for.
    #[error("{0}")]
    Limit(String),
    /// There is no memory for it.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// It took too long.
    #[error("query timed out after {0:?}")]
    Timeout(Duration),
    /// The caller went away.
    #[error("query was canceled")]
    Canceled,
    /// Stored data cannot be read.
    #[error("storage: {0}")]
    Storage(String),
}

impl From<SourceError> for QueryError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Limit(message) => QueryError::Limit(message),
            SourceError::Memory(error) => QueryError::Memory(error),
            SourceError::Canceled => QueryError::Canceled,
            SourceError::Storage(message) => QueryError::Storage(message),
        }
    }
}

fn pipeline_message(labels: &Labels) -> String {
    let kind = labels.get("__error__").unwrap_or("");
    format!(
        "pipeline error: '{kind}' for series: '{labels}'.\n\
         Use a label filter to intentionally skip this error. (e.g | __error__!=\"{kind}\").\n\
         To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n\
         The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"
    )
}
