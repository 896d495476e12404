//! What can be wrong with a scrape configuration once it is put to work.

use std::path::PathBuf;

use client::ClientError;
use thiserror::Error;

/// Why a configuration or a question is refused.
#[derive(Debug, Error)]
pub enum ScrapeError {
    /// A file that the job names cannot be used.
    #[error("scrape pool {pool:?}: {what} file {}: {reason}", path.display())]
    File {
        /// Job name.
        pool: String,
        /// Which setting names the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be made from the settings.
    #[error("scrape pool {pool:?}: {reason}")]
    Client {
        /// Job name.
        pool: String,
        /// What is wrong.
        reason: ClientError,
    },
    /// Nobody scrapes under that job name.
    #[error("scrape pool {0:?} not found")]
    UnknownPool(String),
}
