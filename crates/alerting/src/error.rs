//! The crate's error.

use std::path::PathBuf;

use thiserror::Error;

/// Why a configuration cannot be put to work, or its state not be kept.
#[derive(Debug, Error)]
pub enum AlertingError {
    /// A file of templates cannot be read.
    #[error("templates: {}: {reason}", path.display())]
    TemplateFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file of templates has an error.
    #[error("{0}")]
    Template(gotemplate::Error),
    /// A setting of a receiver is a template with an error.
    #[error("receiver {receiver}: {integration}: {reason}")]
    Integration {
        /// The receiver.
        receiver: String,
        /// The integration.
        integration: String,
        /// What is wrong.
        reason: String,
    },
    /// The state cannot be read or written.
    #[error("alerting state: cannot {action} {path}: {reason}")]
    State {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A report was taken in, but the disk does not hold it.
    #[error("the alerts are in force but could not be written to disk: {0}")]
    NotDurable(String),
}
