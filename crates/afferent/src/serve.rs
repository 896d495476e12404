//! `afferent serve`: puts the rooms together, runs them, and takes them apart in order.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::{
    Api, ConfigSnapshot, Door, DoorPolicy, HttpMetrics, MemoryLimits, Notifications, Parts, QueryLog, Readiness,
};
use blocks::files::{FileStore, RemoteFiles, RemoteOptions};
use collect::host::Host;
use config::{PrometheusConfig, RetentionRule};
use metrics::{RecoveryReport, Store, StoreOptions};
use model::{Clock, MemoryPool, SampleSink, SystemClock, Tenant};
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use promql::engine::{Engine, EngineOptions};
use remote::{Forwarding, Senders, SendersOptions};
use scrape::Manager;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::alert_house::{self, AlertHouse};
use crate::classic_ports::{self, ClassicPort};
use crate::cli::{Feature, ServeArgs, Switch};
use crate::log_house::LogHouse;
use crate::memory::Budget;
use crate::reload::Reloader;
use crate::ruler::{Ruler, RulerParts};
use crate::shipping::Shipping;
use crate::targets::ScrapeTargets;
use crate::{check, data_dir, log_house, logging, open_files, settings};

/// How long open requests may go on after the order to stop.
const REQUEST_GRACE: Duration = Duration::from_secs(3);
/// The same for those who ask whether it has started.
const STARTING_GRACE: Duration = Duration::from_millis(200);
/// Prometheus' default: 15 days.
const DEFAULT_RETENTION_MS: i64 = 15 * 24 * 3600 * 1000;
/// Most bytes that wait on disk for receivers of remote write that are away.
const OUTBOX_BYTES: u64 = 8 << 30;

/// Signals that the server understands.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
enum Order {
    Stop(&'static str),
    Reload,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Order::Stop("SIGINT"),
            _ = self.hangup.recv() => Order::Reload,
        }
    }
}

/// Runs until told to stop.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let own_logs = logging::start();
    open_files::raise_limit();
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let doors = DoorPolicy::new(args.allowed_hosts.clone(), &args.cors_origin).context("--web.cors.origin")?;
    let file = settings::find_file(&args.config)?;
    let listener = api::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let loaded = settings::load(&file, Some(address)).with_context(|| format!("{} is not usable", file.display()))?;
    for warning in &loaded.warnings {
        warn!(%warning, "configuration");
    }
    settings::warn_of_idle_sections(&loaded.config);
    let loki_file = log_house::find_file(&file);
    let loki = log_house::load(loki_file.as_deref()).context("the configuration of logs is not usable")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let shipping = Shipping::new(&file, args.syslog.clone(), &args.data, address.port(), clock.clone());
    let to_ship =
        shipping.read().map_err(anyhow::Error::msg).context("the configuration of the shipper is not usable")?;
    let _data = data_dir::lock(&args.data)?;

    let budget = Budget::of(args.memory)?;
    let resident = budget.resident();
    let query_memory = MemoryPool::new(budget.queries as usize, budget.one_query as usize, Some(resident.clone()));
    let mut options = store_options(&budget, &loaded.config);
    options.resident = Some(resident.clone());
    let bucket = bucket(&args)?;
    options.files = bucket.clone().map(|bucket| bucket as Arc<dyn FileStore>);
    let retention_ms = options.retention_ms;
    info!(data = %args.data.display(), "opening the store");
    let (listener, waiting) = shared(listener).context("cannot share the listener")?;
    let is_open = CancellationToken::new();
    let waiting = vec![(waiting, api::starting_router())];
    let waiting = tokio::spawn(api::serve(waiting, is_open.clone(), STARTING_GRACE));
    let (store, recovery) = tokio::select! {
        opened = open_store(&args.data, options, &clock) => opened?,
        reason = order_to_stop(&mut signals) => {
            info!(reason, "stopping before the store was open; its files are as they were");
            std::process::exit(0);
        }
    };
    is_open.cancel();
    waiting.await.context("the HTTP server failed")?;

    let opening = {
        let (data, resident, clock) = (args.data.clone(), resident.clone(), clock.clone());
        tokio::task::spawn_blocking(move || LogHouse::open(&data, loki_file, loki, &budget, resident, clock))
    };
    let log_house = Arc::new(opening.await?.context("cannot open the log store")?);

    let alert_house = {
        let (data, file, clock) = (args.data.clone(), file.clone(), clock.clone());
        let syntax = alert_house::syntax(&args.features);
        tokio::task::spawn_blocking(move || AlertHouse::open(&data, &file, address, syntax, &clock))
    };
    let alert_house = Arc::new(alert_house.await?.context("cannot start alerting")?);

    let scrape_options = scrape::Options { listen_port: Some(address.port()), ..scrape::Options::default() };
    let senders = senders(&args.data, &store, &clock);
    let sink = sink(&store, &senders);
    let manager = Arc::new(Manager::new(sink.clone(), clock.clone(), scrape_options));
    let http_metrics = HttpMetrics::default();
    let mut registry = Registry::default();
    http_metrics.register(&mut registry);
    store.register(&mut registry);
    if let Some(bucket) = &bucket {
        bucket.register(&mut registry);
    }
    manager.register(&mut registry);
    log_house.store.register(&mut registry);
    senders.register(&mut registry);
    shipping.register(&mut registry);
    alert_house.alerting.register(&mut registry);
    api::register_process_metrics(&mut registry);

    let engine = Arc::new(RwLock::new(Engine::new(engine_options(&args, query_memory))));
    let snapshot = Arc::new(RwLock::new(ConfigSnapshot::default()));
    let notifications = Notifications::new(clock.clone());
    let ruler = Ruler::new(RulerParts {
        file: file.clone(),
        store: store.clone(),
        logs: log_house.store.clone(),
        engine: engine.clone(),
        sink: sink.clone(),
        clock: clock.clone(),
        external_url: format!("http://{address}"),
        alerts: alert_house.clone(),
    });
    ruler.register(&mut registry);
    let query_log = QueryLog::new();
    let reloader = Arc::new(Reloader {
        file: file.clone(),
        address,
        manager: manager.clone(),
        senders: senders.clone(),
        ruler: ruler.clone(),
        runtime: tokio::runtime::Handle::current(),
        store: store.clone(),
        engine: engine.clone(),
        snapshot: snapshot.clone(),
        metrics: http_metrics.clone(),
        notifications: notifications.clone(),
        query_log: query_log.clone(),
        log_house: log_house.clone(),
        shipping: shipping.clone(),
        alert_house: alert_house.clone(),
        clock: clock.clone(),
        at_start: loaded.config.clone(),
        busy: Mutex::default(),
    });

    let stop = CancellationToken::new();
    let quit = stop.clone();
    let host = Arc::new(Host::new(collect::host::Options::default(), clock.clone()));
    let api = Api::new(Parts {
        source: store.clone(),
        engine,
        clock: clock.clone(),
        targets: Arc::new(ScrapeTargets(manager.clone())),
        rules: ruler.clone(),
        sink,
        store: store.clone(),
        registry,
        http_metrics,
        host_exporter: Arc::new(move || {
            let mut text = String::new();
            host.gather(&mut text);
            text
        }),
        config: snapshot,
        reload: reload_door(reloader.clone()),
        quit: args.enable_lifecycle.then(|| Box::new(move || quit.cancel()) as Box<dyn Fn() + Send + Sync>),
        flags: flags(&args),
        doors,
        notifications,
        max_concurrent_queries: args.query_max_concurrency,
        slow_query: args.query_slow_threshold,
        query_log,
        corruptions: recovery.corruptions(),
        memory: MemoryLimits {
            total: Some(budget.total),
            in_flight: budget.in_flight,
            known_series: budget.known_series,
            resident: Some(resident),
        },
        retention_ms,
        logs: Some(log_house.parts()),
        shipper: ship_status(shipping.clone()),
        alerting: Some(alert_house.alerting.clone()),
        data_dir: args.data.clone(),
    });

    alert_house.alerting.start();
    reloader.apply(&loaded.config).map_err(anyhow::Error::msg)?;
    let sink = api.log_sink().context("the server keeps no logs")?;
    shipping.start(to_ship, sink).await.context("the shipper cannot be started")?;
    let classic = match args.classic_ports {
        Switch::On => classic_ports::open(address.ip(), address.port()).await,
        Switch::Off => Vec::new(),
    };
    announce(address, &classic, &loaded.config, &file, &args.data)?;
    let mut listeners = vec![(listener, api::router(api.clone(), Door::Main))];
    listeners.extend(classic.into_iter().map(|port| (port.listener, api::router(api.clone(), port.door))));
    let serving = tokio::spawn(api::serve(listeners, stop.clone(), REQUEST_GRACE));
    api.set_readiness(Readiness::Ready);
    let pushing = tokio::spawn(api::write_pushed_groups(api.clone(), stop.clone()));
    let logs_stop = CancellationToken::new();
    let own_logs = tokio::spawn(own_logs.write(log_house.sink.clone(), logs_stop.clone()));

    wait_for_the_end(&mut signals, &stop, &reloader).await;
    // A second signal ends the process at once: the log holds everything that was acknowledged.
    tokio::spawn(async move {
        while !matches!(signals.next().await, Order::Stop(_)) {}
        std::process::exit(1);
    });
    api.set_readiness(Readiness::Stopping);
    stop.cancel();
    shipping.close().await;
    ruler.close().await;
    manager.shutdown().await;
    pushing.await.context("writing pushed groups failed")?;
    serving.await.context("the HTTP server failed")?;
    alert_house.alerting.close().await;
    senders.close().await;
    logs_stop.cancel();
    own_logs.await.context("keeping the server's own logs failed")?;
    tokio::task::spawn_blocking(move || {
        log_house.close();
        store.close()
    })
    .await?
    .context("cannot close the store")?;
    info!("stopped");
    Ok(())
}

/// The same listener twice: one is for the time until the store is open.
fn shared(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let listener = listener.into_std()?;
    let copy = listener.try_clone()?;
    Ok((TcpListener::from_std(listener)?, TcpListener::from_std(copy)?))
}

/// Waits for the order to stop; there is nothing to reload yet.
async fn order_to_stop(signals: &mut Signals) -> &'static str {
    loop {
        if let Order::Stop(reason) = signals.next().await {
            return reason;
        }
    }
}

async fn wait_for_the_end(signals: &mut Signals, stop: &CancellationToken, reloader: &Arc<Reloader>) {
    loop {
        let order = tokio::select! {
            () = stop.cancelled() => Order::Stop("/-/quit"),
            order = signals.next() => order,
        };
        match order {
            Order::Stop(reason) => {
                info!(reason, "stopping");
                return;
            }
            Order::Reload => {
                let reloader = reloader.clone();
                // Why a reload failed is logged where it failed.
                let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
            }
        }
    }
}

fn reload_door(reloader: Arc<Reloader>) -> api::Reload {
    Box::new(move || {
        let reloader = reloader.clone();
        Box::pin(async move {
            let reloaded = tokio::task::spawn_blocking(move || reloader.reload()).await;
            reloaded.unwrap_or_else(|failure| Err(failure.to_string()))
        })
    })
}

async fn open_store(
    dir: &Path,
    options: StoreOptions,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Arc<Store>, RecoveryReport)> {
    let (dir, clock) = (dir.join("metrics"), clock.clone());
    let (store, recovery) = tokio::task::spawn_blocking(move || Store::open(&dir, options, clock)).await??;
    if recovery.torn_bytes > 0 {
        info!(torn_bytes = recovery.torn_bytes, "cut off the end of the log, a write that was never acknowledged");
    }
    if recovery.found_damage() {
        warn!(
            damaged_records = recovery.damaged_records,
            damaged_bytes = recovery.damaged_bytes,
            orphaned_samples = recovery.orphaned_samples,
            quarantined_files = ?recovery.quarantined_files,
            missing_segments = ?recovery.missing_segments,
            "stored data was damaged; what could be read is there, damaged files were set aside"
        );
    }
    Ok((store, recovery))
}

/// The door through which the shipper's state is asked.
fn ship_status(shipping: Arc<Shipping>) -> Box<dyn Fn() -> serde_json::Value + Send + Sync> {
    Box::new(move || match shipping.status() {
        Some(status) => serde_json::to_value(status).unwrap_or_default(),
        None => serde_json::Value::Null,
    })
}

/// What sends on to other systems; idle until a configuration names some.
fn senders(data: &Path, store: &Arc<Store>, clock: &Arc<dyn Clock>) -> Arc<Senders> {
    let options = SendersOptions { dir: data.join("remote_write"), most_bytes: OUTBOX_BYTES };
    let store = store.clone();
    let metadata = move |tenant: &Tenant, metric: Option<&str>| match metric {
        Some(metric) => store.metadata_of(tenant, metric).map(|m| (metric.to_owned(), m)).into_iter().collect(),
        None => store.metadata(tenant, 0, None).unwrap_or_else(|error| {
            warn!(%error, "metadata cannot be read for remote write");
            Vec::new()
        }),
    };
    Senders::new(options, clock.clone(), Arc::new(metadata))
}

/// Where all samples go in: the store, then whoever else is to have them.
fn sink(store: &Arc<Store>, senders: &Arc<Senders>) -> Arc<dyn SampleSink> {
    let known = store.clone();
    let known = move |tenant: &Tenant, reference| known.labels_of(tenant, reference);
    Arc::new(Forwarding::new(store.clone(), senders.clone(), Arc::new(known)))
}

fn store_options(budget: &Budget, config: &PrometheusConfig) -> StoreOptions {
    let mut options = StoreOptions::default();
    let storage = &config.storage;
    if let Some(window) = storage.tsdb.out_of_order_time_window {
        options.out_of_order_window_ms = window.ms();
    }
    let retention_ms = storage.tsdb.retention.time.ms();
    options.retention_ms = if retention_ms > 0 { retention_ms } else { DEFAULT_RETENTION_MS };
    let max_bytes = storage.tsdb.retention.size.bytes();
    options.max_block_bytes = (max_bytes > 0).then_some(max_bytes);
    options.retention_rules = config.retention.iter().map(retention_rule).collect();
    options.exemplar_capacity = usize::try_from(storage.exemplars.max_exemplars).unwrap_or(0);
    options.memory_limit_bytes = Some(budget.head);
    options.block_cache_bytes = budget.block_cache as usize;
    options.limits = settings::limits(config);
    options
}

/// Where finished blocks go, if not into the data directory.
fn bucket(args: &ServeArgs) -> anyhow::Result<Option<Arc<RemoteFiles>>> {
    let Some(url) = &args.blocks else { return Ok(None) };
    let options = RemoteOptions::new(args.data.join("metrics").join("cache"), args.blocks_cache);
    let bucket = RemoteFiles::open(url, options).context("open the bucket for blocks")?;
    info!(bucket = bucket.describe(), "blocks lie in a bucket");
    Ok(Some(Arc::new(bucket)))
}

fn retention_rule(rule: &RetentionRule) -> metrics::RetentionRule {
    let step =
        |step: &config::DownsampleStep| metrics::DownsampleStep { after_ms: step.after.ms(), to_ms: step.to.ms() };
    metrics::RetentionRule {
        matchers: rule.matchers(),
        keep_ms: rule.keep.map(config::Millis::ms),
        downsample: rule.downsample.iter().map(step).collect(),
    }
}

fn engine_options(args: &ServeArgs, memory: Arc<MemoryPool>) -> EngineOptions {
    EngineOptions {
        lookback_delta_ms: args.query_lookback_delta.as_millis() as i64,
        max_samples: args.query_max_samples,
        memory,
        timeout: args.query_timeout,
        delayed_name_removal: args.features.contains(&Feature::DelayedNameRemoval),
        use_start_timestamps: args.features.contains(&Feature::StartTimestamps),
        type_and_unit_labels: args.features.contains(&Feature::TypeAndUnitLabels),
        ..EngineOptions::default()
    }
}

/// The command line as `/api/v1/status/flags` shows it.
fn flags(args: &ServeArgs) -> BTreeMap<String, String> {
    let duration = |d: Duration| model::duration::format_duration_ms(d.as_millis() as i64);
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    [
        ("blocks-cache", args.blocks_cache.to_string()),
        ("classic-ports", switch(args.classic_ports == Switch::On)),
        ("config", args.config.display().to_string()),
        ("data", args.data.display().to_string()),
        ("enable-feature", args.features.iter().map(|feature| feature.name()).collect::<Vec<_>>().join(",")),
        ("listen", args.listen.to_string()),
        ("memory", args.memory.map(|bytes| bytes.to_string()).unwrap_or_default()),
        ("query.lookback-delta", duration(args.query_lookback_delta)),
        ("query.max-concurrency", args.query_max_concurrency.to_string()),
        ("query.max-samples", args.query_max_samples.to_string()),
        ("query.slow-threshold", duration(args.query_slow_threshold)),
        ("query.timeout", duration(args.query_timeout)),
        ("syslog", args.syslog.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")),
        ("web.allowed-host", args.allowed_hosts.join(",")),
        ("web.cors.origin", args.cors_origin.clone()),
        ("web.enable-admin-api", args.enable_admin_api.to_string()),
        ("web.enable-lifecycle", args.enable_lifecycle.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// One paragraph for the person who started it.
fn announce(
    address: SocketAddr,
    classic: &[ClassicPort],
    config: &PrometheusConfig,
    file: &Path,
    data: &Path,
) -> std::io::Result<()> {
    let mut text = format!("Afferent {} is running: http://{address}\n", api::APPLICATION_VERSION);
    for port in classic {
        text.push_str(&format!("{} also answers at http://{}\n", port.system, port.address));
    }
    let jobs = check::counted(config.all_scrape_configs().count(), "job");
    text.push_str(&format!(
        "It scrapes {jobs} from {}, keeps data in {}, and stops with Ctrl-C.\n",
        file.display(),
        data.display()
    ));
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
