//! What is sent: series with some samples, and the errors of this crate.

use blocks::wal::WalError;
use model::{Exemplar, Labels, Sample};
use thiserror::Error;

/// Some samples of one series, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) samples: Vec<Sample>,
    pub(crate) exemplars: Vec<Exemplar>,
}

/// Why sending cannot be set up.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The log of what is to be sent cannot be opened.
    #[error("remote_write: {0}")]
    Log(#[from] WalError),
    /// A file beside the log cannot be read or written.
    #[error("remote_write: cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address of a server is none.
    #[error("{0:?} is not a URL")]
    Address(String),
    /// A server took nothing, however often it was asked.
    #[error("the server at {address} takes no samples: {reason}")]
    NotTaken {
        /// Where it was asked.
        address: String,
        /// What it said last.
        reason: String,
    },
    /// The HTTP client cannot be made.
    #[error("remote_write to {name}: {reason}")]
    Client {
        /// The receiver's name.
        name: String,
        /// What is wrong.
        reason: client::ClientError,
    },
}
