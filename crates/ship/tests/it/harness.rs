//! A shipper in this process, with a directory of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::Environment;
use model::SystemClock;
use ship::{Destination, ShipMetrics, ShipOptions, Shipper};
use tempfile::TempDir;

/// A directory with logs, positions and buffer, and a runtime for shippers.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) metrics: Arc<ShipMetrics>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Place { dir: tempfile::tempdir().unwrap(), runtime, metrics: Arc::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A configuration with one client and one job that reads `pattern` in the directory.
    pub(crate) fn config(&self, url: &str, pattern: &str, stages: &str) -> String {
        let dir = self.dir.path().display();
        format!(
            "server: {{disable: true}}\npositions: {{filename: {dir}/positions.yaml, sync_period: 200ms}}\n\
             target_config: {{sync_period: 300ms}}\n\
             clients: [{{url: '{url}', batchwait: 50ms, backoff_config: {{min_period: 20ms, max_period: 100ms}}}}]\n\
             scrape_configs:\n  - job_name: files\n    static_configs:\n      - labels: {{app: test, __path__: '{dir}/{pattern}'}}\n{stages}"
        )
    }

    pub(crate) fn start(&self, config: &str) -> Running<'_> {
        let path = self.path("promtail.yaml");
        let loaded = config::load_promtail_text(config, &path, &Environment::default()).unwrap();
        self.start_with(&loaded, Destination::Clients)
    }

    pub(crate) fn start_with(
        &self,
        loaded: &config::Loaded<config::promtail::PromtailConfig>,
        destination: Destination,
    ) -> Running<'_> {
        let options = ShipOptions {
            destination,
            positions: None,
            delivery_grace: Duration::from_millis(500),
            clock: Arc::new(SystemClock),
            metrics: self.metrics.clone(),
        };
        let shipper = self.runtime.block_on(Shipper::start(loaded, options)).unwrap();
        Running { place: self, shipper: Some(shipper) }
    }

    pub(crate) fn write(&self, name: &str, lines: &[String]) {
        append(&self.path(name), lines);
    }
}

/// A running shipper; stopped in order when dropped.
pub(crate) struct Running<'p> {
    place: &'p Place,
    pub(crate) shipper: Option<Shipper>,
}

impl Running<'_> {
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(shipper) = self.shipper.take() {
            self.place.runtime.block_on(shipper.stop());
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

pub(crate) fn append(path: &Path, lines: &[String]) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    file.write_all(text.as_bytes()).unwrap();
}

/// `what 0`, `what 1`, ...
pub(crate) fn numbered(what: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{what} {number}")).collect()
}
