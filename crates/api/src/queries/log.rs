//! `global.query_log_file`: a line of JSON for every query, as Prometheus writes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use model::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use promql::engine::QueryStats;
use serde_json::json;
use tracing::warn;

use super::{Entry, Times};
use crate::encode::stats_json;
use crate::time_text::rfc3339;

/// The file, while the configuration names one.
#[derive(Debug, Default)]
pub struct QueryLog {
    file: Mutex<Option<File>>,
    enabled: Gauge,
    failures: Counter,
}

impl QueryLog {
    /// A log that is off.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Appends to this file from now on, or to none. Opens it anew each time, so that a file that was moved away is let go. On an
    /// error nothing has changed.
    pub fn open(&self, path: Option<&Path>) -> io::Result<()> {
        let file = path.map(|path| OpenOptions::new().append(true).create(true).open(path)).transpose()?;
        self.enabled.set(i64::from(file.is_some()));
        *self.file.lock() = file;
        Ok(())
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("prometheus_engine_query_log_enabled", "State of the query log", self.enabled.clone());
        registry.register(
            "prometheus_engine_query_log_failures",
            "The number of query log failures",
            self.failures.clone(),
        );
    }

    /// Writes a query that has ended; without statistics where it failed, with the reason.
    pub(super) fn write(&self, entry: &Entry, now: Timestamp, stats: Option<&QueryStats>, error: Option<String>) {
        let mut file = self.file.lock();
        let Some(file) = file.as_mut() else { return };
        let (start, end, step_ms) = match entry.asked.times {
            Times::Instant(at) => (at, at, 0),
            Times::Range { start, end, step_ms } => (start, end, step_ms),
        };
        let client = &entry.asked.client;
        let mut line = json!({
            "time": rfc3339(now),
            "level": "INFO",
            "msg": "promql query logged",
            "params": {
                "query": entry.asked.query,
                "start": rfc3339(start),
                "end": rfc3339(end),
                "step": step_ms / 1000,
            },
        });
        if let Some(error) = error {
            line["error"] = json!(error);
        }
        let waited_s = entry.queued().as_secs_f64();
        if let Some(stats) = stats.and_then(|stats| serde_json::from_slice(&stats_json(stats, waited_s)).ok()) {
            line["stats"] = stats;
        }
        line["httpRequest"] = json!({
            "clientIP": client.address.map(|address| address.ip().to_string()).unwrap_or_default(),
            "method": client.method,
            "path": client.path,
        });
        // One write, so that lines of several processes do not mix.
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            self.failures.inc();
            warn!(%error, "cannot write to the query log");
        }
    }
}
