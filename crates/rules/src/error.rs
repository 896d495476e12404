//! The crate's error.

use client::ClientError;
use config::ConfigErrors;
use thiserror::Error;

/// Why rules cannot be put to work.
#[derive(Debug, Error)]
pub enum RulesError {
    /// A rule file is not usable; one line for each problem.
    #[error(transparent)]
    Files(#[from] ConfigErrors),
    /// An entry of `alerting.alertmanagers` cannot be used.
    #[error("alerting.alertmanagers[{index}]: {source}")]
    Alertmanager {
        /// Which entry, from 0.
        index: usize,
        /// Why.
        source: ClientError,
    },
}
