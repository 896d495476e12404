//! `scrape_failure_log_file`: one JSON line for each failed scrape.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use model::Timestamp;
use parking_lot::Mutex;
use tracing::warn;

/// An open log file; opened anew with every reload, so that it can be rotated.
pub(crate) struct FailureLog {
    file: Mutex<File>,
}

impl FailureLog {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(FailureLog { file: Mutex::new(file) })
    }

    pub(crate) fn write(&self, time: Timestamp, pool: &str, target_url: &str, error: &str) {
        let line = serde_json::json!({
            "time_ms": time.ms(), "level": "ERROR", "msg": error, "job_name": pool, "target": target_url,
        });
        if let Err(error) = writeln!(self.file.lock(), "{line}") {
            warn!(%error, "cannot write to the scrape failure log");
        }
    }
}
