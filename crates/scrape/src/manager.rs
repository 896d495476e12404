//! All jobs together: configuration in, samples out, and what the outside may ask.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use config::PrometheusConfig;
use model::{Clock, Labels, SampleSink};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::error;
use url::Url;

use crate::ScrapeError;
use crate::discovery::{Discovery, SourceContext, Troubles};
use crate::families::FamilyStore;
use crate::metrics::ScrapeMetrics;
use crate::pool::{Pool, Sources, has_files, settings_for};
use crate::relabel::trace;
use crate::scrape_loop::{LoopHandle, Mode, PoolSettings, Shared};
use crate::snapshot::{ActiveTarget, DroppedTarget, RelabelStep, TargetMetadata, TargetsSnapshot};
use crate::target::{Target, discovered_labels};

/// What the process decides, as opposed to the configuration file.
#[derive(Clone, Debug)]
pub struct Options {
    /// Under which URL the product is reached from outside; replaces local host names in `global_url`.
    pub external_url: Option<Url>,
    /// The port that the product listens on.
    pub listen_port: Option<u16>,
    /// Shortest time between two updates of a job's targets.
    pub sync_pause: Duration,
    /// Bytes of an unpacked body where `body_size_limit` says nothing.
    pub most_body_bytes: u64,
    /// Bodies that are read at the same time.
    pub parse_threads: usize,
    /// Where DNS discovery asks; `None` for the servers of the system.
    pub dns_server: Option<SocketAddr>,
}

impl Default for Options {
    /// No external URL, targets updated every second at most, bodies up to 512 MiB, as many readers as cores.
    fn default() -> Self {
        Options {
            external_url: None,
            listen_port: None,
            sync_pause: Duration::from_secs(1),
            most_body_bytes: 32 << 20,
            parse_threads: std::thread::available_parallelism().map_or(2, usize::from),
            dns_server: None,
        }
    }
}

/// Scrapes what the configuration names and writes to a store. Cheap to share behind an `Arc`.
pub struct Manager {
    options: Options,
    shared: Arc<Shared>,
    runtime: Handle,
    pools: Mutex<HashMap<String, (Arc<Pool>, Sources)>>,
    /// Jobs that cannot be put to work, and why.
    broken: Mutex<BTreeMap<String, String>>,
    /// Loops of jobs that are gone and still have staleness markers to write.
    retiring: Mutex<Vec<LoopHandle>>,
}

impl Manager {
    /// A manager without targets. Must be called within a tokio runtime, on which everything will run.
    pub fn new(sink: Arc<dyn SampleSink>, clock: Arc<dyn Clock>, options: Options) -> Self {
        let shared = Shared {
            sink,
            clock,
            metrics: Arc::new(ScrapeMetrics::default()),
            families: FamilyStore::default(),
            parsing: Arc::new(Semaphore::new(options.parse_threads.max(1))),
            most_body_bytes: options.most_body_bytes,
        };
        Manager {
            options,
            shared: Arc::new(shared),
            runtime: Handle::current(),
            pools: Mutex::default(),
            broken: Mutex::default(),
            retiring: Mutex::default(),
        }
    }

    /// Puts a configuration to work. A new job whose settings cannot be used (a certificate that is not there) stays out, which
    /// the log and [`TargetsSnapshot::troubles`] say; where a job that runs cannot be changed, that is an error, and nothing
    /// has changed. Loops of targets that stay the same go on undisturbed; series of a target that only changed its settings
    /// go on without staleness markers.
    pub fn apply(&self, config: &PrometheusConfig) -> Result<(), ScrapeError> {
        let _runtime = self.runtime.enter();
        let metrics = &self.shared.metrics;
        let seed = offset_seed(&config.global.external_labels);
        let mut pools = self.pools.lock();
        let mut ready: Vec<(&config::ScrapeConfig, PoolSettings)> = Vec::new();
        let mut broken: BTreeMap<String, ScrapeError> = BTreeMap::new();
        for scrape in config.all_scrape_configs() {
            let before = pools.get(&scrape.job_name).map(|(pool, _)| pool.settings());
            if before.as_ref().is_some_and(|b| *b.config == *scrape && !has_files(scrape)) {
                continue;
            }
            match settings_for(scrape, before.as_deref(), seed) {
                Ok(settings) => ready.push((scrape, settings)),
                Err(error) if before.is_some() => {
                    metrics.pool_reloads_failed.inc();
                    return Err(error);
                }
                Err(error) => drop(broken.insert(scrape.job_name.clone(), error)),
            }
        }
        let named: Vec<&str> = config.all_scrape_configs().map(|s| s.job_name.as_str()).collect();
        let mut changes = Vec::new();
        for (scrape, settings) in ready {
            let before = pools.get(&scrape.job_name);
            if before.is_some_and(|(_, sources)| sources.are(&scrape.discovery)) {
                changes.push((scrape, settings, None));
                continue;
            }
            match self.discover(scrape) {
                Ok(discovery) => changes.push((scrape, settings, Some(discovery))),
                Err(error) if before.is_some() => {
                    metrics.pool_reloads_failed.inc();
                    return Err(error);
                }
                Err(error) => drop(broken.insert(scrape.job_name.clone(), error)),
            }
        }
        // From here on nothing can fail.
        for (job, reason) in &broken {
            metrics.pools_failed.inc();
            error!(job, %reason, "a scrape job cannot be put to work; all others run");
        }
        *self.broken.lock() = broken.into_iter().map(|(job, reason)| (job, reason.to_string())).collect();
        for (scrape, settings, discovery) in changes {
            let name = &scrape.job_name;
            let pool = match pools.get(name) {
                Some((pool, _)) => {
                    metrics.pool_reloads.inc();
                    pool.set_settings(settings);
                    pool.clone()
                }
                None => {
                    metrics.pools.inc();
                    Pool::new(name, self.shared.clone(), settings)
                }
            };
            match (discovery, pools.get(name)) {
                (None, Some((_, sources))) => sources.look_again(),
                (None, None) => {}
                (Some(discovery), _) => {
                    let sources = pool.follow(&scrape.discovery, discovery, self.options.sync_pause);
                    pools.insert(name.clone(), (pool, sources));
                }
            }
        }
        let gone: Vec<String> = pools.keys().filter(|name| !named.contains(&name.as_str())).cloned().collect();
        let mut retiring = self.retiring.lock();
        retiring.retain(|handle| !handle.is_finished());
        for name in gone {
            if let Some((pool, sources)) = pools.remove(&name) {
                drop(sources);
                retiring.extend(pool.retire());
            }
        }
        Ok(())
    }

    fn discover(&self, scrape: &config::ScrapeConfig) -> Result<Discovery, ScrapeError> {
        let context = SourceContext {
            pool: scrape.job_name.clone(),
            metrics: self.shared.metrics.clone(),
            dns_server: self.options.dns_server,
            troubles: Troubles::default(),
        };
        Discovery::start(&scrape.discovery, &context)
    }

    /// All targets as they are now.
    pub fn targets(&self) -> TargetsSnapshot {
        let mut snapshot = TargetsSnapshot::default();
        for (name, pool) in self.sorted_pools() {
            let config = pool.settings().config.clone();
            pool.with_targets(|active, dropped, dropped_count| {
                let first = snapshot.active.len();
                snapshot.active.extend(active.map(|target| self.active_target(&name, &config, target)));
                snapshot.active[first..].sort_by(|a, b| a.scrape_url.cmp(&b.scrape_url));
                snapshot.dropped.extend(dropped.iter().map(|(group, index)| DroppedTarget {
                    scrape_pool: name.clone(),
                    discovered_labels: discovered_labels(&config, group, *index).build(),
                }));
                snapshot.dropped_counts.insert(name.clone(), dropped_count);
            });
        }
        for (name, (_, sources)) in self.pools.lock().iter() {
            let troubles = sources.troubles();
            if !troubles.is_empty() {
                snapshot.troubles.insert(name.clone(), troubles);
            }
        }
        let broken = self.broken.lock().clone().into_iter().map(|(job, reason)| (job, vec![reason]));
        snapshot.troubles.extend(broken);
        snapshot
    }

    fn active_target(&self, pool: &str, config: &config::ScrapeConfig, target: &Target) -> ActiveTarget {
        let status = target.status.lock().clone();
        let (group, index) = target.origin.lock().clone();
        ActiveTarget {
            scrape_pool: pool.to_owned(),
            scrape_url: target.url.clone(),
            global_url: self.global_url(&target.url),
            discovered_labels: discovered_labels(config, &group, index).build(),
            labels: target.labels.clone(),
            last_error: status.last_error.unwrap_or_default().into(),
            last_warning: status.last_warning.unwrap_or_default().into(),
            last_scrape: status.last_scrape,
            last_scrape_duration: status.duration_seconds,
            last_scrape_samples: status.samples,
            health: status.health,
            scrape_interval: target.interval_text(),
            scrape_timeout: model::duration::format_duration_ms(target.timeout_ms),
        }
    }

    /// The URL with a local host name replaced by the external one: all of it where the target is this process.
    fn global_url(&self, url: &str) -> String {
        let (Some(external), Ok(mut parsed)) = (&self.options.external_url, Url::parse(url)) else {
            return url.to_owned();
        };
        if !matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            return url.to_owned();
        }
        let is_own = parsed.port_or_known_default() == self.options.listen_port;
        // Setting parts of an http URL to those of another http URL is never refused.
        let _ = parsed.set_host(external.host_str());
        if is_own {
            let _ = parsed.set_scheme(external.scheme());
            let _ = parsed.set_port(external.port());
        }
        parsed.into()
    }

    /// Names of all jobs, sorted, those that cannot be put to work included.
    pub fn pools(&self) -> Vec<String> {
        let names = self.pools.lock().keys().cloned().collect::<BTreeSet<_>>();
        names.into_iter().chain(self.broken.lock().keys().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn sorted_pools(&self) -> Vec<(String, Arc<Pool>)> {
        let pools = self.pools.lock();
        let mut pools: Vec<_> = pools.iter().map(|(name, (pool, _))| (name.clone(), pool.clone())).collect();
        pools.sort_by(|a, b| a.0.cmp(&b.0));
        pools
    }

    /// What the targets say of their metric families.
    pub fn metadata(&self) -> Vec<TargetMetadata> {
        let mut all = Vec::new();
        for (name, pool) in self.sorted_pools() {
            pool.with_targets(|active, _, _| {
                all.extend(active.map(|target| TargetMetadata {
                    scrape_pool: name.clone(),
                    labels: target.labels.clone(),
                    families: target.status.lock().families.clone(),
                }));
            });
        }
        all
    }

    /// What the job's target relabelling makes of the labels, rule by rule.
    pub fn relabel_steps(&self, pool: &str, labels: &Labels) -> Result<Vec<RelabelStep>, ScrapeError> {
        let pools = self.pools.lock();
        let (found, _) = pools.get(pool).ok_or_else(|| ScrapeError::UnknownPool(pool.to_owned()))?;
        let config = found.settings().config.clone();
        Ok(trace(labels, &config.relabel_configs, config.metric_name_validation_scheme))
    }

    /// Adds the metrics about scraping.
    pub fn register(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
    }

    /// Ends all loops and waits for them. No staleness markers are written, as in Prometheus: after a restart scraping
    /// goes on where it was. A scrape that is under way is given up, unless its samples are already on their way.
    pub async fn shutdown(&self) {
        let pools: Vec<(Arc<Pool>, Sources)> = self.pools.lock().drain().map(|(_, pool)| pool).collect();
        let mut handles: Vec<LoopHandle> = std::mem::take(&mut *self.retiring.lock());
        handles.iter().for_each(|handle| handle.set_mode(Mode::Halt));
        for (pool, sources) in pools {
            drop(sources);
            handles.extend(pool.halt());
        }
        for handle in handles {
            handle.join().await;
        }
    }
}

/// Says of each job and each of its sources that cannot be put to work why; certificates are read, but nothing is changed.
pub fn check(config: &PrometheusConfig) -> Vec<ScrapeError> {
    let all = config.all_scrape_configs().flat_map(|scrape| {
        let sources = scrape.discovery.http_sd_configs.iter().map(|source| &source.http);
        std::iter::once(&scrape.http).chain(sources).filter_map(|http| {
            let reason = client::HttpClient::new(http).err()?;
            Some(ScrapeError::Client { pool: scrape.job_name.clone(), reason })
        })
    });
    all.collect()
}

/// Spreads the scrapes of several machines with the same targets.
fn offset_seed(external_labels: &Labels) -> u64 {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    xxhash_rust::xxh3::xxh3_64_with_seed(host.trim().as_bytes(), external_labels.hash64())
}
