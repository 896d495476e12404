//! The write-ahead log.

use std::time::Duration;

use thiserror::Error;

/// When a record counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// After fdatasync of its group.
    Always,
    /// Once written; fdatasync follows at this interval, so a power cut may lose that much.
    Interval(Duration),
}

/// Why a log cannot be opened.
#[derive(Debug, Error)]
pub enum WalError {
    /// The directory cannot be used.
    #[error(
        "write-ahead log: cannot {action} {path}: {source}; check that the directory exists, is writable and has free space"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}
