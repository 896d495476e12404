//! Why the shipper cannot start.

use std::path::PathBuf;

use thiserror::Error;

/// Why the shipper cannot start.
#[derive(Debug, Error)]
pub enum ShipError {
    /// The configuration says something that cannot be done; found only when the pipelines are built.
    #[error(transparent)]
    Config(#[from] config::ConfigErrors),
    /// There is nowhere to send lines to.
    #[error("no clients: add an entry with a url to clients, such as http://localhost:3100/loki/api/v1/push")]
    NoClient,
    /// The positions file cannot be understood.
    #[error(
        "positions file {path}: {reason}; mend or remove it (all files are then read from their beginning), or set \
         positions.ignore_invalid_yaml"
    )]
    Positions {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The buffer on disk cannot be opened.
    #[error("buffer {path}: {reason}")]
    Buffer {
        /// Its directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A client's settings cannot be used.
    #[error("client {url}: {reason}")]
    Client {
        /// Its URL, without a password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// An address cannot be listened on.
    #[error("{what}: cannot listen on {address}: {reason}")]
    Listen {
        /// Whose address.
        what: String,
        /// The address.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}
