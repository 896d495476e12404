//! The shipper within the server: where Promtail's configuration is, what it means here, and how it is taken in anew. What it
//! reads goes into the log store through the same admission as everything that is pushed. The syslog receivers of the command
//! line are jobs of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use config::promtail::{PromtailConfig, ShipScrapeConfig, SyslogFormat};
use config::{ConfigErrors, Loaded, Url};
use model::{Clock, LogSink};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use ship::{Destination, ShipError, ShipMetrics, ShipOptions, ShipStatus, Shipper};
use tracing::{error, info, warn};

use crate::settings;

/// Names looked for beside the main configuration, the first that exists wins.
const FILE_NAMES: [&str; 4] = ["promtail-config.yaml", "promtail-config.yml", "promtail.yaml", "promtail.yml"];
/// How long what is in the buffer may still be stored after the order to stop.
const DELIVERY_GRACE: Duration = Duration::from_secs(3);
/// The name of Loki in a network of containers.
const LOKI_HOST: &str = "loki";
/// Most bytes of a syslog message, as many as Loki lets a line have.
const MOST_SYSLOG_BYTES: u64 = 256 << 10;

/// The shipper, as long as there is something for it to do.
pub(crate) struct Shipping {
    file: Option<PathBuf>,
    syslog: Vec<SocketAddr>,
    dir: PathBuf,
    port: u16,
    clock: Arc<dyn Clock>,
    metrics: Arc<ShipMetrics>,
    sink: OnceLock<Arc<dyn LogSink>>,
    running: Mutex<Option<Running>>,
}

struct Running {
    shipper: Shipper,
    loaded: Loaded<PromtailConfig>,
}

/// The file beside the main configuration, if there is one.
pub(crate) fn find_file(main: &Path) -> Option<PathBuf> {
    let directory = main.parent()?;
    FILE_NAMES.iter().map(|name| directory.join(name)).find(|file| file.is_file())
}

/// True for a file by one of these names.
pub(crate) fn is_config(file: &Path) -> bool {
    file.is_file() && file.file_name().is_some_and(|name| FILE_NAMES.iter().any(|known| *known == name))
}

/// Reads and validates a file.
pub(crate) fn load(file: &Path) -> Result<Loaded<PromtailConfig>, ConfigErrors> {
    config::load_promtail(file, &settings::environment(None))
}

impl Shipping {
    /// Nothing runs before [`Shipping::start`]. Files are kept below `data`; `port` is the server's own.
    pub(crate) fn new(
        main: &Path,
        syslog: Vec<SocketAddr>,
        data: &Path,
        port: u16,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Shipping {
            file: find_file(main),
            syslog,
            dir: data.join("ship"),
            port,
            clock,
            metrics: Arc::default(),
            sink: OnceLock::new(),
            running: Mutex::new(None),
        })
    }

    /// Adds the counters where there is anything to count.
    pub(crate) fn register(&self, registry: &mut Registry) {
        if self.file.is_some() || !self.syslog.is_empty() {
            self.metrics.register(registry);
        }
    }

    /// The configuration with all jobs; none where there is nothing to do. Blocks the thread.
    pub(crate) fn read(&self) -> Result<Option<Loaded<PromtailConfig>>, String> {
        let mut loaded = match &self.file {
            Some(file) => load(file).map_err(|errors| errors.to_string())?,
            None if self.syslog.is_empty() => return Ok(None),
            None => Loaded { config: PromtailConfig::default(), files: Vec::new(), warnings: Vec::new() },
        };
        for address in &self.syslog {
            loaded.config.scrape_configs.extend(syslog_jobs(*address));
        }
        // The buffer and the positions lie with the rest of the server's data.
        loaded.config.buffer.dir = None;
        Ok(Some(loaded))
    }

    /// Says whether a configuration could be put to work.
    pub(crate) fn check(&self, loaded: Option<&Loaded<PromtailConfig>>) -> Result<(), String> {
        let Some(loaded) = loaded else { return Ok(()) };
        Shipper::check(loaded, &self.options()?).map_err(|error| error.to_string())
    }

    /// Begins to ship into a sink.
    pub(crate) async fn start(
        &self,
        loaded: Option<Loaded<PromtailConfig>>,
        sink: Arc<dyn LogSink>,
    ) -> Result<(), ShipError> {
        // There is one start.
        let _ = self.sink.set(sink);
        match loaded {
            Some(loaded) => self.run(loaded).await,
            None => Ok(()),
        }
    }

    /// Goes on with another configuration, if it is another one. Where it cannot be put to work, the one before goes on.
    pub(crate) async fn replace(&self, loaded: Option<Loaded<PromtailConfig>>) -> Result<(), String> {
        let Some(loaded) = loaded else { return Ok(()) };
        let before = self.running.lock().take();
        let before = match before {
            Some(running) if running.loaded.config == loaded.config => {
                *self.running.lock() = Some(running);
                return Ok(());
            }
            Some(running) => {
                running.shipper.stop().await;
                Some(running.loaded)
            }
            None => None,
        };
        let Err(reason) = self.run(loaded).await else { return Ok(()) };
        if let Some(before) = before
            && let Err(error) = self.run(before).await
        {
            error!(%error, "log lines are not shipped any more");
        }
        Err(reason.to_string())
    }

    async fn run(&self, loaded: Loaded<PromtailConfig>) -> Result<(), ShipError> {
        self.take_over_positions(&loaded.config);
        let options = self.options().map_err(|reason| ShipError::Positions { path: self.dir.clone(), reason })?;
        let shipper = Shipper::start(&loaded, options).await?;
        for notice in &loaded.warnings {
            warn!("{notice}");
        }
        info!(jobs = loaded.config.scrape_configs.len(), "shipping log lines into the store");
        *self.running.lock() = Some(Running { shipper, loaded });
        Ok(())
    }

    /// Where a Promtail has run with this configuration, its positions are where reading begins.
    fn take_over_positions(&self, config: &PromtailConfig) {
        let (theirs, ours) = (&config.positions.filename, self.positions());
        if self.file.is_none() || ours.exists() || !theirs.is_file() {
            return;
        }
        let copied = std::fs::create_dir_all(&self.dir).and_then(|()| std::fs::copy(theirs, &ours));
        match copied {
            Ok(_) => info!(from = %theirs.display(), "positions taken over"),
            Err(error) => {
                warn!(from = %theirs.display(), %error, "positions cannot be taken over; files are read from their beginning")
            }
        }
    }

    fn positions(&self) -> PathBuf {
        self.dir.join("positions.yaml")
    }

    fn options(&self) -> Result<ShipOptions, String> {
        let sink = self.sink.get().ok_or("the log store is not open")?.clone();
        let port = self.port;
        Ok(ShipOptions {
            destination: Destination::Sink { sink, stands_for: Arc::new(move |url| is_this_server(url, port)) },
            positions: Some(self.positions()),
            delivery_grace: DELIVERY_GRACE,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        })
    }

    /// How it goes; `None` where nothing is shipped.
    pub(crate) fn status(&self) -> Option<ShipStatus> {
        self.running.lock().as_ref().map(|running| running.shipper.status())
    }

    /// Stops in order. What was read and is not stored yet waits in the buffer.
    pub(crate) async fn close(&self) {
        let running = self.running.lock().take();
        if let Some(running) = running {
            running.shipper.stop().await;
        }
    }
}

/// True for the URL of a client that means this server: Loki by its usual name, or this machine at Loki's port or ours.
fn is_this_server(url: &Url, port: u16) -> bool {
    let url = url.as_url();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    host == LOKI_HOST || is_here && url.port_or_known_default().is_some_and(|given| given == 3100 || given == port)
}

/// A receiver for connections and one for datagrams, with what Promtail calls `__syslog_message_*` as labels and metadata.
fn syslog_jobs(address: SocketAddr) -> Vec<ShipScrapeConfig> {
    let job = |protocol: &str| {
        format!(
            "  - job_name: syslog-{protocol}-{address}\n    syslog: {{listen_address: '{address}', listen_protocol: {protocol}, \
             labels: {{job: syslog}}, use_incoming_timestamp: true, max_message_length: {MOST_SYSLOG_BYTES}}}\n    \
             relabel_configs:\n      \
             - {{action: labelmap, regex: '__syslog_message_(hostname|app_name|severity|facility)'}}\n      \
             - {{source_labels: [__syslog_message_app_name], target_label: service_name}}\n"
        )
    };
    let text = format!("scrape_configs:\n{}{}", job("tcp"), job("udp"));
    let loaded = config::load_promtail_text(&text, Path::new("--syslog"), &config::Environment::default());
    let mut jobs = loaded.expect("the jobs are written here").config.scrape_configs;
    for syslog in jobs.iter_mut().filter_map(|job| job.syslog.as_mut()) {
        syslog.format = SyslogFormat::Either;
        syslog.metadata = true;
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_mean_this_server() {
        let means_us = |url: &str| is_this_server(&Url::parse(url).unwrap(), 3000);
        for url in [
            "http://loki:3100/loki/api/v1/push",
            "http://localhost:3100/x",
            "http://127.0.0.1:3000/x",
            "http://[::1]:3100/",
        ] {
            assert!(means_us(url), "{url}");
        }
        for url in ["http://logs.example.org:3100/x", "http://localhost:3101/x", "http://10.0.0.1:3100/x"] {
            assert!(!means_us(url), "{url}");
        }
    }

    #[test]
    fn the_shipped_file_reads_structured_logs_of_containers() {
        use ship::entry::{BaseLabels, Entry};
        use ship::pipeline::{Pipeline, PipelineContext};

        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../observability/prometheus-config.yaml");
        let loaded = load(&find_file(&shipped).unwrap()).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(loaded.config.clients.iter().all(|client| is_this_server(&client.url, 3000)));
        let stamps = Arc::new(ship::Stamps::new(Arc::new(model::SystemClock)));
        let context = PipelineContext::new(stamps, Arc::default());
        let mut pipeline = Pipeline::new(&loaded.config.scrape_configs[0].pipeline_stages, &context).unwrap();
        let base = BaseLabels::new([("container", "biowerk-mesh-1"), ("service_name", "mesh")]);
        let line = br#"{"timestamp": "2024-01-15T10:30:45.123456Z", "level": "INFO", "logger": "my-service", "message": "x",
            "service_name": "my-service", "trace_id": "a1b2c3d4e5f6a7b8", "span_id": "1234567890abcdef", "user_id": 123}"#;
        let mut seen = Vec::new();
        for line in [&line[..], b"no JSON at all"] {
            pipeline.run(Entry::new(&base, 1, line, 0), &mut |entry| {
                let metadata = entry.metadata.iter().map(|(name, value)| format!("{name}={value}"));
                let labels = entry.labels.pairs().into_iter().map(|(name, value)| format!("{name}={value}"));
                seen.push(labels.chain(metadata).collect::<Vec<_>>().join(" "));
                assert_eq!(entry.line, line);
            });
        }
        let found = "container=biowerk-mesh-1 level=INFO service_name=my-service span_id=1234567890abcdef trace_id=a1b2c3d4e5f6a7b8";
        let mut words: Vec<&str> = seen[0].split(' ').collect();
        words.sort_unstable();
        assert_eq!(words.join(" "), found);
        assert_eq!(seen[1], "container=biowerk-mesh-1 service_name=mesh");
    }

    #[test]
    fn syslog_addresses_become_two_jobs() {
        let jobs = syslog_jobs("127.0.0.1:1514".parse().unwrap());
        assert_eq!(jobs.len(), 2);
        assert!(jobs.iter().all(|job| job.syslog.as_ref().unwrap().metadata));
    }
}
