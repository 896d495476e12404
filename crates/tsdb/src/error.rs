//! Why a block cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use model::Labels;
use thiserror::Error;

/// Why a block cannot be read.
#[derive(Debug, Error)]
pub enum TsdbError {
    /// The system refused.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Bytes are not what Prometheus wrote.
    #[error("{path} is damaged at byte {offset}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged thing begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A version or an encoding that is not known here.
    #[error("{path} cannot be read: {reason}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not known, and what to do.
        reason: String,
    },
}

impl TsdbError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> TsdbError {
        let path = path.to_owned();
        move |source| TsdbError::Io { path, source }
    }

    /// The same, with the series that it took samples from.
    pub(crate) fn of_series(mut self, labels: &Labels) -> TsdbError {
        match &mut self {
            TsdbError::Damaged { reason, .. } | TsdbError::Unsupported { reason, .. } => {
                reason.push_str(&format!(", in {labels}"));
            }
            TsdbError::Io { .. } => {}
        }
        self
    }

    pub(crate) fn damaged(path: &Path, offset: u64, reason: impl Into<String>) -> TsdbError {
        TsdbError::Damaged { path: path.to_owned(), offset, reason: reason.into() }
    }
}
