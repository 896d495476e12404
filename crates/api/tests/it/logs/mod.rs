//! Logs: the ways in, before a sink in memory.

mod bulk;
mod fuzz;
mod limits;
mod memory_sink;
mod opentelemetry;
mod push;
mod samples;
mod search;
mod store;
mod tail;

use std::sync::Arc;

use api::{LogParts, TailingSink};
use axum::body::Body;
use config::{Environment, LokiConfig};
use logs::{Store, StoreOptions};
use model::{ManualClock, Timestamp};
use parking_lot::RwLock;

use crate::support::{Answer, App, request};
use memory_sink::MemoryLogs;

/// The test's clock, in nanoseconds: 2023-11-14T22:23:20Z.
const NOW: i64 = 1_700_000_600_000_000_000;

/// An API with logs, and what was stored.
struct Receiver {
    app: App,
    sink: MemoryLogs,
    _dir: tempfile::TempDir,
}

impl Receiver {
    /// With this text as Loki's configuration.
    fn new(yaml: &str) -> Receiver {
        let path = std::path::Path::new("loki.yaml");
        let config =
            config::load_loki_text(yaml, path, &Environment::default()).unwrap_or_else(|e| panic!("{e}")).config;
        Receiver::with(config)
    }

    fn with(config: LokiConfig) -> Receiver {
        let sink = MemoryLogs::default();
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::new(Timestamp(NOW / 1_000_000)));
        let options = StoreOptions { background: false, ..StoreOptions::default() };
        let (store, _) = Store::open(dir.path(), options, clock).expect("a store");
        let parts = LogParts {
            store,
            sink: TailingSink::new(Arc::new(sink.clone())),
            config: Arc::new(RwLock::new(Arc::new(config))),
        };
        Receiver { app: App::with(|all| all.logs = Some(parts)), sink, _dir: dir }
    }

    /// Without what Loki finds out for itself.
    fn plain() -> Receiver {
        Receiver::new("limits_config: {discover_service_name: [], discover_log_levels: false}")
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = request("POST", path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.app.send(request.body(body.into()).expect("a request")).await
    }

    async fn json(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.post(path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// `{labels} time line {metadata}` of all entries, in order.
    fn stored(&self) -> Vec<String> {
        self.sink.lines()
    }
}
